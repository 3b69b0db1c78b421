"""Gradients by finite differences of the log-density, where there is no other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import number, positive
from .names import choose

__all__ = ["MOST_PARAMETERS", "Differences", "get"]

MOST_PARAMETERS = 12
"""A gradient of more would take so many values that a sampler without gradients, or a gradient written by hand, is the
better choice."""


@dataclass(frozen=True)
class Differences:
    r"""The gradient by finite differences of the log-density, for models of few parameters that have no other.

    Parameters
    ----------
    error : float, optional
        By how much values of log π may be wrong, in nats: the tolerance of a solver, say.  By default 1e-10, which
        double precision keeps to where log π is no larger than about 1e5.
    scale : float or sequence of float, optional
        The distances, in unconstrained coordinates, over which log π changes by about one nat: one for all, or one for
        each parameter (d,).  By default 1.  It need only be right to a factor of a hundred or so with the default
        `error`, and to a factor of a few with an error of 1e-4.

    Raises
    ------
    TypeError, ValueError
        When these are not numbers, or `error` is not between 0 and 1, or `scale` is not positive.

    Notes
    -----
    Along each coordinate, with a value more than there are coordinates,

    .. math:: g_j = \frac{\log\pi(q + h_j e_j) - \log\pi(q)}{h_j}, \qquad h_j = 2 s_j \sqrt\eta,

    with the error η and the scales s.  Where the second derivative is :math:`1/s_j^2`, the error of a difference,
    :math:`h_j/(2 s_j^2) + 2\eta/h_j`, is least for this step, and is :math:`2\sqrt\eta/s_j` then [1]_.  The step is no
    less than :math:`2^{-26} |q_j|`, so that rounding of the coordinate leaves something of it.  Where log π is not
    finite at the end of a step, g_j is zero.

    Differences in one direction are half the price of central ones, and as good here: this g depends on the position
    alone, so that trajectories by it are reversible and preserve volume, and their ends are accepted by the true
    log-density.  So draws are from the density itself, whatever the error of the differences, which costs acceptance
    and nothing else [2]_.

    The statistic ``n_gradients`` counts such gradients, and ``n_values`` the values that they take: d + 1 for each.

    References
    ----------
    .. [1] P. E. Gill, W. Murray, M. A. Saunders, M. H. Wright (1983). Computing forward-difference intervals for
       numerical optimization. SIAM Journal on Scientific and Statistical Computing 4(2), 310-321.
    .. [2] R. M. Neal (2011). MCMC using Hamiltonian dynamics. Handbook of Markov Chain Monte Carlo, chapter 5, on
       trajectories by fast approximations.

    Examples
    --------
    >>> import pymc_symplectic as ps
    >>> ps.Differences(error=1e-6, scale=[1.0, 0.1]).steps(2)
    array([0.002 , 0.0002])
    """

    error: float = 1e-10
    scale: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", number("error", self.error))
        if not 0 < self.error < 1:
            raise ValueError(f"error must lie strictly between 0 and 1, in nats of the log-density, got {self.error!r}")
        scale: Any = self.scale
        if np.ndim(scale) == 1:
            scale = tuple(positive("scale", one) for one in scale)
        else:
            scale = positive("scale", scale)
        object.__setattr__(self, "scale", scale)

    def steps(self, dim: int) -> np.ndarray:
        """The steps h (d,).

        Raises
        ------
        ValueError
            When there are too many parameters for differences, or another number of scales.
        """
        if dim > MOST_PARAMETERS:
            raise ValueError(
                f"gradient: by differences, each gradient of {dim} parameters takes {dim + 1} values of the "
                f"log-density; that is for {MOST_PARAMETERS} parameters at most. Give the model a gradient, by "
                "operations that have one, or sample fewer variables by it"
            )
        if isinstance(self.scale, tuple) and len(self.scale) != dim:
            raise ValueError(f"gradient: scale has {len(self.scale)} numbers, and there are {dim} parameters")
        return np.broadcast_to(2 * math.sqrt(self.error) * np.asarray(self.scale), (dim,)).copy()


def get(gradient: Any) -> Differences | None:
    """What is meant by ``"exact"``, which is None, by ``"differences"``, or by a `Differences`."""
    if isinstance(gradient, Differences):
        return gradient
    if isinstance(gradient, str):
        return choose("gradient", gradient, {"exact": None, "differences": Differences()})
    raise TypeError(f"gradient must be 'exact', 'differences' or a pymc_symplectic.Differences, got {gradient!r}")
