"""Metrics: what is learned from draws of a known covariance, what is kept, and what is refused."""

import dataclasses
import pickle
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytest
from numba.extending import register_jitable

import pymc_symplectic as ps
from pymc_symplectic import metrics
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import linear
from pymc_symplectic.kernels.adapt import new_learning, store_draw
from pymc_symplectic.kernels.state import Point
from pymc_symplectic.metrics import CATALOGUE, Metric, get
from pymc_symplectic.metrics.estimate import geometric_mean
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.trajectories import FixedSteps
from pymc_symplectic.window import Window

DIM = 6
LEARNED = {
    "diagonal": ps.Diagonal(),
    "diagonal, draws": ps.Diagonal(fit_to="draws"),
    "dense": ps.Dense(),
    "dense, draws": ps.Dense(fit_to="draws"),
    "low_rank": ps.LowRank(),
}
learned = pytest.mark.parametrize("metric", LEARNED.values(), ids=LEARNED)


def matrix_of(linear_map, dim=DIM):
    """L, as what drifts of unit velocity make of it."""
    columns = np.zeros((dim, dim))
    for column, unit in zip(columns, np.eye(dim), strict=True):
        linear.drift(linear_map, 1.0, unit, column)
    return columns.T


def inverse_mass(linear_map, dim=DIM):
    factor = matrix_of(linear_map, dim)
    return factor @ factor.T


def seen(draws, gradients, memory=10_000):
    """The window of a chain that has made these draws and gradients, (n, d) each."""
    learning = new_learning(draws.shape[1], min(memory, len(draws)), 1.0, 0.8)
    for draw, gradient in zip(draws, gradients, strict=True):
        store_draw(learning, Point(draw, gradient, np.zeros(1), np.zeros(1)))
    return Window.of(learning)


def gaussian(covariance, count=1500, seed=5):
    """Draws from N(3, covariance), and the gradients of its log-density there."""
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(count, len(covariance))) @ np.linalg.cholesky(covariance).T
    return draws + 3.0, -np.linalg.solve(covariance, draws.T).T


def correlated(spread=100.0):
    """A covariance with a correlation of 0.99, and scales of which the largest is `spread` times the smallest."""
    scale = np.geomspace(1.0, spread, DIM)
    covariance = np.outer(scale, scale) * 0.3
    covariance[np.diag_indices(DIM)] = scale**2
    covariance[0, 1] = covariance[1, 0] = 0.99 * scale[0] * scale[1]
    return covariance


def condition(linear_map, covariance):
    """Of the covariance in the coordinates that the map whitens: 1 where it does so wholly."""
    white = np.linalg.inv(matrix_of(linear_map, len(covariance)))
    return np.linalg.cond(white @ covariance @ white.T)


# Learning.


@pytest.mark.parametrize("name", ["dense", "low_rank"])
def test_covariance_of_a_gaussian_is_found(name):
    # Draws and gradients together give it nearly without noise, whatever the draws happened to be.
    covariance = correlated()
    metric = LEARNED[name]
    found = metric.fit(metric.start(np.ones(DIM)), seen(*gaussian(covariance)))
    if name == "dense":
        np.testing.assert_allclose(inverse_mass(found), covariance, rtol=0.05)
    assert condition(found, covariance) < 2.5


def test_covariance_of_draws_is_found():
    covariance = correlated()
    found = inverse_mass(ps.Dense(fit_to="draws").fit(ps.Dense().start(np.ones(DIM)), seen(*gaussian(covariance))))
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.15)


def test_variances_of_independent_parameters_are_found():
    variance = np.geomspace(1e-6, 1e6, DIM)
    window = seen(*gaussian(np.diag(variance)))
    start = ps.Diagonal().start(np.ones(DIM))
    np.testing.assert_allclose(ps.Diagonal().fit(start, window).scale ** 2, variance, rtol=1e-6)
    # Draws alone are shrunk towards the variance in use, which matters less from window to window.
    by_draws = ps.Diagonal(fit_to="draws")
    for _ in range(8):
        start = by_draws.fit(start, window)
    np.testing.assert_allclose(start.scale**2, variance, rtol=0.15)


