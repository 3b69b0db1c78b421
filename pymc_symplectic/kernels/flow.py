"""Moving a point through phase space: the log-density, and one step of a composition of kicks and drifts."""

from typing import Any, NamedTuple

import numpy as np

from .address import logp_at
from .compile import helper, specialise
from .kinetic import kinetic_energy, velocity_of
from .linear import drift, kick
from .state import Point, State, System, Target
from .status import Status
from .vectors import assign

__all__ = ["Composition", "close", "copy_point", "evaluate", "is_closed", "step", "total_energy"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Composition(NamedTuple):
    """Coefficients of alternating kicks and drifts; the longer of the two comes first and last."""

    kicks: np.ndarray
    drifts: np.ndarray


@helper
def evaluate(target: Target, point: Point, counters: np.ndarray) -> int:
    """Log-density and gradient at a point, in place.  What is not a finite log-density becomes -inf."""
    counters[0] += 1
    status = logp_at(target.address)(target.data, point.position, point.gradient, point.value)
    if status != _OK or not np.isfinite(point.value[0]):
        point.value[0] = -np.inf
    return status


@helper
def copy_point(source: Point, destination: Point) -> None:
    """Copy position, gradient and value."""
    assign(destination.position, source.position)
    assign(destination.gradient, source.gradient)
    destination.value[0] = source.value[0]


@helper
def total_energy(system: System, point: Point, momentum: np.ndarray) -> float:
    """H = U(q) + K(r), with U = -log π."""
    return kinetic_energy(system.kinetic, momentum) - point.value[0]


@helper
def _drift(system: System, state: State, c: float) -> None:
    velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
    drift(system.metric, c, velocity, state.moving.position)


@helper
def _step_composition(flow: Composition, system: System, state: State, eps: float) -> int:
    kicks, drifts, point = flow.kicks, flow.drifts, state.moving
    kick_first = kicks.size > drifts.size
    if kick_first:
        kick(system.metric, kicks[0] * eps, point.gradient, state.momentum)
    for i in range(min(kicks.size, drifts.size)):
        _drift(system, state, drifts[i] * eps)
        status = evaluate(system.target, point, state.counters)
        if status == _BROKEN or point.value[0] == -np.inf:
            return status
        kick(system.metric, kicks[i + int(kick_first)] * eps, point.gradient, state.momentum)
    if not kick_first:
        _drift(system, state, drifts[-1] * eps)
    return _OK


@helper
def _close_composition(flow: Composition, system: System, state: State) -> int:
    if flow.kicks.size > flow.drifts.size:
        return _OK
    return evaluate(system.target, state.moving, state.counters)


@helper
def _is_closed_composition(flow: Composition) -> bool:
    return flow.kicks.size > flow.drifts.size


_STEPS = {Composition: _step_composition}
_CLOSES = {Composition: _close_composition}
_CLOSED = {Composition: _is_closed_composition}


def step(flow: Any, system: System, state: State, eps: float) -> int:
    """One step of the flow from ``state.moving`` and ``state.momentum``, in place; stops where the log-density is -inf.

    A scheme that starts with a drift leaves value and gradient behind the position: see `close`.
    """
    return _STEPS[type(flow)](flow, system, state, eps)


def close(flow: Any, system: System, state: State) -> int:
    """Bring value and gradient up to the position, where the last step did not."""
    return _CLOSES[type(flow)](flow, system, state)


def is_closed(flow: Any) -> bool:
    """Whether every step leaves value and gradient at the position it reached."""
    return _CLOSED[type(flow)](flow)


specialise(step, _STEPS)
specialise(close, _CLOSES)
specialise(is_closed, _CLOSED)
