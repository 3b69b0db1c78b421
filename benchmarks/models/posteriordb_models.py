"""PyMC models of posteriors in posteriordb, as functions of their data; `posteriordb` reads the data.

Variables carry the names and the shapes that posteriordb gives them, so that its ``"theta[1]"`` is ``theta[0]`` here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions import transforms

from benchmarks.models.posterior import Registry

__all__ = ["REGISTRY", "Data"]

Data = Mapping[str, np.ndarray]
REGISTRY = Registry()
_register = REGISTRY.register


def _linear(design: list[np.ndarray], outcome: np.ndarray) -> pm.Model:
    """Linear regression with flat priors; `design` lists the columns after the constant one."""
    X = np.column_stack([np.ones(len(outcome)), *design])
    with pm.Model() as model:
        beta = pm.Flat("beta", shape=X.shape[1])
        sigma = pm.HalfFlat("sigma")
        pm.Normal("y", X @ beta, sigma, observed=outcome)
    return model


@_register("eight_schools-eight_schools_centered")
def eight_schools_centered(data: Data) -> pm.Model:
    """Effects of coaching in eight schools, centered."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, shape=data["y"].size)
        pm.Normal("y", theta, data["sigma"], observed=data["y"])
    return model


@_register("eight_schools-eight_schools_noncentered")
def eight_schools_noncentered(data: Data) -> pm.Model:
    """Effects of coaching in eight schools, non-centered."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta_trans = pm.Normal("theta_trans", 0, 1, shape=data["y"].size)
        theta = pm.Deterministic("theta", mu + tau * theta_trans)
        pm.Normal("y", theta, data["sigma"], observed=data["y"])
    return model


@_register("kidiq-kidscore_interaction")
def kidscore_interaction(data: Data) -> pm.Model:
    """Test scores of children on education and score of the mother."""
    hs, iq = data["mom_hs"], data["mom_iq"]
    X = np.column_stack([np.ones(hs.size), hs, iq, hs * iq])
    with pm.Model() as model:
        beta = pm.Flat("beta", shape=4)
        sigma = pm.HalfCauchy("sigma", 2.5)
        pm.Normal("kid_score", X @ beta, sigma, observed=data["kid_score"])
    return model


@_register("earnings-logearn_interaction")
def logearn_interaction(data: Data) -> pm.Model:
    """Log earnings on height, sex and their product."""
    height, male = data["height"], data["male"]
    return _linear([height, male, height * male], np.log(data["earn"]))


@_register("mesquite-mesquite")
def mesquite(data: Data) -> pm.Model:
    """Weight of the leaves of bushes on their measures."""
    columns = ("diam1", "diam2", "canopy_height", "total_height", "density", "group")
    return _linear([data[column] for column in columns], data["weight"])


@_register("nes2000-nes")
def nes(data: Data) -> pm.Model:
    """Party identification on ideology and demography."""
    age = [data["age_discrete"] == group for group in (2, 3, 4)]
    columns = [data["real_ideo"], data["race_adj"], *age, data["educ1"], data["gender"], data["income"]]
    return _linear(columns, data["partyid7"])


@_register("sblrc-blr")
def blr(data: Data) -> pm.Model:
    """Linear regression on correlated columns."""
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 10, shape=data["X"].shape[1])
        sigma = pm.HalfNormal("sigma", 10)
        pm.Normal("y", data["X"] @ beta, sigma, observed=data["y"])
    return model


@_register("diamonds-diamonds")
def diamonds(data: Data) -> pm.Model:
    """Log price of diamonds on 24 centered columns."""
    X = data["X"][:, 1:]
    X = X - X.mean(axis=0)
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1, shape=X.shape[1])
        intercept = pm.StudentT("Intercept", nu=3, mu=8, sigma=10)
        sigma = pm.HalfStudentT("sigma", nu=3, sigma=10)
        pm.Normal("Y", intercept + X @ b, sigma, observed=data["Y"])
    return model


@_register("arK-arK")
def ark(data: Data) -> pm.Model:
    """Autoregressive series of order K."""
    y, order = data["y"], int(data["K"])
    lags = np.column_stack([y[order - k : y.size - k] for k in range(1, order + 1)])
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 10)
        beta = pm.Normal("beta", 0, 10, shape=order)
        sigma = pm.HalfCauchy("sigma", 2.5)
        pm.Normal("y", alpha + lags @ beta, sigma, observed=y[order:])
    return model


@_register("garch-garch11")
def garch11(data: Data) -> pm.Model:
    """Series with a conditional variance that follows a linear recurrence.

    The recurrence ``v[t] = c[t] + beta1 * v[t - 1]`` is solved by doubling: after a step with the shift s, ``v[t]`` is
    the sum of ``beta1**j * c[t - j]`` over j < 2s.
    """
    y = data["y"]
    with pm.Model() as model:
        mu = pm.Flat("mu")
        alpha0 = pm.HalfFlat("alpha0")
        alpha1 = pm.Uniform("alpha1", 0, 1)
        beta1 = pm.Uniform("beta1", 0, 1 - alpha1)
        pm.Potential("flat", pt.log1p(-alpha1))
        v = pt.concatenate([[np.float64(data["sigma1"]) ** 2], alpha0 + alpha1 * (y[:-1] - mu) ** 2])
        shift = 1
        while shift < y.size:
            # a power of beta1, not the square of the previous power: PyTensor takes far longer to simplify the latter
            v = pt.concatenate([v[:shift], v[shift:] + beta1**shift * v[:-shift]])
            shift *= 2
        pm.Normal("y", mu, pt.sqrt(v), observed=y)
    return model


@_register("gp_pois_regr-gp_pois_regr")
def gp_pois_regr(data: Data) -> pm.Model:
    """Poisson regression on a Gaussian process."""
    x = data["x"].astype(float)
    squares = np.subtract.outer(x, x) ** 2
    with pm.Model() as model:
        rho = pm.Gamma("rho", 25, 4)
        alpha = pm.HalfNormal("alpha", 2)
        f_tilde = pm.Normal("f_tilde", 0, 1, shape=x.size)
        covariance = alpha**2 * pt.exp(-0.5 * squares / rho**2) + 1e-10 * np.eye(x.size)
        f = pm.Deterministic("f", pt.linalg.cholesky(covariance) @ f_tilde)
        pm.Poisson("k", pt.exp(f), observed=data["k"])
    return model


@_register("low_dim_gauss_mix-low_dim_gauss_mix")
def low_dim_gauss_mix(data: Data) -> pm.Model:
    """Mixture of two normal distributions with ordered means."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2, shape=2, transform=transforms.ordered, initval=[-1, 1])
        sigma = pm.HalfNormal("sigma", 2, shape=2)
        theta = pm.Beta("theta", 5, 5)
        pm.NormalMixture("y", w=pt.stack([theta, 1 - theta]), mu=mu, sigma=sigma, observed=data["y"])
    return model


