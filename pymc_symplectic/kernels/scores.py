"""What test trajectories say about path lengths, in loops: late in warm-up every chain scores hundreds of paths."""

from typing import NamedTuple

import numpy as np

from .compile import helper, kernel

__all__ = [
    "BINS",
    "REFUSED",
    "Course",
    "Moments",
    "Plan",
    "Scratch",
    "jumps",
    "lucky_jumps",
    "mean_steps",
    "score",
    "worth",
]

BINS = 5
"""Parts of the range of times of a jittered path, all of which must have been seen."""
REFUSED = 0.1
"""An acceptance as small as this one: the trajectory was lost."""
_SEEN_TWICE = 2  # points at least of each part
_SOFTNESS = 4.0  # exponent of the mean over functions: the worst ones count most, but no noisy one counts alone
_LEAST_TIME = 0.8  # draws that one is worth of a function whose successive values are antithetic, inverted
_LENGTHS = 41  # of a jittered path, that steps are counted for
_LEAST_STAY, _MOST_STAY = -0.999, 1 - 1e-6  # autocorrelations


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


class Moments(NamedTuple):
    """Of remembered draws: their `mean` (m,), and the `variance` of all functions that are looked at, (2 m + 1,).

    These are each coordinate, its squared deviation from the mean, and the log-density.  `powers` (4, m) are the means
    of x, x², x³ and x⁴, where x is the deviation from `centre` (m,).
    """

    mean: np.ndarray
    variance: np.ndarray
    centre: np.ndarray
    powers: np.ndarray


