"""What chains have learned together: averages where they agree, and nothing where they do not."""

import re

import numpy as np
import pytest
from hand_made import COVARIANCE, new_chain, new_learned, on_a_path
from numpy.testing import assert_allclose

from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap, LowRankMap


def covariance(chain):
    return chain.metric.apply(chain.metric.adjoint(np.eye(3)))


def test_one_chain_is_all_there_is():
    learned = new_learned(new_chain())
    assert learned.pooled is learned.chains[0]


def test_covariances_and_means_are_averaged():
    pooled = new_learned(new_chain(), new_chain(2.0, shift=0.5, step_size=0.1)).pooled
    assert_allclose(covariance(pooled), COVARIANCE * 2.5, rtol=1e-12)
    assert_allclose(pooled.mean, [0.35, 0.25, -0.05])
    assert pooled.step_size == pooled.choice["step_size"] == pytest.approx(np.sqrt(0.07))


def test_diagonals_are_averaged():
    chains = [new_chain(metric=DiagonalMap(np.full(3, scale))) for scale in (1.0, 2.0)]
    assert_allclose(new_learned(*chains).pooled.metric.scale, np.sqrt(2.5))


def test_of_low_rank_metrics_the_middle_one_is_taken():
    metrics = [LowRankMap(np.full(3, scale), np.zeros((0, 3)), np.zeros(0)) for scale in (1.0, 3.0, 1.6)]
    assert new_learned(*(new_chain(metric=metric) for metric in metrics)).pooled.metric is metrics[2]


def test_the_path_is_that_of_most_chains():
    pooled = new_learned(on_a_path(1.0, 0.5), new_chain(), on_a_path(2.0, 2.0)).pooled
    assert pooled.integrator == "harmonic_leapfrog" and pooled.trajectory == "fixed_time of 1.41"
    name, size, _, time, jitter, accept, repeats = pooled.state["tuner"]["found"]
    assert (name, jitter, repeats) == ("harmonic_leapfrog", 0.3, 1)
    assert (size, time, accept) == pytest.approx((1.0, np.sqrt(2), 0.9)) and pooled.step_size == pytest.approx(1.0)
    even = new_learned(on_a_path(1.0), new_chain()).pooled
    assert even.trajectory == "no_u_turn" and even.state["tuner"]["found"] is None and even.step_size == 0.7


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (new_chain(5.0), "metrics that differ by a factor of 5 along"),
        (new_chain(0.2), "metrics that differ by a factor of 5 along"),
        (new_chain(shift=20.0), "means that are .* standard deviations apart"),
        (new_chain(mean=None), "not both a mean"),
        (new_chain(metric=DiagonalMap(np.ones(3))), "metrics of different kinds"),
        (new_chain(weights=np.array([1.0, 0.0, 1.0])), "coordinates that are centered by different weights"),
    ],
)
def test_chains_that_differ(other, words):
    learned = new_learned(new_chain(), other)
    assert learned.pooled is None
    assert re.search(f"chain 1 and chain 0 have {words}", learned.disagreement)


def test_a_narrow_direction_that_no_variance_shows():
    """Two matrices with the same diagonal, of correlations 0.99 and -0.99."""
    factors = [np.eye(3), np.eye(3)]
    for factor, sign in zip(factors, (1, -1), strict=True):
        factor[1, :2] = 0.99 * sign, np.sqrt(1 - 0.99**2)
    learned = new_learned(*(new_chain(metric=DenseMap(factor)) for factor in factors))
    assert "metrics that differ by a factor" in learned.disagreement


def test_last_draws_count_where_no_means_are_known():
    assert new_learned(new_chain(mean=None), new_chain(mean=None, position=np.array([3.0, -0.2, 1.0]))).pooled
    apart = new_learned(new_chain(mean=None), new_chain(mean=None, position=np.array([30.0, -0.2, 1.0])))
    assert "last draws that are" in apart.disagreement


def test_a_chain_goes_by_the_nearest():
    here, there = new_chain(), new_chain(shift=50.0)
    learned = new_learned(here, there)
    assert learned.of(here.position) is here and learned.of(there.position + 3.0) is there
    assert [learned.start(i)[0] for i in range(3)] == [0.5, 50.5, 0.5]
    agreed = new_learned(here, new_chain(1.1))
    assert agreed.of(there.position) is agreed.pooled
