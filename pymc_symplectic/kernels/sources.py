"""Where the sources of kernels stand, and a cache on disk for those in which others' functions are compiled.

The kernels of this package are kept in a directory that is named by a hash of all their sources.  A part from outside
(`compile.register`) is compiled into them by the type of its named tuple, which is all that numba's index tells of it.
So what involves such a part is kept in a directory of its own, beneath the other, that is named by a hash of what the
part is made from; or not at all, where no other process could find that again.
"""

import hashlib
import inspect
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types

from ..native.numba import FunctionCache, cache_in, class_of

__all__ = ["KernelCache", "digest_of", "hash_sources", "made_from"]

_OWN = __package__ or ""
_TRUSTED = {"numba", "numpy", "math", "cmath", _OWN.split(".")[0]}
"""Roots of modules whose changes are noticed otherwise: a new version of the package or of numba starts a new cache."""
_KEPT = 8  # directories of parts from outside

made_from: dict[type, str | None] = {}
"""Of each part from outside, the hash of its sources, or None where there are none to be found again."""


def hash_sources(folder: Path, *files: Path) -> str:
    """A short hash of all modules in a folder, and of files beside it."""
    digest = hashlib.sha256()
    for file in [*sorted(folder.rglob("*.py")), *files]:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class _UnknownError(Exception):
    """Something that another process might find changed, and nobody could tell."""


def digest_of(kind: type, functions: Iterable[Callable]) -> str | None:
    """A short hash of all that a part is made from: source files and numbers, and those of what its functions call.

    None where that is not known: of what stands in a script or a notebook, and of functions that hold other objects.
    """
    digest, seen = hashlib.sha256(), set()
    waiting: list[Any] = [kind, *functions]
    try:
        while waiting:
            item = waiting.pop()
            if isinstance(item, FunctionType | type | ModuleType):
                name = (item.__name__ if isinstance(item, ModuleType) else item.__module__) or "__main__"
                if name.split(".")[0] in _TRUSTED or id(item) in seen:
                    continue
                seen.add(id(item))
                digest.update(_source(name))
                if isinstance(item, FunctionType):
                    digest.update(Path(item.__code__.co_filename).read_bytes() + item.__qualname__.encode())
                    waiting += _held_by(item)
            elif isinstance(item, np.ndarray):
                digest.update(repr((item.dtype, item.shape)).encode() + item.tobytes())
            elif item is None or isinstance(item, bool | int | float | complex | str | bytes | np.generic):
                digest.update(repr(item).encode())
            elif type(item) is tuple:
                waiting += item
            else:
                raise _UnknownError
    except (_UnknownError, OSError, TypeError):
        return None
    return digest.hexdigest()[:16]


def _source(name: str) -> bytes:
    module = sys.modules.get(name)
    if name == "__main__" or module is None or not getattr(module, "__file__", None):
        raise _UnknownError
    return Path(inspect.getfile(module)).read_bytes()


def _held_by(function: FunctionType) -> Iterator[Any]:
    """The objects that a function finds outside of itself; of compiled functions, the source of each."""
    found = inspect.getclosurevars(function)
    for value in (*found.globals.values(), *found.nonlocals.values(), *(function.__defaults__ or ())):
        yield getattr(value, "py_func", value)


def _outside(kind: Any) -> Iterator[type]:
    """Classes of named tuples in a numba type that are not of this package."""
    if isinstance(kind, tuple):
        for part in kind:
            yield from _outside(part)
    elif isinstance(kind, types.BaseTuple):
        named = class_of(kind)
        if named is not None and not named.__module__.startswith(f"{_OWN}."):
            yield named
        yield from _outside(tuple(kind.types))


class KernelCache(FunctionCache):
    """numba's cache of one kernel, in which kernels with parts from outside are kept apart."""

    def __init__(self, function: Callable, directory: str) -> None:
        super().__init__(function)
        self._function, self._directory = function, directory
        self._apart: dict[str, FunctionCache] = {}

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code that is kept for these types, if any."""
        cache = self._cache_for(sig)
        return None if cache is None else FunctionCache.load_overload(cache, sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for these types, if it may be."""
        cache = self._cache_for(sig)
        if cache is not None:
            FunctionCache.save_overload(cache, sig, data)

    def _cache_for(self, sig: Any) -> FunctionCache | None:
        parts = {made_from.get(kind) for kind in _outside(getattr(sig, "args", sig))}
        if not parts:
            return self
        if None in parts:
            return None
        name = hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()[:16]  # type: ignore[arg-type]
        if name not in self._apart:
            directory = Path(self._directory) / f"with_{name}"
            if not directory.exists():
                _prune(directory.parent)
            with cache_in(str(directory)):
                self._apart[name] = FunctionCache(self._function)
        return self._apart[name]


def _prune(home: Path) -> None:
    """Leave room for one more directory of parts from outside."""
    with suppress(OSError):  # others may be pruning too
        others = sorted(home.glob("with_*"), key=lambda path: path.stat().st_mtime)
        for old in others[: -_KEPT + 1]:
            shutil.rmtree(old, ignore_errors=True)
