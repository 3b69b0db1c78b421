"""Warm-up: what a chain makes of a bad start."""

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
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
