r"""Scores of path lengths by test trajectories, in loops: late in warm-up every chain scores hundreds of paths.

Squared jumps
-------------
In a stationary chain :math:`\mathrm E[(f(q_1) - f(q_0))^2] = 2\,\mathrm{Var}f\,(1 - \rho_1)` for any function f, so
mean squared jumps tell autocorrelations [1]_.  A jump counts with the probability that it is accepted.

Control variates
----------------
On the Gaussian :math:`N(\mu, L L^\top)` the path of time t from q with the momentum r is known.  In one coordinate,
with x = q - μ, c = cos t and w = sin t (L r), it leads from μ + x to μ + c x + w, and w is normal with variance
:math:`v = \sin^2 t\,(L L^\top)_{jj}`, whatever x is.  So the squared jump of the coordinate and its mean over momenta
and over remembered draws, with moments :math:`m_k` of x, are

.. math:: J = (c - 1)\,x + w, \qquad \mathrm E J^2 = (c - 1)^2 m_2 + v,

and of the squared deviation from the mean m of the draws, with δ = μ - m,

.. math::
    D &= (c x + \delta + w)^2 - (x + \delta)^2 = J\,\big((c + 1)\,x + w + 2\delta\big)
       = B + 2 w (c x + \delta) + w^2, \\
    B &= (c - 1)\,x\,\big((c + 1)\,x + 2\delta\big), \\
    \mathrm E D^2 &= \mathrm E B^2 + 2 v\,\mathrm E B + 4 v\,\mathrm E(c x + \delta)^2 + 3 v^2,

since odd moments of w vanish and its fourth is 3 v².  The differences :math:`J^2 - \mathrm E J^2` and
:math:`D^2 - \mathrm E D^2` have mean zero.  Averages over few test trajectories are off by chance, and on a nearly
Gaussian target nearly as much as those of the squared jumps that were seen: so the differences are control variates
[2]_ of these, and are subtracted by regression.

References
----------
.. [1] C. Pasarica, A. Gelman (2010). Adaptively scaling the Metropolis algorithm using expected squared jumped
   distance. Statistica Sinica 20, 343-364.
.. [2] A. B. Owen (2013). Monte Carlo theory, methods and examples, section 8.9.
"""

from typing import NamedTuple

import numpy as np

from .compile import helper, kernel

__all__ = [
    "BINS",
    "REFUSED",
    "Costs",
    "Moments",
    "Scratch",
    "TestPaths",
    "control_variates",
    "effective_fraction",
    "mean_steps",
    "score",
    "squared_jumps",
]

BINS = 5
"""Parts of the range of times of a jittered path, all of which must have been seen."""
REFUSED = 0.1
"""An acceptance as small as this one: the trajectory was lost."""
_SEEN_TWICE = 2  # points at least of each part
_SOFTNESS = 4.0  # exponent of the mean over functions: the worst ones count most, but no noisy one counts alone
LEAST_TIME = 0.8  # the least autocorrelation time, in draws, of a function whose successive values are antithetic
_LENGTHS = 41  # of a jittered path, that steps are counted for
_LEAST_STAY, _MOST_STAY = -0.999, 1 - 1e-6  # autocorrelations


class TestPaths(NamedTuple):
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


class Moments(NamedTuple):
    """Of remembered draws: their `mean` (m,), and the `variance` of all functions that are looked at, (2 m + 1,).

    These are each coordinate, its squared deviation from the mean, and the log-density.  `powers` (4, m) are the means
    of x, x², x³ and x⁴, where x is the deviation from `centre` (m,).
    """

    mean: np.ndarray
    variance: np.ndarray
    centre: np.ndarray
    powers: np.ndarray


class Costs(NamedTuple):
    """How paths are made, and what they cost in gradients.

    A step of size `step_size` takes `stages` gradients.  Of short paths as many make a draw as come nearest to the
    gradients `wanted`, at most `most_repeats`; and a draw costs `per_draw` gradients beyond its own.
    """

    step_size: float
    stages: float
    wanted: float
    per_draw: float
    most_repeats: float


