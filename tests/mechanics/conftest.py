"""Systems that take a second to compile, shared by all files here."""

import pymc as pm
import pytest

from pymc_symplectic import mechanics


def henon_heiles(q):
    return (q**2).sum() / 2 + q[0] ** 2 * q[1] - q[1] ** 3 / 3


@pytest.fixture(scope="session")
def star():
    """Hénon and Heiles's potential, from an expression."""
    return mechanics.system(henon_heiles, dim=2)


def halves(q):
    # -log p of the model below, but for a constant
    return (q[0] ** 2 + (q[1] - q[0]) ** 2 / 0.25 + (0.5 - q[1]) ** 2) / 2


@pytest.fixture(scope="session")
def model():
    """Three Gaussians in a row, the last observed."""
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        z = pm.Normal("z", x, 0.5, shape=1)
        pm.Normal("y", z, 1.0, observed=[0.5])
    return model


@pytest.fixture(scope="session")
def model_system(model):
    return mechanics.system(model)


@pytest.fixture(scope="session")
def expression_of_model():
    return mechanics.system(halves, dim=2)
