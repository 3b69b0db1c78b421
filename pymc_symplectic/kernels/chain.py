"""The entry points: what Python calls.  Everything that they call is compiled into them."""

import math
from typing import Any

import numpy as np

from . import statistics as column
from .adapt import (
    LEARNS,
    LOG_MEAN_STEP,
    LOG_STEP,
    TARGET_ACCEPT,
    TUNES_STEP,
    Learning,
    find_step_size,
    store_draw,
    store_outcome,
    update_step_size,
)
from .compile import kernel, specialise
from .delayed import SurrogateRule, delayed_transition, longest_of_inner
from .energy import evaluate_value
from .flow import evaluate, longest_of
from .linear import kick
from .metropolis import LONGEST_STEPS, FixedStepsRule, FixedTimeRule, metropolis_transition
from .nouturn import NoUTurnRule, longest_of_no_u_turn, no_u_turn_transition
from .random import generator_at
from .state import DUE, FAILURES, GRADIENTS, KEPT, VALUES, HamiltonianSystem, State, Target
from .status import Status
from .vectors import assign, fill

__all__ = ["advance", "evaluate_start", "search_step_size", "steepness", "value_alone"]

_OK = int(Status.OK)

_TRANSITIONS = {
    FixedStepsRule: metropolis_transition,
    FixedTimeRule: metropolis_transition,
    NoUTurnRule: no_u_turn_transition,
    SurrogateRule: delayed_transition,
}


def transition(
    rule: Any, system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator, row: np.ndarray
) -> int:
    """One draw by the trajectory `rule`."""
    return _TRANSITIONS[type(rule)](rule, system, state, eps, rng, row)


_LONGEST_STEPS = {**LONGEST_STEPS, NoUTurnRule: longest_of_no_u_turn, SurrogateRule: longest_of_inner}


def longest_step(rule: Any, longest: float) -> float:
    """The step size beyond which a longer one makes no difference to `rule`, on a flow with such a size of its own."""
    return _LONGEST_STEPS[type(rule)](rule, longest)


specialise(transition, _TRANSITIONS)
specialise(longest_step, _LONGEST_STEPS)


@kernel
def advance(
    system: HamiltonianSystem,
    rule: Any,
    state: State,
    learning: Learning,
    random: np.ndarray,
    draws: np.ndarray,
    rows: np.ndarray,
) -> tuple[int, int]:
    """Make ``len(draws)`` draws; write positions to `draws` (n, d) and statistics to `rows` (n, N_COLUMNS).

    Returns the number of draws made and the status; fewer than asked only where the log-density is broken, or where the
    trail has come to as many points as are due.
    """
    rng = generator_at(random)
    averaging, longest = learning.step, math.log(longest_step(rule, longest_of(system.flow)))
    for i in range(draws.shape[0]):
        tuning = learning.tuning[TUNES_STEP] > 0.0
        eps = math.exp(averaging[LOG_STEP] if tuning else averaging[LOG_MEAN_STEP])
        row = rows[i]
        status = transition(rule, system, state, eps, rng, row)
        if status != _OK:
            return i, status
        if tuning:
            update_step_size(averaging, row[column.MEAN_TREE_ACCEPT], learning.tuning[TARGET_ACCEPT], longest)
        if learning.tuning[LEARNS] > 0.0:
            store_draw(learning, state.current)
            store_outcome(learning, state.current, row)
        row[column.MODEL_LOGP] = state.current.value[0] / system.target.inverse_temperature
        row[column.STEP_SIZE] = eps
        row[column.STEP_SIZE_BAR] = math.exp(averaging[LOG_MEAN_STEP])
        row[column.N_GRADIENTS] = state.counters[GRADIENTS]
        row[column.N_VALUES] = state.counters[VALUES]
        row[column.SOLVER_FAILURES] = state.counters[FAILURES]
        state.counters[GRADIENTS] = 0
        state.counters[VALUES] = 0
        state.counters[FAILURES] = 0
        assign(draws[i], state.current.position)
        if state.trail.counters[KEPT] >= state.trail.counters[DUE]:
            return i + 1, _OK
    return draws.shape[0], _OK


@kernel
def evaluate_start(target: Target, state: State) -> int:
    """Log-density and gradient at ``state.current.position``, in place."""
    return evaluate(target, state.current, state.counters)


@kernel
def value_alone(values: Target, state: State) -> int:
    """Log-density at ``state.current.position``, in place; the gradient becomes NaN, for nobody to use."""
    fill(state.current.gradient, np.nan)
    return evaluate_value(values, state.current, state.counters)


@kernel
def search_step_size(system: HamiltonianSystem, state: State, eps: float, random: np.ndarray) -> float:
    """A step size whose first step is neither refused nor wastefully small; NaN where the log-density broke."""
    return find_step_size(system, state, eps, generator_at(random))


@kernel
def steepness(metric: Any, state: State) -> float:
    """|Lᵀ g|², the squared gradient at the current position in whitened coordinates; about d in the typical set."""
    fill(state.momentum, 0.0)
    kick(metric, 1.0, state.current.gradient, state.momentum)
    total = 0.0
    for j in range(state.momentum.size):
        total += state.momentum[j] * state.momentum[j]
    return total
