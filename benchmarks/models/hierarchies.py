"""PyMC models of hierarchies, as people write them, and standardised by hand.

Data say little about each group of some, and much about each group of others, or much about some groups and little
about the rest.  `names` are those on which choices were made, and `apart` six others, on which none was.
``load(name)`` has the variables centered, and ``load(name + "-by_hand")`` non-centered.  Data are made from fixed
seeds.

Examples
--------
>>> posterior = load("schools-centered")
>>> by_hand = load("schools-centered-by_hand")
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.models.posterior import Posterior

__all__ = ["apart", "load", "names"]


class Effects:
    """Effects of groups as a model has them, centered."""

    def __call__(self, name: str, mu: Any, scale: Any, **shape: Any) -> Any:
        """Normal ones."""
        return pm.Normal(name, mu, scale, **shape)

    def vectors(self, name: str, mu: Any, chol: Any, groups: int) -> Any:
        """Normal vectors, one for each group, with a Cholesky factor of their covariance."""
        return pm.MvNormal(name, mu, chol=chol, shape=(groups, chol.type.shape[0]))

    def sums(self, name: str, scale: Any, length: int) -> Any:
        """Normal ones that sum to zero."""
        return pm.ZeroSumNormal(name, scale, shape=length)

    def walk(self, name: str, scale: Any, length: int) -> Any:
        """A random walk from about 0."""
        return pm.GaussianRandomWalk(name, sigma=scale, init_dist=pm.Normal.dist(0, 2), shape=length)


class Standardised(Effects):
    """The same, by standard normal ones."""

    def __call__(self, name: str, mu: Any, scale: Any, **shape: Any) -> Any:
        return pm.Deterministic(name, mu + scale * pm.Normal(f"{name}_z", **shape))

    def vectors(self, name: str, mu: Any, chol: Any, groups: int) -> Any:
        z = pm.Normal(f"{name}_z", shape=(groups, chol.type.shape[0]))
        return pm.Deterministic(name, mu + z @ chol.T)

    def sums(self, name: str, scale: Any, length: int) -> Any:
        return pm.Deterministic(name, scale * pm.ZeroSumNormal(f"{name}_z", 1.0, shape=length))

    def walk(self, name: str, scale: Any, length: int) -> Any:
        first, z = pm.Normal(f"{name}_0", 0, 2), pm.Normal(f"{name}_z", shape=length - 1)
        return pm.Deterministic(name, pt.concatenate([[first], first + pt.cumsum(scale * z)]))


_BUILDERS: dict[str, Callable[[Effects], None]] = {}
_APART: list[str] = []
_BY_HAND = "-by_hand"


def _register(name: str, *, kept_apart: bool = False) -> Callable[[Callable[[Effects], None]], Any]:
    def add(builder: Callable[[Effects], None]) -> Callable[[Effects], None]:
        _BUILDERS[name] = builder
        if kept_apart:
            _APART.append(name)
        return builder

    return add


def names() -> list[str]:
    """Those on which choices were made."""
    return [name for name in _BUILDERS if name not in _APART]


def apart() -> list[str]:
    """The others."""
    return list(_APART)


def load(name: str) -> Posterior:
    """A posterior by its name."""
    builder = _BUILDERS[name.removesuffix(_BY_HAND)]
    with pm.Model() as model:
        builder(Standardised() if name.endswith(_BY_HAND) else Effects())
    return Posterior(name, model)


def _groups(sizes: Any, tau: float, sigma: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each observation, its group and outcome."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    return group, rng.normal((1 + tau * rng.normal(size=len(sizes)))[group], sigma)


def _normal_groups(effects: Effects, sizes: Any, tau: float, sigma: float, seed: int) -> None:
    group, y = _groups(sizes, tau, sigma, seed)
    mu, scale = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 5)
    theta, noise = effects("theta", mu, scale, shape=len(sizes)), pm.HalfNormal("sigma", 5)
    pm.Normal("y", theta[group], noise, observed=y)


@_register("schools-centered")
def schools(effects: Effects) -> None:
    """Eight schools: errors are known, and larger than effects."""
    mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
    theta = effects("theta", mu, tau, shape=8)
    pm.Normal("y", theta, [15.0, 10, 16, 11, 9, 11, 10, 18], observed=[28.0, 8, -3, 7, -1, 1, 18, 12])


@_register("none-funnel")
def funnel(effects: Effects) -> None:
    """Neal's funnel in ten dimensions."""
    v = pm.Normal("v", 0, 3)
    effects("x", 0, pt.exp(v / 2), shape=9)


