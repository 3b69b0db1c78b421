"""The versions whose insides are known, and what is said of others."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

__all__ = ["SEEN", "UnfitVersionError", "needed", "unfit"]

SEEN = {
    "numba": "0.61 to 0.68",
    "numpy": "2.0 to 2.5",
    "pymc": "6.4",
    "pytensor": "3.3",
}
"""Of each library, the versions that have all that is used of it here."""

_MOVED = (ImportError, AttributeError, LookupError, TypeError, ValueError)  # what comes of a name that is elsewhere


class UnfitVersionError(ImportError):
    """A library is of a version whose insides are not those that this package knows."""


def unfit(library: str, why: object) -> UnfitVersionError:
    """The error that says which library does not fit, and what to do."""
    try:
        found = version(library)
    except PackageNotFoundError:
        found = "of an unknown version"
    return UnfitVersionError(
        f"pymc_symplectic does not fit {library} {found}: {why}. It goes with {library} {SEEN[library]}: install one "
        "of these, or a newer pymc_symplectic"
    )


@contextmanager
def needed(library: str) -> Iterator[None]:
    """Where a name of a library is used without which there is no going on: says so if it has moved."""
    try:
        yield
    except UnfitVersionError:
        raise
    except _MOVED as error:
        raise unfit(library, f"{type(error).__name__}: {error}") from error