@_register("hmm_example-hmm_example")
def hmm_example(data: Data) -> pm.Model:
    """Hidden Markov chain with two states and normal emissions; the states are summed out.

    The likelihood is a product of 2 × 2 matrices, one for each time, ``theta[i, j] * emission[t, j]``. It is
    associative, so that neighbours are multiplied pairwise, all pairs at once, until one matrix is left. Every third
    time the products are rescaled, lest they underflow, and the logarithms of the scales are added up.
    """
    y = data["y"]
    with pm.Model() as model:
        theta = pt.stack([pm.Dirichlet(name, np.ones(2)) for name in ("theta1", "theta2")])
        mu = pm.Normal("mu", [3, 10], 1, transform=transforms.Ordered(positive=True), initval=[3, 10])
        log_emission = pm.logp(pm.Normal.dist(mu, 1), y[:, None])
        log_scale = log_emission.max(axis=1)
        emission = pt.exp(log_emission - log_scale[:, None])
        log_likelihood = log_scale.sum()
        levels = (y.size - 2).bit_length()
        identity = np.broadcast_to(np.eye(2), (2**levels - (y.size - 1), 2, 2))
        product = pt.concatenate([theta * emission[1:, None, :], identity])
        for level in range(1, levels + 1):
            product = (product[::2, :, :, None] * product[1::2, None, :, :]).sum(axis=2)
            if level % 3 == 0:
                # the likelihood does not depend on the scale, so that no gradient need flow through it
                scale = pytensor.gradient.disconnected_grad(product.sum(axis=(1, 2)))
                product = product / scale[:, None, None]
                log_likelihood += pt.log(scale).sum()
        pm.Potential("y", log_likelihood + pt.log((emission[0][:, None] * product[0]).sum()))
    return model


