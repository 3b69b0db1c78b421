"""A force by finite differences leaves the density as it is, however coarse they are."""

import numpy as np
import pytest

from pymc_symplectic import trajectories
from pymc_symplectic.kernels.address import LOGP, AddressedFunction, logp_at
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.differences import by_differences, differences
from pymc_symplectic.kernels.state import Target

from .systems import DIM, POPULATIONS
from .test_invariance import LEVEL, SEARCHED, SOME, TRANSITIONS, run, smallest_p, step_size_for, system_of

COARSE = np.array([0.4, 0.2, 0.6])  # of coordinates with standard deviations from 0.5 to 1.7


def alone(name):
    """The log-density of a population without its gradient."""
    address = POPULATIONS[name].logp.address

    def logp(data, position, gradient, value):
        return logp_at(address)(data, position, np.empty(DIM), value)

    return AddressedFunction(logp, LOGP)


VALUES = {name: alone(name) for name in POPULATIONS}


@kernel
def call(target, position, gradient, value):
    return logp_at(target.address)(target.data, position, gradient, value)


def by_coarse_differences(name):
    return Target(by_differences().address, np.array([VALUES[name].address, COARSE.ctypes.data]))


def invariance(population, trajectory, target):
    """The smallest p-value, times the number of comparisons, and the mean acceptance, of a system with this target."""
    rng, law = np.random.default_rng(8), POPULATIONS[population]
    tried = system_of(population)._replace(target=target)
    starts = law.draw(rng, SOME)
    eps = step_size_for(tried, trajectory, rng, starts[:SEARCHED])
    accepted, ends, values = run(tried, trajectory, eps, rng, starts, TRANSITIONS)
    return smallest_p(law.scores(starts), law.scores(ends), *values.T), accepted


@pytest.mark.parametrize("population", POPULATIONS)
def test_they_are_coarse(population):
    starts, errors = POPULATIONS[population].draw(np.random.default_rng(1), 200), []
    for start in starts:
        rough, exact, value = np.empty(DIM), np.empty(DIM), np.empty(1)
        call(by_coarse_differences(population), start, rough, value)
        here = value[0]
        call(Target(POPULATIONS[population].logp.address, np.zeros(1, np.int64)), start, exact, value)
        assert here == value[0]
        errors.append(np.linalg.norm(rough - exact) / np.linalg.norm(exact))
    assert np.median(errors) > 0.1


@pytest.mark.parametrize("trajectory", trajectories.CATALOGUE)
@pytest.mark.parametrize("population", POPULATIONS)
def test_invariant_whatever_their_error(population, trajectory):
    p, accepted = invariance(population, trajectory, by_coarse_differences(population))
    assert 0.5 < accepted < 0.9  # so that refusals matter
    assert p > LEVEL


def test_a_value_from_the_end_of_a_step_is_noticed():
    inner = VALUES["gaussian"].address

    def careless(data, position, gradient, value):
        status = differences(logp_at(inner), data, COARSE, position, gradient, value)
        value[0] += gradient[DIM - 1] * COARSE[DIM - 1]  # and is not put back
        return status

    found = AddressedFunction(careless, LOGP)
    p, _ = invariance("gaussian", "fixed_steps", Target(found.address, np.zeros(1, np.int64)))
    assert p < LEVEL
