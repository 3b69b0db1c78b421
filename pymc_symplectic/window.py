"""The draws of a window of warm-up, once it has ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .kernels.adapt import ACCEPT, DENSITY, DIVERGED, IN_MEMORY, IN_MOMENTS, LOG_MEAN_STEP, SIZE, STEPS, Learning
from .kernels.state import KEPT, Trail

__all__ = ["Window"]

_LARGEST = 1e100  # of what can be squared, and summed


@dataclass(frozen=True)
class Window:
    """The draws of a window of warm-up, or points of its trajectories: all that anything is learned from.

    Attributes
    ----------
    draws, gradients : ndarray of shape (n, d)
        Unconstrained positions and gradients of the log-density, the oldest first; of a window that is longer than
        what memory was asked for, the latest n.
    log_density, steps, accept, diverged, sizes : ndarray of shape (n,)
        Of each of these draws: the log-density, integrator steps, mean acceptance, whether it diverged (1.0), and the
        size of its steps.  Of points the log-density alone is known, and the others are as of an accepted step.
    count : int
        Draws of the whole window.
    means, squares : ndarray of shape (2, d)
        Means, and sums of squared deviations from them, over the whole window: of draws (row 0) and gradients (row 1).
    end : int
        The number of draws of the chain when the window ended.
    step_size : float
        What dual averaging had settled on by then.
    """

    draws: np.ndarray
    gradients: np.ndarray
    log_density: np.ndarray
    steps: np.ndarray
    accept: np.ndarray
    diverged: np.ndarray
    sizes: np.ndarray
    count: int
    means: np.ndarray
    squares: np.ndarray
    end: int = 0
    step_size: float = 1.0

    @classmethod
    def of(cls, learning: Learning, end: int = 0) -> Window:
        """The window that a chain has drawn since the last one ended; a copy."""
        count, room = int(learning.counters[IN_MEMORY]), len(learning.draws)
        order = np.arange(max(0, count - room), count) % max(1, room)
        columns = [DENSITY, STEPS, ACCEPT, DIVERGED, SIZE]
        log_density, steps, accept, diverged, sizes = learning.outcomes[order].T[columns]
        return cls(
            draws=learning.draws[order],
            gradients=learning.gradients[order],
            log_density=log_density,
            steps=steps,
            accept=accept,
            diverged=diverged,
            sizes=sizes,
            count=int(learning.counters[IN_MOMENTS]),
            means=learning.means.copy(),
            squares=learning.squares.copy(),
            end=end,
            step_size=float(np.exp(learning.step[LOG_MEAN_STEP])),
        )

    @classmethod
    def of_points(
        cls, positions: np.ndarray, gradients: np.ndarray, values: np.ndarray, end: int = 0, step_size: float = 1.0
    ) -> Window:
        """Points (n, d) with gradients (n, d) and log-densities (n,), the oldest first, as if each were a draw."""
        ones = np.ones(len(values))
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.array([part.sum(axis=0) for part in (positions, gradients)]) / max(1, len(values))
            squares = np.array([((positions - means[0]) ** 2).sum(axis=0), ((gradients - means[1]) ** 2).sum(axis=0)])
        return cls(
            draws=positions,
            gradients=gradients,
            log_density=values,
            steps=ones,
            accept=ones,
            diverged=np.zeros(len(values)),
            sizes=np.full(len(values), step_size),
            count=len(values),
            means=means,
            squares=squares,
            end=end,
            step_size=step_size,
        )

    @classmethod
    def of_trail(cls, trail: Trail, since: int = 0, end: int = 0, step_size: float = 1.0) -> Window:
        """The points of trajectories since so many had been kept, as far as they are remembered.

        While they have not gone round in memory they are no copy, and good until the chain goes on.
        """
        kept, room = int(trail.counters[KEPT]), len(trail.values)
        first = max(since, kept - room)
        order = slice(first, kept) if kept <= room else np.arange(first, kept) % max(1, room)
        return cls.of_points(trail.positions[order], trail.gradients[order], trail.values[order], end, step_size)

    def last(self, count: int) -> Window:
        """The latest draws, so many at most."""
        first = max(0, len(self.draws) - count)
        each = ("draws", "gradients", "log_density", "steps", "accept", "diverged", "sizes")
        part = {name: getattr(self, name)[first:] for name in each}
        kept = Window.of_points(part["draws"], part["gradients"], part["log_density"], self.end, self.step_size)
        return replace(kept, **part)

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Draws and gradients (n, d) that can be squared, as metrics and kinetic energies are fitted to them."""
        draws, gradients = self.draws, self.gradients
        if all(part.min(initial=0.0) > -_LARGEST and part.max(initial=0.0) < _LARGEST for part in (draws, gradients)):
            return draws, gradients
        fit = (np.abs(draws) < _LARGEST).all(axis=1) & (np.abs(gradients) < _LARGEST).all(axis=1)
        return draws[fit], gradients[fit]
