"""The approach: down to the typical set, the curvature there, fits to points, turns, and an end by itself."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pymc as pm
import pytest
from scipy.special import erfc

from pymc_symplectic import Policy
from pymc_symplectic.adaptation.approach import Approach, Seen
from pymc_symplectic.adaptation.curvature import probed
from pymc_symplectic.adaptation.descent import Place, descend
from pymc_symplectic.adaptation.efficiency import fit_of
from pymc_symplectic.adaptation.path import best_path, size_for
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.metrics import Dense, Diagonal
from pymc_symplectic.metrics.held_out import held_out_fit
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.trajectories import NoUTurn
from pymc_symplectic.window import Window

DIM = 12


def covariance(condition=1e4, dim=DIM, seed=1):
    axes = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]
    return (axes * np.geomspace(condition**-0.5, condition**0.5, dim)) @ axes.T


class Counted:
    """The place at a position, of a log-density with its gradient; how often it was asked for."""

    def __init__(self, log_density):
        self._log_density, self.count = log_density, 0

    def __call__(self, position):
        self.count += 1
        with np.errstate(all="ignore"):
            value, gradient = self._log_density(position)
        known = np.isfinite(value) and np.all(np.isfinite(gradient))
        return Place(position.copy(), float(value) if known else -np.inf, gradient)


def normal(matrix, mean=0.0):
    precision = np.linalg.inv(matrix)

    def log_density(q):
        return -0.5 * (q - mean) @ precision @ (q - mean), -precision @ (q - mean)

    return log_density


def down(log_density, start, policy=None):
    evaluate = Counted(log_density)
    places = descend(evaluate, evaluate(np.asarray(start, float)), policy or Policy())
    assert evaluate.count - 1 <= (policy or Policy()).descent and len(places) <= evaluate.count
    return places


# The way down.


@pytest.mark.parametrize("distance", [3.0, 1e3, 1e6])
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_the_way_down_ends_at_the_height_of_the_typical_set(distance, condition):
    places = down(normal(covariance(condition)), distance * np.ones(DIM))
    if condition == 1.0 or distance < 10:
        assert -3 * DIM < places[-1].value < 0
    assert places[-1].value == max(place.value for place in places)
    assert places[-1].value > 0.05 * places[0].value


def test_it_does_not_end_in_a_neck():
    """Of a funnel whose density rises without end towards it."""

    def log_density(q):
        v, x = q[0], q[1:]
        scaled = x * np.exp(-v)
        return -v * x.size - 0.5 * scaled @ scaled, np.append(-x.size + scaled @ scaled, -scaled * np.exp(-v))

    places = down(log_density, np.full(DIM, 1.0))
    assert places[-1].position[0] > -3


def test_it_passes_by_where_there_is_no_density():
    inside = normal(np.eye(3))

    def log_density(q):
        value, gradient = inside(q)
        return (value if np.all(np.abs(q) < 5) else np.nan), gradient

    places = down(log_density, np.full(3, 4.9))
    assert all(np.isfinite(place.value) for place in places) and places[-1].value > -5


@pytest.mark.parametrize("log_density", [lambda q: (0.0, 0 * q), lambda q: (-np.inf, 0 * q)])
def test_where_nothing_is_steep_it_stays(log_density):
    (only,) = down(log_density, np.ones(3))
    np.testing.assert_array_equal(only.position, 1.0)


def test_it_may_be_left_out(pair):
    policy = replace(Policy(), descent=0)
    for settings, moves in ((Settings.choose(policy=policy), False), (Settings.choose(), True)):
        chain = Chain(pair, settings, np.random.default_rng(1), tune=100)
        chain.start(np.full(2, 50.0))
        assert np.array_equal(chain.position, np.full(2, 50.0)) is not moves


@pytest.mark.parametrize("options", [{"tune": 0}, {"tune": 5}])
def test_a_chain_that_does_not_learn_begins_where_it_is_told_to(pair, options):
    chain = Chain(
        pair, Settings.choose(), np.random.default_rng(1), **{"tune": 0, **options} if options["tune"] == 0 else {}
    )
    chain.start(np.full(2, 50.0))
    np.testing.assert_array_equal(chain.position, 50.0)


# The curvature.


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e6])
def test_probes_tell_the_covariance_of_a_normal(condition):
    matrix, rng = covariance(condition), np.random.default_rng(2)
    evaluate, start = Counted(normal(matrix)), DenseMap(np.eye(DIM))
    found = probed(
        evaluate, evaluate(np.ones(DIM)), start, lambda *shape: rng.standard_normal(shape), lambda _: 0.1, Policy()
    )
    assert evaluate.count == 1 + DIM or condition == 1e6  # where they have to be shorter
    inner = np.linalg.solve(found.factor, np.linalg.cholesky(matrix))
    spread = np.linalg.svd(inner, compute_uv=False)
    assert spread.max() / spread.min() < (2 if condition < 1e6 else 100)


def test_probes_that_find_no_density_change_nothing():
    rng, start = np.random.default_rng(2), DenseMap(2 * np.eye(3))
    nowhere = Counted(lambda q: (-np.inf, q))
    here = Place(np.zeros(3), 0.0, np.zeros(3))
    assert probed(nowhere, here, start, lambda *shape: rng.standard_normal(shape), lambda _: 1.0, Policy()) is start


# Fits.


def points_of(matrix, count, rng, noise=0.0):
    draws = rng.standard_normal((count, len(matrix))) @ np.linalg.cholesky(matrix).T
    gradients = -np.linalg.solve(matrix, draws.T).T
    return draws, gradients * (1 + noise * rng.standard_normal(gradients.shape))


def mismatch(factor, matrix):
    spread = np.linalg.svd(np.linalg.solve(factor, np.linalg.cholesky(matrix)), compute_uv=False)
    return spread.max() / spread.min()


@pytest.mark.parametrize("count", [20, 100, 1000])
def test_a_fit_to_points_of_a_normal(count):
    matrix = covariance()
    found = held_out_fit(np.eye(DIM), *points_of(matrix, count, np.random.default_rng(3)))
    assert mismatch(found, matrix) < 1.5 and np.allclose(found, np.tril(found)) and np.all(np.diag(found) > 0)


def test_a_fit_begins_from_the_metric_in_use():
    """Which knows what few points do not tell: fewer than parameters."""
    matrix = covariance()
    known = np.linalg.cholesky(1.5 * matrix)
    found = held_out_fit(known, *points_of(matrix, 8, np.random.default_rng(3)))
    assert mismatch(found, matrix) < 3


def test_a_fit_stays_simple_where_points_are_few_and_noisy():
    rng, dim = np.random.default_rng(4), 60
    matrix = np.diag(np.geomspace(0.1, 10, dim))
    found = held_out_fit(np.eye(dim), *points_of(matrix, 80, rng, noise=1.0))
    assert mismatch(found, matrix) < 6


def test_points_of_the_way_down_are_forgotten():
    matrix, rng = covariance(), np.random.default_rng(5)
    early, late = points_of(np.eye(DIM) * 1e4, 100, rng), points_of(matrix, 300, rng)
    found = held_out_fit(np.eye(DIM), *(np.concatenate(parts) for parts in zip(early, late, strict=True)))
    assert mismatch(found, matrix) < 2


def test_a_fit_to_too_few_points_or_to_none_that_are_numbers():
    factor = np.eye(DIM)
    draws, gradients = points_of(covariance(), 5, np.random.default_rng(6))
    assert held_out_fit(factor, draws, gradients) is factor
    assert held_out_fit(factor, np.full((20, DIM), np.nan), np.full((20, DIM), np.nan)) is factor


# The path, and the step size.


@pytest.mark.parametrize(("kappa", "steps"), [(1e-4, {1}), (0.05, {1, 2}), (3.0, {3, 4, 6})])
def test_the_best_path_follows_from_acceptances(kappa, steps):
    rng = np.random.default_rng(7)
    counts, sizes = rng.integers(1, 4, 150), rng.uniform(0.3, 1.5, 150)
    accept = np.clip(erfc(np.sqrt(kappa * counts * sizes**6 / 8)) + 0.1 * rng.standard_normal(150), 0, 1)
    found = best_path(counts, sizes, accept, Policy())
    assert found.steps in steps and 0.75 <= found.accept <= 1 and 0 < found.efficiency < 1
    expected = erfc(np.sqrt(kappa * found.steps * (found.time / found.steps) ** 6 / 8))
    assert found.accept == pytest.approx(expected, abs=0.08)
    assert np.ceil(found.time * 1.3 / found.step_size(0.3)) == found.steps


def test_no_path_is_the_best_where_none_is_accepted():
    assert best_path(np.ones(50), np.full(50, 0.1), np.zeros(50), replace(Policy(), turn_steps=(1,))) is None


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("target", [0.7, 0.8, 0.95])
def test_a_step_size_follows_from_acceptances(order, target):
    rng = np.random.default_rng(8)
    sizes = np.exp(rng.normal(np.log(0.3), 0.5, 40))
    accept = np.clip(erfc((sizes / 0.6) ** order) + 0.1 * rng.standard_normal(40), 0, 1)
    assert erfc((size_for(target, sizes, accept, order) / 0.6) ** order) == pytest.approx(target, abs=0.06)


def test_the_approach_is_made_in_whole_steps_whatever_becomes_of_them_later():
    with pm.Model() as model:
        pm.Normal("x", 0.0, np.geomspace(0.1, 10.0, 4), shape=4)
    target, runs = LogDensity(model=model), []
    for trajectory in (NoUTurn(), NoUTurn(refine=6, refine_above=1e-3)):
        chain = Chain(target, Settings.choose(trajectory=trajectory), np.random.default_rng(1), 300)
        chain.start(np.full(4, 30.0))
        runs.append((chain.advance(20), chain.advance(280)))
    early, later = ([rows[:, column.N_GRADIENTS].sum() for _, rows in parts] for parts in zip(*runs, strict=True))
    assert early[0] == early[1] and later[1] > 2 * later[0]


# How far it has come.


def block(count, end, steps=1.0, accept=0.9):
    zeros, ones = np.zeros((count, 2)), np.ones(count)
    window = Window.of_points(zeros, zeros, np.zeros(count), end)
    return replace(window, steps=steps * ones, accept=accept * ones, sizes=ones)


GOOD, POOR = Seen(0.1, 0.1, 0.2, 0.2), Seen(3.0, 0.1, 5.0, 0.2)


def test_the_end_of_no_u_turn_draws():
    approach = Approach(Policy(), 2)
    approach.take(block(39, 39))
    approach.fitted(Seen(0.1, 0.1, 0.9, 0.9), 100, 100)
    assert not approach.settled(GOOD)
    approach.take(block(40, 40))  # of which 39 were taken in before
    assert approach.settled(GOOD) and not approach.settled(POOR)
    approach.fitted(GOOD, 100, 100)  # nearly normal: worth a better metric
    assert not approach.settled(GOOD)
    approach.take(block(160, 200))
    assert approach.settled(GOOD)


def test_where_draws_diverge_there_are_enough_of_them_to_tell_whether_steps_have_to_be_divided():
    policy = Policy().sharing()
    for diverging, ends in ((0, policy.settled_draws), (1, policy.settled_risky)):
        approach, calm = Approach(policy, 2), block(policy.settled_draws - 1, policy.settled_draws - 1)
        approach.take(replace(calm, diverged=np.arange(len(calm.draws)) >= len(calm.draws) - diverging))
        approach.fitted(Seen(0.1, 0.1, 0.9, 0.9), 100, 100)
        while not approach.settled(GOOD):
            approach.take(block(1, approach.snapshot()["drawn"] + 1))
        assert approach.snapshot()["drawn"] == ends


def test_turns_are_proved_or_given_up():
    approach = Approach(Policy(), 2)
    assert approach.may_turn(GOOD, 31) and not approach.may_turn(GOOD, 30) and not approach.may_turn(POOR, 31)
    approach.turn(31)
    approach.take(block(99, 99))
    assert not approach.settled(GOOD) and approach.doubtful and not approach.astray(0.2)
    approach.take(block(100, 100))
    assert approach.settled(GOOD) and approach.path.steps == 2
    assert approach.astray(0.5)  # too far from a normal
    approach.take(block(10, 110, accept=0.01))
    assert approach.astray(0.2)  # too many are refused
    approach.turn_back()
    assert not approach.turning and not approach.doubtful


def test_blocks_grow_and_points_are_thinned():
    policy = Policy()
    approach, lengths = Approach(policy, 2), []
    for _ in range(20):
        lengths.append(approach.due - approach.seen)
        approach.fitted(GOOD, approach.due, 2 * approach.due)
    assert lengths[0] == policy.first_block and lengths[-1] == policy.largest_block
    assert approach.stride == 2 * approach.seen // policy.trail > 1
    assert Approach(policy, 1000).due == 250 and Approach(policy, 100_000).due == policy.largest_first_block


def test_an_approach_is_what_its_snapshot_says():
    approach, other = Approach(Policy(), 2), Approach(Policy(), 2)
    approach.take(block(20, 20))
    approach.turn(31)
    approach.take(block(50, 70))
    approach.fitted(GOOD, 90, 90)
    snapshot = json.loads(json.dumps(approach.snapshot()))
    other.restore(snapshot)
    assert other.snapshot() == approach.snapshot() == snapshot
    for name, value in {
        "fits": -1,
        "stride": 0,
        "over": 1,
        "block": np.nan,
        "turns": [[1.0, 2.0]],
        "free": 1.5,
    }.items():
        with pytest.raises(ValueError):
            other.restore({**snapshot, name: value})


# What a chain makes of it.


@pytest.fixture(scope="module")
def pair():
    with pm.Model() as model:
        pm.Normal("x", 0, np.array([1.0, 100.0]), shape=2)
    return LogDensity(model=model)


@pytest.fixture(scope="module")
def skewed():
    with pm.Model() as model:
        x = pm.Normal("x", shape=3)
        pm.Potential("skew", pm.logp(pm.Gumbel.dist(0, 0.5), x).sum())
    return LogDensity(model=model)


def chain_on(target, seed=1, tune=1000, open_ended=True, **options):
    chain = Chain(target, Settings.choose(**options), np.random.default_rng(seed), tune, open_ended)
    chain.start(np.full(target.dim, 3.0))
    return chain


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_warm_up_that_ends_by_itself(pair, seed):
    chain = chain_on(pair, seed)
    draws, rows = chain.advance(1000)
    end = chain.snapshot()["end"]
    made = ~np.isnan(draws).any(axis=1)
    assert 100 <= end < 400 and made[:end].all() and not made[end:].any()
    assert chain.count == 1000 and chain.choice["integrator"] == "harmonic_leapfrog"
    assert rows[:, column.N_GRADIENTS].sum() < 600 and not rows[end:, column.N_GRADIENTS].any()
    assert np.isnan(rows[end:, column.ENERGY]).all() and not rows[end:, column.DIVERGING].any()
    draws, rows = chain.advance(2000)
    assert np.isfinite(draws).all() and rows[:, column.STEP_SIZE].min() == rows[:, column.STEP_SIZE].max()
    np.testing.assert_allclose(draws.std(axis=0), [1, 100], rtol=0.1)
    assert rows[:, column.MEAN_TREE_ACCEPT].mean() == pytest.approx(chain.choice["target_accept"], abs=0.1)


@pytest.mark.parametrize("options", [{}, {"trajectory": "no_u_turn"}, {"kinetic": "adaptive"}, {"metric": "low_rank"}])
@pytest.mark.parametrize("open_ended", [True, False])
def test_advance_in_parts_and_after_restores_is_advance_at_once(skewed, options, open_ended):
    tune, rng = (1000 if open_ended else 250), np.random.default_rng(9)
    whole = chain_on(skewed, tune=tune, open_ended=open_ended, **options)
    draws, rows = whole.advance(tune + 30)
    part, made, pieces = chain_on(skewed, tune=tune, open_ended=open_ended, **options), 0, []
    while made < tune + 30:
        count = min(int(rng.integers(1, 12)), tune + 30 - made)
        pieces.append(part.advance(count))
        made += count
        if rng.random() < 0.3:
            other = Chain(skewed, part.settings, np.random.default_rng(0), tune, open_ended)
            other.restore(part.snapshot())
            part = other
    np.testing.assert_array_equal(draws, np.concatenate([piece[0] for piece in pieces]))
    np.testing.assert_array_equal(rows, np.concatenate([piece[1] for piece in pieces]))
    assert whole.choice == part.choice


def test_a_step_size_that_is_given_is_kept_throughout(skewed):
    chain = chain_on(skewed, step_size=0.4)
    _, rows = chain.advance(1010)
    np.testing.assert_array_equal(rows[:, column.STEP_SIZE], 0.4)


@pytest.mark.parametrize("damage", ["trail", "end", "approach"])
def test_a_state_that_no_chain_comes_to_is_refused(skewed, damage):
    chain = chain_on(skewed)
    chain.advance(5)
    snapshot = chain.snapshot()
    broken = {
        "trail": {**snapshot["trail"], "positions": snapshot["trail"]["positions"][:-1]},
        "end": 1001,
        "approach": {**snapshot["approach"], "over": True},
    }
    with pytest.raises(ValueError):
        chain_on(skewed).restore({**snapshot, damage: broken[damage]})


# Metrics that points of trajectories would mislead.


class SpreadOfDraws(Diagonal):
    """A metric of somebody's own that reads positions alone, and what it has been given."""

    name = "spread"
    by_points = False
    seen: ClassVar[list] = []

    def fit(self, current, window):
        self.seen.append((len(window.draws), window.count))
        return super().fit(current, window)


