"""Adaptation at every draw of warm-up."""

import math

import numpy as np
import pytest
from laws.systems import DATA, DIM, POPULATIONS
from scipy.special import erfc

from pymc_symplectic import Policy, trajectories
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.adapt import GAMMA, new_learning, restart_step_size, store_draw, update_step_size
from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.chain import search_step_size
from pymc_symplectic.kernels.state import Point
from pymc_symplectic.trajectories import FixedSteps, FixedTime, NoUTurn

from .runs import LEARNS, TUNES_STEP, Run
from .test_chain import BREAKS

SETTLED = Policy().settled_gain


@pytest.mark.parametrize(("start", "near"), [(1e-3, False), (1.0, False), (1e3, False), (0.5, True), (2.0, True)])
@pytest.mark.parametrize("target", [0.5, 0.8, 0.95])
def test_dual_averaging_finds_where_a_known_acceptance_is_met(start, target, near):
    averaging, known = np.zeros(6), -math.log(target)
    start *= known if near else 1.0
    restart_step_size(averaging, start, *((1.0, SETTLED) if near else ()))
    assert np.exp(averaging[:2]) == pytest.approx(start)
    for _ in range(20_000):
        update_step_size(averaging, math.exp(-math.exp(averaging[0])), target)
    assert math.exp(averaging[1]) == pytest.approx(known, rel=0.05)


def test_a_hundred_draws_are_enough_where_the_step_size_is_known():
    # Acceptance falls faster than it rises, so step sizes that spread are, in the mean, too short.
    rng, met = np.random.default_rng(1), {False: [], True: []}
    for near, found in met.items():
        for _ in range(200):
            averaging = np.zeros(6)
            restart_step_size(averaging, 0.4, 1.0, SETTLED if near else GAMMA)
            for _ in range(100):
                accept = erfc(math.exp(2 * averaging[0]) / 4)
                update_step_size(averaging, rng.beta(4 * accept + 1e-9, 4 - 4 * accept + 1e-9), 0.8)
            found.append(erfc(math.exp(2 * averaging[1]) / 4))
    assert np.mean(met[True]) == pytest.approx(0.8, abs=0.02)
    assert np.mean(met[False]) > np.mean(met[True]) + 0.01


@pytest.mark.parametrize("flow", ["leapfrog", "bcss3"])
@pytest.mark.parametrize("trajectory", [FixedSteps(3, 0.5), FixedTime(6.0, 0.5), NoUTurn()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("target", [0.65, 0.8, 0.9])
def test_step_size_that_is_learned_is_accepted_as_wanted(target, trajectory, flow):
    run = Run(flow=flow, trajectory=trajectory, tunes=True, eps=0.01)
    run.learning.tuning[0] = target
    run.advance(3000)
    run.learning.tuning[TUNES_STEP] = False
    rows = run.advance(5000).rows
    assert len(np.unique(rows[:, column.STEP_SIZE])) == 1
    assert rows[:, column.MEAN_TREE_ACCEPT].mean() == pytest.approx(target, abs=0.05)


def test_step_size_is_no_longer_than_the_time_of_travel():
    run = Run(flow="blanes_moan4", trajectory=FixedTime(1.5, 0.5), tunes=True, logp=POPULATIONS["gaussian"].logp)
    run.advance(1000)
    assert np.exp(run.learning.step[:2]).max() <= 1.5 * 1.5 * (1 + 1e-12)


def test_step_size_stays_where_it_is_not_tuned():
    rows = Run(eps=0.3).advance(20).rows
    np.testing.assert_allclose(rows[:, column.STEP_SIZE], 0.3, rtol=1e-15)


# Moments and memory.


def test_moments_are_those_of_numpy():
    rng = np.random.default_rng(1)
    points = rng.standard_normal((500, 2, DIM)) * [1e-3, 1.0, 1e3] + [0.0, 1e3, 1e3]
    learning = new_learning(DIM, 0, 1.0, 0.8)
    for position, gradient in points:
        store_draw(learning, Point(position, gradient, np.zeros(1), np.zeros(1)))
    assert learning.counters[0] == 500
    np.testing.assert_allclose(learning.means, points.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(learning.squares / 499, points.var(axis=0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("trajectory", trajectories.CATALOGUE)
def test_chain_learns_the_draws_that_it_makes(trajectory):
    run = Run(trajectory=trajectory, memory=40, learns=True)
    draws = run.advance(40).draws
    gradients, value = np.empty_like(draws), np.empty(1)
    for draw, gradient in zip(draws, gradients, strict=True):
        POPULATIONS["gumbel"].logp.python(DATA, draw, gradient, value)
    np.testing.assert_array_equal(run.learning.draws, draws)
    np.testing.assert_allclose(run.learning.gradients, gradients, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.learning.means, [draws.mean(axis=0), gradients.mean(axis=0)], rtol=1e-12)
    np.testing.assert_allclose(run.learning.squares, [40 * draws.var(axis=0), 40 * gradients.var(axis=0)], rtol=1e-10)


def test_moments_go_on_when_the_memory_is_full():
    run = Run(memory=10, learns=True)
    draws = run.advance(25).draws
    assert run.learning.counters[0] == 25
    np.testing.assert_allclose(run.learning.means[0], draws.mean(axis=0), rtol=1e-12)
    assert {tuple(draw) for draw in run.learning.draws} <= {tuple(draw) for draw in draws}


def test_nothing_is_learned_that_is_not_asked_for():
    run = Run(memory=10)
    run.advance(20)
    assert not run.learning.counters.any()
    assert not run.learning.means.any()
    run.learning.tuning[LEARNS] = True
    run.advance(5)
    assert run.learning.counters[0] == 5


# The first step size.


@pytest.mark.parametrize("flow", ["leapfrog", "pefrl"])
@pytest.mark.parametrize("guess", [1e-8, 1.0, 1e8])
def test_search_finds_a_step_that_is_neither_refused_nor_wasted(guess, flow):
    for seed in range(5):
        run = Run(flow=flow, seed=seed)
        eps = search_step_size(run.system, run.state, guess, run.random)
        assert 0.1 < eps < 10
        np.testing.assert_array_equal(run.state.current.position, np.zeros(DIM))


@pytest.mark.parametrize("guess", [1e-3, 1.0, 1e3])
def test_search_is_the_same_in_python(guess):
    compiled, python = Run(), Run(python=True)
    with np.errstate(all="ignore"):
        expected = search_step_size.py_func(python.system, python.state, guess, python.random)
    assert search_step_size(compiled.system, compiled.state, guess, compiled.random) == expected


def test_search_says_when_the_log_density_broke():
    run = Run(logp=BREAKS, data=np.array([3]))
    assert math.isnan(search_step_size(run.system, run.state, 1e-3, run.random))


def _flat(data, position, gradient, value):
    value[0] = 0.0
    gradient[0] = gradient[1] = gradient[2] = 0.0
    return 0


FLAT = AddressedFunction(_flat, LOGP)


def test_search_ends_on_a_flat_log_density():
    run = Run(logp=FLAT)
    assert 0 < search_step_size(run.system, run.state, 1.0, run.random) < np.inf
