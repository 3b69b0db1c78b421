"""One chain from its start to its last draw, block by block: on a thread of ours, or as a task of an executor."""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import cloudpickle
import numpy as np
from pymc.exceptions import SamplingError

from ..adaptation.gathering import Verdict
from ..chain import Chain
from ..kernels import statistics as column
from ..recorded import RecordedVariables
from ..settings import Settings
from ..snapshots import generator_of
from ..store import StoreError
from ..target import LogDensity, user_code
from ..threads import one_thread
from .progress import Progress
from .sink import ChainSink, OpenInTask, SentDraws, Write

__all__ = ["Job", "Outcome", "Setup", "go_on", "packed", "run_chain", "run_task"]

_BLOCK_SECONDS = 0.03
_BLOCK_BYTES = 2**22
_GROWTH = 2  # of a block over the one before it, at most: draws of warm-up grow dearer, and a stop waits for its end


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that the chains of a run share; can be pickled."""

    target: LogDensity
    settings: Settings
    var_names: Sequence[str] | None
    """Variables that are recorded; None for all."""
    tune: int
    draws: int
    open_ended: bool = False
    """Whether warm-up ends by itself, after `tune` draws at the latest."""
    thin: int = 1
    """Of how many transitions after warm-up one is kept."""
    gathers: bool = False
    """Whether chains wait for each other at the end of warm-up, and hear of what the others have come to."""

    @property
    def total(self) -> int:
        """Draws of each chain, those of warm-up included."""
        return self.tune + self.draws

    @cached_property
    def variables(self) -> RecordedVariables:
        """The variables that are recorded, compiled when they are first asked for."""
        return RecordedVariables(self.target, self.var_names)

    def chain(self, state: Mapping[str, Any]) -> Chain:
        """A chain with the generator of this state, which has not begun."""
        sizes = self.tune, self.open_ended, self.thin, self.gathers
        return Chain(self.target, self.settings, generator_of(state["rng"]), *sizes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what is compiled."""
        sizes = self.tune, self.draws, self.open_ended, self.thin, self.gathers
        return Setup, (self.target, self.settings, self.var_names, *sizes)


@dataclass(frozen=True)
class Job:
    """One chain of a run: its number, and the state from which it goes on."""

    index: int
    state: Mapping[str, Any]
    """A `Chain.snapshot`, or ``{"rng": ..., "position": ...}`` of a chain that has not begun."""
    goal: int | None = None
    """Draws to come to, those of warm-up included; None for all."""
    verdict: Verdict | None = None
    """What is said of it at the end of its warm-up, if it waits there."""


@dataclass(frozen=True)
class Outcome:
    """Everything that a task sends back; `snapshot` is empty where an error has ended the chain."""

    progress: Progress
    snapshot: Mapping[str, Any]
    sent: SentDraws | None = None
    """The draws, unless the task has kept them itself."""
    error: SamplingError | StoreError | None = None


def run_chain(
    setup: Setup,
    job: Job,
    sink: ChainSink,
    report: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> Mapping[str, Any]:
    """Run one chain to the goal of its job, or until it is stopped, or waits for the others.

    Parameters
    ----------
    setup : Setup
    job : Job
    sink : ChainSink
        Takes the draws.
    report : callable
        Called with the progress after each block.
    stopped : callable
        Whether to stop, asked before each block.

    Returns
    -------
    dict
        The snapshot of the chain at its end.
    """
    return go_on(setup, job, None, sink, report, stopped)[1]


def go_on(
    setup: Setup,
    job: Job,
    chain: Chain | None,
    sink: ChainSink,
    report: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> tuple[Chain, Mapping[str, Any]]:
    """The same of a chain that is there already, in the state of the job, and may be gone on with afterwards."""
    with guard(setup.target):
        chain = begin(setup, job) if chain is None else chain
        if job.verdict is not None:
            chain.hear(job.verdict)
    with sink.writer(job.index, chain) as write:
        advance_to(chain, setup.total if job.goal is None else job.goal, write, report, stopped)
    return chain, chain.snapshot()


def begin(setup: Setup, job: Job) -> Chain:
    """A chain in the state of a job."""
    chain = setup.chain(job.state)
    if "count" in job.state:
        chain.restore(job.state)
    else:
        chain.start(np.asarray(job.state["position"], dtype=float))
    return chain


def advance_to(
    chain: Chain,
    total: int,
    write: Write,
    report: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> None:
    """Draw until the chain has made `total` draws, is stopped, or waits, in blocks of tens of milliseconds.

    Blocks are of warm-up or of sampling, never of both; their length makes no difference to the draws.
    """
    length, divergences = 1, 0
    most = max(1, _BLOCK_BYTES // (8 * (chain.target.dim + column.N_COLUMNS)))
    while chain.count < total and not chain.waiting and not stopped():
        tuning = chain.count < chain.tune
        length = min(length, (chain.tune if tuning else total) - chain.count)
        began = time.perf_counter()
        with guard(chain.target):
            draws, rows = chain.advance(length)
        taken = time.perf_counter() - began
        write(draws, rows)
        divergences += 0 if tuning else int(rows[:, column.DIVERGING].sum())
        gradients, values = rows[:, [column.N_GRADIENTS, column.N_VALUES]].mean(axis=0).tolist()
        report(Progress(chain.count, divergences, float(rows[-1, column.STEP_SIZE]), gradients, values))
        length = max(1, min(int(length * _BLOCK_SECONDS / max(taken, 1e-9)), _GROWTH * length, most))


def guard(target: LogDensity) -> AbstractContextManager[Any]:
    """The lock that a thread holds while it calls the log-density, where that goes through Python.

    It is held over a whole block, so that what is raised in it is known to be of this chain.
    """
    return nullcontext() if target.native else user_code


def packed(setup: Setup) -> bytes:
    """A setup as bytes, pickled once for the tasks of all chains.

    Raises
    ------
    TypeError
        When part of the model cannot be pickled; the message says which.
    """
    try:
        return cloudpickle.dumps(setup)
    except Exception as error:
        raise TypeError(
            f"{setup.target.unpicklable()} cannot be pickled ({type(error).__name__}: {error}), so the model cannot be "
            "sent to an executor; take that object out of the model, or leave executor= out, which samples on threads"
        ) from error


_compiling = threading.Lock()


@lru_cache(maxsize=2)
def _unpacked(payload: bytes) -> Setup:
    return pickle.loads(payload)


def run_task(payload: bytes, job: Job, open_sink: OpenInTask) -> Outcome:
    """Run one chain to its end, in whatever process: the function that an executor is given.

    `payload` is a packed setup.  An error of the chain comes back by its message, since not every error can be pickled.
    """
    with _compiling:  # threads of one worker share what is compiled
        setup = _unpacked(payload)

    def variables() -> RecordedVariables:
        with _compiling:
            return setup.variables

    latest = deque([Progress()], maxlen=1)
    with one_thread():
        try:
            sink = open_sink(variables)
            if (kept := sink.state(job.index)) is not None:  # of a worker that was lost
                job = replace(job, state=kept)
            snapshot = run_chain(setup, job, sink, latest.append, lambda: False)
            return Outcome(latest[-1], snapshot, sink.sent())
        except StoreError as error:
            return Outcome(latest[-1], {}, error=StoreError(str(error)))
        except Exception as error:
            message = str(error) if isinstance(error, SamplingError) else f"{type(error).__name__}: {error}"
            return Outcome(latest[-1], {}, error=SamplingError(message))
