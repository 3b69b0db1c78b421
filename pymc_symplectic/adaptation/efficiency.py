r"""Efficiency: effective draws per gradient, of draws that were made and of test trajectories.

A trajectory of time T from a draw :math:`q_0` with a fresh momentum ends at :math:`q_T` with energy error ΔH, and is
accepted with probability :math:`a = \min(1, e^{-\Delta H})`.  Had the chain moved so, any function f of the position
would have the autocorrelation

.. math:: 1 - \rho_1(f) = \frac{\mathrm E\,[a\,(f(q_T) - f(q_0))^2]}{2\,\mathrm{Var} f},

and an effective sample size of :math:`(1 - \rho_1) / (1 + \rho_1)` per draw, at most.  One trajectory passes
through the ends of all shorter ones, so a few of them give the efficiency of every path length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ..kernels import scores
from ..kernels.scores import BINS, LEAST_TIME, REFUSED, Costs, Moments, Scratch, TestPaths, effective_fraction
from ..window import Window

__all__ = [
    "Gaussianity",
    "PathScore",
    "autocorrelation_times",
    "compile_scores",
    "control_variates",
    "ess_per_draw",
    "fit_of",
    "fraction_lost",
    "functions",
    "gaussianity",
    "longest_stay",
    "moments",
    "path_scores",
    "squared_jumps",
    "typical_ess_per_draw",
]


class PathScore(NamedTuple):
    """The score of a path length: effective draws per gradient, its acceptance, and the fraction of lost trajectories.

    `repeats` of them make a draw.
    """

    efficiency: float
    time: float
    jitter: float
    accept: float
    lost: float
    repeats: int


class Gaussianity(NamedTuple):
    """How far a target is from a Gaussian: 0, 1, some positive number and 3 where it is one.

    `distance` is the largest variance of z + g in any direction, over the mean one of z and of g: of what is left of
    the force, where it is left most.  `tail` is the 95 % quantile of |z|² or |g|² over its median, over the same ratio
    of a chi-squared variable.  `radial_correlation` is that of |z|² and |g|²: where it is negative, the force fades far
    out, or is strongest in a narrow neck.  `kurtosis` is the largest of any coordinate.
    """

    distance: float
    tail: float
    radial_correlation: float
    kurtosis: float


_FEW = 64  # points or dimensions whose covariance is decomposed as a whole


def gaussianity(white: np.ndarray, slope: np.ndarray) -> Gaussianity:
    """Compare whitened draws z and gradients g, (n, d) both, with those of a Gaussian."""
    from scipy.special import chdtri  # slow to import

    count, dim = slope.shape
    white, slope = white - white.mean(axis=0), slope - slope.mean(axis=0)
    if math.isinf(distance := _distance(white, slope)):
        return Gaussianity(math.inf, math.inf, -1.0, math.inf)
    square = white * white
    squares = np.array([square.sum(axis=1), (slope * slope).sum(axis=1)])
    ordered = np.sort(squares, axis=1)
    tail = float(np.max(ordered[:, round(0.95 * (count - 1))] / ordered[:, (count - 1) // 2]))
    tail /= float(chdtri(dim, 0.05) / chdtri(dim, 0.5))
    variance = square.mean(axis=0)
    moving = variance > 0
    kurtosis = float(np.max((square * square).mean(axis=0)[moving] / variance[moving] ** 2))
    sizes = squares - squares.mean(axis=1, keepdims=True)
    spreads = math.sqrt(float((sizes**2).sum(axis=1).prod()))
    correlation = float(sizes[0] @ sizes[1]) / spreads if spreads > 0 else 0.0
    return Gaussianity(distance, tail, correlation, kurtosis)


def fit_of(white: np.ndarray, slope: np.ndarray) -> tuple[float, float]:
    """Of whitened points z and gradients g (n, d): the mean square of z + g, and the `distance` of `Gaussianity`."""
    white, slope = white - white.mean(axis=0), slope - slope.mean(axis=0)
    rest = float(np.vdot(white + slope, white + slope)) / white.size
    return rest if math.isfinite(rest) else math.inf, _distance(white, slope)


def _distance(white: np.ndarray, slope: np.ndarray) -> float:
    count, dim = slope.shape
    size = math.sqrt(float(np.vdot(white, white)) * float(np.vdot(slope, slope))) / dim
    if not 0 < size < math.inf:
        return math.inf
    rest = white + slope
    if min(count, dim) > _FEW:
        from scipy.sparse.linalg import ArpackError, svds  # slow to import

        start = np.ones(min(count, dim))  # the same each time
        with suppress(ArpackError):  # of nothing but zeros, say
            return float(svds(rest, 1, v0=start, tol=1e-3, return_singular_vectors=False)[0]) ** 2 / size
    return float(np.linalg.eigvalsh(rest.T @ rest if dim <= count else rest @ rest.T)[-1]) / size


def fraction_lost(window: Window, repeats: int = 1) -> float:
    """Of trajectories that came to nothing, by mean acceptances over the `repeats` of each draw."""
    return float((window.accept < 1 - (1 - REFUSED) / repeats).mean()) / repeats


def functions(positions: np.ndarray, density: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The functions that are scored: each coordinate, its squared deviation, the log-density; (..., 2 m + 1)."""
    return np.concatenate([positions, (positions - mean) ** 2, density[..., None]], axis=-1)


