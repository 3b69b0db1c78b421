"""Explicit integrators: a sequence of kicks and drifts."""

from typing import NamedTuple

import numpy as np

from .compile import helper
from .energy import evaluate
from .kinetic import velocity_of
from .linear import drift, kick
from .state import State, System
from .status import Status

__all__ = ["Composition", "close_composition", "composition_is_closed", "step_composition"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Composition(NamedTuple):
    """Coefficients of alternating kicks and drifts; the longer of the two comes first and last."""

    kicks: np.ndarray
    drifts: np.ndarray


@helper
def _drift(system: System, state: State, c: float) -> None:
    velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
    drift(system.metric, c, velocity, state.moving.position)


@helper
def step_composition(flow: Composition, system: System, state: State, eps: float) -> int:
    """One step, in place; stops where the log-density is -inf."""
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
def close_composition(flow: Composition, system: System, state: State) -> int:
    """Evaluate the end of a step, where it did not end with a kick."""
    if flow.kicks.size > flow.drifts.size:
        return _OK
    return evaluate(system.target, state.moving, state.counters)


@helper
def composition_is_closed(flow: Composition) -> bool:
    """Whether a step ends with a kick."""
    return flow.kicks.size > flow.drifts.size
