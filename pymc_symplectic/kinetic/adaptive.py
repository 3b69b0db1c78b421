"""A kinetic energy that is learned in warm-up."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checks import at_least, whole
from ..kernels.kinetic import Addressed
from .profile import ProfileEnergy, Shape
from .shadow import GRID, Geometry, measure, reach

__all__ = ["Adaptive", "Network"]

_FARTHEST = 4.0  # momentum at which the last interval of the network begins, before it is rescaled
_LEAST_SLOPE = 0.02  # of the velocity, next to its slope at zero: it grows everywhere, so that K is strictly convex
_LEAST_DRAWS = 50
_LEAST_CHANGE = 0.005  # of the predicted reach: a smaller gain does not pay for tuning the step size anew
_CAUTION = 0.01  # what it costs, in log F, to bend the velocity; without, it would level out more than draws can bear


class Network(NamedTuple):
    """The weights that a network has learned.

    Attributes
    ----------
    knots : ndarray of shape (n,)
        Where the intervals of momentum begin, in whitened coordinates.
    velocities : ndarray of shape (n,)
        φ' there.
    slopes : ndarray of shape (n,)
        Of φ' from there on: the weights of the network.
    gain : float
        The predicted reach of a gradient over that of the Gaussian energy; 1 where the Gaussian was kept.
    """

    knots: np.ndarray
    velocities: np.ndarray
    slopes: np.ndarray
    gain: float


@dataclass(frozen=True)
class Adaptive(ProfileEnergy):
    r"""Σ φ(\|r_j\|), where the velocity φ' is a small monotone neural network, learned in warm-up, then frozen.

    .. math::
        \varphi'(s) = \sum_{k=0}^{n-1} w_k \left((s - t_k)_+ - (s - t_{k+1})_+\right), \qquad w_k > 0,\; t_n = \infty

    One hidden layer of ReLU units, so φ' is piecewise linear and φ convex; :math:`w_k = 1` for all k is the Gaussian
    energy.  The weights maximise the predicted reach of a gradient, by the shadow Hamiltonian of leapfrog, for the
    gradients and curvatures that warm-up has met: see `pymc_symplectic.kinetic.shadow`.  The unit of momentum is then
    chosen for :math:`\mathbb{E}[v^2] = 1`, as under the Gaussian energy, and momenta are drawn exactly.  Where less
    than `least_gain` is predicted, the Gaussian energy is kept.

    The velocity has corners.  Steps remain reversible and symplectic across them, and draws exact, but a scheme of
    order above 2 is not of that order there: learn a kinetic energy for sampling, not for accurate trajectories.

    Parameters
    ----------
    units : int, optional
        Of the hidden layer, n.
    least_gain : float, optional
        Predicted reach, over that of the Gaussian energy, below which that is kept.

    Raises
    ------
    ValueError
        When `units` is below 2 or `least_gain` below 1.
    """

    units: int = 12
    least_gain: float = 1.02
    name: ClassVar[str] = "adaptive"
    profile: ClassVar[str] = "piecewise"
    adapts: ClassVar[bool] = True  # type: ignore[misc]
    memory: ClassVar[int] = 400  # type: ignore[misc]

    def __post_init__(self) -> None:
        whole("kinetic: units", self.units, least=2)
        at_least("kinetic: least_gain", self.least_gain, 1.0)

    @property
    def form(self) -> Shape:
        """Separable."""
        return "separable"

    def own(self, dim: int) -> tuple[float, ...]:
        """The Gaussian energy."""
        return self._network(np.ones(self.units), _FARTHEST / (self.units - 1), 1.0)

    def may_learn(self, own: tuple[float, ...]) -> bool:
        """Whether they are those of a network of as many units."""
        return super().may_learn(own) and own[0] == self.units

    def fit(self, current: Addressed, positions: np.ndarray, gradients: np.ndarray) -> Addressed:
        """The energy that whitened draws and gradients ask for."""
        if len(positions) < _LEAST_DRAWS:
            return current
        geometry = measure(positions, gradients)
        if geometry is None:
            warnings.warn(
                "The gradients that warm-up has met are constant or not finite, so nothing can be learned from them; "
                "the kinetic energy stays as it is",
                UserWarning,
                stacklevel=2,
            )
            return current
        slopes, gain = self._learn(geometry)
        old = self.learned(current)
        if gain < (1 + _LEAST_CHANGE) * self._gain(old.slopes / old.slopes[0], geometry):
            return current
        if not gain >= self.least_gain:
            return current if old.gain == 1.0 else self.record(positions.shape[1])
        length = _FARTHEST / (self.units - 1)
        speed = _mean_square_speed(_velocity(slopes))
        # s → φ'(s λ) λ keeps the form, and makes the mean squared velocity λ² times what it was
        own = self._network(slopes / speed, length * np.sqrt(speed), gain)
        return self.made_from(own, positions.shape[1])

    def _learn(self, geometry: Geometry) -> tuple[np.ndarray, float]:
        """The weights, the first of them 1, and their reach over that of the Gaussian energy."""
        from scipy.optimize import minimize  # slow to import, and needed only here

        gaussian = reach(GRID, geometry, "separable", 1)
        if not gaussian > 0:
            return np.ones(self.units), 1.0

        def loss(free: np.ndarray) -> float:
            log_slopes = np.concatenate([[0.0], free])
            found = reach(_velocity(np.exp(log_slopes)), geometry, "separable", 1)
            return _CAUTION * float(np.mean(log_slopes**2)) - np.log(max(found, 1e-10 * gaussian) / gaussian)

        bounds = [(np.log(_LEAST_SLOPE), 0.0)] * (self.units - 1)
        found = minimize(loss, np.full(self.units - 1, -0.3), method="L-BFGS-B", bounds=bounds)
        slopes = np.exp(np.concatenate([[0.0], found.x]))
        return slopes, self._gain(slopes, geometry)

    @staticmethod
    def _gain(slopes: np.ndarray, geometry: Geometry) -> float:
        """The reach of these weights over that of the Gaussian energy."""
        gaussian = reach(GRID, geometry, "separable", 1)
        return reach(_velocity(slopes), geometry, "separable", 1) / gaussian if gaussian > 0 else 1.0

    @staticmethod
    def _network(slopes: np.ndarray, length: float, gain: float) -> tuple[float, ...]:
        velocities = np.concatenate([[0.0], np.cumsum(slopes[:-1] * length)])
        values = np.concatenate([[0.0], np.cumsum(length * (velocities[:-1] + 0.5 * slopes[:-1] * length))])
        return (len(slopes), 1.0 / length, *np.column_stack([velocities, slopes, values]).ravel(), gain)

    def gain(self, record: Any) -> float:
        """The predicted reach of a gradient over that of the Gaussian energy."""
        return self.learned(record).gain

    def learned(self, record: Any) -> Network:
        """The weights in the record of a chain (`Chain.kinetic`)."""
        count, rate = int(record.params[1]), record.params[2]
        table = record.params[3 : 3 + 3 * count].reshape(count, 3)
        return Network(
            np.arange(count) / rate, table[:, 0].copy(), table[:, 1].copy(), float(record.params[3 + 3 * count])
        )


def _velocity(slopes: np.ndarray) -> np.ndarray:
    """φ' on `GRID`, before it is rescaled."""
    length = _FARTHEST / (len(slopes) - 1)
    place = np.minimum((GRID / length).astype(int), len(slopes) - 1)
    begins = np.concatenate([[0.0], np.cumsum(slopes[:-1] * length)])
    return begins[place] + slopes[place] * (GRID - place * length)


def _mean_square_speed(velocity: np.ndarray) -> float:
    value = np.concatenate([[0.0], np.cumsum(0.5 * (velocity[1:] + velocity[:-1]) * GRID[1])])
    weight = np.exp(-value)
    return float(weight @ velocity**2 / weight.sum())
