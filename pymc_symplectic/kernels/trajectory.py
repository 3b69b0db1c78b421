"""A trajectory that is kept step by step, where samplers keep one state of it: to look at a flow in phase space."""

from typing import NamedTuple

import numpy as np

from .compile import helper, kernel
from .flow import close, evaluate, is_closed, step
from .kinetic import kinetic_energy
from .state import GRADIENTS, State, System
from .status import Status
from .vectors import assign

__all__ = ["Course", "follow"]

_BROKEN = int(Status.BROKEN)


class Course(NamedTuple):
    """Where a trajectory has been: `positions` and `momenta` (n + 1, d), and `potentials` and `kinetics` (n + 1,)."""

    positions: np.ndarray
    momenta: np.ndarray
    potentials: np.ndarray
    kinetics: np.ndarray


@helper
def _keep(system: System, state: State, course: Course, row: int) -> bool:
    """Write where the state is to a row of the course, if all of it is finite; returns whether it is."""
    point, momentum = state.moving, state.momentum
    kinetic = kinetic_energy(system.kinetic, momentum)
    # isfinite(x) is compiled to a test of x - x, which is taken for zero where sums of x may be reordered
    if not abs(kinetic - point.value[0]) < np.inf:
        return False
    for j in range(momentum.size):
        if not (abs(point.position[j]) < np.inf and abs(momentum[j]) < np.inf):
            return False
    assign(course.positions[row], point.position)
    assign(course.momenta[row], momentum)
    course.potentials[row] = -point.value[0]
    course.kinetics[row] = kinetic
    return True


@kernel
def follow(system: System, state: State, eps: float, course: Course) -> tuple[int, int]:
    """Step from ``state.moving`` and ``state.momentum`` until the course is full, or the motion is no longer finite.

    Returns how many rows were written, and the status of the last evaluation.  Of the gradients, those that the motion
    needed are counted, and not those that only the energies of the course needed.
    """
    point = state.moving
    status = evaluate(system.target, point, state.counters)
    if status == _BROKEN or not _keep(system, state, course, 0):
        return 0, status
    for row in range(1, len(course.positions)):
        status = step(system.flow, system, state, eps)
        if status == _BROKEN or point.value[0] == -np.inf:
            return row, status
        if not is_closed(system.flow):
            status = close(system.flow, system, state)
            state.counters[GRADIENTS] -= 1
        if status == _BROKEN or not _keep(system, state, course, row):
            return row, status
    return len(course.positions), status