class Scratch(NamedTuple):
    """Memory for the `score` of a path: over functions (F,), over points (n, k), and over ``BINS`` parts."""

    mean: np.ndarray
    excess: np.ndarray
    parts: np.ndarray
    seen: np.ndarray


@kernel
def effective_fraction(times: np.ndarray) -> float:
    """Effective draws per draw, from the autocorrelation times (F,) of all functions: a soft minimum over them."""
    largest = 0.0
    for f in range(times.size):
        largest = max(largest, times[f], LEAST_TIME)
    if not 0 < largest < np.inf:
        return 0.0
    total = 0.0
    for f in range(times.size):
        total += (max(times[f], LEAST_TIME) / largest) ** _SOFTNESS
    return (total / times.size) ** (-1 / _SOFTNESS) / largest if total < np.inf else 0.0  # NaN is nothing, too


@kernel
def mean_steps(time: float, jitter: float, step_size: float) -> float:
    """Mean number of steps ``ceil(t / step_size)`` over the times t of a jittered path."""
    total = 0.0
    for i in range(_LENGTHS):
        length = time * (1 + jitter * (2 * i / (_LENGTHS - 1) - 1))
        total += max(1.0, np.ceil(length / step_size - 1e-9))
    return total / _LENGTHS


@kernel
def squared_jumps(paths: TestPaths, moments: Moments, out: np.ndarray) -> None:
    """Write a (f(q_k) - f(q_0))² / (2 Var f) of each trajectory, step and function to `out` (n, k, 2 m + 1).

    For functions that never varied, and for steps that were never taken, it is zero.
    """
    width, variance = moments.mean.size, moments.variance
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            accept = np.exp(-max(paths.errors[i, k], 0.0))
            for f in range(out.shape[2]):
                out[i, k, f] = 0.0
                if not (accept > 0 and variance[f] > 0):
                    continue
                if f == 2 * width:
                    jump = paths.after[i, k] - paths.before[i]
                else:
                    j = f % width
                    here, there = paths.starts[i, j], paths.positions[i, k, j]
                    jump = there - here
                    if f >= width:
                        jump *= there + here - 2 * moments.mean[j]
                out[i, k, f] = accept * jump * jump / (2 * variance[f])


@kernel
def control_variates(
    paths: TestPaths, moments: Moments, reach: np.ndarray, reach_variance: np.ndarray, out: np.ndarray
) -> None:
    """Write the control variates of the squared jumps to `out`, in their form.

    `reach` (n, m) is L r of each trajectory, `reach_variance` (m,) the diagonal of L Lᵀ, and μ the centre of the
    moments.  There is none for the log-density.
    """
    width, variance = moments.mean.size, moments.variance
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            time = (k + 1) * paths.sizes[i]
            c, s = np.cos(time), np.sin(time)
            out[i, k, 2 * width] = 0.0
            for j in range(width):
                # x, w, v and δ as above; `linear` is J, `square` is D, and `base`, `base2` the means of B and B²
                away, way, v = paths.starts[i, j] - moments.centre[j], s * reach[i, j], s * s * reach_variance[j]
                delta = moments.centre[j] - moments.mean[j]
                m1, m2, m3, m4 = moments.powers[0, j], moments.powers[1, j], moments.powers[2, j], moments.powers[3, j]
                linear = (c - 1) * away + way
                square = linear * ((c + 1) * away + way + 2 * delta)
                base = (c * c - 1) * m2 + 2 * delta * (c - 1) * m1
                base2 = (c - 1) ** 2 * ((c + 1) ** 2 * m4 + 4 * delta * (c + 1) * m3 + 4 * delta * delta * m2)
                both = 4 * v * (c * c * m2 + 2 * c * delta * m1 + delta * delta)
                excess = linear * linear - (c - 1) ** 2 * m2 - v
                out[i, k, j] = excess / (2 * variance[j]) if variance[j] > 0 else 0.0
                f, excess = width + j, square * square - base2 - 2 * base * v - both - 3 * v * v
                out[i, k, f] = excess / (2 * variance[f]) if variance[f] > 0 else 0.0


