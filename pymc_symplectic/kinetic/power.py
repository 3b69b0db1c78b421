"""Kinetic energies that grow like a power of the momentum, or like its logarithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..checks import number, positive
from ..names import choose
from .profile import SHAPES, ProfileEnergy, Shape

__all__ = ["Power", "StudentT"]

_LEAST, _MOST = 0.1, 8.0


@dataclass(frozen=True)
class Power(ProfileEnergy):
    r"""Gaussian near zero, a power β of the momentum far from it.

    .. math::
        \varphi(s) = \frac{c^2}{\beta}\left(\left(1 + \frac{s^2}{c^2}\right)^{\beta/2} - 1\right), \qquad
        \varphi'(s) = s \left(1 + \frac{s^2}{c^2}\right)^{\beta/2 - 1}

    and K = Σ φ(\|r_j\|), or φ(\|r\|).  β = 2 is the Gaussian energy, β = 1 the relativistic one.  For tails lighter
    than a Gaussian's, :math:`U \sim |q|^\alpha` with α > 2, the power that makes motion as regular as can be is the
    conjugate one, 1/α + 1/β = 1 [1]_: β = 4/3 for :math:`e^{-x^4}`.

    Parameters
    ----------
    beta : float, optional
        From 0.1 to 8.
    c : float, optional
        Where the one passes into the other, in whitened coordinates.
    shape : {"separable", "radial"}, optional
        A sum over coordinates, or a function of the norm.

    Raises
    ------
    ValueError
        When `beta` is out of range, or `c` not positive and finite.

    References
    ----------
    .. [1] S. Livingstone, M. F. Faulkner, G. O. Roberts (2019). Kinetic energy choice in Hamiltonian/hybrid Monte
       Carlo. Biometrika 106(2), section 3.
    """

    beta: float = 1.5
    c: float = 2.0
    shape: Shape = "separable"
    name: ClassVar[str] = "power"
    profile: ClassVar[str] = "power"

    def __post_init__(self) -> None:
        choose("shape", self.shape, SHAPES)
        positive("kinetic: c", self.c)
        if not _LEAST <= number("kinetic: beta", self.beta) <= _MOST:
            raise ValueError(f"kinetic: beta must lie between {_LEAST} and {_MOST}, got {self.beta!r}")

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether β ≥ 1."""
        return self.beta >= 1

    @property
    def form(self) -> Shape:
        """Radial or separable."""
        return self.shape

    def own(self, dim: int) -> tuple[float, ...]:
        """β and c."""
        return (float(self.beta), float(self.c))


@dataclass(frozen=True)
class StudentT(ProfileEnergy):
    r"""Momenta of a Student t distribution, which are heavy-tailed and hardly move when they are large.

    .. math::
        K(r) = \frac{\nu + d}{2} \log\left(1 + \frac{|r|^2}{\nu}\right)

    It is not convex: beyond :math:`|r| = \sqrt\nu` a larger momentum moves more slowly.  For comparison and study; for
    heavy-tailed targets a Gaussian energy does better [1]_.

    Parameters
    ----------
    nu : float, optional
        Degrees of freedom; the Gaussian energy as ν → ∞.

    Raises
    ------
    ValueError
        When `nu` is not positive and finite.

    References
    ----------
    .. [1] S. Livingstone, M. F. Faulkner, G. O. Roberts (2019). Kinetic energy choice in Hamiltonian/hybrid Monte
       Carlo. Biometrika 106(2), section 3.
    """

    nu: float = 5.0
    name: ClassVar[str] = "student_t"
    profile: ClassVar[str] = "student_t"
    convex: ClassVar[bool] = False  # type: ignore[misc]

    def __post_init__(self) -> None:
        positive("kinetic: nu", self.nu)

    @property
    def form(self) -> Shape:
        """Radial or separable."""
        return "radial"

    def own(self, dim: int) -> tuple[float, ...]:
        """ν, and the number of dimensions."""
        return (float(self.nu), float(max(dim, 1)))

    def speed_limit(self, record: object) -> float:
        """½(ν + d)/√ν, which is reached at |r| = √ν."""
        nu, dim = record.params[1:3]  # type: ignore[attr-defined]
        return float(0.5 * (nu + dim) / np.sqrt(nu))
