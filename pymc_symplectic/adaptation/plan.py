"""The plan that a chain draws by, until the next event of warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..kernels.compile import kinds
from ..kernels.linear import LinearMap
from ..kernels.state import HamiltonianSystem, Target

__all__ = ["Plan", "Restart"]


class Restart(NamedTuple):
    """Dual averaging begins anew: from `step_size`, up to `reach` times as far at first, moved by the gain `gamma`."""

    step_size: float
    reach: float
    gamma: float


@dataclass(frozen=True)
class Plan:
    """A plan to draw by: records that kernels take, and what is adapted meanwhile.

    Attributes
    ----------
    metric : DiagonalMap, DenseMap or LowRankMap
    kinetic : GaussianEnergy or Addressed
    mean : ndarray of shape (d,) or None
        Of the Gaussian that a harmonic drift turns about, where one has been fitted.
    flow
        Of the integrator.
    rule
        Of the trajectory.
    refreshment
        Of the momentum that a trajectory starts with.
    target_accept : float
        What dual averaging holds.
    tunes_step, learns : bool
        Whether the step size is tuned at each draw, and draws are collected for the next window.
    restart : Restart or None
        What to do with the step size; None to go on.
    goes_on : bool
        Whether the draws so far are the first ones of the next window, too.
    """

    metric: LinearMap
    kinetic: Any
    mean: np.ndarray | None
    flow: Any
    rule: Any
    refreshment: Any
    target_accept: float
    tunes_step: bool
    learns: bool
    restart: Restart | None = None
    goes_on: bool = False

    def system(self, target: Target) -> HamiltonianSystem:
        """The Hamiltonian system, and the flow that approximates its motion."""
        return HamiltonianSystem(target, self.kinetic, self.metric, self.flow, self.refreshment)

    @property
    def kinds(self) -> tuple:
        """The types of records by which kernels are compiled."""
        return type(self.metric), type(self.kinetic), kinds(self.rule), kinds(self.flow), type(self.refreshment)
