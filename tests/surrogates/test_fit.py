"""Surrogates by least squares."""

from dataclasses import replace

import numpy as np
import pytest
from laws.surrogates import fitted, points_of
from laws.systems import DIM, POPULATIONS, map_for

from pymc_symplectic.metrics.estimate import centre
from pymc_symplectic.policy import Policy
from pymc_symplectic.surrogates import fit
from pymc_symplectic.surrogates.features import Features, monomials, number_of_monomials
from pymc_symplectic.surrogates.fit import acceptance, candidates
from pymc_symplectic.window import Window

POLICY = Policy()


def fit_to(points, draws=None, policy=POLICY, degree=None):
    metric = map_for("gumbel", "dense")
    mean = centre(metric, *points_of("gumbel").means)
    return fit(points, points if draws is None else draws, metric, mean, policy, degree)


def errors_of(density, population="gumbel"):
    """log π - log π̂ at draws that have not been fitted to."""
    fresh = points_of(population, 2000, seed=23)
    return fresh.log_density - np.array([density.at(draw)[0] for draw in fresh.draws])


@pytest.mark.parametrize(("dim", "degree"), [(1, 4), (3, 2), (5, 6)])
def test_monomials_are_all_there_are_each_once(dim, degree):
    parents, variables = monomials(dim, degree)
    assert len(parents) == number_of_monomials(dim, degree) + 1
    powers = np.zeros((len(parents), dim), int)
    for k in range(1, len(parents)):
        assert parents[k] < k
        powers[k] = powers[parents[k]]
        powers[k, variables[k]] += 1
    assert len(np.unique(powers, axis=0)) == len(powers)
    assert (np.diff(powers.sum(axis=1)) >= 0).all()
    assert powers[-1].sum() == degree


def test_a_gaussian_is_learned_to_the_last_digits():
    density = fitted("gaussian", 2).density
    assert np.quantile(abs(errors_of(density, "gaussian")), 0.99) < 1e-6  # but for the tails


def test_more_features_are_nearer_and_held_out_points_know_how_near():
    spread, distance = [], []
    for degree in (2, 3, 5):
        found = fitted("gumbel", degree, count=800)
        errors = errors_of(found.density)
        spread.append(errors.std())
        distance.append(abs(found.predicted - acceptance(errors)))
    assert spread[0] > spread[1] > spread[2]
    assert distance[2] < 0.03  # a crude one is judged by few draws, those where it promises most


def test_what_is_chosen_is_what_promises_most():
    found = fit_to(points_of("gumbel", 800))
    assert found.predicted > POLICY.surrogate_enough
    assert found.density.features.degree > 2
    assert fit_to(points_of("gumbel", 800), degree=3).density.features == Features(DIM, 3)
    assert fit_to(points_of("gaussian", 800)).density.features.count < 20


def test_acceptance_is_that_of_independent_proposals():
    rng = np.random.default_rng(1)
    errors = rng.normal(0, 1.0, 400)
    weights = np.exp(-errors) / np.exp(-errors).mean()
    assert acceptance(errors) == pytest.approx(np.minimum.outer(weights, weights).mean())
    assert acceptance(np.zeros(5)) == pytest.approx(1.0)
    assert acceptance(errors + 700.0) == pytest.approx(acceptance(errors))


def test_points_that_are_no_numbers_are_left_out():
    points = points_of("gumbel")
    values, gradients, draws = points.log_density.copy(), points.gradients.copy(), points.draws.copy()
    values[::50], gradients[7::50, 1], draws[13::50, 0] = np.nan, np.inf, np.nan
    found = fit_to(Window.of_points(draws, gradients, values))
    assert found.points <= 400 - 24
    assert np.isfinite(found.density.params).all()
    assert errors_of(found.density).std() < 0.3


def test_points_far_below_all_draws_are_left_out():
    points = points_of("gumbel")
    far = points.draws[:100] + np.array([15.0, 0.0, 0.0])
    gradients, values, value = np.empty_like(far), np.empty(100), np.empty(1)
    for i, place in enumerate(far):
        POPULATIONS["gumbel"].logp.python(np.zeros(1, np.int64), place, gradients[i], value)
        values[i] = value[0]
    together = Window.of_points(
        np.concatenate([points.draws, far]),
        np.concatenate([points.gradients, gradients]),
        np.concatenate([points.log_density, values]),
    )
    assert fit_to(together, points).points == fit_to(points).points == 400


@pytest.mark.parametrize("count", [0, 5, 30])
def test_too_few_points_teach_nothing(count):
    assert fit_to(points_of("gumbel").last(count)) is None


def test_features_are_fewer_than_what_is_known_of_them():
    points = points_of("gumbel").last(90)
    assert fit_to(points).density.features.count * POLICY.surrogate_equations <= 80 * (DIM + 1)
    assert fit_to(points, policy=replace(POLICY, surrogate_equations=5.0), degree=6) is None


@pytest.mark.parametrize("dim", [1, 5, 10, 20])
def test_candidates_keep_to_the_most_features(dim):
    found = candidates(dim, POLICY)
    assert found
    assert all(0 < one.count <= POLICY.surrogate_features for one in found)
    assert found == candidates(dim, POLICY)


def test_the_same_points_teach_the_same():
    one, other = (fit_to(points_of("gumbel")).density.params for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_tails_are_heavier_than_those_of_the_gaussian():
    density = fit_to(points_of("student")).density
    radius, fall, *_ = density.limits
    assert (DIM - 1) / radius < fall < radius
    direction = density.factor @ np.array([0.0, 0.6, 0.8])
    far = [density.at(density.mean + length * direction)[0] for length in (radius + 1, radius + 3)]
    assert far[0] - far[1] == pytest.approx(2 * fall)