@pytest.mark.parametrize("open_ended", [True, False])
@pytest.mark.parametrize("metric", [SpreadOfDraws(), Dense(fit_to="draws"), Diagonal(fit_to="draws")])
def test_a_metric_of_positions_alone_is_fitted_to_windows_of_draws(metric, open_ended, long_normal):
    SpreadOfDraws.seen.clear()
    chain = Chain(long_normal, Settings.choose(metric=metric), np.random.default_rng(2), 600, open_ended)
    chain.start(np.ones(long_normal.dim))
    draws, rows = chain.advance(700)
    assert np.isfinite(draws).all() and "draws alone" in chain.snapshot()["approach"]["reason"]
    assert rows[:, column.N_GRADIENTS].sum() < 40_000  # five times as many where points had shortened its paths
    if metric.name == "spread":
        assert SpreadOfDraws.seen and all(count >= 60 for _, count in SpreadOfDraws.seen)
    np.testing.assert_allclose(draws[600:].std(axis=0), LONG, rtol=0.5)


LONG = np.geomspace(0.1, 10, 30)


@pytest.fixture(scope="module")
def long_normal():
    with pm.Model():
        pm.Normal("x", 0, LONG)
        return LogDensity()


@pytest.mark.parametrize(("count", "dim"), [(30, 5), (100, 300), (300, 100)])
def test_distance_from_a_gaussian_in_any_dimension(count, dim):
    rng = np.random.default_rng(0)
    white = rng.standard_normal((count, dim))
    assert fit_of(white, -white) == (0.0, 0.0)
    slope = 0.3 * rng.standard_normal((count, dim)) - white
    rest, distance = fit_of(white, slope)
    z, s = white - white.mean(axis=0), slope - slope.mean(axis=0)
    largest = np.linalg.svd(z + s, compute_uv=False)[0] ** 2
    assert distance == pytest.approx(largest / np.sqrt((z**2).sum() * (s**2).sum()) * dim, rel=1e-3)
    assert rest == pytest.approx(np.mean((z + s) ** 2))
