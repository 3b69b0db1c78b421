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
from ..kernels.scores import BINS, REFUSED, Course, Moments, Plan, Scratch, jumps, lucky_jumps, score, worth

__all__ = [
    "PER_DRAW",
    "Course",
    "Memory",
    "Moments",
    "Offer",
    "Shape",
    "compile_scores",
    "fold",
    "gaps",
    "longest_rest",
    "lost",
    "moments",
    "offers",
    "realised",
    "shape",
    "spread",
    "surplus",
    "worth",
]

PER_DRAW = 0.7
"""Gradients that a draw is taken to cost beyond its own."""
_MOST_REPEATS = 4.0  # trajectories of one draw


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

    count, dim = slope.shape
    white, slope = white - white.mean(axis=0), slope - slope.mean(axis=0)
    square = white * white
    squares = np.array([square.sum(axis=1), (slope * slope).sum(axis=1)])
    size = math.sqrt(float(squares.sum(axis=1).prod())) / dim
    if not 0 < size < math.inf:
        return Shape(math.inf, math.inf, -1.0, math.inf)
    ordered = np.sort(squares, axis=1)
    tail = float(np.max(ordered[:, round(0.95 * (count - 1))] / ordered[:, (count - 1) // 2]))
    tail /= float(chdtri(dim, 0.05) / chdtri(dim, 0.5))
    variance = square.mean(axis=0)
    moving = variance > 0
    peak = float(np.max((square * square).mean(axis=0)[moving] / variance[moving] ** 2))
    sizes = squares - squares.mean(axis=1, keepdims=True)
    spreads = math.sqrt(float((sizes**2).sum(axis=1).prod()))
    pull = float(sizes[0] @ sizes[1]) / spreads if spreads > 0 else 0.0
    rest = white + slope
    distance = float(np.linalg.eigvalsh(rest.T @ rest if dim <= count else rest @ rest.T)[-1])
    return Shape(distance / size, tail, pull, peak)


def lost(memory: Memory, repeats: int = 1) -> float:
    """The share of trajectories that came to nothing, as mean acceptances over the `repeats` of each draw tell it."""
    return float((memory.accept < 1 - (1 - REFUSED) / repeats).mean()) / repeats


def spread(count: int, number: int) -> np.ndarray:
    """Places of `number` of `count` things, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, number)).round().astype(int))


def fold(positions: np.ndarray, density: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The functions that are looked at: each coordinate, its squared deviation, the log-density; (..., 2 m + 1)."""
    return np.concatenate([positions, (positions - mean) ** 2, density[..., None]], axis=-1)


def realised(memory: Memory, columns: np.ndarray) -> float:
    """Effective draws per draw of a chain, by the autocorrelations of its draws.

    Pairs of neighbouring autocorrelations are summed while they are positive, and none counts more than the one before.
    """
    draws = memory.draws[:, columns]
    values = np.ascontiguousarray(fold(draws, memory.density, draws.mean(axis=0)).T)
    sd = values.std(axis=1)
    moving = sd > 0
    values = (values[moving] - values[moving].mean(axis=1, keepdims=True)) / sd[moving, None]
    count = values.shape[1]
    size = count + count // 2  # so that correlations, which are circular, are exact for lags below half of the draws
    rho = np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:, : count // 4 * 2] / count
    pairs = rho[:, 0::2] + rho[:, 1::2]
    falling = np.where(np.logical_and.accumulate(pairs > 0, axis=1), np.minimum.accumulate(pairs, axis=1), 0.0)
    return float(worth(2 * falling.sum(axis=1) - 1))


def longest_rest(draws: np.ndarray) -> int:
    """The most draws in a row that stayed where the one before was."""
    moves = np.flatnonzero(np.concatenate([[True], (np.diff(draws, axis=0) != 0).any(axis=1), [True]]))
    return int(np.diff(moves).max()) - 1


def moments(memory: Memory, columns: np.ndarray, centre: np.ndarray | None = None) -> Moments:
    """What is known of the remembered draws, at `columns`; `powers` are about `centre` (m,), or about the mean."""
    draws = memory.draws[:, columns]
    mean = draws.mean(axis=0)
    centre = mean if centre is None else np.ascontiguousarray(centre)
    away = draws - centre
    square = away * away
    powers = np.stack([power.mean(axis=0) for power in (away, square, square * away, square * square)])
    return Moments(mean, fold(draws, memory.density, mean).var(axis=0), centre, powers)


def compile_scores() -> None:
    """Load or compile what scores test trajectories, by scoring none."""
    none, one = np.zeros((0, 1)), np.ones(1)
    course = Course(none, none[:, 0].copy(), none[:, None].copy(), none, none, none[:, 0].copy(), np.zeros(0, np.int64))
    moving = Moments(one, np.ones(3), one, np.ones((4, 1)))
    offers(course, gaps(course, moving), surplus(course, moving, none, one), 1.0, 1, [1.0], [0.3])
    worth(one)  # for `realised`: a part of `score`, it is not there by itself where that comes from the cache


# Kernels are compiled anew for arrays of another layout, so all that they are given is contiguous.


def gaps(course: Course, known: Moments) -> np.ndarray:
    """Return a (f(q_k) - f(q_0))² / (2 Var f) of each trajectory, step and function, (n, k, F)."""
    found = np.empty((*course.errors.shape, known.variance.size))
    jumps(course, known, found)
    return _of_moving(found, known)


def surplus(course: Course, known: Moments, reach: np.ndarray, reach_variance: np.ndarray) -> np.ndarray:
    r"""What the same trajectories would have got on the fitted Gaussian by chance alone, (n, k, F).

    There the way from q with the momentum r leads to :math:`\mu + \cos t\,(q - \mu) + \sin t\,L r`, so the mean square
    of a jump over all momenta and over all remembered draws is known, and what these few got beyond it is luck.  Where
    the target is nearly Gaussian the real trajectories had the same luck, and it can be taken off.  `known` has moments
    about μ, `reach` (n, m) is L r, and `reach_variance` the diagonal of L Lᵀ, at the same columns.
    """
    found = np.empty((*course.errors.shape, known.variance.size))
    lucky_jumps(course, known, np.ascontiguousarray(reach), np.ascontiguousarray(reach_variance), found)
    return _of_moving(found, known)


def _of_moving(values: np.ndarray, known: Moments) -> np.ndarray:
    """Of the functions that ever varied."""
    moving = known.variance > 0
    return values if moving.all() else np.ascontiguousarray(values[..., moving])


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
    paths = np.array([(time, jitter) for time in times for jitter in jitters]).reshape(-1, 2)
    found = np.empty((len(paths), 4))
    plan = Plan(float(step_size), float(stages), float(wanted), PER_DRAW, _MOST_REPEATS)
    functions, points = gap.shape[2], course.errors.shape
    scratch = Scratch(np.empty(functions), np.empty(functions), np.empty(points, np.int64), np.empty(BINS, np.int64))
    score(course, gap, np.empty((0, 0, 0)) if luck is None else luck, paths, plan, scratch, found)
    return [
        Offer(value, time, jitter, accept, lost, int(repeats))
        for (time, jitter), (value, accept, lost, repeats) in zip(paths.tolist(), found.tolist(), strict=True)
        if repeats
    ]
