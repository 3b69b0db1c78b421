"""PyMC models of a third set of posteriors on which nothing was tuned, for choices made after a look at `fresh`.

Regressions, hierarchies, a series, a point process and a nonlinear curve, of 4 to 63 dimensions.  They are plain models
of the kinds that are fitted every day; none was chosen by how a sampler does on it.  The data are made from fixed
seeds; there are no reference draws.

Like `held_out` and `fresh`, this set serves once.

Examples
--------
>>> posterior = load("simulated-meta_analysis")
>>> samples = pm.sample(model=posterior.model)  # doctest: +SKIP
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.models.posterior import Registry

__all__ = ["load", "names"]

REGISTRY = Registry()
names, load, _register = REGISTRY.names, REGISTRY.load, REGISTRY.register


@_register("simulated-zero_inflated")
def zero_inflated() -> pm.Model:
    """Counts of which some are zero whatever the mean is; both depend on columns."""
    rng = np.random.default_rng(301)
    X = rng.normal(size=(200, 3))
    present = rng.random(200) < 1 / (1 + np.exp(-(0.8 + 0.7 * X[:, 0])))
    counts = present * rng.poisson(np.exp(0.7 + X @ [0.3, -0.4, 0.1]))
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        gamma = pm.Normal("gamma", 0, 1.5, shape=2)
        psi = pm.math.sigmoid(gamma[0] + gamma[1] * X[:, 0])
        pm.ZeroInflatedPoisson("y", psi=psi, mu=pt.exp(alpha + X @ beta), observed=counts)
    return model


@_register("simulated-rasch")
def rasch() -> pm.Model:
    """Answers of 50 persons to 12 questions: abilities around zero with an unknown scale, and difficulties."""
    rng = np.random.default_rng(302)
    ability, difficulty = 1.2 * rng.normal(size=(50, 1)), rng.normal(size=12)
    y = (ability - difficulty + rng.logistic(size=(50, 12)) > 0).astype(int)
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 2)
        ability = pm.Normal("ability", 0, sigma, shape=(50, 1))
        difficulty = pm.Normal("difficulty", 0, 2, shape=12)
        pm.Bernoulli("y", logit_p=ability - difficulty, observed=y)
    return model


@_register("simulated-autoregression")
def autoregression() -> pm.Model:
    """A series of 150 times with two lags and a trend."""
    rng = np.random.default_rng(303)
    y = np.zeros(152)
    for t in range(2, y.size):
        y[t] = 0.02 * t + 1.1 * y[t - 1] - 0.4 * y[t - 2] + rng.normal()
    trend = np.linspace(-1, 1, 150)
    with pm.Model() as model:
        level = pm.Normal("level", 0, 5)
        slope = pm.Normal("slope", 0, 5)
        phi = pm.Normal("phi", 0, 1, shape=2)
        sigma = pm.HalfNormal("sigma", 2)
        pm.Normal("y", level + slope * trend + phi[0] * y[1:-1] + phi[1] * y[:-2], sigma, observed=y[2:])
    return model


@_register("simulated-censored_survival")
def censored_survival() -> pm.Model:
    """Log-normal times of 120 persons, of which those beyond the end of the study are censored."""
    rng = np.random.default_rng(304)
    X = rng.normal(size=(120, 5))
    end = 1.5
    y = np.minimum(X @ [0.5, -0.3, 0.0, 0.2, 0.0] + 0.8 * rng.normal(size=120) + 0.8, end)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        sigma = pm.HalfNormal("sigma", 2)
        pm.Censored("y", pm.Normal.dist(alpha + X @ beta, sigma), lower=None, upper=end, observed=y)
    return model


@_register("simulated-meta_analysis")
def meta_analysis() -> pm.Model:
    """Effects of 20 studies with known standard errors, non-centered; how they differ has a half-Cauchy prior."""
    rng = np.random.default_rng(305)
    error = rng.uniform(0.1, 0.5, 20)
    y = 0.4 + 0.3 * rng.normal(size=20) + error * rng.normal(size=20)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfCauchy("tau", 1)
        z = pm.Normal("z", 0, 1, shape=20)
        pm.Normal("y", mu + tau * z, error, observed=y)
    return model


@_register("simulated-robust_groups")
def robust_groups() -> pm.Model:
    """Means of 25 groups, centered, of observations with heavy tails whose weight is unknown."""
    rng = np.random.default_rng(306)
    y = 3 + 1.5 * rng.normal(size=(25, 1)) + rng.standard_t(3, size=(25, 8))
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfNormal("tau", 3)
        theta = pm.Normal("theta", mu, tau, shape=(25, 1))
        nu = pm.Gamma("nu", 2, 0.1)
        sigma = pm.HalfNormal("sigma", 3)
        pm.StudentT("y", nu=nu, mu=theta, sigma=sigma, observed=y)
    return model


@_register("simulated-logistic_growth")
def logistic_growth() -> pm.Model:
    """A population that grows to its capacity, counted with an error that is proportional to it."""
    rng = np.random.default_rng(307)
    time = np.linspace(0, 10, 25)
    y = np.log(100 / (1 + np.exp(-(time - 4) / 1.2))) + 0.1 * rng.normal(size=time.size)
    with pm.Model() as model:
        capacity = pm.Normal("log_capacity", 4, 1)
        midpoint = pm.Normal("midpoint", 5, 3)
        width = pm.LogNormal("width", 0, 0.5)
        sigma = pm.HalfNormal("sigma", 0.5)
        pm.Normal("y", capacity - pt.softplus(-(time - midpoint) / width), sigma, observed=y)
    return model


@_register("simulated-outliers")
def outliers() -> pm.Model:
    """A regression in which some errors are many times as large as the others; which, is summed over."""
    rng = np.random.default_rng(308)
    X = rng.normal(size=(100, 3))
    errors = np.where(rng.random(100) < 0.15, 5.0, 0.5) * rng.normal(size=100)
    y = 1 + X @ [1.0, -0.5, 0.3] + errors
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        share = pm.Beta("share", 1, 5)
        sigma = pm.HalfNormal("sigma", 1)
        wider = pm.LogNormal("wider", 2, 0.5)
        mean = alpha + X @ beta
        parts = [pm.Normal.dist(mean, sigma), pm.Normal.dist(mean, sigma * (1 + wider))]
        pm.Mixture("y", pt.stack([1 - share, share]), parts, observed=y)
    return model


@_register("simulated-cox_process")
def cox_process() -> pm.Model:
    """Counts in 36 cells of a line whose log-rate is a Gaussian process, non-centered."""
    rng = np.random.default_rng(309)
    cells = np.arange(36.0)
    counts = rng.poisson(np.exp(1 + np.sin(cells / 5)))
    distance = np.abs(cells[:, None] - cells)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        eta = pm.HalfNormal("eta", 1)
        ell = pm.InverseGamma("ell", 5, 25)
        z = pm.Normal("z", 0, 1, shape=cells.size)
        # Matern, 3/2: smooth, and well-conditioned
        covariance = (1 + np.sqrt(3) * distance / ell) * pt.exp(-np.sqrt(3) * distance / ell)
        factor = pt.linalg.cholesky(covariance + 1e-6 * pt.eye(cells.size))
        pm.Poisson("y", pt.exp(mu + eta * (factor @ z)), observed=counts)
    return model


@_register("simulated-batting")
def batting() -> pm.Model:
    """Hits of 30 players with 20 to 200 times at bat, pooled partially on the scale of log-odds, centered."""
    rng = np.random.default_rng(310)
    times = rng.integers(20, 200, 30)
    hits = rng.binomial(times, 1 / (1 + np.exp(-(-1 + 0.25 * rng.normal(size=30)))))
    with pm.Model() as model:
        mu = pm.Normal("mu", -1, 1)
        sigma = pm.HalfNormal("sigma", 1)
        logit = pm.Normal("logit", mu, sigma, shape=30)
        pm.Binomial("y", n=times, logit_p=logit, observed=hits)
    return model
