"""Whether a span of a trajectory turns: whether the distance between its ends has stopped to grow.

With ρ the displacement from the first of its points to the last, in whitened coordinates, it has where ρ·v ≤ 0 at
either end, v = ∇K being the velocity.  By the trapezoidal rule ρ is a sum of velocities, up to the step size:

============  =======================================================================================
VelocitySums  of the points, the first and the last by half, where all steps have the same length
Paths         of all points that were walked by, those of shorter steps in between too
============  =======================================================================================

Leaves of a doubling come one by one.  Completed sub-trees wait in slots, one for each power of two, and merge as the
digits of a binary counter carry: no recursion, no memory but these slots.
"""

from typing import Any, NamedTuple

import numpy as np

from .compile import helper, specialise
from .vectors import assign, fill

__all__ = ["Paths", "VelocitySums", "add_leaf", "join", "new_paths", "new_velocity_sums", "set_out"]


class VelocitySums(NamedTuple):
    """Spans by sums of velocities.

    `velocities` (2, d) are those at the ends of the trajectory in time, `rho` (d,) the sum over it.  `begins`, `ends`
    and `totals` (max_depth + 1, d) are the slots: velocities at the first and the last leaf of a sub-tree, and the sum
    over it.  `carry` (d,) is such a sum under way.
    """

    velocities: np.ndarray
    rho: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    totals: np.ndarray
    carry: np.ndarray


class Paths(NamedTuple):
    """Spans by the path between their ends.

    `velocities` (2, d) are those at the ends of the trajectory in time.  Paths are from the end that a doubling sets
    out from: `path` (d,) to where it has come to, `near` (d,) to that end itself, so zero, and `far` (d,) to the other
    end.  `begins`, `ends`, `begin_paths` and `end_paths` (max_depth + 1, d) are the slots: velocities at the first and
    the last leaf of a sub-tree, and paths to these.
    """

    velocities: np.ndarray
    path: np.ndarray
    near: np.ndarray
    far: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    begin_paths: np.ndarray
    end_paths: np.ndarray


def new_velocity_sums(dim: int, max_depth: int) -> VelocitySums:
    """Memory for trajectories of at most `max_depth` doublings in `dim` coordinates."""
    begins, ends, totals = (np.zeros((max_depth + 1, dim)) for _ in range(3))
    return VelocitySums(np.zeros((2, dim)), np.zeros(dim), begins, ends, totals, np.zeros(dim))


def new_paths(dim: int, max_depth: int) -> Paths:
    """Memory for trajectories of at most `max_depth` doublings in `dim` coordinates."""
    path, near, far = (np.zeros(dim) for _ in range(3))
    begins, ends, begin_paths, end_paths = (np.zeros((max_depth + 1, dim)) for _ in range(4))
    return Paths(np.zeros((2, dim)), path, near, far, begins, ends, begin_paths, end_paths)


# By sums of velocities.


@helper
def _set_out_with_sum(spans: VelocitySums, velocity: np.ndarray) -> None:
    for side in range(2):
        assign(spans.velocities[side], velocity)
    assign(spans.rho, velocity)


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
def _add_leaf_to_sums(spans: VelocitySums, leaf: int, velocity: np.ndarray) -> bool:
    if leaf % 2 == 1:
        assign(spans.ends[0], velocity)
        return False
    begin = spans.ends[0]
    if _pair_turns(begin, velocity, spans.carry):
        return True
    level, waiting = 1, leaf // 2
    while waiting % 2 == 0:
        if _merged_turns(spans.begins[level], spans.ends[level], spans.totals[level], begin, velocity, spans.carry):
            return True
        begin = spans.begins[level]
        level += 1
        waiting //= 2
    assign(spans.begins[level], begin)
    assign(spans.ends[level], velocity)
    assign(spans.totals[level], spans.carry)
    return False


@helper
def _join_sums(spans: VelocitySums, side: int, depth: int) -> bool:
    begin = spans.begins[depth] if depth > 0 else spans.ends[0]
    assign(spans.carry, spans.totals[depth] if depth > 0 else spans.ends[0])
    far, near = spans.velocities[1 - side], spans.velocities[side]
    turns = _merged_turns(far, near, spans.rho, begin, spans.ends[depth], spans.carry)
    assign(spans.rho, spans.carry)
    assign(near, spans.ends[depth])
    return turns


# By paths.


@helper
def _set_out_on_path(spans: Paths, velocity: np.ndarray) -> None:
    for side in range(2):
        assign(spans.velocities[side], velocity)
    fill(spans.path, 0.0)
    fill(spans.far, 0.0)


@helper
def _turns(begin: np.ndarray, begin_path: np.ndarray, end: np.ndarray, end_path: np.ndarray) -> bool:
    at_begin, at_end = 0.0, 0.0
    for j in range(begin.size):
        rho = end_path[j] - begin_path[j]
        at_begin += rho * begin[j]
        at_end += rho * end[j]
    return not (at_begin > 0.0 and at_end > 0.0)


@helper
def _add_leaf_to_paths(spans: Paths, leaf: int, velocity: np.ndarray) -> bool:
    begin, begin_path = velocity, spans.path
    level, waiting = 0, leaf
    while waiting % 2 == 0:  # the same three spans as of sums
        first, first_path = spans.begins[level], spans.begin_paths[level]
        last, last_path = spans.ends[level], spans.end_paths[level]
        if (
            _turns(first, first_path, velocity, spans.path)
            or _turns(first, first_path, begin, begin_path)
            or _turns(last, last_path, velocity, spans.path)
        ):
            return True
        begin, begin_path = first, first_path
        level += 1
        waiting //= 2
    assign(spans.begins[level], begin)
    assign(spans.begin_paths[level], begin_path)
    assign(spans.ends[level], velocity)
    assign(spans.end_paths[level], spans.path)
    return False


@helper
def _join_paths(spans: Paths, side: int, depth: int) -> bool:
    far, near = spans.velocities[1 - side], spans.velocities[side]
    begin, end = spans.begins[depth], spans.ends[depth]
    turns = (
        _turns(far, spans.far, end, spans.path)
        or _turns(far, spans.far, begin, spans.begin_paths[depth])
        or _turns(near, spans.near, end, spans.path)
    )
    for j in range(spans.path.size):
        spans.far[j] -= spans.path[j]
        spans.path[j] = 0.0
    assign(near, end)
    return turns


_SET_OUTS = {VelocitySums: _set_out_with_sum, Paths: _set_out_on_path}
_ADD_LEAVES = {VelocitySums: _add_leaf_to_sums, Paths: _add_leaf_to_paths}
_JOINS = {VelocitySums: _join_sums, Paths: _join_paths}


def set_out(spans: Any, velocity: np.ndarray) -> None:
    """Begin a trajectory at a point of this velocity."""
    _SET_OUTS[type(spans)](spans, velocity)


def add_leaf(spans: Any, leaf: int, velocity: np.ndarray) -> bool:
    """Let leaf number `leaf` of a doubling (from 1) into the slots; says whether a sub-tree that it completes turns."""
    return _ADD_LEAVES[type(spans)](spans, leaf, velocity)


def join(spans: Any, side: int, depth: int) -> bool:
    """Join a doubling of 2^depth leaves to the trajectory, at one of its ends; says whether the whole turns."""
    return _JOINS[type(spans)](spans, side, depth)


specialise(set_out, _SET_OUTS)
specialise(add_leaf, _ADD_LEAVES)
specialise(join, _JOINS)
