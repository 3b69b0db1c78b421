"""A chain's random numbers: NumPy's own generator, handed to kernels as a few addresses.

numba takes a `numpy.random.Generator` as an argument, but unpacks it anew at every call, which costs more than a short
transition does.  A bit generator publishes the addresses that a draw needs, so they are read once per chain.
"""

from typing import Any

import numpy as np
from numba.extending import overload

from ..native.numba import generator_from
from ..native.numpy import generator_addresses

__all__ = ["generator_at", "generator_record"]


def generator_record(rng: np.random.Generator) -> np.ndarray:
    """The addresses by which kernels draw from `rng`, shape (4,); whoever holds it has to hold `rng` as well."""
    return np.array(generator_addresses(rng), dtype=np.uint64)


def generator_at(record: Any) -> Any:
    """The generator of a `generator_record`; in plain Python the generator itself stands for its record."""
    return record


@overload(generator_at, strict=False)
def _(record: Any) -> Any:
    return lambda record: generator_from(record[0], record[1], record[2], record[3])