def test_best_diagonal_of_correlated_parameters():
    covariance = correlated()
    found = ps.Diagonal().fit(ps.Diagonal().start(np.ones(DIM)), seen(*gaussian(covariance, count=4000))).scale ** 2
    best = np.sqrt(np.diag(covariance) / np.diag(np.linalg.inv(covariance)))
    np.testing.assert_allclose(found, best, rtol=0.05)


@pytest.mark.parametrize("name", ["dense", "low_rank"])
def test_each_window_corrects_the_last(name):
    rng = np.random.default_rng(1)
    directions = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    covariance = directions @ np.diag(np.geomspace(1e-4, 1e2, DIM)) @ directions.T
    metric, conditions = LEARNED[name], []
    fitted = metric.start(np.ones(DIM))
    for window in range(3):
        fitted = metric.fit(fitted, seen(*gaussian(covariance, count=60, seed=window)))
        conditions.append(condition(fitted, covariance))
    assert conditions[-1] < 5
    assert conditions[-1] <= conditions[0] * 1.5


def test_many_parameters_and_few_draws():
    dim = 150
    rng = np.random.default_rng(3)
    direction = rng.normal(size=dim) / np.sqrt(dim)
    covariance = np.eye(dim) + 400 * np.outer(direction, direction)
    metric = ps.LowRank()
    fitted = metric.fit(metric.start(np.ones(dim)), seen(*gaussian(covariance, count=50)))
    assert condition(fitted, covariance) < np.linalg.cond(covariance) / 5
    assert len(fitted.directions) < dim


@pytest.mark.parametrize("max_rank", [0, 1, 3])
def test_rank_is_limited(max_rank):
    metric = ps.LowRank(max_rank=max_rank)
    assert len(metric.fit(metric.start(np.ones(DIM)), seen(*gaussian(correlated()))).directions) <= max_rank


def test_directions_of_chance_are_not_taken():
    """Fewer draws than parameters, none of them correlated, all skewed; and one direction that is really there."""
    rng = np.random.default_rng(7)
    dim, count = 300, 200
    noise = rng.standard_normal((count, dim))
    draws, gradients = noise + 0.4 * (noise**2 - 1), -noise * (1 + 0.5 * rng.standard_normal((count, dim)))
    alone = ps.LowRank().fit(ps.LowRank().start(np.ones(dim)), seen(draws, gradients))
    assert len(alone.stretch) <= 3
    by_chance = linear.LowRankMap(np.ones(dim), np.linalg.qr(rng.normal(size=(dim, 20)))[0].T.copy(), np.full(20, 1.7))
    assert len(ps.LowRank().fit(by_chance, seen(draws, gradients)).stretch) <= 3
    same = ps.LowRank().fit(ps.LowRank().start(np.ones(dim)), seen(noise, -noise))
    assert not len(same.stretch)
    np.testing.assert_allclose(same.scale, 1.0)
    direction = np.full(dim, dim**-0.5)
    far, near = np.outer(noise @ direction, direction), np.outer(gradients @ direction, direction)
    found = ps.LowRank().fit(ps.LowRank().start(np.ones(dim)), seen(draws + 9 * far, gradients - 0.9 * near))
    along = np.abs(found.directions @ direction)
    assert along.max() > 0.9 and found.stretch[along.argmax()] > 5


@pytest.mark.parametrize("dim", [1, 300])
def test_few_parameters_have_a_dense_metric_by_default(dim):
    metric = get("auto").resolve(dim)
    assert isinstance(metric, ps.Dense) and metric.adapts


@pytest.mark.parametrize(("dim", "most"), [(301, 66), (1000, 20), (100_000, 10)])
def test_more_parameters_have_fewer_directions_by_default(dim, most):
    metric = get("auto").resolve(dim)
    assert metric.max_rank == most
    metric.check(dim)


def chained(dim):
    """The covariance of a stationary autoregression, whose correlations are not those of a few directions."""
    return 0.9 ** np.abs(np.subtract.outer(np.arange(dim), np.arange(dim)))


@learned
def test_linear_maps_of_good_form(metric):
    for linear_map in (
        metric.start(np.arange(DIM) - 2.0),
        metric.fit(metric.start(np.ones(DIM)), seen(*gaussian(correlated()))),
    ):
        assert all(array.dtype == float and array.flags["C_CONTIGUOUS"] for array in linear_map)
        assert np.all(np.linalg.eigvalsh(inverse_mass(linear_map)) > 0)


