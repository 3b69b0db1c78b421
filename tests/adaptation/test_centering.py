"""Weights between centered and non-centered: those that theory has for normal hierarchies, from points alone."""

import numpy as np
import pytest

from pymc_symplectic.adaptation.centering import Placed, at_rest, better_weights, evidence
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
    return Placed(values - locations, locations, log_scales, slopes, now=np.broadcast_to(now, len(information)))


@pytest.mark.parametrize(("information", "least", "most"), [(0.01, 0.0, 0.0), (1.0, 0.3, 0.7), (300.0, 0.9, 1.0)])
@pytest.mark.parametrize("now", [0.0, 0.5, 1.0])
def test_poor_data_want_none_and_rich_ones_all(information, least, most, now):
    groups = np.full(20, information)
    weights = np.full(20, now)
    found = better_weights({"x": points_of(groups, weights)}, 400, POLICY)
    found = weights if found is None else found["x"]
    assert least <= found.mean() <= most


def test_groups_that_differ_clearly_have_weights_of_their_own():
    information = np.array([0.01] * 6 + [300.0] * 6)
    found = better_weights({"x": points_of(information, np.zeros(12))}, 400, POLICY)["x"]
    assert found[:6].max() < 0.3 and found[6:].min() > 0.7


def test_groups_that_are_alike_have_one():
    """Alone, from so few points, each would have another."""
    found = better_weights({"x": points_of(np.full(40, 3.0), np.zeros(40), count=60)}, 60, POLICY)["x"]
    assert len(set(found)) == 1 and 0.5 < found[0] < 1.0


def test_variables_are_told_apart():
    poor, rich = (points_of(np.full(5, information), np.zeros(5), count=60) for information in (0.01, 300.0))
    found = better_weights({"x": poor, "z": rich}, 60, POLICY)
    assert set(found["x"]) == {0.0} and found["z"].min() >= 0.9


def test_what_is_good_enough_is_kept():
    groups = np.full(8, 0.01)
    assert better_weights({"x": points_of(groups, np.zeros(8))}, 400, POLICY) is None
    rich = np.full(8, 300.0)
    assert better_weights({"x": points_of(rich, np.ones(8))}, 400, POLICY) is None


def test_coordinates_do_not_matter():
    """What is found is the same from points in other coordinates."""
    groups = np.full(8, 3.0)
    found = [placed.log_product(0.6) for now in (0.0, 0.4, 1.0) for placed in [points_of(groups, np.full(8, now))]]
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)


def test_numbers_beyond_all_bounds():
    placed = points_of(np.full(4, 1.0), np.zeros(4))
    wild = placed._replace(log_scales=placed.log_scales * 1e4)
    found = better_weights({"x": wild}, 400, POLICY)
    assert found is None or np.isfinite(found["x"]).all()
    still = Placed(*(np.zeros((50, 4)) for _ in range(4)), now=np.zeros(4))
    found = better_weights({"x": still}, 400, POLICY)
    assert found is None or np.isfinite(found["x"]).all()


def vectors_of(information, weight, count=400, seed=4):
    """Exact draws of ten vectors of two, whose covariance varies, by coordinates of a weight."""
    rng = np.random.default_rng(seed)
    spread, slope = 0.5 * rng.normal(size=(2, count))
    factors = np.exp(spread)[:, None, None] * np.eye(2)
    factors[:, 1, 0] = slope
    prior = np.linalg.inv(factors @ factors.swapaxes(1, 2))
    precision = prior + information * np.eye(2)
    data = rng.normal(size=(10, 2))
    mean = np.einsum("nij,rj->nri", np.linalg.inv(precision) * information, data)
    noise = rng.normal(size=(count, 10, 2))
    q = mean + np.einsum("nij,nrj->nri", np.linalg.cholesky(np.linalg.inv(precision)), noise)
    slopes = -np.einsum("nij,nrj->nri", precision, q - mean)
    scales = np.einsum("nii->ni", factors)
    before = np.eye(2) - scales[:, :, None] * np.linalg.inv(factors)
    locations = np.einsum("nij,nrj->nri", before, q)
    log_scales = np.broadcast_to(np.log(scales)[:, None], q.shape)
    flat = [part.reshape(count, 20) for part in (q - locations, locations, log_scales)]
    centered = Placed(*flat, slopes.reshape(count, 20), now=np.ones(20), before=before)
    slopes = centered._of_vectors(np.full(20, float(weight)))
    return centered._replace(slopes=slopes, now=np.full(20, float(weight)))


