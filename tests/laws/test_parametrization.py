"""Transitions in other coordinates leave a hierarchy as it is: exact draws stay exact draws, in the model's words."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.stats import kstest

from pymc_symplectic.chain import Chain
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import kept_log_density
from pymc_symplectic.target.parametrization import Parametrization

COUNT, LEVEL = 3000, 1e-5


@pytest.fixture(scope="module")
def target():
    """A neck, three deep, with a scale that has one."""
    with pm.Model() as model:
        v = pm.Normal("v")
        s = pm.HalfNormal("s", pt.exp(v / 2))
        x = pm.Normal("x", v, s)
        pm.Laplace("z", x, pt.exp(-v / 2))
    return kept_log_density(model, reparametrized=True)


@pytest.fixture(scope="module")
def others():
    """A vector, a walk, and what is standardised by hand; scales, correlations and locations depend on v."""
    with pm.Model() as model:
        v = pm.Normal("v")
        scale = pt.exp(v / 2)
        pm.MvNormal("pair", v, chol=pt.stacklists([[scale, 0.0], [v, 1.0]]), shape=2)
        pm.GaussianRandomWalk("walk", mu=v, sigma=scale, init_dist=pm.Normal.dist(0, 1), shape=2)
        z = pm.Normal("z")
        pm.Laplace("child", v + scale * z, scale)
    return kept_log_density(model, reparametrized=True)


def exact_others(rng):
    """Draws (n, 7) of the values v, pair, walk, z, child."""
    v, first, second, start, step, z = rng.normal(size=(6, COUNT))
    scale = np.exp(v / 2)
    child = v + scale * z + scale * rng.laplace(size=COUNT)
    return np.column_stack([v, v + scale * first, v + v * first + second, start, start + v + scale * step, z, child])


def scores_of_others(draws):
    v, first, second, start, step, z, child = draws.T
    scale = np.exp(v / 2)
    one = (first - v) / scale
    normal = [v, one, second - v - v * one, start, (step - start - v) / scale, z]
    return {**{"norm" + " " * i: part for i, part in enumerate(normal)}, "laplace": (child - v) / scale - z}


def exact(rng):
    """Draws (n, 4) of the values v, log s, x, z, and the uniform scores of each."""
    v, normal, half = rng.normal(size=(3, COUNT))
    s = np.exp(v / 2) * abs(half)
    x = v + s * normal
    z = x + np.exp(-v / 2) * rng.laplace(size=COUNT)
    return np.column_stack([v, np.log(s), x, z])


def scores(draws):
    """What is independent and standard of them."""
    v, log_s, x, z = draws.T
    s = np.exp(log_s)
    return {"norm": v, "halfnorm": s / np.exp(v / 2), "norm ": (x - v) / s, "laplace": (z - x) * np.exp(v / 2)}


def least_p(target, parametrization, transitions=3, draw=exact, score=scores):
    """The least p-value, times their number, of scores after some transitions with too long steps."""
    settings = Settings.choose(
        parametrization=parametrization, step_size=0.9, metric="identity", trajectory="no_u_turn"
    )
    rng = np.random.default_rng(8)
    chain = Chain(target, settings, np.random.default_rng(9))
    chain.start(np.zeros(target.dim))
    ends = []
    for position in draw(rng):
        chain.move_to(position)
        draws, _ = chain.advance(transitions)
        ends.append(draws[-1])
    found = score(np.array(ends))
    return len(found) * min(kstest(values, name.strip()).pvalue for name, values in found.items())


WEIGHTS = ["noncentered", {"x": 0.3, "z": 0.7}, {"s": 0.5, "x": 1.0, "z": 0.0}, "model"]


@pytest.mark.filterwarnings("ignore:.* diverge")  # where steps are too long for a neck, which is no matter here
@pytest.mark.parametrize("parametrization", WEIGHTS, ids=str)
def test_exact_draws_stay_exact(target, parametrization):
    assert least_p(target, parametrization) > LEVEL


@pytest.mark.filterwarnings("ignore:.* diverge")
@pytest.mark.parametrize(
    "parametrization", ["noncentered", {"pair": [0.3, 0.7], "walk": 0.4, "z": 0.6, "child": 0.5}, {"z": 1.0}], ids=str
)
def test_exact_draws_of_others_stay_exact(others, parametrization):
    assert list(others.parametrization.names) == ["pair", "walk", "z", "child"]
    assert least_p(others, parametrization, draw=exact_others, score=scores_of_others) > LEVEL


def test_exact_draws_by_a_wrong_jacobian_do_not(target, monkeypatch):
    right = Parametrization.weights_of
    monkeypatch.setattr(Parametrization, "weights_of", lambda self, wanted, _: right(self, wanted, 0.7))
    assert least_p(target, "noncentered", transitions=10) < LEVEL
