"""Warm-up: from the first gradient, and at the end of each window, to what the chain draws by next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels.adapt import GAMMA
from ..kernels.linear import LinearMap, map_of
from ..kernels.state import NEVER
from ..kinetic import KineticEnergy
from ..knowledge import LearnedChain
from ..settings import SHORTEST, Settings
from ..splits import FREE
from ..trajectories import Auto, NoUTurn
from ..window import Window
from .approach import Approach, look
from .energy import EnergyTrial
from .first import first_metric
from .force import SurrogateTrial
from .known import Beginning
from .lab import Lab
from .path import size_for
from .plan import Plan, Restart
from .planner import Planner
from .schedule import Windows
from .tuner import Stage, Tuner
from .turns import Turns

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
        self._tuner, self._trial = Tuner(settings, dim), EnergyTrial(settings, dim)
        self._force = SurrogateTrial(settings, dim)
        self._approach, self._windows = Approach(self._policy, dim), Windows(tune, self._policy, open_ended)
        self._turns = Turns(self._policy, self._approach, self._windows.schedule, self._tuner)
        self._planner = Planner(
            settings, dim, self._metric, self._approach, self._windows, self._tuner, self._trial, self._force
        )
        self._beginning = Beginning(settings, dim, self._approach, self._tuner, self._trial, self._force)
        learns = (
            self._metric.adapts or settings.kinetic.adapts or settings.integrator.split.adapts or self._tuner.active
        )  # fmt: skip
        if not (learns and dim and tune >= SHORTEST):
            self._approach.end("nothing is learned")
        elif self._metric.adapts and not self._metric.by_points:
            # points of trajectories that the metric has kept short would have it keep them shorter still
            self._approach.end("the metric is learned from draws alone")
            self._windows.open_ended = False
            self._windows.by_schedule(0)
        self._count = 0  # draws at the last event
        self._transient = False

    @property
    def memory(self) -> int:
        """How many of the latest draws of a window have to be remembered."""
        if self._approach.over and not self._windows.ends:
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
    def remembers(self) -> bool:
        """Whether points of trajectories have to be remembered."""
        return self.approaching or self._force.learns

    @property
    def learns(self) -> bool:
        """Whether anything but the step size is still to be learned, after the last event."""
        return self.approaching or self._force.learns or self._windows.left(self._count) > 0

    @property
    def end(self) -> int:
        """The number of draws after which warm-up is over, as far as that is known."""
        return self._windows.end

    @property
    def windows(self) -> tuple[int, ...]:
        """The draws at which windows end, once the approach is over."""
        return tuple(self._windows.ends)

    def next_event(self, count: int) -> int:
        """The number of draws at which a chain that has made `count` comes back here."""
        if self._force.learns:
            return self._force.due
        if self._approach.over:
            return self._windows.next_end(count)
        return self._approach_ends if count < self._approach_ends else NEVER

    @property
    def _approach_ends(self) -> int:
        """The number of draws after which it has to be over: a chain that turns needs no windows afterwards."""
        schedule = self._windows.schedule
        return schedule.last if self._approach.turning else schedule.approach

    def may_begin_anew(self, count: int) -> bool:
        """Whether after `count` draws another approach would still come to its end in time."""
        return self.approaching and not self._approach.known and self.leaves_time(count)

    def leaves_time(self, count: int) -> bool:
        """Whether an approach that begins after `count` draws has as many as it asks for."""
        return count + self._policy.settled_draws <= self._windows.schedule.approach

    @property
    def due(self) -> int:
        """The number of points of trajectories at which it comes back before."""
        return NEVER if self._approach.over else self._approach.due

    @property
    def stride(self) -> int:
        """Of points of trajectories, the share that is kept, inverted."""
        return 1 if self._force.learns else self._approach.stride

    def choice(self, metric: LinearMap) -> dict[str, Any]:
        """Integrator, trajectory and metric in use, and how they were chosen, as words and numbers."""
        kind = {"metric": self._settings.metric.kind(metric)}
        energy: dict[str, Any] = self._trial.choice if self._settings.kinetic.adapts else {}
        if self._trial.waits and self._tuner.found is not None:
            energy["energy_reason"] = f"{self._tuner.found.integrator} has been chosen with them"
        chosen = {**self._tuner.choice, **kind, **energy}
        if self._force.in_use:
            chosen.pop("reason", None)
        return {**chosen, **self._force.choice}

    @property
    def energy(self) -> KineticEnergy:
        """The kinetic energy in use."""
        return self._trial.energy

    def turns_about(self, plan: Plan) -> np.ndarray | None:
        """The mean of the Gaussian whose motion a harmonic drift is, a copy; None where the drift is free."""
        integrator = self._force.integrator if self._force.in_use else self._tuner.integrator
        return None if plan.mean is None or integrator.split == FREE else plan.mean.copy()

    def outline(self) -> Plan:
        """A plan of the right types, before the chain stands anywhere."""
        return self._planner.plan(0, self._metric.start(np.ones(self._dim)), self._trial.record(), None)

    def begin(self, lab: Lab, known: LearnedChain | None = None) -> Plan:
        """The first plan: the metric that the way down to the typical set and the curvature there suggest.

        Where nothing is learned, the chain stays where it is, and the gradient there suggests the metric.  With what
        another run has learned, the plan is that run's, unless the chain is far from its typical set by it.
        """
        if known is not None and (plan := self._begun_from(known, lab)) is not None:
            return plan
        kinetic = self._trial.record()
        metric = self._metric.start(lab.gradient)
        if not self._approach.over:

            def step_size(metric: LinearMap) -> float:
                return lab.step_size(self._planner.plan(0, metric, kinetic, None).system(lab.target), 1.0)

            metric = first_metric(self._metric, lab, step_size, self._policy)
        plan = self._planner.plan(0, metric, kinetic, None)
        return replace(plan, restart=self._planner.searched(plan, lab, 1.0))

    def _begun_from(self, known: LearnedChain, lab: Lab) -> Plan | None:
        """The plan of a chain of another run; None where there is a warm-up, and the chain needs all of it."""
        records = self._beginning.take(known, lambda: self._metric.start(lab.gradient))
        plan = self._planner.plan(0, *records)
        if self._approach.known and self._planner.is_far(plan, lab):
            self._beginning.forget()
            return None
        if self._approach.known and self._force.holds:
            self._approach.end("what had been learned")
            self._force.prove_again(self._windows.schedule.last)
            plan = self._planner.plan(0, *records)
        again = Restart(known.step_size, 1.0, self._policy.settled_gain)
        return replace(plan, restart=again if self._settings.adapts_step_size else None)

    def agreed(self, known: LearnedChain, plan: Plan, count: int) -> Plan:
        """The plan after a warm-up of `count` draws by what several chains have learned together."""
        new = self._planner.plan(count, *self._beginning.take(known, lambda: plan.metric))
        again = Restart(known.step_size, 1.0, self._policy.settled_gain)
        return replace(new, restart=again if self._settings.adapts_step_size else None)

    def check(self, known: LearnedChain) -> None:
        """Raise a ValueError unless a chain with these settings can begin from what another one has learned."""
        self._beginning.check(known)

    def after(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan, once enough points have been seen, or a window, or warm-up, has ended."""
        self._count = window.end
        if not self._approach.over:
            return self._approached(window, plan, lab)
        if self._force.learns:
            return self._learned_more(window, plan, lab)
        if window.end == self._windows.end:
            return self._planner.plan(window.end, plan.metric, plan.kinetic, plan.mean)
        refused = self._trial.tried and not self._trial.keeps(window, self._tuner.integrator.stages)
        fitted = self._planner.fitted(window, plan, window)
        new = self._fallen(fitted, window.end, lab)
        restart: Restart | None = None
        if refused:  # this window does not tell what the Gaussian energy can do
            restart = Restart(self._trial.step_size, 1.0, self._policy.settled_gain)
        elif self._tuner.found is not None or not self._windows.open_ended:  # otherwise, all has been chosen before
            restart = self._tuned(window, new, lab, type(fitted.metric) is type(plan.metric))
        kinetic = self._to_try(window, new) if [window.end] == self._windows.ends[-2:-1] else new.kinetic
        new = self._planner.plan(window.end, new.metric, kinetic, new.mean)
        if not self._settings.adapts_step_size:
            return new
        if restart is None:
            # Dual averaging is only begun anew where the old step size means nothing any more: each restart costs
            # accuracy.
            other = new.kinds != plan.kinds or new.kinetic is not plan.kinetic
            if self._transient or other:
                restart = self._planner.searched(new, lab, window.step_size)
        return replace(new, restart=restart)

    def _approached(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan of the approach, or the first one after it."""
        approach, policy, count, turned = self._approach, self._policy, window.end, self._approach.turning
        block, points = lab.points(approach.seen, window), lab.points(0, window)
        approach.take(window)
        if len(block.draws) < policy.fewest_points:  # draws are due, and no trajectory has come anywhere
            return self._cut_short(plan, window, lab)
        fitted = self._planner.fitted(window, plan, points)
        seen = look(plan.metric, fitted.metric, block)
        approach.fitted(seen, lab.kept, lab.seen)
        new = self._fallen(fitted, count, lab)
        room = self._windows.schedule.last - count
        if not self._transient and self._force.begin_early(window, points, new.metric, room):
            approach.end("a surrogate was good enough")
            return self._planner.by_surrogate(count, new, new.metric, goes_on=True)
        if approach.known:
            if self._transient or not self._beginning.holds(window):
                self._beginning.forget()
            elif approach.settled(seen):
                return self._begun(new, window, lab, "what had been learned holds", turned)
        elif self._transient:
            self._turns.back("the chain was far from its typical set")
        elif approach.turning and self._turns.astray(new, seen, lab, window):
            self._turns.back("turns were lost")
        elif approach.settled(seen) and self._turns.proved(new, window, lab):
            return self._begun(new, window, lab, "the metric is known", turned)
        if count >= self._approach_ends:
            return self._cut_short(new, window, lab)
        if not (turned or self._transient) and self._turns.may_begin(seen, len(points.draws), count):
            self._turns.begin(window, lab)
        new = replace(self._planner.plan(count, new.metric, new.kinetic, new.mean), goes_on=approach.turning == turned)
        if approach.turning:
            again = Restart(window.step_size, 1.0, policy.settled_gain)
            return replace(new, restart=again if turned else Restart(policy.turn_step, 1.0, GAMMA))
        return replace(
            new, restart=self._planner.searched(new, lab, 1.0 if turned else window.step_size, policy.approach_reach)
        )

    def _cut_short(self, plan: Plan, window: Window, lab: Lab) -> Plan:
        """The first plan after an approach for which there are no more draws."""
        turned = self._approach.turning
        if turned and not self._approach.settled_by_turns:
            self._turns.back("turns were few")
        else:
            self._turns.proved(plan, window, lab)
        return self._begun(plan, window, lab, "draws were few", turned)

    def _begun(self, plan: Plan, window: Window, lab: Lab, reason: str, turned: bool) -> Plan:
        """The first plan after the approach, whose latest draws `turned` or were no-U-turn."""
        approach, count, policy = self._approach, window.end, self._policy
        if self._force.waits:
            points, room = lab.points(0, window), self._windows.schedule.last - count
            if self._force.begin(window, points, plan.metric, room):
                approach.end(reason)
                return self._planner.by_surrogate(count, plan, plan.metric, goes_on=True)
        restart = None
        if approach.known:
            restart = Restart(window.step_size, 1.0, policy.settled_gain)
        elif self._tuner.found is not None:
            restart = Restart(self._tuner.found.step_size, 1.0, policy.settled_gain)
        approach.end(reason)
        kinetic = plan.kinetic
        # only draws by the trajectories that are to come tell what another kinetic energy is compared with
        alike = not turned and isinstance(self._settings.trajectory, NoUTurn | Auto)
        if not self._windows.open_ended:
            self._windows.by_schedule(count)
            if self._windows.left(count) == 1 and alike:
                kinetic = self._to_try(window.last(policy.latest_draws), plan)
        elif restart is not None:
            self._windows.end_at(count)
        else:
            restart = self._chosen(plan, window, lab, turned)
            if alike:
                kinetic = self._to_try(window.last(policy.latest_draws), plan)
            self._windows.of_proofs(count, self._proofs())
        if restart is None:
            self._tuner.beware(approach.diverged, policy.risky_early)
        new = self._planner.plan(count, plan.metric, kinetic, plan.mean)
        if restart is None and self._settings.adapts_step_size:
            latest = window.last(policy.step_draws)
            if turned or not len(latest.draws):
                restart = self._planner.searched(new, lab, 1.0)
            else:
                size = size_for(new.target_accept, latest.sizes, latest.accept, self._tuner.integrator.order)
                restart = Restart(size, 1.0, policy.settled_gain)
                if self._trial.tried:
                    self._trial.step_size = size
                    restart = self._planner.searched(new, lab, size)
        return replace(new, restart=restart)

    def _learned_more(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan after a round of draws by a surrogate, or after its proof."""
        force, count, points = self._force, window.end, lab.points(0, window)
        metric = self._metric.fit(plan.metric, points) if plan.rule.exact else plan.metric
        force.after(window, points, metric, lab, self._windows.schedule.last - count)
        if not plan.rule.exact and not force.holds:
            lab.renew()
        if not force.in_use:
            fallen_back = self._planner.plan(count, metric, plan.kinetic, plan.mean)
            return self._begun(fallen_back, window, lab, self._approach.reason, True)
        if force.holds and self._windows.open_ended:
            self._windows.end_at(count)
        return self._planner.by_surrogate(count, plan, metric, goes_on=bool(plan.rule.exact) and force.exact)

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

    def _tuned(self, window: Window, plan: Plan, lab: Lab, alike: bool) -> Restart | None:
        """Let measurements choose integrator and trajectory; the step size to begin anew with, None to go on.

        `alike` says whether the metric is of the kind that the window was drawn with.
        """
        tuner, left = self._tuner, self._windows.left(window.end)
        found = tuner.consider(window, plan, lab, Stage(left, self._transient, alike))
        if not self._transient:
            tuner.beware(window.diverged)
        return None if found is None else Restart(found, 1.0, self._policy.settled_gain)

    def _fallen(self, fitted: Plan, count: int, lab: Lab) -> Plan:
        """A fitted plan, or one by which the chain falls faster, where it is still far from its typical set."""
        self._transient = self._planner.is_far(fitted, lab)
        return self._planner.falling(fitted, count, lab) if self._transient else fitted

    def _proofs(self) -> int:
        """Windows of proof before a warm-up that ends by itself does."""
        trial = self._trial
        if self._tuner.found is not None or trial.tried:
            return 1
        if self._settings.kinetic.adapts and self._policy.proof:
            return 2 if trial.waits else int(not trial.gaussian)
        return 0

    def foreseen(self, plan: Plan) -> Iterator[tuple[Plan, bool]]:
        """Plans whose kernels a chain will run, and whether outings may be made with them."""
        return self._planner.foreseen(plan)

    @property
    def tests_trajectories(self) -> bool:
        """Whether test trajectories may be made."""
        return self._tuner.active

    def snapshot(self) -> dict[str, Any]:
        """Everything that later plans depend on, beside the last one and the history of `choice`."""
        return {
            "far": self._transient, "windows": list(self._windows.ends), "end": self._windows.end,
            "tuner": self._tuner.snapshot(), "approach": self._approach.snapshot(), "energy": self._trial.snapshot(),
            "surrogate": self._force.snapshot(), "density": self._force.params,
        }  # fmt: skip

    def restore(self, snapshot: Mapping[str, Any]) -> Plan:
        """Become what `snapshot`, of a chain, describes; the plan that the chain drew by."""
        self._transient, self._windows.ends, self._windows.end = (
            snapshot["far"],
            list(snapshot["windows"]),
            snapshot["end"],
        )
        self._approach.restore(snapshot["approach"])
        self._count = snapshot["count"]
        self._tuner.restore(snapshot["tuner"], snapshot["choice"]["history"])
        self._trial.restore(snapshot["energy"])
        self._force.restore(snapshot["surrogate"], snapshot["density"])
        kinetic = self._trial.record()._replace(params=snapshot["kinetic"].copy())
        mean = None if snapshot["mean"] is None else snapshot["mean"].copy()
        metric = map_of({name: array.copy() for name, array in snapshot["metric"].items()})
        return self._planner.plan(snapshot["count"], metric, kinetic, mean)
