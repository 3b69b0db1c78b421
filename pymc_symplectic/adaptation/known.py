"""What another run has learned, as the beginning of a warm-up: whether it holds, and to begin anew where it does not.

A chain begins by that run's metric, mean, step size, path and momenta, and measures none of them again.  Points of
trajectories, which the metric has not seen, tell whether it holds; where it does, warm-up is over after a few draws.
Where the chain is far from its typical set by that metric, or its path is refused too often, all is forgotten, and
warm-up is what it would have been.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..kernels.linear import LinearMap, map_of
from ..knowledge import LearnedChain
from ..settings import Settings
from ..window import Window
from .approach import Approach
from .energy import EnergyTrial
from .force import SurrogateTrial
from .tuner import Tuner

__all__ = ["Beginning", "Records"]


class Records(NamedTuple):
    """The records of a chain of another run: metric, kinetic energy, and the mean of a harmonic drift."""

    metric: LinearMap
    kinetic: Any
    mean: np.ndarray | None


class Beginning:
    """The beginning of a warm-up from what another run has learned.

    Parameters
    ----------
    settings : Settings
    dim : int
    approach : Approach
    tuner : Tuner
    trial : EnergyTrial
    force : SurrogateTrial
        Of this warm-up; they are changed in place.
    """

    def __init__(
        self,
        settings: Settings,
        dim: int,
        approach: Approach,
        tuner: Tuner,
        trial: EnergyTrial,
        force: SurrogateTrial,
    ) -> None:
        self._settings, self._dim = settings, dim
        self._approach, self._tuner, self._trial, self._force = approach, tuner, trial, force

    def take(self, known: LearnedChain, given: Callable[[], LinearMap]) -> Records:
        """Choose by what another run has learned, and measure nothing again.

        Parameters
        ----------
        known : LearnedChain
        given : callable
            Makes the metric of a run whose metric is given.
        """
        self._tuner.keep_to(known.state["tuner"])
        self._trial.restore(known.state["energy"])
        if "surrogate" in known.state:  # which earlier versions did not have
            self._force.restore(known.state["surrogate"], known.density)
        self._approach.known = not self._approach.over
        kinetic, settings = self._trial.record(), self._settings
        if settings.kinetic.adapts:
            kinetic = kinetic._replace(params=known.kinetic.copy())
        own = {name: array.copy() for name, array in known.metric._asdict().items()}
        mean = None if known.mean is None else known.mean.copy()
        return Records(map_of(own) if settings.metric.adapts else given(), kinetic, mean)

    def forget(self) -> None:
        """Choose as if another run had learned nothing."""
        self._approach.known = False
        self._tuner.restore(Tuner(self._settings, self._dim).snapshot(), ())
        self._trial.restore(EnergyTrial(self._settings, self._dim).snapshot())
        self._force.restore(SurrogateTrial(self._settings, self._dim).snapshot(), None)

    def holds(self, window: Window) -> bool:
        """Whether the path that another run has learned is hardly ever refused, by the draws so far."""
        accept, policy = window.accept, self._settings.policy
        return len(accept) < policy.known_draws or bool(accept.mean() >= policy.known_accept)

    def check(self, known: LearnedChain) -> None:
        """Raise a ValueError unless a chain with these settings can begin from what another one has learned."""
        try:
            self.take(known, lambda: known.metric)
            self._tuner.trajectory.record(self._dim, self._settings.max_energy_error)
            self._tuner.integrator.record(self._dim, known.mean)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its choices cannot have been made: {type(error).__name__}: {error}") from error
        metric = self._settings.metric.resolve(self._dim).start(np.ones(self._dim))
        if type(metric) is not type(known.metric):
            raise ValueError(f"its metric is a {type(known.metric).__name__}, and must be a {type(metric).__name__}")
