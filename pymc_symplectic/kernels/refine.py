"""Steps of a no-U-turn trajectory that are divided where one is too long: within-orbit step refinement.

A step of ε is walked whole.  Where the energy varies by more than a limit along it, it is walked again by 2, 4, 8, ...
shorter steps, until the energy keeps within the limit at all of their ends, so that narrow places can be entered by
steps that suit the rest of a target.  Nothing is divided where nothing is wrong.

The number of parts depends on where the step begins, so it has to be the same from the other end, else a trajectory is
not the same from all of its points and its draws are wrong.  So from the end of a divided step all coarser ones are
tried, back in time.  Where one of them would do, the step could not be retraced, and the trajectory ends before it.
The range of the energy does not ask which way a path is walked, so of a step that is whole nothing needs to be tried.

This is the no-U-turn sampler within which steps adapt, of Bou-Rabee, Carpenter, Kleppe and Liu (2025, arXiv
2506.18746), with the least number of parts that will do, and a limit that is meant for emergencies.
"""

from typing import Any, NamedTuple

import numpy as np

from .compile import helper, specialise
from .flow import close, copy_point, step, total_energy, work_of
from .kinetic import velocity_of
from .state import HamiltonianSystem, Point, State, new_point
from .status import Status
from .vectors import assign, fill

__all__ = [
    "IRREVERSIBLE",
    "LEAPT",
    "STUCK",
    "Refinement",
    "Whole",
    "attempted",
    "fewest_parts",
    "leap",
    "new_refinement",
]

_BROKEN = int(Status.BROKEN)
LEAPT, IRREVERSIBLE, STUCK = 0, 1, 2  # how a step ends: well, where it could not be retraced, on a broken log-density


class Whole(NamedTuple):
    """Steps are never divided."""


class Refinement(NamedTuple):
    """Steps may be divided into 2^`levels` parts at most, and are where the energy varies by more than `above` nats.

    `start` and `end` are points of a step with the rows of `momenta` (2, d) there.  `way` (d,) is the mean velocity
    along a walk, by the trapezoidal rule, and `path` (d,) their sum over steps.  `attempt` (1,) is the energy, with the
    work, that the last step would have led to if it had been walked whole.
    """

    levels: int
    above: float
    start: Point
    end: Point
    momenta: np.ndarray
    way: np.ndarray
    path: np.ndarray
    attempt: np.ndarray


def new_refinement(dim: int, levels: int, above: float, path: np.ndarray) -> Refinement:
    """Memory for steps in `dim` coordinates, which are added to `path` (d,)."""
    momenta, way = np.zeros((2, dim)), np.zeros(dim)
    return Refinement(levels, above, new_point(dim), new_point(dim), momenta, way, path, np.zeros(1))


@helper
def _step_and_close(system: HamiltonianSystem, state: State, eps: float) -> int:
    status = step(system.flow, system, state, eps)
    if status != _BROKEN and state.moving.value[0] > -np.inf:
        status = close(system.flow, system, state)
    return STUCK if status == _BROKEN else LEAPT


@helper
def _leap_whole(stepping: Whole, system: HamiltonianSystem, state: State, eps: float) -> int:
    return _step_and_close(system, state, eps)


@helper
def _add_velocity(system: HamiltonianSystem, state: State, share: float, way: np.ndarray) -> None:
    velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
    for j in range(way.size):
        way[j] += share * velocity[j]


@helper
def _walk(stepping: Refinement, system: HamiltonianSystem, state: State, eps: float, parts: int) -> tuple[int, bool]:
    """Walk a step in so many parts, in place, and say whether the energy keeps within the limit; left where not."""
    point, way, share = state.moving, stepping.way, 1.0 / parts
    energy = total_energy(system, point, state.momentum) + work_of(system.flow, point)
    lowest, highest = energy, energy
    fill(way, 0.0)
    _add_velocity(system, state, 0.5 * share, way)
    for part in range(1, parts + 1):
        if _step_and_close(system, state, share * eps) == STUCK:
            return STUCK, False
        energy = total_energy(system, point, state.momentum) + work_of(system.flow, point)
        if parts == 1:
            stepping.attempt[0] = energy if energy < np.inf else np.inf  # and not NaN
        lowest, highest = min(lowest, energy), max(highest, energy)
        if not (abs(energy) < np.inf and highest - lowest <= stepping.above):
            return LEAPT, False
        _add_velocity(system, state, share if part < parts else 0.5 * share, way)
    return LEAPT, True


@helper
def fewest_parts(
    stepping: Refinement, system: HamiltonianSystem, state: State, start: Point, momentum: np.ndarray, eps: float,
    most: int,
) -> tuple[int, int]:  # fmt: skip
    """Walk a step in as few parts as will do, up to `most`; returns their number, 0 where none will."""
    parts = 1
    while parts <= most:
        outcome, fits = _walk(stepping, system, state, eps, parts)
        if fits or outcome == STUCK:
            return outcome, parts
        copy_point(start, state.moving)
        assign(state.momentum, momentum)
        parts *= 2
    return LEAPT, 0


@helper
def _leap_refined(stepping: Refinement, system: HamiltonianSystem, state: State, eps: float) -> int:
    start, end, momenta, point = stepping.start, stepping.end, stepping.momenta, state.moving
    copy_point(point, start)
    assign(momenta[0], state.momentum)
    outcome, parts = fewest_parts(stepping, system, state, start, momenta[0], eps, 2**stepping.levels)
    attempt = stepping.attempt[0]
    if outcome == STUCK:
        return outcome
    if parts == 0:
        point.value[0] = -np.inf  # a divergence
        return LEAPT
    for j in range(stepping.path.size):
        stepping.path[j] += stepping.way[j]
    if parts == 1:
        return LEAPT
    copy_point(point, end)
    assign(momenta[1], state.momentum)
    outcome, back = fewest_parts(stepping, system, state, end, momenta[1], -eps, parts // 2)
    stepping.attempt[0] = attempt
    if outcome == STUCK or back == 0:
        return outcome
    return IRREVERSIBLE


@helper
def _attempted_whole(stepping: Whole, start: float, error: float) -> float:
    return error


@helper
def _attempted_refined(stepping: Refinement, start: float, error: float) -> float:
    return stepping.attempt[0] - start


_LEAPS = {Whole: _leap_whole, Refinement: _leap_refined}
_ATTEMPTS = {Whole: _attempted_whole, Refinement: _attempted_refined}


def leap(stepping: Any, system: HamiltonianSystem, state: State, eps: float) -> int:
    """One step, of which energy and gradient are known at its end, in place; returns how it ends.

    The log-density is -inf where it leads nowhere.
    """
    return _LEAPS[type(stepping)](stepping, system, state, eps)


def attempted(stepping: Any, start: float, error: float) -> float:
    """The energy error by which the step size is judged: of the step if it had been walked whole.

    `start` is the energy at the start of the trajectory, and `error` what it is off by at the end of the last step.
    """
    return _ATTEMPTS[type(stepping)](stepping, start, error)


specialise(leap, _LEAPS)
specialise(attempted, _ATTEMPTS)
