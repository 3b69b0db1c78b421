"""One step of a flow, whatever kind it is."""

from typing import Any

from .compile import helper, specialise
from .composition import (
    Composition,
    close_composition,
    composition_is_closed,
    longest_of_composition,
    step_composition,
    work_of_composition,
)
from .energy import copy_point, evaluate, start_from, total_energy
from .midpoint import Midpoint, close_midpoint, midpoint_is_closed, step_midpoint
from .state import LONGEST, HamiltonianSystem, Point, State

__all__ = [
    "Composition",
    "Midpoint",
    "close",
    "copy_point",
    "evaluate",
    "is_closed",
    "longest_of",
    "start_from",
    "step",
    "total_energy",
    "work_of",
]


@helper
def _longest_of_midpoint(flow: Midpoint) -> float:
    return LONGEST


@helper
def _work_of_midpoint(flow: Midpoint, point: Point) -> float:
    return 0.0


_STEPS = {Composition: step_composition, Midpoint: step_midpoint}
_CLOSES = {Composition: close_composition, Midpoint: close_midpoint}
_CLOSED = {Composition: composition_is_closed, Midpoint: midpoint_is_closed}
_LONGEST_STEPS = {Composition: longest_of_composition, Midpoint: _longest_of_midpoint}
_WORKS = {Composition: work_of_composition, Midpoint: _work_of_midpoint}


def step(flow: Any, system: HamiltonianSystem, state: State, eps: float) -> int:
    """One step of the flow from ``state.moving`` and ``state.momentum``, in place; stops where the log-density is -inf.

    A scheme that starts with a drift leaves value and gradient behind the position: see `close`.
    """
    return _STEPS[type(flow)](flow, system, state, eps)


def close(flow: Any, system: HamiltonianSystem, state: State) -> int:
    """Bring value and gradient up to the position, where the last step did not."""
    return _CLOSES[type(flow)](flow, system, state)


def is_closed(flow: Any) -> bool:
    """Whether every step leaves value and gradient at the position it reached."""
    return _CLOSED[type(flow)](flow)


def longest_of(flow: Any) -> float:
    """The longest step that a flow may be asked for, in whitened coordinates."""
    return _LONGEST_STEPS[type(flow)](flow)


def work_of(flow: Any, point: Point) -> float:
    """The work of the steps that led to a point, besides following H, to be added to its energy error: see `Point`.

    Of a flow that does nothing else it is a zero that the compiler knows of, so that nothing is added.
    """
    return _WORKS[type(flow)](flow, point)


specialise(step, _STEPS)
specialise(close, _CLOSES)
specialise(is_closed, _CLOSED)
specialise(longest_of, _LONGEST_STEPS)
specialise(work_of, _WORKS)
