"""Hierarchies as people write them: in coordinates that warm-up finds, and all that is seen of them in the model's."""

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.coordinates import Coordinates
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import kept_log_density
from pymc_symplectic.window import Window

from . import assert_same_draws, pymc_run, run

GROUPS, OPTIONS = 6, {"tune": 300, "draws": 40, "chains": 2}


@pytest.fixture(scope="module")
def rich():
    """Groups of which data say much, so that warm-up changes its coordinates; one has a scale of its own."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(GROUPS), 50)
    y = rng.normal(rng.normal(size=GROUPS)[group], 0.5)
    with pm.Model(coords={"group": range(GROUPS)}) as model:
        mu = pm.Normal("mu")
        tau = pm.HalfNormal("tau")
        theta = pm.Normal("theta", mu, tau, dims="group")
        pm.Deterministic("spread", theta.max() - theta.min())
        pm.Normal("y", theta[group], 0.5, observed=y)
    return model


@pytest.fixture(scope="module")
def expected(rich):
    return run(rich, **OPTIONS)


def centered(idata):
    return [chain["centered"]["theta"] for chain in json.loads(idata.posterior.attrs["sampler"])["chains"]]


def test_weights_are_learned_and_said(rich, expected):
    assert min(centered(expected)) > 0.7
    assert centered(run(rich, parametrization="noncentered", **OPTIONS)) == [0.0, 0.0]
    assert centered(run(rich, parametrization={"theta": 0.25}, **OPTIONS)) == [0.25, 0.25]
    assert "centered" not in run(rich, parametrization="model", **OPTIONS).posterior.attrs["sampler"]


def test_draws_are_in_the_models_words(rich, expected):
    draws = expected.posterior
    assert set(draws.data_vars) == {"mu", "tau", "theta", "spread"}
    np.testing.assert_allclose(draws["spread"], draws["theta"].max("group") - draws["theta"].min("group"))
    assert abs(draws["theta"].mean(("chain", "draw")).values - means(rich)).max() < 0.2
    logp = rich.compile_logp(mode="FAST_COMPILE")
    point = {"mu": draws["mu"][0, -1], "tau_log__": np.log(draws["tau"][0, -1]), "theta": draws["theta"][0, -1]}
    stat = float(expected.sample_stats["lp" if "lp" in expected.sample_stats else "model_logp"][0, -1])
    assert stat == pytest.approx(float(logp({name: value.to_numpy() for name, value in point.items()})), rel=1e-9)


def means(model):
    y = model.rvs_to_values[model["y"]].data
    return y.reshape(GROUPS, -1).mean(axis=1)


def test_as_a_step_of_pymc(rich, expected):
    starts = ps.initial_points(rich, 2, random_seed=3)
    step = ps.HMC(model=rich)
    assert_same_draws(pymc_run(rich, step, initvals=starts, **OPTIONS), run(rich, initvals=starts, **OPTIONS))


def test_in_other_processes(rich, pool, expected):
    assert_same_draws(run(rich, executor=pool, **OPTIONS), expected)


@pytest.mark.parametrize("when", [20, 150, 310])
def test_killed_it_goes_on_to_the_same_draws(rich, expected, when, tmp_path, monkeypatch):
    """Before weights are chosen, or after; and after warm-up."""
    advance = Chain.advance

    def killed(chain, count):
        if chain.count >= when:
            raise KeyboardInterrupt
        return advance(chain, min(count, 7))

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt), pytest.warns(UserWarning):
        patch.setattr(Chain, "advance", killed)
        run(rich, store=tmp_path / "r", **OPTIONS)
    assert_same_draws(run(rich, store=tmp_path / "r", **OPTIONS), expected)


def test_same_posterior_as_the_model_has_it(rich):
    options = {"tune": 500, "draws": 1500, "chains": 4, "cores": 2}
    ours, theirs = (run(rich, parametrization=p, **options).posterior for p in ("auto", "model"))
    for name in ("mu", "tau", "theta"):
        sd = theirs[name].std(("chain", "draw"))
        assert float(abs((ours[name].mean(("chain", "draw")) - theirs[name].mean(("chain", "draw"))) / sd).max()) < 0.1
        assert float(abs(np.log(ours[name].std(("chain", "draw")) / sd)).max()) < 0.1


def test_where_another_step_moves_the_parents():
    """The exact posterior is the prior: a scale by another step, and what depends on it by this one."""
    with pm.Model() as model:
        v = pm.Normal("v")
        k = pm.Bernoulli("k", 0.3)
        pm.Normal("x", 2.0 * k, pt.exp(v / 2), shape=2)
        steps = [pm.Metropolis([v]), pm.BinaryMetropolis([k]), ps.HMC(["x"], parametrization="noncentered")]
    idata = pymc_run(model, steps, draws=3000, tune=500, chains=2)
    v, k, x = (idata.posterior[name].values for name in ("v", "k", "x"))
    z = (x - 2.0 * k[..., None]) / np.exp(v / 2)[..., None]
    assert abs(z.mean()) < 0.06 and abs(z.std() - 1) < 0.06
    assert abs(np.corrcoef(v.ravel(), abs(z[..., 0]).ravel())[0, 1]) < 0.05


def test_starts_are_where_they_are_asked_to_be(rich):
    """As others see them: to rounding, since chains move in other coordinates."""
    initvals = {"mu": 0.3, "tau": 0.9, "theta": np.linspace(-1, 1, GROUPS)}
    idata = run(rich, initvals=initvals, draws=1, tune=0, chains=2, step_size=1e-9, metric="identity")
    np.testing.assert_allclose(idata.posterior["theta"][:, 0], [initvals["theta"]] * 2, atol=1e-5)


def test_weights_of_elements_are_said_where_they_differ(rich):
    weights = np.linspace(0, 1, GROUPS).round(3)
    idata = run(rich, parametrization={"theta": weights}, **{**OPTIONS, "draws": 5})
    assert centered(idata) == [weights.tolist()] * 2


def test_with_a_metric_that_is_given_it_is_the_models():
    """Which it is one of."""
    with pm.Model() as model:
        v = pm.Normal("v")
        pm.Normal("x", 0, pt.exp(v), shape=2)
    options = {"metric": np.array([1.0, 2.0, 3.0]), "step_size": 0.1}
    assert_same_draws(run(model, **options), run(model, parametrization="model", **options))
    idata = run(model, parametrization="noncentered", **options)
    assert not np.array_equal(idata.posterior["x"], run(model, **options).posterior["x"])


def test_stores_of_models_that_have_no_hierarchy_are_as_before(rich_model, tmp_path):
    """With the default, or the model as it is."""
    path = tmp_path / "r"
    run(rich_model, store=path, parametrization="model", draws=5)
    assert run(rich_model, store=path, draws=9).posterior.sizes["draw"] == 9


def test_without_warm_up_it_is_the_models(rich):
    options = {**OPTIONS, "tune": 0, "step_size": 0.02, "draws": 5}
    ours, theirs = run(rich, **options), run(rich, parametrization="model", **options)
    np.testing.assert_allclose(ours.posterior["theta"], theirs.posterior["theta"], rtol=1e-9)


@pytest.fixture(scope="module")
def wide():
    """So many groups that points are few when a short warm-up ends."""
    y = np.random.default_rng(2).normal(size=(300, 10)) / 5 + np.linspace(-1, 1, 300)[:, None]
    with pm.Model() as model:
        theta = pm.Normal("theta", pm.Normal("mu"), pm.HalfNormal("tau"), shape=300)
        pm.Normal("y", theta[:, None], 0.2, observed=y)
    return kept_log_density(model)


@pytest.mark.parametrize("tune", [12, 20, 24, 28, 32, 44, 60, 90, 120, 300])
def test_nothing_changes_after_warm_up(wide, tune):
    chain = Chain(wide, Settings.choose(), np.random.default_rng(1), tune)
    chain.start(wide.default_start)
    chain.advance(tune)
    before = chain._coordinates.weights.copy(), chain.step_size, chain.metric
    assert not chain._warmup.learns
    chain.advance(60)
    np.testing.assert_array_equal(chain._coordinates.weights, before[0])
    assert chain.step_size == before[1] and chain.metric is before[2]


def test_what_effects_make_up_for_on_the_way_is_not_taken_for_data():
    """Counts whose errors are small in the end, though they look large while the curve is not found yet."""
    rng = np.random.default_rng(3)
    year = np.linspace(-1, 1, 40)
    y = rng.poisson(np.exp(4 + 0.8 * year - 0.5 * year**2 + 0.1 * rng.standard_normal(40)))
    with pm.Model() as model:
        beta = pm.Uniform("beta", -20, 20, shape=3)
        sigma = pm.Uniform("sigma", 0, 5)
        error = pm.Normal("error", 0, sigma, shape=40)
        pm.Poisson("y", pt.exp(beta[0] + beta[1] * year + beta[2] * year**2 + error), observed=y)
    for seed in (1, 2):
        found = run(model, tune=None, draws=10, chains=4, random_seed=seed)
        assert [chain["centered"]["error"] for chain in json.loads(found.posterior.attrs["sampler"])["chains"]] == [
            0.0
        ] * 4


def test_nothing_is_chosen_while_the_log_density_rises(rich):
    target, settings = kept_log_density(rich), Settings.choose(parametrization="noncentered")
    chain = Chain(target, settings, np.random.default_rng(1), 300)
    chain.start(target.default_start)
    chain.advance(60)
    points = Window.of_trail(chain._state.trail)
    rising = replace(points, log_density=points.log_density + np.linspace(0, 500, len(points.log_density)))

    def learns(points):
        return Coordinates(target, Settings.choose(), True).learn(points, lambda at: chain._lab.evaluate(at).value)

    assert learns(points) and not learns(rising)


def test_the_prior_of_a_covariance_comes_out():
    """Standard deviations that may be next to nothing, and correlations: as PyMC has it, a funnel in each row."""
    with pm.Model() as model:
        pm.LKJCholeskyCov("factor", n=3, eta=2, sd_dist=pm.Exponential.dist(1, shape=3))
    draws = ps.sample(1000, chains=4, random_seed=1, model=model, progressbar=False, quiet=True).posterior
    logs, squares = np.log(draws["factor_stds"].values), draws["factor_corr"].values[..., 0, 1] ** 2
    truths = [(logs[..., i], -np.euler_gamma) for i in range(3)] + [(squares, 1 / 6)]  # (r + 1) / 2 is Beta(5/2, 5/2)
    for values, truth in truths:
        assert array_stats.ess(values, method="bulk") > 400
        assert abs(values.mean() - truth) < 4 * array_stats.mcse(values)
