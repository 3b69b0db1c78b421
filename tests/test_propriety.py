"""Posteriors that are improper, or have no maximum, or end abruptly: who is to blame is named, and nobody else is."""

import re
import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.propriety import steepest, unheld
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

# The log-density along a coordinate.


@pytest.mark.parametrize(
    ("log_density", "free"),
    [
        (lambda x: 0.0, True),
        (lambda x: -np.logaddexp(0, -x), True),  # on one side, as where classes can be separated
        (lambda x: 3 * x, True),
        (lambda x: x**2, True),
        (lambda x: np.inf if abs(x) > 1e154 else x**2, True),
        (lambda x: -np.log1p(abs(x)), True),  # 1/t cannot be normalised
        (lambda x: -(x**2) / 2, False),
        (lambda x: -((x / 1e150) ** 2) / 2, False),
        (lambda x: -((x / 1e-150) ** 2) / 2, False),
        (lambda x: -((x - 1e10) ** 2) / 2, False),
        (lambda x: -np.log1p(x**2), False),  # Cauchy
        (lambda x: x - 2 * np.logaddexp(0, 2 * x), False),  # the logarithm of a half-Cauchy
        (lambda x: -1.1 * np.log1p(abs(x)), False),
        (lambda x: -abs(x), False),
        (lambda x: 0.0 if 0 < x < 1 else -np.inf, False),
        (lambda x: -x if x > 0 else -np.inf, False),
        (lambda x: np.log(x) - x if x > 0 else np.nan, False),
    ],
)
def test_what_holds_a_coordinate(log_density, free):
    def evaluate(position):
        with np.errstate(all="ignore"):
            return float(log_density(position[1]))

    for spread in (0.1, 1.0, 1e12):
        assert unheld(evaluate, np.array([0.0, 0.5, 0.0]), 1, spread) == free


def test_the_steepest_coordinates_of_each_variable():
    bounded, narrow = np.arange(9) == 4, np.arange(9) == 7

    def evaluate(position):
        return -np.inf if position[4] > 0.5 else float(-0.5 * (position[:7] ** 2).sum() - 1e8 * position[7] ** 2)

    found = steepest(evaluate, np.zeros(9), [3, 4, 2], lambda j: 1.0, 1000.0)
    np.testing.assert_array_equal(found, bounded | narrow)
    found = steepest(evaluate, np.zeros(9), [3, 4, 2], lambda j: 1.0, 1e12)
    np.testing.assert_array_equal(found, bounded)
    found = steepest(evaluate, np.zeros(9), [3, 4, 2], lambda j: 0.1 / (1 + j), 1e12)
    np.testing.assert_array_equal(found, narrow)  # the worst one, where none is beyond the limit


# Chains.


def several():
    """All that nothing holds back, beside what is."""
    pm.Normal("x", shape=2)
    pm.Flat("flat", shape=3)
    pm.HalfFlat("half")
    pm.Potential("cup", 0.7 * pm.Normal("up", shape=2)[1] ** 2)


def zeros():
    pm.Normal("y", 0, pm.HalfNormal("scale"), observed=np.zeros(20))


def fitted():
    """The scale goes to zero with the distance of the mean, and slowly."""
    pm.Normal("y", pm.Normal("mean"), pm.HalfNormal("scale"), observed=np.zeros(20))


def ridge():
    pm.Normal("x")
    pm.Normal("y", pm.Flat("a") + pm.Flat("b"), 1, observed=[1.0, 2.0])


def walls():
    pm.Normal("x")
    pm.Uniform("bounded", 0, 1, default_transform=None)


def proper():
    """Whatever is as far or as wide as numbers go, or falls off slowly, or is uneven, and all the same proper."""
    pm.Normal("wide", 0, 1e150)
    pm.Normal("wider", 0, 1e200)
    pm.Normal("far", 1e10, 1)
    pm.Cauchy("cauchy", 0, 1)
    pm.HalfCauchy("half_cauchy", 5)
    pm.StudentT("heavy", nu=0.5)
    pm.Laplace("laplace", 0, 1)
    pm.InverseGamma("inverse", 0.1, 0.1)
    pm.Normal("cube", shape=2)
    pm.Potential("tilt", -3 * pm.Uniform("tilted"))


def funnel():
    v = pm.Normal("v", 0, 3)
    pm.Normal("x", 0, pt.exp(v / 2), shape=9)


def heard(build, tune, seed=1):
    """The warnings of a chain on a model, and what share of its draws diverges."""
    with pm.Model() as model:
        build()
    target = LogDensity(model=model)
    chain = Chain(target, Settings.choose(), np.random.default_rng(seed), tune=tune)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jitter = 0.4 if build is walls else 1.0
        chain.start(target.default_start + np.random.default_rng(seed).uniform(-jitter, jitter, target.dim))
        _, rows = chain.advance(tune + 120)
    found = [str(warning.message) for warning in caught if warning.filename.endswith("propriety.py")]
    return found, rows[tune:, column.DIVERGING].mean()


@pytest.mark.parametrize("tune", [60, 1000])
def test_what_nothing_holds_back_is_called_improper(tune):
    (words,), _ = heard(several, tune)
    assert words.startswith("The log-density does not hold flat, half, up back: the posterior is improper there")


@pytest.mark.parametrize(("build", "tune"), [(zeros, 60), (zeros, 1000), (fitted, 500)])
def test_a_density_that_rises_without_end(build, tune):
    (words,), _ = heard(build, tune)
    assert words.startswith("The log-density still rises along scale at the end of warm-up")
    assert "a prior that is bounded away from zero" in words


def test_a_ridge_that_nothing_bounds():
    """Which sign of it is seen first hangs on where a chain goes, and so on how a machine rounds; one always is."""
    found = [heard(ridge, 400, seed)[0] for seed in (1, 2, 3, 4, 5)]
    assert all(len(words) == 1 and re.search(r" a, b(:| at the end| spread)", words[0]) for words in found)
    assert any(words[0].startswith("The draws of a, b spread farther and farther") for words in found)


@pytest.mark.parametrize("tune", [60, 300])
def test_draws_that_diverge_at_a_wall(tune):
    (words,), share = heard(walls, tune)
    assert share > 0.5
    assert "first 20 draws after warm-up diverge" in words or "first 120 draws" in words
    assert "along bounded. Give it a prior that does not end" in words


@pytest.mark.parametrize("tune", [60, 400, 1000])
@pytest.mark.parametrize("build", [proper, funnel])
def test_proper_posteriors_are_not_warned_of(build, tune):
    for seed in (1, 2, 3):
        words, _ = heard(build, tune, seed)
        # a chain that stays at one number of the size of 1e57 has to say so, which says nothing of the posterior
        assert [text for text in words if not text.startswith("The chain cannot move wide")] == []
