"""Explicit integrators whose drift is the exact motion of a Gaussian, and whose kick is what is left of the force.

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

from .compile import helper
from .energy import evaluate
from .linear import drift, kick, solve
from .state import State, System
from .status import Status
from .vectors import assign

__all__ = ["Harmonic", "longest_of_harmonic", "step_harmonic"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Harmonic(NamedTuple):
    """Coefficients as those of a `Composition`; the mean μ (d,); memory for z (d,); and the longest step to tune to."""

    kicks: np.ndarray
    drifts: np.ndarray
    mean: np.ndarray
    white: np.ndarray
    longest: float


@helper
def _kick(flow: Harmonic, system: System, state: State, c: float) -> None:
    kick(system.metric, c, state.moving.gradient, state.momentum)
    for j in range(state.momentum.size):
        state.momentum[j] += c * flow.white[j]


@helper
def _rotate(flow: Harmonic, system: System, state: State, angle: float) -> None:
    white, momentum, position = flow.white, state.momentum, state.moving.position
    cosine, sine = np.cos(angle), np.sin(angle)
    for j in range(momentum.size):
        z, r = white[j], momentum[j]
        white[j] = cosine * z + sine * r
        momentum[j] = cosine * r - sine * z
    assign(position, flow.mean)
    drift(system.metric, 1.0, white, position)


@helper
def step_harmonic(flow: Harmonic, system: System, state: State, eps: float) -> int:
    """One step, in place; stops where the log-density is -inf.

    It starts from the position alone, as trajectories jump from one end to the other between steps.
    """
    kicks, drifts, point = flow.kicks, flow.drifts, state.moving
    kick_first = kicks.size > drifts.size
    for j in range(flow.white.size):
        flow.white[j] = point.position[j] - flow.mean[j]
    solve(system.metric, flow.white)
    if kick_first:
        _kick(flow, system, state, kicks[0] * eps)
    for i in range(min(kicks.size, drifts.size)):
        _rotate(flow, system, state, drifts[i] * eps)
        status = evaluate(system.target, point, state.counters)
        if status == _BROKEN or point.value[0] == -np.inf:
            return status
        _kick(flow, system, state, kicks[i + int(kick_first)] * eps)
    if not kick_first:
        _rotate(flow, system, state, drifts[-1] * eps)
    return _OK


@helper
def longest_of_harmonic(flow: Harmonic) -> float:
    """As its record says: less than half a turn, which leads to the point opposite whatever the momentum."""
    return flow.longest
