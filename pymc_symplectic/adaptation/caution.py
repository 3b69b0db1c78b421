"""No-U-turn draws with care: shorter steps far from a Gaussian, and divided ones where draws diverge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..settings import Settings
from ..trajectories import Auto, NoUTurn, TrajectoryRule

__all__ = ["Caution"]


class Caution:
    """How no-U-turn draws are made where nothing else is chosen.

    Where the target is far from a Gaussian, a step size that is found by few draws is too long for some chains, and a
    higher acceptance is aimed for, unless one is asked for.  Where a target becomes narrow, the steps that suit the
    rest of it end in divergences: they are divided, then.  Divergences of a harmonic drift have another cause, a fit
    that is poor, and nothing is done about them here.

    Parameters
    ----------
    settings : Settings
        A trajectory that is given stays as it is.

    Attributes
    ----------
    divides : bool
        Whether steps are divided.
    far : bool
        Whether the target is far from a Gaussian.
    """

    def __init__(self, settings: Settings) -> None:
        policy = settings.policy
        asked = settings.target_accept
        self._accept = asked, asked if settings.accept_given else max(asked, policy.far_accept)
        self._asked, self._least = settings.trajectory, policy.least_draws
        self._divided = NoUTurn(refine=policy.divisions, refine_above=policy.divided_above)
        self._may = (
            isinstance(settings.trajectory, Auto)
            and not settings.integrator.split.adapts
            and policy.divisions > 0
            and policy.divided_above < settings.max_energy_error
        )
        self.divides = self.far = False

    @property
    def trajectory(self) -> TrajectoryRule:
        """The trajectory to make, where nothing else than no-U-turn has been chosen."""
        return self._divided if self.divides else self._asked

    @property
    def target_accept(self) -> float:
        """The acceptance to aim for."""
        return self._accept[self.far]

    def after(self, diverged: np.ndarray, allowed: tuple[int, float] = (0, 0.0)) -> None:
        """Take caution after draws of which more have diverged than the number, and the fraction, that may.

        Of a few draws, whose step size is still being found, it does not tell.
        """
        number, fraction = allowed
        risky = len(diverged) >= self._least and diverged.sum() > max(number, fraction * len(diverged))
        self.divides = self.divides or (self._may and bool(risky))

    def snapshot(self) -> dict[str, Any]:
        """Everything that it depends on."""
        return {"divides": self.divides, "far": self.far}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes; earlier versions had none of these."""
        self.divides, self.far = snapshot.get("divides", False), snapshot.get("far", False)
