"""The choice of integrator, path length and step size by what a gradient is worth with each.

No-U-turn leapfrog is what a chain begins with, and what it stays with or comes back to wherever nothing else is clearly
better.  At the ends of the last three windows of warm-up the tuner looks at the draws of the window:

1. *Shape.*  How far is the target from a Gaussian in its least Gaussian direction, and how heavy are the tails of draws
   and gradients?  The nearer, the earlier something else is tried; funnels and heavy tails are left to no-U-turn.
2. *The floor.*  What was a gradient worth so far, by the autocorrelations of the draws?
3. *The search.*  What would it be worth with other schemes, step sizes and fixed path lengths, by test trajectories?
   The best one is taken if it promises to be better by a margin.
4. *Beyond the draws.*  Is there another mode, or a heavy tail, where none of the draws has been?  A harmonic drift does
   not lead there, so no-U-turn stays for good.
5. *Proof.*  In the window that follows the chain runs what was chosen.  What it is worth in truth, how often it was
   stuck or lost, and whether it diverged, decide whether it stays.

Unless the target is nearly Gaussian, a single short path leads to a draw that is worth much less than a no-U-turn draw,
and a run has as many of them: what is gained per gradient is lost again by a warm-up that is shared among fewer
effective draws, and by tails that are seen less often.  So there several short paths make a draw, which costs nearly
what a no-U-turn draw does and, if anything is gained, is worth more.

Test trajectories cost gradients, which are counted like all others; a search has a budget of so many no-U-turn draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .. import integrators, kinetic, trajectories
from ..kernels.state import State, System
from ..metrics.estimate import whitened
from .search import LOST, Candidate, Found, Search
from .worth import PER_DRAW, Memory, longest_rest, lost, realised, shape, spread

__all__ = ["MEMORY", "Tuner", "in_words"]

MEMORY = 400
"""Draws that a choice looks at."""
_COORDINATES = 256  # that are looked at, at most
_LEAST_DRAWS = 40
_SCHEMES = ("harmonic_leapfrog", "leapfrog", "harmonic_bcss2", "bcss2")
_BUDGET, _LEAST_BUDGET = 60.0, 300.0
_TAME = 0.4  # a target that is nearer to a Gaussian than this is easy; a harmonic drift pays there alone
# by how many windows are left: the largest distance from a Gaussian and the heaviest tails that are tried
_SHAPES = ((2.0, 2.6), (2.0, 2.0), (_TAME, 2.0))
_QUICK, _NEAR = 10.0, 1.5  # where no-U-turn draws cost so few gradients there is little to gain, and less is risked
_FARTHEST = 30.0  # time of no-U-turn trajectories: three times the longest path that a search tries
_LEAST_PULL, _HIGHEST_PEAK = -0.05, 14.0  # of all that are not tame
_MARGIN, _MARGIN_UNPROVED, _MARGIN_WILD = 1.15, 1.3, 1.5  # times the floor; more where no window is left for proof
_SWITCH = 1.2  # times what is in use
_KEEP = 1.05  # times the floor, of what was proved
_ALIKE = 0.7  # gradients of a draw of several paths, over those of a no-U-turn draw
_ENOUGH = (1.5, 2.5)  # times the floor, by how many windows are left: no other search
_ACCEPT = 0.8, 0.95  # what dual averaging may be told to hold
_CAREFUL, _LOST_MUCH, _SHORTER = 0.92, 0.15, 0.75
# log-densities beyond all draws, in nats above the fitted Gaussian: remarkable ones, and those of which so many rule a
# harmonic drift out; the error of the energy that does where one is remarkable, and how much its steps may grow since
_SURPLUS, _OTHER, _SEVERAL, _THROWN, _LONGER = 8.0, 20.0, 3, 6.0, 1.1
_ELSEWHERE = "there is more where no draw has been"
_LONGEST_REST, _DIVERGING = 25, 0.02
# divergences of no-U-turn draws, as a share and as a number, and the acceptance that is held where there are more
_RISKY, _ACCIDENTS, _CAUTIOUS = 0.01, 2, 0.9
_UNSEEN = "no window of warm-up was long enough to choose by"


class _Settings(Protocol):
    """What is read of `Settings`, which lies above."""

    @property
    def integrator(self) -> Any: ...
    @property
    def kinetic(self) -> Any: ...
    @property
    def trajectory(self) -> Any: ...
    @property
    def step_size(self) -> float | None: ...
    @property
    def target_accept(self) -> float: ...
    @property
    def accept_given(self) -> bool: ...
    @property
    def max_energy_error(self) -> float: ...


def in_words(choice: Mapping[str, Any]) -> str:
    """Which integrator and trajectory a `Tuner.choice` is, and why it is no other, in a few words."""
    length = f" of {choice['time']:.2f}" if "time" in choice else ""
    length += f", {choice['repeats']} to a draw" if choice.get("repeats", 1) > 1 else ""
    reason = f", because {choice['reason']}" if "reason" in choice else ""
    return f"{choice['integrator']}, {choice['trajectory']}{length}{reason}"


class Tuner:
    """What a chain runs: no-U-turn trajectories, until something proves to be better.

    Parameters
    ----------
    settings : Settings
        With the trajectory `trajectories.Auto` there is something to choose: integrator and trajectory, or the
        trajectory alone where an integrator is given.  A step size or an acceptance that is given is kept to.
    dim : int
    """

    def __init__(self, settings: _Settings, dim: int) -> None:
        base = settings.integrator
        automatic = isinstance(base, integrators.Auto)
        self._settings, self._dim = settings, dim
        self.active = (
            isinstance(settings.trajectory, trajectories.Auto)
            and (automatic or (isinstance(base, integrators.Integrator) and isinstance(base.drift, str)))
            and dim > 0
        )
        known = {**integrators.CATALOGUE, **integrators.HARMONIC}
        schemes: list[integrators.Integrator] = [known[name] for name in _SCHEMES] if automatic else [base]
        if not isinstance(settings.kinetic, kinetic.Gaussian):
            schemes = [scheme for scheme in schemes if scheme.drift == "free"]
        self._schemes = {scheme.name: scheme for scheme in schemes} if self.active else {}
        pinned = settings.accept_given or settings.step_size is not None
        self._may_beware = self.active and base.drift == "free" and not pinned
        self._columns = spread(dim, _COORDINATES)
        self.found: Found | None = None
        self._floor, self._floor_draw, self._floor_step, self._floor_steps = 0.0, 0.0, 0.0, 0.0
        self._history: list[dict[str, Any]] = []
        self._cautious = False
        self._proved = np.inf  # the step size up to which what is found has been looked at where no draw has been
        self._reason = _UNSEEN if self.active else f"no other is tried with {base.name}"

    @property
    def harmonic(self) -> bool:
        """Whether a harmonic drift may be chosen, so that its mean has to be known."""
        return any(scheme.drift == "harmonic" for scheme in self._schemes.values())

    @property
    def integrator(self) -> Any:
        """What the chain steps by."""
        return self._settings.integrator if self.found is None else self._schemes[self.found.integrator]

    @property
    def trajectory(self) -> Any:
        """What the chain draws by."""
        found = self.found
        return (
            self._settings.trajectory
            if found is None
            else trajectories.FixedTime(found.time, found.jitter, repeats=found.repeats)
        )

    @property
    def target_accept(self) -> float:
        """What dual averaging holds: the acceptance that was measured with the best step size."""
        if self._settings.accept_given:
            return self._settings.target_accept
        if self.found is None:
            return max(self._settings.target_accept, _CAUTIOUS) if self._cautious else self._settings.target_accept
        return min(max(self.found.accept, _ACCEPT[0]), _ACCEPT[1])

    @property
    def choice(self) -> dict[str, Any]:
        """What is run, and in ``history`` all that was measured, as plain numbers and words.

        Where no-U-turn trajectories are run although there was something to choose, ``reason`` says why.
        """
        found, settings = self.found, self._settings
        if found is not None:
            chosen: dict[str, Any] = {"integrator": found.integrator, "trajectory": "fixed_time"}
            chosen |= {"time": found.time, "jitter": found.jitter, "repeats": found.repeats}
            chosen |= {"predicted": found.value}
        else:
            plain = (
                isinstance(settings.integrator, integrators.Auto),
                isinstance(settings.trajectory, trajectories.Auto),
            )
            chosen = {
                "integrator": "leapfrog" if plain[0] else settings.integrator.name,
                "trajectory": "no_u_turn" if plain[1] else settings.trajectory.name,
            }
            if plain[1]:
                chosen["reason"] = self._reason
        return {**chosen, "target_accept": self.target_accept, "floor": self._floor, "history": list(self._history)}

    def consider(
        self,
        system: System,
        state: State,
        random: np.ndarray,
        mean: np.ndarray | None,
        memory: Memory,
        step_size: float,
        windows_left: int,
        far: bool,
        alike: bool = True,
    ) -> float | None:
        """Look at a window that has ended; returns the step size to begin anew with, None to go on as before.

        Parameters
        ----------
        system, state, random
            What the chain runs by, with the metric that the window has led to.
        mean : ndarray or None
            Of the Gaussian that a harmonic drift turns about.
        memory : Memory
            Of the window.
        step_size : float
            What the window was drawn with.
        windows_left : int
        far : bool
            Whether the chain is far from its typical set still.
        alike : bool, optional
            Whether the metric is of the kind that the window was drawn with, so that lengths of paths compare.
        """
        if not self.active or windows_left >= len(_SHAPES):
            return None
        if far:
            return self._give_up("the chain was far from its typical set")
        count = len(memory.draws)
        if count < _LEAST_DRAWS or (self.found is None and count < min(self._dim, 100)):
            return None
        looks = shape(*whitened(system.metric, memory.draws, memory.gradients))
        distance = looks.distance
        drawn, steps = realised(memory, self._columns), float(memory.steps.mean()) * self.integrator.stages
        event: dict[str, Any] = {
            "integrator": self.integrator.name if self.found else "no_u_turn",
            "step_size": step_size,
            "worth": drawn / (steps + PER_DRAW),
            "steps": float(memory.steps.mean()),
            "accept": float(memory.accept.mean()),
            "lost": lost(memory, self.found.repeats if self.found else 1),
            **{name: value if np.isfinite(value) else None for name, value in looks._asdict().items()},
        }
        self._history.append(event)
        farthest, heaviest = _SHAPES[windows_left]
        if (steps if self.found is None else self._floor_steps) < _QUICK:
            farthest = min(farthest, _NEAR)
        wild = distance >= _TAME and not (looks.pull > _LEAST_PULL and looks.peak < _HIGHEST_PEAK)
        if wild or not (distance < farthest and looks.tail < heaviest):
            return self._give_up("the target is not Gaussian enough")
        if self.found is None and alike and event["steps"] * step_size > _FARTHEST:
            # The metric is not known yet: draws tell nothing of a direction that the chain has hardly gone along, and
            # short paths, which look good in all others, would keep it from ever doing so.
            self._reason = "paths have to be longer than those that are tried"
            return None
        if self.found is None:
            self._floor_draw, self._floor_step, self._floor_steps = drawn, step_size, steps
        wanted = 0.0 if distance < _TAME else _ALIKE * self._floor_steps
        self._floor = self._floor_draw / (self._floor_steps + PER_DRAW)
        search = Search(
            system, state, random, memory, self._columns, mean, self._settings.max_energy_error,
            self._settings.target_accept - 0.05 if self._settings.accept_given else 0.0, wanted,
        )  # fmt: skip
        if self.found is None:
            margin = _MARGIN if windows_left else _MARGIN_UNPROVED if distance < _TAME else _MARGIN_WILD
            return self._first(search, event, distance, margin)
        return self._judge(search, event, distance, memory, windows_left)

    def beware(self, memory: Memory, step_size: float, windows_left: int) -> float | None:
        """Hold a higher acceptance where no-U-turn draws have diverged; returns the step size to begin anew with.

        Where a target becomes narrow, the steps that suit the rest of it end in divergences.  Those of a harmonic drift
        have another cause, a fit that is poor, and are left to the integrator's own target.
        """
        count = len(memory.diverged)
        risky = count >= _LEAST_DRAWS and memory.diverged.sum() > max(_ACCIDENTS, _RISKY * count)
        if (
            self._cautious
            or not self._may_beware
            or self.found is not None
            or windows_left >= len(_SHAPES)
            or not risky
        ):
            return None
        self._cautious = True
        return _SHORTER * step_size

    def _first(self, search: Search, event: dict[str, Any], distance: float, margin: float) -> float | None:
        """Choose something else than no-U-turn trajectories, if anything deserves it."""
        best = self._best(search, event, distance, margin * self._floor)
        if best is None:
            if self.active:
                self._reason = "nothing promised to be better"
            return None
        self.found = best
        return best.step_size

    def _judge(
        self, search: Search, event: dict[str, Any], distance: float, memory: Memory, windows_left: int
    ) -> float | None:
        """Keep what was chosen, or something like it, or give it up."""
        assert self.found is not None
        drift, step_size, value = self.integrator.drift, event["step_size"], event["worth"]
        if drift == "free" and LOST[drift] < event["lost"] < _LOST_MUCH and self.found.accept < _CAREFUL - 0.02:
            event["verdict"] = "too bold"
            self.found = self.found._replace(step_size=_SHORTER * step_size, accept=_CAREFUL)
            return self.found.step_size
        if event["lost"] > LOST[drift] or (drift == "harmonic" and memory.diverged.any()):
            event["verdict"] = f"trajectories of the {drift} drift are lost"
            if drift == "free":
                return self._give_up("what was tried lost its way")
            self._schemes = {name: scheme for name, scheme in self._schemes.items() if scheme.drift == "free"}
            self.found = None
            if not self._schemes:
                return self._give_up("what was tried lost its way")
            renewed = self._first(search, event, distance, _MARGIN if windows_left else _MARGIN_UNPROVED)
            return self._floor_step if renewed is None else renewed
        if longest_rest(memory.draws) > _LONGEST_REST or memory.diverged.mean() > _DIVERGING:
            return self._give_up("what was tried got stuck")
        if value < _KEEP * self._floor:
            event["verdict"] = "no better than no-U-turn"
            self.found, self._reason = None, "what was tried was no better"
            return self._floor_step
        if step_size > self._proved and not self._holds(search, self.found._replace(step_size=step_size), event):
            return self._give_up(_ELSEWHERE)
        if value > _ENOUGH[min(windows_left, 1)] * self._floor:
            event["verdict"] = "kept"
            return None
        now = search.now(self._candidates()[self.found.integrator]._replace(step_size=step_size), *self.found[3:5])
        best = self._best(search, event, distance, max(_SWITCH * now, _MARGIN * self._floor), step_size)
        event["now"] = now
        if not self.active:
            return self._give_up(_ELSEWHERE)
        if best is None:
            return None
        self.found = best
        return best.step_size

    def _best(
        self, search: Search, event: dict[str, Any], distance: float, least: float, step_size: float | None = None
    ) -> Found | None:
        """The best that a search finds worth at least so much, and that holds; all of it goes into the history.

        With the step size of what is in use, it is looked at once more beside others.
        """
        candidates, automatic = self._candidates(), isinstance(self._settings.integrator, integrators.Auto)
        if step_size is not None and self.found is not None:
            name = self.found.integrator
            candidates[name] = candidates[name]._replace(step_size=step_size)
        if automatic and distance >= _TAME:
            candidates = {name: one for name, one in candidates.items() if one.scheme.drift == "free"}
        if not candidates:
            return None
        budget = max(_BUDGET * self._floor_steps, _LEAST_BUDGET)
        tried = search.best(candidates, budget, step_size is not None, fixed=self._settings.step_size is not None)
        event["tried"] = [list(found) for found in tried]
        holds = tried[0].value > 0 and tried[0].value >= least and self._holds(search, tried[0], event)
        event["cost"] = search.cost
        return tried[0] if holds else None

    def _holds(self, search: Search, found: Found, event: dict[str, Any]) -> bool:
        """Whether what is found is good for places, too, that the window has not been to.

        The harmonic drift of a Gaussian that was fitted in one mode hardly ever leads to another one, and never into a
        heavy tail.  Where there is more than that Gaussian says, the tuner is no longer active, and says why.
        """
        scheme = self._schemes[found.integrator]
        if scheme.drift == "free" or not isinstance(self._settings.integrator, integrators.Auto):
            return True
        beyond = search.beyond(self._floor_step)
        if beyond is None:
            return True
        event["surplus"] = float(beyond.surplus.max())
        remarkable, elsewhere = beyond.surplus >= _SURPLUS, (beyond.surplus >= _OTHER).sum() >= _SEVERAL
        self._proved = np.inf
        if remarkable.any():
            elsewhere |= not (beyond.errors(scheme, found.step_size, found.time)[remarkable] < _THROWN).all()
            self._proved = _LONGER * found.step_size
        if elsewhere:
            self.active, self._reason = False, _ELSEWHERE
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
        found = {}
        for name, scheme in self._schemes.items():
            size, longest = 0.9 * self._floor_step * scheme.stages, np.inf
            if scheme.drift == "harmonic":
                size = max(1.2, 1.5 * self._floor_step) * (0.3 + 0.7 * scheme.stages)
                longest = scheme.longest
            elif not isinstance(self._settings.integrator, integrators.Auto):
                size = 0.9 * self._floor_step  # which was that of this scheme
            found[name] = Candidate(scheme, self._settings.step_size or min(size, longest), longest)
        return found

    def snapshot(self) -> dict[str, Any]:
        """Everything that later choices depend on, as numbers and words."""
        return {
            "active": self.active,
            "schemes": list(self._schemes),
            "found": None if self.found is None else list(self.found),
            "floor": [self._floor, self._floor_draw, self._floor_step, self._floor_steps],
            "reason": self._reason,
            "cautious": self._cautious,
            "proved": float(self._proved) if np.isfinite(self._proved) else None,
            "history": [dict(event) for event in self._history],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes."""
        self.active = snapshot["active"]
        known = Tuner(self._settings, self._dim)._schemes
        self._schemes = {name: known[name] for name in snapshot["schemes"]}
        self.found = None if snapshot["found"] is None else Found(*snapshot["found"])
        self._floor, self._floor_draw, self._floor_step, self._floor_steps = snapshot["floor"]
        self._cautious = snapshot.get("cautious", False)
        proved = snapshot.get("proved")
        self._proved = np.inf if proved is None else proved
        self._reason = snapshot.get("reason", self._reason)  # runs that were stored by earlier versions have none
        self._history = [dict(event) for event in snapshot["history"]]
