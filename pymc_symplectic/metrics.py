r"""Metrics: the linear map L with M⁻¹ = L Lᵀ that makes the target look alike in all directions.

The best M⁻¹ for a Gaussian target is its covariance.  Where it is not given it is learned in warm-up, from draws and
from the gradients that came with them: of a Gaussian, the covariance of the gradients is the *inverse* covariance of
the draws, so together they say more than either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.linalg

from .kernels.adapt import Learning
from .kernels.linear import DenseMap, DiagonalMap
from .names import choose

__all__ = ["CATALOGUE", "Dense", "Diagonal", "Identity", "Metric", "get"]

_SMALLEST, _LARGEST = 1e-20, 1e20  # variances beyond these are numerical accidents
_EXTRA_DRAWS = 5.0  # weight of the metric in use when draws correct it


class Metric(ABC):
    """A linear map L, given or learned."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def adapts(self) -> bool:
        """Whether warm-up learns it."""

    @property
    def needs_memory(self) -> bool:
        """Whether `fit` reads whole draws, rather than their running moments."""
        return False

    @abstractmethod
    def check(self, dim: int) -> None:
        """Raise a ValueError unless the metric serves `dim` parameters."""

    @abstractmethod
    def start(self, gradient: np.ndarray) -> Any:
        """What kernels run at first, given the gradient (d,) at the start."""

    def fit(self, current: Any, learning: Learning) -> Any:
        """What kernels run next, given what they ran and the draws made with it."""
        return current


@dataclass(frozen=True)
class Identity(Metric):
    """M = I: the parameters as the model scales them."""

    name: ClassVar[str] = "identity"
    adapts: ClassVar[bool] = False

    def check(self, dim: int) -> None:
        """Any dimension will do."""

    def start(self, gradient: np.ndarray) -> DiagonalMap:
        """A scale of one for every parameter."""
        return DiagonalMap(np.ones(gradient.size))


