"""All chains of a run: on threads of this process, or as tasks of an executor."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent import futures
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from .chain import Chain
from .kernels import statistics as column
from .progress import Bars
from .running import Job, Outcome, Progress, advance_to, begin, guard, packed, run_task
from .settings import Settings
from .store import Store, StoreError, Writer
from .target import LogDensity
from .trace import Memory, Variables

__all__ = ["Run"]

_TICK = 0.1  # seconds between looks at the chains
_STORE_TICK = 1.0  # and at what they have stored


class Run:
    """What the chains of one call share, and what becomes of them.

    Parameters
    ----------
    target : LogDensity
    settings : Settings
    variables : Variables
    tune, total : int
        Draws of warm-up, and of all.
    sink : Memory or Store
        Where draws go.

    Attributes
    ----------
    errors : dict
        Of each chain that failed, by its number.
    snapshots : dict
        State of each chain that ended, by its number.
    interrupted : bool
    """

    def __init__(
        self,
        target: LogDensity,
        settings: Settings,
        variables: Variables,
        tune: int,
        total: int,
        sink: Memory | Store,
    ) -> None:
        self.target, self.settings, self.variables = target, settings, variables
        self.tune, self.total, self.sink = tune, total, sink
        self.errors: dict[int, BaseException] = {}
        self.snapshots: dict[int, Mapping[str, Any]] = {}
        self.interrupted = False
        self._stop = threading.Event()
        self._progress: dict[int, Progress] = {}

    def on_threads(self, jobs: Sequence[Job], cores: int, bars: Bars) -> None:
        """Run chains on threads: at most `cores` at a time, each with one thread of BLAS."""
        # an executor's own context would wait for the threads before anything else could be done about an interrupt
        pool = futures.ThreadPoolExecutor(min(cores, max(len(jobs), 1)), thread_name_prefix="chain")
        with threadpool_limits(1):
            try:
                pending = {pool.submit(self._chain, job) for job in jobs}
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
        try:
            with guard(self.target):
                chain = begin(self.target, self.settings, self.tune, job)
            self._advance(job, chain)
            self.snapshots[job.index] = chain.snapshot()
        except Exception as error:
            self.errors[job.index] = error
            if isinstance(error, StoreError):  # which would meet all others too
                self._stop.set()

    def _advance(self, job: Job, chain: Chain) -> None:
        report, stopped = partial(self._progress.__setitem__, job.index), self._stop.is_set
        if isinstance(self.sink, Memory):
            advance_to(chain, self.total, partial(self.sink.write, job.index), report, stopped)
            return
        with Writer(self.sink, job.index, chain, self.variables, self.sink.token) as writer:
            advance_to(chain, self.total, writer.write, report, stopped)

    def _show(self, bars: Bars) -> None:
        for index in list(self._progress):
            bars.update(index, self._progress.pop(index))

    def on_executor(self, jobs: Sequence[Job], executor: Any, var_names: Any, bars: Bars) -> None:
        """Run each chain as one task of an executor.

        Raises
        ------
        TypeError
            When part of the model cannot be pickled.
        RuntimeError
            When the executor takes no tasks.
        """
        payload = packed(self.target, self.settings, var_names)
        store = (str(self.sink.path), self.sink.token) if isinstance(self.sink, Store) else None
        tasks: dict[Any, Job] = {}
        try:
            for job in jobs:
                tasks[executor.submit(run_task, payload, job, self.tune, self.total, store)] = job
        except RuntimeError as error:
            raise RuntimeError(f"executor: {executor!r} takes no tasks ({error}); give one that runs") from error
        pending = set(tasks)
        try:
            while pending:
                tick = _TICK if store is None else _STORE_TICK
                done, pending = futures.wait(pending, timeout=tick, return_when=futures.FIRST_COMPLETED)
                for future in done:
                    self._receive(tasks[future], future, bars)
                self._look_into_store([tasks[future] for future in pending], bars)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            for future in pending:
                future.cancel()

    def _receive(self, job: Job, future: Any, bars: Bars) -> None:
        failure = future.exception()
        if failure is not None and not isinstance(failure, Exception):  # SystemExit, an interrupt: not the chain's own
            raise failure
        if failure is not None:  # the executor's own: a worker was lost, and not replaced
            self.errors[job.index] = failure
            return
        outcome: Outcome = future.result()
        if outcome.error is not None:
            self.errors[job.index] = outcome.error
            return
        if isinstance(self.sink, Memory):
            for part in (slice(None, self.tune), slice(self.tune, None)):
                if len(outcome.rows[part]):
                    self.sink.write(job.index, outcome.draws[part], outcome.rows[part])
        self.snapshots[job.index] = outcome.snapshot
        rows = outcome.rows
        divergences = int(rows[self.tune :, column.DIVERGING].sum())
        gradients = float(rows[:, column.N_GRADIENTS].mean()) if len(rows) else 0.0
        step_size = float(rows[-1, column.STEP_SIZE]) if len(rows) else 0.0
        bars.update(job.index, Progress(outcome.count, divergences, step_size, gradients))

    def _look_into_store(self, jobs: Sequence[Job], bars: Bars) -> None:
        if isinstance(self.sink, Store):
            for job in jobs:
                count = self.sink.glance(job.index)
                if count is not None:
                    bars.update(job.index, Progress(count, 0, 0.0, 0.0))
