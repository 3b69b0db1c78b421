"""Fixtures that several files share.  Log-densities take seconds to compile: models and steps last for a session."""

import gc
import os
import warnings

import numpy as np
import pymc as pm
import pytensor
import pytest

import pymc_symplectic as ps
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.target import LogDensity

# Where not numba is asked for, PyTensor compiles C for each operation anew, in seconds, some of them to make starts of
# variables or to fold constants.  Without a compiler it does the same in Python; processes that tests start, likewise.
COMPILER, pytensor.config.cxx = pytensor.config.cxx, ""
os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, (os.environ.get("PYTENSOR_FLAGS"), "cxx=")))

# Compiling makes millions of small objects, few of them in circles, beside those of imported libraries, which stay:
# without looking at these again and again a model takes about a sixth less time.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)

# From Rubin (1981), by way of Gelman et al., Bayesian Data Analysis.
SCHOOLS_EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SCHOOLS_ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def _sample(step, model, draws=30, **kwargs):
    options = {
        "tune": 30,
        "chains": 2,
        "cores": 1,
        "random_seed": 20260725,
        "progressbar": False,
        "quiet": True,
        "compute_convergence_checks": False,
    }
    with model, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*samples per chain")
        return pm.sample(draws, step=step, **{**options, **kwargs})


@pytest.fixture(scope="session")
def sample():
    """``sample(step, model, draws, ...)``: `pymc.sample`, short, quiet, seeded and in this process."""
    return _sample


@pytest.fixture
def with_c():
    """PyTensor's compiler for C, where there is one."""
    with pytensor.config.change_flags(cxx=COMPILER):
        yield


@pytest.fixture(scope="session")
def normal_model():
    """Conjugate: with n data y, x is normal with mean Σy / (n + 1) and variance 1 / (n + 1)."""
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Normal("y", x, 1.0, observed=pm.Data("data", np.array([1.0, 2.0, 3.0])))
    return model


@pytest.fixture(scope="session")
def normal_step(normal_model):
    return ps.HMC(model=normal_model)


@pytest.fixture(scope="session")
def schools():
    """Eight schools, non-centred: a vector, a scalar, and a scalar that is transformed."""
    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        mu = pm.Normal("mu", 0.0, 5.0)
        tau = pm.HalfCauchy("tau", 5.0)
        theta = pm.Normal("theta", 0.0, 1.0, dims="school")
        pm.Normal("effect", mu + tau * theta, SCHOOLS_ERROR, observed=SCHOOLS_EFFECT, dims="school")
    return model


@pytest.fixture(scope="session")
def schools_step(schools):
    return ps.HMC(model=schools)


@pytest.fixture(scope="session")
def mixed_model():
    """One discrete variable and three continuous ones: given k, (x, z, w) is Gaussian."""
    with pm.Model() as model:
        k = pm.Bernoulli("k", 0.4)
        x = pm.Normal("x", 2.0 * k, 1.0)
        z = pm.Normal("z", x, 0.5)
        w = pm.Normal("w", z, 0.8)
        pm.Normal("y", w, 1.0, observed=1.7)
    return model


@pytest.fixture(scope="session")
def mixed_exact():
    """Posterior means and standard deviations of `mixed_model`, each by name."""
    steps = np.array([1.0, 0.5, 0.8]) ** 2  # variances of x, z and w given what they follow
    covariance = np.minimum.outer(np.cumsum(steps), np.cumsum(steps))
    total = covariance[2, 2] + 1.0
    weights, means = np.zeros(2), np.zeros((2, 3))
    for k, prior in enumerate([0.6, 0.4]):
        residual = 1.7 - 2.0 * k
        weights[k] = prior * np.exp(-0.5 * residual**2 / total)
        means[k] = 2.0 * k + covariance[:, 2] / total * residual
    weights /= weights.sum()
    within = np.diag(covariance) - covariance[:, 2] ** 2 / total
    mean = weights @ means
    sd = np.sqrt(within + weights @ (means - mean) ** 2)
    exact = {name: (mean[i], sd[i]) for i, name in enumerate("xzw")}
    return exact | {"k": (weights[1], np.sqrt(weights[1] * weights[0]))}


@pytest.fixture(scope="session")
def unconstrained():
    """``unconstrained(step, model, ...)``: points and statistics of every draw, warm-up's too."""

    def run(step, model, **kwargs):
        seen = []
        _sample(step, model, callback=lambda trace, draw: seen.append((draw.point, draw.stats[0])), **kwargs)
        return [point for point, _ in seen], [stats for _, stats in seen]

    return run


@pytest.fixture(scope="session")
def recorded():
    """Variables of three free parameters, with deterministic ones of other shapes and dtypes."""
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        s = pm.HalfNormal("s")
        pm.Deterministic("product", s * x)
        pm.Deterministic("sign", x.sum() > 0)
    return RecordedVariables(LogDensity(model=model))
