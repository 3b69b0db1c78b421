r"""How centered variables are best moved in, by points and gradients that are there already.

Of a coordinate y with density π, :math:`\operatorname{Var}(y)\,\mathrm E[(\partial\log\pi/\partial y)^2] \ge 1`, with
equality where it is normal and independent of all others: the inequality of Cramér and Rao.  A variable q with location
μ and scale σ is moved in as :math:`y = (q - \mu)\sigma^{w-1} + w\mu`, so that along it, from one weight to another,

.. math:: \frac{\partial\log\pi}{\partial y_w} = \frac{\partial\log\pi}{\partial y_v}\,\sigma^{v - w},

and the logarithm of the product, at each weight, costs no gradient.  Where data say little about q, as about each of
many groups of a hierarchy, it is least near w = 0; where they say much, near w = 1.

Of a random walk these are taken along its steps, which are nearly independent where its places are not.  Of vectors
with a covariance, elements of y are made of several of q, and slopes are exact all the same.

Elements of one variable are taken to be alike, and have the weight that is best for all, unless the points say clearly
that one of them is not: one by one, from a few dozen points of trajectories, weights are noise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from ..policy import Policy

__all__ = ["Placed", "at_rest", "better_weights", "evidence"]

_GRID = np.linspace(0, 1, 11)
_NOWHERE = 1e3  # the logarithm of a product that is not finite


class Placed(NamedTuple):
    """A variable at some points: what is needed to see it by any weight.

    Attributes
    ----------
    deviations : ndarray (n, k)
        Of the centered variable from its location.
    locations, log_scales : ndarray (n, k)
    slopes : ndarray (n, k)
        Of log π, in y by the weights in use.
    now : ndarray (k,)
        These.
    length : int
        Where it is a series, or several, of how many places each; else 0.
    before : ndarray (n, m, m), optional
        Where it consists of vectors of m elements, the slopes of the locations of each in the elements before it.
    """

    deviations: np.ndarray
    locations: np.ndarray
    log_scales: np.ndarray
    slopes: np.ndarray
    now: np.ndarray
    length: int = 0
    before: np.ndarray | None = None

    @property
    def alike(self) -> bool:
        """Whether its elements have to have one weight."""
        return bool(self.length) or self.before is not None

    def log_product(self, weight: float | np.ndarray) -> np.ndarray:
        """Log Var(y) E[g²] of each element, or step, by a weight, or by one of each element (k,)."""
        y = self.deviations * np.exp((weight - 1) * self.log_scales) + weight * self.locations
        if self.before is None:
            slopes = self.slopes * np.exp((self.now - weight) * self.log_scales)
        else:
            slopes = self._of_vectors(np.broadcast_to(weight, self.now.shape))
        if self.length > 2:  # from the second step on, as the first place is not scaled
            y = np.diff(y.reshape(len(y), -1, self.length)[:, :, 1:]).reshape(len(y), -1)
            later = slopes.reshape(len(y), -1, self.length)[:, :, :1:-1]
            slopes = np.cumsum(later, axis=-1)[:, :, ::-1].reshape(len(y), -1)
        found = np.log(np.var(y, axis=0) * np.mean(slopes**2, axis=0))
        return np.nan_to_num(found, nan=_NOWHERE, posinf=_NOWHERE, neginf=_NOWHERE)

    def _of_vectors(self, weights: np.ndarray) -> np.ndarray:
        """Slopes in y by other weights: y is a linear map of q, with a matrix for each weight."""
        assert self.before is not None
        there, here = (self._matrices(each) for each in (weights, self.now))
        slopes = self.slopes.reshape(len(self.slopes), -1, self.before.shape[-1])
        found = np.einsum("nrij,nri->nrj", here, slopes)
        for i in reversed(range(found.shape[-1])):  # the transposed matrices are triangular
            found[..., i] -= (there[..., i + 1 :, i] * found[..., i + 1 :]).sum(axis=-1)
            found[..., i] /= there[..., i, i]
        return found.reshape(self.slopes.shape)

    def _matrices(self, weights: np.ndarray) -> np.ndarray:
        """∂y/∂q of each vector at each point (n, m, m) by weights (k,)."""
        assert self.before is not None
        size = self.before.shape[-1]
        weight = weights.reshape(1, -1, size, 1)
        stretch = np.exp((weight - 1) * self.log_scales.reshape(len(self.slopes), -1, size, 1))
        return stretch * (np.eye(size) - self.before[:, None]) + weight * self.before[:, None]


def better_weights(
    placed: Mapping[str, Placed], count: int, policy: Policy, rich: Collection[str] = ()
) -> dict[str, np.ndarray] | None:
    """The weights (k,) of variables that are best by some points, if clearly better than those in use; else None.

    Parameters
    ----------
    placed : dict
        Variables by name.
    count : int
        The number of points of which these are some.
    policy : Policy
    rich : collection of str
        Names of those of which data say so much that they are centered, unless the points clearly say otherwise: where
        they depend on others besides, products are large by any weight, and tell little.
    """
    found, gain, certain = {}, 0.0, False
    with np.errstate(all="ignore"):
        for name, one in placed.items():
            slack = policy.centering_slack if name in rich else 0.0
            clear = slack + max(policy.centering_own_least, policy.centering_own / count)
            products = np.array([one.log_product(weight) for weight in _GRID])
            means = products.mean(axis=1)
            common = len(_GRID) - 1 if means[-1] < means.min() + slack else means.argmin()
            best = np.full(len(one.now), _GRID[common])
            if not one.alike:
                alone = products[common] - products.min(axis=0) > clear
                best[alone] = _GRID[products.argmin(axis=0)][alone]
            best[best < policy.centering_least] = 0.0  # a little centering leaves a neck where there is one
            gain += float((one.log_product(one.now) - one.log_product(best)).sum())
            certain = certain or (name in rich and not one.now.any() and bool(best.any()))
            found[name] = best
    return found if certain or gain > policy.centering_gain + policy.centering_doubt / count else None


def at_rest(log_densities: np.ndarray, dim: int, rise: float) -> bool:
    r"""Whether the log-density of points, the oldest first, has stopped to rise.

    In the typical set it varies by :math:`\sqrt{d/2}`; on the way there, the mean of the latest quarter of points is
    above that of the quarter before by more than `rise` times :math:`\sqrt d`.
    """
    _, _, before, latest = np.array_split(log_densities, 4)
    return bool(latest.mean() - before.mean() <= rise * math.sqrt(dim))


def evidence(loss: float, count: int) -> tuple[float, float]:
    r"""How much data say of effects, and how clearly they say that these have a scale at all.

    Of normal effects θ with data of precision :math:`1/s^2` each, :math:`\theta = \mu` costs
    :math:`J\tau^2 / 2s^2` nats of the likelihood on average, wherever warm-up is with τ.

    Parameters
    ----------
    loss : float
        Nats of the likelihood that are lost without the effects.
    count : int
        J, their number.

    Returns
    -------
    ratio : float
        :math:`k = \tau^2 / s^2`, 0 at least.
    log_factor : float
        The logarithm of a Bayes factor against a scale of 0, :math:`\tfrac J2 (k - \log(1 + k))`.
    """
    ratio = max(0.0, 2 * loss / count)
    return ratio, 0.5 * count * (ratio - math.log1p(ratio)) if math.isfinite(ratio) else math.inf
