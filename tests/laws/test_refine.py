"""Steps that are divided where they are too long can be retraced, and leave the target as it is."""

import numpy as np
import pytest

from pymc_symplectic.kernels.refine import IRREVERSIBLE, LEAPT, Whole
from pymc_symplectic.kernels.state import Target, new_state
from pymc_symplectic.trajectories import NoUTurn

from .moves import UncheckedRefinement, leap_there_and_back
from .systems import DIM, INTEGRATORS, KINETIC, METRICS, POPULATIONS
from .test_invariance import MANY, SOME, holds, system_of
from .test_work import pumping
from .unions import united

NOWHERE = -1
CHOSEN = NoUTurn(refine=3, refine_above=0.4)  # so low that many steps are divided
COUNT = 4000


def divided(chosen=CHOSEN, max_energy_error=1000.0):
    """A rule with memory of its own."""
    return chosen.record(DIM, max_energy_error)


def there_and_back(eps, chosen=CHOSEN, stepping=None, **parts):
    """Starts and ends (n, 2, d), how steps went either way, and gradients on the way there."""
    rng, tried = np.random.default_rng(3), system_of("student", **parts)
    starts, momenta = POPULATIONS["student"].draw(rng, COUNT), rng.standard_normal((COUNT, DIM))
    ends, outcomes = np.zeros((COUNT, 4, DIM)), np.full((COUNT, 3), NOWHERE)
    memory = new_state(DIM), eps, starts, momenta, ends, outcomes
    leap_there_and_back(stepping or divided(chosen).stepping, united(tried)[0], *memory)
    return np.stack([starts, momenta], axis=1), ends, outcomes


@pytest.mark.parametrize("flow", ["leapfrog", "pefrl", "suzuki4", "harmonic_leapfrog", "implicit_midpoint"])
def test_a_step_can_be_retraced_where_it_says_so(flow):
    starts, ends, outcomes = there_and_back(2.0, flow=flow)
    there, back, gradients = outcomes.T
    went = there == LEAPT
    parts_differ = np.unique(gradients[went]).size > 2
    assert went.mean() > 0.3 and parts_differ
    assert set(back[went]) == {LEAPT}
    tolerance = 1e-4 if flow == "implicit_midpoint" else 1e-8  # its equations are solved as well as it is asked to
    np.testing.assert_allclose(ends[went, 2:], starts[went], atol=tolerance)
    assert (there == IRREVERSIBLE).mean() > 0.01
    assert (there[went | (there == NOWHERE)] != IRREVERSIBLE).all()


def test_the_energy_keeps_within_the_limit_or_the_step_leads_nowhere():
    _, ends, outcomes = there_and_back(2.5)
    tried = system_of("student")
    went = outcomes[:, 0] == LEAPT
    assert 0 < np.mean(outcomes[:, 0] == NOWHERE) < 0.5
    again = there_and_back(2.5, stepping=Whole())
    whole = outcomes[:, 2] == 1  # and so it was not divided
    assert whole.any() and (whole & went).sum() == whole.sum()
    np.testing.assert_array_equal(ends[whole, :2], again[1][whole, :2])

    def energies(points):
        value, gradient = np.empty(1), np.empty(DIM)
        found = []
        for position, momentum in points:
            POPULATIONS["student"].logp.python(tried.target.data, position, gradient, value)
            found.append(0.5 * momentum @ momentum - value[0])
        return np.array(found)

    starts, _, _ = there_and_back(2.5)
    changes = energies(ends[went, :2]) - energies(starts[went])
    assert np.abs(changes).max() <= 0.4 + 1e-9
    assert changes.min() < -0.3 and changes.max() > 0.3


@pytest.mark.parametrize("flow", INTEGRATORS)
def test_invariant(flow):
    assert holds("student", divided(), flow=flow, count=SOME)


@pytest.mark.parametrize("population", POPULATIONS)
def test_invariant_to_a_sharper_eye(population):
    assert holds(population, divided(), count=MANY)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("flow", ["leapfrog", "harmonic_leapfrog"])
def test_invariant_with_every_metric(flow, metric):
    assert holds("gumbel", divided(), flow=flow, metric=metric)


@pytest.mark.parametrize("kinetic", KINETIC)
def test_invariant_under_every_kinetic_energy(kinetic):
    population = {"own_relativistic": "student", "own_log_cosh": "gumbel"}.get(kinetic, "gaussian")
    assert holds(population, divided(), kinetic=kinetic)


def test_invariant_with_work():
    assert holds("student", divided(), flow=pumping(), count=MANY)


def test_invariant_with_thresholds_of_divergence_that_bite():
    assert holds("student", divided(max_energy_error=2.0), count=MANY)


def test_invariant_with_a_single_level():
    assert holds("gumbel", divided(NoUTurn(refine=1, refine_above=0.2)), count=MANY)


def test_a_power_is_what_it_is_of_a_normal():
    """At temperature 4, and with twice the scale, a normal is the same."""
    tempered = system_of("gaussian")
    tempered = tempered._replace(target=Target(tempered.target.address, tempered.target.data, 0.25))
    hot = there_and_back_of(tempered, scale=2.0)
    cold = there_and_back_of(system_of("gaussian"), scale=1.0)
    np.testing.assert_array_equal(hot[1], cold[1])
    np.testing.assert_allclose(hot[0][:, ::2], 2.0 * cold[0][:, ::2], rtol=1e-9, atol=1e-9)


def there_and_back_of(tried, scale):
    rng = np.random.default_rng(4)
    starts, momenta = POPULATIONS["gaussian"].draw(rng, 500), rng.standard_normal((500, DIM))
    ends, outcomes = np.zeros((500, 4, DIM)), np.full((500, 3), NOWHERE)
    metric = tried.metric._replace(scale=scale * tried.metric.scale)
    tried = united(tried._replace(metric=metric))[0]
    leap_there_and_back(divided().stepping, tried, new_state(DIM), 2.0, scale * starts, momenta, ends, outcomes)
    return ends, outcomes


@pytest.mark.parametrize("population", ["student", "gumbel"])
def test_a_way_back_that_is_not_looked_at_is_noticed(population):
    rule = divided()
    assert not holds(population, rule._replace(stepping=UncheckedRefinement(rule.stepping)), count=MANY)
