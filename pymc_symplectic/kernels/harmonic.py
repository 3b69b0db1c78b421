"""The split of H whose drift is the exact motion of a Gaussian, and whose kick is what is left of the force.

With z = L⁻¹(q - μ), the energy ½|z|² + ½|r|² of the Gaussian N(μ, L Lᵀ) turns the pair (z, r) as a wheel turns, and
what remains of H is a function of the position alone:

======  =================================================  ==============================
drift   (z, r) = (cos t z + sin t r, cos t r - sin t z)    flow of ½|z|² + ½|r|²
kick    r += c (Lᵀ ∇log π(q) + z)                          flow of U(q) - ½|z|²
======  =================================================  ==============================

Both are exact, so a step is symplectic and can be retraced whatever μ and L are.  The kinetic energy is the Gaussian
one: no other has this drift.
"""

from typing import NamedTuple

import numpy as np

from . import linear
from .compile import helper
from .state import HamiltonianSystem, State
from .vectors import assign

__all__ = ["HarmonicSplit", "begin_harmonic", "drift_harmonic", "kick_harmonic", "longest_of_harmonic"]


class HarmonicSplit(NamedTuple):
    """The mean μ (d,); memory for z (d,); and the longest step to tune to."""

    mean: np.ndarray
    white: np.ndarray
    longest: float


@helper
def begin_harmonic(split: HarmonicSplit, system: HamiltonianSystem, state: State) -> None:
    """Compute z from the position alone, as trajectories jump from one end to the other between steps."""
    white, position = split.white, state.moving.position
    for j in range(white.size):
        white[j] = position[j] - split.mean[j]
    linear.solve(system.metric, white)


@helper
def kick_harmonic(split: HarmonicSplit, system: HamiltonianSystem, state: State, c: float) -> None:
    """A kick by what is left of the force."""
    linear.kick(system.metric, c, state.moving.gradient, state.momentum)
    for j in range(state.momentum.size):
        state.momentum[j] += c * split.white[j]


@helper
def drift_harmonic(split: HarmonicSplit, system: HamiltonianSystem, state: State, angle: float) -> None:
    """A turn of the wheel."""
    white, momentum, position = split.white, state.momentum, state.moving.position
    cosine, sine = np.cos(angle), np.sin(angle)
    for j in range(momentum.size):
        z, r = white[j], momentum[j]
        white[j] = cosine * z + sine * r
        momentum[j] = cosine * r - sine * z
    assign(position, split.mean)
    linear.drift(system.metric, 1.0, white, position)


@helper
def longest_of_harmonic(split: HarmonicSplit) -> float:
    """As its record says: less than half a turn, which leads to the point opposite whatever the momentum."""
    return split.longest