@_register("hudson_lynx_hare-lotka_volterra")
def lotka_volterra(data: Data) -> pm.Model:
    """Numbers of hare and lynx pelts, by the equations of prey and predator.

    The posterior has a second mode, some 40 nats below, that holds chains which reach it. Chains start at rates that
    give a period of ten years around the mean numbers, with a sigma that does not yet rule other paths out.
    """
    observed = np.vstack([data["y_init"], data["y"]])
    prey, predator = observed.mean(axis=0)
    frequency = 2 * np.pi / 10
    start = np.array([frequency, frequency / predator, frequency, frequency / prey])
    mean, sd = np.array([1, 0.05, 1, 0.05]), np.array([0.5, 0.05, 0.5, 0.05])
    with pm.Model() as model:
        theta = pm.TruncatedNormal("theta", mu=mean, sigma=sd, lower=0, initval=start)
        z_init = pm.LogNormal("z_init", np.log(10), 1, shape=2, initval=observed[0])
        sigma = pm.LogNormal("sigma", -1, 1, shape=2, initval=[1, 1])
        pm.LogNormal("y", _predator_prey(theta, z_init, data["ts"]), sigma, observed=observed)
    return model


def _predator_prey(theta: Any, z_init: Any, times: np.ndarray, substeps: int = 20, unrolled: int = 4) -> Any:
    """Logarithms of prey and predator at time 0 and at `times`, one time unit apart.

    The classical Runge-Kutta method with `substeps` steps a unit of time solves the equations of the logarithms, which
    keeps both numbers positive. In the region of the posterior the error is below 1e-6.

    Parameters
    ----------
    theta : TensorVariable
        The rates alpha, beta, gamma and delta.
    z_init : TensorVariable
        The numbers at time 0.
    times : np.ndarray
        1, 2, 3, ...
    substeps : int
        Steps of the Runge-Kutta method for each unit of time.
    unrolled : int
        How many of them one iteration of the loop takes; divides `substeps`.

    Returns
    -------
    TensorVariable
        Shape (times.size + 1, 2).
    """
    if not np.array_equal(times, np.arange(1, times.size + 1)) or substeps % unrolled:
        raise ValueError("Times must be 1, 2, 3, ..., and `unrolled` must divide `substeps`.")
    step = 1 / substeps

    def derivatives(u: Any, v: Any, alpha: Any, beta: Any, gamma: Any, delta: Any) -> tuple[Any, Any]:
        return alpha - beta * pt.exp(v), delta * pt.exp(u) - gamma

    def advance(u: Any, v: Any, *rates: Any) -> tuple[Any, Any]:
        for _ in range(unrolled):
            du1, dv1 = derivatives(u, v, *rates)
            du2, dv2 = derivatives(u + step / 2 * du1, v + step / 2 * dv1, *rates)
            du3, dv3 = derivatives(u + step / 2 * du2, v + step / 2 * dv2, *rates)
            du4, dv4 = derivatives(u + step * du3, v + step * dv3, *rates)
            u = u + step / 6 * (du1 + 2 * du2 + 2 * du3 + du4)
            v = v + step / 6 * (dv1 + 2 * dv2 + 2 * dv3 + dv4)
        return u, v

    log_init = pt.log(z_init)
    stride = substeps // unrolled
    path = pytensor.scan(
        advance,
        outputs_info=[log_init[0], log_init[1]],
        non_sequences=[theta[i] for i in range(4)],
        n_steps=times.size * stride,
        return_updates=False,
    )
    return pt.concatenate([log_init[None], pt.stack(path, axis=1)[stride - 1 :: stride]])


