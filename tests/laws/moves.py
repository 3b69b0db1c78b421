"""Compiled loops over kernels, and things that are wrong on purpose.

All of it stands in one file, because numba recompiles a cached entry point when its own file has changed, not when a
file that it calls has.  (Kernels themselves are another matter: the cache is theirs, and is named after their sources.)
"""

import math
from typing import NamedTuple

import numpy as np

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.chain import transition
from pymc_symplectic.kernels.compile import helper, kernel, specialise
from pymc_symplectic.kernels.flow import Harmonic, close, copy_point, evaluate, is_closed, step, total_energy
from pymc_symplectic.kernels.harmonic import step_harmonic
from pymc_symplectic.kernels.kinetic import draw_momentum, velocity_of
from pymc_symplectic.kernels.random import generator_at
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

    Returns the mean acceptance.
    """
    rng = generator_at(random)
    accepted = 0.0
    for i in range(len(starts)):
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


@helper
def _careless_transition(rule, system, state, eps, rng, row):
    point, momentum = state.moving, state.momentum
    draw_momentum(system.kinetic, rng, momentum)
    copy_point(state.current, point)
    start = total_energy(system, point, momentum)
    status = 0
    for _ in range(rule.steps if point.position[0] <= rule.border else 2 * rule.steps):
        if status == 0 and point.value[0] > -np.inf:
            status = step(system.flow, system, state, eps)
    if point.value[0] > -np.inf:
        status = close(system.flow, system, state)
    error = total_energy(system, point, momentum) - start
    accept = 0.0
    if error <= 1000.0:
        accept = math.exp(min(0.0, -error))
        if rng.random() < accept + rule.leniency * (1.0 - accept):
            copy_point(point, state.current)
    row[column.MEAN_TREE_ACCEPT] = accept
    return status


specialise(transition, {CarelessRule: _careless_transition})


class WanderingFlow(NamedTuple):
    """A harmonic drift about a mean that goes some share of the way with the draw."""

    harmonic: Harmonic
    share: float


@helper
def _wandering_step(flow, system, state, eps):
    for j in range(flow.harmonic.mean.size):
        flow.harmonic.mean[j] = flow.share * state.current.position[j]
    return step_harmonic(flow.harmonic, system, state, eps)


@helper
def _closed_already(flow, system, state):
    return 0


@helper
def _is_closed(flow):
    return True


specialise(step, {WanderingFlow: _wandering_step})
specialise(close, {WanderingFlow: _closed_already})
specialise(is_closed, {WanderingFlow: _is_closed})


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
