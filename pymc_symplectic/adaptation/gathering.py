"""Chains that warm-up has left where next to nothing of the posterior is: how that is seen, and what they do about it.

A chain whose place is metastable cannot know: all that it learns fits.  It stays there for some hundred draws, or for
good, and if it leaves, then with a step size that does not fit.  But chains side by side know.  By the draws q at the
end of a warm-up, and the map L of its metric, a place holds about

    log ∫ π ≈ E[log π] + V + d/2 · log 2πe,    V = log |det L| + ½ log det cov(L⁻¹ q),

exactly so if it is normal.  The determinant of a covariance is at most the product of its diagonal (Hadamard), and so
is that of its inverse, which for a normal is the covariance of the gradients g:

    log |det L| - Σ log sd(Lᵀ g)  ≤  V  ≤  log |det L| + Σ log sd(L⁻¹ q).

A chain whose place is lower than that of another one by so many nats that its volume, taken at the most, would not
make up for it, with the other's taken at the least, is moved to where that one is, and begins its warm-up anew.  It is
a start like any other: draws that count come after it.  So populations of particles move on (Cappé, Guillin, Marin,
Robert 2004), and so starts are drawn from several paths of Pathfinder (Zhang, Carpenter, Gelman, Vehtari 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..policy import Policy
from ..window import Window

__all__ = ["Gathering", "Verdict", "is_waiting", "log_volume", "verdicts"]

_HEIGHT, _SPREAD, _MOST, _LEAST = range(4)  # of a level; what follows is the latest draw
_NUMBERS = 4


class Verdict(NamedTuple):
    """What is said of a chain that waits at the end of its warm-up."""

    judged: int
    """How often that had been done before."""
    position: np.ndarray | None
    """Where it is to begin anew (d,); None to go on."""


class Gathering:
    """The ends of warm-up that a chain has come to.

    Parameters
    ----------
    dim : int
    waits : bool
        Whether the chain waits there for a verdict.

    Attributes
    ----------
    levels : ndarray of shape (k, 4 + d)
        Of each end: the mean log-density, its standard deviation, bounds of the logarithm of the volume, and the latest
        draw.
    judged : int
        For how many of these there has been a verdict.
    moved : int
        How often the chain has begun anew.
    """

    def __init__(self, dim: int, waits: bool) -> None:
        self.waits = waits
        self.levels = np.empty((0, _NUMBERS + dim))
        self.judged, self.moved = 0, 0

    @property
    def waiting(self) -> bool:
        """Whether the chain stands at the end of its warm-up, and waits for what is said of it."""
        return self.waits and len(self.levels) > self.judged

    def arrive(self, latest: Window, stretched: np.ndarray, metric: Any, position: np.ndarray, policy: Policy) -> None:
        """Take the end of a warm-up.

        Parameters
        ----------
        latest : Window
            The latest draws, in the coordinates that the chain moves in.  A few of them tell nothing.
        stretched : ndarray of shape (n,)
            By how much, as a logarithm, coordinates of the model are larger at each.
        metric : LinearMap
        position : ndarray of shape (d,)
            The last draw, in coordinates of the model.
        policy : Policy
        """
        if 3 * len(latest.draws) >= policy.stranded_draws:
            log_density = latest.log_density - stretched
            volume = (bound + stretched.mean() for bound in log_volume(latest.draws, latest.gradients, metric))
            with np.errstate(invalid="ignore"):
                level = [log_density.mean(), log_density.std(), *volume, *position]
            self.levels = np.vstack([self.levels, level])

    def hear(self, verdict: Verdict) -> np.ndarray | None:
        """Where the chain is to begin anew by a verdict that it has waited for; None for nowhere."""
        if not self.waiting or verdict.judged != self.judged:
            return None
        self.judged += 1
        return verdict.position

    def snapshot(self) -> dict[str, Any]:
        """All of it."""
        return {"levels": self.levels.copy(), "judged": self.judged, "moved": self.moved}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes."""
        self.levels = snapshot["levels"].copy()
        self.judged, self.moved = snapshot["judged"], snapshot["moved"]


def log_volume(draws: np.ndarray, gradients: np.ndarray, metric: Any) -> tuple[float, float]:
    """The logarithm of what draws (n, d) fill, at the most and, by their gradients (n, d), at the least.

    By a map from outside whose determinant is not known, it is as by none.
    """
    stretch = 0.0
    if hasattr(metric, "log_volume"):
        stretch, draws, gradients = metric.log_volume(), metric.solve(draws), metric.adjoint(gradients)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        most, least = (float(np.log(part.std(axis=0)).sum()) for part in (draws, gradients))
    return stretch + most, stretch - least


def is_waiting(gathering: Mapping[str, Any]) -> bool:
    """Whether a chain, of which this is the snapshot of its gathering, stands at an end that nothing was said of."""
    return len(gathering["levels"]) > gathering["judged"]


def verdicts(gatherings: Mapping[int, Mapping[str, Any]], policy: Policy) -> dict[int, Verdict]:
    """What is said of each chain that waits, by the snapshots of the gatherings of all.

    It hangs on nothing but what chains have seen at their ends, so that it is the same whenever it is asked for, once
    all have come there.
    """
    said: dict[int, Verdict] = {}
    arrived = {number: own for number, own in gatherings.items() if len(own["levels"])}
    for end in sorted({own["judged"] for own in arrived.values() if is_waiting(own)}):
        levels = np.array([own["levels"][min(end, len(own["levels"]) - 1)] for own in arrived.values()])
        better = _holds_more(levels, policy)
        stays = ~better.any(axis=1)  # nobody is sent where another one is moved away
        for place, (number, own) in enumerate(arrived.items()):
            if is_waiting(own) and own["judged"] == end:
                best = levels[better[place] & stays]
                said[number] = Verdict(end, best[place % len(best), _NUMBERS:] if len(best) else None)
    return said


def _holds_more(levels: np.ndarray, policy: Policy) -> np.ndarray:
    """Whether next to nothing is at a level (row) of what is at another one (column), by any chance and any volume."""
    height, spread, most, least = levels[:, :_NUMBERS].T
    with np.errstate(invalid="ignore"):
        gap = height - height[:, None] - np.maximum(most[:, None] - least, 0.0)
    doubt = policy.stranded_spread * spread + policy.stranded_doubt * (levels.shape[1] - _NUMBERS)
    found: np.ndarray = np.isfinite(gap) & (gap > policy.stranded_gap + doubt)
    return found
