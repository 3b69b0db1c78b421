r"""The way down to the typical set: quasi-Newton steps up the log-density, which end before they come to its maximum.

A chain that begins far from its typical set spends dozens of trajectories on the way, and what it sees there tells
little of the target.  L-BFGS [1]_ needs a few dozen gradients.  It stops where the Newton decrement
:math:`g^\top H g`, which is twice what the log-density has left to rise were the target a normal, is less than d: that
is the height of the typical set, where the mean of :math:`\tfrac12 |z|^2` is d/2.  Into the neck of a funnel a density
may rise without end, and hardly bends: two steps along which it does so, and by not much more than the height of a
typical set, are taken back, and the way ends before them.

References
----------
.. [1] D. C. Liu, J. Nocedal (1989). On the limited memory BFGS method for large scale optimization. Math. Programming
   45, 503-528.  J. Nocedal, S. Wright (2006). Numerical Optimization, algorithms 7.4 and 7.5.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..metrics.estimate import scale_from_gradient
from ..policy import Policy

__all__ = ["Place", "descend"]


class Place(NamedTuple):
    """A position (d,), the log-density there, and its gradient (d,)."""

    position: np.ndarray
    value: float
    gradient: np.ndarray


Evaluate = Callable[[np.ndarray], Place]
"""The place at a position; its value is -inf where log-density or gradient are not finite."""


class _Curvature:
    """The inverse Hessian that the latest pairs of steps s and falls of the gradient y speak for."""

    def __init__(self, gradient: np.ndarray, memory: int) -> None:
        self._scale: np.ndarray | float = scale_from_gradient(gradient) ** 2
        self._pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
        self._memory = memory

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def take(self, step: np.ndarray, fall: np.ndarray) -> None:
        """Learn from a step, unless the log-density is not concave along it."""
        along, flat = float(step @ fall), 1e-8 * np.linalg.norm(step) * np.linalg.norm(fall)
        if along > flat:
            self._pairs = [*self._pairs, (step, fall, along)][-self._memory :]
            self._scale = along / float(fall @ fall)

    def times(self, gradient: np.ndarray) -> np.ndarray:
        """H g, by the two loops of the method."""
        found, weights = gradient.copy(), []
        for step, fall, along in reversed(self._pairs):
            weights.append(float(step @ found) / along)
            found -= weights[-1] * fall
        found = self._scale * found
        for (step, fall, along), weight in zip(self._pairs, reversed(weights), strict=True):
            found += (weight - float(fall @ found) / along) * step
        return found


def descend(evaluate: Evaluate, start: Place, policy: Policy) -> list[Place]:
    """All places that were seen on the way down, of finite log-density; the last one is where it ended.

    Parameters
    ----------
    evaluate : callable
        Costs a gradient.
    start : Place
    policy : Policy
        Whose `descent` gradients are spent at most.
    """
    here, path, seen, left, refused = start, [start], [start], policy.descent, 0
    curvature, reach, dim = _Curvature(start.gradient, policy.descent_pairs), policy.descent_reach, start.position.size
    while left > 0:
        step = curvature.times(here.gradient)
        decrement = float(here.gradient @ step)
        if curvature and not decrement > 0:
            curvature = _Curvature(here.gradient, policy.descent_pairs)
            continue
        if not decrement > 0 or (curvature and decrement < dim):
            break
        # no parameter is moved far at first, and farther with each step that was still too short
        longest = np.abs(step).max()
        step, capped = step * min(1.0, reach / longest), longest > reach
        there, tried = _better(evaluate, here, step, left)
        seen, left = seen + [place for place in tried if np.isfinite(place.value)], left - len(tried)
        if there is None:
            refused += 1
            if refused > 1:
                break
            curvature = _Curvature(here.gradient, policy.descent_pairs)
            continue
        curvature.take(there.position - here.position, here.gradient - there.gradient)
        path, here, reach = [*path, there], there, reach * (2.0 if capped and there is tried[0] else 1.0)
        if _without_end(path[-3:], policy):
            here = path[-3]
            break
    return [place for place in seen if place is not here] + [here]


def _better(evaluate: Evaluate, here: Place, step: np.ndarray, most: int) -> tuple[Place | None, list[Place]]:
    """A place that is higher, as far along a step as it takes, and all that were tried."""
    tried = []
    for _ in range(min(8, most)):
        there = evaluate(here.position + step)
        tried.append(there)
        if there.value >= here.value + 1e-4 * float(here.gradient @ step):
            return there, tried
        step = step * (0.3 if np.isfinite(there.value) else 0.1)
    return None, tried


def _without_end(path: list[Place], policy: Policy) -> bool:
    """Whether the log-density has risen along both steps as if it would go on so, as in the neck of a funnel.

    Far from the typical set it does, too, but by far more than the height of that.
    """
    for here, there in itertools.pairwise(path):
        step = there.position - here.position
        before, after = float(here.gradient @ step), float(there.gradient @ step)
        if after < policy.descent_bend * before or there.value - here.value > policy.descent_rise * step.size:
            return False
    return len(path) == 3
