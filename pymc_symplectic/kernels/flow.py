"""One step of a flow, whatever kind it is."""

from typing import Any

from .compile import helper, specialise
from .composition import Composition, close_composition, composition_is_closed, step_composition
from .energy import copy_point, evaluate, total_energy
from .harmonic import Harmonic, longest_of_harmonic, step_harmonic
from .midpoint import Midpoint, close_midpoint, midpoint_is_closed, step_midpoint
from .state import LONGEST, State, System

__all__ = [
    "Composition",
    "Harmonic",
    "Midpoint",
    "close",
    "copy_point",
    "evaluate",
    "is_closed",
    "longest_of",
    "step",
    "total_energy",
]


@helper
def _longest(flow: Any) -> float:
    return LONGEST


# the kicks and drifts of a harmonic flow come and go like those of any composition
_STEPS = {Composition: step_composition, Harmonic: step_harmonic, Midpoint: step_midpoint}
_CLOSES = {Composition: close_composition, Harmonic: close_composition, Midpoint: close_midpoint}
_CLOSED = {Composition: composition_is_closed, Harmonic: composition_is_closed, Midpoint: midpoint_is_closed}
_LONGEST_STEPS = {Composition: _longest, Harmonic: longest_of_harmonic, Midpoint: _longest}


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


def longest_of(flow: Any) -> float:
    """The longest step that a flow may be asked for, in whitened coordinates."""
    return _LONGEST_STEPS[type(flow)](flow)


specialise(step, _STEPS)
specialise(close, _CLOSES)
specialise(is_closed, _CLOSED)
specialise(longest_of, _LONGEST_STEPS)
