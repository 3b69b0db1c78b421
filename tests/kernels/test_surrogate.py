"""A learned log-density, and draws by it."""

import numpy as np
import pytest
from laws.surrogates import matrix_map, surrogate
from laws.systems import DATA, DIM, KINETIC, POPULATIONS, system

from pymc_symplectic.integrators import get as get_integrator
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.adapt import new_learning
from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.chain import advance, evaluate_start
from pymc_symplectic.kernels.delayed import SurrogateRule
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.state import GRADIENTS, KEPT, Target, new_state
from pymc_symplectic.kernels.statistics import N_COLUMNS
from pymc_symplectic.kernels.status import Status
from pymc_symplectic.kernels.surrogate import surrogate_log_density
from pymc_symplectic.surrogates import Features, LearnedDensity
from pymc_symplectic.surrogates.features import monomials, some_ridges
from pymc_symplectic.trajectories import FixedTime

RNG = np.random.default_rng(8)
FACTOR = np.array([[0.7, 0.0, 0.0], [-0.4, 0.9, 0.0], [0.3, 0.2, 1.4]])


def some_density(features, limits=(2.0, 1.3, -1.0, 1.5)):
    coefficients = 0.3 * np.random.default_rng(2).standard_normal(features.count + 1) / np.sqrt(features.count)
    return LearnedDensity(features, np.array([0.4, 0.1, -0.3]), FACTOR, coefficients, np.array(limits))


def by_hand(density, position):
    """log π̂ as its equation says."""
    features = density.features
    z = np.linalg.solve(density.factor, position - density.mean)
    radius, fall, least, most = density.limits
    distance = np.linalg.norm(z)
    inside = z * min(1.0, radius / distance)
    values = [1.0]
    for parent, variable in list(zip(*monomials(features.dim, features.degree), strict=True))[1:]:
        values.append(values[parent] * inside[variable])
    directions, offsets = some_ridges(features.dim, features.ridges)
    values += np.tanh(directions @ inside + offsets).tolist()
    learned = density.coefficients[1:] @ np.array(values[1:])
    return density.coefficients[0] - energy_of(distance, radius, fall) + np.clip(learned, least, most)


def energy_of(distance, radius, fall):
    return 0.5 * distance**2 if distance <= radius else 0.5 * radius**2 + fall * (distance - radius)


def plainly(density, position):
    """What the kernel says where nothing is compiled."""
    gradient, value = np.empty(DIM), np.empty(1)
    assert surrogate_log_density(density.target.data, position, gradient, value) == Status.OK
    return value[0], gradient


@pytest.mark.parametrize("features", [Features(3, 1), Features(3, 5), Features(3, 2, 40)], ids=str)
def test_value_and_gradient_are_those_of_the_equation(features):
    density = some_density(features)
    beyond = 0
    for position in density.mean + 2.0 * RNG.standard_normal((60, DIM)) @ FACTOR.T:
        value, gradient = density.at(position)
        plain, slope = plainly(density, position)
        assert value == pytest.approx(plain, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-10, atol=1e-12)
        assert value == pytest.approx(by_hand(density, position), rel=1e-12)
        beyond += np.linalg.norm(np.linalg.solve(FACTOR, position - density.mean)) > density.limits[0]
        steps = 1e-6 * np.eye(DIM)
        slopes = [(by_hand(density, position + h) - by_hand(density, position - h)) / 2e-6 for h in steps]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
    assert 10 < beyond < 55


@pytest.mark.parametrize("limits", [(50.0, 1.0, -0.05, 0.05), (0.5, 0.3, -0.02, 0.01)])
def test_beyond_the_range_that_was_seen_only_the_gaussian_is_left(limits):
    density, clamped = some_density(Features(3, 3), limits), 0
    for position in density.mean + RNG.standard_normal((40, DIM)) @ FACTOR.T:
        z = np.linalg.solve(FACTOR, position - density.mean)
        value, gradient = density.at(position)
        radius, fall, least, most = limits
        distance = np.linalg.norm(z)
        learned = value - density.coefficients[0] + energy_of(distance, radius, fall)
        assert least - 1e-12 <= learned <= most + 1e-12
        if min(learned - least, most - learned) < 1e-12:
            clamped += 1
            pull = 1.0 if distance <= radius else fall / distance
            np.testing.assert_allclose(gradient, -pull * np.linalg.solve(FACTOR.T, z), rtol=1e-10)
    assert clamped > 5


