"""A chain's random numbers: NumPy's own generator, handed to kernels as a few addresses.

numba takes a `numpy.random.Generator` as an argument, but unpacks it anew at every call, which costs more than a short
transition does.  A bit generator publishes the addresses that a draw needs, so they are read once per chain.
"""

import ctypes
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = ["generator_at", "generator_record"]

_generator_type = numba.typeof(np.random.default_rng(0))
_bits_type = types.NumPyRandomBitGeneratorType("bit_generator")
_FUNCTIONS = ("next_uint64", "next_uint32", "next_double")


def generator_record(rng: np.random.Generator) -> np.ndarray:
    """What kernels need to draw from `rng`, shape (4,); whoever holds it has to hold `rng` as well."""
    interface = rng.bit_generator.ctypes
    functions = [ctypes.cast(getattr(interface, name), ctypes.c_void_p).value for name in _FUNCTIONS]
    return np.array([interface.state.value, *functions], dtype=np.uint64)


@intrinsic
def _assemble(typing_context: Any, state: Any, uint64: Any, uint32: Any, double: Any) -> Any:
    """Numba's own representation of a generator, from addresses; nothing in it is counted or owned."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        generator = cgutils.create_struct_proxy(_generator_type)(context, builder)
        bits = cgutils.create_struct_proxy(_bits_type)(context, builder)
        bits.state_address = bits.state = args[0]
        for name, address in zip(_FUNCTIONS, args[1:], strict=True):
            setattr(bits, f"fnptr_{name}", address)
        bits.bit_generator = cgutils.get_null_value(bits.bit_generator.type)
        bits.parent = cgutils.get_null_value(bits.parent.type)
        generator.bit_generator = bits._getvalue()
        generator.meminfo = cgutils.get_null_value(generator.meminfo.type)
        generator.parent = cgutils.get_null_value(generator.parent.type)
        return generator._getvalue()

    return _generator_type(state, uint64, uint32, double), codegen


def generator_at(record: Any) -> Any:
    """The generator of a `generator_record`; in plain Python the generator itself stands for its record."""
    return record


@overload(generator_at, strict=False)
def _(record: Any) -> Any:
    return lambda record: _assemble(record[0], record[1], record[2], record[3])
