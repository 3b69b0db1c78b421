"""Measurements with the log-density: step sizes, steepness, and test trajectories from draws of a window."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..kernels import chain as kernels
from ..kernels.adapt import new_learning
from ..kernels.compile import bind
from ..kernels.kinetic import draws as draw_momenta
from ..kernels.probe import Outings, Probes, probe, venture
from ..kernels.random import generator_record
from ..kernels.state import GRADIENTS, KEPT, SEEN, HamiltonianSystem, State, Target, new_state
from ..kernels.statistics import N_COLUMNS
from ..kernels.status import Status
from ..window import Window
from .descent import Place

__all__ = ["BrokenError", "Lab", "Starts", "evenly_spaced", "probes_from"]


class BrokenError(Exception):
    """The log-density raised an error during a measurement."""


class Starts(NamedTuple):
    """Where test trajectories begin: positions and gradients (n, d), and log-densities (n,)."""

    positions: np.ndarray
    gradients: np.ndarray
    log_density: np.ndarray

    @classmethod
    def of(cls, window: Window, at: np.ndarray) -> Starts:
        """Some draws of a window."""
        return cls(window.draws[at], window.gradients[at], window.log_density[at])


class Lab:
    """Measurements where a chain stands, and where it has been; it moves the chain before its first draw alone.

    Gradients are counted like all others of the chain, and randomness is the chain's own.

    Parameters
    ----------
    target : Target
    state : State
        Its working memory is used; ``state.current`` is left alone.
    rng : numpy.random.Generator
        The chain's.
    max_energy_error : float
        A test trajectory beyond it diverges.
    """

    def __init__(self, target: Target, state: State, rng: np.random.Generator, max_energy_error: float) -> None:
        self.target, self._state, self._rng, self._limit = target, state, rng, max_energy_error
        self._random = generator_record(rng)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self._state.current.position.size

    @property
    def gradient(self) -> np.ndarray:
        """Of the log-density, where the chain stands (d,)."""
        return self._state.current.gradient

    @property
    def gradients(self) -> int:
        """How many have been evaluated since the chain's last draw."""
        return int(self._state.counters[GRADIENTS])

    @property
    def place(self) -> Place:
        """Where the chain stands; a copy."""
        point = self._state.current
        return Place(point.position.copy(), float(point.value[0]), point.gradient.copy())

    def move(self, place: Place) -> None:
        """Let the chain, which has not drawn yet, begin elsewhere."""
        point = self._state.current
        point.position[:], point.value[0], point.gradient[:] = place

    def evaluate(self, position: np.ndarray) -> Place:
        """Log-density and gradient at a position."""
        point = self._state.moving
        point.position[:] = position
        if kernels.evaluate_start(self.target, self._state._replace(current=point)) == Status.BROKEN:
            raise BrokenError
        value = float(point.value[0])
        known = np.isfinite(value) and np.all(np.isfinite(point.gradient))
        return Place(point.position.copy(), value if known else -np.inf, point.gradient.copy())

    def renew(self) -> None:
        """Evaluate the log-density where the chain stands, with the gradient that draws by values have left unknown."""
        if kernels.evaluate_start(self.target, self._state) == Status.BROKEN:
            raise BrokenError

    def normals(self, *shape: int) -> np.ndarray:
        """Standard normal numbers."""
        return self._rng.standard_normal(shape)

    @property
    def seen(self) -> int:
        """How many points of trajectories there have been."""
        return int(self._state.trail.counters[SEEN])

    @property
    def kept(self) -> int:
        """How many of them have been kept."""
        return int(self._state.trail.counters[KEPT])

    def points(self, since: int, window: Window) -> Window:
        """The points since so many had been kept, at the end of a window of draws."""
        return Window.of_trail(self._state.trail, since, window.end, window.step_size)

    def step_size(self, system: HamiltonianSystem, guess: float) -> float:
        """A step size whose first step, from where the chain stands, is neither refused nor wastefully small."""
        found = kernels.search_step_size(system, self._state, guess, self._random)
        if np.isnan(found):
            raise BrokenError
        return found

    def steepness(self, system: HamiltonianSystem) -> float:
        """|Lᵀ g|² where the chain stands; about d in the typical set."""
        return kernels.steepness(system.metric, self._state)

    def momenta(self, system: HamiltonianSystem, count: int) -> np.ndarray:
        """Fresh ones, (count, d)."""
        momenta = np.empty((count, self.dim))
        draw_momenta(system.kinetic, self._random, momenta)
        return momenta

    def drawn(self, system: HamiltonianSystem, rule: Any, step_size: float, count: int) -> np.ndarray:
        """Draws (count, d) of another chain from where this one stands, on the target of `system`, whatever that is."""
        state, learning = new_state(self.dim), new_learning(self.dim, 0, step_size, 0.5)
        state.current.position[:] = self._state.current.position
        draws, rows = np.empty((count, self.dim)), np.empty((count, N_COLUMNS))
        kernels.evaluate_start(system.target, state)
        _, status = kernels.advance(system, rule, state, learning, self._random, draws, rows)
        if status == Status.BROKEN:
            raise BrokenError
        return draws

    def follow(self, system: HamiltonianSystem, probes: Probes) -> None:
        """Follow test trajectories, in place."""
        if probe(system, self._state, probes, self._limit) == Status.BROKEN:
            raise BrokenError

    def venture(self, system: HamiltonianSystem, outings: Outings) -> None:
        """Follow outings, in place."""
        if venture(system, self._state, outings, self._limit) == Status.BROKEN:
            raise BrokenError

    def compile(self, system: HamiltonianSystem, *, tests: bool, outings: bool) -> None:
        """Load or compile what measures with such a system, without measuring."""
        bind(kernels.evaluate_start, system.target, self._state)
        bind(kernels.search_step_size, system, self._state, 1.0, self._random)
        bind(kernels.steepness, system.metric, self._state)
        none, rows, whole = np.zeros(0), np.zeros((0, self.dim)), np.zeros(0, np.int64)
        starts, point = Starts(rows, rows, none), np.zeros(self.dim)
        if tests:
            probes = probes_from(starts, rows, none, whole, evenly_spaced(self.dim, self.dim))
            bind(probe, system, self._state, probes, self._limit)
            bind(draw_momenta, system.kinetic, self._random, rows)
        if outings:
            bind(
                venture, system, self._state, Outings(*starts, rows, 1.0, 1, point, 0.0, rows, rows, none, point),
                self._limit,
            )  # fmt: skip


def probes_from(
    starts: Starts, momenta: np.ndarray, sizes: np.ndarray, counts: np.ndarray, columns: np.ndarray
) -> Probes:
    """Test trajectories to follow, and room for what is seen of them: their coordinates at `columns`."""
    shape = len(momenta), int(counts.max(initial=0))
    room = np.zeros((*shape, len(columns))), np.zeros(shape), np.full(shape, np.inf)
    return Probes(*starts, momenta, sizes, counts, columns, *room)


def evenly_spaced(count: int, number: int) -> np.ndarray:
    """Places of `number` of `count` things, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, number)).round().astype(int))
