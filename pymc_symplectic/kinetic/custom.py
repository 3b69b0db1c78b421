"""Kinetic energies of a user's own: from functions, or from a profile alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numba.extending import register_jitable

from ..kernels.address import DRAW, ENERGY, VELOCITY, AddressedFunction
from ..kernels.kinetic import Addressed
from ..kernels.shapes import Functions
from ..names import choose
from .base import KineticEnergy
from .check import check_kinetic
from .profile import SHAPES, Shape, addressed
from .table import with_table

__all__ = ["Custom", "Profile"]

_CHECKED_IN = 2  # dimensions


def _raise_if_wrong(kinetic: KineticEnergy) -> None:
    report = check_kinetic(kinetic, _CHECKED_IN)
    if not report:
        raise ValueError(f"kinetic: {'; '.join(report.failures)}. Sampling with it would be wrong, so it is refused")


@lru_cache(maxsize=32)
def _compiled(energy: Callable, velocity: Callable, draw: Callable) -> Functions:
    return Functions(
        AddressedFunction(energy, ENERGY), AddressedFunction(velocity, VELOCITY), AddressedFunction(draw, DRAW)
    )


@lru_cache(maxsize=32)
def _from_profile(value: Callable, slope: Callable, shape: Shape) -> Functions:
    # what numba has compiled already, as PyTensor's functions are, serves as it is
    own = [f if hasattr(f, "py_func") else register_jitable(f) for f in (value, slope)]
    return SHAPES[shape](_shifted(own[0]), _shifted(own[1]))


def _shifted(function: Callable) -> Callable:
    """The same function, of parameters that begin behind the place of the table."""

    @register_jitable
    def shifted(params: np.ndarray, s: float) -> Any:
        return function(params[1:], s)

    return shifted


@dataclass(frozen=True, eq=False)
class Custom(KineticEnergy):
    """Any kinetic energy, from three functions that numba can compile.

    Parameters
    ----------
    energy : callable
        ``energy(params, r) -> float``, for a momentum r of shape (d,).
    velocity : callable
        ``velocity(params, r, out)``, which writes ∇K(r) to `out`.
    draw : callable
        ``draw(params, rng, out)``, which writes an exact draw from exp(-K) to `out`; `rng` is a
        `numpy.random.Generator`.
    params : sequence of float, optional
        Handed to all three.  Another vector compiles nothing anew.
    convex : bool, optional
        Whether K is convex.
    check : bool, optional
        Try the three together in two dimensions first, by `check_kinetic`, which costs a second or two.

    Raises
    ------
    ValueError
        When the check finds that the energy is not even or not finite, that the velocity is not its gradient, or that
        the draws do not follow it.
    """

    energy: Callable
    velocity: Callable
    draw: Callable
    params: Sequence[float] = ()
    convex: bool = True
    check: bool = field(default=True, repr=False)
    name: ClassVar[str] = "custom"

    def __post_init__(self) -> None:
        if self.check:
            _raise_if_wrong(self)

    def record(self, dim: int) -> Addressed:
        """The record that kernels run."""
        return addressed(_compiled(self.energy, self.velocity, self.draw), np.array(self.params, dtype=float))


@dataclass(frozen=True, eq=False)
class Profile(KineticEnergy):
    r"""A kinetic energy :math:`\sum_j \varphi(|r_j|)` or :math:`\varphi(|r|)`, from φ and φ' alone.

    Momenta are drawn exactly, by a table that is made from them: see `pymc_symplectic.kernels.shapes`.

    Parameters
    ----------
    value, slope : callable
        ``value(params, s)`` and ``slope(params, s)``, φ and φ' for s ≥ 0, which numba can compile.  s φ'(s) has to grow
        with s, as it does for every convex φ with its minimum at 0.
    params : sequence of float, optional
        Handed to both.
    shape : {"separable", "radial"}, optional
        A sum over coordinates, or a function of the norm.
    check : bool, optional
        Try it in two dimensions first, by `check_kinetic`.

    Raises
    ------
    ValueError
        When φ or φ' is not finite, s φ'(s) falls somewhere, φ' is not the derivative of φ, or exp(-φ) has no finite
        integral.

    Examples
    --------
    >>> import numpy as np, pymc_symplectic as ps
    >>> log_cosh = ps.kinetic.Profile(lambda params, s: np.logaddexp(s, -s), lambda params, s: np.tanh(s))
    >>> bool(ps.check_kinetic(log_cosh, dim=10))
    True
    """

    value: Callable
    slope: Callable
    params: Sequence[float] = ()
    shape: Shape = "separable"
    convex: bool = True
    check: bool = field(default=True, repr=False)
    name: ClassVar[str] = "profile"

    def __post_init__(self) -> None:
        choose("shape", self.shape, SHAPES)
        if self.check:
            _raise_if_wrong(self)

    @property
    def _python(self) -> tuple[Callable, Callable]:
        def shift(function: Callable) -> Callable[[np.ndarray, float], Any]:
            return lambda params, s: function(params[1:], float(s))

        return shift(self.value), shift(self.slope)

    def record(self, dim: int) -> Addressed:
        """The record that kernels run."""
        power = dim - 1.0 if self.shape == "radial" else 0.0
        params = with_table(np.array(self.params, dtype=float), *self._python, power)
        return addressed(_from_profile(self.value, self.slope, self.shape), params)
