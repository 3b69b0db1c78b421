"""A surrogate by least squares, from values and gradients of a log-density where a chain has been.

With z = L⁻¹(q - μ) of a Gaussian that fits already, what is left to learn of a point is the value log π + ½|z|² and the
gradient Lᵀ∇log π + z of f: d + 1 linear equations in the coefficients of f.  Which features f has is chosen by points
that were held out.  What counts there is how often a proposal would be accepted: with e = log π - log π̂ and the weights
w = exp(-e) / mean exp(-e), which lead from draws of π to draws of π̂, it is

    E min(w(x), w(y))    over independent draws x, y of π,

since π(x) π̂(y) min(1, π(y) π̂(x) / (π(x) π̂(y))) is the smaller one of π(x) π̂(y) and π(y) π̂(x).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..kernels.linear import LinearMap
from ..metrics.estimate import lower
from ..policy import Policy
from ..window import Window
from .density import LearnedDensity
from .features import Features

__all__ = ["Fitted", "acceptance", "candidates", "fit"]

_STRETCH, _OF = 20, 4  # of these stretches of points, one in four is held out: neighbours on a path are alike
_CHUNK = 200  # points whose equations are summed at once


class Fitted(NamedTuple):
    """What was learned, from so many points; and the acceptance that was predicted where points were held out."""

    density: LearnedDensity
    predicted: float
    points: int


def candidates(dim: int, policy: Policy, degree: int | None = None) -> list[Features]:
    """The features that are tried, the fewest first, or those up to a `degree` that is asked for."""
    degrees = policy.surrogate_degrees if degree is None else (degree,)
    found = [Features(dim, one) for one in degrees]
    if degree is None:
        found.append(Features(dim, degrees[0], policy.surrogate_ridges))
    return [one for one in found if one.count <= policy.surrogate_features]


def acceptance(errors: np.ndarray) -> float:
    """E min(w(x), w(y)), by errors e (n,) of the surrogate at draws: how often ends of long paths would be accepted."""
    weights = np.exp(errors.min() - errors)
    weights = np.sort(weights / weights.mean())
    # of each, how many pairs of two it is the smaller one of
    return float(weights @ (2 * np.arange(len(weights), 0, -1) - 1)) / len(weights) ** 2


class _Choice(NamedTuple):
    """Features, the ridge that they are fitted with, and what is predicted of them, which is also scored."""

    score: float
    features: Features
    ridge: float
    predicted: float


class _Whitened(NamedTuple):
    """Points in whitened coordinates (n, d), the jets of what is left to learn (n, d + 1), and which are draws (n,)."""

    white: np.ndarray
    jets: np.ndarray
    drawn: np.ndarray


def fit(
    points: Window, draws: Window, metric: LinearMap, mean: np.ndarray, policy: Policy, degree: int | None = None
) -> Fitted | None:
    """Learn a surrogate from points, the oldest first, some of which are draws of the chain; None from too few.

    Parameters
    ----------
    points, draws : Window
    metric : LinearMap
        L.
    mean : ndarray of shape (d,)
        μ.
    policy : Policy
    degree : int, optional
        Of the polynomial, where that is asked for.
    """
    dim = mean.size
    factor = lower(metric.apply(np.eye(dim)).T)
    known = _whitened(points, draws, factor, mean, policy)
    held = (np.arange(len(known.white)) // _STRETCH) % _OF == _OF - 1
    test = held & known.drawn
    if test.sum() < policy.surrogate_tests:  # points of trajectories are spread much as draws are
        test = held
    if test.sum() < policy.surrogate_tests:
        return None
    best: _Choice | None = None
    sums = _Sums(known, held)
    for features in candidates(dim, policy, degree):
        if features.count * policy.surrogate_equations > (~held).sum() * (dim + 1):
            continue
        jets_of_test = features.jets(known.white[test])[:, :, 0]
        for ridge, coefficients in sums.solutions(features, policy.surrogate_ridge, of_all=False):
            predicted = acceptance(known.jets[test, 0] - coefficients @ jets_of_test)
            found = _Choice(predicted - policy.surrogate_price * features.count, features, ridge, predicted)
            if best is None or found.score > best.score:
                best = found
        if best is not None and best.predicted > policy.surrogate_enough:
            break
    if best is None:
        return None
    ((_, coefficients),) = sums.solutions(best.features, (best.ridge,), of_all=True)
    heights = coefficients[1:] @ best.features.jets(known.white)[1:, :, 0]
    radius = policy.surrogate_radius * np.sqrt((known.white**2).sum(axis=1).max())
    slope = min(radius, (dim - 1) / radius + policy.surrogate_tail)  # of r ↦ r^(d-1) exp(-E(r)), the radial density
    limits = np.array([radius, slope, heights.min() - policy.surrogate_slack, heights.max() + policy.surrogate_slack])
    density = LearnedDensity(best.features, mean.copy(), factor, coefficients, limits)
    return Fitted(density, best.predicted, len(known.white))


def _whitened(points: Window, draws: Window, factor: np.ndarray, mean: np.ndarray, policy: Policy) -> _Whitened:
    """Those of the points that are near enough to draws, the latest ones."""
    positions, gradients, values = points.draws, points.gradients, points.log_density
    finite = np.isfinite(values) & np.isfinite(positions).all(axis=1) & np.isfinite(gradients).all(axis=1)
    positions, gradients, values = positions[finite], gradients[finite], values[finite]
    with np.errstate(over="ignore", invalid="ignore"):
        white = np.linalg.solve(factor, (positions - mean).T).T
        squares = (white**2).sum(axis=1)
        jets = np.column_stack([values + 0.5 * squares, gradients @ factor + white])
    places = {place.tobytes() for place in draws.draws}
    drawn = np.array([place.tobytes() in places for place in positions], bool)
    if not drawn.any():
        return _Whitened(white[:0], jets[:0], drawn[:0])
    near = squares < policy.surrogate_far * squares[drawn].max()
    near &= values > values[drawn].min() - policy.surrogate_depth - 0.25 * mean.size
    near &= np.isfinite(jets).all(axis=1)
    kept = np.flatnonzero(near)[-policy.surrogate_numbers // (mean.size + 1) :]
    return _Whitened(white[kept], jets[kept], drawn[kept])


class _Sums:
    """The normal equations, of points to fit to and of those that are held out, for any features of one dimension."""

    def __init__(self, known: _Whitened, held: np.ndarray) -> None:
        self._known, self._held = known, held
        self._made: dict[Features, list[tuple[np.ndarray, np.ndarray]]] = {}

    def _of(self, features: Features) -> list[tuple[np.ndarray, np.ndarray]]:
        if features not in self._made:
            size, found = features.count + 1, []
            for which in (~self._held, self._held):
                matrix, side = np.zeros((size, size)), np.zeros(size)
                places = np.flatnonzero(which)
                for first in range(0, len(places), _CHUNK):
                    some = places[first : first + _CHUNK]
                    jets = features.jets(self._known.white[some]).reshape(size, -1)
                    matrix += jets @ jets.T
                    side += jets @ self._known.jets[some].ravel()
                found.append((matrix, side))
            self._made[features] = found
        return self._made[features]

    def solutions(
        self, features: Features, ridges: tuple[float, ...], *, of_all: bool
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Coefficients by so much of a ridge each, from the points to fit to or from all of them."""
        from scipy.linalg import lapack  # slow to import

        parts = self._of(features)
        matrix, side = (sum(part) for part in zip(*parts, strict=True)) if of_all else parts[0]
        scale = np.sqrt(np.diag(matrix))
        scale = np.where(scale > 0, scale, 1.0)
        matrix = matrix / np.outer(scale, scale)
        for ridge in ridges:
            lifted = matrix.copy()
            lifted.flat[:: len(lifted) + 1] += ridge
            _, found, failed = lapack.dposv(lifted, side / scale, lower=1, overwrite_a=1)
            if not failed:
                yield ridge, found / scale
