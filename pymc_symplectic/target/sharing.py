"""What each of several log-densities with the same machine code has for itself, its errors, and what they share."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .checks import ForkError

__all__ = ["ARITHMETIC", "Errors", "Kernels", "Memo", "curable"]

_INCURABLE = (  # by another point: mistakes of a program, and what is not its own to handle
    AttributeError,
    ForkError,
    ImportError,
    KeyError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
)
ARITHMETIC = (
    ArithmeticError,
    ValueError,
    IndexError,
    np.linalg.LinAlgError,
)  # what compiled code raises without a word


def curable(error: BaseException) -> bool:
    """Whether another point may be free of an error, as of those of arithmetic and of solvers."""
    return isinstance(error, Exception) and not isinstance(error, _INCURABLE)


class Errors:
    """Errors that a log-density has raised where compiled code called it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.last: BaseException | None = None
        self._unwarned: dict[str, BaseException] = {}
        self._warned: set[str] = set()

    def note(self, error: BaseException) -> None:
        """Have a kind of error warned of, once."""
        if (kind := type(error).__name__) not in self._warned:
            self._unwarned[kind] = error

    def warn(self, stacklevel: int) -> None:
        """Warn, once for each kind of error, that the log-density has raised one which counts as a divergence."""
        while self._unwarned:
            kind, error = self._unwarned.popitem()
            self._warned.add(kind)
            warnings.warn(
                f"The log-density raised {kind}: {error}. Points where it does count as outside of the support, and "
                "trajectories that lead there as divergences.",
                UserWarning,
                stacklevel=stacklevel,
            )


class Kernels:
    """Machine code of kernels that has been looked up, by the types that it was compiled for.

    `settings` are held, so that what they are printed as stays their own.
    """

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self.bound: dict[Any, Callable[..., tuple[int, int]]] = {}
        self.compiled: set[str] = set()
        """The stages of `Chain.compile` that are over."""


class Memo:
    """What has been made once, by keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` made when it was first asked for.

        No lock is held while it does, as it may wait for one that another thread has come here with; two threads that
        ask at once both make it, and have what was ready first.
        """
        if key not in self._made:
            made = make()
            with self._lock:
                return self._made.setdefault(key, made)
        return self._made[key]
