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
from .free import FreeSplit, begin_free, drift_free, kick_free, longest_of_free
from .harmonic import HarmonicSplit, begin_harmonic, drift_harmonic, kick_harmonic, longest_of_harmonic
from .state import HamiltonianSystem, Point, State

__all__ = ["FreeSplit", "HarmonicSplit", "begin", "carries_work", "drift", "kick", "longest", "no_work", "work"]


@helper
def no_work(split: Any, point: Point) -> float:
    """Zero, known to the compiler."""
    return 0.0


@helper
def carries_work(split: Any, point: Point) -> float:
    """The sum over its steps."""
    return point.work[0]


_BEGINS = {FreeSplit: begin_free, HarmonicSplit: begin_harmonic}
_KICKS = {FreeSplit: kick_free, HarmonicSplit: kick_harmonic}
_DRIFTS = {FreeSplit: drift_free, HarmonicSplit: drift_harmonic}
_LONGEST = {FreeSplit: longest_of_free, HarmonicSplit: longest_of_harmonic}
_WORKS = {FreeSplit: no_work, HarmonicSplit: no_work}


def begin(split: Any, system: HamiltonianSystem, state: State) -> None:
    """Prepare for a step from ``state.moving``, whose position is all that can be relied on."""
    _BEGINS[type(split)](split, system, state)


def kick(split: Any, system: HamiltonianSystem, state: State, c: float) -> None:
    """Move by the one energy for a time c, in place; value and gradient are those of the position."""
    _KICKS[type(split)](split, system, state, c)


def drift(split: Any, system: HamiltonianSystem, state: State, c: float) -> None:
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
