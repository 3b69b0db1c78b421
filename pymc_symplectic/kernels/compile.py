"""How kernels are compiled: one decorator, one disk cache, and a choice of code by the type of an argument.

numba's own disk cache looks at the time stamp of the file that defines a function, not at the files of the functions it
calls, so an edited callee would leave stale machine code behind.  Here the cache directory is named by a hash of *all*
kernel sources, and of what they use of numba's insides: any edit of any of them starts a fresh cache.  Parts from
outside are seen to in `sources`.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.extending import overload, register_jitable

from ..native.inlining import SOURCE as INLINING
from ..native.inlining import as_code_to_link
from ..native.numba import (
    SOURCE,
    cache_in,
    class_of,
    compiled_once,
    entry_point,
    keep_in,
    keep_what_is_kept,
    without_counting,
)
from .private import make_private
from .sources import KernelCache, digest_of, hash_sources, made_from

__all__ = [
    "FASTMATH",
    "bind",
    "cache_directory",
    "cache_on_disk",
    "helper",
    "kernel",
    "kinds",
    "layouts",
    "register",
    "specialise",
]

_log = logging.getLogger(__name__)
_KEPT_CACHES = 4  # caches of other versions or environments that are left in place
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
"""Sums may be reordered, so that they are vectorised; NaN and infinity keep their meaning, for divergences' sake."""
# Nothing needs to be counted: the caller of an entry point owns all arrays while it runs.
_OPTIONS = {"error_model": "numpy", "fastmath": FASTMATH, **without_counting()}
_INLINED = {**_OPTIONS, **as_code_to_link()}


def _make_cache_directory(folder: Path, *files: Path) -> str:
    """Directory of the compiled kernels of these sources, a folder and files beside it, or "" where none can be had.

    Old ones beside it are pruned.
    """
    try:
        chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        home = Path(chosen).resolve() / "pymc_symplectic"
        directory = home / hash_sources(folder, *files)
        is_new = not directory.exists()
        make_private(directory, depth=2)
        tempfile.TemporaryFile(dir=directory).close()  # access rights do not tell whether a disk can be written to
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        _log.warning(
            "Compiled kernels are not kept on disk, so each process compiles them anew, for about a minute: %s. "
            "Set XDG_CACHE_HOME to a directory that you, and nobody else, can write to.",
            error,
        )
        return ""
    if is_new:
        with suppress(OSError):  # others may be pruning too
            others = sorted((p for p in home.iterdir() if p != directory), key=lambda p: p.stat().st_mtime)
            for old in others[:-_KEPT_CACHES]:
                shutil.rmtree(old, ignore_errors=True)
    return str(directory)


cache_directory = _make_cache_directory(Path(__file__).parent, SOURCE, INLINING)
if cache_directory:
    keep_what_is_kept(Path(cache_directory))


@contextmanager
def cache_on_disk(wanted: bool = True) -> Iterator[bool]:
    """Where numba keeps what is decorated here, if anywhere: yields what to give it as ``cache=``.

    Without a directory it would look for one of its own, and raise where there is none.
    """
    if not (wanted and cache_directory):
        yield False
        return
    with cache_in(cache_directory) as kept:
        yield kept


def kernel(function: Callable) -> Callable:
    """Compile an entry point: cached on disk, and run without the interpreter's lock."""
    entry = numba.njit(function, nogil=True, no_cfunc_wrapper=True, **_OPTIONS)  # Python calls it, and nobody else
    with cache_on_disk() as cache:
        if cache:
            keep_in(entry, KernelCache(function, cache_directory))
    return compiled_once(entry)


def helper(function: Callable) -> Callable:
    """Compile a function that only kernels call; in Python it stays the plain function.

    Of functions from outside nobody knows what else they are compiled into, so they are compiled as numba always does.
    """
    if function not in _helpers:
        _helpers.add(function)
        ours = function.__module__.split(".")[0] == __name__.split(".")[0]
        register_jitable(**(_INLINED if ours else {**_OPTIONS, "forceinline": True}))(function)
    return function


_helpers: set[Callable] = set()


def bind(entry: Any, *arguments: Any) -> Callable:
    """The machine code of a kernel for arguments of these types, compiled or loaded from the cache.

    It must only be called with arguments of exactly these types, at which a kernel called by its name looks first.
    """
    return entry_point(entry, [numba.typeof(argument) for argument in arguments])


_cases: dict[Callable, dict[Any, Callable]] = {}
"""Of each function that is specialised, what it is for each type of named tuple."""


def specialise(generic: Callable, cases: dict[Any, Callable]) -> None:
    """Let kernels compile ``generic(first, ...)`` to ``cases[type(first)](first, ...)``; `first` is a named tuple.

    The choice is made by the compiler, so a kernel holds no branch and pays no call for it.  `cases` is kept, and
    `register` adds to it.
    """
    _cases[generic] = cases

    @overload(generic, strict=False, jit_options=_INLINED)
    def _choose(first: Any, *_: Any) -> Callable | None:
        return cases.get(class_of(first))


def register(kind: type, functions: Mapping[Callable, Callable]) -> None:
    """Let kernels take a named tuple from outside this package, before any is compiled for it.

    Parameters
    ----------
    kind : type
        A `typing.NamedTuple`.
    functions : mapping of callable to callable
        For each specialised function that is to take it as its first argument, what is compiled there.

    Raises
    ------
    TypeError
        When `kind` is no named tuple, or a function is none that numba could compile.
    ValueError
        When kernels take it already.
    """
    if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
        raise TypeError(f"a part of kernels must be a class made by typing.NamedTuple, got {kind!r}")
    for generic, function in functions.items():
        if not isinstance(function, FunctionType):
            raise TypeError(
                f"{generic.__name__} must be a plain function, which is compiled as part of a kernel, got {function!r}"
            )
        if kind in _cases[generic]:
            raise ValueError(f"{kind.__name__} is registered already; make another class, or begin a new process")
    for generic, function in functions.items():
        _cases[generic][kind] = helper(function)
    made_from[kind] = digest_of(kind, functions.values())


def kinds(record: tuple) -> tuple:
    """The types of a named tuple and of those in it, by which kernels are compiled."""
    return (type(record), *(kinds(part) for part in record if isinstance(part, tuple)))


def layouts(arrays: Iterable[np.ndarray]) -> tuple[tuple[str, bool], ...]:
    """The layouts of arrays of known numbers of dimensions, by which kernels are compiled."""
    return tuple(
        ("C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "A", array.flags.writeable)
        for array in arrays
    )
