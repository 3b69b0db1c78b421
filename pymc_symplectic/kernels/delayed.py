r"""Draws by a surrogate of the log-density, each accepted by one value of the true one.

A chain that leaves the surrogate π̂ invariant makes some transitions from the current draw x, which cost nothing of the
truth, and comes to y.  Then y is accepted with probability

.. math:: \min\left(1, \frac{\pi(y)\,\hat\pi(x)}{\pi(x)\,\hat\pi(y)}\right).

This is Metropolis and Hastings' rule for a proposal that is reversible with respect to π̂ [1]_, [2]_: it leaves π
invariant whatever π̂ is.  Any number of transitions of one reversible kernel is reversible.  Ours are: all of the
momentum is drawn anew for each, its length does not depend on the point, and a Metropolis test ends it.

References
----------
.. [1] J. S. Liu (2001). Monte Carlo Strategies in Scientific Computing. Springer, section 9.4.3: the surrogate
   transition method.
.. [2] J. A. Christen, C. Fox (2005). Markov chain Monte Carlo using an approximation. J. Comput. Graph. Stat. 14,
   795-810.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from . import statistics as column
from .compile import helper
from .energy import copy_point, evaluate, evaluate_value
from .metropolis import FixedTimeRule, metropolis_transition
from .state import HamiltonianSystem, Point, State, Target
from .status import Status
from .trail import remember
from .vectors import assign, fill

__all__ = ["SurrogateRule", "delayed_transition", "longest_of_inner"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class SurrogateRule(NamedTuple):
    """Trajectories by `inner` on `surrogate`, in the memory of `state`, and one test of where they have led to.

    With probability `share` a draw goes on by those of `near` and a test of their own: from where π̂ is far too low, far
    ends are refused for long, and near ones are not, as π̂ is too low there too.
    With `exact` 1 the end is evaluated by the target with its gradient, and remembered; with 0 by `values`, which is
    the log-density alone.  A draw diverges where it is lower by more than `max_energy_error` than π̂ had promised.
    """

    inner: FixedTimeRule
    near: FixedTimeRule
    share: float
    surrogate: Target
    values: Target
    state: State
    exact: int
    max_energy_error: float


@helper
def longest_of_inner(rule: SurrogateRule, longest: float) -> float:
    """As the trajectories on the surrogate have it."""
    return min(rule.inner.time * (1.0 + rule.inner.jitter), longest)


@helper
def _evaluate_end(rule: SurrogateRule, system: HamiltonianSystem, state: State) -> int:
    """The true log-density at ``state.moving``, with its gradient or without: then it becomes NaN, for nobody to use.

    Wherever a proposal that is not accepted has been, the surrogate may be wrong: it is remembered like all others.
    """
    point = state.moving
    if rule.exact != 0:
        status = evaluate(system.target, point, state.counters)
        if status != _BROKEN and point.value[0] > -np.inf:
            remember(state.trail, point, 0.0)
        return status
    status = evaluate_value(rule.values, point, state.counters)
    fill(point.gradient, np.nan)
    return status


@helper
def _is_elsewhere(one: Point, other: Point) -> bool:
    elsewhere = False
    for j in range(one.position.size):
        elsewhere |= one.position[j] != other.position[j]
    return elsewhere


@helper
def _test(
    path: FixedTimeRule,
    rule: SurrogateRule,
    system: HamiltonianSystem,
    state: State,
    eps: float,
    rng: np.random.Generator,
    row: np.ndarray,
) -> int:
    """Go from the current draw along `path` on the surrogate, and accept where it ends, or stay; fills `row`."""
    current, point, inner = state.current, state.moving, rule.state
    approximate = HamiltonianSystem(rule.surrogate, system.kinetic, system.metric, system.flow, system.refreshment)
    assign(inner.current.position, current.position)
    evaluate(rule.surrogate, inner.current, inner.counters)
    promised = inner.current.value[0]
    status = metropolis_transition(path, approximate, inner, eps, rng, row)
    if status != _OK:
        return status
    kinetic = row[column.ENERGY] + inner.current.value[0]
    error, accept, accepted = 0.0, 1.0, False
    if _is_elsewhere(inner.current, current):
        assign(point.position, inner.current.position)
        status = _evaluate_end(rule, system, state)
        if status == _BROKEN:
            return status
        error = (current.value[0] - promised) - (point.value[0] - inner.current.value[0])
        accept = math.exp(min(0.0, -error)) if error <= rule.max_energy_error else 0.0  # not where it is NaN
        accepted = rng.random() < accept
        if accepted:
            copy_point(point, current)
    row[column.ENERGY] = kinetic - current.value[0]
    row[column.ENERGY_ERROR] = error if accepted else 0.0
    row[column.MAX_ENERGY_ERROR] = error
    row[column.MEAN_TREE_ACCEPT] = accept
    row[column.DIVERGING] = 0.0 if error <= rule.max_energy_error else 1.0
    row[column.INDEX_IN_TRAJECTORY] = row[column.TREE_SIZE] if accepted else 0.0
    return _OK


@helper
def delayed_transition(
    rule: Any, system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator, row: np.ndarray
) -> int:
    """One draw; changes ``state.current`` and fills `row`.

    Steps are those on the surrogate; acceptance is that of the test of far ends, and energy errors are those of the
    last test.  Where the surrogate's own chain has stayed, so does this one, and nothing is evaluated.
    """
    status = _test(rule.inner, rule, system, state, eps, rng, row)
    if status != _OK or not rng.random() < rule.share:
        return status
    accept, steps, diverging = row[column.MEAN_TREE_ACCEPT], row[column.TREE_SIZE], row[column.DIVERGING]
    status = _test(rule.near, rule, system, state, eps, rng, row)
    row[column.MEAN_TREE_ACCEPT] = accept
    row[column.TREE_SIZE] += steps
    row[column.DIVERGING] = max(diverging, row[column.DIVERGING])
    return status
