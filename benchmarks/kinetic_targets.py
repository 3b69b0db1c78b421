"""What `kinetic.py` measures with: targets and bad starts, kinetic energies as a warm-up leaves them, and one run.

Made-up targets are scaled to a standard deviation of 1 in every coordinate, have the identity as their metric, and
their chains start at exact draws.  Posteriors have the metric that one warm-up with the Gaussian energy has learned,
and their chains start at draws of that chain.  So no run has anything to adapt, or anywhere to come from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import posteriors
import pymc as pm
import pytensor.tensor as pt
from arviz_stats.base import array_stats

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap
from pymc_symplectic.kinetic import Adaptive, Gaussian, KineticEnergy, Power, Relativistic
from pymc_symplectic.metrics import Metric
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

__all__ = ["ENERGIES", "MADE_UP", "POSTERIORS", "Case", "Frozen", "Oracle", "Run", "fall", "load", "oracles", "run"]

FAR = 50.0  # standard deviations, in every coordinate
CHAINS = 4
WARMUP = 1000  # draws in which energies, and metrics of posteriors, are learned
BLOCK = 20  # draws between two looks at whether a chain has arrived
_TRIES = 100

Place = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Frozen(KineticEnergy):
    """The energy that a warm-up has left behind."""

    kept: Any
    name = "frozen"

    def record(self, dim: int) -> Any:
        return self.kept


class Oracle(NamedTuple):
    """An energy of a scan, and how it is called in tables."""

    family: str
    title: str
    kinetic: KineticEnergy


ENERGIES: dict[str, KineticEnergy] = {
    "gaussian": Gaussian(),
    "relativistic": Relativistic(),
    "separable": Relativistic(shape="separable"),
    "adaptive": Adaptive(),
    "power": Power(4 / 3, 2.0),
}
"""What is compared; `separable` is relativistic."""


def oracles(dim: int) -> Iterator[Oracle]:
    """The energies that the best is looked for among, given a target in `dim` dimensions of unit spread."""
    for factor in (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0):
        yield Oracle("relativistic", f"c={factor:g}√d", Relativistic(factor * float(np.sqrt(dim))))
    for c in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0):
        yield Oracle("separable", f"c={c:g}", Relativistic(c, "separable"))
    for beta in (1.1, 4 / 3, 1.6):
        for c in (0.7, 1.4, 2.8):
            yield Oracle("power", f"β={beta:.2g} c={c:g}", Power(beta, c))


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
"""Names in tables, and in `posteriors`."""


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
    target = LogDensity(model=posteriors.load(POSTERIORS[name]).model)
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


def learn(case: Case, kinetic: KineticEnergy, seed: int) -> KineticEnergy:
    """The energy as a warm-up with this metric leaves it; one with nothing to learn as it is."""
    if not kinetic.adapts:
        return kinetic
    rng = np.random.default_rng([seed, 17])
    chain = Chain(case.target, Settings.choose(kinetic=kinetic, metric=case.metric), rng, WARMUP)
    chain.start(case.starts(rng))
    chain.advance(WARMUP)
    return Frozen(chain.kinetic)


class Run(NamedTuple):
    """What one seed has come to.

    Attributes
    ----------
    worth : float
        Least effective sample size, of bulk, tail and squares over all coordinates, per 1000 gradients.
    acceptance : float
    divergences : float
        Per 1000 draws.
    """

    worth: float
    acceptance: float
    divergences: float


def _chain(case: Case, kinetic: KineticEnergy, step: float, rule: ps.trajectories.Trajectory, rng: Any) -> Chain:
    settings = Settings.choose(kinetic=kinetic, metric=case.metric, step_size=step, trajectory=rule)
    return Chain(case.target, settings, rng)


def run(
    case: Case, kinetic: KineticEnergy, step: float, rule: ps.trajectories.Trajectory, seed: int, draws: int
) -> Run:
    """Chains at a fixed step size, from draws of the target on."""
    positions, rows = [], []
    for i in range(CHAINS):
        rng = np.random.default_rng([seed, i])
        chain = _chain(case, kinetic, step, rule, rng)
        chain.start(case.starts(rng))
        drawn, told = chain.advance(max(50, int(draws * case.draws)))
        positions.append(drawn)
        rows.append(told)
    told = np.concatenate(rows)
    return Run(
        1000 * ess(np.array(positions)) / float(told[:, column.N_GRADIENTS].sum()),
        float(told[:, column.MEAN_TREE_ACCEPT].mean()),
        1000 * float(told[:, column.DIVERGING].mean()),
    )


def ess(draws: np.ndarray) -> float:
    """The least effective sample size of draws (chains, draws, d): bulk, tail, squares, coordinates; at least 1."""
    kinds = [
        ("bulk", draws, {}),
        ("tail", draws, {"prob": (0.05, 0.95)}),
        ("bulk", (draws - draws.mean((0, 1))) ** 2, {}),
    ]
    found = [
        array_stats.ess(x[:, :, j], method=method, chain_axis=0, draw_axis=1, **more)
        for method, x, more in kinds
        for j in range(x.shape[2])
    ]
    return max(1.0, float(np.min(np.nan_to_num(found))))


def fall(
    case: Case,
    kinetic: KineticEnergy,
    step: float,
    rule: ps.trajectories.Trajectory,
    place: Place,
    seed: int,
    most: int,
) -> tuple[int, int, bool]:
    """Gradients until the first draw in the typical set, divergences before it, and whether `most` have sufficed."""
    rng = np.random.default_rng([seed, 5])
    chain = _chain(case, kinetic, step, rule, rng)
    chain.start(place(rng))
    spent = diverged = 0
    while spent < most:
        _, rows = chain.advance(BLOCK)
        inside = np.flatnonzero(-rows[:, column.MODEL_LOGP] <= case.typical)
        end = inside[0] + 1 if inside.size else BLOCK
        spent += int(rows[:end, column.N_GRADIENTS].sum())
        diverged += int(rows[:end, column.DIVERGING].sum())
        if inside.size:
            return min(spent, most), diverged, True
    return most, diverged, False
