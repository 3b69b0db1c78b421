"""Warm-up: what a chain makes of a bad start."""

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

METRICS = ("diagonal", "low_rank", "dense")


@pytest.fixture(scope="module")
def counts():
    """Poisson counts with a random effect each: e^η is steep on one side, and flat on the other."""
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 30)
    with pm.Model() as model:
        slopes = pm.Normal("slopes", 0, 10, shape=3)
        scale = pm.LogNormal("scale", -1, 0.5)
        effects = pm.Normal("effects", 0, scale, shape=len(x))
        eta = 3 + slopes[0] + slopes[1] * x + slopes[2] * x**2 + effects
        pm.Poisson("y", pm.math.exp(eta), observed=rng.poisson(np.exp(3 + x)))
    return LogDensity(model=model)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("height", [10.0, 30.0])
def test_a_chain_falls_from_afar_into_the_typical_set(counts, metric, height):
    start = np.zeros(counts.dim)
    start[:3] = height, -height / 2, height / 3
    assert counts(start)[0] < -1e5
    chain = Chain(counts, Settings.choose(metric=metric), np.random.default_rng(1), tune=500)
    chain.start(start)
    chain.advance(500)
    draws, _ = chain.advance(500)
    values = np.array([counts(draw)[0] for draw in draws])
    typical = counts(np.zeros(counts.dim))[0]
    assert values.min() > typical - 100
    assert chain.step_size > 0.02
    assert abs(draws[:, 1].mean() - 1.0) < 0.5


