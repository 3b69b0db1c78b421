r"""Places beyond the draws of a window: other modes, and tails that hold more than a Gaussian's.

All else that a tuner measures, it measures from draws.  If the chain has not yet been to another mode, the Gaussian
that is fitted to its draws knows nothing of it, and neither does a drift by that Gaussian, which hardly ever leads
there.  What conserves the energy by small steps does, now and then: in a draw that happens to begin with a momentum
large enough.  Such momenta need not be waited for.  Some trajectories are given a strong push along one direction,
each, and walked by leapfrog steps.  Of the places that they come to, and that are not much less dense than any draw,
the farthest is compared with the fitted Gaussian :math:`N(\mu, L L^\top)`: with :math:`z = L^{-1}(q - \mu)`, the
excess

.. math:: \log\pi(q) - \log\pi(q_0) + \tfrac12 |z|^2 - \tfrac12 |z_0|^2

of a trajectory from :math:`q_0` is zero where the Gaussian is right, a few nats where a posterior is skewed, and dozens
in another mode or in the tail of a Student distribution.
"""

from __future__ import annotations

import math

import numpy as np

from ..integrators import CATALOGUE, Integrator
from ..kernels.probe import Outings
from ..kernels.state import HamiltonianSystem
from ..policy import Policy
from ..window import Window
from .lab import Lab, Starts, evenly_spaced, probes_from
from .plan import Plan

__all__ = ["Beyond"]


class Beyond:
    """The farthest places that trajectories out of a window come to.

    Parameters
    ----------
    lab : Lab
    plan : Plan
        With the metric and the mean of the fitted Gaussian.
    window : Window
    policy : Policy
    step_size : float
        Of leapfrog.

    Attributes
    ----------
    excess : ndarray of shape (n,)
        By how much the log-density of each place exceeds what the Gaussian says.
    """

    def __init__(self, lab: Lab, plan: Plan, window: Window, policy: Policy, step_size: float) -> None:
        assert plan.mean is not None
        self._lab, self._policy = lab, policy
        self._mean, self._system = plan.mean, plan.system(lab.target)
        mean, system, dim = self._mean, self._system, lab.dim
        at = evenly_spaced(len(window.draws), policy.outings)
        out, self._back = np.split(lab.momenta(system, 2 * len(at)), 2)
        along, turn = _directions(system, window, len(at), policy.axes), np.arange(len(at)) // 2
        push = np.linspace(*policy.push, len(at)) * np.where(turn % 2, 1.0, -1.0)
        out = out + (push - (out * along).sum(axis=1))[:, None] * along
        outings = Outings(
            *Starts.of(window, at), out, step_size, math.ceil(policy.outing_time / step_size), mean,
            float(window.log_density.min()) - policy.slack, np.zeros_like(out), np.zeros_like(out), np.zeros(len(at)),
            np.zeros(dim),
        )  # fmt: skip
        lab.venture(system._replace(flow=CATALOGUE["leapfrog"].record(dim, None)), outings)
        self._places = Starts(outings.places, outings.slopes, outings.heights)
        away = [system.metric.solve(draws - mean) for draws in (outings.places, outings.starts)]
        squares = np.square(away).sum(axis=2)
        self.excess = outings.heights - outings.values + 0.5 * (squares[0] - squares[1])

    @property
    def remarkable(self) -> np.ndarray:
        """Whether that is more than a posterior has that is merely skewed (n,)."""
        return self.excess >= self._policy.remarkable

    def forbids(self, scheme: Integrator, step_size: float, time: float) -> bool:
        """Whether there is so much elsewhere, or so much where such paths are thrown off, that they would miss it."""
        policy = self._policy
        elsewhere = bool((self.excess >= policy.elsewhere).sum() >= policy.several)
        if self.remarkable.any():
            errors = self.errors(scheme, step_size, time)
            elsewhere |= not (errors[self.remarkable] < policy.most_thrown).all()
        return elsewhere

    def errors(self, scheme: Integrator, step_size: float, time: float) -> np.ndarray:
        """Errors of the energy (n,) of trajectories with fresh momenta from the places, one from each."""
        steps, count, dim = math.ceil(time / step_size), *self._back.shape
        sizes, counts = np.full(count, time / steps), np.full(count, steps)
        probes = probes_from(self._places, self._back, sizes, counts, evenly_spaced(dim, 1))
        self._lab.follow(self._system._replace(flow=scheme.record(dim, self._mean)), probes)
        return probes.errors[:, -1]


def _directions(system: HamiltonianSystem, window: Window, count: int, most: int) -> np.ndarray:
    """Directions (count, d) of whitened momenta, in turn along parameters and where the Gaussian fits least."""
    dim, metric = window.draws.shape[1], system.metric
    chosen = evenly_spaced(dim, max(1, count // 2))
    units = np.zeros((len(chosen), dim))
    units[np.arange(len(chosen)), chosen] = 1.0
    parameters = metric.adjoint(units)  # Lᵀ e: of all momenta as large, what moves this parameter most
    rest = metric.solve(window.draws) + metric.adjoint(window.gradients)
    rest -= rest.mean(axis=0)
    wide = dim > len(rest)
    vectors = np.linalg.eigh(rest @ rest.T if wide else rest.T @ rest)[1][:, : -most - 1 : -1].T
    axes = vectors @ rest if wide else vectors
    turn = np.arange(count) // 2
    along = np.where((np.arange(count) % 2 == 0)[:, None], parameters[turn % len(parameters)], axes[turn % len(axes)])
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), np.finfo(float).tiny)
