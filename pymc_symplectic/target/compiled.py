"""What PyTensor has compiled, as functions that kernels and threads can call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.cpu import CPUContext
from numba.core.errors import NumbaError
from numba.core.registry import CPUTarget, cpu_target
from numba.core.typing import Context
from numba.np.numpy_support import from_dtype
from pytensor.compile.mode import get_mode
from pytensor.link.numba.linker import NumbaLinker

from ..kernels.address import array_at
from ..kernels.status import Status
from .indices import hidden

__all__ = ["alone", "array_type", "interprets", "mode_for", "native", "through_python", "user_code"]

user_code = threading.RLock()
"""Held wherever a user's own Python may run: operations of a log-density or of a deterministic variable.

Such code seldom expects two threads at once, though it may let another one run in its midst.  There is one lock for all
models, as two of them may share an operation.
"""


def mode_for(outputs: Sequence[Any], mode: Any = None) -> Any:
    """The mode to compile graphs in: the one that is wanted, unless it would index beyond arrays unseen."""
    return get_mode("CVM") if isinstance(get_mode(mode).linker, NumbaLinker) and hidden(outputs) else mode


def interprets(function: Any) -> bool:
    """Whether machine code goes back into the interpreter somewhere (`numba.objmode`), for what numba cannot compile.

    Read from the functions that it is made of, since PyTensor tells of it by a warning, and warnings get lost where
    another thread looks for its own.
    """
    seen: set[int] = set()
    queue = [function]
    while queue:
        python = getattr(current := queue.pop(), "py_func", current)
        if id(python) in seen or not isinstance(python, FunctionType):
            continue
        seen.add(id(python))
        if "objmode" in python.__code__.co_names:
            return True
        queue += [python.__globals__[name] for name in python.__code__.co_names if name in python.__globals__]
        queue += [cell.cell_contents for cell in python.__closure__ or ()]
    return False


def array_type(dtype: Any, ndim: int) -> Any:
    """Numba's type of a contiguous array."""
    return numba.types.Array(from_dtype(np.dtype(dtype)), ndim, "C")


class _OwnContexts(CPUTarget):
    """Numba's target, where a thread may have contexts of its own: what is compiled there is known there alone."""

    _own = threading.local()

    @property
    def typing_context(self) -> Any:
        return getattr(self._own, "typing", None) or self._toplevel_typing_context

    @property
    def target_context(self) -> Any:
        return getattr(self._own, "target", None) or self._toplevel_target_context

    @classmethod
    @contextmanager
    def of_this_thread(cls) -> Iterator[None]:
        """New contexts, for as long as this lasts, and for this thread only."""
        cls._own.typing = Context()
        cls._own.target = CPUContext(cls._own.typing)
        try:
            yield
        finally:
            del cls._own.typing, cls._own.target


cpu_target.__class__ = _OwnContexts  # numba has no public way; whoever asks for no contexts of its own sees no change


@contextmanager
def alone(raw: Any, prime: Callable[[Any], Any]) -> Iterator[Any]:
    """Machine code as it comes from the disk cache, and nothing else; what calls it is compiled in this context.

    A process that has compiled a function has compiled its parts as well, and runs these instead of the copies that are
    optimised together with the whole.  They round differently now and then, so the first run of a model would not be
    the same, to the last bit, as one that is resumed, or made by another process.  In a context of its own the function
    knows nothing of the parts.  Other threads see nothing of it: what they compile meanwhile, or only decorate, belongs
    to the common context.

    `prime` makes a function compile for the arguments that it will have.
    """
    prime(raw)  # writes it to disk, where it is not yet there
    with _OwnContexts.of_this_thread():
        own_code = numba.jit(**raw.targetoptions, cache=raw.stats.cache_path is not None)(raw.py_func)
        with suppress(NumbaError, NotImplementedError):
            prime(own_code)
        if own_code.stats.cache_hits:
            yield own_code
            return
    yield raw  # there is no disk cache, and what any process compiles is the same


def native(raw: Any, dtype: str, types: Sequence[Any], offsets: Sequence[int]) -> Any:
    """A Python function of signature `LOGP` that reads shared data from the record and calls `raw`."""
    names: dict[str, Any] = {"raw": raw, "array_at": array_at, **{status.name: int(status) for status in Status}}
    shared = []
    for i, (typ, offset) in enumerate(zip(types, offsets, strict=False)):
        names[f"dtype{i}"] = np.dtype(typ.dtype)
        shape = ", ".join(f"data[{offset + 1 + axis}]" for axis in range(typ.ndim))
        shared.append(f"array_at(data[{offset}], ({shape}{',' if typ.ndim == 1 else ''}), dtype{i})")
    position = "position" if dtype == "float64" else f"position.astype('{dtype}')"
    source = f"""
def logp(data, position, gradient, value):
    try:
        result, slope = raw({", ".join([position, *shared])})
        if slope.size != gradient.size:
            return BROKEN
        value[0] = result.item()
        for j in range(gradient.size):  # a slice would test for overlap, at several times the price
            gradient[j] = slope[j]
        return OK
    except Exception:
        return FAILED
"""
    exec(compile(source, "<log-density>", "exec"), names)
    return names["logp"]


def through_python(callback: Any) -> Any:
    """A Python function of signature `LOGP` that calls back into the interpreter."""

    def logp(data: Any, position: Any, gradient: Any, value: Any) -> Any:
        return callback(position.ctypes, gradient.ctypes, value.ctypes)

    return logp