@pytest.fixture(scope="module")
def chained():
    """An autoregression of 110 parameters, where a few directions are not enough."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=110, initval=np.zeros(110))
        pm.Potential("density", -0.5 * (x[0] ** 2 + ((x[1:] - 0.9 * x[:-1]) ** 2 / 0.19).sum()))
    return LogDensity(model=model)


@pytest.mark.parametrize("trajectory", ["auto", "no_u_turn"])
def test_all_correlations_of_a_hundred_parameters_are_known_at_once(chained, trajectory):
    settings = Settings.choose(trajectory=trajectory)
    chain = Chain(chained, settings, np.random.default_rng(1), tune=400)
    chain.start(np.zeros(110))
    assert isinstance(chain.metric, DenseMap) and chain.choice["metric"] == "dense"
    _, rows = chain.advance(400)
    assert rows[:20, column.N_GRADIENTS].sum() < 600  # those of the way down, and of probes, among them
    assert chain.advance(300)[1][:, column.N_GRADIENTS].mean() < (3 if trajectory == "auto" else 16)


def test_a_snapshot_of_a_version_that_learned_by_windows(chained):
    chain, other = (Chain(chained, Settings.choose(), np.random.default_rng(seed), tune=200) for seed in (1, 2))
    chain.start(np.zeros(110))
    chain.advance(210)
    new = ("approach", "end", "trail", "skipped")
    snapshot = {name: value for name, value in chain.snapshot().items() if name not in new}
    memory = {name: snapshot["learning"][name][:50] for name in ("draws", "gradients", "outcomes")}
    snapshot["learning"] = {**snapshot["learning"], **memory, "outcomes": memory["outcomes"][:, :4]}
    other.restore(snapshot)
    np.testing.assert_array_equal(chain.advance(50)[0], other.advance(50)[0])
    with pytest.raises(ValueError, match=r"was in warm-up, at draw 20 of 200, and was made by an earlier version"):
        other.restore({**snapshot, "count": 20})


def test_a_snapshot_of_a_version_that_knew_less_of_the_step_size(chained):
    chain, other = (Chain(chained, Settings.choose(), np.random.default_rng(seed), tune=200) for seed in (1, 2))
    chain.start(np.zeros(110))
    chain.advance(60)
    snapshot = chain.snapshot()
    assert snapshot["learning"]["step"].size == 6
    snapshot["learning"]["step"] = snapshot["learning"]["step"][:5]
    other.restore(snapshot)
    np.testing.assert_array_equal(chain.advance(50)[0], other.advance(50)[0])


def test_a_snapshot_of_no_metric_is_refused(chained):
    chain = Chain(chained, Settings.choose(), np.random.default_rng(1))
    chain.start(np.zeros(110))
    with pytest.raises(ValueError, match="metric: no linear map is made of 'height'"):
        chain.restore({**chain.snapshot(), "metric": {"height": np.ones(110)}})


@pytest.fixture(scope="module")
def stretched():
    """Thirty normals of condition number 10⁶, along axes of no coordinate."""
    rng = np.random.default_rng(4)
    axes = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    factor = axes * np.geomspace(1e-3, 1, 30)
    with pm.Model() as model:
        pm.MvNormal("x", np.zeros(30), chol=np.linalg.cholesky(factor @ factor.T))
    return LogDensity(model=model), factor


@pytest.mark.parametrize("metric", ["low_rank", "dense"])
def test_shape_and_step_size_are_learned_after_a_long_fall(stretched, metric):
    target, factor = stretched
    chain = Chain(target, Settings.choose(metric=metric), np.random.default_rng(1), tune=1000)
    chain.start(1e3 * factor @ np.random.default_rng(2).choice([-1.0, 1.0], 30))
    chain.advance(1000)
    draws, rows = chain.advance(500)
    np.testing.assert_allclose((draws @ np.linalg.inv(factor).T).std(axis=0), 1.0, atol=0.25)
    assert rows[:, column.N_GRADIENTS].mean() < 12


def test_a_chain_restored_in_mid_fall_goes_on_alike(stretched):
    target, factor = stretched
    start = 1e3 * factor @ np.random.default_rng(2).choice([-1.0, 1.0], 30)
    chain, other = (
        Chain(target, Settings.choose(metric="dense"), np.random.default_rng(seed), tune=1000) for seed in (1, 2)
    )
    chain.start(start)
    chain.advance(175)
    other.restore(chain.snapshot())
    np.testing.assert_array_equal(chain.advance(300)[0], other.advance(300)[0])


# The harmonic drift, and the mean that it needs.


@pytest.fixture(scope="module")
def normal():
    """Twelve correlated normals away from the origin, with their mean and covariance."""
    rng = np.random.default_rng(5)
    factor = rng.standard_normal((12, 12)) / 4 + np.diag(np.geomspace(0.5, 10, 12))
    mean = np.linspace(-20, 30, 12)
    with pm.Model() as model:
        pm.MvNormal("x", mean, cov=factor @ factor.T)
    return LogDensity(model=model), mean, factor @ factor.T


def harmonic_chain(target, tune=500, seed=1, start=None, **options):
    settings = Settings.choose(integrator="harmonic_leapfrog", **options)
    chain = Chain(target, settings, np.random.default_rng(seed), tune=tune)
    chain.start(np.zeros(target.dim) if start is None else start)
    return chain


@pytest.mark.parametrize("trajectory", ["no_u_turn", "fixed_time", "fixed_steps"])
@pytest.mark.parametrize("metric", ["dense", "given"])
def test_a_normal_is_sampled_without_error(normal, metric, trajectory):
    target, mean, covariance = normal
    chain = harmonic_chain(target, trajectory=trajectory, metric=covariance if metric == "given" else metric)
    chain.advance(500)
    np.testing.assert_allclose(chain.mean, mean, rtol=0, atol=1e-3)
    draws, rows = chain.advance(200)
    assert rows[:, column.MEAN_TREE_ACCEPT].mean() > (0.999999 if metric == "given" else 0.98)
    limit = {"no_u_turn": 0.45 * np.pi, "fixed_steps": 0.045 * np.pi, "fixed_time": 0.75 * np.pi}[trajectory]
    assert chain.step_size == pytest.approx(limit, rel=0.01)
    assert np.abs((draws.mean(axis=0) - mean) / np.sqrt(np.diag(covariance))).max() < 0.5


@pytest.mark.parametrize("metric", ["identity", "diagonal", "low_rank", "dense", "given"])
def test_the_mean_is_learned_with_every_metric_and_then_kept(normal, metric):
    target, mean, covariance = normal
    chain = harmonic_chain(target, 1000, metric=np.diag(covariance) if metric == "given" else metric)
    assert chain.mean is None  # until there are points
    chain.advance(1000)
    learned = chain.mean
    assert np.abs((learned - mean) / np.sqrt(np.diag(covariance))).max() < 0.5
    chain.advance(100)
    chain.move_to(mean + 1.0)
    np.testing.assert_array_equal(chain.mean, learned)


@pytest.mark.parametrize("tune", [0, 9])
def test_without_draws_to_learn_from_the_drift_is_free(normal, tune):
    harmonic = harmonic_chain(normal[0], tune)
    free = Chain(normal[0], Settings.choose(), np.random.default_rng(1), tune=tune)
    free.start(np.zeros(12))
    np.testing.assert_array_equal(harmonic.advance(tune + 10)[0], free.advance(tune + 10)[0])
    assert harmonic.mean is None


@pytest.mark.parametrize("count", [30, 50, 60, 300, 500, 530])
@pytest.mark.parametrize(("metric", "trajectory"), [("low_rank", "fixed_time"), ("dense", "no_u_turn")])
def test_a_restored_harmonic_chain_goes_on_alike(normal, count, metric, trajectory):
    chain, other = (harmonic_chain(normal[0], seed=seed, metric=metric, trajectory=trajectory) for seed in (1, 2))
    chain.advance(count)
    other.advance(70)
    other.restore(chain.snapshot())
    for one, same in zip(chain.advance(250), other.advance(250), strict=True):
        np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(chain.mean, other.mean)


def test_a_snapshot_is_not_changed_by_what_follows(normal):
    chain = harmonic_chain(normal[0])
    chain.advance(60)
    snapshot = chain.snapshot()
    before = snapshot["mean"].copy()
    chain.advance(400)
    np.testing.assert_array_equal(snapshot["mean"], before)
    assert np.any(chain.mean != before)


@pytest.mark.parametrize("metric", METRICS)
def test_a_harmonic_chain_falls_from_afar(counts, metric):
    start = np.zeros(counts.dim)
    start[:3] = 30.0, -15.0, 10.0
    chain = harmonic_chain(counts, metric=metric, start=start)
    chain.advance(500)
    draws, _ = chain.advance(500)
    assert chain.mean is not None
    assert min(counts(draw)[0] for draw in draws) > counts(np.zeros(counts.dim))[0] - 100
    assert chain.step_size > 0.02
    assert abs(draws[:, 1].mean() - 1.0) < 0.5


def test_far_away_no_mean_is_kept(stretched):
    target, factor = stretched
    start = 1e3 * factor @ np.random.default_rng(2).choice([-1.0, 1.0], 30)
    chain = harmonic_chain(target, 1000, start=start, metric="dense")
    seen = []
    for _ in range(1000):
        chain.advance(1)
        snapshot = chain.snapshot()
        seen.append((snapshot["far"], snapshot["mean"] is not None))
    assert (True, False) in seen and (False, True) in seen
    assert (True, True) not in seen


# A short warm-up.


@pytest.mark.parametrize("tune", [1, 2, 5, 9])
@pytest.mark.parametrize("integrator", ["auto", "bcss3", "implicit_midpoint"])
def test_a_few_draws_of_warm_up_do_no_harm(normal, integrator, tune):
    (target, mean, covariance), accepted = normal, []
    for seed in range(5):
        settings = Settings.choose(integrator=integrator)
        chain = Chain(target, settings, np.random.default_rng(seed), tune=tune)
        chain.start(mean + np.sqrt(np.diag(covariance)))
        accepted.append(chain.advance(tune + 50)[1][tune:, column.MEAN_TREE_ACCEPT].mean())
    assert np.median(accepted) > 0.5
