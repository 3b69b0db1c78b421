"""`venture`: the farthest places that matter on trajectories out of a window."""

import numpy as np
import pytest
from laws.systems import DIM

from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.chain import evaluate_start
from pymc_symplectic.kernels.probe import Outings, venture
from pymc_symplectic.kernels.status import Status

from .runs import Run

STEPS = 12


def _breaks(data, position, gradient, value):
    return 2  # Status.BROKEN


def evaluated(run):
    """The same, its log-density and gradient those of where it is."""
    assert evaluate_start(run.system.target, run.state) == Status.OK
    return run


def outings(least, count=5, seed=1):
    """Some with large momenta, from near the origin, and a run to follow them with."""
    rng = np.random.default_rng(seed)
    run = Run()
    starts, momenta = 0.3 * rng.standard_normal((count, DIM)), 3 * rng.standard_normal((count, DIM))
    values, gradients = np.zeros(count), np.zeros((count, DIM))
    for i, start in enumerate(starts):
        run.state.current.position[:] = start
        evaluated(run)
        values[i], gradients[i] = run.state.current.value[0], run.state.current.gradient
    room = np.zeros((count, DIM)), np.zeros((count, DIM)), np.zeros(count), np.zeros(DIM)
    mean = np.zeros(DIM)
    return run, Outings(starts, gradients, values, momenta, 0.3, STEPS, mean, values.min() - least, *room)


@pytest.mark.parametrize("least", [0.0, 4.0, 1e6])
def test_places_are_the_farthest_that_are_dense_enough(least):
    run, out = outings(least)
    before, run.state.counters[0] = run.state.current.position.copy(), 0
    assert venture(run.system, run.state, out, 1000.0) == Status.OK
    assert run.state.counters[0] == len(out.starts) * STEPS
    np.testing.assert_array_equal(run.state.current.position, before)
    scale = run.system.metric.scale
    away = [((points / scale) ** 2).sum(axis=1) for points in (out.places, out.starts)]
    assert np.all(away[0] >= away[1]) and np.all(out.heights >= out.least)
    for place, height, slope in zip(out.places, out.heights, out.slopes, strict=True):
        run.state.current.position[:] = place
        assert evaluated(run).state.current.value[0] == pytest.approx(height)
        np.testing.assert_allclose(run.state.current.gradient, slope)


def test_a_less_dense_place_may_be_farther():
    far = []
    for least in (0.0, 1e6):
        run, out = outings(least)
        venture(run.system, run.state, out, 1000.0)
        far.append((out.places / run.system.metric.scale) ** 2)
    assert np.all(far[1].sum(axis=1) >= far[0].sum(axis=1)) and np.any(far[1].sum(axis=1) > far[0].sum(axis=1))


def test_compiled_code_does_what_python_does():
    run, compiled = outings(4.0)
    other, python = outings(4.0)
    venture(run.system, run.state, compiled, 1000.0)
    venture.py_func(other.system, other.state, python, 1000.0)
    for name in ("places", "slopes", "heights"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(python, name), rtol=1e-10, atol=1e-10)


def test_a_broken_log_density_is_reported():
    run, out = outings(4.0)
    broken = run.system._replace(target=run.system.target._replace(address=AddressedFunction(_breaks, LOGP).address))
    assert venture(broken, run.state, out, 1000.0) == Status.BROKEN
