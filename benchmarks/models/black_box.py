"""A simulation that nobody can differentiate, and its posterior on a fine grid.

The biomass of a stock of fish from year to year, by Schaefer's equation of surplus production,

    B[t + 1] = B[t] + r B[t] (1 - B[t] / K) - C[t],   B[0] = K,

with known catches C, and never below a hundredth of K.  Seen is an index of it, log(q B[t]) with normal errors of known
size.  The three parameters, r, K and q, have log-normal priors, and a posterior that is curved: a small stock that
grows fast is caught as well as a large one that grows slowly.  `Biomass` is a PyTensor operation in Python without a
gradient, and counts how often it is called.

The truth is from a grid over the logarithms of the parameters, which covers all but a share of 1e-9 of the posterior.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from scipy import optimize
from scipy.interpolate import CubicSpline

from benchmarks.models.known_laws import LEVELS, Law, Target
from benchmarks.models.posterior import Posterior

__all__ = ["PRIORS", "Biomass", "fishery", "log_likelihood"]

PRIORS = {"growth": (math.log(0.3), 0.5), "capacity": (math.log(1000), 0.7), "catchability": (math.log(0.01), 0.7)}
"""Mean and standard deviation of the logarithm of each parameter."""
_TRUTH = (0.35, 900.0, 0.008)
_ERROR = 0.15  # of the index, known
_COARSE, _FINE = 60, 160  # points on each side, of grids that find the posterior, and of the last one
_LOWEST = 22.0  # below the largest log-density, where the grid may end


def biomass(growth: Any, capacity: Any, catches: np.ndarray) -> np.ndarray:
    """Biomass at the start of each year, (years, ...), of numbers or arrays of parameters."""
    stock = [capacity + 0.0 * growth]
    for catch in catches[:-1]:
        grown = stock[-1] + growth * stock[-1] * (1 - stock[-1] / capacity) - catch
        stock.append(np.maximum(grown, 0.01 * capacity))
    return np.array(stock)


@cache
def _data() -> tuple[np.ndarray, np.ndarray]:
    """Catches, and the index."""
    rng = np.random.default_rng(601)
    catches = np.concatenate([np.linspace(20, 110, 20), np.full(5, 90.0), np.linspace(60, 30, 15)])
    growth, capacity, catchability = _TRUTH
    index = np.log(catchability * biomass(growth, capacity, catches)) + _ERROR * rng.normal(size=catches.size)
    return catches, index


class Biomass(Op):
    """Log biomass by year (years,) from the rate of growth and the capacity; it has no gradient.

    Attributes
    ----------
    calls : int
        How often it was called, by whomever.
    """

    __props__ = ()
    calls: ClassVar[int] = 0

    def make_node(self, growth: Any, capacity: Any) -> Apply:
        """Make the path, a vector."""
        return Apply(self, [pt.as_tensor(growth), pt.as_tensor(capacity)], [pt.dvector()])

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        """Simulate."""
        Biomass.calls += 1
        growth, capacity = map(float, inputs)
        outputs[0][0] = np.log(biomass(growth, capacity, _data()[0]))

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Variable, ...]]:
        """It is known, so that nothing is simulated to find it."""
        return [(pt.constant(_data()[0].size, dtype="int64"),)]


def log_likelihood(growth: Any, capacity: Any, catchability: Any) -> Any:
    """Up to a constant, of arrays of parameters."""
    catches, index = _data()
    log_biomass = np.log(biomass(growth, capacity, catches))
    residual = index.reshape(-1, *[1] * (log_biomass.ndim - 1)) - log_biomass
    mean, rest = residual.mean(axis=0), residual.var(axis=0)  # so that simulations are shared by all catchabilities
    return -0.5 * index.size / _ERROR**2 * ((np.log(catchability) - mean) ** 2 + rest)


def _on_grid(axes: Sequence[np.ndarray]) -> np.ndarray:
    """Log-density, up to a constant, of logarithms of the parameters."""
    growth, capacity, catchability = np.exp(axes[0])[:, None, None], np.exp(axes[1])[:, None], np.exp(axes[2])
    found = log_likelihood(growth, capacity, catchability)
    for axis, (center, sd), shape in zip(axes, PRIORS.values(), ((-1, 1, 1), (-1, 1), (-1,)), strict=True):
        found = found - 0.5 * (((axis - center) / sd) ** 2).reshape(shape)
    return found


def _around(density: np.ndarray, axes: Sequence[np.ndarray], points: int) -> list[np.ndarray]:
    """A grid over where the density is not negligible."""
    there = density > density.max() - _LOWEST
    found = []
    for side, axis in enumerate(axes):
        seen = axis[there.any(axis=tuple(other for other in range(3) if other != side))]
        step = axis[1] - axis[0]
        found.append(np.linspace(seen[0] - step, seen[-1] + step, points))
    return found


def _law(axis: np.ndarray, weights: np.ndarray) -> Law:
    """Of exp(axis), by weights of the points."""
    values = np.exp(axis)
    mean = float(weights @ values)
    below = CubicSpline(axis, weights / (axis[1] - axis[0])).antiderivative()
    low, high = (math.exp(optimize.brentq(lambda x, at=at: below(x) - at, axis[0], axis[-1])) for at in LEVELS)
    return Law.known(low, high, mean, math.sqrt(float(weights @ (values - mean) ** 2)))


def laws(points: int = _FINE) -> dict[str, Law]:
    """The truth about each parameter."""
    axes = [np.linspace(center - 5 * sd, center + 5 * sd, _COARSE) for center, sd in PRIORS.values()]
    for count in (_COARSE, points):  # the posterior is narrow in the grid over the prior
        axes = _around(_on_grid(axes), axes, count)
    density = _on_grid(axes)
    weights = np.exp(density - density.max())
    weights /= weights.sum()
    marginals = [weights.sum(axis=tuple(other for other in range(3) if other != side)) for side in range(3)]
    return {name: _law(axis, w) for name, axis, w in zip(PRIORS, axes, marginals, strict=True)}


@cache
def fishery() -> Target:
    """The posterior, and the truth about it, which is computed once."""
    _, index = _data()
    with pm.Model() as model:
        growth, capacity, catchability = (pm.LogNormal(name, *prior) for name, prior in PRIORS.items())
        pm.Normal("y", pt.log(catchability) + Biomass()(growth, capacity), _ERROR, observed=index)
    return Target(Posterior("simulated-fishery", model), dict, laws())
