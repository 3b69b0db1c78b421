"""The sink of a run that keeps its draws in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ..chain import Chain
from ..kernels import statistics as column
from ..recorded import SEED, RecordedVariables
from ..statistics import DTYPES, table
from .conversion import Conversion
from .multitrace import MultiTraceView
from .sink import OpenInTask, SentDraws, Write

__all__ = ["MemorySink"]


class MemorySink:
    """Draws and statistics of all chains, in arrays of shape (chains, tune + draws, ...).

    Parameters
    ----------
    variables : RecordedVariables
    conversion : Conversion
        Makes the result.
    chains, tune, draws : int
    keep_warmup : bool
        Whether draws of warm-up will be asked for.  If not, variables are computed only of those of an interrupted
        run that has no others.
    seeds : sequence of sequences of int, optional
        Of the random variables of each chain.
    """

    resumable = False
    returns_warmup = True

    def __init__(
        self,
        variables: RecordedVariables,
        conversion: Conversion,
        chains: int,
        tune: int,
        draws: int,
        keep_warmup: bool,
        seeds: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self._variables, self._conversion, self._tune = variables, conversion, tune
        self._seeds = [SEED] * chains if seeds is None else seeds
        self._skipped = 0 if keep_warmup else tune
        with _room_for(chains, draws):
            self._values = variables.new(chains, tune + draws - self._skipped)
            self._stats = {name: np.empty((chains, tune + draws), dtype) for name, dtype in DTYPES.items()}
        self._counts = [0] * chains
        self._divergences = [0] * chains
        self._raw: list[list[np.ndarray]] = [[] for _ in range(chains)]
        self._seconds = 0.0
        self._lock = threading.RLock()

    def held(self) -> AbstractContextManager[Any]:
        """A context in which nothing that has been written moves, to read it while chains draw."""
        return self._lock

    def counts(self) -> list[int]:
        """Number of draws of each chain that are kept, those of warm-up included."""
        return list(self._counts)

    def writer(self, index: int, chain: Chain) -> AbstractContextManager[Write]:
        """A context in which the draws of one chain are written."""
        return nullcontext(partial(self.write, index))

    def write(self, index: int, draws: np.ndarray, rows: np.ndarray) -> None:
        """Append draws (n, d) of a chain and their rows of statistics, all of warm-up or none."""
        with self._lock:
            self._append(index, draws, rows)

    def _append(self, index: int, draws: np.ndarray, rows: np.ndarray) -> None:
        first, end = self._counts[index], self._counts[index] + len(draws)
        if first < self._skipped:
            self._raw[index].append(draws)
        else:
            place = slice(first - self._skipped, end - self._skipped)
            into = {name: array[index, place] for name, array in self._values.items()}
            self._variables.fill(into, draws, self._seeds[index], first)
            self._raw[index].clear()
        stats = table(rows, first < self._tune, self._divergences[index])
        for name, values in stats.items():
            self._stats[name][index, first:end] = values
        self._divergences[index] = int(stats["divergences"][-1])
        self._counts[index] = end

    def reserve(self, draws: int) -> None:
        """See that there is room for so many draws of each chain after warm-up; no chain may draw meanwhile."""
        for of, length in ((self._values, self._tune + draws - self._skipped), (self._stats, self._tune + draws)):
            for name, array in list(of.items()):
                if array.shape[1] < length:
                    with _room_for(len(array), draws):
                        longer = np.empty((len(array), length, *array.shape[2:]), array.dtype)
                    longer[:, : array.shape[1]] = array
                    of[name] = longer

    def values(self, name: str, chains: Sequence[int], draws: int) -> np.ndarray:
        """The first draws of a variable after warm-up, (chains, draws, ...), of some of the chains."""
        first = self._tune - self._skipped
        return self._values[name][_selected(chains, len(self._counts)), first : first + draws]

    def open_in_task(self) -> OpenInTask:
        """A function that opens, in a task, a sink which collects the draws to be sent back."""
        return _Collected

    def receive(self, index: int, sent: SentDraws) -> None:
        """Keep the draws that a task has sent back."""
        warmup = max(self._tune - self._counts[index], 0)
        for part in (slice(None, warmup), slice(warmup, None)):
            draws, rows = (array[part] for array in sent)
            if len(draws):
                self.write(index, draws, rows)

    def glance(self, index: int) -> int | None:
        """None: a task sends its draws when it has ended."""
        return None

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken."""
        self._seconds += seconds

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, so many with those of warm-up, of some of the chains.

        Without those of warm-up, if they were not to be kept and there are others.
        """
        save_warmup = length <= self._tune or not self._skipped
        return self._conversion.tree(self.multitrace(chains, length), chains, save_warmup)

    def multitrace(self, chains: Sequence[int], length: int) -> MultiTraceView:
        """The same draws, before they are converted."""
        select = _selected(chains, len(self._counts))
        if length <= self._skipped:
            values, first = self._variables.new(len(chains), length), 0
            for place, chain in enumerate(chains):
                into = {name: array[place] for name, array in values.items()}
                self._variables.fill(into, np.concatenate(self._raw[chain])[:length], self._seeds[chain])
        else:
            first = self._skipped
            values = {name: array[select, : length - first] for name, array in self._values.items()}
        stats = {name: array[select, first:length] for name, array in self._stats.items()}
        warmup = min(self._tune, length)
        return MultiTraceView(values, stats, warmup - first, self._seconds, warmup)


@contextmanager
def _room_for(chains: int, draws: int) -> Iterator[None]:
    """Say what to do where there is no room for arrays of so many draws."""
    try:
        yield
    except (MemoryError, ValueError) as error:
        raise MemoryError(
            f"draws: there is no room in memory for {draws} draws of {chains} chains ({error}); ask for fewer, keep "
            "fewer variables (var_names) or one draw of several (thin), or write them to disk (store)"
        ) from error


def _selected(chains: Sequence[int], count: int) -> Any:
    """What selects these of so many chains: a slice, which makes a view, where it is all of them."""
    return slice(None) if list(chains) == list(range(count)) else list(chains)


class _Collected:
    """The draws of one chain, in the task that makes them."""

    def __init__(self, variables: Callable[[], RecordedVariables]) -> None:
        # variables are computed where the draws are kept
        self._draws: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []

    def state(self, index: int) -> Mapping[str, Any] | None:
        """None: a task that is tried again begins anew."""
        return None

    def writer(self, index: int, chain: Chain) -> AbstractContextManager[Write]:
        """A context in which the draws of the chain are written."""
        self._draws.append(np.empty((0, chain.target.dim)))
        self._rows.append(np.empty((0, column.N_COLUMNS)))
        return nullcontext(self._write)

    def _write(self, draws: np.ndarray, rows: np.ndarray) -> None:
        self._draws.append(draws)
        self._rows.append(rows)

    def sent(self) -> SentDraws:
        """All draws that the task has made, and their rows of statistics."""
        return np.concatenate(self._draws), np.concatenate(self._rows)
