"""Warnings that point to where this package was called, and errors that are made warnings of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["attempt", "warn"]

_PACKAGE = str(Path(__file__).parent.parent)


def warn(message: str) -> None:
    """Warn, as if where this package was called."""
    warnings.warn(message, UserWarning, skip_file_prefixes=(_PACKAGE,))


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
