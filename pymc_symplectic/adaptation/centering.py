r"""How centered variables are best moved in, by points and gradients that are there already.

Of a coordinate y with density π, :math:`\operatorname{Var}(y)\,\mathrm E[(\partial\log\pi/\partial y)^2] \ge 1`, with
equality where it is normal and independent of all others: the inequality of Cramér and Rao.  A variable q with location
μ and scale σ is moved in as :math:`y = (q - \mu)\sigma^{w-1} + w\mu`, so that along it, from one weight to another,

.. math:: \frac{\partial\log\pi}{\partial y_w} = \frac{\partial\log\pi}{\partial y_v}\,\sigma^{v - w},

and the logarithm of the product, at each weight, costs no gradient.  Where data say little about q, as about each of
many groups of a hierarchy, it is least near w = 0; where they say much, near w = 1.

Elements of one variable are taken to be alike, and have the weight that is best for all, unless the points say clearly
that one of them is not: one by one, from a few dozen points of trajectories, weights are noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..policy import Policy

__all__ = ["Placed", "better_weights"]

_GRID = np.linspace(0, 1, 11)
_NOWHERE = 1e3  # the logarithm of a product that is not finite


class Placed(NamedTuple):
    """Variables at points (n, k): centered less location, location, logarithm of the scale, and slope of log π in y."""

    deviations: np.ndarray
    locations: np.ndarray
    log_scales: np.ndarray
    slopes: np.ndarray

    def log_product(self, weights: np.ndarray | float, now: np.ndarray) -> np.ndarray:
        """Log Var(y) E[g²] of each variable (k,) by some weights, where slopes are by those that are in use `now`."""
        y = self.deviations * np.exp((weights - 1) * self.log_scales) + weights * self.locations
        slopes = self.slopes * np.exp((now - weights) * self.log_scales)
        found = np.log(np.var(y, axis=0) * np.mean(slopes**2, axis=0))
        return np.nan_to_num(found, nan=_NOWHERE, posinf=_NOWHERE, neginf=_NOWHERE)


def better_weights(
    placed: Placed, now: np.ndarray, ends: Sequence[int], count: int, policy: Policy
) -> np.ndarray | None:
    """The weights (k,) that are best by these points, where they are clearly better than those in use; else None.

    Parameters
    ----------
    placed : Placed
    now : ndarray (k,)
        The weights in use.
    ends : sequence of int
        Where the elements of each variable end, among all.
    count : int
        The number of points of which these are some.
    policy : Policy
    """
    with np.errstate(all="ignore"):
        products = np.array([placed.log_product(weight, now) for weight in _GRID])
        best = np.zeros(len(now))
        clear = max(policy.centering_own_least, policy.centering_own / count)
        for first, end in zip([0, *ends[:-1]], ends, strict=True):
            part = products[:, first:end]
            common = part.mean(axis=1).argmin()
            alone = part[common] - part.min(axis=0) > clear
            best[first:end] = _GRID[np.where(alone, part.argmin(axis=0), common)]
        best[best < policy.centering_least] = 0.0  # a little centering leaves a neck where there is one
        gain = (placed.log_product(now, now) - placed.log_product(best, now)).sum()
    return best if gain > policy.centering_gain + policy.centering_doubt / count else None