@pytest.mark.parametrize(("information", "least", "most"), [(0.01, 0.0, 0.0), (300.0, 0.9, 1.0)])
@pytest.mark.parametrize("now", [0.0, 0.5, 1.0])
def test_vectors(information, least, most, now):
    """Standardised where data are poor, though their slopes are then exact at all weights; of all, one weight."""
    found = better_weights({"x": vectors_of(information, now)}, 400, POLICY)
    found = np.full(20, now) if found is None else found["x"]
    assert least <= found.mean() <= most and len(set(found)) == 1


def test_vectors_standardised_are_white():
    """Without data, slopes in what is standardised are those of a standard normal."""
    placed = vectors_of(0.0, 0.0)
    np.testing.assert_allclose(placed.log_product(0.0), 0.0, atol=0.3)
    assert placed.log_product(1.0).min() > 0.3


def test_series_are_seen_along_their_steps():
    """Places of a walk depend on one another, and its steps do not: standardised, these are as the prior has them."""
    rng = np.random.default_rng(6)
    count, length = 400, 30
    log_scale = 0.7 * rng.normal(size=(count, 1))
    steps = np.exp(log_scale) * rng.normal(size=(count, length - 1))
    first = rng.normal(size=(count, 1))
    walk = np.concatenate([first, first + np.cumsum(steps, axis=1)], axis=1)
    by_step = -steps * np.exp(-2 * log_scale)  # slopes in the steps, and of places one less the next
    nothing = np.zeros((count, 1))
    slopes = np.concatenate([nothing, by_step], axis=1) - np.concatenate([by_step, nothing], axis=1)
    locations = np.concatenate([np.zeros((count, 1)), np.repeat(first, length - 1, axis=1)], axis=1)
    log_scales = np.concatenate([np.zeros((count, 1)), np.repeat(log_scale, length - 1, axis=1)], axis=1)
    placed = Placed(walk - locations, locations, log_scales, slopes, now=np.ones(length), length=length)
    np.testing.assert_allclose(placed.log_product(0.0), 0.0, atol=0.5)
    assert placed._replace(length=0).log_product(0.0)[1:].mean() > 2.0
    assert set(better_weights({"x": placed}, count, POLICY)["x"]) == {0.0}


@pytest.mark.parametrize("ratio", [0.1, 1.0, 20.0])
def test_evidence_of_a_scale(ratio):
    """That of normal effects by their marginal likelihood; from draws by twice too large a scale, too."""
    rng = np.random.default_rng(7)
    count, tau = 500, ratio**0.5  # the variance of data is 1
    y = rng.normal(size=count) * (1 + ratio) ** 0.5
    exact = 0.5 * (y**2 - y**2 / (1 + ratio) - np.log1p(ratio)).sum()
    for scale in (tau, 2 * tau):
        shrunk = scale**2 / (1 + scale**2)
        theta = shrunk * y + shrunk**0.5 * rng.normal(size=count)
        found, factor = evidence(0.5 * (y**2 - (y - theta) ** 2).sum(), count)
        assert found == pytest.approx(ratio, rel=0.2, abs=0.2)
        assert factor == pytest.approx(exact, rel=0.25, abs=15)


def test_evidence_without_numbers():
    assert evidence(np.inf, 3) == (np.inf, np.inf) and evidence(-5.0, 3) == (0.0, 0.0)


def test_where_data_are_rich_products_may_not_tell():
    """As where all groups move with another variable, and slopes and spreads are large by any weight."""
    rng = np.random.default_rng(8)
    placed = points_of(np.full(6, 300.0), np.zeros(6), count=60)
    together = 5.0 * rng.normal(size=(60, 1))
    hidden = placed._replace(
        deviations=placed.deviations + together, slopes=placed.slopes + 30.0 * rng.normal(size=(60, 6))
    )
    (best,) = better_weights({"x": hidden}, 60, POLICY, ["x"]).values()
    assert set(best) == {1.0}
    by_products = better_weights({"x": hidden}, 60, POLICY)
    assert by_products is None or by_products["x"].min() < 1.0
    poor = points_of(np.full(20, 0.01), np.zeros(20))
    assert better_weights({"x": poor}, 400, POLICY, ["x"]) is None  # whatever was thought of it


def test_points_on_their_way_are_told_by_their_log_density():
    rng = np.random.default_rng(5)
    typical = -0.5 * (rng.standard_normal((200, 40)) ** 2).sum(axis=1)
    assert at_rest(typical, 40, 2.0)
    assert not at_rest(typical + np.linspace(-500, 0, 200), 40, 2.0)
    assert at_rest(np.concatenate([np.linspace(-5000, -25, 100), typical]), 40, 2.0)  # it was long ago
