"""A flow that does not preserve volume leaves the target as it is by the work that it says it does."""

import math

import numpy as np
import pytest

from pymc_symplectic import integrators
from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.chain import search_step_size
from pymc_symplectic.kernels.flow import start_from, work_of
from pymc_symplectic.kernels.probe import Probes, probe
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.state import new_state

from .moves import PumpingSplit, travel
from .systems import DIM, POPULATIONS, flow_of
from .test_flows import STARTS, gap_after_return, springs_with
from .test_invariance import MANY, holds, system_of
from .unions import united

RATE = 0.4
TRAJECTORIES = ["fixed_steps", "fixed_time", "no_u_turn"]


def pumping(flow="leapfrog", silent=False):
    return flow_of(flow)._replace(split=PumpingSplit(RATE, silent))


@pytest.mark.parametrize("flow", ["leapfrog", "bcss3", "pefrl"])
def test_the_flow_can_be_retraced(flow):
    assert gap_after_return(springs_with(pumping(flow)), eps=0.2, steps=10) < 1e-12


def test_work_is_what_becomes_of_volume():
    h = 1e-6
    tried = springs_with(pumping(), metric="diagonal")
    scale = np.concatenate([tried.metric.scale, np.ones(DIM)])

    def arrive(start):
        state = new_state(DIM)
        state.moving.position[:], state.momentum[:] = np.split(scale * start, 2)
        assert travel(united(tried)[0], state, 0.3, 3) == 0
        return np.concatenate([state.moving.position, state.momentum]) / scale, work_of(tried.flow, state.moving)

    for start in STARTS.reshape(len(STARTS), -1):
        columns = [(arrive(start + h * e)[0] - arrive(start - h * e)[0]) / (2 * h) for e in np.eye(2 * DIM)]
        assert arrive(start)[1] == pytest.approx(-math.log(np.linalg.det(np.transpose(columns))), abs=1e-7)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_invariant(trajectory, population):
    assert holds(population, trajectory, flow=pumping(), count=MANY)


@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_a_flow_that_keeps_its_work_to_itself_is_noticed(trajectory):
    assert not holds("gaussian", trajectory, flow=pumping(silent=True), count=MANY)


def test_a_trajectory_starts_without_work():
    here, there = new_state(DIM).current, new_state(DIM).current
    here.work[0] = 3.0
    start_from(here, there)
    assert here.work[0] == 3.0 and there.work[0] == 0.0


@pytest.mark.parametrize("name", [*integrators.CATALOGUE, *integrators.HARMONIC, *integrators.IMPLICIT])
def test_no_integrator_of_the_catalogues_does_any(name):
    point = new_state(DIM).current
    point.work[0] = math.nan
    assert work_of(flow_of(name), point) == 0.0


def _flat(data, position, gradient, value):
    value[0] = 0.0
    for j in range(position.size):
        gradient[j] = 0.0
    return 0


FLAT = AddressedFunction(_flat, LOGP)


@pytest.mark.parametrize(("silent", "least", "most"), [(False, 0.0, 100.0), (True, 1e3, math.inf)])
def test_the_search_for_a_step_size_counts_it(silent, least, most):
    """Where there is no force, the work is all that holds a step, until positions overflow."""
    state, tried = new_state(DIM), system_of("gaussian", flow=pumping(silent=silent), logp=FLAT)
    state.current.value[0], state.current.work[0] = 0.0, 1e6  # of another trajectory
    rng = np.random.default_rng(1)  # which has to live as long as draws are made
    assert least < search_step_size(tried, state, 1.0, generator_record(rng)) < most


def test_test_trajectories_count_it():
    rng = np.random.default_rng(2)
    tried, starts, momenta = system_of("gaussian", flow=pumping(), logp=FLAT), *rng.standard_normal((2, 4, DIM))
    none, counts, columns = np.zeros(4), np.full(4, 3), np.arange(DIM)
    room = np.zeros((4, 3, DIM)), np.zeros((4, 3)), np.zeros((4, 3))
    probes = Probes(starts, np.zeros_like(starts), none, momenta, np.full(4, 0.3), counts, columns, *room)
    assert probe(tried, new_state(DIM), probes, math.inf) == 0
    expected = -DIM * 0.3 * RATE * np.outer(np.tanh(momenta[:, 0]), [1, 2, 3])
    np.testing.assert_allclose(probes.errors, expected, rtol=1e-12)
