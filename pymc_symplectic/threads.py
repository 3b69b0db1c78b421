"""One thread of BLAS: chains have threads of their own, and sums by several threads may differ in their last bits."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # which has a BLAS of its own

    return ThreadpoolController()


class _Held:
    """A limit for the whole process, while a thread holds it.

    Of several threads threadpoolctl lets one set limits, from when it enters a context to when it leaves it, and
    ignores the others.  Chains enter and leave in any order, so the one that does is none of theirs.
    """

    def __init__(self) -> None:
        self._set, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, name="one thread of BLAS", daemon=True)
        self._thread.start()
        try:
            self._set.wait()
        except BaseException:  # an interrupt
            self._over.set()
            raise

    def _hold(self) -> None:
        try:
            with _controller().limit(limits=1):
                self._set.set()
                self._over.wait()
        finally:
            self._set.set()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


class _OneThread(AbstractContextManager["_OneThread"]):
    """Contexts that overlap in any way, as of runs in the background: from the first one to the end of the last."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._held: _Held | None = None
        # of a process that is forked meanwhile, a thread that it does not have may hold the lock
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> _OneThread:
        with self._lock:
            if not self._inside:
                self._held = _Held()
            self._inside += 1
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._held is not None:
                self._held.end()
                self._held = None


_one_thread = _OneThread()


def one_thread() -> AbstractContextManager[Any]:
    """A context in which linear algebra runs on one thread, whatever thread asks for it.

    It does not, with what a user has limited by threadpoolctl around all of it.
    """
    return _one_thread
