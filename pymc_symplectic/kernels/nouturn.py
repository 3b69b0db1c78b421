"""Trajectories that double until they turn back, and keep a point with probability proportional to exp(-H).

Hoffman and Gelman 2014 with the multinomial weights and the biased progressive choice of Betancourt 2017, and the
checks across sub-trees of Stan.  A doubling of 2^k steps is walked leaf by leaf.  Completed sub-trees wait in slots,
one for each power of two, and merge as the digits of a binary counter carry: no recursion, no memory but these slots.

Whether a span turns is read from velocities v = ∇K: with ρ the sum of v over its points, the first and the last by
half, which by the trapezoidal rule is the displacement in whitened coordinates up to the step size, the distance
between its ends has stopped to grow where ρ·v ≤ 0 at either end.
"""

import math
from typing import NamedTuple

import numpy as np

from . import statistics as column
from .compile import helper
from .flow import close, copy_point, start_from, step, total_energy, work_of
from .kinetic import draw_momentum, velocity_of
from .state import HamiltonianSystem, Point, State, new_point
from .status import Status
from .trail import remember
from .vectors import assign, fill, norm

__all__ = ["NoUTurnRule", "Tree", "longest_of_no_u_turn", "new_tree", "no_u_turn_transition"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)
_COMPLETE, _TURNED, _DIVERGED, _STOPPED = 0, 1, 2, 3  # how a doubling ends


class Tree(NamedTuple):
    """Memory of a trajectory.

    `left` and `right` are its ends in time, with their momenta and velocities (2, d); `rho` (d,) is the sum of its
    velocities; `proposal` is the point that a doubling offers, `chosen` the draw so far.  `begins`, `ends` and `totals`
    (max_depth + 1, d) are the slots: velocities at the first and the last leaf of a sub-tree, and the sum over it.
    `carry` (d,) is such a sum under way.  `scalars` (8,) is what a doubling and a trajectory report, by the indices
    below.
    """

    left: Point
    right: Point
    proposal: Point
    chosen: Point
    momenta: np.ndarray
    velocities: np.ndarray
    rho: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    totals: np.ndarray
    carry: np.ndarray
    scalars: np.ndarray


_LARGEST_EXPONENT = 300.0
_LOG_WEIGHT, _PROPOSAL_ERROR, _PROPOSAL_INDEX, _ACCEPT_SUM, _LEAVES, _LARGEST_ERROR, _LOWEST, _HIGHEST = range(8)


class NoUTurnRule(NamedTuple):
    """At most 2^max_depth - 1 steps."""

    max_depth: int
    tree: Tree
    max_energy_error: float
    max_energy_range: float


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


@helper
def _pair_turns(first: np.ndarray, second: np.ndarray, total: np.ndarray) -> bool:
    """Merge two leaves: write the sum of their velocities, and say whether the pair turns."""
    at_first, at_second = 0.0, 0.0
    for j in range(first.size):
        both = first[j] + second[j]
        at_first += both * first[j]
        at_second += both * second[j]
        total[j] = both
    return not (at_first > 0.0 and at_second > 0.0)


@helper
def _merged_turns(
    begin: np.ndarray,
    end: np.ndarray,
    total: np.ndarray,
    next_begin: np.ndarray,
    next_end: np.ndarray,
    next_total: np.ndarray,
) -> bool:
    """Merge adjacent spans: add `total` to `next_total`, and say whether they turn together.

    Three spans are looked at: both together, and each with the nearest leaf of the other, without which a turn that
    falls between the two goes unseen.
    """
    whole_begin, whole_end, first_begin, first_end, last_begin, last_end = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(total.size):
        both = total[j] + next_total[j]
        whole = both - 0.5 * (begin[j] + next_end[j])
        first = total[j] + 0.5 * (next_begin[j] - begin[j])
        last = next_total[j] + 0.5 * (end[j] - next_end[j])
        whole_begin += whole * begin[j]
        whole_end += whole * next_end[j]
        first_begin += first * begin[j]
        first_end += first * next_begin[j]
        last_begin += last * end[j]
        last_end += last * next_end[j]
        next_total[j] = both
    together = whole_begin > 0.0 and whole_end > 0.0
    across = first_begin > 0.0 and first_end > 0.0 and last_begin > 0.0 and last_end > 0.0
    return not (together and across)


@helper
def _add_leaf(tree: Tree, leaf: int, velocity: np.ndarray) -> bool:
    """Let leaf number `leaf` of a doubling (from 1) into the slots; says whether a sub-tree that it completes turns."""
    if leaf % 2 == 1:
        assign(tree.ends[0], velocity)
        return False
    begin = tree.ends[0]
    if _pair_turns(begin, velocity, tree.carry):
        return True
    level, waiting = 1, leaf // 2
    while waiting % 2 == 0:
        spans_turn = _merged_turns(
            tree.begins[level], tree.ends[level], tree.totals[level], begin, velocity, tree.carry
        )
        if spans_turn:
            return True
        begin = tree.begins[level]
        level += 1
        waiting //= 2
    assign(tree.begins[level], begin)
    assign(tree.ends[level], velocity)
    assign(tree.totals[level], tree.carry)
    return False


def new_tree(dim: int, max_depth: int) -> Tree:
    """Memory for trajectories of at most 2^max_depth - 1 steps in `dim` coordinates."""
    return Tree(
        left=new_point(dim),
        right=new_point(dim),
        proposal=new_point(dim),
        chosen=new_point(dim),
        momenta=np.zeros((2, dim)),
        velocities=np.zeros((2, dim)),
        rho=np.zeros(dim),
        begins=np.zeros((max_depth + 1, dim)),
        ends=np.zeros((max_depth + 1, dim)),
        totals=np.zeros((max_depth + 1, dim)),
        carry=np.zeros(dim),
        scalars=np.zeros(8),
    )


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
        status = step(system.flow, system, state, eps)
        if status != _BROKEN and point.value[0] > -np.inf:
            status = close(system.flow, system, state)
        if status == _BROKEN:
            return _STOPPED
        error = total_energy(system, point, state.momentum) - start + work_of(system.flow, point)
        scalars[_LEAVES] += 1
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
        scalars[_ACCEPT_SUM] += 1.0 if error <= 0.0 else (weight if shift == 0.0 else math.exp(-error))
        if rng.random() * total < weight:
            copy_point(point, tree.proposal)
            scalars[_PROPOSAL_ERROR] = error
            scalars[_PROPOSAL_INDEX] = leaf
        velocity = velocity_of(system.kinetic, state.momentum, state.velocity)
        if _add_leaf(tree, leaf, velocity):
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
        assign(tree.velocities[side], velocity)
    assign(tree.rho, velocity)
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
            begin = tree.begins[depth] if depth > 0 else tree.ends[0]
            assign(tree.carry, tree.totals[depth] if depth > 0 else tree.ends[0])
            turns = _merged_turns(
                tree.velocities[1 - side], tree.velocities[side], tree.rho, begin, tree.ends[depth], tree.carry
            )
            assign(tree.rho, tree.carry)
            assign(tree.velocities[side], tree.ends[depth])
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
