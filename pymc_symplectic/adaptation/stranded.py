"""Chains that warm-up has left where next to nothing of the posterior is: how that is seen, and what they do about it.

A chain whose place is metastable cannot know: all that it learns fits.  It stays there for some hundred draws, or for
good, and if it leaves, then with a step size that does not fit.  But chains side by side know.  By the draws q at the
end of a warm-up, and the map L of its metric, a place holds about

    log ∫ π ≈ E[log π] + V + d/2 · log 2πe,    V = log |det L| + ½ log det cov(L⁻¹ q),

exactly so if it is normal.  The determinant of a covariance is at most the product of its diagonal (Hadamard), and so
is that of its inverse, which for a normal is the covariance of the gradients g:

    log |det L| - Σ log sd(Lᵀ g)  ≤  V  ≤  log |det L| + Σ log sd(L⁻¹ q).

A chain whose place is lower than that of another one by so many nats that its volume, taken at the most, would not
make up for it, with the other's taken at the least, is moved to where that one is, and begins its warm-up anew.  It is
a start like any other: draws that count come after it.  So populations of particles move on (Cappé, Guillin, Marin,
Robert 2004), and so starts are drawn from several paths of Pathfinder (Zhang, Carpenter, Gelman, Vehtari 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..policy import Policy
from ..window import Window

__all__ = ["POSITION", "holds_more", "level_of", "log_volume"]

_HEIGHT, _SPREAD, _MOST, _LEAST = range(4)
POSITION = 4
"""From where on in a level the latest draw stands."""


def level_of(latest: Window, stretched: np.ndarray, metric: Any, position: np.ndarray) -> np.ndarray:
    """What is known of a place: mean log-density, its standard deviation, bounds of the log volume, the last draw.

    Parameters
    ----------
    latest : Window
        The latest draws, in the coordinates that the chain moves in.
    stretched : ndarray of shape (n,)
        By how much, as a logarithm, coordinates of the model are larger at each.
    metric : LinearMap
    position : ndarray of shape (d,)
        The last draw, in coordinates of the model.

    Returns
    -------
    ndarray of shape (4 + d,)
    """
    log_density = latest.log_density - stretched
    volume = (bound + stretched.mean() for bound in log_volume(latest.draws, latest.gradients, metric))
    with np.errstate(invalid="ignore"):
        return np.array([log_density.mean(), log_density.std(), *volume, *position])


def log_volume(draws: np.ndarray, gradients: np.ndarray, metric: Any) -> tuple[float, float]:
    """The logarithm of what draws (n, d) fill, at the most and, by their gradients (n, d), at the least.

    By a map from outside whose determinant is not known, it is as by none.
    """
    stretch = 0.0
    if hasattr(metric, "log_volume"):
        stretch, draws, gradients = metric.log_volume(), metric.solve(draws), metric.adjoint(gradients)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        most, least = (float(np.log(part.std(axis=0)).sum()) for part in (draws, gradients))
    return stretch + most, stretch - least


def holds_more(levels: np.ndarray, policy: Policy) -> np.ndarray:
    """Whether next to nothing is at a level (row) of what is at another one (column), by any chance and any volume."""
    height, spread, most, least = levels[:, :POSITION].T
    with np.errstate(invalid="ignore"):
        gap = height - height[:, None] - np.maximum(most[:, None] - least, 0.0)
    doubt = policy.stranded_spread * spread + policy.stranded_doubt * (levels.shape[1] - POSITION)
    found: np.ndarray = np.isfinite(gap) & (gap > policy.stranded_gap + doubt)
    return found
