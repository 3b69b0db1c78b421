"""The choice of integrator, path length and step size by the efficiency of each: effective draws per gradient.

No-U-turn leapfrog is what a chain begins with, and what it stays with or comes back to wherever nothing else is clearly
better.  At the ends of the last three windows of warm-up the tuner examines the draws of the window:

1. *Gaussianity.*  How far is the target from a Gaussian in its least Gaussian direction, and how heavy are the tails of
   draws and gradients?  The nearer, the earlier something else is tried; funnels and heavy tails are left to no-U-turn.
2. *The floor.*  What is the efficiency of no-U-turn so far, by the autocorrelations of the draws?
3. *The search.*  What would it be with other schemes, step sizes and fixed path lengths, by test trajectories?  The
   best one is taken if it promises to be better by a margin.
4. *Beyond the draws.*  Is there another mode, or a heavy tail, where none of the draws has been?  A harmonic drift does
   not lead there, so no-U-turn stays for good.
5. *Proof.*  In the window that follows the chain runs what was chosen.  Its real efficiency, how often it was stuck or
   lost, and whether it diverged, decide whether it stays.

Unless the target is nearly Gaussian, a single short path leads to a draw that is much less effective than a no-U-turn
draw, and a run has as many of them: what is gained per gradient is lost again by a warm-up that is shared among fewer
effective draws, and by tails that are seen less often.  So there several short paths make a draw, which costs nearly
what a no-U-turn draw does and, if anything is gained, is more effective.

Test trajectories cost gradients, which are counted like all others; a search has a budget of so many no-U-turn draws.
The numbers by which all of this is decided are those of `Policy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import integrators, trajectories
from ..kinetic import Gaussian
from ..settings import Settings
from ..splits import Split
from ..window import Window
from .beyond import Beyond
from .caution import Caution
from .efficiency import Gaussianity, ess_per_draw, fraction_lost, gaussianity, longest_stay
from .lab import Lab, evenly_spaced
from .path import BestPath
from .plan import Plan
from .search import Candidate, Demands, Search, Tuning, first_candidate

__all__ = ["ELSEWHERE", "Stage", "Tuner"]

ELSEWHERE = "there is more where no draw has been"
_UNSEEN = "no window of warm-up was long enough to choose by"


class Stage(NamedTuple):
    """Where in warm-up a window has ended.

    `windows_left` follow it; `transient` says whether the chain is on its way to its typical set still, and `alike`
    whether the metric is of the kind that the window was drawn with, so that lengths of paths compare.
    """

    windows_left: int
    transient: bool = False
    alike: bool = True


class _Measured(NamedTuple):
    """Measurements of a window, with its event in the history; effective draws and gradients are per draw."""

    window: Window
    stage: Stage
    gaussianity: Gaussianity
    ess: float
    gradients: float
    event: dict[str, Any]


class Tuner:
    """The choice of integrator and trajectory: no-U-turn, until something proves to be better.

    Parameters
    ----------
    settings : Settings
        With the trajectory `trajectories.Auto` there is something to choose: integrator and trajectory, or the
        trajectory alone where an integrator is given.  A step size or an acceptance that is given is kept to.
    dim : int
    """

    def __init__(self, settings: Settings, dim: int) -> None:
        base = settings.integrator
        self._automatic = isinstance(base, integrators.Auto)
        self._settings, self._dim, self._policy = settings, dim, settings.policy
        self.active = (
            isinstance(settings.trajectory, trajectories.Auto)
            and (self._automatic or (isinstance(base, integrators.Integrator) and isinstance(base.drift, str)))
            and dim > 0
        )
        known = {**integrators.CATALOGUE, **integrators.HARMONIC}
        schemes: list[Any] = [known[name] for name in self._policy.schemes] if self._automatic else [base]
        if not (isinstance(settings.kinetic, Gaussian) or (settings.kinetic.adapts and self._policy.energy_trial)):
            schemes = [scheme for scheme in schemes if not scheme.split.adapts]
        self._schemes = {scheme.name: scheme for scheme in schemes} if self.active else {}
        pinned = settings.accept_given or settings.step_size is not None
        self._caution = Caution(settings)
        self._free = not pinned
        self._columns = evenly_spaced(dim, self._policy.coordinates)
        self.found: Tuning | None = None
        self._floor, self._floor_draw, self._floor_step, self._floor_steps = 0.0, 0.0, 0.0, 0.0
        self._history: list[dict[str, Any]] = []
        self._proved = np.inf  # the step size up to which what is found has been checked where no draw has been
        self._reason = _UNSEEN if self.active else f"no other is tried with {base.name}"

    @property
    def harmonic(self) -> bool:
        """Whether a harmonic drift may be chosen, so that its mean has to be known."""
        return any(scheme.split.adapts for scheme in self._schemes.values())

    @property
    def integrator(self) -> Any:
        """The integrator in use."""
        return self._settings.integrator if self.found is None else self._schemes[self.found.integrator]

    @property
    def trajectory(self) -> trajectories.TrajectoryRule:
        """The trajectory in use."""
        found = self.found
        if found is None:
            return self._caution.trajectory
        return trajectories.FixedTime(found.time, found.jitter, repeats=found.repeats)

    @property
    def target_accept(self) -> float:
        """The acceptance that dual averaging holds: the one that was measured with the best step size."""
        policy = self._policy
        if self._settings.accept_given or self.found is None:
            return self._caution.target_accept
        return min(max(self.found.accept, policy.accept[0]), policy.accept[1])

    @property
    def choice(self) -> dict[str, Any]:
        """The integrator and trajectory in use, and in ``history`` all that was measured, as plain numbers and words.

        Where no-U-turn trajectories are run although there was something to choose, ``reason`` says why.
        """
        found, settings = self.found, self._settings
        if found is not None:
            chosen: dict[str, Any] = {"integrator": found.integrator, "trajectory": "fixed_time"}
            chosen |= {"time": found.time, "jitter": found.jitter, "repeats": found.repeats}
            chosen |= {"predicted": found.efficiency}
        else:
            automatic = isinstance(settings.trajectory, trajectories.Auto)
            chosen = {
                "integrator": "leapfrog" if self._automatic else settings.integrator.name,
                "trajectory": "no_u_turn" if automatic else settings.trajectory.name,
            }
            if automatic:
                chosen["reason"] = self._reason
                chosen |= {"divides": True} if self._caution.divides else {}
        return {**chosen, "target_accept": self.target_accept, "floor": self._floor, "history": list(self._history)}

    def consider(self, window: Window, plan: Plan, lab: Lab, stage: Stage) -> float | None:
        """Choose by a window that has ended; returns the step size to begin anew with, None to go on as before.

        Parameters
        ----------
        window : Window
        plan : Plan
            With the metric, and the mean, that the window has led to.
        lab : Lab
        stage : Stage
        """
        policy, count = self._policy, len(window.draws)
        if not self.active or stage.windows_left >= len(policy.limits):
            return None
        if stage.transient:
            return self._give_up("the chain was far from its typical set")
        if count < policy.least_draws or (self.found is None and count < min(self._dim, 100)):
            return None
        measured = self._measure(window, plan, stage)
        self._caution.far = not self._suits(measured)
        if self._caution.far:
            return self._give_up("the target is not Gaussian enough")
        if self.found is None and stage.alike and measured.event["steps"] * window.step_size > policy.longest_time:
            # The metric is not known yet: draws tell nothing of a direction that the chain has hardly gone along, and
            # short paths, which look good in all others, would keep it from ever doing so.
            self._reason = "paths have to be longer than those that are tried"
            return None
        if self.found is None:
            self._floor_draw, self._floor_step, self._floor_steps = measured.ess, window.step_size, measured.gradients
        near = measured.gaussianity.distance < policy.near_gaussian
        self._floor = self._floor_draw / (self._floor_steps + policy.per_draw)
        settings = self._settings
        demands = Demands(
            policy,
            settings.target_accept - 0.05 if settings.accept_given else 0.0,
            0.0 if near else policy.path_cost * self._floor_steps,
            settings.step_size is not None,
        )
        search = Search(lab, plan, window, demands)
        if self.found is None:
            unproved = policy.margin_unproved if near else policy.margin_far
            return self._first(search, measured, policy.margin if stage.windows_left else unproved)
        return self._judge(search, measured)

    def _measure(self, window: Window, plan: Plan, stage: Stage) -> _Measured:
        """Measure a window, and note it in the history."""
        z, g = plan.metric.solve(window.draws), plan.metric.adjoint(window.gradients)
        seen, steps = gaussianity(z, g), float(window.steps.mean())
        ess, gradients = ess_per_draw(window, self._columns), steps * self.integrator.stages
        event: dict[str, Any] = {
            "integrator": self.integrator.name if self.found else "no_u_turn",
            "step_size": window.step_size,
            "efficiency": ess / (gradients + self._policy.per_draw),
            "steps": steps,
            "accept": float(window.accept.mean()),
            "lost": fraction_lost(window, self.found.repeats if self.found else 1),
            **{name: value if np.isfinite(value) else None for name, value in seen._asdict().items()},
        }
        self._history.append(event)
        return _Measured(window, stage, seen, ess, gradients, event)

    def _suits(self, measured: _Measured) -> bool:
        """Whether the target is near enough to a Gaussian for anything but no-U-turn trajectories."""
        policy, seen = self._policy, measured.gaussianity
        farthest, heaviest = policy.limits[measured.stage.windows_left]
        if self.found is not None:
            farthest = max(farthest, policy.turn_left)
        if (measured.gradients if self.found is None else self._floor_steps) < policy.quick:
            farthest = min(farthest, policy.quick_distance)
        calm = seen.radial_correlation > policy.least_radial_correlation and seen.kurtosis < policy.largest_kurtosis
        return (seen.distance < policy.near_gaussian or calm) and seen.distance < farthest and seen.tail < heaviest

    def turn(self, step_size: float) -> None:
        """Turn with the harmonic drift, before it has proved anything, after no-U-turn draws by this step size."""
        policy, name = self._policy, self._turns_by
        assert name is not None
        self._floor_step = step_size
        self.found = Tuning(name, policy.turn_step, 0.0, math.pi / 2, policy.turn_jitter, policy.turn_accept)
        self._history.append({"integrator": "no_u_turn", "step_size": step_size, "verdict": "nearly normal"})

    def turn_back(self, why: str) -> None:
        """Go back to no-U-turn trajectories, and leave later windows to find something."""
        self.found, self._reason = None, why
        self._history.append({"verdict": why})

    def take(self, path: BestPath, points: Window, plan: Plan, lab: Lab) -> bool:
        """Take a path of the harmonic drift that turns have led to, if nothing beyond their `points` forbids it.

        Parameters
        ----------
        path : BestPath
        points : Window
            Of the turns.
        plan : Plan
            With the metric, and the mean, that they have led to.
        lab : Lab
        """
        assert self.found is not None
        jitter, began = self.found.jitter, lab.gradients
        found = Tuning(self.found.integrator, path.step_size(jitter), path.efficiency, path.time, jitter, path.accept)
        asked = self._automatic and plan.mean is not None
        beyond = Beyond(lab, plan, points, self._policy, self._floor_step) if asked else None
        event: dict[str, Any] = {}
        holds = self._holds(beyond, found, event)
        self._history.append({**event, "cost": lab.gradients - began})
        self.found = found if holds else None
        return holds

    @property
    def _turns_by(self) -> str | None:
        """The scheme of one stage that turns, if any may be chosen."""
        return next((name for name, one in self._schemes.items() if one.split.adapts and one.stages == 1), None)

    @property
    def may_turn(self) -> bool:
        """Whether turns may be made before they are measured: where step size and acceptance are free, too."""
        return self.active and self._turns_by is not None and self._free

    def beware(self, diverged: np.ndarray, allowed: tuple[int, float] = (0, 0.0)) -> None:
        """Divide steps from now on where more no-U-turn draws have diverged than are `allowed`; see `Caution.after`."""
        if self.found is None:
            self._caution.after(diverged, allowed)

    def _first(self, search: Search, measured: _Measured, margin: float) -> float | None:
        """Choose something else than no-U-turn trajectories, if anything deserves it."""
        best = self._best(search, measured, margin * self._floor)
        if best is None:
            if self.active:
                self._reason = "nothing promised to be better"
            return None
        self.found = best
        return best.step_size

    def _judge(self, search: Search, measured: _Measured) -> float | None:
        """Keep what was chosen, or something like it, or give it up."""
        assert self.found is not None
        policy, event, window = self._policy, measured.event, measured.window
        split, step_size, efficiency = self.integrator.split, event["step_size"], event["efficiency"]
        bold = not split.adapts and policy.most_lost_free < event["lost"] < policy.bold_lost
        if bold and self.found.accept < policy.bold_accept - 0.02:
            event["verdict"] = "too bold"
            self.found = self.found._replace(step_size=policy.shorter * step_size, accept=policy.bold_accept)
            return self.found.step_size
        if event["lost"] > policy.most_lost(split.name) or (split.adapts and window.diverged.any()):
            event["verdict"] = f"trajectories of the {split.name} drift are lost"
            return self._without(split, search, measured)
        if longest_stay(window.draws) > policy.longest_stay or window.diverged.mean() > policy.most_diverging:
            return self._give_up("what was tried got stuck")
        if efficiency < policy.keep * self._floor:
            event["verdict"] = "no better than no-U-turn"
            self.found, self._reason = None, "what was tried was no better"
            return self._floor_step
        if step_size > self._proved and not self._holds_by(search, self.found._replace(step_size=step_size), event):
            return self._give_up(ELSEWHERE)
        if efficiency > policy.enough[min(measured.stage.windows_left, 1)] * self._floor:
            event["verdict"] = "kept"
            return None
        now = search.now(self._candidates()[self.found.integrator]._replace(step_size=step_size), *self.found[3:5])
        best = self._best(search, measured, max(policy.switch * now, policy.margin * self._floor), step_size)
        event["now"] = now
        if not self.active:
            return self._give_up(ELSEWHERE)
        if best is None:
            return None
        self.found = best
        return best.step_size

    def _without(self, split: Split, search: Search, measured: _Measured) -> float | None:
        """Give up what was chosen and all schemes of its drift; choose among free ones, if it was the harmonic one."""
        if not split.adapts:
            return self._give_up("what was tried lost its way")
        self._schemes = {name: scheme for name, scheme in self._schemes.items() if not scheme.split.adapts}
        self.found = None
        if not self._schemes:
            return self._give_up("what was tried lost its way")
        margin = self._policy.margin if measured.stage.windows_left else self._policy.margin_unproved
        renewed = self._first(search, measured, margin)
        return self._floor_step if renewed is None else renewed

    def _best(self, search: Search, measured: _Measured, least: float, step_size: float | None = None) -> Tuning | None:
        """The best that a search finds to be at least so efficient, and that holds; all of it goes into the history.

        With the step size of what is in use, it is tried once more beside others.
        """
        candidates, policy, event = self._candidates(), self._policy, measured.event
        if step_size is not None and self.found is not None:
            name = self.found.integrator
            candidates[name] = candidates[name]._replace(step_size=step_size)
        far = self._automatic and measured.gaussianity.distance >= policy.near_gaussian
        if far or not search.gaussian:
            candidates = {name: one for name, one in candidates.items() if not one.scheme.split.adapts}
        if not candidates:
            return None
        budget = max(policy.budget * self._floor_steps, policy.least_budget)
        tried = search.best(candidates, budget, step_size is not None)
        event["tried"] = [list(found) for found in tried]
        top = tried[0]
        promising = top.efficiency > 0 and top.efficiency >= least
        holds = promising and self._holds_by(search, top, event)
        event["cost"] = search.cost
        return top if holds else None

    def _holds_by(self, search: Search, found: Tuning, event: dict[str, Any]) -> bool:
        known = self._automatic and self._schemes[found.integrator].split.adapts
        return self._holds(search.beyond(self._floor_step) if known else None, found, event)

    def _holds(self, beyond: Beyond | None, found: Tuning, event: dict[str, Any]) -> bool:
        """Whether what is found is good for places, too, that the window has not been to.

        The harmonic drift of a Gaussian that was fitted in one mode hardly ever leads to another one, and never into a
        heavy tail.  Where there is more than that Gaussian says, the tuner is no longer active, and says why.
        """
        scheme = self._schemes[found.integrator]
        if not scheme.split.adapts or not self._automatic or beyond is None:
            return True
        event["excess"] = float(beyond.excess.max())
        self._proved = self._policy.proved_growth * found.step_size if beyond.remarkable.any() else np.inf
        if beyond.forbids(scheme, found.step_size, found.time):
            self.active, self._reason = False, ELSEWHERE
        return self.active

    def _give_up(self, why: str) -> float | None:
        """Go back to no-U-turn trajectories; for good, if something else was tried."""
        self._reason = why
        if self.found is None:
            return None
        self.found, self.active = None, False
        self._history.append({"verdict": why})
        return self._floor_step

    def _candidates(self) -> dict[str, Candidate]:
        """The schemes, with step sizes to begin with, given that of no-U-turn leapfrog."""
        policy, floor, found = self._policy, self._floor_step, {}
        for name, scheme in self._schemes.items():
            given = self._settings.step_size
            if given is None and not (self._automatic or scheme.split.adapts):
                given = policy.first_step * floor  # which was that of this scheme
            found[name] = first_candidate(scheme, floor, given, policy)
        return found

    def snapshot(self) -> dict[str, Any]:
        """Everything that later choices depend on, as numbers and words; `choice` has the rest."""
        return {
            "active": self.active,
            "schemes": list(self._schemes),
            "found": None if self.found is None else list(self.found),
            "floor": [self._floor, self._floor_draw, self._floor_step, self._floor_steps],
            "reason": self._reason,
            **self._caution.snapshot(),
            "proved": float(self._proved) if np.isfinite(self._proved) else None,
        }

    def keep_to(self, snapshot: Mapping[str, Any]) -> None:
        """Go on with what the tuner of another chain has come to, as `snapshot` describes it, and try nothing else.

        The history stays that of what has been measured here.
        """
        self.restore(snapshot, self._history)
        self.active = False

    def restore(self, snapshot: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
        """Become what `snapshot` describes, of a tuner with this history."""
        self.active = snapshot["active"]
        known = Tuner(self._settings, self._dim)._schemes
        self._schemes = {name: known[name] for name in snapshot["schemes"]}
        self.found = None if snapshot["found"] is None else Tuning(*snapshot["found"])
        self._floor, self._floor_draw, self._floor_step, self._floor_steps = snapshot["floor"]
        self._caution.restore(snapshot)
        proved = snapshot.get("proved")
        self._proved = np.inf if proved is None else proved
        self._reason = snapshot.get("reason", self._reason)  # runs that were stored by earlier versions have none
        self._history = [dict(event) for event in history]
