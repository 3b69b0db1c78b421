"""Chains at the end of their warm-up: which are told to begin anew elsewhere, and where."""

import math

import numpy as np
import pytest

from pymc_symplectic import Policy
from pymc_symplectic.adaptation.gathering import Gathering, Verdict, verdicts
from pymc_symplectic.adaptation.stranded import log_volume
from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap, LowRankMap
from pymc_symplectic.window import Window

DIM = 3


def gathering(height, sd=1.0, *, at=0.0, rounds=1, waits=True):
    """That of a chain whose place is normal, with so high a mean log-density."""
    rng, found = np.random.default_rng(0), Gathering(DIM, waits)
    for _ in range(rounds):
        z = rng.normal(size=(60, DIM))
        draws = at + sd * z
        window = Window.of_points(draws, -z / sd, height + (DIM - (z**2).sum(axis=1)) / 2)
        found.arrive(window, np.zeros(60), DiagonalMap(np.full(DIM, 7.0)), draws[-1], Policy())
    return found


@pytest.mark.parametrize("kind", ["diagonal", "dense", "low_rank", "from outside"])
def test_volume(kind):
    """That of a normal, by a metric that fits its correlations, and between bounds by one that does not."""
    factor = np.linalg.cholesky(np.array([[4.0, 1.9, 0.0], [1.9, 1.0, 0.0], [0.0, 0.0, 9.0]]))
    z = np.random.default_rng(1).normal(size=(20_000, DIM))
    along = np.linalg.svd(factor / np.linalg.norm(factor, axis=1)[:, None])
    maps = {
        "diagonal": DiagonalMap(np.array([0.1, 5.0, 2.0])),
        "dense": DenseMap(factor),
        "low_rank": LowRankMap(np.linalg.norm(factor, axis=1), np.ascontiguousarray(along[0].T), along[1]),
        "from outside": object(),
    }
    most, least = log_volume(z @ factor.T, -z @ np.linalg.inv(factor), maps[kind])
    truth = np.log(np.diag(factor)).sum()
    if kind in ("dense", "low_rank"):
        assert (most, least) == pytest.approx((truth, truth), abs=0.02)
    else:
        assert least + 1 < truth < most - 1


def said_of(*chains, policy=None):
    said = verdicts({number: chain.snapshot() for number, chain in enumerate(chains)}, policy or Policy())
    return [said[number].position is not None for number in sorted(said)]


def test_one_that_is_far_below_is_moved_to_where_another_is():
    high, low = gathering(-10.0, at=5.0), gathering(-50.0)
    assert said_of(high, low, high) == [False, True, False]
    (verdict,) = [
        said for said in verdicts({7: low.snapshot(), 8: high.snapshot()}, Policy()).values() if said[1] is not None
    ]
    np.testing.assert_array_equal(verdict.position, high.levels[0, 4:])


def test_those_that_are_moved_are_spread():
    high = [gathering(-10.0, at=place) for place in (5.0, 6.0)]
    said = verdicts({n: chain.snapshot() for n, chain in enumerate([*high, *2 * [gathering(-50.0)]])}, Policy())
    assert not np.array_equal(said[2].position, said[3].position)


@pytest.mark.parametrize("below", [0.0, 5.0, 12.0])
def test_chance_and_lesser_modes_move_nobody(below):
    assert said_of(gathering(-10.0), gathering(-10.0 - below)) == [False, False]


def test_volume_makes_up_for_height():
    """As of a funnel: its neck is high and narrow."""
    neck = gathering(30.0, sd=1e-8)
    assert -DIM * math.log(1e-8) > 40.0
    assert said_of(neck, gathering(-10.0)) == [False, False]
    assert said_of(gathering(30.0), gathering(-10.0, sd=1e-8)) == [False, True], "a smaller place is no better"


@pytest.mark.parametrize("height", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_place_to_go_to(height):
    with np.errstate(invalid="ignore"):
        odd = gathering(height)
    assert said_of(odd, odd) == [False, False]
    assert not said_of(gathering(-10.0), odd)[0]


def test_one_that_was_leaving_is_moved_too():
    """What it has learned is of both places."""
    leaving = gathering(-50.0)
    leaving.levels[0, :2] = -35.0, 20.0
    assert said_of(gathering(-10.0), leaving) == [False, True]


def test_nobody_is_moved_where_that_is_not_wanted():
    policy = Policy(stranded_gap=math.inf)
    assert said_of(gathering(-10.0), gathering(-5000.0), policy=policy) == [False, False]


def test_a_chain_that_does_not_wait_hears_nothing():
    alone = gathering(-10.0, waits=False)
    assert not alone.waiting and alone.hear(Verdict(0, np.zeros(DIM))) is None and not alone.judged


def test_nobody_is_sent_to_a_place_that_is_left():
    places = [gathering(height, at=at) for height, at in ((-50.0, 1.0), (-50.0, 1.0), (-10.0, 2.0), (-90.0, 3.0))]
    said = verdicts({n: place.snapshot() for n, place in enumerate(places)}, Policy())
    assert [verdict.position is not None for verdict in said.values()] == [True, True, False, True]
    np.testing.assert_array_equal(said[3].position, places[2].levels[0, 4:])


def test_few_draws_tell_nothing():
    found = Gathering(DIM, True)
    few, metric = Window.of_points(np.eye(DIM), np.eye(DIM), np.zeros(DIM)), DiagonalMap(np.ones(DIM))
    found.arrive(few, np.zeros(DIM), metric, np.zeros(DIM), Policy())
    assert not found.waiting


def test_a_verdict_is_heard_once_and_is_the_same_later_on():
    high, low = gathering(-10.0), gathering(-50.0)
    before = verdicts({0: high.snapshot(), 1: low.snapshot()}, Policy())
    assert high.hear(before[0]) is before[0] and not high.waiting
    assert high.hear(before[0]) is None and high.judged == 1
    again = verdicts({0: high.snapshot(), 1: low.snapshot()}, Policy())
    assert list(again) == [1], "what one has heard is not said again"
    np.testing.assert_array_equal(again[1].position, before[1].position)
    assert low.hear(again[1]) is again[1] and not low.waiting
    assert low.hear(Verdict(0, None)) is None and low.judged == 1


def test_one_that_has_come_to_a_second_end_is_compared_anew():
    high, low = gathering(-10.0), gathering(-50.0, rounds=2)
    low.hear(Verdict(0, None))
    assert low.waiting and said_of(high, low) == [False, True]
    restored = Gathering(DIM, True)
    restored.restore(low.snapshot())
    assert restored.waiting and restored.judged == 1 and np.array_equal(restored.levels, low.levels)
