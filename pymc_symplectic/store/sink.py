"""The sink of a run that keeps its draws in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..chain import Chain
from ..recorded import RecordedVariables
from .base import Store
from .writer import Writer

__all__ = ["StoreSink"]


class StoreSink:
    """Writes draws to a store, and reads them from there.

    Parameters
    ----------
    store : Store
    variables : RecordedVariables
    """

    resumable = True

    def __init__(self, store: Store, variables: RecordedVariables) -> None:
        self._store, self._variables = store, variables

    @property
    def returns_warmup(self) -> bool:
        """Whether the result of a run that ended in warm-up has the draws of warm-up."""
        return bool(self._store.description["keep_warmup"])

    def held(self) -> AbstractContextManager[Any]:
        """A context in which nothing that has been written moves, as nothing on disk does."""
        return nullcontext()

    def counts(self) -> list[int]:
        """Number of draws of each chain that are kept, those of warm-up included."""
        return self._store.counts()

    def reserve(self, draws: int) -> None:
        """See that there is room for so many draws of each chain after warm-up."""
        if draws > self._store.draws:
            self._store.extend(draws)

    def values(self, name: str, chains: Sequence[int], draws: int) -> np.ndarray:
        """The first draws of a variable after warm-up, (chains, draws, ...), of some of the chains."""
        return self._store.values(name, draws)[list(chains)]

    @contextmanager
    def writer(self, index: int, chain: Chain) -> Iterator[Callable[[np.ndarray, np.ndarray], None]]:
        """A context in which the draws of one chain are written; those that are left are committed at its end."""
        with Writer(self._store, index, chain, self._variables) as writer:
            yield writer.write

    def open_in_task(self) -> Callable[[Callable[[], RecordedVariables]], StoreSink]:
        """A function that opens, in a task, this store for writing."""
        return partial(_opened, str(self._store.path), self._store.token)

    def state(self, index: int) -> Mapping[str, Any]:
        """The state that a chain has come to."""
        return self._store.state(index)

    def sent(self) -> None:
        """None: a task keeps its draws itself."""

    def receive(self, index: int, sent: Any) -> None:
        """Not called, since no task sends draws back."""

    def glance(self, index: int) -> int | None:
        """Number of draws of a chain that a task has kept so far; None where that is not known."""
        return self._store.glance(index)

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken."""
        self._store.add_seconds(seconds)

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, so many with those of warm-up, of some of the chains; read when they are looked at."""
        return self._store.tree(chains, length)


def _opened(path: str, token: str, variables: Callable[[], RecordedVariables]) -> StoreSink:
    store = Store.open(path)
    store.token = token
    return StoreSink(store, variables())
