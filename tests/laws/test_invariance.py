"""Every transition leaves its target as it is.

Many independent exact draws make a few transitions each, in steps so long that a quarter of the proposals is refused.
What comes out has to be exact draws again: by the distribution of each coordinate and of the radius, and by the mean
change of moments and of the energy, where start and end are paired and little noise is left.

Each comparison gives a p-value.  The smallest, times their number, falls below `LEVEL` by chance in less than one case
of a million, and seeds are fixed.  Among the things that are wrong on purpose is an acceptance rate that is too high by
one percentage point.
"""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.special import chdtr, kolmogorov, ndtr
from scipy.stats import norm

from pymc_symplectic import kinetic as kinetic_energies
from pymc_symplectic import trajectories
from pymc_symplectic.kernels.flow import Composition
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.refreshment import FullRefreshment
from pymc_symplectic.kernels.state import new_state
from pymc_symplectic.kernels.statistics import N_COLUMNS
from pymc_symplectic.trajectories import FixedSteps, FixedTime, NoUTurn

from .moves import CarelessRule, replicate
from .systems import (
    DIM,
    GAUSSIAN_MOMENTA,
    INTEGRATORS,
    KINETIC,
    METRICS,
    POPULATIONS,
    WITH_ANOTHER_FORCE,
    flow_of,
    map_for,
    system,
)
from .unions import united

LEVEL = 1e-6
MAX_ENERGY_ERROR = 1000.0
TRANSITIONS = 5
SEARCHED, SOME, FEW, MANY = 1_000, 8_000, 20_000, 200_000  # replicates
FULL = FullRefreshment()


# A trial: one system, one trajectory, many starts.


def rule_at(trajectory, eps):
    """The rule of a trajectory of a few steps of size `eps`."""
    if isinstance(trajectory, tuple):
        return trajectory
    few_steps = {"fixed_steps": FixedSteps(2, jitter=0.5), "fixed_time": FixedTime(2.3 * eps, jitter=0.6, repeats=2)}
    chosen = few_steps.get(trajectory) or trajectories.CATALOGUE[trajectory]()
    return chosen.record(DIM, MAX_ENERGY_ERROR)


def system_of(population, kinetic="gaussian", metric="diagonal", flow="leapfrog", logp=None, refreshment=FULL):
    """Parts by their names, or themselves."""
    logp = logp or POPULATIONS[population].logp
    kinetic = KINETIC[kinetic] if isinstance(kinetic, str) else kinetic
    metric = map_for(population, metric) if isinstance(metric, str) else metric
    flow = flow_of(flow) if isinstance(flow, str) else flow
    return system(logp, kinetic, metric, flow)._replace(refreshment=refreshment)


def run(system, trajectory, eps, rng, starts, transitions, combined=united):
    """Mean acceptance, ends (n, d), and log-densities at starts and ends (n, 2)."""
    ends, values = np.empty_like(starts), np.empty((len(starts), 2))
    memory = new_state(DIM), eps, generator_record(rng), transitions, starts, ends, values, np.zeros(N_COLUMNS)
    return replicate(*combined(system, rule_at(trajectory, eps)), *memory), ends, values


def as_they_are(system, rule):
    """Compiled for this very combination, as users have it."""
    return system, rule


def step_size_for(system, trajectory, rng, starts, combined=united, accept=0.75):
    """A step size at which about this share is accepted."""
    low, high = np.log(0.05), np.log(20.0)
    for _ in range(12):
        middle = (low + high) / 2
        if run(system, trajectory, np.exp(middle), rng, starts, 1, combined)[0] > accept:
            low = middle
        else:
            high = middle
    return np.exp(low)


def trial(population, trajectory, count=FEW, combined=united, **parts):
    """The smallest p-value, times the number of comparisons, and the mean acceptance."""
    rng, target = np.random.default_rng(6), POPULATIONS[population]
    tried = system_of(population, **parts)
    starts = target.draw(rng, count)
    eps = step_size_for(tried, trajectory, rng, starts[:SEARCHED], combined)
    accepted, ends, values = run(tried, trajectory, eps, rng, starts, TRANSITIONS, combined)
    return smallest_p(target.scores(starts), target.scores(ends), *values.T), accepted


def smallest_p(before, after, value_before, value_after):
    """Of all comparisons of scores (n, d) with the standard normal, the smallest p-value times their number."""
    if not np.isfinite(after).all():
        return 0.0  # no draw is infinite
    pairs = [(i, j) for i in range(DIM) for j in range(i + 1)]
    changes = [*(after - before).T, value_after - value_before]
    changes += [after[:, i] * after[:, j] - before[:, i] * before[:, j] for i, j in pairs]
    uniform = [*ndtr(after).T, chdtr(DIM, np.square(after).sum(axis=1))]
    p_values = [2 * norm.sf(abs(change.mean()) * np.sqrt(len(change)) / change.std()) for change in changes]
    return (len(changes) + len(uniform)) * min(*p_values, *map(kolmogorov_p, uniform))


def kolmogorov_p(uniform):
    """The Kolmogorov-Smirnov test of a uniform distribution."""
    ranks, uniform = np.arange(len(uniform) + 1) / len(uniform), np.sort(uniform)
    return kolmogorov(np.sqrt(len(uniform)) * max((ranks[1:] - uniform).max(), (uniform - ranks[:-1]).max()))


