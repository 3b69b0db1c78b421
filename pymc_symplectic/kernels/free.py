"""The split of H into potential and kinetic energy, which every other one departs from.

======  ======================  =============
drift   q += c L ∇K(r)          flow of K
kick    r += c Lᵀ ∇log π(q)     flow of U
======  ======================  =============
"""

from typing import NamedTuple

from . import linear
from .compile import helper
from .kinetic import velocity_of
from .state import LONGEST, HamiltonianSystem, State

__all__ = ["FreeSplit", "begin_free", "drift_free", "kick_free", "longest_of_free"]


class FreeSplit(NamedTuple):
    """Nothing has to be known."""


@helper
def begin_free(split: FreeSplit, system: HamiltonianSystem, state: State) -> None:
    """Nothing to prepare."""


@helper
def kick_free(split: FreeSplit, system: HamiltonianSystem, state: State, c: float) -> None:
    """A kick by the whole force."""
    linear.kick(system.metric, c, state.moving.gradient, state.momentum)


@helper
def drift_free(split: FreeSplit, system: HamiltonianSystem, state: State, c: float) -> None:
    """A drift at the velocity of the momentum."""
    velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
    linear.drift(system.metric, c, velocity, state.moving.position)


@helper
def longest_of_free(split: FreeSplit) -> float:
    """No step is too long."""
    return LONGEST
