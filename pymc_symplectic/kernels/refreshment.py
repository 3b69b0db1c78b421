"""Refreshment of the momentum between trajectories that end in a Metropolis test.

=======  ==============================================  ====================================
full     r is drawn from exp(-K)                         nothing is kept
partial  r = cos α r₀ + sin α ξ, with ξ standard normal  r₀ is the momentum of the end, or the
                                                         start's turned round where it was refused
=======  ==============================================  ====================================

Both leave exp(-K) as it is, the latter for the Gaussian K alone.  A trajectory with its momentum turned round at the
end is its own inverse, so accepted or not by the energy it leaves exp(-H) as it is; and so does turning the momentum
round once more, as K is even.  Together that is no turn where the end is accepted, and one where it is not [1]_.

.. [1] A. M. Horowitz (1991). A generalized guided Monte Carlo algorithm. Phys. Lett. B 268, 247-252.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .compile import helper, specialise
from .kinetic import draw_momentum
from .vectors import assign

if TYPE_CHECKING:
    from .state import State

__all__ = ["FullRefreshment", "PartialRefreshment", "keep", "refresh"]


class FullRefreshment(NamedTuple):
    """Nothing has to be known."""


class PartialRefreshment(NamedTuple):
    """Cosine and sine of the angle α."""

    cosine: float
    sine: float


@helper
def _refresh_full(refreshment: FullRefreshment, kinetic: Any, rng: np.random.Generator, state: State) -> None:
    draw_momentum(kinetic, rng, state.momentum)


@helper
def _refresh_partial(refreshment: PartialRefreshment, kinetic: Any, rng: np.random.Generator, state: State) -> None:
    kept, momentum = state.kept, state.momentum
    for j in range(momentum.size):
        kept[j] = refreshment.cosine * kept[j] + refreshment.sine * rng.standard_normal()
        momentum[j] = kept[j]


@helper
def _keep_nothing(refreshment: FullRefreshment, state: State, accepted: bool) -> None:
    pass


@helper
def _keep_end(refreshment: PartialRefreshment, state: State, accepted: bool) -> None:
    if accepted:
        assign(state.kept, state.momentum)
    else:
        for j in range(state.kept.size):
            state.kept[j] = -state.kept[j]


_REFRESHES = {FullRefreshment: _refresh_full, PartialRefreshment: _refresh_partial}
_KEEPS = {FullRefreshment: _keep_nothing, PartialRefreshment: _keep_end}


def refresh(refreshment: Any, kinetic: Any, rng: np.random.Generator, state: State) -> None:
    """Give ``state.momentum`` what the next trajectory starts with."""
    _REFRESHES[type(refreshment)](refreshment, kinetic, rng, state)


def keep(refreshment: Any, state: State, accepted: bool) -> None:
    """Take what is kept for the next trajectory from the one that has ended in ``state.momentum``."""
    _KEEPS[type(refreshment)](refreshment, state, accepted)


specialise(refresh, _REFRESHES)
specialise(keep, _KEEPS)
