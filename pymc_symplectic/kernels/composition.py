"""Explicit integrators: a sequence of kicks and drifts, by any split of H into two motions."""

from typing import Any, NamedTuple

import numpy as np

from . import splits
from .compile import helper
from .energy import evaluate
from .splits import FreeSplit
from .state import HamiltonianSystem, Point, State
from .status import Status

__all__ = [
    "Composition",
    "close_composition",
    "composition_is_closed",
    "longest_of_composition",
    "step_composition",
    "work_of_composition",
]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Composition(NamedTuple):
    """Coefficients of alternating kicks and drifts, of which the longer comes first and last, and whose they are."""

    kicks: np.ndarray
    drifts: np.ndarray
    split: Any = FreeSplit()


@helper
def step_composition(flow: Composition, system: HamiltonianSystem, state: State, eps: float) -> int:
    """One step, in place; stops where the log-density is -inf."""
    kicks, drifts, split, point = flow.kicks, flow.drifts, flow.split, state.moving
    kick_first = kicks.size > drifts.size
    splits.begin(split, system, state)
    if kick_first:
        splits.kick(split, system, state, kicks[0] * eps)
    for i in range(min(kicks.size, drifts.size)):
        splits.drift(split, system, state, drifts[i] * eps)
        status = evaluate(system.target, point, state.counters)
        if status == _BROKEN or point.value[0] == -np.inf:
            return status
        splits.kick(split, system, state, kicks[i + int(kick_first)] * eps)
    if not kick_first:
        splits.drift(split, system, state, drifts[-1] * eps)
    return _OK


@helper
def close_composition(flow: Composition, system: HamiltonianSystem, state: State) -> int:
    """Evaluate the end of a step, where it did not end with a kick."""
    if flow.kicks.size > flow.drifts.size:
        return _OK
    return evaluate(system.target, state.moving, state.counters)


@helper
def composition_is_closed(flow: Composition) -> bool:
    """Whether a step ends with a kick."""
    return flow.kicks.size > flow.drifts.size


@helper
def longest_of_composition(flow: Composition) -> float:
    """As its split has it."""
    return splits.longest(flow.split)


@helper
def work_of_composition(flow: Composition, point: Point) -> float:
    """As its split has it."""
    return splits.work(flow.split, point)
