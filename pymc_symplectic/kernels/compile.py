"""How kernels are compiled: one decorator, one disk cache, and a choice of code by the type of an argument.

numba's own disk cache looks at the time stamp of the file that defines a function, not at the files of the functions it
calls, so an edited callee would leave stale machine code behind.  Here the cache directory is named by a hash of *all*
kernel sources: any edit of any kernel starts a fresh cache.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.extending import overload, register_jitable

__all__ = ["FASTMATH", "bind", "cache_directory", "cache_on_disk", "helper", "kernel", "layouts", "specialise"]

_KEPT_CACHES = 4  # caches of other versions or environments that are left in place
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
"""Sums may be reordered, so that they are vectorised; NaN and infinity keep their meaning, for divergences' sake."""
# Without numba's run time nothing is allocated and no reference counted: the caller of an entry point owns all arrays
# while it runs, and for small models the atomic counting would cost several times the arithmetic.
_OPTIONS = {"error_model": "numpy", "fastmath": FASTMATH, "_nrt": False}


def _source_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _make_cache_directory(folder: Path) -> str:
    """Directory of the compiled kernels whose sources lie in `folder`; old ones beside it are pruned."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = Path(base) / "pymc_symplectic"
    directory = home / _source_hash(folder)
    if not directory.exists():
        # A read-only home only costs a compile in every process: numba falls back by itself.
        with suppress(OSError):
            directory.mkdir(parents=True)
            others = sorted((p for p in home.iterdir() if p != directory), key=lambda p: p.stat().st_mtime)
            for old in others[:-_KEPT_CACHES]:
                shutil.rmtree(old, ignore_errors=True)
    return str(directory) if os.access(directory, os.W_OK) else ""


cache_directory = _make_cache_directory(Path(__file__).parent)


@contextmanager
def cache_on_disk(wanted: bool = True) -> Iterator[None]:
    """Where numba keeps what is decorated here."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = (wanted and cache_directory) or before
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Callable) -> Callable:
    """Compile an entry point: cached on disk, and run without the interpreter's lock."""
    with cache_on_disk():
        return numba.njit(function, cache=True, nogil=True, **_OPTIONS)


def helper(function: Callable) -> Callable:
    """Compile a function that only kernels call; in Python it stays the plain function."""
    return register_jitable(**_OPTIONS, forceinline=True)(function)


def bind(entry: Any, *arguments: Any) -> Callable:
    """The machine code of a kernel for arguments of these types, compiled or loaded from the cache.

    It must only be called with arguments of exactly these types.  A kernel called by its name looks at the type of
    every argument first, at several times the price of a short transition.
    """
    return entry.compile(tuple(numba.typeof(argument) for argument in arguments))


def specialise(generic: Callable, cases: Mapping[Any, Callable]) -> None:
    """Let kernels compile ``generic(first, ...)`` to ``cases[type(first)](first, ...)``; `first` is a named tuple.

    The choice is made by the compiler, so a kernel holds no branch and pays no call for it.
    """

    @overload(generic, strict=False, jit_options={**_OPTIONS, "forceinline": True})
    def _choose(first: Any, *_: Any) -> Callable | None:
        return cases.get(getattr(first, "instance_class", None))


def layouts(arrays: Iterable[np.ndarray]) -> tuple[tuple[str, bool], ...]:
    """What of some arrays, of known numbers of dimensions, decides which version of a kernel takes them."""
    return tuple(
        ("C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "A", array.flags.writeable)
        for array in arrays
    )
