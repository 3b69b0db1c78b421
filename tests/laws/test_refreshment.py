"""Partial refreshment leaves positions, and momenta beside them, as they are; with everything that it goes with."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import kstest, pearsonr

from pymc_symplectic import integrators
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.refreshment import PartialRefreshment
from pymc_symplectic.kernels.state import new_state
from pymc_symplectic.kernels.statistics import N_COLUMNS
from pymc_symplectic.refreshments import Partial

from .moves import Unturned, replicate
from .systems import DIM, INTEGRATORS, METRICS, POPULATIONS
from .test_invariance import MANY, SOME, holds, rule_at, step_size_for, system_of
from .unions import united

SOME_OF_IT = Partial(0.5).record()
FLOWS = [*INTEGRATORS, *integrators.HARMONIC]
TRAJECTORIES = ["fixed_steps", "fixed_time"]
# The Gaussian kinetic energy is the only one that it goes with.
CASES = [(*case, list(POPULATIONS)[i % 3], TRAJECTORIES[i % 2]) for i, case in enumerate(product(FLOWS, METRICS))]


def test_cases_are_of_all_pairs():
    assert {(case[0], case[3]) for case in CASES} == set(product(FLOWS, TRAJECTORIES))
    assert {(case[1], case[2]) for case in CASES} == set(product(METRICS, POPULATIONS))


@pytest.mark.parametrize(("flow", "metric", "population", "trajectory"), CASES)
def test_invariant(flow, metric, population, trajectory):
    assert holds(population, trajectory, flow=flow, metric=metric, refreshment=SOME_OF_IT, count=SOME)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("angle", [0.05, 0.5, math.pi / 2])
def test_invariant_at_any_angle_to_a_sharper_eye(angle, population):
    refreshment = Partial(angle).record()
    assert holds(population, "fixed_steps", refreshment=refreshment, count=MANY)


@pytest.mark.parametrize("population", ["gumbel", "student"])
def test_momentum_that_is_not_turned_round_is_noticed(population):
    assert not holds(population, "fixed_steps", refreshment=Unturned(*SOME_OF_IT), count=MANY)


@pytest.mark.parametrize("population", ["gumbel", "student"])
def test_refreshment_that_makes_momenta_grow_is_noticed(population):
    assert not holds(population, "fixed_steps", refreshment=PartialRefreshment(0.9, math.sin(0.5)), count=MANY)


def test_momenta_stay_standard_normal_and_tell_nothing_of_positions():
    rng, count = np.random.default_rng(8), 4000
    tried = system_of("gumbel", refreshment=SOME_OF_IT)
    starts = POPULATIONS["gumbel"].draw(rng, count)
    eps = step_size_for(tried, "fixed_steps", rng, starts[:1000])
    state, random = new_state(DIM), generator_record(rng)
    ends, values, momenta = np.empty((1, DIM)), np.empty((1, 2)), np.empty((count, DIM))
    positions = np.empty_like(momenta)
    for i in range(count):
        room = starts[i : i + 1], ends, values, np.zeros(N_COLUMNS)
        replicate(*united(tried, rule_at("fixed_steps", eps)), state, eps, random, 5, *room)
        positions[i], momenta[i] = ends[0], state.kept
    for j in range(DIM):
        assert kstest(momenta[:, j], "norm").pvalue > 1e-4
        assert all(pearsonr(positions[:, k], momenta[:, j]).pvalue > 1e-4 for k in range(DIM))


def test_an_angle_of_half_a_turn_keeps_nothing():
    cosine, sine = Partial(math.pi / 2).record()
    assert abs(cosine) < 1e-16 and sine == 1.0
