"""Warm-up: from the first gradient, and at the end of each window, to what the chain draws by next."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..integrators import get as get_integrator
from ..kernels.adapt import GAMMA
from ..kernels.kinetic import GaussianEnergy
from ..kernels.linear import LinearMap, map_of
from ..kernels.state import NEVER
from ..kinetic import KineticEnergy
from ..refreshments import Full
from ..settings import SHORTEST, Settings
from ..splits import FREE, HARMONIC
from ..trajectories import Auto, FixedTime, NoUTurn, TrajectoryRule
from ..window import Window
from .approach import Approach, Seen, look
from .efficiency import fit_of
from .energy import EnergyTrial
from .first import first_metric
from .lab import Lab
from .path import size_for
from .plan import Plan, Restart
from .schedule import Schedule
from .tuner import Stage, Tuner

__all__ = ["WarmUp"]


class WarmUp:
    """The warm-up of one chain: what it learns, and what it draws by meanwhile.

    Parameters
    ----------
    settings : Settings
    dim : int
    tune : int
        Draws of warm-up.
    open_ended : bool, optional
        Whether it ends as soon as nothing is left to learn, and after `tune` draws at the latest.

    Raises
    ------
    ValueError
        When the metric does not serve `dim` parameters.

    Notes
    -----
    ``begin(lab)`` gives the first `Plan`, and ``after(window, plan, lab)`` the next one, whenever draws have come to
    `next_event` or points of trajectories to `due`.  First comes the `Approach`, by which the metric becomes known,
    then a few windows, at whose ends the `Tuner` chooses.  A warm-up knows nothing of the chain but what the `Lab`
    measures where it stands.
    """

    def __init__(self, settings: Settings, dim: int, tune: int, open_ended: bool = False) -> None:
        self._metric = settings.metric.resolve(dim)
        self._metric.check(dim)
        self._settings, self._dim, self._tune, self._policy = settings, dim, tune, settings.policy
        self._open_ended = open_ended
        self._tuner = Tuner(settings, dim)
        self._trial = EnergyTrial(settings, dim)
        self._schedule = Schedule.of(tune, self._policy)
        self._approach = Approach(self._policy, dim)
        learns = (
            self._metric.adapts or settings.kinetic.adapts or settings.integrator.split.adapts or self._tuner.active
        )  # fmt: skip
        self._windows: list[int] = []
        self._end = tune
        if not (learns and dim and tune >= SHORTEST):
            self._approach.end("nothing is learned")
        elif self._metric.adapts and not self._metric.by_points:
            # points of trajectories that the metric has kept short would have it keep them shorter still
            self._approach.end("the metric is learned from draws alone")
            self._windows, self._open_ended = self._schedule.windows(0, self._policy), False
        self._count = 0  # draws at the last event
        self._transient = False

    @property
    def memory(self) -> int:
        """How many of the latest draws of a window have to be remembered."""
        if self._approach.over and not self._windows:
            return 0
        kinetic = self._settings.kinetic
        asked = self._metric.memory, kinetic.memory if kinetic.adapts else 0, self._policy.memory
        return min(self._tune, max(asked))

    @property
    def trail(self) -> int:
        """How many of the latest points of trajectories have to be remembered."""
        if self._approach.over:
            return 0
        return min(self._policy.trail, max(self._policy.trail_numbers // max(self._dim, 1), 200))

    @property
    def approaching(self) -> bool:
        """Whether the metric is learned from points of trajectories."""
        return not self._approach.over

    @property
    def learns(self) -> bool:
        """Whether anything but the step size is still to be learned, after the last event."""
        return self.approaching or bool(self._windows and self._count < self._windows[-1])

    @property
    def end(self) -> int:
        """The number of draws after which warm-up is over, as far as that is known."""
        return self._end

    @property
    def windows(self) -> tuple[int, ...]:
        """The draws at which windows end, once the approach is over."""
        return tuple(self._windows)

    def next_event(self, count: int) -> int:
        """The number of draws at which a chain that has made `count` comes back here."""
        ends = (*self._windows, self._end) if self._approach.over else (self._approach_ends,)
        return min((end for end in ends if end > count), default=sys.maxsize)

    @property
    def _approach_ends(self) -> int:
        """The number of draws after which it has to be over: a chain that turns needs no windows afterwards."""
        return self._schedule.last if self._approach.turning else self._schedule.approach

    @property
    def due(self) -> int:
        """The number of points of trajectories at which it comes back before."""
        return NEVER if self._approach.over else self._approach.due

    @property
    def stride(self) -> int:
        """Of points of trajectories, the share that is kept, inverted."""
        return self._approach.stride

    def choice(self, metric: LinearMap) -> dict[str, Any]:
        """Integrator, trajectory and metric in use, and how they were chosen, as words and numbers."""
        kind = {"metric": self._settings.metric.kind(metric)}
        energy: dict[str, Any] = self._trial.choice if self._settings.kinetic.adapts else {}
        if self._trial.waits and self._tuner.found is not None:
            energy["energy_reason"] = f"{self._tuner.found.integrator} has been chosen with them"
        return {**self._tuner.choice, **kind, **energy}

    @property
    def energy(self) -> KineticEnergy:
        """The kinetic energy in use."""
        return self._trial.energy

    def turns_about(self, plan: Plan) -> np.ndarray | None:
        """The mean of the Gaussian whose motion a harmonic drift is, a copy; None where the drift is free."""
        return None if plan.mean is None or self._tuner.integrator.split == FREE else plan.mean.copy()

    def outline(self) -> Plan:
        """A plan of the right types, before the chain stands anywhere."""
        return self._plan(0, self._metric.start(np.ones(self._dim)), self._trial.record(), None)

    def begin(self, lab: Lab) -> Plan:
        """The first plan: the metric that the way down to the typical set and the curvature there suggest.

        Where nothing is learned, the chain stays where it is, and the gradient there suggests the metric.
        """
        kinetic = self._trial.record()
        metric = self._metric.start(lab.gradient)
        if not self._approach.over:

            def step_size(metric: LinearMap) -> float:
                return lab.step_size(self._plan(0, metric, kinetic, None).system(lab.target), 1.0)

            metric = first_metric(self._metric, lab, step_size, self._policy)
        plan = self._plan(0, metric, kinetic, None)
        return replace(plan, restart=self._searched(plan, lab, 1.0))

    def after(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan, once enough points have been seen, or a window, or warm-up, has ended."""
        self._count = window.end
        if not self._approach.over:
            return self._approached(window, plan, lab)
        if window.end == self._end:
            return self._plan(window.end, plan.metric, plan.kinetic, plan.mean)
        refused = self._trial.tried and not self._trial.keeps(window, self._tuner.integrator.stages)
        fitted = self._fitted(window, plan, window)
        new = self._fallen(fitted, window.end, lab)
        restart: Restart | None = None
        if refused:  # this window does not tell what the Gaussian energy can do
            restart = Restart(self._trial.step_size, 1.0, self._policy.settled_gain)
        elif self._tuner.found is not None or not self._open_ended:  # otherwise, all has been chosen before
            restart = self._tuned(window, new, lab, type(fitted.metric) is type(plan.metric))
        kinetic = self._to_try(window, new) if [window.end] == self._windows[-2:-1] else new.kinetic
        new = self._plan(window.end, new.metric, kinetic, new.mean)
        if not self._settings.adapts_step_size:
            return new
        if restart is None:
            # Dual averaging is only begun anew where the old step size means nothing any more: each restart costs
            # accuracy.
            other = new.kinds != plan.kinds or new.kinetic is not plan.kinetic
            if self._transient or other:
                restart = self._searched(new, lab, window.step_size)
        return replace(new, restart=restart)

    def _approached(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan of the approach, or the first one after it."""
        approach, policy, count, turned = self._approach, self._policy, window.end, self._approach.turning
        block, points = lab.points(approach.seen, window), lab.points(0, window)
        approach.take(window)
        if len(block.draws) < policy.fewest_points:  # draws are due, and no trajectory has come anywhere
            return self._cut_short(plan, window, lab)
        fitted = self._fitted(window, plan, points)
        seen = look(plan.metric, fitted.metric, block)
        approach.fitted(seen, lab.kept, lab.seen)
        new = self._fallen(fitted, count, lab)
        if self._transient:
            self._turn_back("the chain was far from its typical set")
        elif approach.turning and self._astray(new, seen, lab, window):
            self._turn_back("turns were lost")
        elif approach.settled(seen) and self._proved(new, window, lab):
            return self._begun(new, window, lab, "the metric is known", turned)
        if count >= self._approach_ends:
            return self._cut_short(new, window, lab)
        if not turned and self._may_turn(seen, len(points.draws), count):
            self._tuner.turn(window.step_size)
            approach.turn(lab.kept)
        new = replace(self._plan(count, new.metric, new.kinetic, new.mean), goes_on=approach.turning == turned)
        if approach.turning:
            again = Restart(window.step_size, 1.0, policy.settled_gain)
            return replace(new, restart=again if turned else Restart(policy.turn_step, 1.0, GAMMA))
        return replace(
            new, restart=self._searched(new, lab, 1.0 if turned else window.step_size, policy.approach_reach)
        )

    def _may_turn(self, seen: Seen, kept: int, count: int) -> bool:
        """Whether the chain may turn: where points look nearly normal, and enough draws are left for proof."""
        proof = count + self._policy.turns <= self._schedule.last
        return proof and not self._transient and self._tuner.may_turn and self._approach.may_turn(seen, kept)

    def _cut_short(self, plan: Plan, window: Window, lab: Lab) -> Plan:
        """The first plan after an approach for which there are no more draws."""
        turned = self._approach.turning
        if turned and not self._approach.settled_by_turns:
            self._turn_back("turns were few")
        else:
            self._proved(plan, window, lab)
        return self._begun(plan, window, lab, "draws were few", turned)

    def _astray(self, plan: Plan, seen: Seen, lab: Lab, window: Window) -> bool:
        """Whether turns do not suit the target after all."""
        approach, policy = self._approach, self._policy
        if seen.distance_before > policy.turn_left:
            return True
        if not approach.doubtful:
            return False
        since = lab.points(approach.turned, window)
        return approach.astray(_distance(plan.metric, since))

    def _proved(self, plan: Plan, window: Window, lab: Lab) -> bool:
        """Whether a path has been found, where the chain turns, that nothing beyond its points forbids."""
        approach = self._approach
        if not approach.turning:
            return True
        path = approach.path
        if path is None:
            self._turn_back("turns were refused")
        elif not self._tuner.take(path, lab.points(approach.turned, window), plan, lab):
            approach.turn_back()
        return approach.turning

    def _turn_back(self, why: str) -> None:
        if self._approach.turning:
            self._approach.turn_back()
            self._tuner.turn_back(why)

    def _begun(self, plan: Plan, window: Window, lab: Lab, reason: str, turned: bool) -> Plan:
        """The first plan after the approach, whose latest draws `turned` or were no-U-turn."""
        approach, count, policy = self._approach, window.end, self._policy
        restart = None
        if self._tuner.found is not None:
            restart = Restart(self._tuner.found.step_size, 1.0, policy.settled_gain)
        approach.end(reason)
        kinetic = plan.kinetic
        # only draws by the trajectories that are to come tell what another kinetic energy is compared with
        alike = not turned and isinstance(self._settings.trajectory, NoUTurn | Auto)
        if not self._open_ended:
            self._windows = self._schedule.windows(count, policy)
            if len(self._windows) == 1 and alike:
                kinetic = self._to_try(window.last(policy.latest_draws), plan)
        elif restart is not None:
            self._end = count
        else:
            restart = self._chosen(plan, window, lab, turned)
            if alike:
                kinetic = self._to_try(window.last(policy.latest_draws), plan)
            self._end_later(count)
        if restart is None:
            self._tuner.raise_target_accept(approach.diverged, window.step_size, policy.risky_early)
        new = self._plan(count, plan.metric, kinetic, plan.mean)
        if restart is None and self._settings.adapts_step_size:
            latest = window.last(policy.step_draws)
            if turned or not len(latest.draws):
                restart = self._searched(new, lab, 1.0)
            else:
                size = size_for(new.target_accept, latest.sizes, latest.accept, self._tuner.integrator.order)
                restart = Restart(size, 1.0, policy.settled_gain)
                if self._trial.tried:
                    self._trial.step_size = size
                    restart = self._searched(new, lab, size)
        return replace(new, restart=restart)

    def _chosen(self, plan: Plan, window: Window, lab: Lab, turned: bool) -> Restart | None:
        """Let the tuner choose by the latest draws of a warm-up that ends by itself, where they are costly."""
        policy, found = self._policy, None
        latest = window.last(policy.latest_draws)
        costly = len(latest.draws) > 0 and not turned and latest.steps.mean() >= policy.quick
        if self._tuner.active and policy.proof and costly:
            found = self._tuner.consider(latest, plan, lab, Stage(1, self._transient, True))
        return None if found is None else Restart(found, 1.0, policy.settled_gain)

    def _to_try(self, window: Window, plan: Plan) -> Any:
        """The kinetic energy of the last window: one that is learned from the latest draws, if it has to be tried."""
        if not self._trial.waits or self._tuner.found is not None or self._transient or not self._policy.proof:
            return plan.kinetic
        found = self._trial.begin(window, plan.metric, self._tuner.integrator.stages)
        return plan.kinetic if found is None else found

    def _end_later(self, count: int) -> None:
        """Set the end of a warm-up that ends by itself, and windows before it for all that has to be proved."""
        policy, trial = self._policy, self._trial
        if self._tuner.found is not None or trial.tried:
            proofs = 1
        elif self._settings.kinetic.adapts and policy.proof:
            proofs = 2 if trial.waits else int(not trial.gaussian)
        else:
            proofs = 0
        ends = [count + policy.proof * (k + 1) for k in range(proofs)]
        self._windows = [end for end in ends if end <= self._tune]
        self._end = min(count + policy.proof * proofs + policy.last_draws, self._tune)

    def _plan(self, count: int, metric: LinearMap, kinetic: Any, mean: np.ndarray | None) -> Plan:
        """The plan after `count` draws, with the integrator and the trajectory that the tuner has come to."""
        limit = self._settings.max_energy_error
        if count < self._end:
            limit = max(limit, self._policy.warmup_energy_error)
        trajectory = self._trajectory_at(count)
        return Plan(
            metric=metric,
            kinetic=kinetic,
            mean=mean,
            flow=self._tuner.integrator.record(self._dim, mean),
            rule=trajectory.record(self._dim, limit),
            refreshment=self._refreshment_of(trajectory),
            target_accept=self._tuner.target_accept,
            tunes_step=self._settings.adapts_step_size and count < self._end,
            learns=self.approaching or (bool(self._windows) and count < self._windows[-1]),
        )

    def _trajectory_at(self, count: int) -> TrajectoryRule:
        """The trajectory of the draw after `count` draws.

        A trajectory of fixed length is helpless, and costly, until the metric is known: in all windows but the last, or
        the last two where kinetic energies are compared, it gives way to one that finds its own length.  The first
        trajectories of the approach allow few doublings, as pairs of position and gradient tell the scales however near
        they are to each other.
        """
        chosen, over = self._tuner.trajectory, self._approach.over
        left = sum(count < end for end in self._windows)
        if self._tuner.found is not None or (over and left <= 1 + self._trial.competes):
            return chosen
        most = chosen.max_depth if isinstance(chosen, NoUTurn) else NoUTurn().max_depth
        return NoUTurn(most if over else min(self._approach.depth, most))

    def _refreshment_of(self, trajectory: TrajectoryRule) -> Any:
        """The record of the refreshment that a trajectory begins with."""
        return (self._settings.refreshment if trajectory.persistent else Full()).record()

    def _fitted(self, window: Window, plan: Plan, points: Window) -> Plan:
        """Metric, kinetic energy, and what the split has to know of the target, as points or draws ask for."""
        settings, kinetic, mean = self._settings, plan.kinetic, plan.mean
        known = self._approach.over and self._open_ended
        metric = plan.metric if known else self._metric.fit(plan.metric, points)
        if self._trial.gaussian:
            kinetic = kinetic if isinstance(kinetic, GaussianEnergy) else self._trial.record()
        elif settings.kinetic.adapts and self._approach.over:
            draws, gradients = window.pairs
            kinetic = settings.kinetic.fit(kinetic, metric.solve(draws), metric.adjoint(gradients))
        split = HARMONIC if self._tuner.harmonic else settings.integrator.split
        if split.adapts and not known:
            mean = split.fit(metric, points)
        return self._plan(window.end, metric, kinetic, mean)

    def _fallen(self, fitted: Plan, count: int, lab: Lab) -> Plan:
        """Far from the typical set, take the metric of the gradient here again, if it lets the chain fall faster.

        On the way down, draws tell more of the way than of the target, and a metric fitted to them may hold the chain
        where it is.  A step of ε lowers the potential energy by ½ ε² |Lᵀ g|², so this is what the two are compared by.
        """
        steepness = lab.steepness(fitted.system(lab.target))
        self._transient = bool(steepness > self._policy.transient_gradient * self._dim)
        if not self._transient:
            return fitted
        # whatever mean was fitted on the way, the target is not there
        metrics = fitted.metric, self._metric.start(lab.gradient)
        plans = [self._plan(count, metric, fitted.kinetic, None) for metric in metrics]
        falls = []
        for plan in plans:
            system = plan.system(lab.target)
            falls.append(lab.step_size(system, 1.0) ** 2 * lab.steepness(system))
        return plans[1] if falls[1] > falls[0] else plans[0]

    def _tuned(self, window: Window, plan: Plan, lab: Lab, alike: bool) -> Restart | None:
        """Let measurements choose integrator and trajectory; the step size to begin anew with, None to go on.

        `alike` says whether the metric is of the kind that the window was drawn with.
        """
        tuner, left = self._tuner, len(self._windows) - 1 - self._windows.index(window.end)
        found = tuner.consider(window, plan, lab, Stage(left, self._transient, alike))
        wary = None if self._transient else tuner.raise_target_accept(window.diverged, found or window.step_size)
        if wary is not None:
            return Restart(wary, 1.0, GAMMA)  # free to fall far and fast, in the narrow places to be wary of
        return None if found is None else Restart(found, 1.0, self._policy.settled_gain)

    def _searched(self, plan: Plan, lab: Lab, guess: float, reach: float = 1.0) -> Restart | None:
        if not self._settings.adapts_step_size:
            return None
        found = lab.step_size(plan.system(lab.target), guess)
        # dual averaging that may explore far takes some draws to come back
        explores = self._tune >= self._policy.explore_from
        return Restart(found, reach if explores else 1.0, GAMMA)

    def foreseen(self, plan: Plan) -> Iterator[tuple[Plan, bool]]:
        """Plans whose kernels a chain will run, and whether outings may be made with them.

        Not those for a metric that turns dense, which few posteriors ask for, and which take as long again.
        """
        settings, dim, limit = self._settings, self._dim, self._settings.max_energy_error
        given, other = settings.integrator.split.adapts, self._tuner.harmonic
        own, timed = [settings.trajectory, NoUTurn()], [FixedTime()] if self._tuner.active else []
        plans = [(plan, [*own, *timed], other and not given)]
        if given or other:
            scheme = settings.integrator if given else get_integrator("harmonic_leapfrog")
            fitted = scheme.record(dim, scheme.split.standard(dim))
            plans.append((replace(plan, flow=fitted), [*(own if given else []), *timed], False))
        if self._trial.waits:
            plans.append((replace(plan, kinetic=settings.kinetic.record(dim)), [*own, *timed], False))
        for one, trajectories, outings in plans:
            for trajectory in trajectories:
                rule, refreshment = trajectory.record(dim, limit), self._refreshment_of(trajectory)
                yield replace(one, rule=rule, refreshment=refreshment), outings

    @property
    def tests_trajectories(self) -> bool:
        """Whether test trajectories may be made."""
        return self._tuner.active

    def snapshot(self) -> dict[str, Any]:
        """Everything that later plans depend on, beside the last one and the history of `choice`."""
        return {
            "far": self._transient, "windows": list(self._windows), "end": self._end, "tuner": self._tuner.snapshot(),
            "approach": self._approach.snapshot(), "energy": self._trial.snapshot(),
        }  # fmt: skip

    def restore(self, snapshot: Mapping[str, Any]) -> Plan:
        """Become what `snapshot`, of a chain, describes; the plan that the chain drew by."""
        self._transient, self._windows, self._end = snapshot["far"], list(snapshot["windows"]), snapshot["end"]
        self._approach.restore(snapshot["approach"])
        self._count = snapshot["count"]
        self._tuner.restore(snapshot["tuner"], snapshot["choice"]["history"])
        self._trial.restore(snapshot["energy"])
        kinetic = self._trial.record()._replace(params=snapshot["kinetic"].copy())
        mean = None if snapshot["mean"] is None else snapshot["mean"].copy()
        metric = map_of({name: array.copy() for name, array in snapshot["metric"].items()})
        return self._plan(snapshot["count"], metric, kinetic, mean)


def _distance(metric: LinearMap, points: Window) -> float:
    return fit_of(metric.solve(points.draws), metric.adjoint(points.gradients))[1]
