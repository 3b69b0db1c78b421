"""Addresses in NumPy's bit generators."""

import ctypes

import numpy as np

from .versions import needed

__all__ = ["DRAWING", "generator_addresses"]

DRAWING = ("next_uint64", "next_uint32", "next_double")
"""The functions of a bit generator that draws are made by."""


def generator_addresses(rng: np.random.Generator) -> tuple[int, ...]:
    """The addresses of the state of a generator, and of its functions `DRAWING`; good for as long as it lives.

    Touches the fields of ``BitGenerator.ctypes`` (seen in NumPy 2.0 to 2.5), of which NumPy documents the attribute,
    and that it is a named tuple.  There is no other way to draw without the interpreter.
    """
    with needed("numpy"):
        interface = rng.bit_generator.ctypes
        functions = (ctypes.cast(getattr(interface, name), ctypes.c_void_p).value for name in DRAWING)
        return interface.state.value, *functions