@dataclass(frozen=True, eq=False)
class Diagonal(Metric):
    r"""M⁻¹ = diag(variance).

    Parameters
    ----------
    variance : array_like of shape (d,), optional
        Of each unconstrained parameter, used as it is.  By default it is learned in warm-up.
    fit_to : {"gradients", "draws"}, optional
        Learn it from draws and gradients, :math:`\sigma_j^2 = \sqrt{\mathrm{Var}(q_j) / \mathrm{Var}(g_j)}`, which
        minimises the Fisher divergence of a diagonal Gaussian from the target [1]_; or from draws alone,
        :math:`\sigma_j^2 = \mathrm{Var}(q_j)`, shrunk towards the variance in use while draws are few.

    Raises
    ------
    ValueError
        When a variance is not positive and finite.

    References
    ----------
    .. [1] A. Seyboldt, E. L. Carlson, B. Carpenter (2026). Preconditioning Hamiltonian Monte Carlo by minimizing
       Fisher divergence. arXiv:2603.18845.
    """

    variance: np.ndarray | None = None
    fit_to: Literal["gradients", "draws"] = "gradients"
    name: ClassVar[str] = "diagonal"

    def __post_init__(self) -> None:
        choose("fit_to", self.fit_to, {"gradients": 0, "draws": 0})
        if self.variance is None:
            return
        variance = np.array(self.variance, dtype=float)
        if variance.ndim != 1:
            raise ValueError(f"metric: variance must be a vector, got an array of shape {variance.shape}")
        bad = ~((variance > 0) & np.isfinite(variance))
        if bad.any():
            raise ValueError(f"metric: variances must be positive and finite, got {variance[bad][0]} at {bad.argmax()}")
        object.__setattr__(self, "variance", variance)

    @property
    def adapts(self) -> bool:
        """Whether warm-up learns it."""
        return self.variance is None

    def check(self, dim: int) -> None:
        """Raise unless a given variance has one entry per parameter."""
        if self.variance is not None and self.variance.size != dim:
            raise ValueError(
                f"metric: got {self.variance.size} variances for {dim} unconstrained parameters; give one for each"
            )

    def start(self, gradient: np.ndarray) -> DiagonalMap:
        """The given scale; or, from one gradient g, the variance 1/|g| of a Gaussian about one deviation away."""
        if self.variance is not None:
            return DiagonalMap(np.sqrt(self.variance))
        return DiagonalMap(_scale_from_gradient(gradient))

    def fit(self, current: DiagonalMap, learning: Learning) -> DiagonalMap:
        """The scale of the draws of the last window."""
        count = learning.counters[0]
        if not self.adapts or count < 3:
            return current
        old = current.scale**2
        drawn, steep = learning.squares / (count - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.fit_to == "gradients":
                variance = np.sqrt(drawn / steep)
            else:
                variance = (count * drawn + _EXTRA_DRAWS * old) / (count + _EXTRA_DRAWS)
        # a parameter that never moved, or whose gradient never did, has told nothing
        known = (drawn > 0) & (steep > 0) & np.isfinite(variance)
        return DiagonalMap(np.sqrt(np.clip(np.where(known, variance, old), _SMALLEST, _LARGEST)))


@dataclass(frozen=True, eq=False)
class Dense(Metric):
    r"""M⁻¹ = covariance, through its Cholesky factor L.

    A step costs O(d²) beside the gradient.

    Parameters
    ----------
    covariance : array_like of shape (d, d), optional
        Of the unconstrained parameters, used as it is.  By default it is learned in warm-up.
    fit_to : {"gradients", "draws"}, optional
        Learn it from draws and gradients: the positive definite :math:`\Sigma` with
        :math:`\Sigma\,\mathrm{Cov}(g)\,\Sigma = \mathrm{Cov}(q)`, the geometric mean of :math:`\mathrm{Cov}(q)` and
        :math:`\mathrm{Cov}(g)^{-1}`, which minimises the Fisher divergence of a Gaussian from the target [1]_; or from
        draws alone.

    Raises
    ------
    ValueError
        When `covariance` is not square, symmetric and positive definite.

    Notes
    -----
    Both covariances are taken in the coordinates whitened by the metric in use and then by the best diagonal, and are
    shrunk towards the identity there: with n draws, :math:`(n S + \kappa I) / (n + \kappa)`.  So a metric is only ever
    corrected as far as draws speak for it, and each window works on what the last left over, however ill-conditioned
    the target.

    References
    ----------
    .. [1] A. Seyboldt, E. L. Carlson, B. Carpenter (2026). Preconditioning Hamiltonian Monte Carlo by minimizing
       Fisher divergence. arXiv:2603.18845.
    """

    covariance: np.ndarray | None = None
    fit_to: Literal["gradients", "draws"] = "gradients"
    name: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        choose("fit_to", self.fit_to, {"gradients": 0, "draws": 0})
        if self.covariance is None:
            return
        covariance = np.array(self.covariance, dtype=float)
        if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
            raise ValueError(f"metric: covariance must be a square matrix, got an array of shape {covariance.shape}")
        if not np.allclose(covariance, covariance.T, rtol=1e-8):
            raise ValueError("metric: covariance must be symmetric")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            smallest = np.linalg.eigvalsh(covariance)[0] if np.all(np.isfinite(covariance)) else np.nan
            raise ValueError(
                f"metric: covariance must be positive definite; its smallest eigenvalue is {smallest:.3g}"
            ) from None
        object.__setattr__(self, "covariance", covariance)

    @property
    def adapts(self) -> bool:
        """Whether warm-up learns it."""
        return self.covariance is None

    @property
    def needs_memory(self) -> bool:
        """Whole draws are needed for a covariance."""
        return self.adapts

    def check(self, dim: int) -> None:
        """Raise unless a given covariance has one row per parameter."""
        if self.covariance is not None and len(self.covariance) != dim:
            raise ValueError(
                f"metric: got a covariance of shape {self.covariance.shape} for {dim} unconstrained parameters"
            )

    def start(self, gradient: np.ndarray) -> DenseMap:
        """The Cholesky factor of the given covariance; or the diagonal that one gradient suggests."""
        if self.covariance is not None:
            return DenseMap(np.linalg.cholesky(self.covariance))
        return DenseMap(np.diag(_scale_from_gradient(gradient)))

    def fit(self, current: DenseMap, learning: Learning) -> DenseMap:
        """The factor that the draws of the last window ask for."""
        count = learning.counters[1]
        if not self.adapts or count < 3:
            return current
        old = current.factor
        draws, gradients = learning.draws[:count], learning.gradients[:count]
        white = scipy.linalg.solve_triangular(old, (draws - draws.mean(axis=0)).T, lower=True)
        slope = old.T @ (gradients - gradients.mean(axis=0)).T
        scale = _fisher_scale(white, slope) if self.fit_to == "gradients" else np.ones(len(old))
        white, slope = white / scale[:, None], slope * scale[:, None]
        try:
            inner = _shrunk(white)
            if self.fit_to == "gradients":
                inner = _geometric_mean(inner, _shrunk(slope))
            factor = (old * scale) @ np.linalg.cholesky(inner)
        except (np.linalg.LinAlgError, ValueError):
            return current
        return DenseMap(np.ascontiguousarray(factor)) if np.all(np.isfinite(factor)) else current


CATALOGUE: Mapping[str, type[Metric]] = MappingProxyType({cls.name: cls for cls in (Identity, Diagonal, Dense)})


def get(metric: str | Metric | np.ndarray) -> Metric:
    """Look a metric up by name, to be learned; a vector is variances, a matrix a covariance, a `Metric` itself.

    Raises
    ------
    ValueError
        When there is no such name (the message lists those there are), or an array is of the wrong shape.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return choose("metric", metric, CATALOGUE)()
    array = np.asarray(metric)
    if array.dtype.kind in "bifu" and array.ndim in (1, 2):
        return Diagonal(array) if array.ndim == 1 else Dense(array)
    return choose("metric", metric, CATALOGUE)()


def _scale_from_gradient(gradient: np.ndarray) -> np.ndarray:
    """|g|^{-1/2}, which lies between no information, 1, and a start one deviation from the mode, 1/|g|.

    A gradient near zero says that the start is near the mode in that direction, not that the scale is enormous, so the
    small ones are raised to a tenth of the median.
    """
    size = np.abs(gradient)
    if not size.any():
        return np.ones(gradient.size)
    size = np.maximum(size, 0.1 * np.median(size[size > 0]))
    return np.clip(size, 1 / _LARGEST, 1 / _SMALLEST) ** -0.5


def _fisher_scale(white: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The diagonal that is best for centred draws and gradients (d, n); 1 where either never varied."""
    drawn, steep = (white**2).sum(axis=1), (slope**2).sum(axis=1)
    known = (drawn > 0) & (steep > 0)
    return np.where(known, drawn / np.where(known, steep, 1.0), 1.0) ** 0.25


def _shrunk(centred: np.ndarray) -> np.ndarray:
    """Covariance of the columns of `centred` (d, n), shrunk towards the identity as if by a few draws more."""
    dim, count = centred.shape
    return (centred @ centred.T + _EXTRA_DRAWS * np.eye(dim)) / (count - 1 + _EXTRA_DRAWS)


def _geometric_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The positive definite X with X B X = A, which is B^{-1/2} (B^{1/2} A B^{1/2})^{1/2} B^{-1/2}."""
    root = _power(b, 0.5)
    inverse = _power(b, -0.5)
    return inverse @ _power(root @ a @ root, 0.5) @ inverse


def _power(a: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    if values[0] <= 0:
        raise np.linalg.LinAlgError("not positive definite")
    return (vectors * values**exponent) @ vectors.T