def autocorrelation_times(window: Window, columns: np.ndarray) -> np.ndarray:
    """Of each of the `functions` of draws at `columns`, the sum of its autocorrelations; NaN where it is constant.

    Pairs of neighbouring autocorrelations are summed while they are positive, and none counts more than the one before:
    the initial monotone sequence estimator [1]_.

    References
    ----------
    .. [1] C. J. Geyer (1992). Practical Markov chain Monte Carlo. Statistical Science 7, 473-483, section 3.3.
    """
    draws = window.draws[:, columns]
    values = np.ascontiguousarray(functions(draws, window.log_density, draws.mean(axis=0)).T)
    sd = values.std(axis=1)
    moving = sd > 0
    times = np.full(len(values), np.nan)
    values = (values[moving] - values[moving].mean(axis=1, keepdims=True)) / sd[moving, None]
    count = values.shape[1]
    size = count + count // 2  # so that correlations, which are circular, are exact for lags below half of the draws
    rho = np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:, : count // 4 * 2] / count
    pairs = rho[:, 0::2] + rho[:, 1::2]
    falling = np.where(np.logical_and.accumulate(pairs > 0, axis=1), np.minimum.accumulate(pairs, axis=1), 0.0)
    times[moving] = 2 * falling.sum(axis=1) - 1
    return times


def ess_per_draw(window: Window, columns: np.ndarray) -> float:
    """Effective draws per draw of a chain, by the autocorrelations of its draws at `columns`."""
    times = autocorrelation_times(window, columns)
    return float(effective_fraction(times[~np.isnan(times)]))


def typical_ess_per_draw(window: Window, columns: np.ndarray) -> float:
    """Effective draws per draw: the geometric mean over coordinates, or over all other functions, if that is less.

    Of few draws it tells more than the least one does, which is that of the unluckiest function.
    """
    with np.errstate(invalid="ignore"):
        ess = -np.log(np.maximum(autocorrelation_times(window, columns), LEAST_TIME))
    groups = [group[~np.isnan(group)] for group in (ess[: len(columns)], ess[len(columns) :])]
    return math.exp(min((float(group.mean()) for group in groups if len(group)), default=-math.inf))


def longest_stay(draws: np.ndarray) -> int:
    """The most draws in a row that stayed where the one before was."""
    moves = np.flatnonzero(np.concatenate([[True], (np.diff(draws, axis=0) != 0).any(axis=1), [True]]))
    return int(np.diff(moves).max()) - 1


def moments(window: Window, columns: np.ndarray, centre: np.ndarray | None = None) -> Moments:
    """Moments of the window's draws, at `columns`; `powers` are about `centre` (m,), or about the mean."""
    draws = window.draws[:, columns]
    mean = draws.mean(axis=0)
    centre = mean if centre is None else np.ascontiguousarray(centre)
    away = draws - centre
    square = away * away
    powers = np.stack([power.mean(axis=0) for power in (away, square, square * away, square * square)])
    return Moments(mean, functions(draws, window.log_density, mean).var(axis=0), centre, powers)


def compile_scores() -> None:
    """Load or compile what scores test trajectories, by scoring none."""
    none, one = np.zeros((0, 1)), np.ones(1)
    paths = TestPaths(none, none[:, 0].copy(), none[:, None].copy(), none, none, none[:, 0].copy(), np.zeros(0, int))
    known = Moments(one, np.ones(3), one, np.ones((4, 1)))
    costs = Costs(1.0, 1.0, 0.0, 1.0, 1.0)
    path_scores(paths, squared_jumps(paths, known), control_variates(paths, known, none, one), costs, [1.0], [0.3])
    # for `ess_per_draw`: a part of `score`, it is not there by itself where that comes from the cache
    effective_fraction(one)


# Kernels are compiled anew for arrays of another layout, so all that they are given is contiguous.


def squared_jumps(paths: TestPaths, known: Moments) -> np.ndarray:
    """Return a (f(q_k) - f(q_0))² / (2 Var f) of each trajectory, step and function, (n, k, F)."""
    found = np.empty((*paths.errors.shape, known.variance.size))
    scores.squared_jumps(paths, known, found)
    return _of_moving(found, known)


def control_variates(paths: TestPaths, known: Moments, reach: np.ndarray, reach_variance: np.ndarray) -> np.ndarray:
    """The squared jumps of the same trajectories on the fitted Gaussian, less their expectation, (n, k, F).

    `known` has moments about μ, `reach` (n, m) is L r, and `reach_variance` the diagonal of L Lᵀ, at the same columns.
    See `pymc_symplectic.kernels.scores` for the equations.
    """
    found = np.empty((*paths.errors.shape, known.variance.size))
    scores.control_variates(paths, known, np.ascontiguousarray(reach), np.ascontiguousarray(reach_variance), found)
    return _of_moving(found, known)


def _of_moving(values: np.ndarray, known: Moments) -> np.ndarray:
    """Of the functions that ever varied."""
    moving = known.variance > 0
    return values if moving.all() else np.ascontiguousarray(values[..., moving])


def path_scores(
    paths: TestPaths,
    jumps: np.ndarray,
    variates: np.ndarray | None,
    costs: Costs,
    times: Sequence[float],
    jitters: Sequence[float],
) -> list[PathScore]:
    """The efficiency of each path length that the trajectories cover; nothing of those that look dangerous.

    Of short paths, as many make a draw as come nearest to the gradients that ``costs.wanted`` asks for.
    """
    lengths = np.array([(time, jitter) for time in times for jitter in jitters]).reshape(-1, 2)
    found = np.empty((len(lengths), 4))
    number, points = jumps.shape[2], paths.errors.shape
    scratch = Scratch(np.empty(number), np.empty(number), np.empty(points, np.int64), np.empty(BINS, np.int64))
    scores.score(paths, jumps, np.empty((0, 0, 0)) if variates is None else variates, lengths, costs, scratch, found)
    return [
        PathScore(efficiency, time, jitter, accept, lost, int(repeats))
        for (time, jitter), (efficiency, accept, lost, repeats) in zip(lengths.tolist(), found.tolist(), strict=True)
        if repeats
    ]
