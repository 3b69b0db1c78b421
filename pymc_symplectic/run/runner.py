"""All chains of a run, block by block: on threads of this process, or as tasks of an executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from ..adaptation.gathering import Verdict, is_waiting, verdicts
from ..chain import Chain
from ..native.clock import compile_clock
from ..recorded import longest
from ..store import StoreError
from ..threads import one_thread
from .control import Control
from .progress import Progress
from .sink import Sink
from .task import Job, Outcome, Setup, go_on, packed, run_task
from .until import Reached, Until, Watcher
from .warn import warn

__all__ = ["Runner"]

Advance = Callable[[list[Job], Callable[[], None]], None]

_TICK = 0.1  # seconds between looks at threads
_MOST_KEPT = 10_000  # parameters of all chains together, of each of which some thousand numbers are remembered
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
    control : Control, optional
        Asked whether to go on.
    watcher : Watcher, optional
        Looks at the draws after each block, whether there are enough.

    Attributes
    ----------
    counts : list of int
        Draws that each chain had made before.
    errors : dict
        Error of each chain that failed, by its number.
    snapshots : dict
        State of each chain that has drawn, by its number.
    progress : dict
        How far each chain has come, by its number.
    whole : int
        Draws after warm-up that all chains have made, those that failed aside, to the end of a block.
    reached : Reached or None
        What the watcher saw last.
    timed_out : bool
    seconds : float
        Time that the chains have taken.
    """

    def __init__(
        self,
        setup: Setup,
        sink: Sink,
        states: Sequence[Mapping[str, Any]],
        control: Control | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.setup, self.sink, self._states = setup, sink, list(states)
        self.counts = [int(state.get("count", 0)) for state in states]
        self.snapshots = {i: state for i, state in enumerate(states) if "count" in state}
        self.errors: dict[int, BaseException] = {}
        self.progress = {i: Progress(count) for i, count in enumerate(self.counts)}
        self.whole, self.seconds = 0, 0.0
        self.reached: Reached | None = None
        self.timed_out = False
        self._control, self._watcher = Control() if control is None else control, watcher
        self._verdicts: dict[int, Verdict] = {}
        self._chains: dict[int, tuple[Mapping[str, Any], Chain]] = {}

    def jobs(self, goal: int | None = None) -> list[Job]:
        """Chains that have not failed, nor come to so many draws, those of warm-up included; None for all."""
        needed = self.setup.total if goal is None else goal
        return [
            Job(i, state, goal, self._verdicts.get(i))
            for i, state in enumerate(self._states)
            if i not in self.errors and int(state.get("count", 0)) < needed
        ]

    def _in_warmup(self) -> list[Job]:
        """Chains that have not come to the end of their warm-up, or are told to begin it anew, though late."""

        def stays(job: Job) -> bool:
            gathering, verdict = job.state.get("gathering"), job.verdict
            if gathering is None or not is_waiting(gathering):
                return int(job.state.get("count", 0)) >= self.setup.tune
            return verdict is None or verdict.judged < gathering["judged"] or verdict.position is None

        return [replace(job, goal=self.setup.tune) for job in self.jobs() if not stays(job)]

    def run(
        self,
        blocks: Sequence[int],
        advance: Advance,
        show: Callable[[], None],
        between: Callable[[], None] | None = None,
    ) -> None:
        """Run all chains until there are enough draws, or they are stopped.

        Parameters
        ----------
        blocks : sequence of int
            Draws after warm-up at which all chains wait for each other.
        advance : callable
            Runs jobs to their goals, or until they are halted: ``on_threads`` or ``on_executor``.
        show : callable
            Called some times a second while chains draw.
        between : callable, optional
            Called after each block.
        """
        try:
            gathered = self._gather(advance, show)
            for draws in blocks:
                if not gathered or self._control.stopped or (self.reached and self.reached.met):
                    break
                if not self._has_room(draws):
                    break
                goal = None if draws == self.setup.draws else self.setup.tune + draws
                if not self._all(partial(self.jobs, goal), advance, show):
                    break
                self.whole = draws
                self._look(whole=draws == self.setup.draws)
                if between is not None:
                    between()
            if self.whole < self.setup.draws and not (self.reached and self.reached.met):
                self._look(whole=True)  # of what is there, although it is not enough
        except KeyboardInterrupt:
            self._control.interrupt()
            self.reached = None
        finally:
            self._control.stop()
            self._chains.clear()

    def _has_room(self, draws: int) -> bool:
        """Whether there is room for so many draws; a warning where there is only for those that are made."""
        try:
            self.sink.reserve(draws)
        except MemoryError as error:
            if not self.whole:
                raise
            warn(f"There is no room for more draws: {error}. The first {self.whole} draws of each chain are returned.")
            self._control.stop()
            return False
        return True

    def _gather(self, advance: Advance, show: Callable[[], None]) -> bool:
        """Whether all chains, but those that fail, have come to the end of their warm-up, none of them stranded."""
        if not self.setup.gathers:
            return True
        while self._all(self._in_warmup, advance, show):
            found = {i: state["gathering"] for i, state in enumerate(self._states)
                     if i not in self.errors and "gathering" in state}  # fmt: skip
            with one_thread():  # sums by several may differ
                self._verdicts |= verdicts(found, self.setup.settings.policy)
            if not self._in_warmup():
                return True
        return False

    def _all(self, jobs: Callable[[], list[Job]], advance: Advance, show: Callable[[], None]) -> bool:
        """Whether all these jobs, but those that fail, have come to their goals; asked for anew after each pause."""

        def tick() -> None:
            show()
            limit = self.until.seconds if self.until else None
            if limit is not None and self.seconds + clock() > limit:
                self.timed_out = True
                self._control.stop()

        while jobs():
            self._control.wait()
            if self._control.stopped:
                break
            clock = _clock()
            try:
                advance(jobs(), tick)
            finally:
                self.seconds += clock()
            show()
        return not jobs() and len(self.errors) < len(self._states)

    def _look(self, whole: bool) -> None:
        """See whether the draws of all blocks so far meet the goals, if there are any."""
        if self._watcher is None or not self._watcher.until.looks or not self.whole or self.interrupted:
            return
        chains = [i for i in range(len(self._states)) if i not in self.errors]
        self.reached = self._watcher.look(self.whole, partial(self.sink.values, chains=chains, draws=self.whole), whole)

    @property
    def interrupted(self) -> bool:
        """Whether it has ended as by Ctrl-C."""
        return self._control.interrupted

    @property
    def until(self) -> Until | None:
        """The goals of the run."""
        return self._watcher.until if self._watcher else None

    @property
    def ended(self) -> str:
        """Why there are no more draws, in words."""
        if self.interrupted:
            return "interrupted"
        if self.reached is not None and self.reached.met:
            return "the goals are met"
        if self.whole == self.setup.draws:
            return "all draws are made"
        return "the time is over" if self.timed_out else "stopped"

    def kept(self) -> tuple[list[int], int]:
        """Chains of the result, and how many draws of each, those of warm-up included."""
        tune = self.setup.tune
        counts = [0 if i in self.errors else min(n, self.setup.total) for i, n in enumerate(self.sink.counts())]
        if self.whole and not self.interrupted and (self.timed_out or (self.reached is not None and self.reached.met)):
            length = tune + self.whole
            return [i for i, count in enumerate(counts) if count >= length], length
        every = counts if any(counts) else [min(n, self.setup.total) for n in self.sink.counts()]
        return longest(every, tune)

    # Threads

    def on_threads(self, cores: int, jobs: Sequence[Job], tick: Callable[[], None]) -> None:
        """Run chains on threads: at most `cores` at a time, each with one thread of BLAS."""
        # an executor's own context would wait for the threads before anything else could be done about an interrupt
        pool = futures.ThreadPoolExecutor(min(cores, len(jobs)), thread_name_prefix="chain")
        with one_thread():
            try:
                pending = {pool.submit(self._chain, job) for job in jobs}
                while pending:
                    done, pending = futures.wait(pending, timeout=_TICK)
                    for future in done:
                        future.result()  # raises what no chain may keep to itself: SystemExit, an interrupt
                    tick()
            except BaseException:
                self._control.stop()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _chain(self, job: Job) -> None:
        if self._control.halted:
            return
        before = self.progress[job.index].divergences

        def report(progress: Progress) -> None:
            self.progress[job.index] = replace(progress, divergences=before + progress.divergences)

        try:
            left, chain = self._chains.pop(job.index, (None, None))
            chain = chain if left is job.state else None
            chain, snapshot = go_on(self.setup, job, chain, self.sink, report, lambda: self._control.halted)
            self._ended(job.index, snapshot)
            if self._keeps_chains:
                self._chains[job.index] = snapshot, chain
        except Exception as error:
            self.errors[job.index] = error
            if isinstance(error, StoreError):  # all other chains would meet it too
                self._control.stop()

    @property
    def _keeps_chains(self) -> bool:
        """Whether chains are spared their beginning at the next block, which takes milliseconds.

        Not those that may see other data by then, and must look at where they stand; nor those that hold much.
        """
        target = self.setup.target
        return target.native and target.dim * len(self._states) <= _MOST_KEPT

    def _ended(self, index: int, snapshot: Mapping[str, Any]) -> None:
        self._states[index] = self.snapshots[index] = snapshot

    # Executors

    @cached_property
    def _payload(self) -> bytes:
        return packed(self.setup)

    def on_executor(self, executor: futures.Executor, jobs: Sequence[Job], tick: Callable[[], None]) -> None:
        """Run each chain to its goal as one task of an executor.

        Raises
        ------
        TypeError
            When part of the model cannot be pickled.
        RuntimeError
            When the executor takes no tasks.
        """
        payload, open_sink = self._payload, self.sink.open_in_task()
        tasks: dict[Any, Job] = {}
        try:
            for job in jobs:
                tasks[executor.submit(run_task, payload, job, open_sink)] = job
        except RuntimeError as error:
            raise RuntimeError(f"executor: {executor!r} takes no tasks ({error}); give one that runs") from error
        pending = set(tasks)
        try:
            while pending and not self._control.stopped:
                done, pending = futures.wait(pending, timeout=_TASK_TICK, return_when=futures.FIRST_COMPLETED)
                for future in done:
                    self._receive(tasks[future].index, future)
                for index in (tasks[future].index for future in pending):
                    if (count := self.sink.glance(index)) is not None:
                        self.progress[index] = replace(self.progress[index], count=count)
                tick()
                if self._control.paused:  # those that run go on to the end of their block
                    pending = {future for future in pending if not future.cancel()}
        finally:
            for future in pending:
                future.cancel()

    def _receive(self, index: int, future: Any) -> None:
        if future.cancelled():
            self.errors[index] = RuntimeError("the executor has cancelled its task")
            return
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
        self._ended(index, outcome.snapshot)
        before = self.progress[index].divergences
        self.progress[index] = replace(outcome.progress, divergences=before + outcome.progress.divergences)


def _clock() -> Callable[[], float]:
    """Seconds since it was made, without those in which anything was compiled."""
    began, compiled = time.perf_counter(), compile_clock.seconds
    return lambda: time.perf_counter() - began - (compile_clock.seconds - compiled)
