"""Trajectories that double until they turn back, and keep a point with probability proportional to exp(-H).

Hoffman and Gelman 2014 with the multinomial weights and the biased progressive choice of Betancourt 2017, and the
checks across sub-trees of Stan.  A doubling of 2^k steps is walked leaf by leaf: see `spans`.  What a step is, is said
by the rule: see `refine`.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from . import statistics as column
from .compile import helper
from .flow import copy_point, start_from, total_energy, work_of
from .kinetic import draw_momentum, velocity_of
from .refine import IRREVERSIBLE, STUCK, Whole, attempted, leap, new_refinement
from .spans import add_leaf, join, new_paths, new_velocity_sums, set_out
from .state import HamiltonianSystem, Point, State, new_point
from .status import Status
from .trail import remember
from .vectors import assign, fill, norm

__all__ = ["NoUTurnRule", "Tree", "longest_of_no_u_turn", "new_rule", "no_u_turn_transition"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)
_COMPLETE, _TURNED, _DIVERGED, _STOPPED, _BARRED = range(5)  # how a doubling ends


class Tree(NamedTuple):
    """Memory of a trajectory.

    `left` and `right` are its ends in time, with their `momenta` (2, d); `proposal` is the point that a doubling
    offers, `chosen` the draw so far; `spans` tell whether it turns.  `scalars` (8,) is what a doubling and a trajectory
    report, by the indices below.
    """

    left: Point
    right: Point
    proposal: Point
    chosen: Point
    momenta: np.ndarray
    spans: Any
    scalars: np.ndarray


_LARGEST_EXPONENT = 300.0
_LOG_WEIGHT, _PROPOSAL_ERROR, _PROPOSAL_INDEX, _ACCEPT_SUM, _LEAVES, _LARGEST_ERROR, _LOWEST, _HIGHEST = range(8)


class NoUTurnRule(NamedTuple):
    """At most 2^max_depth - 1 steps, of the kind that `stepping` says."""

    max_depth: int
    tree: Tree
    max_energy_error: float
    max_energy_range: float
    stepping: Any


@helper
def longest_of_no_u_turn(rule: NoUTurnRule, longest: float) -> float:
    """No two step sizes give the same trajectory, but where the log-density is flat nothing else would hold it.

    The longest step of a flow goes nearly half a period round.  Of such steps, all would be near two points.
    """
    return 0.5 * longest


@helper
def _log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    if b == -np.inf:
        return a
    return a + math.log1p(math.exp(b - a))


def new_rule(dim: int, max_depth: int, limits: tuple[float, float], levels: int, above: float) -> NoUTurnRule:
    """A rule for `dim` coordinates with its memory, whose steps are divided by `levels` of `refine`, 0 for none."""
    paths = new_paths(dim, max_depth)
    stepping = new_refinement(dim, levels, above, paths.path) if levels else Whole()
    spans = paths if levels else new_velocity_sums(dim, max_depth)
    left, right, proposal, chosen = (new_point(dim) for _ in range(4))
    tree = Tree(left, right, proposal, chosen, np.zeros((2, dim)), spans, np.zeros(8))
    return NoUTurnRule(max_depth, tree, *limits, stepping)


@helper
def _double(
    rule: NoUTurnRule,
    system: HamiltonianSystem,
    state: State,
    eps: float,
    rng: np.random.Generator,
    depth: int,
    start: float,
) -> int:
    """Walk 2^depth steps on from ``state.moving``; `eps` is negative for the way back in time.

    ``tree.proposal`` becomes one of the new points, drawn with probability proportional to exp(-H).
    """
    tree, scalars, point = rule.tree, rule.tree.scalars, state.moving
    total, shift = 0.0, 0.0  # the weights so far sum to total exp(shift); the shift keeps them from overflowing
    for leaf in range(1, 2**depth + 1):
        outcome = leap(rule.stepping, system, state, eps)
        if outcome == STUCK:
            return _STOPPED
        error = total_energy(system, point, state.momentum) - start + work_of(system.flow, point)
        judged = attempted(rule.stepping, start, error)
        scalars[_LEAVES] += 1
        if outcome == IRREVERSIBLE:
            scalars[_ACCEPT_SUM] += math.exp(min(0.0, -judged))
            return _BARRED
        if not abs(error) <= abs(scalars[_LARGEST_ERROR]):
            scalars[_LARGEST_ERROR] = error
        scalars[_LOWEST] = error if leaf == 1 else min(scalars[_LOWEST], error)
        scalars[_HIGHEST] = error if leaf == 1 else max(scalars[_HIGHEST], error)
        if not (error <= rule.max_energy_error and scalars[_HIGHEST] - scalars[_LOWEST] <= rule.max_energy_range):
            return _DIVERGED
        remember(state.trail, point, error)
        if -error - shift > _LARGEST_EXPONENT:
            total *= math.exp(shift + error)
            shift = -error
        weight = math.exp(-error - shift)
        total += weight
        if judged == error:
            scalars[_ACCEPT_SUM] += 1.0 if error <= 0.0 else (weight if shift == 0.0 else math.exp(-error))
        else:
            scalars[_ACCEPT_SUM] += math.exp(min(0.0, -judged))
        if rng.random() * total < weight:
            copy_point(point, tree.proposal)
            scalars[_PROPOSAL_ERROR] = error
            scalars[_PROPOSAL_INDEX] = leaf
        velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
        if add_leaf(tree.spans, leaf, velocity):
            return _TURNED
    scalars[_LOG_WEIGHT] = math.log(total) + shift if total > 0.0 else -np.inf
    return _COMPLETE


@helper
def no_u_turn_transition(
    rule: NoUTurnRule, system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator, row: np.ndarray
) -> int:
    """One draw: new momentum, doublings to either side until the trajectory turns.

    The momentum is always new: as sides are drawn by lot, one that is kept would lead nowhere in particular.
    Changes ``state.current`` and fills `row`.
    """
    tree, scalars = rule.tree, rule.tree.scalars
    draw_momentum(system.kinetic, rng, state.momentum)
    start = total_energy(system, state.current, state.momentum)
    velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
    row[column.VELOCITY_NORM] = norm(velocity)
    start_from(state.current, tree.chosen)
    start_from(state.current, tree.left)
    start_from(state.current, tree.right)
    for side in range(2):
        assign(tree.momenta[side], state.momentum)
    set_out(tree.spans, velocity)
    fill(scalars, 0.0)
    log_weight, kept_error, kept_index = 0.0, 0.0, 0.0
    first, last = 0.0, 0.0  # where the ends are, in steps from the start
    outcome, depth = _COMPLETE, 0
    lowest, highest = 0.0, 0.0
    while outcome == _COMPLETE and depth < rule.max_depth:
        side = int(rng.random() < 0.5)
        tip = tree.right if side == 1 else tree.left
        copy_point(tip, state.moving)
        assign(state.momentum, tree.momenta[side])
        outcome = _double(rule, system, state, eps if side == 1 else -eps, rng, depth, start)
        if outcome == _STOPPED:
            return _BROKEN
        if outcome == _COMPLETE:
            if math.log1p(-rng.random()) < scalars[_LOG_WEIGHT] - log_weight:
                copy_point(tree.proposal, tree.chosen)
                kept_error = scalars[_PROPOSAL_ERROR]
                index = scalars[_PROPOSAL_INDEX]
                kept_index = last + index if side == 1 else first - index
            log_weight = _log_add(log_weight, scalars[_LOG_WEIGHT])
            copy_point(state.moving, tip)
            assign(tree.momenta[side], state.momentum)
            turns = join(tree.spans, side, depth)
            if side == 1:
                last += 2.0**depth
            else:
                first -= 2.0**depth
            lowest, highest = min(lowest, scalars[_LOWEST]), max(highest, scalars[_HIGHEST])
            if turns:
                outcome = _TURNED
            if not highest - lowest <= rule.max_energy_range:
                outcome = _DIVERGED
        depth += 1
    copy_point(tree.chosen, state.current)  # not before, as a trajectory that breaks off is no draw
    row[column.ENERGY] = start + kept_error - work_of(system.flow, tree.chosen)
    row[column.ENERGY_ERROR] = kept_error
    row[column.MAX_ENERGY_ERROR] = scalars[_LARGEST_ERROR]
    row[column.MEAN_TREE_ACCEPT] = scalars[_ACCEPT_SUM] / scalars[_LEAVES]
    row[column.TREE_SIZE] = scalars[_LEAVES]
    row[column.SIZE_TAKEN] = eps
    row[column.DIVERGING] = outcome == _DIVERGED
    row[column.DEPTH] = depth
    row[column.REACHED_MAX_TREEDEPTH] = outcome == _COMPLETE
    row[column.INDEX_IN_TRAJECTORY] = kept_index
    return _OK
