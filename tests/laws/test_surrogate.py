"""Laws of surrogates: one may cost efficiency, and never truth."""

import numpy as np
import pytest

from pymc_symplectic.integrators import get as get_integrator
from pymc_symplectic.kernels.delayed import SurrogateRule
from pymc_symplectic.kernels.state import Target, new_state
from pymc_symplectic.surrogates import Features, LearnedDensity
from pymc_symplectic.trajectories import FixedTime

from .moves import CarelessSurrogateRule, travel
from .surrogates import matrix_map, surrogate
from .systems import DATA, DIM, KINETIC, POPULATIONS, system
from .test_invariance import FEW, LEVEL, MANY, TRANSITIONS, run, smallest_p

KINDS = {"good": (0.85, 1.0), "crude": (0.6, 1.0), "wrong": (0.1, 0.6)}
"""Kinds of surrogates, and the range of what is accepted by them."""


def system_on(population, density):
    """A population, and the harmonic drift by what its surrogate is whitened with."""
    flow = get_integrator("harmonic_leapfrog").record(DIM, density.mean)
    return system(POPULATIONS[population].logp, KINETIC["gaussian"], matrix_map(density), flow)


def rule_on(population, density, repeats=2, exact=0, time=1.0, share=0.0):
    inner = FixedTime(time, 0.3, repeats=repeats).record(DIM, 1000.0)
    values = Target(POPULATIONS[population].logp.address, DATA)
    near = FixedTime(0.3, 0.8).record(DIM, 1000.0)
    return SurrogateRule(inner, near, share, density.target, values, new_state(DIM), exact, 1000.0)


def trial(population, rule, density, count=FEW, eps=0.5):
    """The smallest p-value, times the number of comparisons, and the mean acceptance."""
    rng, target = np.random.default_rng(6), POPULATIONS[population]
    starts = target.draw(rng, count)
    accepted, ends, values = run(
        system_on(population, density), rule, eps, rng, starts, TRANSITIONS, lambda system, rule: (system, rule)
    )
    return smallest_p(target.scores(starts), target.scores(ends), *values.T), accepted


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_invariant_whatever_was_learned(kind, population):
    density = surrogate(population, kind)
    p, accepted = trial(population, rule_on(population, density), density, count=MANY if kind == "crude" else FEW)
    assert KINDS[kind][0] < accepted <= KINDS[kind][1]
    assert p > LEVEL


@pytest.mark.parametrize("eps", [0.2, 1.3])
@pytest.mark.parametrize("exact", [0, 1])
def test_invariant_by_values_and_by_gradients_in_short_steps_and_long_ones(exact, eps):
    density = surrogate("gumbel", "crude")
    assert trial("gumbel", rule_on("gumbel", density, 3, exact, time=2.0), density, eps=eps)[0] > LEVEL


def test_steps_on_a_surrogate_are_retraced_across_all_its_limits():
    """Kicks are by the position alone, so this holds where the gradient jumps as well."""
    density = LearnedDensity(
        Features(DIM, 2),
        np.zeros(DIM),
        np.eye(DIM),
        surrogate("gumbel", "wrong").coefficients,
        np.array([1.2, 0.9, -0.2, 0.3]),
    )
    moving = system_on("gumbel", density)._replace(target=density.target)
    rng, state, beyond = np.random.default_rng(3), new_state(DIM), 0
    for _ in range(20):
        start, momentum = rng.standard_normal((2, DIM))
        state.moving.position[:], state.momentum[:] = start, momentum
        assert travel(moving, state, 0.3, 12) == 0
        beyond += np.linalg.norm(state.moving.position) > 1.2
        state.momentum[:] *= -1
        assert travel(moving, state, 0.3, 12) == 0
        np.testing.assert_allclose(state.moving.position, start, rtol=0, atol=1e-11)
        np.testing.assert_allclose(-state.momentum, momentum, rtol=0, atol=1e-11)
    assert beyond > 5


@pytest.mark.parametrize("kind", ["crude", "wrong"])
def test_invariant_with_near_ends_as_well(kind):
    density = surrogate("student", kind)
    assert trial("student", rule_on("student", density, share=0.5), density, count=MANY)[0] > LEVEL


# What is wrong, so that the law is known to notice.


@pytest.mark.parametrize("kind", ["crude", "wrong"])
def test_ends_that_are_always_accepted_are_noticed(kind):
    density = surrogate("gumbel", kind)
    rule = CarelessSurrogateRule(rule_on("gumbel", density), True)
    assert trial("gumbel", rule, density)[0] < LEVEL


@pytest.mark.parametrize("kind", ["good", "crude", "wrong"])
def test_acceptance_by_the_truth_alone_is_noticed(kind):
    density = surrogate("gumbel", kind)
    rule = CarelessSurrogateRule(rule_on("gumbel", density), False)
    assert trial("gumbel", rule, density)[0] < LEVEL
