"""Compiled functions of PyTensor, in a form that kernels and threads can call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numba
import numpy as np
from pytensor.compile.mode import get_mode

from ..kernels.address import array_at
from ..kernels.status import Status
from ..native.numba import NumbaError, from_cache, one_process, own_contexts, recompiled
from ..native.pytensor import compiles_by_numba, kept_beside
from .indices import hidden

__all__ = ["alone", "array_type", "mode_for", "native", "through_python"]


def mode_for(outputs: Sequence[Any], mode: Any = None) -> Any:
    """The mode to compile graphs in: the one that is wanted, unless it would index beyond arrays unseen."""
    return get_mode("CVM") if compiles_by_numba(mode) and hidden(outputs) else mode


def array_type(dtype: Any, ndim: int) -> Any:
    """Numba's type of a contiguous array."""
    return numba.types.Array(numba.from_dtype(np.dtype(dtype)), ndim, "C")


@contextmanager
def alone(raw: Any, prime: Callable[[Any], Any]) -> Iterator[Any]:
    """Machine code as it comes from the disk cache, and nothing else; what calls it is compiled in this context.

    A process that has compiled a function has compiled its parts as well, and runs these instead of the copies that are
    optimised together with the whole.  They round differently now and then, so the first run of a model would not be
    the same, to the last bit, as one that is resumed, or made by another process.  In a context of its own the function
    knows nothing of the parts.  Other threads see nothing of it: what they compile meanwhile, or only decorate, belongs
    to the common context.

    Other processes wait until it is on the disk: parts that were compiled before, for other models, may make the whole
    another one, and what is on the disk has to be the same for all.

    `prime` makes a function compile for the arguments that it will have.
    """
    with one_process(raw):
        prime(raw)  # writes it to disk, where it is not yet there
    with own_contexts() as apart:
        if apart:
            own_code = recompiled(raw)
            with suppress(NumbaError, NotImplementedError):
                prime(own_code)
            if from_cache(own_code):
                yield own_code
                return
    yield raw  # there is no disk cache, and what any process compiles is the same


def native(raw: Any, dtype: str, types: Sequence[Any], offsets: Sequence[int], slopes: bool = True) -> tuple[Any, bool]:
    """A Python function of signature `LOGP` that reads shared data from the record and calls `raw`.

    And whether numba has a place on disk for it, beside that of `raw`, which returns the log-density, with `slopes` its
    gradient too.
    """
    meanings: dict[str, Any] = {status.name: int(status) for status in Status}
    shared = []
    for i, (typ, offset) in enumerate(zip(types, offsets, strict=False)):
        meanings[f"dtype{i}"] = np.dtype(typ.dtype)
        shape = ", ".join(f"data[{offset + 1 + axis}]" for axis in range(typ.ndim))
        shared.append(f"array_at(data[{offset}], ({shape}{',' if typ.ndim == 1 else ''}), dtype{i})")
    position = "position" if dtype == "float64" else f"position.astype('{dtype}')"
    copied = """
        slope = found[1]
        if slope.size != gradient.size:
            return BROKEN
        for j in range(gradient.size):  # a slice would test for overlap, at several times the price
            gradient[j] = slope[j]"""
    source = f"""# {meanings}
def logp(data, position, gradient, value):
    try:
        found = raw({", ".join([position, *shared])}){copied if slopes else ""}
        value[0] = found[0].item()
        return OK
    except Exception:
        return FAILED
"""
    return kept_beside(raw, source, "logp", {"raw": raw, "array_at": array_at, **meanings})


def through_python(callback: Any) -> Any:
    """A Python function of signature `LOGP` that calls back into the interpreter."""

    def logp(data: Any, position: Any, gradient: Any, value: Any) -> Any:
        return callback(data.ctypes, position.ctypes, gradient.ctypes, value.ctypes)

    return logp
