"""Targets of chains that have nothing to adapt, and nowhere to come from.

Made-up targets are scaled to a standard deviation of 1 in every coordinate, have the identity as their metric, and
their chains start at exact draws.  Posteriors have the metric that one warm-up with the Gaussian energy has learned,
and their chains start at draws of that chain.  Each has bad starts, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_symplectic as ps
from benchmarks.models import posteriordb
from benchmarks.models.posterior import Place
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap
from pymc_symplectic.metrics import Metric
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

__all__ = ["MADE_UP", "POSTERIORS", "WARMUP", "Case", "load"]

FAR = 50.0  # standard deviations, in every coordinate
WARMUP = 1000  # draws in which metrics of posteriors are learned
_TRIES = 100


@dataclass(frozen=True, eq=False)
class Case:
    """A target, with everything that all energies share of it.

    Attributes
    ----------
    name : str
    target : LogDensity
    metric : Metric
        Fixed.
    starts : callable
        A draw of the target, from a generator.
    far : callable
        A start `FAR` standard deviations off in every coordinate, on either side.
    stiff : callable or None
        A start where the gradient is steep, or the target narrow.
    typical : float
        The potential energy that 1 % of the draws exceed.
    draws : float
        How many draws a chain makes of those that are asked for.
    """

    name: str
    target: LogDensity
    metric: Metric
    starts: Place
    far: Place
    stiff: Place | None
    typical: float
    draws: float = 1.0


@dataclass(frozen=True)
class _MadeUp:
    """A density, exact draws (n, d) of it, and a stiff start."""

    density: Callable[[Any], Any]
    sample: Callable[[np.random.Generator, int], np.ndarray]
    stiff: Callable[[], np.ndarray] | None = None
    draws: float = 1.0


def _product(name: str, d: int = 20) -> _MadeUp:
    """Independent coordinates of standard deviation 1."""
    if name == "gaussian":
        return _MadeUp(lambda x: -0.5 * (x**2).sum(), lambda rng, n: rng.standard_normal((n, d)))
    if name == "quartic":
        scale = 0.581301  # the standard deviation of exp(-x⁴)
        return _MadeUp(
            lambda x: -((scale * x) ** 4).sum(),
            lambda rng, n: rng.choice([-1, 1], (n, d)) * rng.gamma(0.25, size=(n, d)) ** 0.25 / scale,
            lambda: np.full(d, 10.0),
        )
    if name in {"t3", "t5"}:
        nu = int(name[1:])
        scale = np.sqrt(nu / (nu - 2))
        return _MadeUp(
            lambda x: -(nu + 1) / 2 * pt.log1p((scale * x) ** 2 / nu).sum(),
            lambda rng, n: rng.standard_t(nu, (n, d)) / scale,
        )
    if name == "log-gamma":
        scale, mean = 0.628449, 0.922784  # of the logarithm of a gamma variable of shape 3
        return _MadeUp(
            lambda x: (3 * (scale * x) - pt.exp(scale * x + mean)).sum(),
            lambda rng, n: (np.log(rng.gamma(3, size=(n, d))) - mean) / scale,
            lambda: np.full(d, 10.0),
        )
    scales = np.geomspace(10**-1.5, 10**1.5, d)
    return _MadeUp(lambda x: -0.5 * ((x / scales) ** 2).sum(), lambda rng, n: scales * rng.standard_normal((n, d)),
                   draws=0.2)  # fmt: skip


def _funnel(d: int = 10) -> _MadeUp:
    """Neal's: x₀ ~ N(0, 3²), the others N(0, exp(x₀)).  The stiff start is 40 deviations up the neck's wall."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.standard_normal((n, d))
        x[:, 0] *= 3
        x[:, 1:] *= np.exp(0.5 * x[:, :1])
        return x

    return _MadeUp(
        lambda x: -(x[0] ** 2) / 18 - 0.5 * (x[1:] ** 2 * pt.exp(-x[0])).sum() - 0.5 * (d - 1) * x[0],
        sample,
        lambda: np.array([-7.5] + [1.0] * (d - 1)),
    )


