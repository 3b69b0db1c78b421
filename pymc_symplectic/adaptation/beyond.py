r"""What lies beyond the draws of a window: other modes, and tails that hold more than a Gaussian's.

All else that a tuner measures, it measures from draws.  If the chain has not yet been to another mode, the Gaussian
that is fitted to its draws knows nothing of it, and neither does a drift by that Gaussian, which hardly ever leads
there.  What conserves the energy by small steps does, now and then: in a draw that happens to begin with a momentum
large enough.  Such momenta need not be waited for.  Some trajectories are given a strong push along one direction,
each, and walked by leapfrog steps.  Of the places that they come to, and that are not much less dense than any draw,
the farthest is compared with the fitted Gaussian :math:`N(\mu, L L^\top)`: with :math:`z = L^{-1}(q - \mu)`, the
surplus

.. math:: \log\pi(q) - \log\pi(q_0) + \tfrac12 |z|^2 - \tfrac12 |z_0|^2

of a trajectory from :math:`q_0` is zero where the Gaussian is right, a few nats where a posterior is skewed, and dozens
in another mode or in the tail of a Student distribution.
"""

from __future__ import annotations

import math

import numpy as np

from ..integrators import CATALOGUE, Integrator
from ..kernels.kinetic import draws as draw_momenta
from ..kernels.probe import Outings
from ..kernels.state import State, System
from ..metrics.estimate import whitened
from .trials import follow, go_out, probes_of
from .worth import Memory, spread

__all__ = ["Beyond"]

_OUTINGS, _TIME = 16, 4.8  # how many, and for how long: three quarters of a period, so to both sides
_PUSH = 3.0, 5.0  # momentum along one direction: as rare as the crossing of a barrier of 4 to 12 nats
_SLACK = 4.0  # a place may be less dense than any draw by so much
_AXES = 3


class Beyond:
    """The farthest places that trajectories out of a window come to.

    Parameters
    ----------
    system : System
        With the metric of the fitted Gaussian.
    state : State
        Its memory is used, its current point is left alone, and its counter of gradients goes up.
    random : ndarray
        The chain's generator, as kernels take it.
    memory : Memory
        Of the window.
    mean : ndarray
        Of the fitted Gaussian.
    step_size : float
        Of leapfrog.
    max_energy_error : float
        A trajectory beyond it ends.

    Attributes
    ----------
    surplus : ndarray of shape (n,)
        By how much the log-density of each place exceeds what the Gaussian says.
    """

    def __init__(
        self,
        system: System,
        state: State,
        random: np.ndarray,
        memory: Memory,
        mean: np.ndarray,
        step_size: float,
        max_energy_error: float,
    ) -> None:
        self._system, self._state, self._mean, self._limit = system, state, mean, max_energy_error
        at, dim = spread(len(memory.draws), _OUTINGS), len(mean)
        momenta = np.empty((2 * len(at), dim))
        draw_momenta(system.kinetic, random, momenta)
        out, self._back = np.split(momenta, 2)
        along, turn = _directions(system, memory, len(at)), np.arange(len(at)) // 2
        push = np.linspace(*_PUSH, len(at)) * np.where(turn % 2, 1.0, -1.0)
        out = out + (push - (out * along).sum(axis=1))[:, None] * along
        outings = Outings(
            memory.draws[at], memory.gradients[at], memory.density[at], out, step_size, math.ceil(_TIME / step_size),
            mean, float(memory.density.min()) - _SLACK, np.zeros_like(out), np.zeros_like(out), np.zeros(len(at)),
            np.zeros(dim),
        )  # fmt: skip
        go_out(CATALOGUE["leapfrog"].record(dim, None), system, state, outings, max_energy_error)
        none = np.zeros(len(at))
        self._places = Memory(outings.places, outings.slopes, outings.heights, none, none, none)
        away = [whitened(system.metric, draws - mean, draws)[0] for draws in (outings.places, outings.starts)]
        squares = np.square(away).sum(axis=2)
        self.surplus = outings.heights - outings.values + 0.5 * (squares[0] - squares[1])

    def errors(self, scheme: Integrator, step_size: float, time: float) -> np.ndarray:
        """Errors of the energy (n,) of trajectories with fresh momenta from the places, one from each."""
        count = math.ceil(time / step_size)
        at = np.arange(len(self._back))
        sizes, counts = np.full(len(at), time / count), np.full(len(at), count)
        probes = probes_of(self._places, at, self._back, sizes, counts, spread(len(self._mean), 1))
        follow(scheme.record(len(self._mean), self._mean), self._system, self._state, probes, self._limit)
        return probes.errors[:, -1]


def _directions(system: System, memory: Memory, count: int) -> np.ndarray:
    """Directions (count, d) of whitened momenta, in turn along parameters and where the Gaussian fits least."""
    dim = memory.draws.shape[1]
    chosen = spread(dim, max(1, count // 2))
    units = np.zeros((len(chosen), dim))
    units[np.arange(len(chosen)), chosen] = 1.0
    parameters = whitened(system.metric, units, units)[1]  # Lᵀ e: of all momenta as large, what moves this one most
    rest = np.add(*whitened(system.metric, memory.draws, memory.gradients))
    rest -= rest.mean(axis=0)
    wide = dim > len(rest)
    vectors = np.linalg.eigh(rest @ rest.T if wide else rest.T @ rest)[1][:, : -_AXES - 1 : -1].T
    axes = vectors @ rest if wide else vectors
    turn = np.arange(count) // 2
    along = np.where((np.arange(count) % 2 == 0)[:, None], parameters[turn % len(parameters)], axes[turn % len(axes)])
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), np.finfo(float).tiny)
