"""The arrays that kernels work on, grouped and named.  Kernels change arrays in place and never allocate them.

Shapes: `d` is the number of unconstrained parameters.
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["FAILURES", "GRADIENTS", "LONGEST", "Point", "State", "System", "Target", "new_point", "new_state"]

LONGEST = 2.0**30
"""No step is longer than this, in whitened coordinates, where one of the order of 1 suits a well-fitted metric."""


class Target(NamedTuple):
    """The log-density: the address of a function of signature `LOGP`, and the record of shared data it reads.

    What is sampled is its power `inverse_temperature`.
    """

    address: int
    data: np.ndarray
    inverse_temperature: float = 1.0


class System(NamedTuple):
    """A Hamiltonian system and the flow that approximates its motion."""

    target: Target
    kinetic: Any
    metric: Any
    flow: Any


class Point(NamedTuple):
    """A position (d,), the gradient of the log-density there (d,), and the log-density (1,)."""

    position: np.ndarray
    gradient: np.ndarray
    value: np.ndarray


GRADIENTS, FAILURES = range(2)  # of `State.counters`
N_COUNTERS = 2


class State(NamedTuple):
    """One chain between transitions, and the working memory of a transition.

    `current` is the draw; `moving` travels; `momentum` (d,) is whitened; `velocity` (d,) is scratch; `counters` (2,)
    say how many gradients were evaluated, and how many implicit steps have failed, since the last draw, at the places
    `GRADIENTS` and `FAILURES`.
    """

    current: Point
    moving: Point
    momentum: np.ndarray
    velocity: np.ndarray
    counters: np.ndarray


def new_point(dim: int) -> Point:
    """A point of `dim` coordinates, all zero, its log-density unknown."""
    return Point(np.zeros(dim), np.zeros(dim), np.full(1, np.nan))


def new_state(dim: int) -> State:
    """Memory for a chain in `dim` coordinates."""
    return State(new_point(dim), new_point(dim), np.zeros(dim), np.zeros(dim), np.zeros(N_COUNTERS, np.int64))
