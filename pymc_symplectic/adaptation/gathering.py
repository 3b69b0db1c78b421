"""Chains that wait for each other at the end of their warm-up, and what is said of each, by what all of them know.

One that is `stranded` is told to begin anew elsewhere.  When nobody is, each is told what chains that agree have
learned together (`sharing`), and goes on from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..knowledge import LearnedChain
from ..policy import Policy
from ..window import Window
from .sharing import shared
from .stranded import POSITION, holds_more, level_of

__all__ = ["Gathering", "Verdict", "is_waiting", "verdicts"]


class Verdict(NamedTuple):
    """What is said of a chain that waits at the end of its warm-up."""

    judged: int
    """How often that had been done before."""
    position: np.ndarray | None
    """Where it is to begin anew (d,); None to go on."""
    known: LearnedChain | None = None
    """What it goes on from; None to go on as it is."""


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
        Of each end, what `level_of` says.
    known : LearnedChain or None
        What the chain had learned by itself at the latest one: however far the others have come since, what all know
        together is found again.
    judged : int
        For how many ends there has been a verdict.
    moved : int
        How often the chain has begun anew.
    """

    def __init__(self, dim: int, waits: bool) -> None:
        self.waits = waits
        self.levels = np.empty((0, POSITION + dim))
        self.known: LearnedChain | None = None
        self.judged, self.moved = 0, 0

    @property
    def waiting(self) -> bool:
        """Whether the chain stands at the end of its warm-up, and waits for what is said of it."""
        return self.waits and len(self.levels) > self.judged

    def arrive(self, latest: Window, stretched: np.ndarray, metric: Any, position: np.ndarray, policy: Policy) -> bool:
        """Take the end of a warm-up, by the arguments of `level_of`; whether there are draws enough to tell."""
        if 3 * len(latest.draws) < policy.stranded_draws:
            return False
        self.levels = np.vstack([self.levels, level_of(latest, stretched, metric, position)])
        return True

    def hear(self, verdict: Verdict) -> Verdict | None:
        """The verdict, if it is the one that the chain has waited for."""
        if not self.waiting or verdict.judged != self.judged:
            return None
        self.judged += 1
        return verdict

    def snapshot(self) -> dict[str, Any]:
        """All of it."""
        known = None if self.known is None else self.known.snapshot()
        return {"levels": self.levels.copy(), "judged": self.judged, "moved": self.moved, "known": known}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes."""
        known = snapshot["known"]
        self.known = None if known is None else LearnedChain.restored(known)
        self.levels = snapshot["levels"].copy()
        self.judged, self.moved = snapshot["judged"], snapshot["moved"]


def is_waiting(gathering: Mapping[str, Any]) -> bool:
    """Whether a chain, of which this is the snapshot of its gathering, stands at an end that nothing was said of."""
    return len(gathering["levels"]) > gathering["judged"]


def verdicts(gatherings: Mapping[int, Mapping[str, Any]], policy: Policy) -> dict[int, Verdict]:
    """What is said of each chain that waits, by the snapshots of the gatherings of all.

    It hangs on nothing but what chains have seen and learned at their ends, so that it is the same whenever it is asked
    for, once all have come there.
    """
    said: dict[int, Verdict] = {}
    arrived = {number: own for number, own in gatherings.items() if len(own["levels"])}
    for end in sorted({own["judged"] for own in arrived.values() if is_waiting(own)}):
        levels = np.array([own["levels"][min(end, len(own["levels"]) - 1)] for own in arrived.values()])
        better = holds_more(levels, policy)
        stays = ~better.any(axis=1)  # nobody is sent where another one is moved away
        for place, (number, own) in enumerate(arrived.items()):
            if is_waiting(own) and own["judged"] == end:
                best = levels[better[place] & stays]
                said[number] = Verdict(end, best[place % len(best), POSITION:] if len(best) else None)
    if policy.shares and all(verdict.position is None for verdict in said.values()):
        known = {i: LearnedChain.restored(own["known"]) for i, own in arrived.items() if own["known"] is not None}
        of_all = dict(zip(known, shared(list(known.values())), strict=True))
        said = {number: verdict._replace(known=of_all.get(number)) for number, verdict in said.items()}
    return said
