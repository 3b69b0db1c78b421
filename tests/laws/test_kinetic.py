"""Laws of every kinetic energy: its velocity is its gradient, it is even, and momenta follow exp(-K).

Draws are held against the energy by Stein's identity, E[∂ᵢK h] = E[∂ᵢh] for any smooth h of moderate growth, which
needs no normalising constant and no quadrature in any number of dimensions.
"""

import numpy as np
import pytest
from scipy.stats import norm

from pymc_symplectic.kernels.kinetic import kinetic_energy, velocity_of
from pymc_symplectic.kernels.random import generator_record

from .moves import draw_momenta
from .systems import DIM, GAUSSIAN_MOMENTA, KINETIC

every_kinetic_energy = pytest.mark.parametrize("kinetic", KINETIC)
MOMENTA = np.random.default_rng(7).standard_normal((20, DIM)) * np.geomspace(0.01, 30, 20)[:, None]


def stein_p(kinetic, count=100_000):
    """The smallest p-value of Stein's identities, for h = rⱼ and h = sin 2rⱼ, times their number."""
    rng = np.random.default_rng(8)
    r, v = np.empty((count, DIM)), np.empty((count, DIM))
    draw_momenta(kinetic, generator_record(rng), r, v, np.empty(DIM))
    gaps = []
    for i in range(DIM):
        for j in range(DIM):
            gaps += [v[:, i] * r[:, j] - (i == j), v[:, i] * np.sin(2 * r[:, j]) - (i == j) * 2 * np.cos(2 * r[:, j])]
    return len(gaps) * min(2 * norm.sf(abs(gap.mean()) * np.sqrt(count) / gap.std()) for gap in gaps)


@every_kinetic_energy
def test_momenta_follow_the_energy(kinetic):
    assert stein_p(KINETIC[kinetic]) > 1e-6


def test_gaussian_momenta_under_a_relativistic_energy_are_noticed():
    assert stein_p(GAUSSIAN_MOMENTA) < 1e-12


@every_kinetic_energy
def test_velocity_is_the_gradient_of_the_energy(kinetic):
    kinetic = KINETIC[kinetic]
    for r in MOMENTA:
        shifts = r + 1e-30j * np.eye(DIM)
        gradient = [np.imag(kinetic_energy(kinetic, shifted)) / 1e-30 for shifted in shifts]
        np.testing.assert_allclose(velocity_of(kinetic, r, np.empty(DIM)), gradient, rtol=1e-12)


@every_kinetic_energy
def test_energy_is_even(kinetic):
    kinetic = KINETIC[kinetic]
    for r in MOMENTA:
        assert kinetic_energy(kinetic, r) == pytest.approx(kinetic_energy(kinetic, -r), rel=1e-14)
        backwards = velocity_of(kinetic, -r, np.empty(DIM))
        np.testing.assert_allclose(velocity_of(kinetic, r, np.empty(DIM)), -backwards, rtol=1e-14)
