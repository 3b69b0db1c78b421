"""All chains of a run: on threads of this process, or as tasks of an executor."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent import futures
from functools import partial
from typing import Any

from ..store import StoreError
from ..threads import one_thread
from .progress import Bars, Progress
from .sink import Sink
from .task import Job, Outcome, Setup, packed, run_chain, run_task

__all__ = ["Runner"]

_TICK = 0.1  # seconds between looks at threads
_TASK_TICK = 1.0  # and at tasks, which may be on other machines


class Runner:
    """Runs the chains of one call, and holds what becomes of them.

    Parameters
    ----------
    setup : Setup
    sink : Sink
        Keeps the draws.
    states : sequence of dict
        State of each chain, as a `Job` has it; those that have made all draws are not run.

    Attributes
    ----------
    counts : list of int
        Draws that each chain had made before.
    jobs : list of Job
        Chains to run.
    errors : dict
        Error of each chain that failed, by its number.
    snapshots : dict
        State of each chain that ended, by its number.
    interrupted : bool
    """

    def __init__(self, setup: Setup, sink: Sink, states: Sequence[Mapping[str, Any]]) -> None:
        self.setup, self.sink = setup, sink
        self.counts = [int(state.get("count", 0)) for state in states]
        self.jobs = [Job(i, state) for i, state in enumerate(states) if self.counts[i] < setup.total]
        self.snapshots = {i: state for i, state in enumerate(states) if self.counts[i] >= setup.total}
        self.errors: dict[int, BaseException] = {}
        self.interrupted = False
        self._stop = threading.Event()
        self._progress: dict[int, Progress] = {}

    def on_threads(self, cores: int, bars: Bars) -> None:
        """Run chains on threads: at most `cores` at a time, each with one thread of BLAS."""
        # an executor's own context would wait for the threads before anything else could be done about an interrupt
        pool = futures.ThreadPoolExecutor(min(cores, max(len(self.jobs), 1)), thread_name_prefix="chain")
        with one_thread():
            try:
                pending = {pool.submit(self._chain, job) for job in self.jobs}
                while pending:
                    done, pending = futures.wait(pending, timeout=_TICK)
                    for future in done:
                        future.result()  # raises what no chain may keep to itself: SystemExit, an interrupt
                    self._show(bars)
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        self._show(bars)

    def _chain(self, job: Job) -> None:
        report = partial(self._progress.__setitem__, job.index)
        try:
            self.snapshots[job.index] = run_chain(self.setup, job, self.sink, report, self._stop.is_set)
        except Exception as error:
            self.errors[job.index] = error
            if isinstance(error, StoreError):  # all other chains would meet it too
                self._stop.set()

    def _show(self, bars: Bars) -> None:
        for index in list(self._progress):
            bars.update(index, self._progress.pop(index))

    def on_executor(self, executor: futures.Executor, bars: Bars) -> None:
        """Run each chain as one task of an executor.

        Raises
        ------
        TypeError
            When part of the model cannot be pickled.
        RuntimeError
            When the executor takes no tasks.
        """
        payload, open_sink = packed(self.setup), self.sink.open_in_task()
        tasks: dict[Any, Job] = {}
        try:
            for job in self.jobs:
                tasks[executor.submit(run_task, payload, job, open_sink)] = job
        except RuntimeError as error:
            raise RuntimeError(f"executor: {executor!r} takes no tasks ({error}); give one that runs") from error
        pending = set(tasks)
        try:
            while pending:
                done, pending = futures.wait(pending, timeout=_TASK_TICK, return_when=futures.FIRST_COMPLETED)
                for future in done:
                    self._receive(tasks[future].index, future, bars)
                for index in (tasks[future].index for future in pending):
                    if (count := self.sink.glance(index)) is not None:
                        bars.update(index, Progress(count))
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            for future in pending:
                future.cancel()

    def _receive(self, index: int, future: Any, bars: Bars) -> None:
        failure = future.exception()
        if failure is not None and not isinstance(failure, Exception):  # SystemExit, an interrupt: not the chain's own
            raise failure
        if failure is not None:  # the executor's own: a worker was lost, and not replaced
            self.errors[index] = failure
            return
        outcome: Outcome = future.result()
        if outcome.error is not None:
            self.errors[index] = outcome.error
            return
        if outcome.sent is not None:
            self.sink.receive(index, outcome.sent)
        self.snapshots[index] = outcome.snapshot
        bars.update(index, outcome.progress)
