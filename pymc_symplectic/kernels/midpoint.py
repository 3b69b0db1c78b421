"""The implicit midpoint rule, by fixed-point iteration, with a check that it can be run backwards."""

from typing import NamedTuple

import numpy as np

from .compile import helper
from .energy import evaluate
from .kinetic import velocity_of
from .linear import drift, kick
from .state import FAILURES, HamiltonianSystem, State
from .status import Status
from .vectors import assign

__all__ = ["Midpoint", "close_midpoint", "midpoint_is_closed", "step_midpoint"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Midpoint(NamedTuple):
    """Tolerances, and memory (5, d): where a step begins and ends, and the last iterate."""

    tolerance: float
    reverse_tolerance: float
    max_iterations: int
    memory: np.ndarray


@helper
def _solve(flow: Midpoint, system: HamiltonianSystem, state: State, eps: float) -> int:
    """Turn the start of a step, in place, into its midpoint; -inf as the log-density says that there was none.

    ``r = r₀ + ½ε Lᵀg(q)`` with ``q = q₀ + ½ε L v(r)`` is iterated from ``r = r₀`` until r stands still.
    """
    point, momentum = state.moving, state.momentum
    start_position, start_momentum, last = flow.memory[0], flow.memory[1], flow.memory[4]
    assign(start_position, point.position)
    assign(start_momentum, momentum)
    for _ in range(flow.max_iterations):
        assign(last, momentum)
        velocity = velocity_of(system.kinetic, momentum, state.velocity)
        assign(point.position, start_position)
        drift(system.metric, 0.5 * eps, velocity, point.position)
        status = evaluate(system.target, point, state.counters)
        if status == _BROKEN or point.value[0] == -np.inf:
            return status
        assign(momentum, start_momentum)
        kick(system.metric, 0.5 * eps, point.gradient, momentum)
        change, finite = 0.0, True
        for j in range(momentum.size):
            gap = abs(momentum[j] - last[j])
            change = max(change, gap)
            finite = finite and gap < np.inf  # false for NaN, which max may drop
        if not finite:
            break
        if change <= flow.tolerance:
            return _OK
    point.value[0] = -np.inf
    return _OK


@helper
def _reflect(flow: Midpoint, state: State) -> None:
    """From the midpoint to the other end: 2 z - z₀."""
    position, momentum = state.moving.position, state.momentum
    for j in range(position.size):
        position[j] = 2.0 * position[j] - flow.memory[0, j]
        momentum[j] = 2.0 * momentum[j] - flow.memory[1, j]


@helper
def step_midpoint(flow: Midpoint, system: HamiltonianSystem, state: State, eps: float) -> int:
    """One step; where it has no solution, or cannot be undone, the log-density becomes -inf and a failure counts."""
    point, momentum, memory = state.moving, state.momentum, flow.memory
    status = _solve(flow, system, state, eps)
    if status == _BROKEN:
        return status
    reversible = False
    if point.value[0] > -np.inf:
        _reflect(flow, state)
        # memory[0:2] is about to hold the end; the beginning moves to memory[2:4]
        assign(memory[2], memory[0])
        assign(memory[3], memory[1])
        status = _solve(flow, system, state, -eps)
        if status == _BROKEN:
            return status
        if point.value[0] > -np.inf:
            _reflect(flow, state)
            reversible = True
            for j in range(momentum.size):
                reversible = reversible and abs(momentum[j] - memory[3, j]) <= flow.reverse_tolerance
    if not reversible:
        state.counters[FAILURES] += 1
        point.value[0] = -np.inf
        return _OK
    assign(point.position, memory[0])
    assign(momentum, memory[1])
    return evaluate(system.target, point, state.counters)


@helper
def close_midpoint(flow: Midpoint, system: HamiltonianSystem, state: State) -> int:
    """Nothing to do."""
    return _OK


@helper
def midpoint_is_closed(flow: Midpoint) -> bool:
    """Each step evaluates its end."""
    return True