class Plan(NamedTuple):
    """How paths are made, and what they cost.

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
def worth(times: np.ndarray) -> float:
    """Effective draws per draw, from the autocorrelation times (F,) of all functions: a soft minimum over them."""
    largest = 0.0
    for f in range(times.size):
        largest = max(largest, times[f], _LEAST_TIME)
    if not 0 < largest < np.inf:
        return 0.0
    total = 0.0
    for f in range(times.size):
        total += (max(times[f], _LEAST_TIME) / largest) ** _SOFTNESS
    return (total / times.size) ** (-1 / _SOFTNESS) / largest if total < np.inf else 0.0  # NaN is worth nothing either


@kernel
def mean_steps(time: float, jitter: float, step_size: float) -> float:
    """Mean number of steps ``ceil(t / step_size)`` over the times t of a jittered path."""
    total = 0.0
    for i in range(_LENGTHS):
        length = time * (1 + jitter * (2 * i / (_LENGTHS - 1) - 1))
        total += max(1.0, np.ceil(length / step_size - 1e-9))
    return total / _LENGTHS


@kernel
def jumps(course: Course, moments: Moments, gap: np.ndarray) -> None:
    """Write a (f(q_k) - f(q_0))² / (2 Var f) of each trajectory, step and function to `gap` (n, k, 2 m + 1).

    For functions that never varied, and for steps that were never taken, it is zero.
    """
    width, variance = moments.mean.size, moments.variance
    for i in range(gap.shape[0]):
        for k in range(gap.shape[1]):
            accept = np.exp(-max(course.errors[i, k], 0.0))
            for f in range(gap.shape[2]):
                gap[i, k, f] = 0.0
                if not (accept > 0 and variance[f] > 0):
                    continue
                if f == 2 * width:
                    jump = course.after[i, k] - course.before[i]
                else:
                    j = f % width
                    here, there = course.starts[i, j], course.positions[i, k, j]
                    jump = there - here
                    if f >= width:
                        jump *= there + here - 2 * moments.mean[j]
                gap[i, k, f] = accept * jump * jump / (2 * variance[f])


@kernel
def lucky_jumps(
    course: Course, moments: Moments, reach: np.ndarray, reach_variance: np.ndarray, luck: np.ndarray
) -> None:
    """Write what the trajectories would get on the fitted Gaussian by chance alone to `luck`, in the form of `jumps`.

    There the way from q with the momentum r leads to μ + cos t (q - μ) + sin t L r, where `reach` (n, m) is L r and μ
    the centre of the moments.  With `reach_variance` (m,), that of the reach over all momenta, the mean square of a
    jump over momenta and draws is known.  Of the log-density, nothing is.
    """
    width, variance = moments.mean.size, moments.variance
    for i in range(luck.shape[0]):
        for k in range(luck.shape[1]):
            time = (k + 1) * course.sizes[i]
            c, s = np.cos(time), np.sin(time)
            luck[i, k, 2 * width] = 0.0
            for j in range(width):
                # with δ = μ - m, m the mean, the new deviation from m is c x + δ + w, w the reach times s
                away, way, v = course.starts[i, j] - moments.centre[j], s * reach[i, j], s * s * reach_variance[j]
                delta = moments.centre[j] - moments.mean[j]
                m1, m2, m3, m4 = moments.powers[0, j], moments.powers[1, j], moments.powers[2, j], moments.powers[3, j]
                linear = (c - 1) * away + way
                square = linear * ((c + 1) * away + way + 2 * delta)
                base = (c * c - 1) * m2 + 2 * delta * (c - 1) * m1
                base2 = (c - 1) ** 2 * ((c + 1) ** 2 * m4 + 4 * delta * (c + 1) * m3 + 4 * delta * delta * m2)
                both = 4 * v * (c * c * m2 + 2 * c * delta * m1 + delta * delta)
                excess = linear * linear - (c - 1) ** 2 * m2 - v
                luck[i, k, j] = excess / (2 * variance[j]) if variance[j] > 0 else 0.0
                f, excess = width + j, square * square - base2 - 2 * base * v - both - 3 * v * v
                luck[i, k, f] = excess / (2 * variance[f]) if variance[f] > 0 else 0.0


@helper
def _part(course: Course, i: int, k: int, step_size: float, time: float, jitter: float) -> int:
    """The part of the times of a path that step k + 1 of trajectory i stands for, -1 for none.

    A path of time t takes ceil(t / ε) equal steps, so a point k steps on stands for it if they are of that length.
    """
    size = course.sizes[i]
    if k >= course.counts[i] or not size / step_size > min(k / (k + 1), 0.75):
        return -1
    place = ((k + 1) * size / time - (1 - jitter)) / (2 * jitter) * BINS
    return min(int(place), BINS - 1) if 0 <= place <= BINS else -1


@helper
def _covered(course: Course, step_size: float, time: float, jitter: float, parts: np.ndarray, seen: np.ndarray) -> bool:
    """Find the part of each point, and count those of each; whether there are enough, and none diverged."""
    seen[:] = 0
    for i in range(parts.shape[0]):
        for k in range(parts.shape[1]):
            part = _part(course, i, k, step_size, time, jitter)
            parts[i, k] = part
            if part >= 0:
                seen[part] += 1
                if not course.errors[i, k] < np.inf:
                    return False
    for part in range(BINS):
        if seen[part] < _SEEN_TWICE:
            return False
    return True


@kernel
def score(
    course: Course, gap: np.ndarray, luck: np.ndarray, paths: np.ndarray, plan: Plan, scratch: Scratch, out: np.ndarray
) -> None:
    """Write worth, acceptance, share of the lost and repeats of each of `paths` (O, 2), times and jitters, to `out`.

    `gap` and `luck` are (n, k, F), the latter empty where nothing is known of it; `out` is (O, 4), and all zero where
    nothing is known of a path.
    """
    mean, excess, seen = scratch.mean, scratch.excess, scratch.seen
    for o in range(paths.shape[0]):
        time, jitter = paths[o, 0], paths[o, 1]
        out[o, :] = 0.0
        if not _covered(course, plan.step_size, time, jitter, scratch.parts, seen):
            continue
        mean[:] = 0.0
        excess[:] = 0.0
        accepted, lost, common, spread_out = 0.0, 0.0, 0.0, 0.0
        for i in range(gap.shape[0]):
            for k in range(gap.shape[1]):
                part = scratch.parts[i, k]
                if part < 0:
                    continue
                weight = 1 / (seen[part] * BINS)
                accept = np.exp(-max(course.errors[i, k], 0.0))
                accepted += weight * accept
                lost += weight if accept < REFUSED else 0.0
                for f in range(mean.size):
                    mean[f] += weight * gap[i, k, f]
                if luck.size:
                    for f in range(mean.size):
                        excess[f] += weight * luck[i, k, f]
                        common += weight * gap[i, k, f] * luck[i, k, f]
                        spread_out += weight * luck[i, k, f] ** 2
        for f in range(mean.size):
            common -= mean[f] * excess[f]
            spread_out -= excess[f] ** 2
        # what regression of the gaps on the luck explains is taken off
        slope = min(max(common / spread_out, 0.0), 1.0) if spread_out > 0 else 0.0
        gradients = mean_steps(time, jitter, plan.step_size) * plan.stages
        repeats = min(max(np.round(plan.wanted / gradients), 1.0), plan.most_repeats)
        for f in range(mean.size):
            stay = min(max(1 - mean[f] + slope * excess[f], _LEAST_STAY), _MOST_STAY) ** repeats
            mean[f] = (1 + stay) / (1 - stay)
        out[o, 0] = worth(mean) / (gradients * repeats + plan.per_draw)
        out[o, 1], out[o, 2], out[o, 3] = accepted, lost, repeats
