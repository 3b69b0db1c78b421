"""A run as a thing to hold: looked at, paused, stopped and asked for its draws while it goes on."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from html import escape

import pandas as pd
import xarray as xr

from ..target import run_with
from .request import Request
from .results import so_far
from .session import Session, Shown
from .warn import warn

__all__ = ["Run", "sampled", "started"]

_TICK = 0.1


def started(request: Request) -> Run:
    """A run that goes on in a thread of its own."""
    run = Run(request)
    run._session.begin(run._callback())
    return run


def sampled(request: Request) -> xr.DataTree:
    """The result of a request, after everything has been done in this thread."""
    run = Run(request)
    return run._session.here(run._callback())


class Run:
    """A run of `pymc_symplectic.sample` that goes on in the background: what `pymc_symplectic.start` returns.

    It is also what a `callback` is called with.  When nobody refers to it any more, or the program ends, its chains
    end after the blocks of draws that they are in; what is stored stays.

    Parameters
    ----------
    request : Request
    """

    def __init__(self, request: Request) -> None:
        self._session = Session(request)
        self._end = weakref.finalize(self, self._session.abandon)
        self._end.atexit = False  # that is seen to where it comes in time

    def _callback(self) -> Callable[[], None]:
        """A function that calls the callback with this, and does not keep it alive."""
        callback, reference = self._session.request.callback, weakref.ref(self)

        def call() -> None:
            run = reference()
            if run is not None and callback is not None:
                callback(run)

        return call

    @property
    def state(self) -> str:
        """What it is doing: "preparing", "warm-up", "sampling", "paused", "ending", "done" or "failed"."""
        session, runner = self._session, self._session.runner
        if session.error is not None:
            return "failed"
        if session.over.is_set():
            return "done"
        if session.control.stopped:
            return "ending"
        if runner is None:
            return "preparing"
        if session.control.paused:
            return "paused"
        tune = runner.setup.tune
        return "sampling" if any(one.count > tune for one in runner.progress.values()) else "warm-up"

    @property
    def progress(self) -> pd.DataFrame:
        """How far each chain has come, a row for each.

        Columns: `warmup`, draws of warm-up so far, those included that were not needed any more; `draws` after it;
        `divergences` of these; `step_size`; and `gradients` of each draw of the latest block, on average.
        """
        sizes, runner = self._session.request.sizes, self._session.runner
        latest = {} if runner is None else dict(runner.progress)
        rows = [
            {
                "warmup": min(one.count, sizes.tune),
                "draws": max(one.count - sizes.tune, 0),
                "divergences": one.divergences,
                "step_size": one.step_size,
                "gradients": one.gradients,
            }
            for one in latest.values()
        ]
        columns = ["warmup", "draws", "divergences", "step_size", "gradients"]
        return pd.DataFrame(rows, index=pd.Index(list(latest), name="chain"), columns=columns)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, or for so many seconds; whether it has ended.

        Ctrl-C ends the waiting, and not the run.

        Raises
        ------
        Exception
            What the run has failed with.
        """
        self._check_elsewhere("wait")
        ended = self._session.over.wait(timeout)
        if self._session.error is not None:
            raise self._session.error
        return ended

    def result(self) -> xr.DataTree:
        """What `pymc_symplectic.sample` would have returned, once the run has ended.

        Progress is shown meanwhile.  Ctrl-C ends the run, and what has been drawn is returned.

        Raises
        ------
        RuntimeError
            When the run is paused, or this is called by its own callback.
        Exception
            What the run has failed with.
        """
        self._check_elsewhere("result")
        session = self._session
        if session.control.paused:
            raise RuntimeError("the run is paused: call resume() or stop() before result()")
        try:
            self._show()
        except KeyboardInterrupt:
            session.control.interrupt()
            session.over.wait()
        if session.thread is not None:
            session.thread.join()
        for note in session.notes:
            warn(note)
        session.notes.clear()
        if session.error is not None:
            raise session.error
        assert session.result is not None
        return session.result

    def _show(self) -> None:
        """Show progress until it has ended."""
        session, shown = self._session, None
        with ExitStack() as stack:
            while not session.over.wait(_TICK):
                if shown is None and session.runner is not None:
                    bars = session.request.bars([one.count for one in session.runner.progress.values()])
                    shown = Shown(session.runner, stack.enter_context(bars))
                if shown is not None:
                    shown()
            if shown is not None:
                shown()

    def draws(self) -> xr.DataTree:
        """The draws so far, as a result has them; of chains that have come differently far, most of them.

        Raises
        ------
        RuntimeError
            When there are none yet.
        """
        session = self._session
        if session.result is not None:
            return session.result
        if session.runner is None:
            raise RuntimeError(f"there are no draws yet: the run is {self.state}")
        compilation = session.request.compilation
        with run_with(compilation.model, compilation.data):
            return so_far(session.runner)

    def stop(self) -> None:
        """End it after the blocks that its chains are in; `result` has the draws so far."""
        self._session.control.stop()

    def pause(self) -> None:
        """Let it wait after the blocks that its chains are in, with all draws kept, until `resume`.

        Tasks of an executor that have begun go on to the end of their block.

        Raises
        ------
        RuntimeError
            When this is called by the callback of `pymc_symplectic.sample`, whose thread could not call `resume`.
        """
        if not self._session.apart:
            self._check_elsewhere("pause")
        if not self._session.over.is_set():
            self._session.control.pause()

    def resume(self) -> None:
        """Let it go on after a `pause`; the draws are those of a run without one."""
        self._session.control.resume()

    def _check_elsewhere(self, name: str) -> None:
        """Raise a RuntimeError where a run would wait for itself."""
        if self._session.thread is threading.current_thread() and not self._session.over.is_set():
            raise RuntimeError(f"{name}() cannot be called by the callback of a run, which would wait for itself")

    def _summary(self) -> str:
        sizes, progress = self._session.request.sizes, self.progress
        if progress.empty:
            return f"{sizes.chains} chains"
        which, most = ("draws", sizes.draws) if progress["draws"].any() else ("warmup", sizes.tune)
        least, furthest = progress[which].min(), progress[which].max()
        made = f"{least}" if least == furthest else f"{least} to {furthest}"
        words = "draws" if which == "draws" else "draws of warm-up"
        diverged, chains = int(progress["divergences"].sum()), sizes.chains
        return (
            f"{chains} chain{'s' * (chains != 1)}, {made} of {most} {words}, "
            f"{diverged} divergence{'s' * (diverged != 1)}"
        )

    def __repr__(self) -> str:
        error = self._session.error
        return f"<Run: {self.state}; {self._summary()}{'' if error is None else f'; {type(error).__name__}: {error}'}>"

    def _repr_html_(self) -> str:
        sizes, error = self._session.request.sizes, self._session.error
        failed = "" if error is None else f"<p>{escape(f'{type(error).__name__}: {error}')}</p>"
        rows = "".join(
            f"<tr><td>{row.Index}</td><td><progress value='{row.warmup + row.draws}' max='{sizes.tune + sizes.draws}'>"
            f"</progress></td><td>{row.warmup}</td><td>{row.draws}</td><td>{row.divergences}</td>"
            f"<td>{row.step_size:.3g}</td><td>{row.gradients:.1f}</td></tr>"
            for row in self.progress.itertuples()
        )
        titles = ("chain", "", "warm-up", "draws", "divergences", "step size", "gradients a draw")
        head = "".join(f"<th>{title}</th>" for title in titles)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return f"<div><p><b>{self.state}</b>: {self._summary()}</p>{failed}{table}</div>"
