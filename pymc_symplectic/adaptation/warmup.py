"""Warm-up: from the first gradient, and at the end of each window, to what the chain draws by next."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..integrators import get as get_integrator
from ..kernels.adapt import GAMMA
from ..kernels.linear import LinearMap, map_of
from ..refreshments import Full
from ..settings import Settings
from ..splits import FREE, HARMONIC
from ..trajectories import FixedTime, NoUTurn, TrajectoryRule
from ..window import Window
from .lab import Lab
from .plan import Plan, Restart
from .schedule import doubling, window_ends
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

    Raises
    ------
    ValueError
        When the metric does not serve `dim` parameters.

    Notes
    -----
    ``begin(lab)`` gives the first `Plan`, and ``after(window, plan, lab)`` the next one, at the end of each window and
    at that of warm-up, whose draws `next_event` tells.  A warm-up knows nothing of the chain but what the `Lab`
    measures where it stands.
    """

    def __init__(self, settings: Settings, dim: int, tune: int) -> None:
        self._metric = settings.metric.resolve(dim)
        self._metric.check(dim)
        self._settings, self._dim, self._tune, self._policy = settings, dim, tune, settings.policy
        self._tuner = Tuner(settings, dim)
        learns = (
            self._metric.adapts or settings.kinetic.adapts or settings.integrator.split.adapts or self._tuner.active
        )  # fmt: skip
        self._windows = window_ends(tune, self._policy) if learns and dim else []
        self._transient = False

    @property
    def memory(self) -> int:
        """How many of the latest draws of a window have to be remembered."""
        kinetic = self._settings.kinetic
        longest = int(max(np.diff([0, *self._windows]), default=0))
        asked = self._metric.memory, kinetic.memory if kinetic.adapts else 0, self._policy.memory * self._tuner.active
        return min(longest, max(asked))

    @property
    def windows(self) -> tuple[int, ...]:
        """The draws at which windows end."""
        return tuple(self._windows)

    def next_event(self, count: int) -> int:
        """The number of draws at which a chain that has made `count` comes back here."""
        return min((end for end in (*self._windows, self._tune) if end > count), default=sys.maxsize)

    def choice(self, metric: LinearMap) -> dict[str, Any]:
        """Integrator, trajectory and metric in use, and how they were chosen, as words and numbers."""
        return {**self._tuner.choice, "metric": self._settings.metric.kind(metric)}

    def turns_about(self, plan: Plan) -> np.ndarray | None:
        """The mean of the Gaussian whose motion a harmonic drift is, a copy; None where the drift is free."""
        return None if plan.mean is None or self._tuner.integrator.split == FREE else plan.mean.copy()

    def outline(self) -> Plan:
        """A plan of the right types, before the chain stands anywhere."""
        kinetic = self._settings.kinetic.record(self._dim)
        return self._plan(0, self._metric.start(np.ones(self._dim)), kinetic, None)

    def begin(self, lab: Lab) -> Plan:
        """The first plan: the metric that one gradient suggests, and a step size that is searched for."""
        kinetic = self._settings.kinetic.record(self._dim)
        plan = self._plan(0, self._metric.start(lab.gradient), kinetic, None)
        return replace(plan, restart=self._searched(plan, lab, 1.0))

    def after(self, window: Window, plan: Plan, lab: Lab) -> Plan:
        """The next plan, once a window, or warm-up, has ended."""
        if window.end == self._tune:
            return self._plan(window.end, plan.metric, plan.kinetic, plan.mean)
        early = self._windows.index(window.end) < self._policy.early_windows
        fitted = self._fitted(window, plan, early)
        was_transient, new = self._transient, self._fallen(fitted, window.end, lab)
        if self._transient:
            self._refit_soon(window.end)
            new = self._plan(window.end, new.metric, new.kinetic, new.mean)
        restart = self._tuned(window, new, lab, type(fitted.metric) is type(plan.metric))
        new = self._plan(window.end, new.metric, new.kinetic, new.mean)
        if not self._settings.adapts_step_size:
            return new
        if restart is None:
            # Dual averaging is only begun anew where the old step size means nothing any more: each restart costs
            # accuracy.
            other = new.kinds != plan.kinds or new.kinetic is not plan.kinetic
            if early or was_transient or self._transient or other:
                restart = self._searched(new, lab, window.step_size)
        return replace(new, restart=restart)

    def _plan(self, count: int, metric: LinearMap, kinetic: Any, mean: np.ndarray | None) -> Plan:
        """The plan after `count` draws, with the integrator and the trajectory that the tuner has come to."""
        limit = self._settings.max_energy_error
        if count < self._tune:
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
            tunes_step=self._settings.adapts_step_size and count < self._tune,
            learns=bool(self._windows) and count < self._windows[-1],
        )

    def _trajectory_at(self, count: int) -> TrajectoryRule:
        """The trajectory of the draw after `count` draws.

        A trajectory of fixed length is helpless, and costly, until the metric is known: in all windows but the last it
        gives way to one that finds its own length.  The first windows allow few doublings, as pairs of position and
        gradient tell the scales however near they are to each other.
        """
        window = sum(end <= count for end in self._windows)
        chosen = self._tuner.trajectory
        if window >= len(self._windows) - 1 or self._tuner.found is not None:
            return chosen
        depth = self._policy.first_depth + window
        return NoUTurn(min(depth, chosen.max_depth) if isinstance(chosen, NoUTurn) else min(depth, 10))

    def _refreshment_of(self, trajectory: TrajectoryRule) -> Any:
        """The record of the refreshment that a trajectory begins with."""
        return (self._settings.refreshment if trajectory.persistent else Full()).record()

    def _fitted(self, window: Window, plan: Plan, early: bool) -> Plan:
        """Metric, kinetic energy, and what the split has to know of the target, as draws ask for."""
        settings, kinetic, mean = self._settings, plan.kinetic, plan.mean
        metric = self._metric.fit(plan.metric, window)
        if settings.kinetic.adapts and not early:
            draws, gradients = window.pairs
            kinetic = settings.kinetic.fit(kinetic, metric.solve(draws), metric.adjoint(gradients))
        split = HARMONIC if self._tuner.harmonic else settings.integrator.split
        if split.adapts and not early:
            mean = split.fit(metric, window)
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

    def _refit_soon(self, count: int) -> None:
        """Far from the typical set a long window would be spent on the way down: begin again from a short one."""
        due, length = [end for end in self._windows if end > count], self._policy.transient_window
        if due and due[0] - count > length:
            done = [end for end in self._windows if end <= count]
            self._windows = done + doubling(count, due[-1], length)

    def _tuned(self, window: Window, plan: Plan, lab: Lab, alike: bool) -> Restart | None:
        """Let measurements choose integrator and trajectory; the step size to begin anew with, None to go on.

        `alike` says whether the metric is of the kind that the window was drawn with.
        """
        tuner, left = self._tuner, len(self._windows) - 1 - self._windows.index(window.end)
        found = tuner.consider(window, plan, lab, Stage(left, self._transient, alike))
        wary = None if self._transient else tuner.raise_target_accept(window, found or window.step_size, left)
        if wary is not None:
            return Restart(wary, 1.0, GAMMA)  # free to fall far and fast, in the narrow places to be wary of
        return None if found is None else Restart(found, 1.0, self._policy.settled_gain)

    def _searched(self, plan: Plan, lab: Lab, guess: float) -> Restart | None:
        if not self._settings.adapts_step_size:
            return None
        found = lab.step_size(plan.system(lab.target), guess)
        # dual averaging that may explore far takes some draws to come back
        explores = self._tune >= self._policy.explore_from
        return Restart(found, self._policy.explore_reach if explores else 1.0, GAMMA)

    def foreseen(self, plan: Plan) -> Iterator[tuple[Plan, bool]]:
        """Plans whose kernels a chain will run, and whether outings may be made with them.

        Not those for a metric that turns dense, which few posteriors ask for, and which take as long again.
        """
        settings, dim, limit = self._settings, self._dim, self._settings.max_energy_error
        given, other = settings.integrator.split.adapts, self._tuner.harmonic
        own, timed = [settings.trajectory, NoUTurn()], [FixedTime()] if self._tuner.active else []
        flows = [(plan.flow, [*own, *timed], other and not given)]
        if given or other:
            scheme = settings.integrator if given else get_integrator("harmonic_leapfrog")
            fitted = scheme.record(dim, scheme.split.standard(dim))
            flows.append((fitted, [*(own if given else []), *timed], False))
        for flow, trajectories, outings in flows:
            for trajectory in trajectories:
                rule, refreshment = trajectory.record(dim, limit), self._refreshment_of(trajectory)
                yield replace(plan, flow=flow, rule=rule, refreshment=refreshment), outings

    @property
    def tests_trajectories(self) -> bool:
        """Whether test trajectories may be made."""
        return self._tuner.active

    def snapshot(self) -> dict[str, Any]:
        """Everything that later plans depend on, beside the last one and the history of `choice`."""
        return {"far": self._transient, "windows": list(self._windows), "tuner": self._tuner.snapshot()}

    def restore(self, snapshot: Mapping[str, Any]) -> Plan:
        """Become what `snapshot`, of a chain, describes; the plan that the chain drew by."""
        self._transient, self._windows = snapshot["far"], list(snapshot["windows"])
        self._tuner.restore(snapshot["tuner"], snapshot["choice"]["history"])
        kinetic = self._settings.kinetic.record(self._dim)._replace(params=snapshot["kinetic"].copy())
        mean = None if snapshot["mean"] is None else snapshot["mean"].copy()
        metric = map_of({name: array.copy() for name, array in snapshot["metric"].items()})
        return self._plan(snapshot["count"], metric, kinetic, mean)
