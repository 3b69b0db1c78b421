"""Functions that kernels ask of a split of H into two energies, each with a motion of its own that is known exactly.

=======  ==========================================================================
begin    what a step needs to know, from the position alone
kick     the motion of the one energy: it changes the momentum by the gradient
drift    the motion of the other one
longest  the longest step that makes sense
=======  ==========================================================================

A split that does more than follow H, and changes volume, says so by its `work`.
"""

from typing import Any

from .compile import helper, specialise
from .free import Free, begin_free, drift_free, kick_free, longest_of_free
from .harmonic import Harmonic, begin_harmonic, drift_harmonic, kick_harmonic, longest_of_harmonic
from .state import Point, State, System

__all__ = ["Free", "Harmonic", "begin", "carries_work", "drift", "kick", "longest", "no_work", "work"]


@helper
def no_work(split: Any, point: Point) -> float:
    """Zero, known to the compiler."""
    return 0.0


@helper
def carries_work(split: Any, point: Point) -> float:
    """The sum over its steps."""
    return point.work[0]


_BEGINS = {Free: begin_free, Harmonic: begin_harmonic}
_KICKS = {Free: kick_free, Harmonic: kick_harmonic}
_DRIFTS = {Free: drift_free, Harmonic: drift_harmonic}
_LONGEST = {Free: longest_of_free, Harmonic: longest_of_harmonic}
_WORKS = {Free: no_work, Harmonic: no_work}


def begin(split: Any, system: System, state: State) -> None:
    """Prepare for a step from ``state.moving``, whose position is all that can be relied on."""
    _BEGINS[type(split)](split, system, state)


def kick(split: Any, system: System, state: State, c: float) -> None:
    """Move by the one energy for a time c, in place; value and gradient are those of the position."""
    _KICKS[type(split)](split, system, state, c)


def drift(split: Any, system: System, state: State, c: float) -> None:
    """Move by the other energy for a time c, in place; value and gradient stay behind."""
    _DRIFTS[type(split)](split, system, state, c)


def longest(split: Any) -> float:
    """The longest step that may be asked for, in whitened coordinates."""
    return _LONGEST[type(split)](split)


def work(split: Any, point: Point) -> float:
    """The work of the steps that led to a point, besides following H: see `Point`."""
    return _WORKS[type(split)](split, point)


specialise(begin, _BEGINS)
specialise(kick, _KICKS)
specialise(drift, _DRIFTS)
specialise(longest, _LONGEST)
specialise(work, _WORKS)
