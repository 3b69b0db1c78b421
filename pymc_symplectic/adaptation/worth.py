r"""What a gradient is worth: effective draws per gradient, of draws that were made and of trajectories that were tried.

A trajectory of time T from a draw :math:`q_0` with a fresh momentum ends at :math:`q_T` with energy error ΔH, and is
accepted with probability :math:`a = \min(1, e^{-\Delta H})`.  Had the chain moved so, any function f of the position
would have the autocorrelation

.. math:: 1 - \rho_1(f) = \frac{\mathrm E\,[a\,(f(q_T) - f(q_0))^2]}{2\,\mathrm{Var} f},

and one draw would be worth :math:`(1 - \rho_1) / (1 + \rho_1)` independent ones, at most.  One trajectory passes
through the ends of all shorter ones, so a few of them tell the worth of every path length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.adapt import ACCEPT, DENSITY, DIVERGED, STEPS, Learning

__all__ = [
    "PER_DRAW",
    "Course",
    "Memory",
    "Offer",
    "Shape",
    "fold",
    "gaps",
    "longest_rest",
    "lost",
    "mean_steps",
    "offers",
    "realised",
    "shape",
    "spread",
    "surplus",
    "worth",
]

_SOFTNESS = 4.0  # exponent of the mean over functions: the worst ones count most, but no noisy one counts alone
_LEAST_TIME = 0.8  # draws that one is worth of a function whose successive values are antithetic, inverted
_BINS = 5  # parts of the range of times of a jittered path, all of which must have been seen
_REFUSED = 0.1  # an acceptance as small as this one: the trajectory was lost
PER_DRAW = 0.7
"""Gradients that a draw is taken to cost beyond its own."""
_MOST_REPEATS = 4  # trajectories of one draw


class Memory(NamedTuple):
    """Successive draws (n, d) with their gradients; log-density, steps, acceptance and divergence of each, (n,)."""

    draws: np.ndarray
    gradients: np.ndarray
    density: np.ndarray
    steps: np.ndarray
    accept: np.ndarray
    diverged: np.ndarray

    @classmethod
    def of(cls, learning: Learning) -> Memory:
        """What `learning` remembers, the oldest draw first."""
        count, room = int(learning.counters[1]), len(learning.draws)
        order = np.arange(max(0, count - room), count) % max(1, room)
        outcomes = learning.outcomes[order].T
        return cls(learning.draws[order], learning.gradients[order], *outcomes[[DENSITY, STEPS, ACCEPT, DIVERGED]])


class Course(NamedTuple):
    """Test trajectories: `starts` (n, m), and `positions` (n, k, m) and `errors` (n, k) after each step.

    The log-densities are `before` (n,) and `after` (n, k).  Steps are of size `sizes` (n,), none above the step size
    that is tried, and ``counts[i]`` of them were asked for.  An error is infinite from the step on that diverges.
    """

    starts: np.ndarray
    before: np.ndarray
    positions: np.ndarray
    after: np.ndarray
    errors: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray


class Offer(NamedTuple):
    """What a path length promises: effective draws per gradient, its acceptance, and the share of lost trajectories.

    `repeats` of them make a draw.
    """

    value: float
    time: float
    jitter: float
    accept: float
    lost: float
    repeats: int


class Shape(NamedTuple):
    """How little a Gaussian fits: 0, 1, some positive number and 3 where it does.

    `distance` is the largest variance of z + g in any direction, over the mean one of z and of g: of what is left of
    the force, where it is left most.  `tail` is the 95 % quantile of |z|² or |g|² over its median, over the same ratio
    of a chi-squared variable.  `pull` is the correlation of |z|² and |g|²: where it is negative, the force fades far
    out, or is strongest in a narrow neck.  `peak` is the largest kurtosis of any coordinate.
    """

    distance: float
    tail: float
    pull: float
    peak: float


def shape(white: np.ndarray, slope: np.ndarray) -> Shape:
    """Compare whitened draws z and gradients g, (n, d) both, with those of a Gaussian."""
    from scipy.special import chdtri  # slow to import

    dim = slope.shape[1]
    white, slope = white - white.mean(axis=0), slope - slope.mean(axis=0)
    squares = np.array([(white**2).sum(axis=1), (slope**2).sum(axis=1)])
    size = math.sqrt(float(squares.sum(axis=1).prod())) / dim
    if not 0 < size < math.inf:
        return Shape(math.inf, math.inf, -1.0, math.inf)
    far, usual = np.quantile(squares, [0.95, 0.5], axis=1)
    tail = float(np.max(far / usual)) / float(chdtri(dim, 0.05) / chdtri(dim, 0.5))
    variance = (white**2).mean(axis=0)
    moving = variance > 0
    peak = float(np.max((white**4).mean(axis=0)[moving] / variance[moving] ** 2))
    sizes = squares - squares.mean(axis=1, keepdims=True)
    spreads = math.sqrt(float((sizes**2).sum(axis=1).prod()))
    pull = float(sizes[0] @ sizes[1]) / spreads if spreads > 0 else 0.0
    return Shape(float(np.linalg.norm(white + slope, 2)) ** 2 / size, tail, pull, peak)


def lost(memory: Memory, repeats: int = 1) -> float:
    """The share of trajectories that came to nothing, as mean acceptances over the `repeats` of each draw tell it."""
    return float((memory.accept < 1 - (1 - _REFUSED) / repeats).mean()) / repeats


def spread(count: int, number: int) -> np.ndarray:
    """Places of `number` of `count` things, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, number)).round().astype(int))


