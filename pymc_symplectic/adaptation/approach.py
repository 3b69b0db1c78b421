r"""The approach: from where a chain begins to a metric that is known, by every gradient that it pays for.

1. *Down* to the typical set, by quasi-Newton steps (`descent`), and the first metric from what was seen on the way.
2. *Probes* of the curvature there (`curvature`).
3. *No-U-turn draws*, of which every point of every trajectory is remembered.  When there are enough new points, the
   metric is fitted to all of them; what they do under the metric that had not seen them tells how well it is known.
4. *Turns*, where the points say that the target is nearly normal: harmonic paths of a quarter of a period, hardly
   dearer than a gradient.  They have to prove themselves, or the chain goes back to no-U-turn.
5. *The end*, when new points are hardly less Gaussian than those that the metric was fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..policy import Policy
from ..window import Window
from .efficiency import fit_of
from .path import BestPath, best_path

__all__ = ["Approach", "Seen", "look"]


class Seen(NamedTuple):
    """Measurements of a block of points: divergence under the metric before and after the fit, and distances."""

    before: float
    after: float
    distance_before: float
    distance_after: float


class Approach:
    """How far the approach has come.

    Parameters
    ----------
    policy : Policy
    dim : int
    """

    def __init__(self, policy: Policy, dim: int) -> None:
        self._policy, self._dim = policy, dim
        self.over = False
        self.known = False
        """Whether the metric is one that another run has learned, which has held so far."""
        self.reason = ""
        self.turning = False
        self.fits = 0
        self.stride = 1  # of points, the share that is kept, inverted
        self._block = float(max(policy.first_block, min(dim // 4, policy.largest_first_block)))
        self._mark = 0  # points that have been fitted to
        self._turned = 0  # points that had been seen when the chain began to turn
        self._free = 0  # no-U-turn draws so far
        self._drawn = 0  # draws that have been taken in
        self._distance = np.inf
        self._turns = np.zeros((0, 3))  # steps, step size and acceptance of each turn
        self.diverged = np.zeros(0)  # whether no-U-turn draws have, but for the first ones

    @property
    def due(self) -> int:
        """The number of points at which the metric is fitted next."""
        return self._mark + int(self._block)

    @property
    def depth(self) -> int:
        """Doublings of a no-U-turn trajectory."""
        return self._policy.first_approach_depth + self.fits // 2

    @property
    def seen(self) -> int:
        """Points that have been fitted to."""
        return self._mark

    @property
    def turned(self) -> int:
        """Points that had been seen when the chain began to turn."""
        return self._turned

    def take(self, window: Window) -> None:
        """Take in those draws of a window that have been made since the last fit."""
        draws, self._drawn = window.last(window.end - self._drawn), window.end
        if self.turning:
            rows = np.column_stack([draws.steps, draws.sizes, draws.accept])
            self._turns = np.concatenate([self._turns, rows])[-self._policy.turn_memory :]
        else:
            late = max(0, self._policy.early_draws - self._free)
            self._free += len(draws.draws)
            self.diverged = np.concatenate([self.diverged, draws.diverged[late:]])

    def fitted(self, seen: Seen, kept: int, points: int) -> None:
        """Note a fit, after so many points have been kept, of so many that there were."""
        self.fits += 1
        self._mark = kept
        self._block = min(self._block * self._policy.block_growth, float(self._policy.largest_block))
        self.stride = max(1, points // self._policy.trail)
        self._distance = seen.distance_after

    def may_turn(self, seen: Seen, kept: int) -> bool:
        """Whether the points of a block, among so many that are kept, look nearly normal."""
        policy = self._policy
        near = seen.distance_after < policy.turn_distance and seen.distance_before < policy.turn_held
        return not self.turning and near and kept > max(min(self._dim, policy.enough_points), policy.turn_points)

    def turn(self, points: int) -> None:
        """Begin to turn, after so many points."""
        self.turning, self._turned, self._turns = True, points, np.zeros((0, 3))

    def turn_back(self) -> None:
        """Go back to no-U-turn draws."""
        self.turning, self._turns = False, np.zeros((0, 3))

    def astray(self, distance: float) -> bool:
        """Whether turns have turned out not to suit the target, which is at this distance from a Gaussian."""
        policy, accept = self._policy, self._turns[:, 2]
        little, often = policy.turn_refused
        refused = bool((accept < little).mean() > often or accept.mean() < policy.turn_poor) if len(accept) else False
        return distance > policy.turn_distance or refused

    @property
    def doubtful(self) -> bool:
        """Whether turns are enough for doubts."""
        return len(self._turns) >= self._policy.turn_doubts

    @property
    def settled_by_turns(self) -> bool:
        """Whether turns are enough for proof."""
        return len(self._turns) >= self._policy.turns

    @property
    def path(self) -> BestPath | None:
        """The best path by the turns so far."""
        steps, sizes, accept = self._turns.T
        return best_path(steps, sizes, accept, self._policy)

    def settled(self, seen: Seen) -> bool:
        """Whether more points would hardly make the metric better."""
        policy = self._policy
        if self.known:
            enough = self._free >= policy.known_draws
            return enough and seen.before < policy.settled_growth * seen.after + policy.settled_late
        growth, slack = policy.settled_growth, policy.settled_slack[self.turning]
        if self.turning:
            enough = self.settled_by_turns
        else:
            least = max(policy.settled_draws, policy.settled_risky if self.diverged.any() else 0)
            long = least * policy.settled_near
            near = self._distance < policy.near_distance
            enough = self._free >= (long if near else min(max(least, self._dim), long))
            if self._free >= long:
                slack = policy.settled_late
        return enough and seen.before < growth * seen.after + slack

    def end(self, reason: str) -> None:
        """Nothing more is learned so."""
        self.over, self.reason = True, reason

    def snapshot(self) -> dict[str, Any]:
        """Everything that it depends on, as numbers."""
        return {
            "over": self.over, "reason": self.reason, "turning": self.turning, "fits": self.fits, "block": self._block,
            "stride": self.stride, "known": self.known,
            "mark": self._mark, "turned": self._turned, "free": self._free, "drawn": self._drawn,
            "distance": float(self._distance) if np.isfinite(self._distance) else None, "turns": self._turns.tolist(),
            "diverged": self.diverged.tolist(),
        }  # fmt: skip

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes.

        Raises
        ------
        ValueError
            When it makes no sense.
        """
        whole = {name: snapshot[name] for name in ("fits", "stride", "mark", "turned", "free", "drawn")}
        if not all(type(value) is int and value >= 0 for value in whole.values()) or not whole["stride"]:
            raise ValueError(f"of the approach, there are {whole}")
        found = {"known": False, **snapshot}  # which earlier versions did not say
        if not all(type(found[name]) is bool for name in ("over", "turning", "known")):
            raise ValueError("whether the approach is over, and turns, is true or false")
        self.over, self.turning, self.known = found["over"], found["turning"], found["known"]
        self.reason = str(snapshot["reason"])
        self.fits, self.stride, self._mark, self._turned, self._free, self._drawn = whole.values()
        self._block = float(snapshot["block"])
        self._distance = np.inf if snapshot["distance"] is None else float(snapshot["distance"])
        self._turns = np.array(snapshot["turns"], float).reshape(-1, 3)
        self.diverged = np.array(snapshot["diverged"], float)
        known = self._turns.size == 3 * len(snapshot["turns"]) and np.all(np.isfinite(self._turns))
        if not (known and np.isfinite(self._block) and self._block >= 1):
            raise ValueError("turns of the approach are no numbers")


def look(before: Any, after: Any, block: Window) -> Seen:
    """Measure a block of points under the metric that had not seen it, and under that which has."""
    with np.errstate(over="ignore", invalid="ignore"):
        fits = [fit_of(metric.solve(block.draws), metric.adjoint(block.gradients)) for metric in (before, after)]
    return Seen(*(divergence for divergence, _ in fits), *(distance for _, distance in fits))
