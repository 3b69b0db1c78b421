"""The search for a scheme, a step size and a path length: test trajectories, and the best of what they promise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..integrators import Integrator
from ..kernels.kinetic import GaussianEnergy
from ..kernels.scores import Costs, TestPaths
from ..policy import Policy
from ..window import Window
from .beyond import Beyond
from .efficiency import PathScore, control_variates, moments, path_scores, squared_jumps
from .lab import Lab, Starts, evenly_spaced, probes_from
from .plan import Plan

__all__ = ["Candidate", "Demands", "Search", "Tuning", "first_candidate"]

_GOLDEN = (math.sqrt(5) - 1) / 2
_NOTHING = PathScore(0.0, 0.0, 0.0, 0.0, 1.0, 1)


class Candidate(NamedTuple):
    """A scheme to try: the first step size, and the longest."""

    scheme: Integrator
    step_size: float
    longest: float = math.inf


def first_candidate(scheme: Integrator, floor_step: float, step_size: float | None, policy: Policy) -> Candidate:
    """A scheme with `step_size`, or with one that suits it given that of no-U-turn leapfrog, to begin a search with."""
    if scheme.split.adapts:
        angle, multiple = policy.first_harmonic_step
        size = max(angle, multiple * floor_step) * (0.3 + 0.7 * scheme.stages)
        return Candidate(scheme, step_size or min(size, scheme.longest), scheme.longest)
    return Candidate(scheme, step_size or policy.first_step * floor_step * scheme.stages)


class Tuning(NamedTuple):
    """The best path length of a scheme at a step size, its efficiency (per gradient), and its acceptance.

    `repeats` such paths make a draw.
    """

    integrator: str
    step_size: float
    efficiency: float
    time: float
    jitter: float
    accept: float
    repeats: int = 1


@dataclass(frozen=True)
class Demands:
    """The conditions that a search keeps to.

    Attributes
    ----------
    policy : Policy
    least_accept : float
        Mean acceptance, at least.
    wanted : float
        Gradients that a draw should cost: of short paths several make one.
    fixed_step : bool
        Whether step sizes are kept as they are given.
    """

    policy: Policy
    least_accept: float = 0.0
    wanted: float = 0.0
    fixed_step: bool = False


class Search:
    """Test trajectories from draws of a window, with common random numbers: the same momenta, whatever is tried.

    Parameters
    ----------
    lab : Lab
    plan : Plan
        Its flow is replaced by those that are tried.
    window : Window
    demands : Demands, optional
    """

    def __init__(self, lab: Lab, plan: Plan, window: Window, demands: Demands) -> None:
        self._lab, self._plan, self._window, self.demands = lab, plan, window, demands
        self._policy = policy = demands.policy
        self._system = plan.system(lab.target)
        self._columns = evenly_spaced(lab.dim, policy.coordinates)
        at = evenly_spaced(len(window.draws), policy.starts)
        self._starts, self._momenta = Starts.of(window, at), lab.momenta(self._system, len(at))
        self._known = moments(window, self._columns, None if plan.mean is None else plan.mean[self._columns])
        self._reach: tuple[np.ndarray, np.ndarray] | None = None
        if policy.control_variate and self.gaussian:
            reach, variance = plan.metric.apply(self._momenta), plan.metric.variance(lab.dim)
            self._reach = reach[:, self._columns], variance[self._columns]
        self._beyond: Beyond | None = None
        self._began = lab.gradients
        self._found: dict[tuple[str, float], Tuning] = {}

    @property
    def gaussian(self) -> bool:
        """Whether the kinetic energy is the Gaussian one, with which alone a harmonic drift goes."""
        return isinstance(self._plan.kinetic, GaussianEnergy)

    @property
    def cost(self) -> int:
        """Gradients so far."""
        return self._lab.gradients - self._began

    def now(self, candidate: Candidate, time: float, jitter: float) -> float:
        """The efficiency of what is in use, by the same trajectories as all others'."""
        reach = max(self._policy.usual_reach, 1.05 * time * (1 + jitter))
        scores = self._scores(candidate, candidate.step_size, reach, [time], [jitter])
        return max((score.efficiency for score in scores), default=0.0)

    def best(self, candidates: Mapping[str, Candidate], budget: float, again: bool) -> list[Tuning]:
        """Climb by step sizes where it promises something, as long as the budget of gradients lasts; best first.

        `again` spares schemes that fall short of the best one.
        """
        policy, fixed = self._policy, self.demands.fixed_step
        best, near = 0.0, policy.climb_again if again else policy.climb
        for candidate in candidates.values():
            if best > policy.unbeaten and not candidate.scheme.split.adapts:
                continue
            if self._found and self.cost > budget:
                break
            size = candidate.step_size
            here = self._try(candidate, size)
            if here == 0.0 and not fixed:
                size /= policy.refine**2
                here = self._try(candidate, size)
            if here > near * best:
                best = max(best, here if fixed else self._climb(candidate, size, here, budget))
        top = max(self._found.values(), key=lambda found: found.efficiency)
        if top.time * (1 + top.jitter) > 0.75 * policy.usual_reach and self.cost < 1.5 * budget:
            self._try(candidates[top.integrator], top.step_size, policy.long_reach)
        return sorted(self._found.values(), key=lambda found: -found.efficiency)

    def beyond(self, step_size: float) -> Beyond | None:
        """The places beyond the window, as trajectories by leapfrog steps of this size find it; None without a mean."""
        if self._beyond is None and self._plan.mean is not None:
            self._beyond = Beyond(self._lab, self._plan, self._window, self._policy, step_size)
        return self._beyond

    def _climb(self, candidate: Candidate, size: float, here: float, budget: float) -> float:
        for factor in (self._policy.refine, 1 / self._policy.refine):
            at, value = size, here
            while self.cost < budget:
                following = min(at * factor, candidate.longest)
                if following == at or (new := self._try(candidate, following)) <= value:
                    break
                at, value = following, new
            if value > here:
                return value
        return here

    def _try(self, candidate: Candidate, size: float, reach: float | None = None) -> float:
        policy, split = self._policy, candidate.scheme.split.name
        reach = policy.usual_reach if reach is None else reach
        allowed = [
            score
            for score in self._scores(candidate, size, reach, policy.times, policy.jitters)
            if score.accept > max(self.demands.least_accept, policy.least_accept)
            and score.lost < policy.most_lost(split) + 0.01
        ]
        best = max(allowed, key=lambda score: score.efficiency, default=_NOTHING)
        key = candidate.scheme.name, size
        if key not in self._found or self._found[key].efficiency < best.efficiency:
            self._found[key] = Tuning(*key, best.efficiency, best.time, best.jitter, best.accept, best.repeats)
        return best.efficiency

    def _scores(
        self, candidate: Candidate, size: float, reach: float, times: Sequence[float], jitters: Sequence[float]
    ) -> list[PathScore]:
        paths, policy = self._follow(candidate, size, reach), self._policy
        variates = None if self._reach is None else control_variates(paths, self._known, *self._reach)
        stages = float(candidate.scheme.stages)
        costs = Costs(float(size), stages, float(self.demands.wanted), policy.per_draw, policy.most_repeats)
        return path_scores(paths, squared_jumps(paths, self._known), variates, costs, times, jitters)

    def _follow(self, candidate: Candidate, step_size: float, reach: float) -> TestPaths:
        """Test trajectories as far as `reach`.

        Their steps are between half the step size and all of it, mostly near it, as those of `FixedTime` are.
        """
        turns = np.arange(len(self._momenta)) * _GOLDEN % 1.0
        sizes = step_size * (1 - 0.5 * turns**2)
        counts = np.minimum(np.ceil(reach / sizes), self._policy.most_steps).astype(np.int64)
        probes = probes_from(self._starts, self._momenta, sizes, counts, self._columns)
        flow = candidate.scheme.record(self._lab.dim, self._plan.mean)
        self._lab.follow(self._system._replace(flow=flow), probes)
        starts = np.ascontiguousarray(probes.starts[:, self._columns])
        return TestPaths(starts, probes.values, probes.positions, probes.densities, probes.errors, sizes, counts)
