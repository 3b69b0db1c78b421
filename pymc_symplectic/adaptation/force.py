"""A surrogate of the log-density: learned, proved, and drawn by; or given up.

Once the metric is known, a surrogate is fitted to all points of trajectories.  *Rounds* of draws by it follow, whose
ends are evaluated with their gradients: the next one is fitted to these as well, and above all to those that were
refused, since they say where the last one was wrong.  When draws are accepted as often as held-out points predict, and
none stays for long, the *proof* is a window of draws by values alone, as all later ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import integrators
from ..kernels.delayed import SurrogateRule
from ..kernels.linear import LinearMap
from ..kernels.state import HamiltonianSystem, Target, new_state
from ..metrics.estimate import centre
from ..settings import Settings
from ..surrogates import LearnedDensity, fit
from ..surrogates.features import number_of_monomials
from ..trajectories import Surrogate
from ..window import Window
from .efficiency import longest_stay
from .lab import Lab

__all__ = ["NOWHERE", "Round", "SurrogateTrial"]

UNASKED, WAITS, LEARNS, PROVES, HOLDS, REFUSED = "unasked", "waits", "learns", "proves", "holds", "refused"
_STATES = UNASKED, WAITS, LEARNS, PROVES, HOLDS, REFUSED
_UNSEEN = "warm-up was too short to learn one"
NOWHERE = Target(0, np.zeros(1, np.int64))
"""In place of the values of a log-density, where it is not known yet which."""


class Round(NamedTuple):
    """A round of draws: how many, the acceptance that was predicted and what it was, and the longest stay."""

    draws: int
    predicted: float
    accepted: float
    rest: int


class SurrogateTrial:
    """What is learned of a surrogate, and how it has done.

    Parameters
    ----------
    settings : Settings
    dim : int

    Attributes
    ----------
    density : LearnedDensity or None
        The latest one.
    due : int
        The number of draws at which the round, or the proof, ends.
    reason : str
        Why there is none.

    Raises
    ------
    ValueError
        When one is asked for in too many dimensions.
    """

    def __init__(self, settings: Settings, dim: int) -> None:
        self._settings, self._dim, self._policy = settings, dim, settings.policy
        self._trajectory = settings.trajectory if isinstance(settings.trajectory, Surrogate) else None
        self._state = UNASKED if self._trajectory is None else WAITS
        self.density: LearnedDensity | None = None
        self.due = 0
        self.reason = "" if self._trajectory is None else _UNSEEN
        self._rounds: list[Round] = []
        self._begun = 0  # draws when the round, or the proof, began
        self._predicted, self._points, self._repeats = 1.0, 0, 1
        self._check()

    def _check(self) -> None:
        if self._trajectory is None or not self._dim:
            return
        most, dim, degree = self._policy.surrogate_dim, self._dim, self._trajectory.degree
        if dim > most:
            raise ValueError(
                f"trajectory: a surrogate can be learned of up to {most} unconstrained parameters, and there are "
                f"{dim}: a polynomial of degree 3 has {number_of_monomials(dim, 3)} terms then, and warm-up sees some "
                "hundred points; leave trajectory out"
            )
        if degree is not None and (count := number_of_monomials(dim, degree)) > self._policy.surrogate_features:
            raise ValueError(
                f"trajectory: a polynomial of degree {degree} in {dim} parameters has {count} terms, and at most "
                f"{self._policy.surrogate_features} can be learned; give a lower degree, or leave it out"
            )

    @property
    def waits(self) -> bool:
        """Whether one is to be learned as soon as the metric is known."""
        return self._state == WAITS

    @property
    def learns(self) -> bool:
        """Whether draws are made for the surrogate's sake."""
        return self._state in (LEARNS, PROVES)

    @property
    def remembers(self) -> bool:
        """Whether points are needed that have been seen, and those that are to come."""
        return self._state in (WAITS, LEARNS, PROVES)

    @property
    def holds(self) -> bool:
        """Whether it is proved."""
        return self._state == HOLDS

    @property
    def exact(self) -> bool:
        """Whether draws by it are evaluated with their gradients."""
        return self._state == LEARNS

    @property
    def in_use(self) -> bool:
        """Whether draws are made by it."""
        return self.learns or self.holds

    @property
    def integrator(self) -> Any:
        """The scheme of its trajectories: of one stage, and with the harmonic drift, unless another was asked for."""
        base = self._settings.integrator
        return integrators.get("harmonic_leapfrog") if isinstance(base, integrators.Auto) else base

    def rule(self, max_energy_error: float) -> SurrogateRule:
        """The rule to draw by, without the values of the log-density."""
        assert self.density is not None and self._trajectory is not None
        return SurrogateRule(
            inner=self._trajectory.inner(self._repeats, max_energy_error),
            near=self._trajectory.near(max_energy_error),
            share=self._policy.surrogate_near,
            surrogate=self.density.target,
            values=NOWHERE,
            state=new_state(self._dim),
            exact=int(self.exact),
            max_energy_error=float(max_energy_error),
        )

    def begin(self, window: Window, points: Window, metric: LinearMap, room: int) -> bool:
        """Learn from the points of the approach, when draws have come to the end of a window; whether to draw by it.

        Parameters
        ----------
        window, points : Window
            Draws, and all points.
        metric : LinearMap
            In which the target is Gaussian, but for what is learned.
        room : int
            Draws within which it has to be proved.
        """
        if not self._room_for_more(room):
            self.refuse(_UNSEEN)
        elif self._fitted(window, points, metric):
            self._learn(window.end, room)
        return self.in_use

    def begin_early(self, window: Window, points: Window, metric: LinearMap, room: int) -> bool:
        """The same where the approach has not ended, if what can be learned is good already."""
        policy = self._policy
        if not self.waits or window.end < policy.surrogate_early or not self._room_for_more(room):
            return False
        if not self._fitted(window, points, metric) or self._predicted < policy.surrogate_begin:
            self._state, self.reason, self.density = WAITS, _UNSEEN, None
            return False
        self._learn(window.end, room)
        return True

    def after(self, window: Window, points: Window, metric: LinearMap, lab: Lab, room: int) -> None:
        """Judge a round, or the proof, that has ended, and fit anew where anything is still to be learned.

        Parameters
        ----------
        window : Window
            With the latest draws, those of the round at the end.
        points : Window
            All that are remembered.
        metric : LinearMap
            As for `begin`.
        lab : Lab
        room : int
            Draws that are left.
        """
        policy, drawn = self._policy, self._judged(window)
        tried = sum(one.draws for one in self._rounds) >= policy.surrogate_most
        more = self._room_for_more(room) and not tried
        asked = drawn.predicted - policy.surrogate_kept
        if not (more and len(points.draws)):  # another fit would be the same
            asked = min(asked, policy.surrogate_good)
        goes_well = drawn.accepted >= asked and drawn.rest <= policy.surrogate_rest
        more = more and not (self._state == LEARNS and goes_well and len(self._rounds) >= len(policy.surrogate_rounds))
        if self._state == PROVES and goes_well:
            self._state, self.reason = HOLDS, ""
        elif self._state == PROVES and not more:
            accepted = f"{drawn.accepted:.2f} of its ends were accepted, where {drawn.predicted:.2f} had been predicted"
            self.refuse(f"{accepted}, and a draw stayed for {drawn.rest}")
        elif self._state == PROVES:  # there are no more points to fit to than there were
            self._learn(window.end, room)
        elif self._fitted(window.last(2 * len(window.draws) // 3), points, metric):
            if more:
                self._learn(window.end, room)
            elif room >= policy.surrogate_proof:
                self._prove(window.end, metric, lab)
            else:
                self.refuse(_UNSEEN)

    def prove_again(self, room: int) -> None:
        """Have what another run has learned prove itself, within so many draws."""
        self._state, self._begun, self._rounds = PROVES, 0, []
        self.due = min(self._policy.surrogate_proof, room)

    def _room_for_more(self, room: int) -> bool:
        """Whether so many draws are enough for a round and a proof."""
        return room >= self._policy.surrogate_rounds[0] + self._policy.surrogate_proof

    def _fitted(self, window: Window, points: Window, metric: LinearMap) -> bool:
        """Fit one, to draw by next; whether there is any that is worth it."""
        assert self._trajectory is not None
        mean = centre(metric, *points.means)
        found = None if mean is None else fit(points, window, metric, mean, self._policy, self._trajectory.degree)
        if found is None:
            self.refuse("points were too few to learn one from")
        elif found.predicted < self._policy.surrogate_least:
            self.refuse(f"the best one would have been accepted with a probability of {found.predicted:.2f}")
        else:
            self.density, self._predicted, self._points = found
            return True
        return False

    def _learn(self, count: int, room: int) -> None:
        """Begin a round after `count` draws, of as many draws as leave room for the proof."""
        policy, done = self._policy, len(self._rounds)
        usual = policy.surrogate_rounds[done] if done < len(policy.surrogate_rounds) else policy.surrogate_round
        self._state, self._repeats, self._begun = LEARNS, 1, count
        self.due = count + min(usual, room - policy.surrogate_proof)

    def _prove(self, count: int, metric: LinearMap, lab: Lab) -> None:
        """Begin the proof after `count` draws, of as many transitions as make a draw forget the one before."""
        assert self._trajectory is not None
        self._state, self._begun, self.due = PROVES, count, count + self._policy.surrogate_proof
        self._repeats = self._trajectory.repeats or self._forgetting(metric, lab)

    def _forgetting(self, metric: LinearMap, lab: Lab) -> int:
        """After how many transitions the surrogate's own chain has forgotten where it began."""
        policy = self._policy
        assert self.density is not None and self._trajectory is not None
        system = HamiltonianSystem(
            self.density.target,
            self._settings.kinetic.record(self._dim),
            metric,
            self.integrator.record(self._dim, self.density.mean),
        )
        rule = self._trajectory.inner(1, self._settings.max_energy_error)
        draws = lab.drawn(system, rule, policy.surrogate_step, policy.surrogate_chain)
        functions = np.concatenate([draws, (draws - draws.mean(axis=0)) ** 2], axis=1)
        functions -= functions.mean(axis=0)
        functions /= np.maximum(functions.std(axis=0), np.finfo(float).tiny)
        enough = policy.surrogate_memory + 1 / np.sqrt(len(draws))
        for lag in range(1, policy.surrogate_repeats):
            if (functions[lag:] * functions[:-lag]).mean(axis=0).max() < enough:
                return lag
        return policy.surrogate_repeats

    def _judged(self, window: Window) -> Round:
        """How the draws since the last event have done, noted."""
        drawn = window.last(window.end - self._begun)
        found = Round(len(drawn.draws), self._predicted, float(drawn.accept.mean()), longest_stay(drawn.draws))
        self._rounds.append(found)
        return found

    def refuse(self, why: str) -> None:
        """Draw by none."""
        self._state, self.reason, self.density = REFUSED, why, None

    @property
    def choice(self) -> dict[str, Any]:
        """The surrogate in use, or why there is none, and how all rounds have done, as plain numbers and words."""
        if self._trajectory is None:
            return {}
        rounds = {"surrogate_rounds": [list(one) for one in self._rounds]} if self._rounds else {}
        if self.density is None:
            return {"surrogate_reason": self.reason, **rounds}
        features = self.density.features
        return {
            "integrator": self.integrator.name, "trajectory": self._trajectory.name, "time": self._trajectory.time,
            "jitter": self._trajectory.jitter, "repeats": self._repeats, "surrogate": str(features),
            "features": features.count, "points": self._points, "predicted": self._predicted, **rounds,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """Everything that it depends on but the density, as numbers and words."""
        return {
            "state": self._state, "reason": self.reason, "due": self.due, "begun": self._begun,
            "repeats": self._repeats, "points": self._points, "predicted": self._predicted,
            "rounds": [list(one) for one in self._rounds],
        }  # fmt: skip

    @property
    def params(self) -> np.ndarray | None:
        """Those of the density."""
        return None if self.density is None else self.density.params

    def restore(self, snapshot: Mapping[str, Any], params: np.ndarray | None) -> None:
        """Become what `snapshot` and the parameters of the density describe.

        Raises
        ------
        ValueError
            When it makes no sense.
        """
        state = snapshot["state"]
        if state not in _STATES or (state == UNASKED) != (self._trajectory is None):
            raise ValueError(f"a surrogate cannot be in the state {state!r}")
        whole = {name: snapshot[name] for name in ("due", "begun", "repeats", "points")}
        if not all(type(value) is int and value >= 0 for value in whole.values()) or not whole["repeats"]:
            raise ValueError(f"of a surrogate, there are {whole}")
        if not 0 <= snapshot["predicted"] <= 1:
            raise ValueError(f"of a surrogate, acceptance was predicted to be {snapshot['predicted']}")
        self._rounds = [Round(int(one[0]), float(one[1]), float(one[2]), int(one[3])) for one in snapshot["rounds"]]
        self._state, self.reason, self._predicted = state, str(snapshot["reason"]), float(snapshot["predicted"])
        self.due, self._begun, self._repeats, self._points = whole.values()
        self.density = None if params is None else LearnedDensity.of_params(params)
        if self.in_use != (self.density is not None) or (self.density is not None and self.density.dim != self._dim):
            raise ValueError("of a surrogate, there are parameters for as long as it is in use, and no longer")
