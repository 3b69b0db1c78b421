"""The kinetic energy of special relativity: nothing moves faster than c."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..checks import positive
from ..kernels.kinetic import Addressed
from ..names import choose
from .profile import SHAPES, ProfileEnergy, Shape

__all__ = ["Relativistic"]

_LEAST_DRAWS = 50
_LEAST_CHANGE = 0.1  # of the logarithm of c: a smaller one does not pay for tuning the step size anew


@dataclass(frozen=True)
class Relativistic(ProfileEnergy):
    r"""Momentum grows without bound, the velocity does not.

    .. math::
        K(r) = c\sqrt{|r|^2 + c^2} - c^2, \qquad \nabla K(r) = \frac{r}{\sqrt{1 + |r|^2 / c^2}},
        \qquad |\nabla K| < c

    or, separable, the sum of the same over coordinates, each with its own speed limit.  As c → ∞ both tend to the
    Gaussian energy.  With :math:`r = L^T p`, the radial one is :math:`c\sqrt{p^T M^{-1} p + c^2}` [1]_.

    Parameters
    ----------
    c : float, optional
        The speed limit, in whitened coordinates, where a well-fitted metric makes every posterior standard deviation 1.
        By default learned in warm-up: see the notes.
    shape : {"radial", "separable"}, optional
        One speed limit for all coordinates together, or one for each.

    Raises
    ------
    ValueError
        When `c` is not positive and finite.

    Notes
    -----
    A speed limit is a length per unit of time, and the length that matters is the spread σ of the target: the median
    standard deviation of its coordinates, once whitened.  The typical set of a normal target has the radius √d σ, and
    momenta of the Gaussian energy cross it in about one unit of time; so c = √d σ for the radial form, which leaves
    stationary motion nearly as it is, bends only what is faster, and bounds the way in from far out.  For the separable
    form c = 2σ, beyond which one normal velocity in twenty lies.  Limits of half that make all coordinates move at
    nearly the same speed, and mix worse; of twice that, they are the Gaussian energy but for the tails.

    References
    ----------
    .. [1] X. Lu, V. Perrone, L. Hasenclever, Y. W. Teh, S. J. Vollmer (2017). Relativistic Monte Carlo. AISTATS,
       section 2.
    """

    c: float | None = None
    shape: Shape = "radial"
    name: ClassVar[str] = "relativistic"
    profile: ClassVar[str] = "relativistic"
    memory: ClassVar[int] = 400  # type: ignore[misc]

    def __post_init__(self) -> None:
        choose("shape", self.shape, SHAPES)
        if self.c is not None:
            positive("kinetic: c", self.c)

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """Whether warm-up learns the speed limit."""
        return self.c is None

    @property
    def form(self) -> Shape:
        """Radial or separable."""
        return self.shape

    def own(self, dim: int) -> tuple[float, ...]:
        """The speed limit, that of a standard normal target unless it is given."""
        return (self._limit(dim) if self.c is None else float(self.c),)

    def _limit(self, dim: int, spread: float = 1.0) -> float:
        return spread * (np.sqrt(max(dim, 1)) if self.shape == "radial" else 2.0)

    def fit(self, current: Addressed, positions: np.ndarray, gradients: np.ndarray) -> Addressed:
        """The speed limit that the spread of whitened draws asks for, if it is another one."""
        if len(positions) < _LEAST_DRAWS:
            return current
        spread = float(np.median(positions.std(axis=0)))
        limit = self._limit(positions.shape[1], spread)
        known = 0 < spread < np.inf and abs(np.log(limit / current.params[1])) > _LEAST_CHANGE
        return self.made_from((limit,), positions.shape[1]) if known else current

    def speed_limit(self, record: Any) -> float:
        """c, in each coordinate for the separable form."""
        return float(record.params[1])