def fold(positions: np.ndarray, density: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The functions that are looked at: each coordinate, its squared deviation, the log-density; (..., 2 m + 1)."""
    return np.concatenate([positions, (positions - mean) ** 2, density[..., None]], axis=-1)


def worth(times: np.ndarray) -> np.ndarray:
    """Effective draws per draw, from the autocorrelation times (..., F) of all functions: a soft minimum over them."""
    if not times.shape[-1]:
        return np.zeros(times.shape[:-1])
    times = np.maximum(times, _LEAST_TIME)
    largest = times.max(axis=-1)
    known = np.isfinite(largest)
    largest = np.where(known, largest, 1.0)
    shares = np.where(known[..., None], times, 1.0) / largest[..., None]
    return np.where(known, np.mean(shares**_SOFTNESS, axis=-1) ** (-1 / _SOFTNESS) / largest, 0.0)


def realised(memory: Memory, columns: np.ndarray) -> float:
    """Effective draws per draw of a chain, by the autocorrelations of its draws.

    Pairs of neighbouring autocorrelations are summed while they are positive, and none counts more than the one before.
    """
    draws = memory.draws[:, columns]
    values = fold(draws, memory.density, draws.mean(axis=0))
    sd = values.std(axis=0)
    moving = sd > 0
    values = (values[:, moving] - values[:, moving].mean(axis=0)) / sd[moving]
    count = len(values)
    size = 2 ** math.ceil(math.log2(2 * count))
    rho = np.fft.irfft(np.abs(np.fft.rfft(values, size, axis=0)) ** 2, size, axis=0)[: count // 4 * 2] / count
    pairs = rho[0::2] + rho[1::2]
    falling = np.where(np.logical_and.accumulate(pairs > 0, axis=0), np.minimum.accumulate(pairs, axis=0), 0.0)
    return float(worth(2 * falling.sum(axis=0) - 1))


def longest_rest(draws: np.ndarray) -> int:
    """The most draws in a row that stayed where the one before was."""
    moves = np.flatnonzero(np.concatenate([[True], (np.diff(draws, axis=0) != 0).any(axis=1), [True]]))
    return int(np.diff(moves).max()) - 1


def mean_steps(times: np.ndarray, jitters: np.ndarray, step_size: float) -> np.ndarray:
    """Mean number of steps ``ceil(t / step_size)`` over the times t of jittered paths (O,)."""
    lengths = times[:, None] * (1 + jitters[:, None] * np.linspace(-1, 1, 41))
    return np.maximum(1, np.ceil(lengths / step_size - 1e-9)).mean(axis=1)


def gaps(course: Course, memory: Memory, columns: np.ndarray) -> np.ndarray:
    """Return a (f(q_k) - f(q_0))² / (2 Var f) of each trajectory, step and function, (n, k, F)."""
    draws = memory.draws[:, columns]
    mean = draws.mean(axis=0)
    variance = fold(draws, memory.density, mean).var(axis=0)
    jump = fold(course.positions, course.after, mean) - fold(course.starts, course.before, mean)[:, None]
    accept = np.exp(-np.maximum(course.errors, 0.0))[..., None]
    return _share(np.where(accept > 0, accept * jump**2, 0.0), variance)


def surplus(
    course: Course, memory: Memory, columns: np.ndarray, centre: np.ndarray, reach: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    r"""What the same trajectories would have got on the fitted Gaussian by chance alone, (n, k, F).

    There the way from q with the momentum r leads to :math:`\mu + \cos t\,(q - \mu) + \sin t\,L r`, so the mean square
    of a jump over all momenta and over all remembered draws is known, and what these few got beyond it is luck.  Where
    the target is nearly Gaussian the real trajectories had the same luck, and it can be taken off.  `centre` is μ,
    `reach` (n, m) is L r, and `variance` the diagonal of L Lᵀ, at `columns`.  Of the log-density, nothing is known.
    """
    draws = memory.draws[:, columns]
    mean = draws.mean(axis=0)
    scales = fold(draws, memory.density, mean).var(axis=0)
    time = np.arange(1, course.errors.shape[1] + 1) * course.sizes[:, None]
    c, s = np.cos(time)[..., None], np.sin(time)[..., None]
    away = course.starts[:, None] - centre
    there = centre + c * away + s * reach[:, None]
    luck = fold(there, course.after, mean) - fold(course.starts, course.before, mean)[:, None]
    # moments of x = q - μ over the memory; with δ = μ - m, m the mean, the new deviation from m is c x + δ + s w
    x, delta, v = draws - centre, centre - mean, s**2 * variance
    x2 = x * x
    m1, m2, m3, m4 = (power.mean(axis=0) for power in (x, x2, x2 * x, x2 * x2))
    linear = (c - 1) ** 2 * m2 + v
    base = (c**2 - 1) * m2 + 2 * delta * (c - 1) * m1
    base2 = (c - 1) ** 2 * ((c + 1) ** 2 * m4 + 4 * delta * (c + 1) * m3 + 4 * delta**2 * m2)
    square = base2 + 2 * base * v + 4 * v * (c**2 * m2 + 2 * c * delta * m1 + delta**2) + 3 * v**2
    expected = np.concatenate([linear, square, np.zeros((*c.shape[:2], 1))], axis=-1)
    luck[..., -1] = 0.0
    return _share(luck**2 - expected, scales)


def _share(squares: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Over twice the variance; what never varied is left out."""
    moving = variance > 0
    if not moving.all():
        squares, variance = squares[..., moving], variance[moving]
    return squares / (2 * variance)


def _mean_without_luck(gap: np.ndarray, luck: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    """Weighted means of gaps (m, F), one for each row of weights (O, m), less what regression on the luck explains."""
    mean = weights @ gap
    if luck is None:
        return mean
    excess = weights @ luck
    common = weights @ (gap * luck).sum(axis=1) - (mean * excess).sum(axis=1)
    spread_out = weights @ (luck**2).sum(axis=1) - (excess**2).sum(axis=1)
    known = spread_out > 0
    slope = np.where(known, np.clip(common / np.where(known, spread_out, 1.0), 0.0, 1.0), 0.0)
    return mean - slope[:, None] * excess


def offers(
    course: Course,
    gap: np.ndarray,
    luck: np.ndarray | None,
    step_size: float,
    stages: int,
    times: Sequence[float],
    jitters: Sequence[float],
    wanted: float = 0.0,
) -> list[Offer]:
    """What each path length that the course covers is worth; nothing of those that look dangerous.

    Of short paths, as many make a draw as come nearest to the gradients that are `wanted` for one.
    """
    step = np.arange(1, course.errors.shape[1] + 1)
    # A path of time t takes ceil(t / ε) equal steps, so a point k steps on stands for it if they are of that length.
    share = course.sizes[:, None] / step_size
    stands = (step <= course.counts[:, None]) & (share > np.minimum((step - 1) / step, 0.75))
    at, errors, gap = (step * course.sizes[:, None])[stands], course.errors[stands], gap[stands]
    luck = None if luck is None else luck[stands]
    accept = np.exp(-np.maximum(errors, 0.0))
    time, jitter = (grid.ravel() for grid in np.meshgrid(times, jitters, indexing="ij"))
    # the part of its range of times that each point (m,) falls into, for each path (O,)
    place = (at / time[:, None] - (1 - jitter[:, None])) / (2 * jitter[:, None]) * _BINS
    inside = (place >= 0) & (place <= _BINS)
    part = np.minimum(np.where(inside, place, 0.0).astype(int), _BINS - 1)
    path = np.arange(len(time))[:, None]
    counts = np.bincount((path * _BINS + part)[inside], minlength=len(time) * _BINS).reshape(-1, _BINS)
    covered = (counts >= 2).all(axis=1) & ~(inside & np.isinf(errors)).any(axis=1)
    time, jitter, path = time[covered], jitter[covered], path[covered]
    weights = np.where(inside[covered], 1 / (np.maximum(counts[path, part[covered]], 1) * _BINS), 0.0)
    gradients = mean_steps(time, jitter, step_size) * stages
    repeats = np.clip(np.round(wanted / gradients), 1, _MOST_REPEATS)
    stays = np.clip(1 - _mean_without_luck(gap, luck, weights), -0.999, 1 - 1e-6) ** repeats[:, None]
    value = worth((1 + stays) / (1 - stays)) / (gradients * repeats + PER_DRAW)
    refused = weights @ (accept < _REFUSED)
    columns = value, time, jitter, weights @ accept, refused, repeats.astype(int)
    return [Offer(*offer) for offer in zip(*(column.tolist() for column in columns), strict=True)]
