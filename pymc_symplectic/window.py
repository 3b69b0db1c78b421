"""The draws of a window of warm-up, once it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .kernels.adapt import ACCEPT, DENSITY, DIVERGED, IN_MEMORY, IN_MOMENTS, LOG_MEAN_STEP, STEPS, Learning

__all__ = ["Window"]

_LARGEST = 1e100  # of what can be squared, and summed


@dataclass(frozen=True)
class Window:
    """The draws of a window of warm-up: all that anything is learned from.

    Attributes
    ----------
    draws, gradients : ndarray of shape (n, d)
        Unconstrained positions and gradients of the log-density, the oldest first; of a window that is longer than
        what memory was asked for, the latest n.
    log_density, steps, accept, diverged : ndarray of shape (n,)
        Of each of these draws: the log-density, integrator steps, mean acceptance, and whether it diverged (1.0).
    count : int
        Draws of the whole window.
    means, squares : ndarray of shape (2, d)
        Means, and sums of squared deviations from them, over the whole window: of draws (row 0) and gradients (row 1).
    end : int
        The number of draws of the chain when the window ended.
    step_size : float
        What dual averaging had settled on by then.
    turn : int
        The place of the oldest draw in the chain's memory, which is a ring.
    """

    draws: np.ndarray
    gradients: np.ndarray
    log_density: np.ndarray
    steps: np.ndarray
    accept: np.ndarray
    diverged: np.ndarray
    count: int
    means: np.ndarray
    squares: np.ndarray
    end: int = 0
    step_size: float = 1.0
    turn: int = 0

    @classmethod
    def of(cls, learning: Learning, end: int = 0) -> Window:
        """The window that a chain has drawn since the last one ended; a copy."""
        count, room = int(learning.counters[IN_MEMORY]), len(learning.draws)
        order = np.arange(max(0, count - room), count) % max(1, room)
        log_density, steps, accept, diverged = learning.outcomes[order].T[[DENSITY, STEPS, ACCEPT, DIVERGED]]
        return cls(
            draws=learning.draws[order],
            gradients=learning.gradients[order],
            log_density=log_density,
            steps=steps,
            accept=accept,
            diverged=diverged,
            count=int(learning.counters[IN_MOMENTS]),
            means=learning.means.copy(),
            squares=learning.squares.copy(),
            end=end,
            step_size=float(np.exp(learning.step[LOG_MEAN_STEP])),
            turn=int(order[0]) if len(order) else 0,
        )

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Draws and gradients (n, d) that can be squared, as metrics and kinetic energies are fitted to them.

        They come in the order of memory, which matters to the last bit of sums alone.
        """
        draws, gradients = np.roll(self.draws, self.turn, axis=0), np.roll(self.gradients, self.turn, axis=0)
        fit = (np.abs(draws) < _LARGEST).all(axis=1) & (np.abs(gradients) < _LARGEST).all(axis=1)
        return draws[fit], gradients[fit]
