"""Compiled loops over kernels, and things that are wrong on purpose.

All of it stands in one file, because numba recompiles a cached entry point when its own file has changed, not when a
file that it calls has.  (Kernels themselves are another matter: the cache is theirs, and is named after their sources.)
"""

import math
from typing import NamedTuple

import numpy as np

from pymc_symplectic.kernels import splits
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.chain import transition
from pymc_symplectic.kernels.compile import kernel, register
from pymc_symplectic.kernels.delayed import SurrogateRule
from pymc_symplectic.kernels.flow import close, copy_point, evaluate, start_from, step, total_energy, work_of
from pymc_symplectic.kernels.kinetic import draw_momentum, velocity_of
from pymc_symplectic.kernels.linear import drift
from pymc_symplectic.kernels.random import generator_at
from pymc_symplectic.kernels.refine import LEAPT, Refinement, attempted, fewest_parts, leap
from pymc_symplectic.kernels.refreshment import PartialRefreshment, keep, refresh
from pymc_symplectic.kernels.splits import HarmonicSplit
from pymc_symplectic.kernels.vectors import assign


@kernel
def travel(system, state, eps, steps):
    """Follow the flow from ``state.moving`` and ``state.momentum`` for some steps, in place."""
    status = evaluate(system.target, state.moving, state.counters)
    for _ in range(steps):
        if status == 0:
            status = step(system.flow, system, state, eps)
    if status == 0:
        status = close(system.flow, system, state)
    return status


@kernel
def replicate(system, rule, state, eps, random, transitions, starts, ends, values, row):
    """Make `transitions` draws from each start; write the last one, and the log-density at start and end.

    What is kept of the momentum begins as a draw from exp(-K).  Returns the mean acceptance.
    """
    rng = generator_at(random)
    accepted = 0.0
    for i in range(len(starts)):
        draw_momentum(system.kinetic, rng, state.kept)
        assign(state.current.position, starts[i])
        evaluate(system.target, state.current, state.counters)
        values[i, 0] = state.current.value[0]
        for _ in range(transitions):
            transition(rule, system, state, eps, rng, row)
            accepted += row[column.MEAN_TREE_ACCEPT]
        assign(ends[i], state.current.position)
        values[i, 1] = state.current.value[0]
    return accepted / (len(starts) * transitions)


@kernel
def draw_momenta(kinetic, random, momenta, velocities, scratch):
    """Fill the rows of `momenta` (n, d) with draws from exp(-K), and those of `velocities` (n, d) with ∇K there."""
    rng = generator_at(random)
    for i in range(len(momenta)):
        draw_momentum(kinetic, rng, momenta[i])
        assign(velocities[i], velocity_of(kinetic, momenta[i], scratch))


class CarelessRule(NamedTuple):
    """A fixed number of steps, with two mistakes that can be had in any dose.

    A share `leniency` of the proposals that should be refused is accepted (divergences are not), and trajectories that
    start where the first coordinate is above `border` are twice as long.
    """

    steps: int
    leniency: float
    border: float


def _careless_transition(rule, system, state, eps, rng, row):
    point, momentum = state.moving, state.momentum
    draw_momentum(system.kinetic, rng, momentum)
    start_from(state.current, point)
    start = total_energy(system, point, momentum)
    status = 0
    for _ in range(rule.steps if point.position[0] <= rule.border else 2 * rule.steps):
        if status == 0 and point.value[0] > -np.inf:
            status = step(system.flow, system, state, eps)
    if point.value[0] > -np.inf:
        status = close(system.flow, system, state)
    error = total_energy(system, point, momentum) - start + work_of(system.flow, point)
    accept = 0.0
    if error <= 1000.0:
        accept = math.exp(min(0.0, -error))
        if rng.random() < accept + rule.leniency * (1.0 - accept):
            copy_point(point, state.current)
    row[column.MEAN_TREE_ACCEPT] = accept
    return status


register(CarelessRule, {transition: _careless_transition})


class Unturned(NamedTuple):
    """A refreshment that keeps the momentum as it was where the end is refused."""

    cosine: float
    sine: float


def _refresh_unturned(refreshment, kinetic, rng, state):
    refresh(PartialRefreshment(refreshment.cosine, refreshment.sine), kinetic, rng, state)


def _keep_unturned(refreshment, state, accepted):
    if accepted:
        assign(state.kept, state.momentum)


register(Unturned, {refresh: _refresh_unturned, keep: _keep_unturned})


class WanderingSplit(NamedTuple):
    """A harmonic drift about a mean that goes some share of the way with the draw."""

    harmonic: HarmonicSplit
    share: float


def _wandering_begin(split, system, state):
    for j in range(split.harmonic.mean.size):
        split.harmonic.mean[j] = split.share * state.current.position[j]
    splits.begin(split.harmonic, system, state)


def _wandering_kick(split, system, state, c):
    splits.kick(split.harmonic, system, state, c)


def _wandering_drift(split, system, state, c):
    splits.drift(split.harmonic, system, state, c)


