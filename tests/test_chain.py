"""Warm-up: what a chain makes of a bad start."""

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.chain import Chain
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