@helper
def _part(paths: TestPaths, i: int, k: int, step_size: float, time: float, jitter: float) -> int:
    """The part of the times of a path that step k + 1 of trajectory i stands for, -1 for none.

    A path of time t takes ceil(t / ε) equal steps, so a point k steps on stands for it if they are of that length.
    """
    size = paths.sizes[i]
    if k >= paths.counts[i] or not size / step_size > min(k / (k + 1), 0.75):
        return -1
    place = ((k + 1) * size / time - (1 - jitter)) / (2 * jitter) * BINS
    return min(int(place), BINS - 1) if 0 <= place <= BINS else -1


@helper
def _covered(
    paths: TestPaths, step_size: float, time: float, jitter: float, parts: np.ndarray, seen: np.ndarray
) -> bool:
    """Find the part of each point, and count those of each; whether there are enough, and none diverged."""
    seen[:] = 0
    for i in range(parts.shape[0]):
        for k in range(parts.shape[1]):
            part = _part(paths, i, k, step_size, time, jitter)
            parts[i, k] = part
            if part >= 0:
                seen[part] += 1
                if not paths.errors[i, k] < np.inf:
                    return False
    for part in range(BINS):
        if seen[part] < _SEEN_TWICE:
            return False
    return True


@kernel
def score(
    paths: TestPaths,
    jumps: np.ndarray,
    variates: np.ndarray,
    lengths: np.ndarray,
    costs: Costs,
    scratch: Scratch,
    out: np.ndarray,
) -> None:
    """Write the efficiency, acceptance, fraction of lost trajectories and repeats of path lengths to `out` (O, 4).

    `lengths` (O, 2) are times and jitters.  `jumps` and `variates` are (n, k, F), the latter empty where there are no
    control variates.  Where nothing is known of a path length, all is zero.
    """
    mean, excess, seen = scratch.mean, scratch.excess, scratch.seen
    for o in range(lengths.shape[0]):
        time, jitter = lengths[o, 0], lengths[o, 1]
        out[o, :] = 0.0
        if not _covered(paths, costs.step_size, time, jitter, scratch.parts, seen):
            continue
        mean[:] = 0.0
        excess[:] = 0.0
        accepted, lost, common, spread_out = 0.0, 0.0, 0.0, 0.0
        for i in range(jumps.shape[0]):
            for k in range(jumps.shape[1]):
                part = scratch.parts[i, k]
                if part < 0:
                    continue
                weight = 1 / (seen[part] * BINS)
                accept = np.exp(-max(paths.errors[i, k], 0.0))
                accepted += weight * accept
                lost += weight if accept < REFUSED else 0.0
                for f in range(mean.size):
                    mean[f] += weight * jumps[i, k, f]
                if variates.size:
                    for f in range(mean.size):
                        excess[f] += weight * variates[i, k, f]
                        common += weight * jumps[i, k, f] * variates[i, k, f]
                        spread_out += weight * variates[i, k, f] ** 2
        for f in range(mean.size):
            common -= mean[f] * excess[f]
            spread_out -= excess[f] ** 2
        # what regression of the jumps on the control variates explains is taken off
        slope = min(max(common / spread_out, 0.0), 1.0) if spread_out > 0 else 0.0
        gradients = mean_steps(time, jitter, costs.step_size) * costs.stages
        repeats = min(max(np.round(costs.wanted / gradients), 1.0), costs.most_repeats)
        for f in range(mean.size):
            stay = min(max(1 - mean[f] + slope * excess[f], _LEAST_STAY), _MOST_STAY) ** repeats
            mean[f] = (1 + stay) / (1 - stay)
        out[o, 0] = effective_fraction(mean) / (gradients * repeats + costs.per_draw)
        out[o, 1], out[o, 2], out[o, 3] = accepted, lost, repeats
