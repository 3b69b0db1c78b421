"""The contract that every kinetic energy keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

__all__ = ["KineticEnergy"]


class KineticEnergy(ABC):
    """A kinetic energy K(r) of the whitened momentum r: even, and known up to a constant.

    Momenta are drawn from exp(-K), exactly: any other density of momenta would change the distribution that is sampled.
    Since K sees the *whitened* momentum ``r = Lᵀ p``, it knows nothing of the metric.

    Whoever writes one gives `record`, and calls `check_kinetic` on the result.
    """

    name: ClassVar[str]
    convex: bool = True
    """Whether K is convex, so that velocity grows with momentum."""
    quadratic: bool = False
    """Whether K = ½|r|², so that momentum and velocity are the same, and the momenta of exp(-K) are standard normal."""
    adapts: bool = False
    """Whether warm-up learns its parameters."""
    memory: int = 0
    """How many of the latest draws `fit` reads."""

    @abstractmethod
    def record(self, dim: int) -> Any:
        """The record that kernels run at first, in `dim` dimensions: a `GaussianEnergy`, or `Addressed`."""

    def fit(self, current: Any, positions: np.ndarray, gradients: np.ndarray) -> Any:
        """The record that kernels run next, by the current one and whitened draws z, gradients ∇ log π(z), (n, d)."""
        return current

    def gain(self, record: Any) -> float:
        """The expected efficiency of a gradient over that with the Gaussian energy; 1 where nothing is learned."""
        return 1.0

    def speed_limit(self, record: Any) -> float:
        """The least upper bound of |∇K|, in whitened coordinates, of a record of this energy; often infinite."""
        return np.inf
