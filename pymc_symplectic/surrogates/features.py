"""The functions that a surrogate is a sum of: monomials up to a degree, and ridges in some directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["Features", "monomials", "number_of_monomials", "some_ridges"]


def number_of_monomials(dim: int, degree: int) -> int:
    """Monomials of `dim` coordinates of a degree from 1 to `degree`."""
    return math.comb(dim + degree, degree) - 1


@cache
def monomials(dim: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each monomial, the constant first, its parent and the coordinate that it has once more, (t + 1,) both.

    Parents come before their children, and lower degrees before higher ones, so those of a lower degree are the first.
    """
    parents, variables = [0], [0]
    level = [0]
    for _ in range(degree):
        children = [(k, j) for k in level for j in range(variables[k], dim)]
        level = list(range(len(parents), len(parents) + len(children)))
        parents += [k for k, _ in children]
        variables += [j for _, j in children]
    found = np.array(parents, np.int64), np.array(variables, np.int64)
    for array in found:
        array.flags.writeable = False
    return found


@cache
def some_ridges(dim: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions (k, d) and offsets (k,) of ridges, by lot, and the same each time.

    They bend along lengths of one to five standard deviations, within one and a half of the origin [1]_.

    References
    ----------
    .. [1] C. Zhang, B. Shahbaba, H. Zhao (2017). Hamiltonian Monte Carlo acceleration using surrogate functions with
       random bases. Statistics and Computing 27, 1473-1490.
    """
    rng = np.random.default_rng(0)
    lengths = rng.uniform(0.2, 1.0, (count, 1)) / math.sqrt(min(dim, 4))
    found = rng.normal(size=(count, dim)) * lengths, rng.uniform(-1.5, 1.5, count)
    for array in found:
        array.flags.writeable = False
    return found


@dataclass(frozen=True)
class Features:
    """Monomials of `dim` coordinates up to `degree`, and so many `ridges`.

    Parameters
    ----------
    dim, degree : int
        At least 1.
    ridges : int, optional
    """

    dim: int
    degree: int
    ridges: int = 0

    @property
    def terms(self) -> int:
        """Monomials, but for the constant."""
        return number_of_monomials(self.dim, self.degree)

    @property
    def count(self) -> int:
        """Functions, but for the constant."""
        return self.terms + self.ridges

    def jets(self, white: np.ndarray) -> np.ndarray:
        """Values and gradients of all functions, the constant first: (count + 1, n, d + 1), at points z (n, d)."""
        n, dim = white.shape
        parents, variables = monomials(dim, self.degree)
        found = np.zeros((self.count + 1, n, dim + 1))
        found[0, :, 0] = 1.0
        for k in range(1, parents.size):
            parent, j = found[parents[k]], variables[k]
            np.multiply(parent, white[:, j, None], out=found[k])
            found[k, :, 1 + j] += parent[:, 0]
        if self.ridges:
            directions, offsets = some_ridges(dim, self.ridges)
            heights = np.tanh(directions @ white.T + offsets[:, None])
            found[parents.size :, :, 0] = heights
            found[parents.size :, :, 1:] = (1 - heights**2)[:, :, None] * directions[:, None, :]
        return found

    def __str__(self) -> str:
        ridges = f" and {self.ridges} ridges" if self.ridges else ""
        return f"polynomial of degree {self.degree}{ridges}"
