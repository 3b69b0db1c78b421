"""The Gaussian kinetic energy of classical mechanics."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels import kinetic as kernels
from .base import KineticEnergy

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(KineticEnergy):
    r""":math:`K(r) = \tfrac12 |r|^2`, so that velocity and momentum are the same and momenta are standard normal.

    References
    ----------
    .. [1] S. Duane, A. D. Kennedy, B. J. Pendleton, D. Roweth (1987). Hybrid Monte Carlo. Phys. Lett. B 195, 216-222.
    """

    name: ClassVar[str] = "gaussian"
    quadratic = True

    def record(self, dim: int) -> kernels.GaussianEnergy:
        """The record that kernels run."""
        return kernels.GaussianEnergy(np.zeros(0))
