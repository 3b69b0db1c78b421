"""The arrays that kernels work on, grouped and named.  Kernels change arrays in place and never allocate them.

Shapes: `d` is the number of unconstrained parameters.
"""

from typing import Any, NamedTuple

import numpy as np

from .refreshment import FullRefreshment

__all__ = [
    "DUE",
    "FAILURES",
    "GRADIENTS",
    "KEPT",
    "LONGEST",
    "NEVER",
    "SEEN",
    "STRIDE",
    "VALUES",
    "HamiltonianSystem",
    "Point",
    "State",
    "Target",
    "Trail",
    "new_point",
    "new_state",
    "new_trail",
]

LONGEST = 2.0**30
"""No step is longer than this, in whitened coordinates, where one of the order of 1 suits a well-fitted metric."""


class Target(NamedTuple):
    """The log-density: the address of a function of signature `LOGP`, and the record of shared data it reads.

    What is sampled is its power `inverse_temperature`.
    """

    address: int
    data: np.ndarray
    inverse_temperature: float = 1.0


class HamiltonianSystem(NamedTuple):
    """A Hamiltonian system, the flow that approximates its motion, and what becomes of the momentum in between."""

    target: Target
    kinetic: Any
    metric: Any
    flow: Any
    refreshment: Any = FullRefreshment()


class Point(NamedTuple):
    """A position (d,), the gradient of the log-density there (d,), the log-density (1,), and `work` (1,).

    The work is what the steps from the start of the trajectory did besides following H, in nats: of a step that
    multiplies volume by J, it is -log J more.  It is added to the error of the energy that the point is judged by.
    """

    position: np.ndarray
    gradient: np.ndarray
    value: np.ndarray
    work: np.ndarray


SEEN, STRIDE, KEPT, DUE = range(4)  # of `Trail.counters`
NEVER = 2**62


class Trail(NamedTuple):
    """The latest points of trajectories, whether they became draws or not: a ring of n, none where n is 0.

    `positions`, `gradients` (n, d) and log-densities `values` (n,) are theirs.  Of `counters` (4,), `SEEN` says how
    many points there were, of which each `STRIDE`-th is kept, `KEPT` how many were, and `DUE` at how many `advance`
    stops.
    """

    positions: np.ndarray
    gradients: np.ndarray
    values: np.ndarray
    counters: np.ndarray


GRADIENTS, FAILURES, VALUES = range(3)  # of `State.counters`
N_COUNTERS = 3


class State(NamedTuple):
    """One chain between transitions, and the working memory of a transition.

    `current` is the draw; `moving` travels; `momentum` (d,) is whitened; `velocity` (d,) is scratch; `counters` (3,)
    say how many gradients were evaluated, how many implicit steps have failed, and how many log-densities were
    evaluated without a gradient, since the last draw, at the places `GRADIENTS`, `FAILURES` and `VALUES`; `kept` (d,)
    is what there is of the momentum between draws, with a refreshment that keeps some of it; `trail` remembers where
    trajectories have been.
    """

    current: Point
    moving: Point
    momentum: np.ndarray
    velocity: np.ndarray
    counters: np.ndarray
    kept: np.ndarray
    trail: Trail


def new_point(dim: int) -> Point:
    """A point of `dim` coordinates, all zero, its log-density unknown."""
    return Point(np.zeros(dim), np.zeros(dim), np.full(1, np.nan), np.zeros(1))


def new_trail(dim: int, length: int) -> Trail:
    """Memory for so many points of `dim` coordinates."""
    return Trail(
        np.zeros((length, dim)), np.zeros((length, dim)), np.zeros(length), np.array([0, 1, 0, NEVER], np.int64)
    )


def new_state(dim: int, trail: int = 0) -> State:
    """Memory for a chain in `dim` coordinates, and for so many points of its trajectories."""
    counters, points = np.zeros(N_COUNTERS, np.int64), new_trail(dim, trail)
    return State(new_point(dim), new_point(dim), np.zeros(dim), np.zeros(dim), counters, np.zeros(dim), points)
