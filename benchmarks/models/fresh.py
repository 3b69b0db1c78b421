"""PyMC models of a second set of posteriors on which nothing was tuned, for choices made after a look at `held_out`.

Regressions, hierarchies, a series, shares and a nonlinear curve, of 5 to 53 dimensions.  They are plain models of the
kinds that are fitted every day; none was chosen by how a sampler does on it.  Names have the form of posteriordb's,
data before model.  The data are made from fixed seeds, or come with scikit-learn; there are no reference draws.

Rules of the sampler have been changed after a look at results of this set; `unseen` is the next one.

Examples
--------
>>> posterior = load("simulated-pharmacokinetics")
>>> samples = pm.sample(model=posterior.model)  # doctest: +SKIP
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.models.posterior import Registry

__all__ = ["load", "names"]

REGISTRY = Registry()
names, load, _register = REGISTRY.names, REGISTRY.load, REGISTRY.register


@_register("simulated-negative_binomial")
def negative_binomial() -> pm.Model:
    """Negative-binomial regression of counts, with an exposure that is known and six correlated columns."""
    rng = np.random.default_rng(201)
    observations = 150
    X = rng.normal(size=(observations, 6)) + 0.8 * rng.normal(size=(observations, 1))
    exposure = rng.uniform(0.5, 3, observations)
    mean = exposure * np.exp(1 + X @ [0.4, -0.3, 0.2, 0.0, 0.1, 0.0])
    counts = rng.poisson(mean * rng.gamma(3, 1 / 3, observations))
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0, 3)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        alpha = pm.Gamma("alpha", 2, 0.5)
        pm.NegativeBinomial("y", mu=exposure * pt.exp(intercept + X @ beta), alpha=alpha, observed=counts)
    return model


@_register("simulated-hierarchical_logistic")
def hierarchical_logistic() -> pm.Model:
    """Logistic regression on three columns with an intercept of each of 30 groups, non-centered."""
    rng = np.random.default_rng(202)
    groups, each = 30, 15
    group = np.repeat(np.arange(groups), each)
    X = rng.normal(size=(group.size, 3))
    logit = -0.5 + 0.8 * rng.normal(size=groups)[group] + X @ [0.6, -0.4, 0.0]
    y = (logit + rng.logistic(size=group.size) > 0).astype(int)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        sigma = pm.HalfNormal("sigma", 1)
        z = pm.Normal("z", 0, 1, shape=groups)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        pm.Bernoulli("y", logit_p=mu + sigma * z[group] + X @ beta, observed=y)
    return model


@_register("simulated-linear_growth")
def linear_growth() -> pm.Model:
    """Weights of 24 animals in eight weeks: a line for each, whose intercepts and slopes vary, centered."""
    rng = np.random.default_rng(203)
    animals, week = 24, np.arange(8.0)
    intercept, slope = rng.normal(150, 15, animals), rng.normal(30, 4, animals)
    y = intercept[:, None] + slope[:, None] * week + 8 * rng.normal(size=(animals, week.size))
    with pm.Model() as model:
        mu_intercept = pm.Normal("mu_intercept", 150, 50)
        mu_slope = pm.Normal("mu_slope", 30, 20)
        tau_intercept = pm.HalfNormal("tau_intercept", 30)
        tau_slope = pm.HalfNormal("tau_slope", 10)
        intercept = pm.Normal("intercept", mu_intercept, tau_intercept, shape=animals)
        slope = pm.Normal("slope", mu_slope, tau_slope, shape=animals)
        sigma = pm.HalfNormal("sigma", 20)
        pm.Normal("y", intercept[:, None] + slope[:, None] * week, sigma, observed=y)
    return model


@_register("simulated-beta_regression")
def beta_regression() -> pm.Model:
    """Beta regression of shares between 0 and 1; the mean and the precision both depend on columns."""
    rng = np.random.default_rng(204)
    X = rng.normal(size=(120, 4))
    mean = 1 / (1 + np.exp(-(0.3 + X @ [0.5, -0.4, 0.2, 0.0])))
    precision = np.exp(2.5 + 0.4 * X[:, 0])
    y = np.clip(rng.beta(mean * precision, (1 - mean) * precision), 1e-3, 1 - 1e-3)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        gamma = pm.Normal("gamma", [2, 0], 1, shape=2)
        mean, precision = pm.math.sigmoid(alpha + X @ beta), pt.exp(gamma[0] + gamma[1] * X[:, 0])
        pm.Beta("y", mean * precision, (1 - mean) * precision, observed=y)
    return model


@_register("linnerud-correlated_outcomes")
def correlated_outcomes() -> pm.Model:
    """Regression of three measures of the body on three exercises of 20 persons, with correlated errors.

    The covariance of the errors has an LKJ prior.
    """
    from sklearn import datasets

    X, y = ((values - values.mean(axis=0)) / values.std(axis=0) for values in datasets.load_linnerud(return_X_y=True))
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 1, shape=3)
        beta = pm.Normal("beta", 0, 1, shape=(3, 3))
        sd = pm.HalfNormal.dist(1, shape=3)
        cholesky, _, _ = pm.LKJCholeskyCov("cholesky", eta=2, n=3, sd_dist=sd, store_in_trace=False)
        pm.MvNormal("y", alpha + X @ beta, chol=cholesky, observed=y)
    return model


@_register("simulated-local_level")
def local_level() -> pm.Model:
    """A series of 40 times, seen with error, whose level walks at random, non-centered."""
    rng = np.random.default_rng(206)
    times = 40
    y = 2 + np.cumsum(0.6 * rng.normal(size=times)) + 0.5 * rng.normal(size=times)
    with pm.Model() as model:
        start = pm.Normal("start", 0, 5)
        sigma_level = pm.HalfNormal("sigma_level", 1)
        sigma = pm.HalfNormal("sigma", 1)
        z = pm.Normal("z", 0, 1, shape=times - 1)
        level = start + sigma_level * pt.concatenate([np.zeros(1), pt.cumsum(z)])
        pm.Normal("y", level, sigma, observed=y)
    return model


@_register("simulated-two_way_anova")
def two_way_anova() -> pm.Model:
    """Analysis of variance: effects of rows and of columns that are partially pooled, and each sum to zero."""
    rng = np.random.default_rng(207)
    rows, columns, each = 8, 12, 3
    mean = 5 + 1.0 * rng.normal(size=(rows, 1, 1)) + 0.5 * rng.normal(size=(1, columns, 1))
    y = mean + 1.2 * rng.normal(size=(rows, columns, each))
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        sigma_row = pm.HalfNormal("sigma_row", 2)
        sigma_column = pm.HalfNormal("sigma_column", 2)
        row = pm.ZeroSumNormal("row", sigma_row, shape=rows)
        column = pm.ZeroSumNormal("column", sigma_column, shape=columns)
        sigma = pm.HalfNormal("sigma", 2)
        pm.Normal("y", mu + row[:, None, None] + column[None, :, None], sigma, observed=y)
    return model


@_register("simulated-radial_basis")
def radial_basis() -> pm.Model:
    """A smooth curve as a sum of 15 bumps, whose weights have a normal prior of unknown scale, centered."""
    rng = np.random.default_rng(208)
    x = np.sort(rng.uniform(0, 1, 100))
    y = np.sin(7 * x) + x**2 + 0.3 * rng.normal(size=x.size)
    centers = np.linspace(0, 1, 15)
    basis = np.exp(-0.5 * ((x[:, None] - centers) / (centers[1] - centers[0])) ** 2)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        w = pm.Normal("w", 0, tau, shape=centers.size)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("y", alpha + basis @ w, sigma, observed=y)
    return model


@_register("simulated-pharmacokinetics")
def pharmacokinetics() -> pm.Model:
    """Concentrations of a drug taken by mouth, in one compartment: clearance and volume vary by person, non-centered.

    The rate of absorption is that of elimination and an excess above 0, so that the two cannot change places.
    """
    rng = np.random.default_rng(209)
    persons, time = 12, np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0])
    center = np.log([3.0, 30.0, 1.5])
    clearance, volume = np.exp(center[:2] + rng.normal(size=(persons, 2)) * [0.3, 0.2]).T[:, :, None]
    y = _log_concentration(np, time, clearance, volume, np.exp(center[2]))
    y = y + 0.15 * rng.normal(size=y.shape)
    with pm.Model() as model:
        mu = pm.Normal("mu", np.log([5, 20, 2]), [1, 1, 0.5], shape=3)
        tau = pm.HalfNormal("tau", 0.5, shape=2)
        z = pm.Normal("z", 0, 1, shape=(persons, 2))
        sigma = pm.HalfNormal("sigma", 0.5)
        clearance, volume = (pt.exp(mu[i] + tau[i] * z[:, i])[:, None] for i in (0, 1))
        pm.Normal("y", _log_concentration(pt, time, clearance, volume, pt.exp(mu[2])), sigma, observed=y)
    return model


def _log_concentration(module: Any, time: np.ndarray, clearance: Any, volume: Any, excess: Any) -> Any:
    """Logarithms of concentrations after a dose of 100 that is absorbed at a rate, in `excess` of elimination's."""
    elimination = clearance / volume
    factor = 100 / volume * (elimination + excess) / excess
    return module.log(factor) - elimination * time + module.log(-module.expm1(-excess * time))


@_register("simulated-dirichlet_multinomial")
def dirichlet_multinomial() -> pm.Model:
    """Counts of five kinds at 40 places: shares on average, which sum to one, and how much the places differ."""
    rng = np.random.default_rng(210)
    total = rng.integers(20, 80, 40)
    shares = rng.dirichlet(12 * np.array([0.4, 0.25, 0.2, 0.1, 0.05]), total.size)
    counts = rng.multinomial(total, shares)
    with pm.Model() as model:
        share = pm.Dirichlet("share", np.ones(5))
        concentration = pm.LogNormal("concentration", 2, 1)
        pm.DirichletMultinomial("y", n=total, a=concentration * share, observed=counts)
    return model