@_register("simulated-counties")
def counties(effects: Effects) -> None:
    """The form of radon: 85 groups of about 11, and a slope."""
    rng = np.random.default_rng(1)
    county, floor = rng.integers(85, size=919), rng.integers(2, size=919)
    y = 1.5 + 0.3 * rng.normal(size=85)[county] - 0.7 * floor + 0.7 * rng.normal(size=919)
    mu, tau = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 1)
    slope, sigma = pm.Normal("slope", 0, 10), pm.HalfNormal("sigma", 1)
    theta = effects("theta", mu, tau, shape=85)
    pm.Normal("y", theta[county] + slope * floor, sigma, observed=y)


@_register("simulated-rich")
def rich(effects: Effects) -> None:
    """Ten groups of 200."""
    _normal_groups(effects, [200] * 10, 1.0, 1.0, 0)


@_register("simulated-pairs")
def pairs(effects: Effects) -> None:
    """Twenty groups of 2, with four times the noise."""
    _normal_groups(effects, [2] * 20, 0.5, 2.0, 0)


@_register("simulated-mixed")
def mixed(effects: Effects) -> None:
    """Groups of 1 to 300."""
    _normal_groups(effects, [1, 1, 2, 2, 5, 5, 20, 20, 100, 100, 300, 300], 1.0, 1.0, 3)


