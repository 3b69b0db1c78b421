"""PyMC models of posteriors held out, first set: what choices made on those of `posteriordb` are tested by.

Regressions, hierarchies, latent variables, a series, a map and curves, of 2 to 204 dimensions.  Names have the form of
posteriordb's, data before model.  The data are made from fixed seeds, or come with scikit-learn; there are no reference
draws.

A test set serves once: whoever chooses a default, a constant or a method by its results has to look for another one.
Rules of the sampler have been changed after looks at results of this set; `fresh` is the next one.

Examples
--------
>>> posterior = load("simulated-stochastic_volatility")
>>> samples = pm.sample(model=posterior.model)  # doctest: +SKIP
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from scipy.interpolate import BSpline

from benchmarks.models.posterior import Registry

__all__ = ["load", "names"]

REGISTRY = Registry()
names, load, _register = REGISTRY.names, REGISTRY.load, REGISTRY.register


def _dataset(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns of one of scikit-learn's data sets, with mean 0 and standard deviation 1, and the outcome."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


@_register("breast_cancer-logistic_horseshoe")
def logistic_horseshoe() -> pm.Model:
    """Logistic regression on 30 columns, some almost collinear, with a regularized horseshoe prior, non-centered.

    Each local scale makes a funnel with its coefficient, and the classes can nearly be separated.
    """
    X, y = _dataset("breast_cancer")
    observations, columns = X.shape
    relevant = 5  # columns, as many as one expects to matter
    with pm.Model() as model:
        tau = pm.HalfCauchy("tau", relevant / (columns - relevant) * 2 / np.sqrt(observations))
        lam = pm.HalfCauchy("lam", 1, shape=columns)
        slab = pm.InverseGamma("slab", 2, 8)
        z = pm.Normal("z", 0, 1, shape=columns)
        alpha = pm.Normal("alpha", 0, 5)
        scale = tau * lam * pt.sqrt(slab / (slab + tau**2 * lam**2))
        pm.Bernoulli("y", logit_p=alpha + X @ (scale * z), observed=y)
    return model


@_register("diabetes-student_t")
def student_t() -> pm.Model:
    """Robust regression on correlated columns; errors are Student t with degrees of freedom that have a long tail."""
    X, y = _dataset("diabetes")
    y = (y - y.mean()) / y.std()
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 2, shape=X.shape[1])
        sigma = pm.HalfNormal("sigma", 1)
        nu = pm.Gamma("nu", 2, 0.1)
        pm.StudentT("y", nu=nu, mu=alpha + X @ beta, sigma=sigma, observed=y)
    return model


@_register("wine-softmax")
def softmax() -> pm.Model:
    """Softmax regression of three classes that can be separated: coefficients are skewed, and held by the prior."""
    X, y = _dataset("wine")
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 5, shape=2)
        beta = pm.Normal("beta", 0, 2.5, shape=(X.shape[1], 2))
        logits = pt.concatenate([np.zeros((y.size, 1)), alpha + X @ beta], axis=1)
        pm.Categorical("y", logit_p=logits, observed=y)
    return model


@_register("simulated-spline_counts")
def spline_counts() -> pm.Model:
    """Overdispersed counts with excess zeros along a smooth curve: splines whose coefficients walk at random, centered.

    Zeros are due to inflation, to dispersion or to a low curve; the scale of the walk makes a funnel with its steps.
    """
    rng = np.random.default_rng(101)
    x = np.sort(rng.uniform(0, 1, 200))
    rate = np.exp(1.2 + np.sin(6 * x) + 0.5 * np.sin(17 * x))
    counts = rng.poisson(rate * rng.gamma(2, 1 / 2, x.size)) * (rng.uniform(size=x.size) < 0.8)
    columns, degree = 20, 3
    inner = np.linspace(0, 1, columns - degree + 1)
    basis = BSpline.design_matrix(x, np.r_[[0] * degree, inner, [1] * degree], degree).toarray()
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 1)
        start = pm.Normal.dist(0, 2)
        w = pm.GaussianRandomWalk("w", sigma=sigma, init_dist=start, shape=columns)
        psi = pm.Beta("psi", 1, 1)
        alpha = pm.Gamma("alpha", 2, 1)
        pm.ZeroInflatedNegativeBinomial("y", psi=psi, mu=pt.exp(basis @ w), alpha=alpha, observed=counts)
    return model


@_register("simulated-ordered_ratings")
def ordered_ratings() -> pm.Model:
    """Ratings from one to five of items by raters: cumulative logistic regression with crossed effects, non-centered.

    Each item is rated by few raters, and a shift of all effects is almost one of all cutpoints.
    """
    rng = np.random.default_rng(102)
    raters, items, each = 25, 40, 6
    item = np.repeat(np.arange(items), each)
    rater = np.concatenate([rng.choice(raters, each, replace=False) for _ in range(items)])
    X = rng.normal(size=(item.size, 2))
    mean = 1.0 * rng.normal(size=raters)[rater] + 1.5 * rng.normal(size=items)[item] + X @ [0.7, -0.3]
    rating = (mean[:, None] + rng.logistic(size=(item.size, 1)) > [-3.0, -1.0, 0.5, 2.5]).sum(axis=1)
    with pm.Model() as model:
        cut = pm.Normal("cut", 0, 3, shape=4, transform=transforms.ordered, initval=[-1.5, -0.5, 0.5, 1.5])
        beta = pm.Normal("beta", 0, 1, shape=2)
        sigma_rater = pm.HalfNormal("sigma_rater", 2)
        sigma_item = pm.HalfNormal("sigma_item", 2)
        z_rater = pm.Normal("z_rater", 0, 1, shape=raters)
        z_item = pm.Normal("z_item", 0, 1, shape=items)
        eta = X @ beta + sigma_rater * z_rater[rater] + sigma_item * z_item[item]
        pm.OrderedLogistic("y", eta=eta, cutpoints=cut, observed=rating, compute_p=False)
    return model


@_register("simulated-weibull_frailty")
def weibull_frailty() -> pm.Model:
    """Weibull survival, censored on the right, with an effect of each clinic, centered: a funnel of weak data."""
    rng = np.random.default_rng(103)
    clinics, each = 30, 8
    clinic = np.repeat(np.arange(clinics), each)
    X = rng.normal(size=(clinic.size, 4))
    log_scale = 1 + X @ [0.5, -0.3, 0.2, 0.0] + 0.4 * rng.normal(size=clinics)[clinic]
    time = np.exp(log_scale) * rng.weibull(1.5, clinic.size)
    last = rng.uniform(1, 6, clinic.size)  # until when each patient is followed
    seen, time = time < last, np.minimum(time, last)
    with pm.Model() as model:
        shape = pm.LogNormal("shape", 0, 1)
        alpha = pm.Normal("alpha", 0, 5)
        beta = pm.Normal("beta", 0, 1, shape=X.shape[1])
        sigma = pm.HalfNormal("sigma", 1)
        effect = pm.Normal("effect", 0, sigma, shape=clinics)
        scale = pt.exp(alpha + X @ beta + effect[clinic])
        pm.Weibull("time", alpha=shape, beta=scale[seen], observed=time[seen])
        pm.Potential("censored", -((time[~seen] / scale[~seen]) ** shape).sum())
    return model


@_register("simulated-varying_slopes")
def varying_slopes() -> pm.Model:
    """Linear regression whose three coefficients vary by group, non-centered; their covariance has an LKJ prior.

    Six observations of each group leave the three scales and the correlations vague.
    """
    rng = np.random.default_rng(104)
    groups, each = 25, 6
    group = np.repeat(np.arange(groups), each)
    X = np.column_stack([np.ones(group.size), rng.normal(size=(group.size, 2))])
    covariance = np.array([[1.0, 0.5, -0.3], [0.5, 0.6, 0.0], [-0.3, 0.0, 0.2]])
    coefficients = rng.multivariate_normal([2.0, -1.0, 0.5], covariance, groups, method="cholesky")
    y = (X * coefficients[group]).sum(axis=1) + 0.8 * rng.normal(size=group.size)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 3, shape=3)
        sd = pm.Exponential.dist(1, shape=3)
        cholesky, _, _ = pm.LKJCholeskyCov("cholesky", eta=2, n=3, sd_dist=sd, store_in_trace=False)
        z = pm.Normal("z", 0, 1, shape=(groups, 3))
        sigma = pm.HalfNormal("sigma", 2)
        varying = mu + z @ cholesky.T
        pm.Normal("y", (X * varying[group]).sum(axis=1), sigma, observed=y)
    return model


@_register("simulated-two_factors")
def two_factors() -> pm.Model:
    """Factor analysis of eight measures of 60 persons, by two correlated factors with positive loadings.

    Products of loadings and scores are known far better than either, and scores far outnumber all else.
    """
    rng = np.random.default_rng(105)
    persons, measures = 60, 8
    factor = np.repeat([0, 1], measures // 2)
    scores = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], persons, method="cholesky")
    loading = np.array([1.0, 0.8, 0.6, 0.9, 0.7, 1.1, 0.5, 0.8])
    y = rng.normal(0, 1, measures) + loading * scores[:, factor] + 0.6 * rng.normal(size=(persons, measures))
    with pm.Model() as model:
        nu = pm.Normal("nu", 0, 3, shape=measures)
        loading = pm.HalfNormal("loading", 1, shape=measures)
        psi = pm.LogNormal("psi", -0.5, 0.5, shape=measures)  # far from 0, where a score follows one measure alone
        rho = pm.Uniform("rho", -1, 1)
        z = pm.Normal("z", 0, 1, shape=(persons, 2))
        eta = z[:, 0], rho * z[:, 0] + pt.sqrt(1 - rho**2) * z[:, 1]
        mean = [loading[factor == i] * eta[i][:, None] for i in (0, 1)]
        pm.Normal("y", nu + pt.concatenate(mean, axis=1), psi, observed=y)
    return model


@_register("simulated-stochastic_volatility")
def stochastic_volatility() -> pm.Model:
    """A series whose log variance is autoregressive of order one, non-centered.

    The persistence and the scale of the variance make a curved ridge with each other and with all innovations.
    """
    rng = np.random.default_rng(106)
    times = 150
    h = np.zeros(times)
    h[0] = rng.normal() * 0.3 / np.sqrt(1 - 0.95**2)
    for t in range(1, times):
        h[t] = 0.95 * h[t - 1] + 0.3 * rng.normal()
    y = np.exp((h - 1) / 2) * rng.normal(size=times)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 3)
        phi = 2 * pm.Beta("phi_star", 20, 1.5) - 1
        sigma = pm.HalfNormal("sigma", 1)
        z = pm.Normal("z", 0, 1, shape=times)
        first = z[:1] / pt.sqrt(1 - phi**2)
        h = mu + sigma * _autoregression(phi, pt.concatenate([first, z[1:]]), times)
        pm.Normal("y", 0, pt.exp(h / 2), observed=y)
    return model


def _autoregression(phi: Any, c: Any, times: int) -> Any:
    """Solve ``v[t] = c[t] + phi * v[t - 1]`` by doubling; after a shift s, ``v[t]`` has the terms of 2s times."""
    v, shift = c, 1
    while shift < times:
        v = pt.concatenate([v[:shift], v[shift:] + phi**shift * v[:-shift]])
        shift *= 2
    return v


@_register("simulated-gp_regression")
def gp_regression() -> pm.Model:
    """Gaussian-process regression on three columns, by its marginal likelihood.

    The second column hardly matters and the third not at all, so that the data bound their length scales from below
    alone.
    """
    rng = np.random.default_rng(108)
    X = rng.uniform(-2, 2, size=(40, 3))
    y = np.sin(2 * X[:, 0]) + 0.2 * X[:, 1] + 0.2 * rng.normal(size=40)
    squares = (X[:, None, :] - X[None, :, :]) ** 2
    with pm.Model() as model:
        length = pm.LogNormal("length", 0, 1, shape=3)
        eta = pm.HalfNormal("eta", 2)
        sigma = pm.HalfNormal("sigma", 1)
        covariance = eta**2 * pt.exp(-0.5 * (squares / length**2).sum(axis=2)) + (sigma**2 + 1e-8) * np.eye(40)
        pm.MvNormal("y", np.zeros(40), cov=covariance, observed=y)
    return model


@_register("simulated-beta_binomial")
def beta_binomial() -> pm.Model:
    """Tumours in 70 groups of animals, each with a probability of its own, centered.

    The two numbers of the Beta distribution have an improper prior, and a long common tail where all groups are alike.
    The prior is flat in their ratio and in the power -1/2 of their sum.
    """
    rng = np.random.default_rng(109)
    animals = rng.integers(10, 50, 70)
    tumours = rng.binomial(animals, rng.beta(2, 12, 70))
    with pm.Model() as model:
        a = pm.HalfFlat("a", initval=1.0)
        b = pm.HalfFlat("b", initval=5.0)
        pm.Potential("prior", -2.5 * pt.log(a + b))
        theta = pm.Beta("theta", a, b, shape=animals.size)
        pm.Binomial("y", animals, theta, observed=tumours)
    return model


@_register("simulated-growth_curves")
def growth_curves() -> pm.Model:
    """Logistic curves of the growth of 12 trees, whose three numbers vary from tree to tree, non-centered.

    Few trees are seen near their full size, so that their asymptotes and the times of fastest growth go together.
    """
    rng = np.random.default_rng(110)
    trees, age = 12, np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    truth = np.exp([5.2, 2.1, 0.8] + rng.normal(size=(trees, 3)) * [0.2, 0.1, 0.1])
    size = truth[:, :1] / (1 + np.exp((truth[:, 1:2] - age) / truth[:, 2:]))
    y = size + 4 * rng.normal(size=size.shape)
    with pm.Model() as model:
        mu = pm.Normal("mu", [5, 2, 1], [1, 0.5, 0.5])
        tau = pm.HalfNormal("tau", 0.5, shape=3)
        z = pm.Normal("z", 0, 1, shape=(trees, 3))
        sigma = pm.HalfNormal("sigma", 10)
        asymptote, middle, width = (pt.exp(mu[i] + tau[i] * z[:, i])[:, None] for i in range(3))
        pm.Normal("y", asymptote * pm.math.sigmoid((age - middle) / width), sigma, observed=y)
    return model


@_register("simulated-michaelis_menten")
def michaelis_menten() -> pm.Model:
    """Speeds of an enzyme at concentrations far from saturation, with known errors: a long, bent and narrow ridge."""
    rng = np.random.default_rng(111)
    concentration = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4])
    y = 10 * concentration / (2 + concentration) + 0.3 * rng.normal(size=concentration.size)
    with pm.Model() as model:
        v_max = pm.LogNormal("v_max", 2, 1)
        k_m = pm.LogNormal("k_m", 0, 1.5)
        pm.Normal("y", v_max * concentration / (k_m + concentration), 0.3, observed=y)
    return model


@_register("simulated-disease_map")
def disease_map() -> pm.Model:
    """Cases in the 100 cells of a map: Poisson regression with a spatial and an independent effect of each cell.

    The Besag-York-Mollié model with one common scale and the share of it that is spatial, which is hard to tell.
    """
    rng = np.random.default_rng(112)
    side = 10
    cell = np.arange(side**2).reshape(side, side)
    pairs = np.concatenate([
        np.column_stack([cell[:, :-1].ravel(), cell[:, 1:].ravel()]),
        np.column_stack([cell[:-1].ravel(), cell[1:].ravel()]),
    ])  # fmt: skip
    first, second = pairs.T
    laplacian = np.zeros((cell.size, cell.size))
    np.add.at(laplacian, (first, second), -1)
    np.add.at(laplacian, (second, first), -1)
    laplacian -= np.diag(laplacian.sum(axis=1))
    values, vectors = np.linalg.eigh(laplacian)
    root = vectors[:, 1:] / np.sqrt(values[1:])  # all but the constant one
    variance = np.exp(np.log((root**2).sum(axis=1)).mean())  # of the spatial effect, a typical cell's
    spatial = np.linalg.cholesky(root @ root.T + 1e-6 * np.eye(cell.size)) @ rng.normal(size=cell.size)
    spatial /= np.sqrt(variance)
    x = rng.normal(size=cell.size)
    expected = rng.uniform(2, 15, cell.size)
    log_risk = -0.1 + 0.3 * x + 0.5 * (np.sqrt(0.7) * spatial + np.sqrt(0.3) * rng.normal(size=cell.size))
    cases = rng.poisson(expected * np.exp(log_risk))
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 1)
        beta = pm.Normal("beta", 0, 1)
        sigma = pm.HalfNormal("sigma", 1)
        share = pm.Beta("share", 0.5, 0.5)
        phi = pm.Flat("phi", shape=cell.size, initval=np.zeros(cell.size))
        grid = phi.reshape((side, side))
        differences = grid[1:] - grid[:-1], grid[:, 1:] - grid[:, :-1]
        pm.Potential("neighbours", -0.5 * sum((difference**2).sum() for difference in differences))
        pm.Potential("center", -0.5 * (phi.mean() / 0.001) ** 2)
        theta = pm.Normal("theta", 0, 1, shape=cell.size)
        effect = sigma * (pt.sqrt(share / variance) * phi + pt.sqrt(1 - share) * theta)
        pm.Poisson("y", expected * pt.exp(alpha + beta * x + effect), observed=cases)
    return model