def _wandering_longest(split):
    return splits.longest(split.harmonic)


register(
    WanderingSplit,
    {
        splits.begin: _wandering_begin,
        splits.kick: _wandering_kick,
        splits.drift: _wandering_drift,
        splits.longest: _wandering_longest,
        splits.work: splits.no_work,
    },
)


class PumpingSplit(NamedTuple):
    """Drifts in the middle of which all coordinates grow or shrink together, at a rate that turns round with time.

    They can be retraced, and multiply volume by a factor that is known.  Where the split is silent, it says no word
    about the work that this is.
    """

    rate: float
    silent: bool


def _nothing_to_begin(split, system, state):
    pass


def _plain_kick(split, system, state, c):
    splits.kick(splits.FreeSplit(), system, state, c)


def _pumping_drift(split, system, state, c):
    position, momentum = state.moving.position, state.momentum
    drift(system.metric, 0.5 * c, velocity_of(system.kinetic, momentum, state.velocity), position)
    growth = c * split.rate * math.tanh(momentum[0])
    for j in range(position.size):
        position[j] *= math.exp(growth)
    state.moving.work[0] -= position.size * growth
    drift(system.metric, 0.5 * c, velocity_of(system.kinetic, momentum, state.velocity), position)


def _any_length(split):
    return 1e9


def _pumping_work(split, point):
    return 0.0 if split.silent else splits.carries_work(split, point)


register(
    PumpingSplit,
    {
        splits.begin: _nothing_to_begin,
        splits.kick: _plain_kick,
        splits.drift: _pumping_drift,
        splits.longest: _any_length,
        splits.work: _pumping_work,
    },
)


@kernel
def leap_there_and_back(stepping, system, state, eps, starts, momenta, ends, outcomes):
    """One step from each start (n, d) and momentum (n, d), and if all is well the same back.

    Writes where it leads and where it comes back to, with the momenta there, into `ends` (n, 4, d), and how it went
    either way and how many gradients were evaluated on the way there into `outcomes` (n, 3).
    """
    point = state.moving
    for i in range(len(starts)):
        assign(point.position, starts[i])
        assign(state.momentum, momenta[i])
        point.work[0] = 0.0
        evaluate(system.target, point, state.counters)
        before = state.counters[0]
        for way in range(2):
            outcomes[i, way] = leap(stepping, system, state, eps if way == 0 else -eps)
            if point.value[0] == -np.inf:
                outcomes[i, way] = -1
            if way == 0:
                outcomes[i, 2] = state.counters[0] - before
            assign(ends[i, 2 * way], point.position)
            assign(ends[i, 2 * way + 1], state.momentum)
            if outcomes[i, way] != LEAPT:
                break


class UncheckedRefinement(NamedTuple):
    """Steps that are divided as the place asks for where they begin, whatever it asks for where they end."""

    refinement: Refinement


def _leap_unchecked(stepping, system, state, eps):
    inner = stepping.refinement
    copy_point(state.moving, inner.start)
    assign(inner.momenta[0], state.momentum)
    outcome, parts = fewest_parts(inner, system, state, inner.start, inner.momenta[0], eps, 2**inner.levels)
    for j in range(inner.path.size):
        inner.path[j] += inner.way[j]
    if parts == 0:
        state.moving.value[0] = -np.inf
    return outcome


def _attempted_unchecked(stepping, start, error):
    return attempted(stepping.refinement, start, error)


register(UncheckedRefinement, {leap: _leap_unchecked, attempted: _attempted_unchecked})


class UntransposedMap(NamedTuple):
    """A dense metric that kicks by L where Lᵀ belongs; in plain Python only."""

    factor: np.ndarray


def kick_untransposed(metric, c, gradient, momentum):
    for i in range(momentum.size):
        for j in range(i + 1):
            momentum[i] += c * metric.factor[i, j] * gradient[j]


def drift_untransposed(metric, c, velocity, position):
    for i in range(position.size):
        for j in range(i + 1):
            position[i] += c * metric.factor[i, j] * velocity[j]


class CarelessSurrogateRule(NamedTuple):
    """Draws by a surrogate whose ends are all accepted, or else by what the truth alone says of them."""

    rule: SurrogateRule
    always: bool


def _careless_delayed_transition(careless, system, state, eps, rng, row):
    rule = careless.rule
    density = state.current.value[0]
    assign(state.kept, state.current.position)
    generous = SurrogateRule(
        rule.inner, rule.near, rule.share, rule.surrogate, rule.surrogate, rule.state, 0, rule.max_energy_error
    )
    evaluate(rule.surrogate, state.current, state.counters)
    status = transition(generous, system, state, eps, rng, row)  # which accepts all, as the surrogate is its own truth
    evaluate(system.target, state.current, state.counters)
    if not careless.always and not rng.random() < math.exp(min(0.0, state.current.value[0] - density)):
        assign(state.current.position, state.kept)
        state.current.value[0] = density
    return status


register(CarelessSurrogateRule, {transition: _careless_delayed_transition})