@pytest.mark.parametrize("features", [Features(4, 6), Features(1, 3, 5)], ids=str)
def test_jets_are_values_and_gradients_of_the_features(features):
    white = RNG.standard_normal((7, features.dim))
    jets = features.jets(white)
    assert jets.shape == (features.count + 1, 7, features.dim + 1)
    np.testing.assert_array_equal(jets[0], np.eye(features.dim + 1)[[0] * 7])
    for j, step in enumerate(1e-6 * np.eye(features.dim)):
        slopes = (features.jets(white + step)[:, :, 0] - features.jets(white - step)[:, :, 0]) / 2e-6
        np.testing.assert_allclose(jets[:, :, 1 + j], slopes, rtol=1e-5, atol=1e-6)


def test_a_density_comes_back_from_its_parameters():
    density = surrogate("gumbel", "good")
    again = LearnedDensity.of_params(density.params)
    assert again.features == density.features
    np.testing.assert_array_equal(again.target.data, density.target.data)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "no parameters"), ([3.0, np.nan, 0.0], "no parameters"), ([3.5, 2.0, 0.0], "no parameters"),
        ([2e9, 1.0, 0.0], "no parameters"), (np.zeros(30), "no parameters"),
        (some_density(Features(3, 2)).params[:-1], "parameters, got"),
        (np.where(np.arange(29) == 7, 1.0, some_density(Features(3, 2)).params), "lower triangular"),
        (np.where(np.arange(29) == 4, np.inf, some_density(Features(3, 2)).params), "mean"),
    ],
)  # fmt: skip
def test_what_are_no_parameters_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        LearnedDensity.of_params(params)


# Draws.


class Delayed:
    """A chain on the Gumbel population by a surrogate of it."""

    def __init__(self, kind="crude", exact=0, repeats=2, trail=0, values=None, limit=1000.0, python=False, share=0.0):
        density = surrogate("gumbel", kind)
        logp = POPULATIONS["gumbel"].logp
        flow = get_integrator("harmonic_leapfrog").record(DIM, density.mean)
        self.system = system(logp, KINETIC["gaussian"], matrix_map(density), flow)
        inner = FixedTime(1.6, 0.3, repeats=repeats).record(DIM, 1000.0)
        values = Target((values or logp).address, DATA)
        near = FixedTime(0.3, 0.8).record(DIM, 1000.0)
        self.rule = SurrogateRule(inner, near, share, density.target, values, new_state(DIM), exact, limit)
        self.state, self.learning = new_state(DIM, trail), new_learning(DIM, 0, 0.4, 0.8)
        self.rng = np.random.default_rng(4)
        self.random = self.rng if python else generator_record(self.rng)
        self._advance = advance.py_func if python else advance
        evaluate_start(self.system.target, self.state)
        self.state.counters[GRADIENTS] = 0

    def advance(self, count):
        draws, rows = np.zeros((count, DIM)), np.zeros((count, N_COLUMNS))
        outcome = self._advance(self.system, self.rule, self.state, self.learning, self.random, draws, rows)
        return draws, rows, outcome


def test_compiled_draws_are_those_of_the_same_functions_in_python():
    for exact in (0, 1):
        draws, rows, outcome = Delayed(exact=exact).advance(40)
        plain, plain_rows, plain_outcome = Delayed(exact=exact, python=True).advance(40)
        assert outcome == plain_outcome == (40, Status.OK)
        np.testing.assert_allclose(draws, plain, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rows, plain_rows, rtol=1e-7, atol=1e-7)


