"""Tests of convergence by gradients: they pass draws of the posterior, and tell apart what is none of it."""

import arviz_base
import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.stein import gradient_tests
from pymc_symplectic.target import LogDensity, unconstraining

QUIET = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}


def tree(x, **attrs):
    return arviz_base.from_dict({"posterior": {"x": x}}, attrs={"posterior": attrs})


def exact(seed, *shape):
    """Draws of the posterior of `normal_model`."""
    return np.random.default_rng(seed).normal(1.5, 0.5, shape or (4, 500))


def test_draws_of_the_posterior_pass(normal_model):
    alarms = [gradient_tests(tree(exact(seed)), normal_model)["p_value"].min() < 0.05 for seed in range(60)]
    assert sum(alarms) <= 8  # 3 are expected, as the tests are dependent; more than 8 come once in 200


def test_numbers_are_what_they_say(normal_model):
    x = exact(1)
    table = gradient_tests(tree(x), normal_model)
    slope = -4 * (x - 1.5)
    assert table.index.tolist() == [(chain, "x") for chain in range(4)]
    np.testing.assert_allclose(table["gradient"], (slope * x.std(axis=1, keepdims=True)).mean(axis=1), rtol=1e-9)
    virial = 1 + (x - x.mean(axis=1, keepdims=True)) * slope
    np.testing.assert_allclose(table["virial"], virial.mean(axis=1), rtol=1e-9, atol=1e-12)
    plain = virial.mean(axis=1) / (virial.std(axis=1, ddof=1) / np.sqrt(500))
    np.testing.assert_allclose(table["virial_z"], plain, rtol=0.25)  # of draws that are independent


WRONG = {
    "elsewhere": (lambda x: x + 0.3, "gradient", -1),
    "too wide": (lambda x: 1.5 + 1.4 * (x - 1.5), "virial", -1),
    "too narrow": (lambda x: 1.5 + 0.7 * (x - 1.5), "virial", 1),
    "without a tail": (lambda x: np.where(x > 2.0, 3.0 - x, x), "virial", 1),
    "stuck": (lambda x: 0 * x + 1.6, "virial", 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_chain_that_is_wrong_is_told_from_the_others(name, normal_model):
    change, which, sign = WRONG[name]
    x = exact(5)
    x[1] = change(x[1])
    table = gradient_tests(tree(x), normal_model)
    p_values = table["p_value"].to_numpy()
    assert p_values[1] < 1e-3 and p_values[[0, 2, 3]].min() > 0.02
    z = table[f"{which}_z"].iloc[1]
    assert np.sign(z) == sign and abs(z) > 3
    alone = gradient_tests(tree(x[1:2]), normal_model)
    assert alone["p_value"].iloc[0] < 1e-3  # without a second chain


def test_slow_chains_have_larger_errors(normal_model):
    """Draws that are all but repeated are not so many tests: their error is that of the effective draws."""
    repeated = np.repeat(exact(3, 4, 50), 20, axis=1)
    assert gradient_tests(tree(repeated), normal_model)["p_value"].min() > 0.05


def test_a_mode_by_itself_passes():
    """What they cannot tell, as their documentation says."""
    with pm.Model() as wells:
        pm.NormalMixture("x", w=[0.5, 0.5], mu=[-30.0, 30.0], sigma=1.0)
    one = np.random.default_rng(4).normal(30.0, 1.0, (4, 500))
    assert gradient_tests(tree(one), wells)["p_value"].min() > 0.05


@pytest.fixture(scope="module")
def transformed():
    with pm.Model() as model:
        low = pm.HalfNormal("low", 1.0)
        inside = pm.Uniform("inside", low, low + 2.0)
        pm.Dirichlet("parts", np.ones(3))
        pm.Normal("y", inside, 1.0, observed=1.2)
    return model


def test_draws_go_back_to_where_the_chain_was(transformed):
    """Through transforms that depend on other variables, and one that has fewer coordinates than values."""
    idata = ps.sample(200, model=transformed, chains=2, cores=1, random_seed=1, **QUIET)
    vector = unconstraining(LogDensity(model=transformed))
    for number, chain in enumerate(ps.learned(idata).chains):
        last = idata["posterior"].isel(chain=number, draw=-1)
        point = {name: last[name].values for name in ("low", "inside", "parts")}
        np.testing.assert_allclose(vector(point), chain.position, rtol=1e-9)
    table = gradient_tests(idata, transformed)
    assert len(table) == 2 * 4 and table["p_value"].min() > 0.01
    assert table.index.levels[1].tolist() == [
        "inside_interval__",
        "low_log__",
        "parts_simplex__[0]",
        "parts_simplex__[1]",
    ]


def test_the_temperature_is_that_of_the_run(normal_model):
    idata = ps.sample(500, model=normal_model, chains=2, cores=1, random_seed=1, temperature=4.0, **QUIET)
    assert gradient_tests(idata, normal_model)["p_value"].min() > 0.01
    del idata["posterior"].attrs["sampler"]
    assert gradient_tests(idata, normal_model)["p_value"].min() < 1e-6


def test_data_of_a_compiled_model_count(normal_model):
    compiled = ps.compile(normal_model).with_data(data=np.array([9.0, 9.0, 9.0]))
    idata = compiled.sample(500, chains=2, cores=1, random_seed=1, **QUIET)
    assert gradient_tests(idata, compiled)["p_value"].min() > 0.01
    assert gradient_tests(idata, normal_model)["p_value"].min() < 1e-6


def test_what_cannot_be_tested(normal_model, mixed_model):
    with pytest.raises(TypeError, match=r"idata must be an xarray\.DataTree"):
        gradient_tests({}, normal_model)
    with pytest.raises(TypeError, match="k is discrete, and there is no gradient by it"):
        gradient_tests(tree(exact(1)), mixed_model)
    with pytest.raises(ValueError, match="the posterior has no x, and gradients are of all free variables"):
        gradient_tests(arviz_base.from_dict({"posterior": {"z": exact(1)}}), normal_model)
    with pytest.raises(ValueError, match="10 draws of each chain at least"):
        gradient_tests(tree(exact(1, 4, 9)), normal_model)
    with pytest.raises(ValueError, match="the posterior is not one of this model"):
        gradient_tests(tree(exact(1, 4, 20, 2)), normal_model)
