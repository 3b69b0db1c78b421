"""One thread of BLAS: chains have threads of their own, and sums by several threads may differ in their last bits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # which has a BLAS of its own

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """A context in which linear algebra runs on one thread."""
    return _controller().limit(limits=1)
