"""Signs that a posterior is improper, or has no maximum: parameters that the log-density does not hold back.

Of a density that can be normalised, ``E[g] = 0`` and ``E[(q - E q) g] = -1`` in every coordinate, for draws q and
gradients g.  A scale may be huge and the density proper: then the gradient is small, and points back all the same.  So
moments only make a coordinate suspect, and the log-density along it, as far as numbers reach, decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.adapt import Learning
from ..metrics.estimate import remembered

__all__ = ["DIVERGE", "NARROW", "Watch", "steepest", "unheld"]

_ENDLESS = 1e50  # hardly any posterior reaches so far
_PULLED, _RISE = 3.0, 10.0  # a mean gradient in its deviations; and what the log-density gains in one of the draws
_PUSHED, _FEW = 0.5, 10  # the correlation of draws and gradients; and draws that say something of it
_FEWEST = 40  # draws of a window that says anything of them
_EDGE = (690.0, 750.0)  # where exponentials of either sign leave the range of numbers
_DECADES = (2, 4, 8, 16, 32, 64, 128, 256)  # of spreads at which the log-density is looked at
_FARTHER = 8  # decades
_PROPER = 1.01  # the density has to fall faster than 1/t, in the power of t
_GROWTH, _WINDOWS = 10.0, 3  # of the spread of draws, in each of so many windows,
_WIDE, _NARROW = 1e6, 1e3  # to so many times where they began, on a ridge so narrow
_EACH = 8  # coordinates of a variable that are looked at
_LOOKS = (20, 100, 500)  # draws after warm-up when divergences are counted

RISES = (
    "The log-density still rises along {} at the end of warm-up: the posterior has no maximum there, as where nothing "
    "keeps a scale away from zero (data that are all zero, or are fitted exactly), or warm-up was too short. Give a "
    "scale a prior that is bounded away from zero, such as InverseGamma, look at the data, or raise tune."
)
IMPROPER = (
    "The log-density does not hold {} back: the posterior is improper there, and its draws mean nothing. Give it a "
    "prior that falls off on either side, or data that depend on it."
)
SPREADS = (
    "The draws of {} spread farther in every window of warm-up: the data may say something of these parameters "
    "together, but nothing holds each of them back, so the posterior is improper, or nearly so. Give each a proper "
    "prior, or leave one out."
)
DIVERGE = (
    "{diverged} of the first {drawn} draws after warm-up diverge, so draws mean little. The step that is taken leads "
    "out of the support, or the log-density changes too fast, along {{}}. Give it a prior that does not end or peak "
    "abruptly, leave it the transform that keeps it within its bounds, or write it as a location plus a scale times a "
    "variable of unit size; a smaller step_size, or target_accept=0.95, helps where nothing of this is the cause."
)
NARROW = (
    "The chain cannot move {}: some posterior is too narrow for floating-point numbers of the size of its parameter. "
    "Make that parameter a constant, or a constant plus a scale times one of unit size."
)


def unheld(evaluate: Callable[[np.ndarray], float], position: np.ndarray, j: int, spread: float) -> bool:
    """Whether the density along coordinate `j` cannot be normalised, as far as numbers reach.

    Parameters
    ----------
    evaluate : callable
        The log-density at a position (d,); it may be infinite or NaN.
    position : ndarray of shape (d,)
    j : int
    spread : float
        The unit of length, positive.
    """
    here = evaluate(position)
    for side in (1.0, -1.0):
        change, free = 0.0, False
        for nearer, decades in itertools.pairwise((0, *_DECADES)):
            there = position.copy()
            there[j] += side * spread * 10.0**decades
            before, change = change, evaluate(there) - here if np.isfinite(there[j]) else -np.inf
            if not np.isfinite(change):
                # a bound, or a fall that no number can tell; what has risen so far has come to where numbers end
                free = free and decades > _FARTHER and before > _RISE
                break
            free = change - before > -_PROPER * (decades - nearer) * np.log(10.0)
        if free:
            return True
    return False


def steepest(
    evaluate: Callable[[np.ndarray], float],
    position: np.ndarray,
    sizes: Sequence[int],
    scale: Callable[[int], float],
    limit: float,
) -> np.ndarray:
    """The coordinates along which a step of the usual length changes the log-density most, as a mask (d,).

    All of those where it changes by more than `limit`, or is no longer finite; the worst one where there are none.  Of
    each of the variables, with so many coordinates as `sizes` tells, some are looked at.
    """
    here, found = evaluate(position), np.full(position.size, -1.0)
    first = 0
    for size in sizes:
        for j in np.unique(np.linspace(first, first + size - 1, min(size, _EACH)).astype(int)):
            changes = []
            for side in (1.0, -1.0):
                there = position.copy()
                there[j] += side * scale(j)
                changes.append(abs(evaluate(there) - here))
            found[j] = np.inf if not np.all(np.isfinite(changes)) else max(changes)
        first += size
    return (found > limit) | (found == found.max())


class Watch:
    """What the windows of warm-up say of parameters that nothing holds back."""

    def __init__(self) -> None:
        self._spreads: list[np.ndarray] = []
        self._began: np.ndarray | None = None
        self._drawn = self._diverged = 0

    def count(self, diverging: np.ndarray) -> tuple[int, int] | None:
        """After draws that are not of warm-up: how many have diverged, of how many, where it is time to say so."""
        before = self._drawn
        if before > _LOOKS[-1]:
            return None
        self._drawn += diverging.size
        self._diverged += int(diverging.sum())
        due = any(before < look <= self._drawn for look in _LOOKS)
        return (self._diverged, self._drawn) if due and 2 * self._diverged > self._drawn else None

    def look(
        self,
        learning: Learning,
        position: np.ndarray,
        sizes: Sequence[int],
        evaluate: Callable[[np.ndarray], float],
        last: bool,
    ) -> tuple[np.ndarray, str] | None:
        """At the end of a window: the coordinates that are not held back (d,), and what to say of them.

        Parameters
        ----------
        learning : Learning
            Moments of the window.
        position : ndarray of shape (d,)
            Where the chain is.
        sizes : sequence of int
            How many coordinates each variable has; one of each is looked at.
        evaluate : callable
            The log-density at a position.
        last : bool
            Whether this is the last window, by whose end a chain should have settled.
        """
        count = int(learning.counters[0])
        if count < 2:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            spread, varied = np.sqrt(learning.squares / count)
            mean = np.abs(learning.means[0])
            self._began = mean if self._began is None else self._began
            moved, force = spread > 0, np.abs(learning.means[1])
            pulled = moved & (force > _PULLED * varied)
            long = last and count >= _FEWEST
            suspect = moved & ((varied == 0) | (np.abs(position) > _ENDLESS) | (pulled & long) | _pushed(learning))
            free = np.zeros(position.size, bool)
            for j in _first_of_each(suspect, sizes):
                free[j] = unheld(evaluate, position, j, spread[j])
            if free.any():
                return free, IMPROPER
            rising = pulled & last & (_EDGE[0] < mean) & (mean < _EDGE[1])
            rising |= pulled & long & (force * spread > _RISE)
            if rising.any():
                return rising, RISES
            if long:
                ridge = self._growing(spread) & (spread > _WIDE * (1.0 + self._began))
                for j in _first_of_each(ridge, sizes):
                    ridge[j] = self._narrow(evaluate, position, j, spread[j])
                    free[j] = ridge[j]
                if free.any():
                    return free, SPREADS
        self._spreads.append(spread)
        return None

    def _growing(self, spread: np.ndarray) -> np.ndarray:
        """Coordinates whose draws have spread several times as far in each of the last windows as in the one before."""
        spreads = [*self._spreads, spread][-_WINDOWS - 1 :]
        if len(spreads) <= _WINDOWS:
            return np.zeros(spread.size, bool)
        return np.all([after > _GROWTH * before for before, after in itertools.pairwise(spreads)], axis=0)

    @staticmethod
    def _narrow(evaluate: Callable[[np.ndarray], float], position: np.ndarray, j: int, spread: float) -> bool:
        """Whether the density is far narrower along a coordinate than draws spread: they follow a ridge."""
        here = evaluate(position)
        sides = (position + side * spread * (np.arange(position.size) == j) for side in (1.0, -1.0))
        return all(evaluate(there) - here < -_NARROW for there in sides)


def _pushed(learning: Learning) -> np.ndarray:
    """Coordinates where the force is away from the mean of the draws, and grows with the distance."""
    draws, gradients = remembered(learning)
    if len(draws) < _FEW:
        return np.zeros(draws.shape[1], bool)
    draws, gradients = draws - draws.mean(axis=0), gradients - gradients.mean(axis=0)
    together = (draws * gradients).mean(axis=0)
    return together > _PUSHED * draws.std(axis=0) * gradients.std(axis=0)


def _first_of_each(mask: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The first coordinate of each variable that a mask (d,) holds for; a variable is named but once."""
    chosen = np.flatnonzero(mask)
    owners = np.repeat(np.arange(len(sizes)), sizes)[chosen]
    return chosen[np.unique(owners, return_index=True)[1]]
