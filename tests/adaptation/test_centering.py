"""Weights between centered and non-centered: those that theory has for normal hierarchies, from points alone."""

import numpy as np
import pytest

from pymc_symplectic.adaptation.centering import Placed, better_weights
from pymc_symplectic.policy import Policy

POLICY = Policy()


def points_of(information, now, count=400, spread=0.5, seed=3):
    """Exact draws of normal groups with so much information each, and gradients by coordinates of weights in use.

    Of group i, q has location μ and scale σ, which vary, and data of precision `information`.
    """
    rng = np.random.default_rng(seed)
    information = np.asarray(information, float)
    log_scales = np.repeat(spread * rng.normal(size=(count, 1)), len(information), axis=1)
    locations = np.repeat(rng.normal(size=(count, 1)), len(information), axis=1)
    data = 0.7 * rng.normal(size=len(information))
    prior = np.exp(-2 * log_scales)
    precision = prior + information
    values = (prior * locations + information * data) / precision + rng.normal(size=precision.shape) / precision**0.5
    slopes = -(prior * (values - locations) + information * (values - data)) * np.exp((1 - now) * log_scales)
    return Placed(values - locations, locations, log_scales, slopes)


@pytest.mark.parametrize(("information", "least", "most"), [(0.01, 0.0, 0.0), (1.0, 0.3, 0.7), (300.0, 0.9, 1.0)])
@pytest.mark.parametrize("now", [0.0, 0.5, 1.0])
def test_poor_data_want_none_and_rich_ones_all(information, least, most, now):
    groups = np.full(20, information)
    weights = np.full(20, now)
    found = better_weights(points_of(groups, weights), weights, [20], 400, POLICY)
    found = weights if found is None else found
    assert least <= found.mean() <= most


def test_groups_that_differ_clearly_have_weights_of_their_own():
    information = np.array([0.01] * 6 + [300.0] * 6)
    found = better_weights(points_of(information, np.zeros(12)), np.zeros(12), [12], 400, POLICY)
    assert found[:6].max() < 0.3 and found[6:].min() > 0.7


def test_groups_that_are_alike_have_one():
    """Alone, from so few points, each would have another."""
    found = better_weights(points_of(np.full(40, 3.0), np.zeros(40), count=60), np.zeros(40), [40], 60, POLICY)
    assert len(set(found)) == 1 and 0.5 < found[0] < 1.0


def test_variables_are_told_apart():
    information = np.array([0.01] * 5 + [300.0] * 5)
    found = better_weights(points_of(information, np.zeros(10), count=60), np.zeros(10), [5, 10], 60, POLICY)
    assert set(found[:5]) == {0.0} and found[5:].min() >= 0.9


def test_what_is_good_enough_is_kept():
    groups = np.full(8, 0.01)
    assert better_weights(points_of(groups, np.zeros(8)), np.zeros(8), [8], 400, POLICY) is None
    rich = np.full(8, 300.0)
    assert better_weights(points_of(rich, np.ones(8)), np.ones(8), [8], 400, POLICY) is None


def test_coordinates_do_not_matter():
    """What is found is the same from points in other coordinates."""
    groups = np.full(8, 3.0)
    found = [
        placed.log_product(0.6, np.full(8, now))
        for now in (0.0, 0.4, 1.0)
        for placed in [points_of(groups, np.full(8, now))]
    ]
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)


def test_numbers_beyond_all_bounds():
    placed = points_of(np.full(4, 1.0), np.zeros(4))
    wild = placed._replace(log_scales=placed.log_scales * 1e4)
    found = better_weights(wild, np.zeros(4), [4], 400, POLICY)
    assert found is None or np.isfinite(found).all()
    still = Placed(*(np.zeros((50, 4)) for _ in range(4)))
    found = better_weights(still, np.zeros(4), [4], 400, POLICY)
    assert found is None or np.isfinite(found).all()
