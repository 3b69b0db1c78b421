"""Loops over whole vectors.  Slices would do in NumPy, but in compiled code they allocate where memory may overlap."""

import numpy as np

from .compile import helper

__all__ = ["assign", "fill", "norm"]


@helper
def assign(out: np.ndarray, values: np.ndarray) -> None:
    """``out[:] = values``."""
    for j in range(out.size):
        out[j] = values[j]


@helper
def fill(out: np.ndarray, value: float) -> None:
    """``out[:] = value``."""
    for j in range(out.size):
        out[j] = value


@helper
def norm(values: np.ndarray) -> float:
    """Euclidean length."""
    total = 0.0
    for j in range(values.size):
        total += values[j] * values[j]
    return np.sqrt(total)
