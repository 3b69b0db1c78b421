"""Appending to a store what one chain draws."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import numpy as np

from ..chain import Chain
from ..statistics import table
from ..trace import Variables
from .base import Store, StoreError

__all__ = ["Writer"]

_COMMIT_SECONDS, _COMMIT_BYTES = 1.0, 2**24
_NAMES = {
    "model_logp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "depth": "tree_depth",
    "tree_size": "n_steps",
}
"""Statistics that PyMC's converter gives another name."""


class Writer:
    """Appends to a store what one chain draws; as a context, commits at its end.

    Draws are committed about once a second, since each commit writes a file for every variable and statistic.
    """

    def __init__(self, store: Store, index: int, chain: Chain, variables: Variables, token: str) -> None:
        self._store, self._index, self._chain, self._variables = store, index, chain, variables
        self._token = token
        self._arrays = {name: store.arrays(name) for name in store.groups()}
        self._divergences = int(store.state(index).get("divergences", 0))
        self._pending: list[tuple[bool, np.ndarray, np.ndarray]] = []
        self._committed, self._bytes, self._when = chain.count, 0, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.commit()

    def write(self, draws: np.ndarray, rows: np.ndarray) -> None:
        """Append draws (n, d) and their rows of statistics, all of warm-up or none."""
        self._pending.append((self._chain.count <= self._store.tune, draws, rows))
        self._bytes += draws.nbytes + rows.nbytes
        if self._bytes > _COMMIT_BYTES or time.monotonic() - self._when > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write what is pending, and the state of the chain after it."""
        if not self._pending:
            return
        self._store.check_owner(self._token)
        try:
            for tuning, first in ((True, self._committed), (False, max(self._committed, self._store.tune))):
                blocks = [block for warmup, *block in self._pending if warmup is tuning]
                if blocks:
                    self._write_blocks(tuning, first, *map(np.concatenate, zip(*blocks, strict=True)))
            self._store.save_state(self._index, {**self._chain.snapshot(), "divergences": self._divergences})
        except OSError as error:
            raise StoreError(
                f"store: {self._store.path} cannot be written: {error.strerror or error}; chain {self._index} is kept "
                f"up to draw {self._committed}: make room there and call again, to go on"
            ) from error
        self._committed = self._chain.count
        self._pending, self._bytes, self._when = [], 0, time.monotonic()

    def _write_blocks(self, tuning: bool, first: int, draws: np.ndarray, rows: np.ndarray) -> None:
        stats = table(rows, tuning, self._divergences)
        self._divergences = int(stats["divergences"][-1])
        prefix, first = ("warmup_", first) if tuning else ("", first - self._store.tune)
        if f"{prefix}posterior" not in self._arrays:
            return
        values = self._variables.new(len(draws))
        self._variables.fill(values, draws)
        place = self._index, slice(first, first + len(draws))
        for group, columns in ((f"{prefix}posterior", values), (f"{prefix}sample_stats", stats)):
            arrays = self._arrays[group]
            for name, column in columns.items():
                array = arrays.get(_NAMES.get(name, name))
                if array is not None:  # variables in unconstrained space are not stored unless asked for
                    array[place] = column
