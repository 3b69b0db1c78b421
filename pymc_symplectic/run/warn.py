"""Warnings that point to where this package was called, and errors that are made warnings of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

__all__ = ["attempt", "collecting", "warn"]

_PACKAGE = str(Path(__file__).parent.parent)


_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def warn(message: str) -> None:
    """Warn, as if where this package was called; or where that is in another thread, keep it for later."""
    if (messages := _collected.get()) is not None:
        messages.append(message)
        return
    warnings.warn(message, UserWarning, skip_file_prefixes=(_PACKAGE,))


@contextmanager
def collecting(messages: list[str]) -> Iterator[None]:
    """Keep what is warned of in this thread, to be warned of in another."""
    token = _collected.set(messages)
    try:
        yield
    finally:
        _collected.reset(token)


def attempt(what: str, instead: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; where it fails or is interrupted, warn and return None, so that draws are not lost with it.

    Parameters
    ----------
    what : str
        What the function does, for the warning.
    instead : str
        What is done without it, for the warning.
    function : callable
    *arguments
        Those of the function.
    """
    try:
        return function(*arguments)
    except KeyboardInterrupt:
        warn(f"{what} was interrupted: {instead}.")
    except Exception as error:
        warn(f"{what} failed ({type(error).__name__}: {error}): {instead}.")
    return None
