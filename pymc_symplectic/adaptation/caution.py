"""Divided steps where no-U-turn draws diverge."""

from __future__ import annotations

import numpy as np

from ..settings import Settings
from ..trajectories import Auto, NoUTurn, TrajectoryRule

__all__ = ["Caution"]


class Caution:
    """Where a target becomes narrow, the steps that suit the rest of it end in divergences: they are divided, then.

    Divergences of a harmonic drift have another cause, a fit that is poor, and nothing is done about them here.

    Parameters
    ----------
    settings : Settings
        A trajectory that is given stays as it is.

    Attributes
    ----------
    divides : bool
        Whether steps are divided.
    """

    def __init__(self, settings: Settings) -> None:
        policy = settings.policy
        self._asked, self._least = settings.trajectory, policy.least_draws
        self._divided = NoUTurn(refine=policy.divisions, refine_above=policy.divided_above)
        self._may = (
            isinstance(settings.trajectory, Auto)
            and not settings.integrator.split.adapts
            and policy.divisions > 0
            and policy.divided_above < settings.max_energy_error
        )
        self.divides = False

    @property
    def trajectory(self) -> TrajectoryRule:
        """The trajectory to make, where nothing else than no-U-turn has been chosen."""
        return self._divided if self.divides else self._asked

    def after(self, diverged: np.ndarray, allowed: tuple[int, float] = (0, 0.0)) -> None:
        """Take caution after draws of which more have diverged than the number, and the fraction, that may.

        Of a few draws, whose step size is still being found, it does not tell.
        """
        number, fraction = allowed
        risky = len(diverged) >= self._least and diverged.sum() > max(number, fraction * len(diverged))
        self.divides = self.divides or (self._may and bool(risky))