def test_a_draw_takes_one_evaluation_and_the_draws_are_the_same_by_values():
    by_gradients, rows, _ = Delayed(exact=1).advance(300)
    by_values, _, _ = Delayed(exact=0).advance(300)
    np.testing.assert_array_equal(by_gradients, by_values)
    assert np.all(rows[:, column.N_GRADIENTS] == 1)
    assert 0.5 < rows[:, column.MEAN_TREE_ACCEPT].mean() < 0.99
    rested = (np.diff(by_gradients, axis=0) == 0).all(axis=1)
    assert 0 < rested.mean() < 0.5


def test_near_ends_are_tested_as_well():
    rows = Delayed("wrong", share=0.5).advance(400)[1]
    twice = rows[:, column.N_VALUES] == 2
    assert 150 < twice.sum() < 250
    draws = Delayed("wrong", share=1.0).advance(400)[0]
    moved = (np.diff(draws, axis=0) != 0).any(axis=1).mean()
    assert moved > 0.2 + (np.diff(Delayed("wrong").advance(400)[0], axis=0) != 0).any(axis=1).mean()


def test_proposals_are_remembered_whether_accepted_or_not():
    chain = Delayed("wrong", exact=1, trail=500)
    draws, rows, _ = chain.advance(400)
    trail, kept = chain.state.trail, int(chain.state.trail.counters[KEPT])
    assert kept == rows[:, column.N_GRADIENTS].sum() > 390
    accepted = len(np.unique(draws, axis=0))
    assert accepted < 0.7 * kept
    gradient, value = np.empty(DIM), np.empty(1)
    for i in range(0, kept, 50):
        POPULATIONS["gumbel"].logp.python(DATA, trail.positions[i], gradient, value)
        np.testing.assert_allclose(trail.gradients[i], gradient, rtol=1e-10)
        assert trail.values[i] == pytest.approx(value[0], rel=1e-12)


def test_by_values_nothing_is_remembered_and_no_gradient_is_left_to_be_used():
    chain = Delayed(exact=0, trail=50)
    chain.advance(50)
    assert chain.state.trail.counters[KEPT] == 0
    assert np.isnan(chain.state.current.gradient).all()


def _not_a_number(data, position, gradient, value):
    gradient[:] = 0.0
    value[0] = np.nan if position[0] > 0.3 else 0.0
    return 0


def _failing(data, position, gradient, value):
    gradient[:] = 0.0
    value[0] = 0.0
    return 1 if position[0] > 0.3 else 0


def _breaking(data, position, gradient, value):
    gradient[:] = 0.0
    value[0] = 0.0
    return 2 if position[0] > 0.3 else 0


@pytest.mark.parametrize("values", [_not_a_number, _failing])
def test_where_the_truth_is_no_number_the_end_is_refused_and_diverges(values):
    chain = Delayed(values=AddressedFunction(values, LOGP))
    draws, rows, outcome = chain.advance(200)
    assert outcome == (200, Status.OK)
    assert draws[:, 0].max() <= 0.3
    diverged = rows[:, column.DIVERGING] == 1
    assert 20 < diverged.sum() < 180
    assert np.all(rows[diverged, column.MEAN_TREE_ACCEPT] == 0)
    assert np.isfinite(rows[:, column.ENERGY]).all()


def test_a_broken_log_density_ends_the_block():
    chain = Delayed(values=AddressedFunction(_breaking, LOGP))
    draws, _, (made, status) = chain.advance(200)
    assert status == Status.BROKEN
    assert made < 200
    assert draws[:made, 0].max(initial=0.0) <= 0.3


def test_an_end_that_is_worse_than_promised_by_more_than_the_limit_diverges():
    rows = Delayed("wrong", limit=1.0).advance(300)[1]
    diverged = rows[:, column.DIVERGING] == 1
    assert 10 < diverged.sum() < 290
    np.testing.assert_array_equal(diverged, rows[:, column.MAX_ENERGY_ERROR] > 1.0)
