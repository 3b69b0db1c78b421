"""Trajectories of a length chosen beforehand, accepted or refused by a Metropolis test at their end.

Every flow here is reversible, and preserves volume or says by its work how it does not, and every kinetic energy is
even.  So accepting with probability min(1, exp(-ΔH)), where ΔH counts the work, leaves exp(-H) invariant, whatever the
length, as long as the length does not depend on the point.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from . import statistics as column
from .compile import helper, specialise
from .flow import close, copy_point, is_closed, start_from, step, total_energy, work_of
from .kinetic import velocity_of
from .refreshment import keep, refresh
from .state import HamiltonianSystem, State
from .status import Status
from .trail import remember
from .vectors import norm

__all__ = ["LONGEST_STEPS", "FixedStepsRule", "FixedTimeRule", "metropolis_transition", "plan"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class FixedStepsRule(NamedTuple):
    """A number of steps uniform on the integers of [steps (1 - jitter), steps (1 + jitter)]; `repeats` make a draw."""

    steps: int
    jitter: float
    repeats: int
    max_energy_error: float
    max_energy_range: float


class FixedTimeRule(NamedTuple):
    """A time uniform on [time (1 - jitter), time (1 + jitter)], in steps no longer than the step size.

    So many as `repeats` says make a draw.
    """

    time: float
    jitter: float
    repeats: int
    max_steps: int
    max_energy_error: float
    max_energy_range: float


@helper
def _plan_steps(rule: FixedStepsRule, eps: float, rng: np.random.Generator) -> tuple[int, float]:
    # rounded inwards, less a hair so that 10 (1 - 0.3) is 7 in floating point too
    low = max(1, math.ceil(rule.steps * (1.0 - rule.jitter) - 1e-9))
    high = max(low, math.floor(rule.steps * (1.0 + rule.jitter) + 1e-9))
    steps = low + math.floor(rng.random() * (high - low + 1))
    return steps, eps


@helper
def _plan_time(rule: FixedTimeRule, eps: float, rng: np.random.Generator) -> tuple[int, float]:
    time = rule.time * (1.0 + rule.jitter * (2.0 * rng.random() - 1.0))
    wanted = np.ceil(time / eps)
    if not wanted <= rule.max_steps:  # NaN too
        return rule.max_steps, eps
    steps = max(1, int(wanted))
    return steps, time / steps


_PLANS = {FixedStepsRule: _plan_steps, FixedTimeRule: _plan_time}


def plan(rule: Any, eps: float, rng: np.random.Generator) -> tuple[int, float]:
    """Number of steps, and the size of each, of the next trajectory."""
    return _PLANS[type(rule)](rule, eps, rng)


specialise(plan, _PLANS)


@helper
def _longest_of_steps(rule: FixedStepsRule, longest: float) -> float:
    return 0.5 * longest / rule.steps  # see `longest_of_no_u_turn`; here a trajectory is all that is looked at


@helper
def _longest_of_time(rule: FixedTimeRule, longest: float) -> float:
    return min(rule.time * (1.0 + rule.jitter), longest)


LONGEST_STEPS = {FixedStepsRule: _longest_of_steps, FixedTimeRule: _longest_of_time}


@helper
def metropolis_transition(
    rule: Any, system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator, row: np.ndarray
) -> int:
    """One draw: trajectories, each with a momentum and a Metropolis test, of which the last one leads to the draw.

    Changes ``state.current`` and fills `row`: with sums of steps and the mean of acceptance over all of them, with the
    worst energy error, and whether any diverged; with the rest of the last one.
    """
    steps, accept, largest, diverging = 0.0, 0.0, 0.0, 0.0
    for _ in range(rule.repeats):
        status = _trajectory(rule, system, state, eps, rng, row)
        if status != _OK:
            return status
        steps += row[column.TREE_SIZE]
        accept += row[column.MEAN_TREE_ACCEPT]
        diverging = max(diverging, row[column.DIVERGING])
        if abs(row[column.MAX_ENERGY_ERROR]) > abs(largest):
            largest = row[column.MAX_ENERGY_ERROR]
    row[column.TREE_SIZE] = steps
    row[column.MEAN_TREE_ACCEPT] = accept / rule.repeats
    row[column.MAX_ENERGY_ERROR] = largest
    row[column.DIVERGING] = diverging
    return _OK


@helper
def _trajectory(
    rule: Any, system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator, row: np.ndarray
) -> int:
    """A momentum, a trajectory, a Metropolis test."""
    point, momentum = state.moving, state.momentum
    steps, eps = plan(rule, eps, rng)
    refresh(system.refreshment, system.kinetic, rng, state)
    start_from(state.current, point)
    row[column.VELOCITY_NORM] = norm(velocity_of(system.kinetic, momentum, state.velocity))
    start = total_energy(system, point, momentum)
    error, largest, lowest, highest = 0.0, 0.0, 0.0, 0.0
    diverging, taken = False, 0
    for taken in range(1, steps + 1):
        status = step(system.flow, system, state, eps)
        if status == _BROKEN:
            return status
        ended = taken == steps
        if ended and point.value[0] > -np.inf:
            status = close(system.flow, system, state)
            if status == _BROKEN:
                return status
        if ended or is_closed(system.flow) or point.value[0] == -np.inf:
            error = total_energy(system, point, momentum) - start + work_of(system.flow, point)
            lowest, highest = min(lowest, error), max(highest, error)
            if not (error <= rule.max_energy_error and highest - lowest <= rule.max_energy_range):  # NaN too
                diverging = True
                error = np.inf
            if abs(error) > abs(largest):
                largest = error
            if diverging:
                break
            remember(state.trail, point, error)
    accept = math.exp(min(0.0, -error))
    accepted = rng.random() < accept
    if accepted:
        copy_point(point, state.current)
    keep(system.refreshment, state, accepted)
    row[column.ENERGY] = start + error - work_of(system.flow, point) if accepted else start
    row[column.ENERGY_ERROR] = error if accepted else 0.0
    row[column.MAX_ENERGY_ERROR] = largest
    row[column.MEAN_TREE_ACCEPT] = accept
    row[column.TREE_SIZE] = taken
    row[column.SIZE_TAKEN] = eps
    row[column.DIVERGING] = diverging
    row[column.INDEX_IN_TRAJECTORY] = taken if accepted else 0
    return _OK
