"""When a run has drawn enough: effective sample sizes and R-hat of its variables, looked at between blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pymc as pm

from ..checks import number, positive

__all__ = ["Reached", "Until", "Watcher", "check_until"]

_TAIL = (0.05, 0.95)
_KINDS: Mapping[str, Mapping[str, Any]] = {"bulk": {}, "tail": {"prob": _TAIL}, "mean": {}, "sd": {}, "median": {}}
"""Kinds of effective sample sizes, with what arviz-stats is told of each."""
_APART = 1.1  # an R-hat of chains that are at different places, of which no number of draws can be told


@dataclass(frozen=True)
class Until:
    """When a run of `pymc_symplectic.sample` ends: as soon as all goals are met, or the time is over.

    The goals are looked at after 100 draws of every chain, and then after blocks of a fourth of all draws so far, but
    of 50 at least.  All chains have as many draws then, so that what is returned depends on the seed alone.

    Parameters
    ----------
    ess : float, optional
        Least effective sample size, over all chains together.  None: it is not looked at.
    r_hat : float, optional
        Largest R-hat (rank-normalized, split).  None: it is not looked at.  It takes two chains.
    seconds : float, optional
        Time that chains may take in this call, warm-up included and compilation not.  The block that is being drawn
        then is left out of the result.
    variables : str or sequence of str, optional
        Variables that have to meet the goals, each in all its entries; by default all that are kept, free and
        deterministic ones, as a summary of the result shows them.  Entries that never change are passed over.
    ess_of : str or sequence of str, optional
        Kinds of effective sample sizes: "bulk", "tail" (of the quantiles of 5 % and 95 %, whichever is less), "mean",
        "sd", "median".

    Raises
    ------
    TypeError, ValueError
        When a goal is not a number, or none that can be reached.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and localization: an improved
    R-hat for assessing convergence of MCMC, Bayesian Analysis 16(2).

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> quiet = {"progressbar": False, "quiet": True}
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     idata = ps.sample(10_000, until=ps.Until(ess=300), chains=4, random_seed=1, **quiet)
    >>> idata["posterior"].sizes["draw"] < 1000
    True
    """

    ess: float | None = 400
    r_hat: float | None = 1.01
    seconds: float | None = None
    variables: str | Sequence[str] | None = None
    ess_of: str | Sequence[str] = ("bulk", "tail")

    def __post_init__(self) -> None:
        if self.ess is not None:
            positive("Until: ess", self.ess)
        if self.r_hat is not None and not 1 < number("Until: r_hat", self.r_hat) < math.inf:
            raise ValueError(f"Until: r_hat must be finite and greater than 1, got {self.r_hat!r}")
        if self.seconds is not None:
            positive("Until: seconds", self.seconds)
        if self.ess is None and self.r_hat is None and self.seconds is None:
            raise ValueError("Until: name at least one of ess, r_hat and seconds")
        object.__setattr__(self, "ess_of", _texts("ess_of", self.ess_of))
        if strangers := [kind for kind in self.ess_of if kind not in _KINDS]:
            raise ValueError(f"Until: ess_of has no {', '.join(map(repr, strangers))}; there are {', '.join(_KINDS)}")
        if self.ess is not None and not self.ess_of:
            raise ValueError(f"Until: ess_of names no kind of effective sample size; there are {', '.join(_KINDS)}")
        if self.variables is not None:
            object.__setattr__(self, "variables", _texts("variables", self.variables))
            if not self.variables:
                raise ValueError("Until: variables names none; leave it out for all")

    @property
    def looks(self) -> bool:
        """Whether draws have to be looked at."""
        return self.ess is not None or self.r_hat is not None


def _texts(name: str, value: Any) -> tuple[str, ...]:
    listed = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(entry, str) for entry in listed):
        raise TypeError(f"Until: {name} must be a name or a sequence of names, got {value!r}")
    return tuple(str(entry) for entry in listed)


def check_until(until: Any, model: pm.Model, recorded: Sequence[str] | None, chains: int) -> None:
    """Raise an error unless this is None, or goals that a run of so many chains with these variables can meet.

    Parameters
    ----------
    until : Any
    model : pymc.Model
    recorded : sequence of str or None
        Variables that are recorded; None for all.
    chains : int
    """
    if until is None:
        return
    if not isinstance(until, Until):
        raise TypeError(f"until must be a ps.Until, got {until!r}; for instance until=ps.Until(ess=400)")
    kept = variables_of(model, recorded)
    if strangers := [name for name in until.variables or () if name not in kept]:
        names = ", ".join(map(repr, strangers))
        if all(name in variables_of(model, None) for name in strangers):
            raise ValueError(f"until: {names} must be among var_names, for only what is kept can be looked at")
        raise ValueError(f"until: the model has no variable {names}; it has {', '.join(kept)}")
    if until.r_hat is not None and chains < 2:
        raise ValueError("until: R-hat takes at least 2 chains; give chains=2, or until=ps.Until(r_hat=None)")


def variables_of(model: pm.Model, recorded: Sequence[str] | None) -> list[str]:
    """Names of the variables that a result has."""
    return [rv.name for rv in model.unobserved_RVs] if recorded is None else list(recorded)


@dataclass(frozen=True)
class Reached:
    """What was found in the draws: the worst of all entries that were looked at."""

    draws: int
    """Of each chain."""
    met: bool
    """Whether all goals are met."""
    ess: float = math.inf
    ess_of: str = ""
    """Kind and entry with the least effective sample size, in words."""
    r_hat: float = 1.0
    r_hat_of: str = ""
    """Entry with the largest R-hat."""

    def words(self) -> str:
        """The numbers, in words."""
        parts = [f"the least effective sample size is {self.ess:.0f} ({self.ess_of})"] if self.ess_of else []
        parts += [f"the largest R-hat is {self.r_hat:.3f} ({self.r_hat_of})"] if self.r_hat_of else []
        return " and ".join(parts) or "no entry of them has changed"

    def lacking(self, until: Until) -> str:
        """What more it would take to meet the goals, in words."""
        if math.isnan(self.ess) or math.isnan(self.r_hat):
            return "draws that are not finite never meet them"
        if until.r_hat is not None and self.r_hat > max(until.r_hat, _APART):
            return "the chains are at different places, so look at why before more draws are made"
        more = [until.ess / self.ess] if until.ess is not None and self.ess_of else []
        if until.r_hat is not None and self.r_hat_of:
            more.append((self.r_hat - 1) / (until.r_hat - 1))  # which falls as one over the number of draws
        needed = self.draws * max(more, default=1.0)
        digits = 10 ** max(math.floor(math.log10(needed)) - 1, 0)
        return f"about draws={math.ceil(needed / digits) * digits:.0f} would be needed"


class Watcher:
    """Looks at draws, whether they meet the goals.

    Parameters
    ----------
    until : Until
    names : sequence of str
        Variables that are recorded.
    """

    def __init__(self, until: Until, names: Sequence[str]) -> None:
        self.until, self._names = until, tuple(until.variables or names)
        self._kinds = tuple(until.ess_of) if until.ess is not None else ()
        self._lacking: list[tuple[str, int]] = []

    def look(self, draws: int, read: Callable[[str], np.ndarray], whole: bool = False) -> Reached:
        """The worst of so many draws of each chain.

        Unless the `whole` is asked for, it ends at the first entry that does not meet the goals, and the next look
        begins with that one: most looks cost no more than one entry does.

        Parameters
        ----------
        draws : int
        read : callable
            Draws (chains, draws, ...) of a variable, by its name.
        whole : bool, optional
        """
        read = cache(read)
        ess, r_hat, met = (math.inf, ""), (1.0, ""), False
        for name, place, entry in self._entries(read):
            label = _label(name, read(name).shape[2:], place)
            for kind in self._kinds:
                found = _diagnosed("ess", entry, method=kind, **_KINDS[kind]), f"{kind} of {label}"
                ess = min(ess, found, key=lambda one: -math.inf if math.isnan(one[0]) else one[0])
            if self.until.r_hat is not None:
                found = _diagnosed("rhat", entry), label
                r_hat = max(r_hat, found, key=lambda one: math.inf if math.isnan(one[0]) else one[0])
            met = self._meets(ess[0], r_hat[0])
            if not (met or whole):
                self._lacking = [(name, place)]
                break
        return Reached(draws, met, *ess, *r_hat)

    def _meets(self, ess: float, r_hat: float) -> bool:
        enough = self.until.ess is None or ess >= self.until.ess
        return enough and (self.until.r_hat is None or r_hat <= self.until.r_hat)

    def _entries(self, read: Callable[[str], np.ndarray]) -> Iterator[tuple[str, int, np.ndarray]]:
        """Draws (chains, draws) of each entry that changes, with the one first that has lacked most lately."""
        everything = ((name, place) for name in self._names for place in range(math.prod(read(name).shape[2:])))
        for name, place in chain(self._lacking, everything):
            array = read(name)
            where: Any = np.unravel_index(place, array.shape[2:])
            entry = array[(slice(None), slice(None), *where)]
            if (entry != entry.flat[0]).any():
                yield name, place, np.asarray(entry, dtype=float)


def _diagnosed(which: str, entry: np.ndarray, **options: Any) -> float:
    """A diagnostic by arviz-stats; NaN where draws are not finite."""
    from arviz_stats.base import array_stats  # slow to import, and needed by few

    if not np.isfinite(entry).all():
        return math.nan
    with np.errstate(all="ignore"):
        return float(getattr(array_stats, which)(entry, **options))


def _label(name: str, shape: Sequence[int], place: int) -> str:
    return f"{name}[{', '.join(map(str, np.unravel_index(place, shape)))}]" if shape else name