@learned
def test_fit_makes_a_new_map(metric):
    # Kernels may still hold the old one.
    start = metric.start(np.ones(DIM))
    before = [array.copy() for array in start]
    assert metric.fit(start, seen(*gaussian(correlated()))) is not start
    for array, old in zip(start, before, strict=True):
        np.testing.assert_array_equal(array, old)


@learned
@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_draws_change_nothing(metric, count):
    start = metric.start(np.ones(DIM))
    draws, gradients = gaussian(np.eye(DIM), count=count)
    assert metric.fit(start, seen(draws, gradients)) is start


@learned
def test_parameter_that_never_moved_keeps_its_scale(metric):
    draws, gradients = gaussian(np.eye(DIM), count=200)
    draws[:, 2] = 7.0
    start = metric.start(np.ones(DIM))
    fitted = inverse_mass(metric.fit(start, seen(draws, gradients)))
    assert np.all(np.isfinite(fitted))
    assert 0.01 < fitted[2, 2] < 100


@learned
@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e-30, 1e30, 1e300])
def test_any_start_makes_a_usable_map(metric, factor):
    start = metric.start(factor * np.array([1.0, -1.0, 0.0, 2.0, 1e-3, 1.0]))
    scale = np.diag(matrix_of(start))
    assert np.all(np.isfinite(scale))
    assert np.all(scale > 0)


@learned
def test_no_parameters(metric):
    metric.check(0)
    assert matrix_of(metric.start(np.zeros(0)), 0).shape == (0, 0)


@learned
def test_learned_metrics_say_so(metric):
    assert metric.adapts
    metric.check(1)
    metric.check(1000)


# Given.


def test_given_variances():
    variance = np.array([1.0, 4.0, 9.0])
    metric = get(variance)
    variance[0] = 100.0  # what was given was copied
    assert not metric.adapts
    metric.check(3)
    start = metric.start(np.ones(3))
    np.testing.assert_array_equal(start.scale, [1, 2, 3])
    assert metric.fit(start, seen(*gaussian(np.eye(3), count=20))) is start


def test_given_covariance():
    covariance = correlated()
    metric = get(covariance.tolist())
    assert not metric.adapts
    metric.check(DIM)
    start = metric.start(np.ones(DIM))
    np.testing.assert_allclose(inverse_mass(start), covariance, rtol=1e-12)
    assert metric.fit(start, seen(*gaussian(covariance, count=20))) is start


def test_identity():
    metric = get("identity")
    assert not metric.adapts
    np.testing.assert_array_equal(matrix_of(metric.start(np.full(DIM, 1e9))), np.eye(DIM))


def test_geometric_mean_of_matrices_beyond_rounding():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, DIM, DIM))
    a, b = a @ a.T, b @ b.T
    mean = geometric_mean(a, b)
    np.testing.assert_allclose(mean @ b @ mean, a, rtol=1e-8)
    axes = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    wide = (axes * np.geomspace(1, 1e20, DIM)) @ axes.T
    assert np.all(np.isfinite(geometric_mean(np.eye(DIM), wide)))


def test_auto_settles_on_another():
    for dim in (1, 10, 100_000):
        assert get("auto").resolve(dim).name in {"dense", "low_rank", "diagonal"}
    assert get("dense").resolve(10).name == "dense"


@pytest.mark.parametrize("variance", [0.0, -1.0, np.nan, np.inf])
def test_variances_that_are_none(variance):
    with pytest.raises(ValueError, match=rf"metric: variances must be positive and finite, got {variance} at 1"):
        get(np.array([1.0, variance, 1.0]))


def test_vectors_and_matrices_of_another_shape():
    with pytest.raises(ValueError, match=r"metric: variance must be a vector, got an array of shape \(2, 2\)"):
        ps.Diagonal(np.eye(2))
    with pytest.raises(ValueError, match=r"metric: covariance must be a square matrix, got an array of shape \(2, 3\)"):
        get(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"metric: covariance must be a square matrix, got an array of shape \(4,\)"):
        ps.Dense(np.ones(4))
    with pytest.raises(ValueError, match="metric: got 4 variances for 3 unconstrained parameters"):
        get(np.ones(4)).check(3)
    with pytest.raises(ValueError, match=r"metric: got a covariance of shape \(4, 4\) for 3 unconstrained"):
        get(np.eye(4)).check(3)


