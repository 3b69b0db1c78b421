"""Functions that cross into kernels by their address.

A kernel that received a compiled function as such would be compiled anew for every function.  An address is an
integer: the kernel is compiled once per machine, whatever it calls.  `AddressedFunction` makes a Python function into
an address; the ``*_at`` functions turn the address back into something callable, inside kernels.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numba
import numpy as np
from numba import types
from numba.extending import overload

from ..native.numba import function_at, pointer_at, silent_about_the_cache
from .compile import FASTMATH, cache_on_disk

__all__ = [
    "DRAW",
    "ENERGY",
    "LOGP",
    "VELOCITY",
    "AddressedFunction",
    "array_at",
    "draw_at",
    "energy_at",
    "logp_at",
    "velocity_at",
]

_vector = types.float64[::1]
_generator = numba.typeof(np.random.default_rng(0))

LOGP = types.int64(types.int64[::1], _vector, _vector, _vector)
"""``logp(data, position, gradient, value) -> Status``; writes the gradient, and the log-density to ``value[0]``."""
ENERGY = types.float64(_vector, _vector)
"""``energy(params, momentum) -> K``."""
VELOCITY = types.void(_vector, _vector, _vector)
"""``velocity(params, momentum, out)``; writes the gradient of K to `out`."""
DRAW = types.void(_vector, _generator, _vector)
"""``draw(params, rng, out)``; writes one draw from exp(-K) to `out`."""


class AddressedFunction:
    """A function compiled to one of the signatures above, callable from Python and by address.

    Parameters
    ----------
    function : callable
        What to compile, by numba, in nopython mode.
    signature : numba signature
        `LOGP`, `ENERGY`, `VELOCITY` or `DRAW`.
    cached : bool, optional
        Whether to keep the machine code on disk, for functions of this package.
    placed : bool, optional
        Whether numba knows of another place on disk for it.

    Notes
    -----
    An exception cannot cross an address: numba would print it and go on with garbage.  `function` has to catch its own.
    """

    _alive: ClassVar[WeakValueDictionary[int, "AddressedFunction"]] = WeakValueDictionary()

    def __init__(self, function: Callable, signature: Any, *, cached: bool = False, placed: bool = False) -> None:
        fastmath = FASTMATH if signature is not LOGP else False  # a model's own arithmetic is left as it is
        with nullcontext(True) if placed else cache_on_disk(cached) as cache, silent_about_the_cache():
            self._compiled = numba.cfunc(signature, cache=cache, error_model="numpy", fastmath=fastmath)(function)
        self.python = function
        self.address: int = self._compiled.address
        self._alive[self.address] = self

    @classmethod
    def at(cls, address: int) -> Callable:
        """The Python function that was compiled to `address`."""
        return cls._alive[address].python


def _function_at(signature: Any) -> Callable:
    """A converter from an address to a function of `signature`: natively in kernels, by look-up in plain Python."""
    native = function_at(signature)

    def at(address: int) -> Callable:
        return AddressedFunction.at(address)

    @overload(at, strict=False)
    def _(address: int) -> Callable:
        return lambda address: native(address)

    return at


logp_at = _function_at(LOGP)
energy_at = _function_at(ENERGY)
velocity_at = _function_at(VELOCITY)
draw_at = _function_at(DRAW)


def array_at(address: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """The C-contiguous array of `shape` and `dtype` that stands at an address; kernels only."""
    raise NotImplementedError("array_at is for compiled code")


@overload(array_at, strict=False)
def _(address: Any, shape: Any, dtype: Any) -> Any:
    if len(shape) == 0:
        return lambda address, shape, dtype: numba.carray(pointer_at(address), (1,), dtype).reshape(())
    return lambda address, shape, dtype: numba.carray(pointer_at(address), shape, dtype)