@_register("radon_mn-radon_hierarchical_intercept_centered")
def radon_hierarchical_intercept_centered(data: Data) -> pm.Model:
    """Radon in houses, with an intercept for each county, centered."""
    return _radon(data, centered=True)


@_register("radon_mn-radon_hierarchical_intercept_noncentered")
def radon_hierarchical_intercept_noncentered(data: Data) -> pm.Model:
    """Radon in houses, with an intercept for each county, non-centered."""
    return _radon(data, centered=False)


def _radon(data: Data, *, centered: bool) -> pm.Model:
    """Radon in houses, with an intercept for each county."""
    counties = int(data["J"])
    with pm.Model() as model:
        sigma_alpha = pm.HalfNormal("sigma_alpha", 1)
        sigma_y = pm.HalfNormal("sigma_y", 1)
        mu_alpha = pm.Normal("mu_alpha", 0, 10)
        beta = pm.Normal("beta", 0, 10, shape=2)
        if centered:
            alpha = pm.Normal("alpha", mu_alpha, sigma_alpha, shape=counties)
        else:
            alpha_raw = pm.Normal("alpha_raw", 0, 1, shape=counties)
            alpha = pm.Deterministic("alpha", mu_alpha + sigma_alpha * alpha_raw)
        mean = alpha[data["county_idx"] - 1] + beta[0] * data["log_uppm"] + beta[1] * data["floor_measure"]
        pm.Normal("log_radon", mean, sigma_y, observed=data["log_radon"])
    return model


@_register("irt_2pl-irt_2pl")
def irt_2pl(data: Data) -> pm.Model:
    """Answers of persons to items that differ in difficulty and discrimination."""
    items, persons = data["y"].shape
    with pm.Model() as model:
        sigma_theta = pm.HalfCauchy("sigma_theta", 2)
        theta = pm.Normal("theta", 0, sigma_theta, shape=persons)
        sigma_a = pm.HalfCauchy("sigma_a", 2)
        a = pm.LogNormal("a", 0, sigma_a, shape=items)
        mu_b = pm.Normal("mu_b", 0, 5)
        sigma_b = pm.HalfCauchy("sigma_b", 2)
        b = pm.Normal("b", mu_b, sigma_b, shape=items)
        pm.Bernoulli("y", logit_p=a[:, None] * (theta - b[:, None]), observed=data["y"])
    return model


@_register("GLMM_Poisson_data-GLMM_Poisson_model")
def glmm_poisson(data: Data) -> pm.Model:
    """Counts of breeding pairs by year, with normal errors on the log scale."""
    year = data["year"]
    with pm.Model() as model:
        alpha = pm.Uniform("alpha", -20, 20)
        beta_1 = pm.Uniform("beta_1", -10, 10)
        beta_2 = pm.Uniform("beta_2", -10, 20)
        beta_3 = pm.Uniform("beta_3", -10, 10)
        sigma = pm.Uniform("sigma", 0, 5)
        eps = pm.Normal("eps", 0, sigma, shape=year.size)
        log_lambda = alpha + beta_1 * year + beta_2 * year**2 + beta_3 * year**3 + eps
        pm.Poisson("C", pt.exp(log_lambda), observed=data["C"])
    return model


@_register("wells_data-wells_dist100ars_model")
def wells_dist100ars(data: Data) -> pm.Model:
    """Whether households change to another well, on distance and arsenic."""
    X = np.column_stack([data["dist"] / 100, data["arsenic"]])
    with pm.Model() as model:
        alpha = pm.Flat("alpha")
        beta = pm.Flat("beta", shape=2)
        pm.Bernoulli("switched", logit_p=alpha + X @ beta, observed=data["switched"])
    return model
