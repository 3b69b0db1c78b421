"""Kinetic energies from PyTensor expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt

from .kinetic import Profile
from .kinetic.profile import Shape
from .native.pytensor import machine_code, user_code

__all__ = ["kinetic_energy"]


def kinetic_energy(profile: Callable[[Any], Any], *, shape: Shape = "separable", convex: bool = True) -> Profile:
    r"""A kinetic energy :math:`\sum_j \varphi(|r_j|)` or :math:`\varphi(|r|)`, from a PyTensor expression for φ.

    Its derivative is PyTensor's, and momenta are drawn exactly: see `pymc_symplectic.kinetic.Profile`, which takes
    functions that numba compiles, and is faster.

    Parameters
    ----------
    profile : callable
        Takes the symbolic scalar s ≥ 0 and returns the scalar φ(s).
    shape : {"separable", "radial"}, optional
        A sum over coordinates, or a function of the norm.
    convex : bool, optional
        Whether φ is convex.

    Raises
    ------
    TypeError
        When `profile` does not return a scalar expression of s.
    ValueError
        When it is not fit for a kinetic energy, as `Profile` says.

    Examples
    --------
    >>> import pymc_symplectic as ps, pytensor.tensor as pt
    >>> relativistic = ps.kinetic_energy(lambda s: 2 * pt.sqrt(s**2 + 4), shape="radial")
    >>> bool(ps.check_kinetic(relativistic, dim=3))
    True
    """
    s = pt.dscalar("s")
    value = profile(s)
    if getattr(value, "ndim", None) != 0:
        raise TypeError(f"profile must return a scalar PyTensor expression of s, got {value!r}")
    try:
        slope = pytensor.grad(value, s)
    except pytensor.gradient.DisconnectedInputError:
        raise TypeError(f"profile must return an expression of s, and {value!r} does not depend on it") from None
    return Profile(_scalar(s, value), _scalar(s, slope), shape=shape, convex=convex)


def _scalar(s: Any, value: Any) -> Callable[[np.ndarray, float], float]:
    """``f(params, s)`` for kernels, compiled by PyTensor."""
    with user_code:
        raw = machine_code(pytensor.function([s], value.astype("float64"), mode="NUMBA"), required=True)

    @numba.njit
    def function(params: np.ndarray, s: float) -> float:
        return raw(np.array(s))[0].item()

    return function
