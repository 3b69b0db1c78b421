"""PyMC models of a fourth set of posteriors on which nothing was tuned, for choices made after a look at `unseen`.

Regressions, hierarchies, a poll, a survival model, a series and a dose response, of 3 to 118 dimensions.  They are
plain models of the kinds that are fitted every day; none was chosen by how a sampler does on it.  The data are made
from fixed seeds; there are no reference draws.

Like the sets before it, this one serves once.

Examples
--------
>>> posterior = load("simulated-bioassay")
>>> samples = pm.sample(model=posterior.model)  # doctest: +SKIP
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms

from benchmarks.models.posterior import Registry

__all__ = ["load", "names"]

REGISTRY = Registry()
names, load, _register = REGISTRY.names, REGISTRY.load, REGISTRY.register


@_register("simulated-bioassay")
def bioassay() -> pm.Model:
    """Deaths of 30 animals at each of nine doses, some of which would have died without any."""
    rng = np.random.default_rng(401)
    log_dose = np.linspace(-2, 2, 9)
    deaths = rng.binomial(30, 0.08 + 0.92 / (1 + np.exp(-1.8 * (log_dose - 0.3))))
    with pm.Model() as model:
        background = pm.Beta("background", 1, 9)
        midpoint = pm.Normal("midpoint", 0, 2)
        slope = pm.LogNormal("slope", 0.5, 0.7)
        # log-odds of background + (1 - background) * sigmoid
        logit = pt.logaddexp(pt.log(background), slope * (log_dose - midpoint)) - pt.log1p(-background)
        pm.Binomial("y", n=30, logit_p=logit, observed=deaths)
    return model


@_register("simulated-survey_answers")
def survey_answers() -> pm.Model:
    """Answers on a scale of five by 300 persons: ordered probit regression on six columns, two of them binary."""
    rng = np.random.default_rng(402)
    X = rng.normal(size=(300, 6)) + 0.5 * rng.normal(size=(300, 1))
    X[:, 4:] = X[:, 4:] > 0
    latent = X @ [0.5, -0.3, 0.1, 0.0, 0.4, 0.0] + rng.normal(size=300)
    answer = (latent[:, None] > [-1.2, -0.4, 0.5, 1.6]).sum(axis=1)
    with pm.Model() as model:
        cut = pm.Normal("cut", 0, 2, shape=4, transform=transforms.ordered, initval=[-1.5, -0.5, 0.5, 1.5])
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        pm.OrderedProbit("y", eta=X @ beta, cutpoints=cut, observed=answer, compute_p=False)
    return model


@_register("simulated-measurement_error")
def measurement_error() -> pm.Model:
    """Regression on a column of 50 persons that was measured twice, each time with an error of unknown size."""
    rng = np.random.default_rng(403)
    x = 2 + 1.0 * rng.normal(size=50)
    measured = x[:, None] + 0.6 * rng.normal(size=(50, 2))
    y = 1 + 0.8 * x + 0.5 * rng.normal(size=50)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfNormal("tau", 2)
        x = pm.Normal("x", mu, tau, shape=50)
        error = pm.HalfNormal("error", 1)
        pm.Normal("measured", x[:, None], error, observed=measured)
        alpha = pm.Normal("alpha", 0, 5)
        beta = pm.Normal("beta", 0, 2)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("y", alpha + beta * x, sigma, observed=y)
    return model


@_register("simulated-votes")
def votes() -> pm.Model:
    """Votes for four parties in 60 districts: shares where two columns are zero, and how the columns change them."""
    rng = np.random.default_rng(404)
    X = rng.normal(size=(60, 2))
    odds = np.array([0.4, 0.3, 0.2, 0.1]) * np.exp(X @ [[0.0, 0.3, -0.2, 0.1], [0.0, -0.1, 0.4, 0.0]])
    total = rng.integers(50, 400, 60)
    counts = rng.multinomial(total, odds / odds.sum(axis=1, keepdims=True))
    with pm.Model() as model:
        share = pm.Dirichlet("share", np.ones(4))
        beta = pm.Normal("beta", 0, 1, shape=(2, 3))
        effect = pt.concatenate([np.zeros((60, 1)), X @ beta], axis=1)
        pm.Multinomial("y", n=total, p=pt.special.softmax(pt.log(share) + effect, axis=1), observed=counts)
    return model


@_register("simulated-claim_counts")
def claim_counts() -> pm.Model:
    """Claims of eight classes of insured in 14 regions, with a known exposure and a rate by region, non-centered."""
    rng = np.random.default_rng(405)
    region = np.repeat(np.arange(14), 8)
    X = rng.normal(size=(region.size, 4))
    exposure = rng.uniform(10, 200, region.size)
    log_rate = -2.5 + 0.4 * rng.normal(size=14)[region] + X @ [0.3, -0.2, 0.1, 0.0]
    counts = rng.poisson(exposure * np.exp(log_rate))
    with pm.Model() as model:
        mu = pm.Normal("mu", -2, 2)
        tau = pm.HalfNormal("tau", 1)
        z = pm.Normal("z", 0, 1, shape=14)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        pm.Poisson("y", exposure * pt.exp(mu + tau * z[region] + X @ beta), observed=counts)
    return model


@_register("simulated-classes_in_schools")
def classes_in_schools() -> pm.Model:
    """Marks of 25 pupils in each of four classes of 15 schools, given an earlier mark; both levels are centered."""
    rng = np.random.default_rng(406)
    schools, classes, pupils = 15, 4, 25
    school = 50 + 4 * rng.normal(size=(schools, 1))
    each = school + 3 * rng.normal(size=(schools, classes))
    earlier = rng.normal(size=(schools, classes, pupils))
    y = each[:, :, None] + 5 * earlier + 8 * rng.normal(size=earlier.shape)
    with pm.Model() as model:
        mu = pm.Normal("mu", 50, 20)
        tau_school = pm.HalfNormal("tau_school", 10)
        tau_class = pm.HalfNormal("tau_class", 10)
        school = pm.Normal("school", mu, tau_school, shape=schools)
        each = pm.Normal("class", school[:, None], tau_class, shape=(schools, classes))
        beta = pm.Normal("beta", 0, 10)
        sigma = pm.HalfNormal("sigma", 20)
        pm.Normal("y", each[:, :, None] + beta * earlier, sigma, observed=y)
    return model


@_register("simulated-additive_logistic")
def additive_logistic() -> pm.Model:
    """Logistic regression on smooth curves of two columns: lines that bend at ten knots each, penalized, centered."""
    rng = np.random.default_rng(407)
    x = rng.uniform(0, 1, size=(300, 2))
    logit = -0.5 + 1.5 * np.sin(6 * x[:, 0]) + 3 * (x[:, 1] - 0.5) ** 2
    y = (logit + rng.logistic(size=300) > 0).astype(int)
    bends = np.maximum(x[:, :, None] - np.linspace(0, 1, 12)[1:-1], 0)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 3)
        slope = pm.Normal("slope", 0, 5, shape=2)
        tau = pm.HalfNormal("tau", 5, shape=2)
        w = pm.Normal("w", 0, tau[:, None], shape=(2, 10))
        pm.Bernoulli("y", logit_p=alpha + x @ slope + (bends * w).sum(axis=(1, 2)), observed=y)
    return model


@_register("simulated-monthly_counts")
def monthly_counts() -> pm.Model:
    """Counts of seven years by month, whose level walks at random, centered, and whose season repeats."""
    rng = np.random.default_rng(408)
    month = np.arange(84) % 12
    level = 3.5 + np.cumsum(0.08 * rng.normal(size=month.size))
    counts = rng.poisson(np.exp(level + 0.4 * np.sin(2 * np.pi * month / 12)))
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 0.3)
        sigma_season = pm.HalfNormal("sigma_season", 1)
        level = pm.GaussianRandomWalk("level", sigma=sigma, init_dist=pm.Normal.dist(3, 2), shape=month.size)
        season = pm.ZeroSumNormal("season", sigma_season, shape=12)
        pm.Poisson("y", pt.exp(level + season[month]), observed=counts)
    return model


@_register("simulated-piecewise_hazard")
def piecewise_hazard() -> pm.Model:
    """Survival of ten patients in each of 25 hospitals, with a hazard that is constant by year and gamma frailties."""
    rng = np.random.default_rng(409)
    hospital = np.repeat(np.arange(25), 10)
    X = rng.normal(size=(hospital.size, 3))
    rate = 0.2 * np.exp(X @ [0.5, -0.3, 0.0]) * rng.gamma(4, 1 / 4, 25)[hospital]
    time = (rng.exponential(size=hospital.size) / rate) ** 0.8
    last = np.minimum(time, rng.uniform(2, 6, hospital.size))  # until death, or the end of the study
    years = np.clip(last[:, None] - np.arange(6), 0, 1)
    patient, year = np.nonzero(years)
    died = (time == last)[patient] & (year == last[patient].astype(int))
    with pm.Model() as model:
        log_hazard = pm.Normal("log_hazard", -1.5, 1, shape=6)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        variance = pm.HalfNormal("variance", 1)
        frailty = pm.Gamma("frailty", 1 / variance, 1 / variance, shape=25)
        hazard = frailty[hospital[patient]] * pt.exp(log_hazard[year] + (X @ beta)[patient])
        pm.Poisson("died", hazard * years[patient, year], observed=died.astype(int))
    return model


@_register("simulated-poll")
def poll() -> pm.Model:
    """Voters of 70 districts by age and education: effects of each and of both, all partially pooled, non-centered."""
    rng = np.random.default_rng(410)
    district, age, education = rng.integers([70, 6, 5], size=(1000, 3)).T
    woman, past = rng.integers(2, size=1000), rng.normal(size=70)[district]
    logit = -0.1 + 0.3 * woman + 0.5 * past + 0.3 * rng.normal(size=70)[district] + 0.4 * rng.normal(size=6)[age]
    logit += 0.3 * rng.normal(size=5)[education] + 0.15 * rng.normal(size=(6, 5))[age, education]
    y = (logit + rng.logistic(size=1000) > 0).astype(int)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        beta = pm.Normal("beta", 0, 1, shape=2)
        tau = pm.HalfNormal("tau", 1, shape=4)
        z_district = pm.Normal("z_district", 0, 1, shape=70)
        z_age = pm.Normal("z_age", 0, 1, shape=6)
        z_education = pm.Normal("z_education", 0, 1, shape=5)
        z_both = pm.Normal("z_both", 0, 1, shape=(6, 5))
        effects = z_district[district], z_age[age], z_education[education], z_both[age, education]
        logit = mu + beta[0] * woman + beta[1] * past + sum(tau[i] * effect for i, effect in enumerate(effects))
        pm.Bernoulli("y", logit_p=logit, observed=y)
    return model
