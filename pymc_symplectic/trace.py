"""Draws of several chains, as PyMC's converter reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, overload

import numpy as np

from .statistics import DTYPES, table
from .target import LogDensity, user_code, values_function

__all__ = ["Memory", "Trace", "Variables", "longest"]

_SEED = (0,)  # of random variables, where nobody asks for them


class Variables:
    """What is stored of each draw: variables of the model, as functions of the flat vector.

    Parameters
    ----------
    target : LogDensity
        Of all free variables of a model.
    names : sequence of str, optional
        Which free and deterministic variables; by default all, and free ones in unconstrained space too.

    Attributes
    ----------
    layout : dict
        Shape and dtype of each variable.
    random : frozenset of str
        Those that are no function of the draw alone, as a deterministic variable of ``pm.Normal.dist()`` is none.

    Raises
    ------
    ValueError
        When the model has no variable of such a name.

    Notes
    -----
    The function is the one that `pymc.sample` compiles, called for one draw at a time as there, so that the numbers
    are the same to the last bit.  Random variables are drawn from a stream of their own for each chain and each draw,
    so that they depend on nothing but a seed.
    """

    def __init__(self, target: LogDensity, names: Sequence[str] | None = None) -> None:
        model = target.model
        outputs = list(model.unobserved_value_vars)
        if names is not None:
            known = [variable.name for variable in model.unobserved_RVs]
            if not names:
                raise ValueError(f"var_names: name at least one variable; the model has {', '.join(known)}")
            if strangers := [name for name in names if name not in known]:
                raise ValueError(
                    f"var_names: the model has no variable {', '.join(map(repr, strangers))}; it has {', '.join(known)}"
                )
            chosen = [variable for variable in model.unobserved_RVs if variable.name in names]
            outputs = model.replace_rvs_by_values(chosen)
            for variable, original in zip(outputs, chosen, strict=True):
                variable.name = original.name
        self._target = target
        start = tuple(target.to_point(target.default_start).values())
        self._call, self._streams, random = values_function(model, outputs, start)
        self.random = frozenset(str(output.name) for output, told in zip(outputs, random, strict=True) if told)
        with user_code:
            values = self._call(*start, *self._generators(_SEED, 0))
        self.layout = {
            str(output.name): (np.shape(value), np.asarray(value).dtype)
            for output, value in zip(outputs, values, strict=True)
        }

    def new(self, *sizes: int) -> dict[str, np.ndarray]:
        """Arrays for draws, of shape (*sizes, ...)."""
        return {name: np.empty((*sizes, *shape), dtype) for name, (shape, dtype) in self.layout.items()}

    def fill(
        self, arrays: Mapping[str, np.ndarray], draws: np.ndarray, seed: Sequence[int] = _SEED, first: int = 0
    ) -> None:
        """Write the variables at `draws` (n, d) to arrays of shape (n, ...).

        `seed` is of the chain, and `first` the number of the first of these draws in it, from the start of warm-up.
        """
        function, to_point, columns = self._call, self._target.to_point, list(arrays.values())
        with user_code:  # a PyTensor function may have one storage for its inputs, too
            for i, position in enumerate(draws):
                values = function(*to_point(position).values(), *self._generators(seed, first + i))
                for array, value in zip(columns, values, strict=True):
                    array[i] = value

    def _generators(self, seed: Sequence[int], draw: int) -> list[np.random.Generator]:
        return [
            np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(draw, stream))))
            for stream in self._streams
        ]

    def at(self, position: np.ndarray) -> dict[str, np.ndarray]:
        """The variables at one position (d,)."""
        arrays = self.new(1)
        self.fill(arrays, position[None])
        return {name: array[0] for name, array in arrays.items()}


class Memory:
    """Draws and statistics of all chains, in arrays of shape (chains, tune + draws, ...).

    Parameters
    ----------
    variables : Variables
    chains, tune, draws : int
    keep_warmup : bool
        Whether draws of warm-up will be asked for.  If not, variables are computed only of those of an interrupted
        run that has no others.
    seeds : sequence of sequences of int, optional
        Of the random variables of each chain.
    """

    def __init__(
        self,
        variables: Variables,
        chains: int,
        tune: int,
        draws: int,
        keep_warmup: bool,
        seeds: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.variables, self.tune = variables, tune
        self._seeds = [_SEED] * chains if seeds is None else seeds
        self._skipped = 0 if keep_warmup else tune
        self.values = variables.new(chains, tune + draws - self._skipped)
        self.stats = {name: np.empty((chains, tune + draws), dtype) for name, dtype in DTYPES.items()}
        self.counts = [0] * chains
        self._divergences = [0] * chains
        self._raw: list[list[np.ndarray]] = [[] for _ in range(chains)]

    def write(self, chain: int, draws: np.ndarray, rows: np.ndarray) -> None:
        """Append draws (n, d) and their rows of statistics, all of warm-up or none."""
        first, end = self.counts[chain], self.counts[chain] + len(draws)
        if first < self._skipped:
            self._raw[chain].append(draws)
        else:
            place = slice(first - self._skipped, end - self._skipped)
            into = {name: array[chain, place] for name, array in self.values.items()}
            self.variables.fill(into, draws, self._seeds[chain], first)
            self._raw[chain].clear()
        stats = table(rows, first < self.tune, self._divergences[chain])
        for name, column in stats.items():
            self.stats[name][chain, first:end] = column
        self._divergences[chain] = int(stats["divergences"][-1])
        self.counts[chain] = end

    def trace(self, chains: Sequence[int], length: int, seconds: float) -> Trace:
        """The first draws, so many, of some of the chains; without those of warm-up, if they were not to be kept."""
        every = list(chains) == list(range(len(self.counts)))
        select: Any = slice(None) if every else list(chains)  # a slice is a view
        if length <= self._skipped:
            values, first = self.variables.new(len(chains), length), 0
            for place, chain in enumerate(chains):
                into = {name: array[place] for name, array in values.items()}
                self.variables.fill(into, np.concatenate(self._raw[chain])[:length], self._seeds[chain])
        else:
            first = self._skipped
            values = {name: array[select, : length - first] for name, array in self.values.items()}
        stats = {name: array[select, first:length] for name, array in self.stats.items()}
        return Trace(values, stats, min(self.tune, length) - first, seconds, min(self.tune, length))


class Trace:
    """What `pymc.to_inference_data` asks of a `pymc.backends.base.MultiTrace`.

    So that names, dimensions, coordinates and groups of the result are PyMC's own.

    Parameters
    ----------
    values, stats : dict of ndarray
        Of shape (chains, draws, ...), warm-up first.
    n_tune : int
        How many draws of each chain are of warm-up.
    seconds : float
        What sampling took.
    tuned : int, optional
        How many draws of warm-up there were, where those are left out.
    """

    def __init__(
        self,
        values: dict[str, np.ndarray],
        stats: dict[str, np.ndarray],
        n_tune: int,
        seconds: float,
        tuned: int | None = None,
    ) -> None:
        self._values, self._stats = values, stats
        self.nchains, self._length = next(iter(stats.values())).shape
        # PyMC's own name for the draws of warm-up that there were, whether they are kept or not, is n_tune
        tuned = n_tune if tuned is None else tuned
        self.report = SimpleNamespace(n_draws=self._length - n_tune, n_tune=tuned, t_sampling=seconds)

    def __len__(self) -> int:
        return self._length

    @property
    def varnames(self) -> list[str]:
        """Names of the variables."""
        return list(self._values)

    @property
    def stat_names(self) -> list[str]:
        """Names of the statistics."""
        return list(self._stats)

    @overload
    def __getitem__(self, draws: slice) -> Trace: ...
    @overload
    def __getitem__(self, draws: str) -> np.ndarray: ...
    def __getitem__(self, draws: slice | str) -> Trace | np.ndarray:
        """Draws of all chains, or all draws of a variable."""
        if isinstance(draws, str):
            return self._values[draws]
        values, stats = ({name: array[:, draws] for name, array in of.items()} for of in (self._values, self._stats))
        return Trace(values, stats, 0, self.report.t_sampling)

    def get_values(self, name: str, **_: Any) -> np.ndarray:
        """Draws of a variable, (chains, draws, ...)."""
        return self._values[name]

    def get_sampler_stats(self, name: str, **_: Any) -> np.ndarray:
        """A statistic, (chains, draws)."""
        return self._stats[name]


def longest(counts: Sequence[int], tune: int) -> tuple[list[int], int]:
    """Which chains to keep, and how many draws of each, so that most are kept: first of sampling, then of warm-up.

    Examples
    --------
    >>> longest([1500, 1400, 1010], tune=1000)
    ([0, 1], 1400)
    >>> longest([20, 30], tune=1000)
    ([0, 1], 20)
    """
    beyond = [max(count - tune, 0) for count in counts]
    ranked = beyond if any(beyond) else list(counts)
    order = sorted(range(len(counts)), key=lambda chain: -ranked[chain])
    kept = max(range(1, len(order) + 1), key=lambda n: (n * ranked[order[n - 1]], n))
    chains = sorted(order[:kept])
    return chains, min(counts[chain] for chain in chains)
