"""Draws in arrays, as PyMC's converter reads them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, overload

import numpy as np

__all__ = ["MultiTraceView"]


class MultiTraceView:
    """Draws of several chains, with those members of `pymc.backends.base.MultiTrace` that the conversion reads.

    So that names, dimensions, coordinates and groups of the result are those that `pymc.to_inference_data` makes.

    Parameters
    ----------
    values, stats : dict of ndarray
        Of shape (chains, draws, ...), warm-up first.
    n_tune : int
        Number of draws of each chain that are of warm-up.
    seconds : float
        Time that sampling took.
    tuned : int, optional
        Number of draws of warm-up that were made, where those are left out.
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
        # in PyMC's report, n_tune is the number of draws of warm-up that were made, whether they are kept or not
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
    def __getitem__(self, draws: slice) -> MultiTraceView: ...
    @overload
    def __getitem__(self, draws: str) -> np.ndarray: ...
    def __getitem__(self, draws: slice | str) -> MultiTraceView | np.ndarray:
        """Draws of all chains, or all draws of a variable."""
        if isinstance(draws, str):
            return self._values[draws]
        values, stats = ({name: array[:, draws] for name, array in of.items()} for of in (self._values, self._stats))
        return MultiTraceView(values, stats, 0, self.report.t_sampling)

    def get_values(self, name: str, **_: Any) -> np.ndarray:
        """Draws of a variable, (chains, draws, ...)."""
        return self._values[name]

    def get_sampler_stats(self, name: str, **_: Any) -> np.ndarray:
        """A statistic, (chains, draws)."""
        return self._stats[name]
