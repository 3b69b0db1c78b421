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


class _OneThread(AbstractContextManager["_OneThread"]):
    """A limit for the whole process, of contexts that overlap in any way.

    The first that is entered sets it, and the last that is left takes it back: runs in the background end in any order.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limit: Any = None
        # of a process that is forked meanwhile, a thread that it does not have may hold the lock
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> _OneThread:
        with self._lock:
            if not self._inside:
                self._limit = _controller().limit(limits=1)
            self._inside += 1
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


_one_thread = _OneThread()


def one_thread() -> AbstractContextManager[Any]:
    """A context in which linear algebra runs on one thread."""
    return _one_thread
