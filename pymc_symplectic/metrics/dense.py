"""The metric of a whole covariance matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..kernels.linear import DenseMap
from ..names import choose
from ..window import Window
from .base import Metric
from .estimate import numbers, scale_from_gradient, shrunk
from .held_out import held_out_fit

__all__ = ["Dense"]

_MEMORY = 1000  # draws


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
    Both covariances are taken in the coordinates whitened by the metric in use and then by the best diagonal, and a
    multiple of the identity is added to each.  How large it is, how many of the latest points are used, how often that
    is repeated in the coordinates that it has led to, and whether it begins afresh from the diagonal, is chosen by what
    a fit leaves of the latest quarter of the points, which it has not seen.  From draws alone, with n of them, the
    covariance is :math:`(n S + \kappa I) / (n + \kappa)` there.

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
        covariance = numbers("covariance", self.covariance)
        if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
            raise ValueError(f"metric: covariance must be a square matrix, got an array of shape {covariance.shape}")
        if not np.all(np.isfinite(covariance)):
            raise ValueError("metric: covariance must be finite")
        if not np.allclose(covariance, covariance.T, rtol=1e-8):
            raise ValueError("metric: covariance must be symmetric")
        try:
            np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            smallest = np.linalg.eigvalsh(covariance)[0]
            raise ValueError(
                f"metric: covariance must be positive definite; its smallest eigenvalue is {smallest:.3g}"
            ) from None
        object.__setattr__(self, "covariance", covariance)

    @property
    def adapts(self) -> bool:
        """Whether warm-up learns it."""
        return self.covariance is None

    @property
    def by_points(self) -> bool:  # type: ignore[override]
        """Whether it is learned from gradients too."""
        return self.fit_to == "gradients"

    @property
    def memory(self) -> int:
        """Draws that `fit` reads."""
        return _MEMORY if self.adapts else 0

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
        return DenseMap(np.diag(scale_from_gradient(gradient)))

    def fit(self, current: DenseMap, window: Window) -> DenseMap:
        """The factor that the draws of the last window ask for, or points of trajectories."""
        if not self.adapts:
            return current
        if self.fit_to == "gradients":
            found = held_out_fit(current.factor, *window.pairs)
            return current if found is current.factor else DenseMap(found)
        return self._fit_draws(current, window.pairs[0])

    @staticmethod
    def _fit_draws(current: DenseMap, draws: np.ndarray) -> DenseMap:
        """The factor that draws (n, d) alone ask for."""
        if len(draws) < 3:
            return current
        inner = shrunk(current.solve(draws - draws.mean(axis=0)).T)
        try:
            root = np.linalg.cholesky(inner + 1e-12 * np.trace(inner) / len(inner) * np.eye(len(inner)))
        except np.linalg.LinAlgError:
            return current
        factor = current.factor @ root
        return DenseMap(np.ascontiguousarray(factor)) if np.all(np.isfinite(factor)) else current
