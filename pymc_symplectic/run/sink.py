"""Where the draws of a run go: one protocol for the sink in memory and the one on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ..chain import Chain
from ..recorded import RecordedVariables

__all__ = ["ChainSink", "OpenInTask", "SentDraws", "Sink", "TaskSink", "Write"]

Write = Callable[[np.ndarray, np.ndarray], None]
"""Appends draws (n, d) and their rows of statistics, all of warm-up or none."""

SentDraws = tuple[np.ndarray, np.ndarray]
"""Draws (n, d) of a chain and their rows of statistics, all that a task has made, as it sends them back."""


class ChainSink(Protocol):
    """Takes the draws of chains as they come."""

    def writer(self, index: int, chain: Chain) -> AbstractContextManager[Write]:
        """A context in which the draws of one chain, the one with this number, are written."""
        ...


class TaskSink(ChainSink, Protocol):
    """A sink as a task of an executor has it, in whatever process."""

    def state(self, index: int) -> Mapping[str, Any] | None:
        """The state that an earlier try of this task has come to; None where none is kept."""
        ...

    def sent(self) -> SentDraws | None:
        """Draws that have to be sent back with the outcome of the task; None where they are kept already."""
        ...


OpenInTask = Callable[[Callable[[], RecordedVariables]], TaskSink]
"""Opens a sink in a task, given a function that makes the variables; can be pickled."""


class Sink(ChainSink, Protocol):
    """Keeps the draws of all chains of a run: `MemorySink` in memory, or `StoreSink` on disk."""

    @property
    def resumable(self) -> bool:
        """Whether the same call can go on from what is kept."""
        ...

    @property
    def returns_warmup(self) -> bool:
        """Whether the result of a run that ended in warm-up has the draws of warm-up."""
        ...

    def held(self) -> AbstractContextManager[Any]:
        """A context in which nothing that has been written moves, to read it while chains draw."""
        ...

    def counts(self) -> Sequence[int]:
        """Number of draws of each chain that are kept, those of warm-up included."""
        ...

    def reserve(self, draws: int) -> None:
        """See that there is room for so many draws of each chain after warm-up; no chain may draw meanwhile."""
        ...

    def values(self, name: str, chains: Sequence[int], draws: int) -> np.ndarray:
        """The first draws of a variable after warm-up, (chains, draws, ...), of some of the chains."""
        ...

    def open_in_task(self) -> OpenInTask:
        """A function that opens this sink in a task of an executor."""
        ...

    def receive(self, index: int, sent: SentDraws) -> None:
        """Keep the draws that a task has sent back."""
        ...

    def glance(self, index: int) -> int | None:
        """Number of draws of a chain that a task has kept so far; None where that is not known."""
        ...

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken."""
        ...

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, so many with those of warm-up, of some of the chains."""
        ...