@_register("simulated-counts")
def counts(effects: Effects) -> None:
    """Poisson counts, four of each of twenty groups."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(20), 4)
    y = rng.poisson(np.exp((1 + 0.7 * rng.normal(size=20))[group]))
    mu, tau = pm.Normal("mu", 0, 3), pm.HalfNormal("tau", 1)
    pm.Poisson("y", pt.exp(effects("theta", mu, tau, shape=20)[group]), observed=y)


@_register("simulated-nested")
def nested(effects: Effects) -> None:
    """Twenty pupils, one observation each, in five classes."""
    y = 1 + 1.3 * np.random.default_rng(7).normal(size=20)
    mu, between, within = pm.Normal("mu", 0, 5), pm.HalfNormal("between", 2), pm.HalfNormal("within", 2)
    classes = effects("classes", mu, between, shape=5)
    pm.Normal("y", effects("pupils", classes[np.repeat(np.arange(5), 4)], within, shape=20), 1.0, observed=y)


@_register("simulated-horseshoe")
def horseshoe(effects: Effects) -> None:
    """Two of fifteen coefficients matter, with a horseshoe prior for all."""
    rng = np.random.default_rng(9)
    X = rng.normal(size=(60, 15))
    y = 2 * X[:, 0] - X[:, 1] + rng.normal(size=60)
    tau, lam = pm.HalfCauchy("tau", 0.2), pm.HalfCauchy("lam", 1, shape=15)
    pm.Normal("y", X @ effects("beta", 0, tau * lam, shape=15), pm.HalfNormal("sigma", 2), observed=y)


def _slopes(effects: Effects, groups: int, size: int, seed: int) -> None:
    """Intercepts and slopes that are correlated."""
    rng = np.random.default_rng(seed)
    group, x = np.repeat(np.arange(groups), size), rng.normal(size=groups * size)
    made = rng.multivariate_normal([1.0, 0.5], [[1.0, -0.35], [-0.35, 0.25]], size=groups)
    y = rng.normal(made[group, 0] + made[group, 1] * x, 1.0)
    chol, *_ = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.HalfNormal.dist(2, shape=2))
    both = effects.vectors("both", pm.Normal("mu", 0, 5, shape=2), chol, groups)
    pm.Normal("y", both[group, 0] + both[group, 1] * x, pm.HalfNormal("sigma", 2), observed=y)


@_register("simulated-slopes_poor")
def slopes_poor(effects: Effects) -> None:
    """Varying slopes of 15 groups of 4."""
    _slopes(effects, 15, 4, 17)


@_register("simulated-slopes_rich")
def slopes_rich(effects: Effects) -> None:
    """Varying slopes of 12 groups of 80."""
    _slopes(effects, 12, 80, 18)


@_register("simulated-shops")
def shops(effects: Effects) -> None:
    """Effects of 20 shops that sum to zero, a few sales of each."""
    rng = np.random.default_rng(19)
    shop = np.repeat(np.arange(20), 3)
    y = rng.normal(3 + (0.4 * rng.normal(size=20))[shop], 1.0)
    of_shops = effects.sums("of_shops", pm.HalfNormal("scale", 1), 20)
    pm.Normal("y", pm.Normal("level", 0, 5) + of_shops[shop], pm.HalfNormal("sigma", 2), observed=y)


@_register("simulated-walk")
def walk(effects: Effects) -> None:
    """A random walk of 60 steps, seen with five times their noise."""
    rng = np.random.default_rng(20)
    y = np.cumsum(0.1 * rng.normal(size=60)) + 0.5 * rng.normal(size=60)
    pm.Normal("y", effects.walk("level", pm.HalfNormal("step", 1), 60), pm.HalfNormal("sigma", 1), observed=y)


@_register("simulated-hospitals", kept_apart=True)
def hospitals(effects: Effects) -> None:
    """Rare events in 25 hospitals of 20 to 200 patients: poor data, in logits."""
    rng = np.random.default_rng(11)
    patients = rng.integers(20, 200, size=25)
    events = rng.binomial(patients, 1 / (1 + np.exp(3 - 0.4 * rng.normal(size=25))))
    mu, tau = pm.Normal("mu", -3, 2), pm.HalfNormal("tau", 1)
    pm.Binomial("y", patients, logit_p=effects("theta", mu, tau, shape=25), observed=events)


@_register("simulated-trials", kept_apart=True)
def trials(effects: Effects) -> None:
    """A meta-analysis of 12 trials, with errors twice as large as what is between them."""
    rng = np.random.default_rng(12)
    errors = rng.uniform(0.2, 0.6, size=12)
    y = rng.normal(0.3 + 0.15 * rng.normal(size=12), errors)
    mu, tau = pm.Normal("mu", 0, 1), pm.HalfNormal("tau", 0.5)
    pm.Normal("y", effects("theta", mu, tau, shape=12), errors, observed=y)


@_register("simulated-doses", kept_apart=True)
def doses(effects: Effects) -> None:
    """Slopes and intercepts of 30 patients with 8 visits each: rich in slopes, and less in intercepts."""
    rng = np.random.default_rng(13)
    patient, dose = np.repeat(np.arange(30), 8), np.tile(np.linspace(-1, 1, 8), 30)
    y = (2 + 0.3 * rng.normal(size=30))[patient] + (1 + 1.5 * rng.normal(size=30))[patient] * dose
    y += 0.8 * rng.normal(size=240)
    means, scales = pm.Normal("means", 0, 5, shape=2), pm.HalfNormal("scales", 2, shape=2)
    intercept = effects("intercept", means[0], scales[0], shape=30)
    slope = effects("slope", means[1], scales[1], shape=30)
    pm.Normal("y", intercept[patient] + slope[patient] * dose, pm.HalfNormal("sigma", 2), observed=y)


@_register("simulated-panel", kept_apart=True)
def panel(effects: Effects) -> None:
    """Six countries of 250 observations, and 12 years that cross them."""
    rng = np.random.default_rng(14)
    country, year = np.repeat(np.arange(6), 250), rng.integers(12, size=1500)
    y = (2 * rng.normal(size=6))[country] + (0.2 * rng.normal(size=12))[year] + rng.normal(size=1500)
    of_countries, of_years = pm.HalfNormal("of_countries", 3), pm.HalfNormal("of_years", 1)
    countries = effects("countries", 0, of_countries, shape=6)
    years = effects("years", 0, of_years, shape=12)
    level = pm.Normal("level", 0, 5)
    pm.Normal("y", level + countries[country] + years[year], pm.HalfNormal("sigma", 2), observed=y)


@_register("simulated-species", kept_apart=True)
def species(effects: Effects) -> None:
    """Counts of 40 species, a few of them common: groups of 1 to 60, over-dispersed."""
    rng = np.random.default_rng(15)
    sizes = np.sort(rng.integers(1, 60, size=40))
    group = np.repeat(np.arange(40), sizes)
    y = rng.negative_binomial(3, 3 / (3 + np.exp((0.5 + 1.2 * rng.normal(size=40))[group])))
    mu, tau, alpha = pm.Normal("mu", 0, 2), pm.HalfNormal("tau", 2), pm.Exponential("alpha", 0.2)
    pm.NegativeBinomial("y", mu=pt.exp(effects("theta", mu, tau, shape=40)[group]), alpha=alpha, observed=y)


@_register("simulated-variances", kept_apart=True)
def variances(effects: Effects) -> None:
    """Groups of 15 with means and log-variances of their own."""
    rng = np.random.default_rng(16)
    group = np.repeat(np.arange(15), 15)
    y = rng.normal((0.5 * rng.normal(size=15))[group], np.exp((0.4 * rng.normal(size=15))[group]))
    mu, tau = pm.Normal("mu", 0, 2), pm.HalfNormal("tau", 1)
    level, spread = pm.Normal("level", 0, 1), pm.HalfNormal("spread", 1)
    theta, log_sigma = effects("theta", mu, tau, shape=15), effects("log_sigma", level, spread, shape=15)
    pm.Normal("y", theta[group], pt.exp(log_sigma)[group], observed=y)
