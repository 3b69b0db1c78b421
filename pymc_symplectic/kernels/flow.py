"""One step of a flow, whatever kind it is."""

from typing import Any

from .compile import specialise
from .composition import Composition, close_composition, composition_is_closed, step_composition
from .energy import copy_point, evaluate, total_energy
from .midpoint import Midpoint, close_midpoint, midpoint_is_closed, step_midpoint
from .state import State, System

__all__ = ["Composition", "Midpoint", "close", "copy_point", "evaluate", "is_closed", "step", "total_energy"]

_STEPS = {Composition: step_composition, Midpoint: step_midpoint}
_CLOSES = {Composition: close_composition, Midpoint: close_midpoint}
_CLOSED = {Composition: composition_is_closed, Midpoint: midpoint_is_closed}


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
