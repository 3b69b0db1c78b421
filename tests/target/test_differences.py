"""Gradients by finite differences of a log-density, from a model to the draws."""

import cloudpickle
import numpy as np
import pymc as pm
import pytest
from pytensor.gradient import grad_undefined

import pymc_symplectic as ps
from pymc_symplectic.kernels.address import logp_at
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.status import Status
from pymc_symplectic.target import LogDensity, kept_log_density
from tests.operations import Quadratic

QUIET = {"progressbar": False, "quiet": True, "compute_convergence_checks": False, "cores": 1, "chains": 2}


@kernel
def call(target, position, gradient, value):
    return logp_at(target.address)(target.data, position, gradient, value)


def through_address(target, position):
    gradient, value, at = np.full(len(position), np.nan), np.full(1, np.nan), np.array(position, dtype=float)
    status = call(target, at, gradient, value)
    np.testing.assert_array_equal(at, position)  # to the last bit where it was
    return Status(status), value[0], gradient


class Simulator(Quadratic):
    """An operation without a gradient."""

    def pullback(self, inputs, outputs, cotangents):
        return [grad_undefined(self, 0, inputs[0])]


def simulated(value=lambda x: -0.5 * np.sum(x**2), dim=2):
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, shape=dim)
        pm.Potential("simulator", Simulator(value)(x))
    return model


AT = np.array([0.2, -0.4, 0.9])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"], ids=["native", "through Python"])
def test_gradients_are_near_the_true_ones(mode, hierarchy):
    options = {"compile_kwargs": {"mode": mode} if mode else None, "model": hierarchy}
    exact = kept_log_density(**options)
    found = kept_log_density(**options, differences=ps.Differences())
    assert (found.native, found.values_a_gradient, exact.values_a_gradient) == (mode is None, 4, 0)
    value, gradient = found(AT)
    assert value == pytest.approx(exact(AT)[0], rel=1e-13)
    np.testing.assert_allclose(gradient, exact(AT)[1], rtol=1e-4)
    status, *same = through_address(found.target, AT)
    assert status == Status.OK and same[0] == value
    np.testing.assert_allclose(same[1], gradient, rtol=1e-8)
    weights = found.parametrization.weights_of("noncentered", 1.0)
    others = [through_address(one.target_by(weights), AT)[1:] for one in (found, exact)]
    assert others[0][0] == pytest.approx(others[1][0], rel=1e-13) and others[0][0] != pytest.approx(value, rel=1e-3)
    np.testing.assert_allclose(others[0][1], others[1][1], rtol=1e-4)
    assert through_address(found.values, AT)[1] == pytest.approx(value, rel=1e-13)
    with hierarchy:
        pm.set_data({"y": np.array([2.0, 1.0])})
    try:
        assert found.refresh()
        assert through_address(found.target, AT)[1] == pytest.approx(found(AT)[0], rel=1e-13) != value
    finally:
        with hierarchy:
            pm.set_data({"y": np.array([0.3, -1.1])})


def test_they_are_what_is_asked_for():
    found = LogDensity(model=simulated(), differences=ps.Differences(error=1e-4, scale=[1.0, 10.0]))
    _, gradient = found(np.array([1.0, -2.0]))
    # of -x², the difference by a step h is -2 x - h
    np.testing.assert_allclose(gradient, [-2.0 - 0.02, 4.0 - 0.2], rtol=1e-10)
    again = cloudpickle.loads(cloudpickle.dumps(found))
    np.testing.assert_array_equal(again(np.array([1.0, -2.0]))[1], gradient)


def test_at_the_edge_the_slope_is_none_and_the_point_counts():
    def value(x):
        if x[1] > 1.0:
            raise ValueError("beyond")
        return -np.inf if x[0] > 1.0 else 0.0

    found = LogDensity(model=simulated(value), differences=ps.Differences())
    inside, edge = [0.5, 0.5], [1.0, 1.0]
    for slope in (found(np.array(edge))[1], through_address(found.target, edge)[2]):
        np.testing.assert_array_equal(slope, 0.0)
    status, value_there, _ = through_address(found.target, edge)
    assert status == Status.OK and np.isfinite(value_there)
    assert through_address(found.target, [1.1, 0.0])[1] == -np.inf
    assert through_address(found.target, [0.0, 1.1])[0] == Status.FAILED
    with pytest.raises(ValueError, match="beyond"):
        found(np.array([0.0, 1.1]))
    assert through_address(found.target, inside)[0] == Status.OK


def test_an_error_of_a_program_breaks_a_chain_wherever_it_comes_up():
    def value(x):
        if x[0] > 1.0:
            raise TypeError("no such thing")
        return 0.0

    found = LogDensity(model=simulated(value), differences=ps.Differences())
    assert through_address(found.target, [1.0, 0.0])[0] == Status.BROKEN
    assert isinstance(found.error, TypeError)
    with pytest.raises(TypeError, match="no such thing"):
        found(np.array([1.0, 0.0]))


def test_without_being_asked_it_says_what_to_do():
    with pytest.raises(
        NotImplementedError, match=r"with respect to x, .* up to 12 parameters, by the option gradient='d"
    ):
        LogDensity(model=simulated())


def test_too_many_parameters_are_refused_and_the_reason_is_given():
    with pytest.raises(ValueError, match=r"each gradient of 13 parameters takes 14 values .* 12 parameters at most"):
        ps.sample(model=simulated(dim=13), gradient="differences", **QUIET)
    with pytest.raises(ValueError, match="scale has 3 numbers, and there are 2 parameters"):
        LogDensity(model=simulated(), differences=ps.Differences(scale=[1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"error": 0.0}, ValueError, "error must lie strictly between 0 and 1"),
        ({"error": "small"}, TypeError, "error must be a number"),
        ({"scale": -1.0}, ValueError, "scale must be positive"),
        ({"scale": [1.0, np.nan]}, ValueError, "scale must be positive"),
    ],
)
def test_numbers_that_make_no_sense(given, error, message):
    with pytest.raises(error, match=message):
        ps.Differences(**given)


def test_options_that_make_no_sense():
    with pytest.raises(ValueError, match="unknown gradient 'none'; choose one of: exact, differences"):
        ps.HMC(gradient="none", model=simulated())
    with pytest.raises(TypeError, match=r"gradient must be 'exact', 'differences' or a pymc_symplectic.Differences"):
        ps.HMC(gradient=True, model=simulated())


def test_draws_are_those_of_the_density_and_their_values_are_counted():
    model = simulated()  # with the prior, x has variance ½
    idata = ps.sample(600, tune=300, model=model, gradient="differences", random_seed=4, **QUIET)
    x, stats = idata["posterior"]["x"].values.reshape(-1, 2), idata["sample_stats"]
    assert abs(x.mean(axis=0)).max() < 0.1 and abs(x.var(axis=0) - 0.5).max() < 0.1
    np.testing.assert_array_equal(stats["n_values"], 3 * stats["n_gradients"])
    compiled = ps.compile(model, gradient="differences")
    same = compiled.sample(600, tune=300, random_seed=4, **QUIET)
    np.testing.assert_array_equal(same["posterior"]["x"], idata["posterior"]["x"])
    assert len(ps.initial_points(compiled, 2, random_seed=1)) == 2
    with model:
        trace = pm.sample(20, tune=20, step=ps.HMC(gradient="differences"), random_seed=1, **{**QUIET, "quiet": True})
    assert (trace["sample_stats"]["n_values"] > 0).all()