def test_matrices_that_are_no_covariance():
    with pytest.raises(ValueError, match="metric: covariance must be symmetric"):
        get(np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="metric: covariance must be positive definite; its smallest eigenvalue is -1"):
        get(np.array([[1.0, 2.0], [2.0, 1.0]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rank": -1}, "max_rank must be an integer of at least 0, got -1"),
        ({"cutoff": 1.0}, "cutoff must be above 1, got 1.0"),
        ({"cutoff": np.nan}, "cutoff must be above 1, got nan"),
        ({"window": 2}, "window must be an integer of at least 10, got 2"),
    ],
)
def test_options_of_low_rank(options, message):
    with pytest.raises(ValueError, match=f"metric: {message}"):
        ps.LowRank(**options)


@pytest.mark.parametrize("kind", [ps.Diagonal, ps.Dense])
def test_what_to_fit_to(kind):
    with pytest.raises(ValueError, match=r"unknown fit_to 'gradient'; choose one of: gradients, draws. Did you mean"):
        kind(fit_to="gradient")


# Names.


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue(name):
    metric = get(name)
    assert type(metric) is CATALOGUE[name]
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert get(metric) is metric
    assert pickle.loads(pickle.dumps(metric)).name == name
    field = next(iter(dataclasses.fields(metric)), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(metric, field.name if field else "anything", 1)


def test_unknown_names():
    with pytest.raises(ValueError, match=r"unknown metric 'identty'; choose one of: .*Did you mean 'identity'\?"):
        get("identty")
    for other in (3, None, object(), np.ones((2, 2, 2))):
        with pytest.raises(TypeError, match=r"(?s)metric must be a name .*; choose one of: "):
            get(other)


# Maps of one's own.


class PairedMap(NamedTuple):
    """Neighbours are turned into each other before they are scaled: L = diag(spread) R."""

    spread: np.ndarray
    angle: np.ndarray


@register_jitable
def _turn(angle, x, y):
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * x - sine * y, sine * x + cosine * y


def _kick_paired(paired, c, gradient, momentum):
    x, y = _turn(-paired.angle[0], paired.spread[0] * gradient[0], paired.spread[1] * gradient[1])
    momentum[0] += c * x
    momentum[1] += c * y


def _drift_paired(paired, c, velocity, position):
    x, y = _turn(paired.angle[0], velocity[0], velocity[1])
    position[0] += c * paired.spread[0] * x
    position[1] += c * paired.spread[1] * y


def _solve_paired(paired, vector):
    vector[0], vector[1] = _turn(-paired.angle[0], vector[0] / paired.spread[0], vector[1] / paired.spread[1])


metrics.register(PairedMap, kick=_kick_paired, drift=_drift_paired, solve=_solve_paired)


class Paired(metrics.Metric):
    name, adapts = "paired", False

    def check(self, dim):
        pass

    def start(self, gradient):
        return PairedMap(np.array([0.5, 2.0]), np.array([0.4]))


def test_a_chain_runs_by_a_map_of_ones_own():
    with pm.Model() as model:
        pm.Normal("x", 0, [0.5, 2.0])
    settings = Settings.choose(metric=Paired(), trajectory=FixedSteps(2), step_size=0.9)
    chain, other = (Chain(LogDensity(model=model), settings, np.random.default_rng(seed)) for seed in (1, 2))
    chain.start(np.zeros(2))
    draws = chain.advance(4000)[0]
    np.testing.assert_allclose(draws.std(axis=0), [0.5, 2.0], rtol=0.1)
    other.restore(chain.snapshot())
    assert isinstance(other.metric, PairedMap)
    np.testing.assert_array_equal(other.advance(5)[0], chain.advance(5)[0])


def test_a_map_that_could_be_taken_for_another_is_refused():
    class Scaled(NamedTuple):
        scale: np.ndarray

    with pytest.raises(ValueError, match="Scaled has the same fields as DiagonalMap; give them other names"):
        metrics.register(Scaled, kick=_kick_paired, drift=_drift_paired, solve=_solve_paired)
