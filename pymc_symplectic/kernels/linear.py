"""The three things kernels ask of a metric, M⁻¹ = L Lᵀ, without ever forming it.

======  =====================================  =============================
kick    r += c Lᵀ g                            flow of the potential energy
drift   q += c L v                             flow of the kinetic energy
solve   x = L⁻¹ x                              whitened coordinates
======  =====================================  =============================
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .compile import helper, specialise

__all__ = ["DenseMap", "DiagonalMap", "LowRankMap", "drift", "kick", "kinds", "map_of", "solve"]


class DiagonalMap(NamedTuple):
    """L = diag(scale), `scale` of shape (d,)."""

    scale: np.ndarray


class DenseMap(NamedTuple):
    """L = `factor`, lower triangular, of shape (d, d)."""

    factor: np.ndarray


class LowRankMap(NamedTuple):
    """L = diag(scale) (I + Vᵀ (diag(stretch) - I) V), the rows of V = `directions` (k, d) orthonormal, `stretch` (k,).

    A few directions are stretched, all others keep their scale: with D = diag(scale),
    M⁻¹ = D (I + Vᵀ (diag(stretch)² - I) V) D.
    """

    scale: np.ndarray
    directions: np.ndarray
    stretch: np.ndarray


def kinds() -> tuple[Any, ...]:
    """The linear maps that kernels take, those from outside among them."""
    return tuple(_KICKS)


def map_of(arrays: Mapping[str, np.ndarray]) -> Any:
    """The map that has these fields.

    Raises
    ------
    ValueError
        When there is none.
    """
    for kind in kinds():
        if set(kind._fields) == set(arrays):
            return kind(**arrays)
    raise ValueError(f"metric: no linear map is made of {', '.join(map(repr, arrays)) or 'nothing'}")


@helper
def _kick_diagonal(metric: DiagonalMap, c: float, gradient: np.ndarray, momentum: np.ndarray) -> None:
    scale = metric.scale
    for j in range(momentum.size):
        momentum[j] += c * scale[j] * gradient[j]


@helper
def _drift_diagonal(metric: DiagonalMap, c: float, velocity: np.ndarray, position: np.ndarray) -> None:
    scale = metric.scale
    for j in range(position.size):
        position[j] += c * scale[j] * velocity[j]


@helper
def _kick_dense(metric: DenseMap, c: float, gradient: np.ndarray, momentum: np.ndarray) -> None:
    factor = metric.factor
    for i in range(momentum.size):  # along rows, which are contiguous
        c_i = c * gradient[i]
        for j in range(i + 1):
            momentum[j] += c_i * factor[i, j]


@helper
def _drift_dense(metric: DenseMap, c: float, velocity: np.ndarray, position: np.ndarray) -> None:
    factor = metric.factor
    for i in range(position.size):
        total = 0.0
        for j in range(i + 1):
            total += factor[i, j] * velocity[j]
        position[i] += c * total


@helper
def _kick_low_rank(metric: LowRankMap, c: float, gradient: np.ndarray, momentum: np.ndarray) -> None:
    scale = metric.scale
    for j in range(momentum.size):
        momentum[j] += c * scale[j] * gradient[j]
    for i in range(metric.stretch.size):
        direction = metric.directions[i]
        along = 0.0
        for j in range(momentum.size):
            along += direction[j] * scale[j] * gradient[j]
        along *= c * (metric.stretch[i] - 1.0)
        for j in range(momentum.size):
            momentum[j] += along * direction[j]


@helper
def _drift_low_rank(metric: LowRankMap, c: float, velocity: np.ndarray, position: np.ndarray) -> None:
    scale = metric.scale
    for j in range(position.size):
        position[j] += c * scale[j] * velocity[j]
    for i in range(metric.stretch.size):
        direction = metric.directions[i]
        along = 0.0
        for j in range(position.size):
            along += direction[j] * velocity[j]
        along *= c * (metric.stretch[i] - 1.0)
        for j in range(position.size):
            position[j] += along * scale[j] * direction[j]


@helper
def _solve_diagonal(metric: DiagonalMap, vector: np.ndarray) -> None:
    scale = metric.scale
    for j in range(vector.size):
        vector[j] /= scale[j]


@helper
def _solve_dense(metric: DenseMap, vector: np.ndarray) -> None:
    factor = metric.factor
    for i in range(vector.size):
        total = 0.0
        for j in range(i):
            total += factor[i, j] * vector[j]
        vector[i] = (vector[i] - total) / factor[i, i]


@helper
def _solve_low_rank(metric: LowRankMap, vector: np.ndarray) -> None:
    scale = metric.scale
    for j in range(vector.size):
        vector[j] /= scale[j]
    for i in range(metric.stretch.size):
        direction = metric.directions[i]
        along = 0.0
        for j in range(vector.size):
            along += direction[j] * vector[j]
        along *= 1.0 / metric.stretch[i] - 1.0
        for j in range(vector.size):
            vector[j] += along * direction[j]


_KICKS = {DiagonalMap: _kick_diagonal, DenseMap: _kick_dense, LowRankMap: _kick_low_rank}
_DRIFTS = {DiagonalMap: _drift_diagonal, DenseMap: _drift_dense, LowRankMap: _drift_low_rank}
_SOLVES = {DiagonalMap: _solve_diagonal, DenseMap: _solve_dense, LowRankMap: _solve_low_rank}


def kick(metric: Any, c: float, gradient: np.ndarray, momentum: np.ndarray) -> None:
    """``momentum += c Lᵀ gradient``, in place."""
    _KICKS[type(metric)](metric, c, gradient, momentum)


def drift(metric: Any, c: float, velocity: np.ndarray, position: np.ndarray) -> None:
    """``position += c L velocity``, in place."""
    _DRIFTS[type(metric)](metric, c, velocity, position)


def solve(metric: Any, vector: np.ndarray) -> None:
    """``vector = L⁻¹ vector``, in place."""
    _SOLVES[type(metric)](metric, vector)


specialise(kick, _KICKS)
specialise(drift, _DRIFTS)
specialise(solve, _SOLVES)
