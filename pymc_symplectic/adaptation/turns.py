"""Turns: harmonic paths that a chain makes before they are measured, for as long as they suit the target."""

from __future__ import annotations

from ..kernels.linear import LinearMap
from ..policy import Policy
from ..window import Window
from .approach import Approach, Seen
from .efficiency import fit_of
from .lab import Lab
from .plan import Plan
from .schedule import Schedule
from .tuner import Tuner

__all__ = ["Turns"]


class Turns:
    """When a chain begins to turn, when turns are lost, and whether a path has been found by them.

    Parameters
    ----------
    policy : Policy
    approach : Approach
        Which counts them.
    schedule : Schedule
    tuner : Tuner
        Which they are made with.
    """

    def __init__(self, policy: Policy, approach: Approach, schedule: Schedule, tuner: Tuner) -> None:
        self._policy, self._approach, self._schedule, self._tuner = policy, approach, schedule, tuner

    def may_begin(self, seen: Seen, kept: int, count: int) -> bool:
        """Whether the chain may turn: where points look nearly normal, and enough draws are left for proof."""
        proof = count + self._policy.turns <= self._schedule.last
        return proof and self._tuner.may_turn and self._approach.may_turn(seen, kept)

    def begin(self, window: Window, lab: Lab) -> None:
        """Turn from now on, after the draws of a window."""
        self._tuner.turn(window.step_size)
        self._approach.turn(lab.kept)

    def astray(self, plan: Plan, seen: Seen, lab: Lab, window: Window) -> bool:
        """Whether turns do not suit the target after all."""
        approach, policy = self._approach, self._policy
        if seen.distance_before > policy.turn_left:
            return True
        if not approach.doubtful:
            return False
        since = lab.points(approach.turned, window)
        return approach.astray(_distance(plan.metric, since))

    def proved(self, plan: Plan, window: Window, lab: Lab) -> bool:
        """Whether a path has been found, where the chain turns, that nothing beyond its points forbids."""
        approach = self._approach
        if not approach.turning:
            return True
        path = approach.path
        if path is None:
            self.back("turns were refused")
        elif not self._tuner.take(path, lab.points(approach.turned, window), plan, lab):
            approach.turn_back()
        return approach.turning

    def back(self, why: str) -> None:
        """Go back to no-U-turn draws, if the chain turns."""
        if self._approach.turning:
            self._approach.turn_back()
            self._tuner.turn_back(why)


def _distance(metric: LinearMap, points: Window) -> float:
    return fit_of(metric.solve(points.draws), metric.adjoint(points.gradients))[1]
