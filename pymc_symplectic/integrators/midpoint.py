"""The implicit midpoint rule."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..checks import positive, whole
from ..kernels.flow import Midpoint
from ..splits import FREE, Split

__all__ = ["ImplicitMidpoint"]


@dataclass(frozen=True)
class ImplicitMidpoint:
    r"""
    The implicit midpoint rule: symplectic, reversible, of order 2, and exact on every quadratic invariant.

    Parameters
    ----------
    tolerance : float, optional
        The equation is solved when no component of the whitened momentum changes by more than this.
    reverse_tolerance : float, optional
        A step must lead back to where it began, within this, when it is run backwards.
    max_iterations : int, optional
        A step that is not solved by then has failed.

    Raises
    ------
    ValueError
        When a tolerance is not positive, or `max_iterations` is below 1.

    Notes
    -----
    With :math:`z = (L^{-1} q, r)`, one step solves

    .. math:: z' = z + \varepsilon\, \Omega \nabla H\left(\tfrac{z + z'}{2}\right)

    for z' by fixed-point iteration, at one gradient an iteration; it converges while ε is below about twice the inverse
    of the fastest frequency in whitened coordinates [1]_.  The equation may have other solutions, so the step is then
    run backwards, from the momentum it arrived with.  A step that is not solved, or does not lead back, ends its
    trajectory as a divergence does, and is counted in the statistic ``solver_failures``: only so is the target left
    invariant.  Gradients of both directions are counted.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapters II.1
       and VIII.6.
    """

    tolerance: float = 1e-12
    reverse_tolerance: float = 1e-8
    max_iterations: int = 100
    name: ClassVar[str] = "implicit_midpoint"
    drift: ClassVar[str] = FREE.name
    split: ClassVar[Split] = FREE
    order: ClassVar[int] = 2
    target_accept: ClassVar[float] = 0.95

    def __post_init__(self) -> None:
        positive("tolerance", self.tolerance)
        positive("reverse_tolerance", self.reverse_tolerance)
        whole("max_iterations", self.max_iterations, least=1)

    def record(self, dim: int, fitted: np.ndarray | None = None) -> Midpoint:
        """The record that kernels run in `dim` coordinates."""
        memory = np.zeros((5, dim))
        return Midpoint(float(self.tolerance), float(self.reverse_tolerance), int(self.max_iterations), memory)
