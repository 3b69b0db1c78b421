"""The three things kernels ask of a kinetic energy K(r) of the whitened momentum r: its value, its gradient, a draw.

A kinetic energy is `Addressed`: three function addresses and a parameter vector, so that any of them runs on the same
compiled kernels.  The Gaussian one is built in, because there the velocity *is* the momentum and need not be copied.
"""

from typing import Any, NamedTuple

import numpy as np

from .address import draw_at, energy_at, velocity_at
from .compile import helper, kernel, specialise
from .random import generator_at

__all__ = [
    "Addressed",
    "GaussianEnergy",
    "draw_momentum",
    "draws",
    "energies",
    "kinetic_energy",
    "velocities",
    "velocity_of",
]


class GaussianEnergy(NamedTuple):
    """K(r) = ½|r|²; `params` is empty."""

    params: np.ndarray


class Addressed(NamedTuple):
    """K by the addresses of functions of signatures `ENERGY`, `VELOCITY` and `DRAW`, and their parameters."""

    energy: int
    velocity: int
    draw: int
    params: np.ndarray


@helper
def _energy_gaussian(kinetic: GaussianEnergy, momentum: np.ndarray) -> float:
    total = 0.0
    for j in range(momentum.size):
        total += momentum[j] * momentum[j]
    return 0.5 * total


@helper
def _velocity_gaussian(kinetic: GaussianEnergy, momentum: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    return momentum


@helper
def _draw_gaussian(kinetic: GaussianEnergy, rng: np.random.Generator, momentum: np.ndarray) -> None:
    for j in range(momentum.size):
        momentum[j] = rng.standard_normal()


@helper
def _energy_addressed(kinetic: Addressed, momentum: np.ndarray) -> float:
    return energy_at(kinetic.energy)(kinetic.params, momentum)


@helper
def _velocity_addressed(kinetic: Addressed, momentum: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    velocity_at(kinetic.velocity)(kinetic.params, momentum, scratch)
    return scratch


@helper
def _draw_addressed(kinetic: Addressed, rng: np.random.Generator, momentum: np.ndarray) -> None:
    draw_at(kinetic.draw)(kinetic.params, rng, momentum)


_ENERGIES = {GaussianEnergy: _energy_gaussian, Addressed: _energy_addressed}
_VELOCITIES = {GaussianEnergy: _velocity_gaussian, Addressed: _velocity_addressed}
_DRAWS = {GaussianEnergy: _draw_gaussian, Addressed: _draw_addressed}


def kinetic_energy(kinetic: Any, momentum: np.ndarray) -> float:
    """K(r)."""
    return _ENERGIES[type(kinetic)](kinetic, momentum)


def velocity_of(kinetic: Any, momentum: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """The array that holds ∇K(r): `scratch`, or `momentum` itself where the two are equal."""
    return _VELOCITIES[type(kinetic)](kinetic, momentum, scratch)


def draw_momentum(kinetic: Any, rng: np.random.Generator, momentum: np.ndarray) -> None:
    """One exact draw from exp(-K), in place."""
    _DRAWS[type(kinetic)](kinetic, rng, momentum)


specialise(kinetic_energy, _ENERGIES)
specialise(velocity_of, _VELOCITIES)
specialise(draw_momentum, _DRAWS)


@kernel
def energies(kinetic: Any, momenta: np.ndarray, out: np.ndarray) -> None:
    """K of each row of `momenta` (n, d), written to `out` (n,)."""
    for i in range(momenta.shape[0]):
        out[i] = kinetic_energy(kinetic, momenta[i])


@kernel
def velocities(kinetic: Any, momenta: np.ndarray, out: np.ndarray) -> None:
    """∇K of each row of `momenta`, written to the rows of `out`, (n, d) both."""
    for i in range(momenta.shape[0]):
        velocity = velocity_of(kinetic, momenta[i], out[i])
        for j in range(velocity.size):
            out[i, j] = velocity[j]


@kernel
def draws(kinetic: Any, random: np.ndarray, out: np.ndarray) -> None:
    """Draws from exp(-K), in the rows of `out` (n, d)."""
    rng = generator_at(random)
    for i in range(out.shape[0]):
        draw_momentum(kinetic, rng, out[i])
