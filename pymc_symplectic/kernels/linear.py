"""The linear map L of a metric, M⁻¹ = L Lᵀ, which is never formed: what kernels ask of it, and what Python does.

======  =====================================  =============================
kick    r += c Lᵀ g                            flow of the potential energy
drift   q += c L v                             flow of the kinetic energy
solve   x = L⁻¹ x                              whitened coordinates
======  =====================================  =============================

In Python a map has the same as methods, for vectors (d,) or rows (n, d): `apply` (L v), `adjoint` (Lᵀ g), `solve`
(L⁻¹ x); and `covariance_times` (L Lᵀ g, of a vector), `variance` (the diagonal of L Lᵀ) and `check`.  Ours have
`log_volume` (log |det L|), too.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .compile import helper, specialise

__all__ = [
    "DenseMap",
    "DiagonalMap",
    "LinearMap",
    "LowRankMap",
    "complete",
    "drift",
    "kick",
    "kinds",
    "map_of",
    "solve",
]


class DiagonalMap(NamedTuple):
    """L = diag(scale), `scale` of shape (d,)."""

    scale: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """L v."""
        return vectors * self.scale

    def adjoint(self, vectors: np.ndarray) -> np.ndarray:
        """Lᵀ g."""
        return vectors * self.scale

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """L⁻¹ x."""
        return vectors / self.scale

    def covariance_times(self, vector: np.ndarray) -> np.ndarray:
        """L Lᵀ g."""
        return self.scale * (vector * self.scale)

    def variance(self, dim: int) -> np.ndarray:
        """The diagonal of L Lᵀ, (d,)."""
        return self.scale**2

    def log_volume(self) -> float:
        """Log |det L|."""
        return float(np.log(self.scale).sum())

    def check(self, dim: int) -> None:
        """Raise a ValueError unless this is a map of `dim` coordinates, finite and invertible."""
        _check("scale", self.scale, (dim,), positive=True)


class DenseMap(NamedTuple):
    """L = `factor`, lower triangular, of shape (d, d)."""

    factor: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """L v."""
        return vectors @ self.factor.T

    def adjoint(self, vectors: np.ndarray) -> np.ndarray:
        """Lᵀ g."""
        return vectors @ self.factor

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """L⁻¹ x."""
        from scipy.linalg import lapack  # slow to import, and not needed until a metric is fitted

        solved, _ = lapack.dtrtrs(self.factor, vectors.T, lower=1)
        return solved.T

    def covariance_times(self, vector: np.ndarray) -> np.ndarray:
        """L Lᵀ g."""
        return self.factor @ (self.factor.T @ vector)

    def variance(self, dim: int) -> np.ndarray:
        """The diagonal of L Lᵀ, (d,)."""
        return (self.factor**2).sum(axis=1)

    def log_volume(self) -> float:
        """Log |det L|."""
        return float(np.log(np.abs(np.diag(self.factor))).sum())

    def check(self, dim: int) -> None:
        """Raise a ValueError unless this is a map of `dim` coordinates, finite and invertible."""
        _check("factor", self.factor, (dim, dim))
        _check("diagonal", np.diag(self.factor).copy(), (dim,), positive=True)


class LowRankMap(NamedTuple):
    """L = diag(scale) (I + Vᵀ (diag(stretch) - I) V), the rows of V = `directions` (k, d) orthonormal, `stretch` (k,).

    A few directions are stretched, all others keep their scale: with D = diag(scale),
    M⁻¹ = D (I + Vᵀ (diag(stretch)² - I) V) D.
    """

    scale: np.ndarray
    directions: np.ndarray
    stretch: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """L v."""
        return self._stretched(vectors, self.stretch - 1) * self.scale

    def adjoint(self, vectors: np.ndarray) -> np.ndarray:
        """Lᵀ g."""
        return self._stretched(vectors * self.scale, self.stretch - 1)

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """L⁻¹ x."""
        return self._stretched(vectors / self.scale, 1 / self.stretch - 1)

    def _stretched(self, vectors: np.ndarray, more: np.ndarray) -> np.ndarray:
        return vectors + ((vectors @ self.directions.T) * more) @ self.directions

    def covariance_times(self, vector: np.ndarray) -> np.ndarray:
        """L Lᵀ g."""
        slope = vector * self.scale
        return self.scale * (slope + ((self.directions @ slope) * (self.stretch**2 - 1)) @ self.directions)

    def variance(self, dim: int) -> np.ndarray:
        """The diagonal of L Lᵀ, (d,)."""
        return (1 + (self.stretch**2 - 1) @ self.directions**2) * self.scale**2

    def log_volume(self) -> float:
        """Log |det L|."""
        return float(np.log(self.scale).sum() + np.log(self.stretch).sum())

    def check(self, dim: int) -> None:
        """Raise a ValueError unless this is a map of `dim` coordinates, finite and invertible."""
        rank = np.size(self.stretch)
        _check("scale", self.scale, (dim,), positive=True)
        _check("stretch", self.stretch, (rank,), positive=True)
        _check("directions", self.directions, (rank, dim))


type LinearMap = DiagonalMap | DenseMap | LowRankMap


def complete(kind: Any) -> None:
    """Give a map from outside, in place, those methods that it lacks, by the functions that kernels take of it."""

    def each_row(vectors: np.ndarray, of_one: Callable[[np.ndarray, np.ndarray], None]) -> np.ndarray:
        rows = np.atleast_2d(vectors)
        found = np.zeros(rows.shape)
        for i in range(len(rows)):
            of_one(rows[i], found[i])
        return found.reshape(np.shape(vectors))

    def solve_one(metric: Any, row: np.ndarray, out: np.ndarray) -> None:
        out[:] = row
        solve(metric, out)

    def check(metric: Any, dim: int) -> None:
        for name, array in metric._asdict().items():
            _check(name, array, np.shape(array))

    methods: dict[str, Callable[..., Any]] = {
        "apply": lambda self, vectors: each_row(vectors, lambda row, out: drift(self, 1.0, row, out)),
        "adjoint": lambda self, vectors: each_row(vectors, lambda row, out: kick(self, 1.0, row, out)),
        "solve": lambda self, vectors: each_row(vectors, lambda row, out: solve_one(self, row, out)),
        "covariance_times": lambda self, vector: self.apply(self.adjoint(vector)),
        "variance": lambda self, dim: (self.adjoint(np.eye(dim)) ** 2).sum(axis=1),
        "check": check,
    }
    for name, method in methods.items():
        if not hasattr(kind, name):
            setattr(kind, name, method)


def _check(name: str, array: Any, shape: tuple[int, ...], positive: bool = False) -> None:
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != float:
        found = f"{array.dtype}{array.shape}" if isinstance(array, np.ndarray) else repr(array)[:60]
        raise ValueError(f"the {name} of the metric is {found}, and must be float64{shape}")
    if not np.all(np.isfinite(array)) or (positive and not np.all(array > 0)):
        raise ValueError(f"the {name} of the metric is not {'positive and ' if positive else ''}finite")


def kinds() -> tuple[Any, ...]:
    """The linear maps that kernels take, those from outside among them."""
    return tuple(_KICKS)


def map_of(arrays: Mapping[str, np.ndarray]) -> LinearMap:
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
