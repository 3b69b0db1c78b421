"""The planner: from what is in use, and what has been seen, to the records that a chain draws by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..integrators import get as get_integrator
from ..kernels.adapt import GAMMA
from ..kernels.kinetic import GaussianEnergy
from ..kernels.linear import LinearMap
from ..metrics import Metric
from ..refreshments import Full
from ..settings import Settings
from ..splits import HARMONIC
from ..trajectories import FixedTime, NoUTurn, TrajectoryRule
from ..window import Window
from .approach import Approach
from .energy import EnergyTrial
from .force import SurrogateTrial
from .lab import Lab
from .plan import Plan, Restart
from .schedule import Windows
from .tuner import Tuner

__all__ = ["Planner"]


class Planner:
    """Plans to draw by, at any draw of warm-up.

    Parameters
    ----------
    settings : Settings
    dim : int
    metric : Metric
        Of the chain.
    approach : Approach
    windows : Windows
    tuner : Tuner
        With the integrator and the trajectory in use.
    trial : EnergyTrial
        With the kinetic energy in use.
    force : SurrogateTrial
        With the surrogate in use, if any is.
    """

    def __init__(
        self,
        settings: Settings,
        dim: int,
        metric: Metric,
        approach: Approach,
        windows: Windows,
        tuner: Tuner,
        trial: EnergyTrial,
        force: SurrogateTrial,
    ) -> None:
        self._settings, self._dim, self._metric, self._policy = settings, dim, metric, settings.policy
        self._approach, self._windows, self._tuner, self._trial = approach, windows, tuner, trial
        self._force = force

    def plan(self, count: int, metric: LinearMap, kinetic: Any, mean: np.ndarray | None) -> Plan:
        """The plan after `count` draws, with the integrator and the trajectory that the tuner has come to."""
        limit, in_warmup = self._settings.max_energy_error, count < self._windows.end
        if in_warmup:
            limit = max(limit, self._policy.warmup_energy_error)
        if self._force.in_use:
            return Plan(
                metric=metric,
                kinetic=kinetic,
                mean=mean,
                flow=self._force.integrator.record(self._dim, mean),
                rule=self._force.rule(limit),
                refreshment=Full().record(),
                target_accept=self._tuner.target_accept,
                tunes_step=False,
                learns=self._force.learns,
            )
        trajectory = self._trajectory_at(count)
        return Plan(
            metric=metric,
            kinetic=kinetic,
            mean=mean,
            flow=self._tuner.integrator.record(self._dim, mean),
            rule=trajectory.record(self._dim, limit),
            refreshment=self._settings.refreshment_of(trajectory).record(),
            target_accept=self._tuner.target_accept,
            tunes_step=self._settings.adapts_step_size and in_warmup,
            learns=in_warmup,
        )

    def by_surrogate(self, count: int, plan: Plan, metric: LinearMap, goes_on: bool) -> Plan:
        """The plan to draw by the surrogate in use."""
        assert self._force.density is not None
        new = self.plan(count, metric, plan.kinetic, self._force.density.mean)
        return replace(new, restart=Restart(self._policy.surrogate_step, 1.0, GAMMA), goes_on=goes_on)

    def _trajectory_at(self, count: int) -> TrajectoryRule:
        """The trajectory of the draw after `count` draws.

        A trajectory of fixed length is helpless, and costly, until the metric is known: in all windows but the last, or
        the last two where kinetic energies are compared, it gives way to one that finds its own length.  The first
        trajectories of the approach allow few doublings, as pairs of position and gradient tell the scales however near
        they are to each other; and their steps stay whole, as a fall from a bad start takes none of the care that
        `NoUTurn.refine` is for.
        """
        chosen, over = self._tuner.trajectory, self._approach.over
        proving = over and self._windows.left(count) <= 1 + self._trial.competes
        if self._tuner.found is not None or self._approach.known or proving:
            return chosen
        early = _no_u_turn(chosen)
        if over:
            return early
        most = max(early.refine_above, self._policy.warmup_energy_error)
        return replace(early, max_depth=min(self._approach.depth, early.max_depth), refine_above=most)

    def fitted(self, window: Window, plan: Plan, points: Window) -> Plan:
        """Metric, kinetic energy, and what the split has to know of the target, as points or draws ask for."""
        settings, kinetic, mean = self._settings, plan.kinetic, plan.mean
        known = self._approach.over and self._windows.open_ended
        metric = plan.metric if known else self._metric.fit(plan.metric, points)
        if self._trial.gaussian:
            kinetic = kinetic if isinstance(kinetic, GaussianEnergy) else self._trial.record()
        elif settings.kinetic.adapts and self._approach.over:
            draws, gradients = window.pairs
            kinetic = settings.kinetic.fit(kinetic, metric.solve(draws), metric.adjoint(gradients))
        split = HARMONIC if self._tuner.harmonic else settings.integrator.split
        if split.adapts and not known:
            mean = split.fit(metric, points)
        return self.plan(window.end, metric, kinetic, mean)

    def is_far(self, plan: Plan, lab: Lab) -> bool:
        """Whether the chain is far from its typical set."""
        return bool(lab.steepness(plan.system(lab.target)) > self._policy.transient_gradient * self._dim)

    def falling(self, fitted: Plan, count: int, lab: Lab) -> Plan:
        """Far from the typical set, take the metric of the gradient here again, if it lets the chain fall faster.

        On the way down, draws tell more of the way than of the target, and a metric fitted to them may hold the chain
        where it is.  A step of ε lowers the potential energy by ½ ε² |Lᵀ g|², so this is what the two are compared by.
        """
        # whatever mean was fitted on the way, the target is not there
        metrics = fitted.metric, self._metric.start(lab.gradient)
        plans = [self.plan(count, metric, fitted.kinetic, None) for metric in metrics]
        falls = []
        for plan in plans:
            system = plan.system(lab.target)
            falls.append(lab.step_size(system, 1.0) ** 2 * lab.steepness(system))
        return plans[1] if falls[1] > falls[0] else plans[0]

    def searched(self, plan: Plan, lab: Lab, guess: float, reach: float = 1.0) -> Restart | None:
        """Begin the step size anew where the chain stands, if it is adapted; None otherwise."""
        if not self._settings.adapts_step_size:
            return None
        found = lab.step_size(plan.system(lab.target), guess)
        # dual averaging that may explore far takes some draws to come back
        explores = self._windows.schedule.tune >= self._policy.explore_from
        return Restart(found, reach if explores else 1.0, GAMMA)

    def foreseen(self, plan: Plan) -> Iterator[tuple[Plan, bool]]:
        """Plans whose kernels a chain will run, and whether outings may be made with them.

        Not those for a metric that turns dense, which few posteriors ask for, and which take as long again.
        """
        settings, dim, limit = self._settings, self._dim, self._settings.max_energy_error
        given, other = settings.integrator.split.adapts, self._tuner.harmonic
        own: list[TrajectoryRule] = [settings.trajectory, _no_u_turn(settings.trajectory)]
        timed: list[TrajectoryRule] = [FixedTime()] if self._tuner.active else []
        plans = [(plan, own, other and not given)]
        if given or other:  # what is needed first, for nearly normal targets, comes first
            scheme = settings.integrator if given else get_integrator("harmonic_leapfrog")
            fitted = scheme.record(dim, scheme.split.standard(dim))
            plans.insert(0, (replace(plan, flow=fitted), [*timed, *(own if given else [])], False))
        plans.append((plan, timed, False))
        if self._trial.waits:
            plans.append((replace(plan, kinetic=settings.kinetic.record(dim)), [*own, *timed], False))
        for one, trajectories, outings in plans:
            for trajectory in trajectories:
                rule, refreshment = trajectory.record(dim, limit), settings.refreshment_of(trajectory).record()
                yield replace(one, rule=rule, refreshment=refreshment), outings


def _no_u_turn(trajectory: TrajectoryRule) -> NoUTurn:
    """A trajectory that finds its own length: the one given, if it is of that kind."""
    return trajectory if isinstance(trajectory, NoUTurn) else NoUTurn()
