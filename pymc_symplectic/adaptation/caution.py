"""A higher acceptance where no-U-turn draws diverge."""

from __future__ import annotations

import numpy as np

from ..policy import Policy

__all__ = ["Caution"]


class Caution:
    """Where a target becomes narrow, the steps that suit the rest of it end in divergences: shorter ones, from then on.

    Divergences of a harmonic drift have another cause, a fit that is poor, and are left to the integrator's own target.

    Parameters
    ----------
    policy : Policy
    allowed : bool
        Whether the acceptance may be raised at all.

    Attributes
    ----------
    taken : bool
        Whether it has been.
    """

    def __init__(self, policy: Policy, allowed: bool) -> None:
        self._policy, self._allowed = policy, allowed
        self.taken = False

    def target_accept(self, asked: float) -> float:
        """The acceptance to hold instead of one that was asked for."""
        return max(asked, self._policy.raised_accept) if self.taken else asked

    def after(self, diverged: np.ndarray, step_size: float, allowed: tuple[int, float] | None = None) -> float | None:
        """Take caution after draws of which some have diverged; the step size to begin anew with, or None.

        `allowed` are the number and the fraction of them that may, by default those of a window.
        """
        policy, count = self._policy, len(diverged)
        number, fraction = allowed or (policy.accidents, policy.risky)
        risky = count >= policy.least_draws and diverged.sum() > max(number, fraction * count)
        if self.taken or not self._allowed or not risky:
            return None
        self.taken = True
        return policy.shorter * step_size
