"""A run from its request to its result: here, or in a thread of its own."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import xarray as xr

from ..native.python import before_threads_are_joined
from .control import Control
from .opening import opening
from .progress import Bars
from .request import Request
from .results import result_of
from .runner import Runner
from .warn import collecting

__all__ = ["Session", "Shown"]

_log = logging.getLogger(__name__)
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()  # those in threads of their own


class Session:
    """All that becomes of a request.

    It knows nothing of the `Run` that it belongs to, so that one that nobody refers to any more can be noticed.

    Parameters
    ----------
    request : Request

    Attributes
    ----------
    control : Control
    runner : Runner or None
        Once the model is compiled.
    result : DataTree or None
        Once there is one.
    error : BaseException or None
        What has ended it.
    notes : list of str
        Warnings of what went on in its own thread.
    over : threading.Event
    thread : threading.Thread or None
        The one that it is in.
    apart : bool
        Whether that is one of its own.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.control = request, Control()
        self.runner: Runner | None = None
        self.result: xr.DataTree | None = None
        self.error: BaseException | None = None
        self.notes: list[str] = []
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        self._wanted, self.apart = True, False

    def begin(self, callback: Callable[[], None]) -> None:
        """Go on in a thread of its own."""
        _stop_at_the_end()
        _sessions.add(self)
        self.apart = True
        self.thread = threading.Thread(target=self._in_thread, args=(callback,), name="pymc_symplectic run")
        self.thread.start()

    def _in_thread(self, callback: Callable[[], None]) -> None:
        try:
            with collecting(self.notes):
                self.result = self._work(callback, bars=False)
        except BaseException as error:
            self.error = error
            if not self.request.quiet and self._wanted:
                _log.error("The run has failed: %s: %s", type(error).__name__, error)
        finally:
            self.over.set()

    def here(self, callback: Callable[[], None]) -> xr.DataTree:
        """The result, after everything has been done in this thread."""
        self.thread = threading.current_thread()
        try:
            self.result = self._work(callback, bars=True)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.over.set()
        return self.result

    def _work(self, callback: Callable[[], None], bars: bool) -> Any:
        request = self.request
        between = partial(self._between, callback) if request.callback is not None else None
        with opening(request, self.control) as runner, ExitStack() as stack:
            self.runner = runner
            if request.executor is None:
                advance = partial(runner.on_threads, request.cores)
            else:
                advance = partial(runner.on_executor, request.executor)
            show = Shown(runner, stack.enter_context(request.bars(runner.counts))) if bars else _show_nothing
            runner.run(request.blocks, advance, show, between)
            stack.close()
            if not self._wanted:
                return None
            check = bool(request.given["compute_convergence_checks"])
            return result_of(runner, request.conversion, check, request.quiet)

    def _between(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except StopIteration:
            self.control.stop()

    def abandon(self) -> None:
        """End it without a result; may be called in any thread, at any point."""
        self._wanted = False
        self.control.stop()


@cache
def _stop_at_the_end() -> None:
    """See that no run outlives the main thread."""
    before_threads_are_joined(_stop_all)


def _stop_all() -> None:
    going = list(_sessions)
    for session in going:
        session.abandon()
    for session in going:
        if session.thread is not None:
            session.thread.join()


def _show_nothing() -> None:
    pass


class Shown:
    """What bars show of the progress of a run."""

    def __init__(self, runner: Runner, bars: Bars) -> None:
        self._runner, self._bars = runner, bars
        self._last = dict(runner.progress)

    def __call__(self) -> None:
        """Show what is new."""
        for index, progress in list(self._runner.progress.items()):
            if progress != self._last[index]:
                self._last[index] = progress
                self._bars.update(index, progress)
