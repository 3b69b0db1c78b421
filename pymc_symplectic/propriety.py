"""Signs that a posterior is improper, or has no maximum: parameters that the log-density does not hold back.

Of a density that can be normalised, ``E[g] = 0`` and ``E[(q - E q) g] = -1`` in every coordinate, for draws q and
gradients g.  A scale may be huge and the density proper: then the gradient is small, and points back all the same.  So
moments only make a coordinate suspect, and the log-density along it, as far as numbers reach, decides.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from .kernels import chain as kernels
from .kernels import statistics as column
from .kernels.state import GRADIENTS, HamiltonianSystem, State, new_state
from .kernels.status import Status
from .target import LogDensity
from .window import Window

__all__ = ["Signs", "Watch", "steepest", "unheld"]

_ENDLESS = 1e50  # hardly any posterior reaches so far
_PULLED, _RISE = 3.0, 10.0  # a mean gradient in its deviations; and what the log-density gains in one of the draws
_PUSHED, _FEW = 0.5, 10  # the correlation of draws and gradients; and draws that say something of it
_FEWEST = 40  # draws of a window that says anything of them
_EDGE = (690.0, 750.0)  # where exponentials of either sign leave the range of numbers
_DECADES = (2, 4, 8, 16, 32, 64, 128, 256)  # of spreads at which the log-density is looked at
_FARTHER = 8  # decades
_LAST = 1e300  # hardly farther do numbers reach
_PROPER = 1.01  # the density has to fall faster than 1/t, in the power of t
_GROWTH, _WINDOWS = 10.0, 3  # of the spread of draws, in each of so many windows,
_WIDE, _NARROW = 1e6, 1e3  # to so many times where they began, on a ridge so narrow
_ROUNDED = 1e-12  # of their spread, or on one that is narrow at so little: numbers hardly tell it from no ridge at all
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
    "The draws of {} spread farther and farther: the data may say something of these parameters together, but nothing "
    "holds each of them back, so the posterior is improper, or nearly so. Give each a proper "
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
    here, most = evaluate(position), np.log10(_LAST / spread) if np.isfinite(spread) else 0.0
    for side in (1.0, -1.0):
        change, free = 0.0, False
        for nearer, decades in itertools.pairwise(np.minimum((0, *_DECADES), most)):
            if not nearer < decades:
                break
            there = position.copy()
            there[j] = np.clip(there[j] + side * spread * 10.0**decades, -_LAST, _LAST)
            before, change = change, evaluate(there) - here
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
    """Warns, once, of parameters that a chain cannot sample: those nothing holds back, and those that cannot move.

    Parameters
    ----------
    target : LogDensity
    max_energy_error : float
        A trajectory beyond it diverges.
    counts_divergences : bool
        Whether the share of draws that diverge says anything: of a chain whose step size nobody has tuned, it does not.
    """

    def __init__(self, target: LogDensity, max_energy_error: float, counts_divergences: bool = True) -> None:
        self._target, self._limit, self._counts = target, max_energy_error, counts_divergences
        self._sizes = list(target.sizes.values())
        self._signs, self._elsewhere = Signs(), new_state(target.dim)
        self._warned = False
        self.fewest = _FEW  # draws of a window that is worth a look, unless it is the last one

    def after_window(self, window: Window, system: HamiltonianSystem, state: State, last: bool) -> None:
        """Look at a window that has ended, with what it was drawn by; `last` says whether others follow.

        A parameter that cannot move has kept one value for a whole last window, while others changed.
        """
        if self._warned:
            return

        def evaluate(position: np.ndarray) -> float:
            return self._log_density(position, system, state)

        position = state.current.position
        if found := self._signs.look(window, position, self._sizes, evaluate, last):
            self._warn(*found)
            return
        moved = window.squares[0] > 0
        still = ~moved & moved.any() & last
        if still.any():
            self._warn(still, NARROW)

    def after_draws(self, rows: np.ndarray, system: HamiltonianSystem, state: State) -> None:
        """Where most of the first draws that count diverge, say so, and which parameters are to blame."""
        found = self._signs.count(rows[:, column.DIVERGING])
        if self._warned or found is None or not self._counts:
            return

        def evaluate(position: np.ndarray) -> float:
            return self._log_density(position, system, state)

        def scale(j: int) -> float:
            self._elsewhere.current.gradient[:] = np.arange(self._target.dim) == j
            return float(np.sqrt(kernels.steepness(system.metric, self._elsewhere)))

        blamed = steepest(evaluate, state.current.position, self._sizes, scale, self._limit)
        self._warn(blamed, DIVERGE.format(diverged=found[0], drawn=found[1]))

    def _log_density(self, position: np.ndarray, system: HamiltonianSystem, state: State) -> float:
        """The log-density at another position; NaN where the log-density raised an error."""
        elsewhere = self._elsewhere
        elsewhere.current.position[:] = position
        status = kernels.evaluate_start(system.target, elsewhere)
        state.counters[GRADIENTS] += elsewhere.counters[GRADIENTS]
        elsewhere.counters[:] = 0
        if status == Status.BROKEN:
            if not isinstance(self._target.error, Exception):
                self._target.raise_error()
            self._target.error = None  # of a place where no draw is
            return np.nan
        return float(elsewhere.current.value[0])

    def _warn(self, which: np.ndarray, message: str) -> None:
        self._warned = True
        warnings.warn(message.format(", ".join(self._target.names_of(which))), UserWarning, stacklevel=2)


class Signs:
    """Signs, in windows of warm-up and in the first draws after it, of parameters that nothing holds back."""

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
        window: Window,
        position: np.ndarray,
        sizes: Sequence[int],
        evaluate: Callable[[np.ndarray], float],
        last: bool,
    ) -> tuple[np.ndarray, str] | None:
        """At the end of a window: the coordinates that are not held back (d,), and what to say of them.

        Parameters
        ----------
        window : Window
        position : ndarray of shape (d,)
            Where the chain is.
        sizes : sequence of int
            How many coordinates each variable has; one of each is looked at.
        evaluate : callable
            The log-density at a position.
        last : bool
            Whether this is the last window, by whose end a chain should have settled.
        """
        count = window.count
        if count < 2:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            spread, varied = np.sqrt(window.squares / count)
            mean = np.abs(window.means[0])
            self._began = mean if self._began is None else self._began
            moved, force = spread > 0, np.abs(window.means[1])
            pulled = moved & (force > _PULLED * varied)
            long = last and count >= _FEWEST
            suspect = moved & ((varied == 0) | (np.abs(position) > _ENDLESS) | (pulled & long) | _pushed(window))
            free = np.zeros(position.size, bool)
            for j in _first_of_each(suspect, sizes):
                free[j] = unheld(evaluate, position, j, spread[j])
            if free.any():
                return free, IMPROPER
            edge = [(_EDGE[0] < where) & (where < _EDGE[1]) for where in (mean, np.abs(position))]
            rising = pulled & last & (edge[0] | edge[1])
            rising |= pulled & long & (force * spread > _RISE)
            if rising.any():
                return rising, RISES
            if long:
                growing = self._growing(spread) & (spread > _WIDE * (1.0 + self._began))
                for ridge, part in ((growing, 1.0), (spread > _WIDE, _ROUNDED)):
                    for j in _first_of_each(ridge, sizes):
                        free[j] |= self._narrow(evaluate, position, j, part * spread[j])
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


def _pushed(window: Window) -> np.ndarray:
    """Coordinates where the force is away from the mean of the draws, and grows with the distance."""
    draws, gradients = window.pairs
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
