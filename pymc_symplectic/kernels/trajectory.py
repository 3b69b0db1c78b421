"""A trajectory that is kept step by step, where samplers keep one state of it: to look at a flow in phase space."""

from typing import NamedTuple

import numpy as np

from .compile import helper, kernel
from .flow import close, evaluate, is_closed, step
from .kinetic import kinetic_energy
from .state import GRADIENTS, HamiltonianSystem, State
from .status import Status
from .vectors import assign

__all__ = ["TrajectoryArrays", "follow"]

_BROKEN = int(Status.BROKEN)


class TrajectoryArrays(NamedTuple):
    """The states of a trajectory: `positions` and `momenta` (n + 1, d), and `potentials` and `kinetics` (n + 1,)."""

    positions: np.ndarray
    momenta: np.ndarray
    potentials: np.ndarray
    kinetics: np.ndarray


@helper
def _keep(system: HamiltonianSystem, state: State, trajectory: TrajectoryArrays, row: int) -> bool:
    """Write where the state is to a row of the trajectory, if all of it is finite; returns whether it is."""
    point, momentum = state.moving, state.momentum
    kinetic = kinetic_energy(system.kinetic, momentum)
    # isfinite(x) is compiled to a test of x - x, which is taken for zero where sums of x may be reordered
    if not abs(kinetic - point.value[0]) < np.inf:
        return False
    for j in range(momentum.size):
        if not (abs(point.position[j]) < np.inf and abs(momentum[j]) < np.inf):
            return False
    assign(trajectory.positions[row], point.position)
    assign(trajectory.momenta[row], momentum)
    trajectory.potentials[row] = -point.value[0]
    trajectory.kinetics[row] = kinetic
    return True


@kernel
def follow(system: HamiltonianSystem, state: State, eps: float, trajectory: TrajectoryArrays) -> tuple[int, int]:
    """Step from ``state.moving`` and ``state.momentum`` until all rows are written, or the motion is no longer finite.

    Returns how many rows were written, and the status of the last evaluation.  Of the gradients, those that the motion
    needed are counted, and not those that only the energies of the trajectory needed.
    """
    point = state.moving
    status = evaluate(system.target, point, state.counters)
    if status == _BROKEN or not _keep(system, state, trajectory, 0):
        return 0, status
    for row in range(1, len(trajectory.positions)):
        status = step(system.flow, system, state, eps)
        if status == _BROKEN or point.value[0] == -np.inf:
            return row, status
        if not is_closed(system.flow):
            status = close(system.flow, system, state)
            state.counters[GRADIENTS] -= 1
        if status == _BROKEN or not _keep(system, state, trajectory, row):
            return row, status
    return len(trajectory.positions), status
