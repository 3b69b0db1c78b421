"""Laws of every metric: kicks and drifts are by one linear map L, and its transpose."""

import numpy as np
import pytest

from pymc_symplectic.kernels import linear

from .moves import UntransposedMap, drift_untransposed, kick_untransposed
from .systems import DIM, METRICS, matrix_of, some_map


def transpose_defect(linear_map):
    kicked = np.zeros((DIM, DIM))
    for row, unit in zip(kicked, np.eye(DIM), strict=True):
        linear.kick(linear_map, 1.0, unit, row)
    return np.abs(kicked - matrix_of(linear_map)).max()


@pytest.mark.parametrize("name", METRICS)
def test_kick_is_by_the_transpose_of_drift(name):
    assert transpose_defect(some_map(name)) < 1e-14


@pytest.mark.parametrize("name", METRICS)
def test_solve_is_by_the_inverse_of_drift(name):
    vector = np.random.default_rng(9).standard_normal(DIM)
    solved = vector.copy()
    linear.solve(some_map(name), solved)
    np.testing.assert_allclose(matrix_of(some_map(name)) @ solved, vector, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", METRICS)
def test_map_is_invertible(name):
    assert np.linalg.cond(matrix_of(some_map(name))) < 100


def test_untransposed_kick_is_noticed(monkeypatch):
    monkeypatch.setitem(linear._KICKS, UntransposedMap, kick_untransposed)
    monkeypatch.setitem(linear._DRIFTS, UntransposedMap, drift_untransposed)
    assert transpose_defect(UntransposedMap(matrix_of(some_map("dense")))) > 0.1


@pytest.mark.parametrize("name", METRICS)
def test_kick_and_drift_add_to_what_is_there(name):
    rng = np.random.default_rng(8)
    vector, there = rng.standard_normal((2, DIM))
    for move, matrix in ((linear.kick, matrix_of(some_map(name)).T), (linear.drift, matrix_of(some_map(name)))):
        moved = there.copy()
        move(some_map(name), -0.7, vector, moved)
        np.testing.assert_allclose(moved, there - 0.7 * matrix @ vector, rtol=0, atol=1e-14)
