"""Chains that warm-up has left where next to nothing of the posterior is: how that is seen, and what they do about it.

A chain whose place is metastable cannot know: all that it learns fits.  It stays there for some hundred draws, or for
good, and if it leaves, then with a step size that does not fit.  But chains side by side know.  By the draws at the end
of a warm-up, a place holds about

    log ∫ π ≈ E[log π] + log |det L| + Σ log sd(L⁻¹ q) + d/2 · log 2πe

by the map L of the metric, exactly so if it is normal and L⁻¹ q are uncorrelated.  A chain whose place is lower than
that of another one by so many nats that its volume does not make up for it is moved to where that one is, and begins
its warm-up anew.  It is a start like any other: draws that count come after it.  So populations of particles move on
(Cappé, Guillin, Marin, Robert 2004), and so starts are drawn from several paths of Pathfinder (Zhang, Carpenter,
Gelman, Vehtari 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..kernels.linear import LinearMap
from ..policy import Policy

__all__ = ["Gathering", "Verdict", "is_waiting", "log_volume_of", "verdicts"]

_HEIGHT, _SPREAD, _VOLUME = range(3)  # of a level; what follows is the latest draw


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
    levels : ndarray of shape (k, 3 + d)
        Of each end: the mean log-density, its standard deviation, the logarithm of the volume, and the latest draw.
    judged : int
        For how many of these there has been a verdict.
    moved : int
        How often the chain has begun anew.
    """

    def __init__(self, dim: int, waits: bool) -> None:
        self._waits = waits
        self.levels = np.empty((0, 3 + dim))
        self.judged, self.moved = 0, 0

    @property
    def waiting(self) -> bool:
        """Whether the chain stands at the end of its warm-up, and waits for what is said of it."""
        return self._waits and len(self.levels) > self.judged

    def arrive(self, log_density: np.ndarray, log_volume: float, latest: np.ndarray, policy: Policy) -> None:
        """Take the log-densities (n,) of the latest draws of a warm-up that has ended, and the last of them (d,)."""
        if self._waits and len(log_density) >= policy.stranded_draws:
            with np.errstate(invalid="ignore"):
                level = [log_density.mean(), log_density.std(), log_volume, *latest]
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


def log_volume_of(draws: np.ndarray, metric: LinearMap) -> float:
    """Log |det L| + Σ log sd(L⁻¹ q) of draws q (n, d)."""
    with np.errstate(divide="ignore"):
        return metric.log_volume(draws.shape[1]) + float(np.log(metric.solve(draws).std(axis=0)).sum())


def is_waiting(gathering: Mapping[str, Any]) -> bool:
    """Whether a chain, of which this is the snapshot of its gathering, stands at an end that nothing was said of."""
    return len(gathering["levels"]) > gathering["judged"]


def verdicts(gatherings: Mapping[int, Mapping[str, Any]], policy: Policy) -> dict[int, Verdict]:
    """What is said of each chain that waits, by the snapshots of the gatherings of all.

    It hangs on nothing but what chains have seen at their ends, so that it is the same whenever it is asked for.
    """
    said = {}
    for number, own in gatherings.items():
        if not is_waiting(own):
            continue
        end = own["judged"]
        others = [other["levels"][min(end, len(other["levels"]) - 1)] for other in gatherings.values()
                  if len(other["levels"]) and other is not own]  # fmt: skip
        better = [other for other in others if _holds_more(other, own["levels"][end], policy)]
        said[number] = Verdict(end, better[number % len(better)][_VOLUME + 1 :] if better else None)
    return said


def _holds_more(other: np.ndarray, own: np.ndarray, policy: Policy) -> bool:
    """Whether next to nothing is at the own level of what is at the other one, by any chance and any volume."""
    with np.errstate(invalid="ignore"):
        gap = other[_HEIGHT] - own[_HEIGHT] - max(own[_VOLUME] - other[_VOLUME], 0.0)
    return bool(np.isfinite(gap) and gap > policy.stranded_gap + policy.stranded_spread * other[_SPREAD])
