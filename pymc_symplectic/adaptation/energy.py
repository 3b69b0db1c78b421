"""The kinetic energy in use: the Gaussian one, until one that is learned proves to be better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..kernels.linear import LinearMap
from ..kinetic import Gaussian, KineticEnergy
from ..settings import Settings
from ..window import Window
from .efficiency import typical_ess_per_draw
from .lab import evenly_spaced

__all__ = ["EnergyTrial"]

WAITS, TRIED, KEPT, REFUSED = "waits", "tried", "kept", "refused"
_UNSEEN = "warm-up was too short to try another"


class EnergyTrial:
    """The competition of a kinetic energy that warm-up learns with the Gaussian one.

    Warm-up goes as with the Gaussian energy, and learns the other one from its draws.  Where no-U-turn trajectories, or
    those that were asked for, have remained the choice, the last window is drawn with what was learned, and it stays if
    its draws are more effective per gradient than those before were.  Where a harmonic drift or a fixed path has
    proved to be better, nothing is tried: the one goes with the Gaussian energy alone, the other was tuned for it.

    Parameters
    ----------
    settings : Settings
    dim : int
    """

    def __init__(self, settings: Settings, dim: int) -> None:
        self._learned, self._gaussian, self._policy = settings.kinetic, Gaussian(), settings.policy
        self._dim, self._columns = dim, evenly_spaced(dim, settings.policy.coordinates)
        self.competes = settings.kinetic.adapts and settings.policy.energy_trial
        """Whether there is a competition at all."""
        self._state = WAITS if self.competes else KEPT
        self.reason = _UNSEEN if self.competes else ""
        self.step_size = 1.0
        """What the Gaussian energy had when the other one was first tried."""
        self._count = 0  # draws of the Gaussian energy's that it is compared with: an estimate depends on its length
        self._floor, self._found = 0.0, 0.0

    @property
    def gaussian(self) -> bool:
        """Whether the Gaussian energy is in use though another one is to be learned."""
        return self._state in (WAITS, REFUSED)

    @property
    def waits(self) -> bool:
        """Whether the energy that is learned is still to be tried."""
        return self._state == WAITS

    @property
    def tried(self) -> bool:
        """Whether it is being tried."""
        return self._state == TRIED

    @property
    def energy(self) -> KineticEnergy:
        """The energy in use."""
        return self._gaussian if self.gaussian else self._learned

    def record(self) -> Any:
        """The record of the energy in use, of which nothing is learned yet."""
        return self.energy.record(self._dim)

    def begin(self, window: Window, metric: LinearMap, stages: int) -> Any:
        """Learn from a window of the Gaussian energy's draws; the record to try, None where there is nothing to try."""
        if len(window.draws) < self._policy.energy_draws:
            return None
        draws, gradients = window.pairs
        own = self._learned.record(self._dim)
        found = self._learned.fit(own, metric.solve(draws), metric.adjoint(gradients))
        if self._learned.gain(found) == 1.0 and np.isinf(self._learned.speed_limit(found)):
            self.refuse("none promised to be better")
            return None
        self._state, self.step_size, self._count = TRIED, window.step_size, len(window.draws)
        self._floor = self._efficiency(window, stages)
        return found

    def keeps(self, window: Window, stages: int) -> bool:
        """Judge what is tried by the window that has been drawn with it; whether it is kept."""
        self._found = self._efficiency(window.last(self._count), stages)
        if self._found >= self._policy.energy_margin * self._floor:
            self._state, self.reason = KEPT, ""
        else:
            times = self._found / self._floor
            self.refuse(f"with {self._learned.name} momenta a gradient was worth {times:.2f} times as much")
        return self._state == KEPT

    def refuse(self, why: str) -> None:
        """Keep to the Gaussian energy."""
        self._state, self.reason = REFUSED, why

    def _efficiency(self, window: Window, stages: int) -> float:
        cost = float(window.steps.mean()) * stages + self._policy.per_draw
        return typical_ess_per_draw(window, self._columns) / cost

    @property
    def choice(self) -> dict[str, Any]:
        """The name of the energy in use, why it is not the one that is learned, and what was measured."""
        words: dict[str, Any] = {"energy": self.energy.name}
        if self.reason and not self.tried:
            words["energy_reason"] = self.reason
        if self._floor:
            words["energy_efficiency"] = [self._floor, self._found]
        return words

    def snapshot(self) -> dict[str, Any]:
        """Everything that later choices depend on."""
        numbers = [self.step_size, self._floor, self._found]
        return {"state": self._state, "reason": self.reason, "count": self._count, "numbers": numbers}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes."""
        numbers, count = [float(number) for number in snapshot["numbers"]], snapshot["count"]
        if snapshot["state"] not in (WAITS, TRIED, KEPT, REFUSED) or type(count) is not int or count < 0:
            raise ValueError(f"of the trial of a kinetic energy, there is {snapshot['state']!r} after {count!r} draws")
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"numbers of the trial of a kinetic energy are {numbers}")
        self._state, self.reason, self._count = snapshot["state"], str(snapshot["reason"]), count
        self.step_size, self._floor, self._found = numbers