def holds(*args, **parts):
    p, accepted = trial(*args, **parts)
    assert 0.6 < accepted < 0.9  # so that refusals matter
    return p > LEVEL


# What holds.


TRAJECTORIES = [name for name in trajectories.CATALOGUE if name != "surrogate"]
"""Before a surrogate is learned it is auto; afterwards, see `test_surrogate`."""


def cover():
    """Flows, populations, trajectories and metrics, so that any two of them meet."""
    tables = [list(table) for table in (POPULATIONS, TRAJECTORIES, METRICS)]
    for i, flow in enumerate(INTEGRATORS):
        for n in range(max(map(len, tables))):
            turns = n, n + i, n + i // len(tables[1])
            yield (flow, *(table[turn % len(table)] for table, turn in zip(tables, turns, strict=True)))


def test_cover_is_of_all_pairs():
    tables = INTEGRATORS, POPULATIONS, TRAJECTORIES, METRICS
    for (i, first), (j, second) in combinations(enumerate(tables), 2):
        assert {(case[i], case[j]) for case in cover()} == set(product(first, second))


@pytest.mark.parametrize(("flow", "population", "trajectory", "metric"), list(cover()))
def test_invariant(flow, population, trajectory, metric):
    assert holds(population, trajectory, flow=flow, metric=metric)


@pytest.mark.parametrize("trajectory", TRAJECTORIES)
@pytest.mark.parametrize("kinetic", [name for name in KINETIC if name != "gaussian"])
def test_invariant_under_every_kinetic_energy(kinetic, trajectory):
    population = {"own_relativistic": "student", "own_log_cosh": "gumbel"}.get(kinetic, "gaussian")
    assert holds(population, trajectory, kinetic=kinetic)


def cover_of_energies():
    """Kinetic energies, flows and metrics, each with each; and with trajectories and populations so that pairs meet.

    A transition is made of calls of one part by another, energy and metric by flow, and flow by trajectory: no part
    knows of more than one other, so that what two of them get wrong together is seen whatever the rest is.
    """
    flows, rules = ["leapfrog", "bcss2", "yoshida4", "implicit_midpoint"], ["fixed_time", "no_u_turn"]
    names, populations = [*kinetic_energies.CATALOGUE, "relativistic_separable"], list(POPULATIONS)
    for (i, kinetic), (j, flow), (k, metric) in product(*map(enumerate, (names, flows, METRICS))):
        yield kinetic, flow, metric, rules[(i + j + k) % 2], populations[(i + j + 2 * k) % 3]


def test_cover_of_energies_is_of_all_pairs():
    cases = list(cover_of_energies())
    for i, j in combinations(range(5), 2):
        each = [{case[place] for case in cases} for place in (i, j)]
        assert {(case[i], case[j]) for case in cases} == set(product(*each))


@pytest.mark.parametrize(("kinetic", "flow", "metric", "trajectory", "population"), list(cover_of_energies()))
def test_everything_goes_with_everything(kinetic, flow, metric, trajectory, population):
    if flow == "implicit_midpoint":  # as slow as twenty others
        flow = flow_of(flow)._replace(tolerance=1e-8, reverse_tolerance=1e-5, max_iterations=12)
    assert holds(population, trajectory, kinetic=kinetic, flow=flow, metric=metric, count=SOME)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_invariant_to_a_sharper_eye(trajectory, population):
    assert holds(population, trajectory, count=MANY, combined=as_they_are)


def test_invariant_with_a_cap_on_doublings():
    assert holds("student", NoUTurn(max_depth=2).record(DIM, MAX_ENERGY_ERROR), count=MANY)


@pytest.mark.parametrize("chosen", [FixedSteps(6, jitter=0.5), NoUTurn()], ids=lambda chosen: chosen.name)
def test_invariant_with_a_threshold_of_divergence_that_bites(chosen):
    assert holds("student", chosen.record(DIM, 2.0), count=MANY)


def test_invariant_under_another_force():
    # A kick by any function of the position is reversible and preserves volume: it costs acceptance, and no more.
    assert holds("gaussian", "fixed_steps", logp=WITH_ANOTHER_FORCE)


# What does not, so that the law is known to notice.


@pytest.mark.parametrize("population", POPULATIONS)
def test_careless_rule_without_mistakes_is_invariant(population):
    assert holds(population, CarelessRule(2, 0.0, np.inf), count=MANY)


@pytest.mark.parametrize("population", POPULATIONS)
def test_acceptance_too_high_by_a_point_is_noticed(population):
    assert not holds(population, CarelessRule(2, 0.01 / 0.25, np.inf), count=MANY)


@pytest.mark.parametrize("population", POPULATIONS)
def test_always_accepting_is_noticed(population):
    assert not holds(population, CarelessRule(2, 1.0, np.inf))


@pytest.mark.parametrize("population", POPULATIONS)
def test_length_that_depends_on_the_start_is_noticed(population):
    assert not holds(population, CarelessRule(2, 0.0, 0.0))


@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_momenta_of_another_kinetic_energy_are_noticed(trajectory):
    assert not holds("gaussian", trajectory, kinetic=GAUSSIAN_MOMENTA)


@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_uneven_scheme_is_noticed(trajectory):
    uneven = Composition(kicks=np.array([0.3, 0.7]), drifts=np.array([1.0]))
    assert not holds("student", trajectory, flow=uneven)
