"""Test trajectories from remembered draws: room for them, and following them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.probe import Outings, Probes, probe, venture
from ..kernels.state import State, System
from ..kernels.status import Status
from .worth import Memory, spread

__all__ = ["BrokenError", "empty_outings", "empty_probes", "follow", "go_out", "probes_of"]


class BrokenError(Exception):
    """The log-density raised an error on a test trajectory."""


def probes_of(
    memory: Memory, at: np.ndarray, momenta: np.ndarray, sizes: np.ndarray, counts: np.ndarray, columns: np.ndarray
) -> Probes:
    """Room for trajectories from the draws `at`."""
    shape = len(at), int(counts.max(initial=0))
    starts = memory.draws[at], memory.gradients[at], memory.density[at]
    room = np.zeros((*shape, len(columns))), np.zeros(shape), np.full(shape, np.inf)
    return Probes(*starts, momenta, sizes, counts, columns, *room)


def empty_probes(dim: int) -> Probes:
    """No trajectories at all, of the types that kernels are compiled for."""
    whole = np.zeros(0, np.int64)
    return probes_of(_nothing(dim), whole, np.zeros((0, dim)), np.zeros(0), whole, spread(dim, dim))


def empty_outings(dim: int) -> Outings:
    """No outings at all, of the types that kernels are compiled for."""
    memory, point = _nothing(dim), np.zeros(dim)
    rows, none = memory.draws, memory.density
    return Outings(rows, rows, none, rows, 1.0, 1, point, 0.0, rows, rows, none, point)


def _nothing(dim: int) -> Memory:
    rows, none = np.zeros((0, dim)), np.zeros(0)
    return Memory(rows, rows, none, none, none, none)


def follow(flow: Any, system: System, state: State, probes: Probes, max_energy_error: float) -> None:
    """Follow test trajectories by this flow; raise a `BrokenError` where the log-density does not answer."""
    if probe(system._replace(flow=flow), state, probes, max_energy_error) == Status.BROKEN:
        raise BrokenError


def go_out(flow: Any, system: System, state: State, outings: Outings, max_energy_error: float) -> None:
    """Follow outings, likewise."""
    if venture(system._replace(flow=flow), state, outings, max_energy_error) == Status.BROKEN:
        raise BrokenError
