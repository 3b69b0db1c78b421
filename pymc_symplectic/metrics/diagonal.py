"""Metrics that scale each parameter by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..kernels.linear import DiagonalMap
from ..names import choose
from ..window import Window
from .base import Metric
from .estimate import EXTRA_DRAWS, LARGEST, SMALLEST, numbers, scale_from_gradient

__all__ = ["Diagonal", "Identity"]


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
        variance = numbers("variance", self.variance)
        if variance.ndim != 1:
            raise ValueError(f"metric: variance must be a vector, got an array of shape {variance.shape}")
        bad = ~((variance > 0) & np.isfinite(variance))
        if bad.any():
            raise ValueError(f"metric: variances must be positive and finite, got {variance[bad][0]} at {bad.argmax()}")
        object.__setattr__(self, "variance", variance)

    @property
    def by_points(self) -> bool:  # type: ignore[override]
        """Whether it is learned from gradients too."""
        return self.fit_to == "gradients"

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
        return DiagonalMap(scale_from_gradient(gradient))

    def fit(self, current: DiagonalMap, window: Window) -> DiagonalMap:
        """The scale of the draws of the last window."""
        count = window.count
        if not self.adapts or count < 3:
            return current
        old = current.scale**2
        drawn, steep = window.squares / (count - 1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.fit_to == "gradients":
                variance = np.sqrt(drawn / steep)
            else:
                variance = (count * drawn + EXTRA_DRAWS * old) / (count + EXTRA_DRAWS)
        # a parameter that never moved, or whose gradient never did, has no known scale
        known = (drawn > 0) & (steep > 0) & np.isfinite(variance)
        return DiagonalMap(np.sqrt(np.clip(np.where(known, variance, old), SMALLEST, LARGEST)))