def _banana() -> _MadeUp:
    """A normal x₀ of standard deviation 2, and x₁ about a parabola of it.  The stiff start is high above its middle."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.standard_normal((n, 2))
        x[:, 0] *= 2
        x[:, 1] += 2 - 0.5 * x[:, 0] ** 2
        return x

    return _MadeUp(
        lambda x: -0.125 * x[0] ** 2 - 0.5 * (x[1] + 0.5 * x[0] ** 2 - 2) ** 2, sample, lambda: np.array([10.0, 20.0])
    )


MADE_UP: dict[str, Callable[[], _MadeUp]] = {
    **{
        name: lambda name=name: _product(name)
        for name in ("gaussian", "quartic", "t3", "t5", "log-gamma", "condition 1e6")
    },
    "funnel": _funnel,
    "banana": _banana,
}
"""By name."""

POSTERIORS = {
    "eight schools": "eight_schools-eight_schools_noncentered",
    "arK": "arK-arK",
    "garch": "garch-garch11",
    "gp_pois_regr": "gp_pois_regr-gp_pois_regr",
    "GLMM": "GLMM_Poisson_data-GLMM_Poisson_model",
    "radon centered": "radon_mn-radon_hierarchical_intercept_centered",
}
"""Names in tables, and in `posteriordb`."""


def load(name: str) -> Case:
    """Build a case by its name."""
    return _made_up(name, MADE_UP[name]()) if name in MADE_UP else _posterior(name)


def _made_up(name: str, made: _MadeUp) -> Case:
    rng = np.random.default_rng(0)
    draws = made.sample(rng, 20_000)
    with pm.Model() as model:
        x = pm.Flat("x", shape=draws.shape[1])
        pm.Potential("density", made.density(x))
    target = LogDensity(model=model)
    stiff = None if made.stiff is None else lambda rng: made.stiff() + 0.1 * rng.standard_normal(target.dim)
    return Case(
        name, target, ps.metrics.Identity(), lambda rng: made.sample(rng, 1)[0], _far(target, draws), stiff,
        _typical(target, draws[:5000]), made.draws,
    )  # fmt: skip


def _posterior(name: str) -> Case:
    target = LogDensity(model=posteriordb.load(POSTERIORS[name]).model)
    chain = Chain(target, Settings.choose(), np.random.default_rng(0), WARMUP)
    chain.start(target.default_start)
    chain.advance(WARMUP)
    draws = chain.advance(5000)[0]
    return Case(
        name, target, _fixed(chain.metric), lambda rng: draws[rng.integers(len(draws))], _far(target, draws), None,
        _typical(target, draws),
    )  # fmt: skip


def _fixed(fitted: Any) -> Metric:
    """The metric that stays what a chain has fitted."""
    if isinstance(fitted, DenseMap):
        return ps.metrics.Dense(fitted.factor @ fitted.factor.T)
    if isinstance(fitted, DiagonalMap):
        return ps.metrics.Diagonal(fitted.scale**2)
    raise TypeError(f"no fixed metric is made of {type(fitted).__name__}")


def _typical(target: LogDensity, draws: np.ndarray) -> float:
    return float(np.quantile([-target(x)[0] for x in draws], 0.99))


def _far(target: LogDensity, draws: np.ndarray) -> Place:
    mean, spread = draws.mean(axis=0), draws.std(axis=0)

    def place(rng: np.random.Generator) -> np.ndarray:
        distance = FAR
        for i in range(_TRIES):
            position = mean + distance * spread * rng.choice([-1.0, 1.0], mean.size)
            value, gradient = target(position)
            if np.isfinite(value) and np.isfinite(gradient).all():
                return position
            distance *= 1.0 if i % 10 < 9 else 0.8  # a posterior may overflow at all of them
        raise RuntimeError("no start with a finite log-density found")

    return place
