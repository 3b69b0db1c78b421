"""Appending the draws of one chain to a store."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

import numpy as np

from ..chain import Chain
from ..recorded import RecordedVariables
from ..statistics import RENAMED, table
from .base import Store
from .checksums import Checksums
from .errors import StoreError
from .layout import chunk_file
from .validation import sampled_groups

__all__ = ["Writer"]

_COMMIT_SECONDS, _COMMIT_BYTES = 1.0, 2**24
_LEAST_REST = 10.0  # between two commits, over what the first took, as some disks are slow


class Writer:
    """Appends the draws of one chain to a store; as a context, commits at its end.

    Draws are committed about once a second, since each commit writes a file for every variable and statistic.  All of
    them are on the disk before the state that counts them is, so that no more is lost with the power than with the
    process.

    Parameters
    ----------
    store : Store
        Held for writing by the call that it has the token of.
    index : int
        Number of the chain.
    chain : Chain
    variables : RecordedVariables
    """

    def __init__(self, store: Store, index: int, chain: Chain, variables: RecordedVariables) -> None:
        self._store, self._index, self._chain, self._variables = store, index, chain, variables
        self._token = store.token
        self._arrays = {name: store.arrays(name) for name in sampled_groups(store.description)}
        state = store.state(index)
        self._divergences = int(state.get("divergences", 0))
        self._checksums = Checksums(store.paths(), state.get("checksums"))
        self._seed = store.description["value_seeds"][index]
        self._pending: list[tuple[bool, np.ndarray, np.ndarray]] = []
        self._committed, self._bytes, self._due = chain.count, 0, time.monotonic() + _COMMIT_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.commit()

    def write(self, draws: np.ndarray, rows: np.ndarray) -> None:
        """Append draws (n, d) and their rows of statistics, all of warm-up or none."""
        self._pending.append((self._chain.count <= self._store.tune, draws, rows))
        self._bytes += draws.nbytes + rows.nbytes
        if self._bytes > _COMMIT_BYTES or time.monotonic() > self._due:
            self.commit()

    def commit(self) -> None:
        """Write the draws that are pending, and the state of the chain after them."""
        if not self._pending:
            return
        self._store.check_owner(self._token)
        began = time.monotonic()
        try:
            for tuning, first in ((True, self._committed), (False, max(self._committed, self._store.tune))):
                blocks = [block for warmup, *block in self._pending if warmup is tuning]
                if blocks:
                    self._write_blocks(tuning, first, *map(np.concatenate, zip(*blocks, strict=True)))
            sums = {"divergences": self._divergences, "checksums": self._checksums.table}
            self._store.save_state(self._index, {**self._chain.snapshot(), **sums})
        except OSError as error:
            raise StoreError(
                f"store: {self._store.path} cannot be written: {error.strerror or error}; chain {self._index} is kept "
                f"up to draw {self._committed}: make room there and call again, to go on"
            ) from error
        self._committed = self._chain.count
        now = time.monotonic()
        self._pending, self._bytes, self._due = [], 0, now + max(_COMMIT_SECONDS, _LEAST_REST * (now - began))

    def _write_blocks(self, tuning: bool, first: int, draws: np.ndarray, rows: np.ndarray) -> None:
        stats = table(rows, tuning, self._divergences)
        self._divergences = int(stats["divergences"][-1])
        number = first
        prefix, first = ("warmup_", first) if tuning else ("", first - self._store.tune)
        if f"{prefix}posterior" not in self._arrays:
            return
        values = self._variables.new(len(draws))
        self._variables.fill(values, draws, self._seed, number)
        for group, columns in ((f"{prefix}posterior", values), (f"{prefix}sample_stats", stats)):
            for name, column in columns.items():
                self._write(group, RENAMED.get(name, name), first, column)

    def _write(self, group: str, name: str, first: int, values: np.ndarray) -> None:
        """Write the draws (n, ...) of one variable from number `first` on, and see that they are on the disk."""
        array = self._arrays[group].get(name)
        if array is None:  # variables in unconstrained space are not stored unless asked for
            return
        path, end, size = f"{group}/{name}", first + len(values), array.chunks[1]
        values = values.astype(array.dtype, copy=False)
        array[self._index, first:end] = values
        self._checksums.append(path, first, values)
        for block in range(first // size, -(-end // size)) if values.size else ():
            with chunk_file(self._store.path, path, self._index, block, array.ndim).open("r+b") as file:
                os.fsync(file.fileno())
