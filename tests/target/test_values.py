"""The log-density without its gradient: the same numbers behind an address, compiled when asked for and kept."""

import pickle
import threading

import cloudpickle
import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.kernels.address import logp_at
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.energy import evaluate_value
from pymc_symplectic.kernels.state import GRADIENTS, VALUES, new_state
from pymc_symplectic.kernels.status import Status
from pymc_symplectic.target import LogDensity, kept_log_density
from tests.operations import Quadratic


@kernel
def call(address, data, position, gradient, value):
    return logp_at(address)(data, position, gradient, value)


@kernel
def evaluated(target, state):
    return evaluate_value(target, state.current, state.counters)


def value_at(target, position):
    """What a target without a gradient makes of a position: status and value; the gradient stays as it was."""
    gradient, value = np.full(len(position), 7.0), np.full(1, np.nan)
    status = call(target.address, target.data, np.array(position, dtype=float), gradient, value)
    np.testing.assert_array_equal(gradient, 7.0)
    return Status(status), value[0]


@pytest.fixture(scope="module", params=[None, "FAST_COMPILE"], ids=["native", "through Python"])
def log_density(request, hierarchy):
    return kept_log_density(hierarchy, {"mode": request.param} if request.param else None)


AT = np.array([0.2, -0.4, 0.9])


def test_it_is_the_same_number(log_density):
    status, value = value_at(log_density.values, AT)
    assert status == Status.OK
    assert value == pytest.approx(log_density(AT)[0], rel=1e-13)


def test_in_other_coordinates(log_density):
    weights = log_density.parametrization.weights_of("noncentered", 1.0)
    full, alone = log_density.target_by(weights), log_density.values_by(weights)
    for weight in (0.0, 0.3):
        weights[1:3] = weight  # they are read at every call
        gradient, value = np.empty(3), np.empty(1)
        assert call(full.address, full.data, AT.copy(), gradient, value) == Status.OK
        assert value_at(alone, AT)[1] == pytest.approx(value[0], rel=1e-13)
        assert value[0] != pytest.approx(log_density(AT)[0], rel=1e-3)
    assert value_at(log_density.values, AT)[1] == pytest.approx(log_density(AT)[0], rel=1e-13)


def test_data_that_are_replaced(hierarchy, log_density):
    target, before = log_density.values, value_at(log_density.values, AT)[1]
    with hierarchy:
        pm.set_data({"y": np.array([2.0, 1.0])})
    try:
        assert log_density.refresh()
        assert value_at(target, AT)[1] == pytest.approx(log_density(AT)[0], rel=1e-13)
        assert value_at(target, AT)[1] != pytest.approx(before, rel=1e-3)
    finally:
        with hierarchy:
            pm.set_data({"y": np.array([0.3, -1.1])})
        log_density.refresh()


def test_variables_that_are_held(hierarchy):
    some = LogDensity(["m"], model=hierarchy)
    target = some.values
    for s in (0.0, 0.7):
        some.hold({"s_log__": np.array(s)})
        some.refresh()
        assert value_at(target, AT[1:])[1] == pytest.approx(some(AT[1:])[0], rel=1e-13)


def test_it_is_compiled_once_for_all_of_a_model_and_not_before(hierarchy, monkeypatch):
    made = []
    original = LogDensity._compiled
    monkeypatch.setattr(LogDensity, "_compiled", lambda self, *args: made.append(len(args[0])) or original(self, *args))
    one = LogDensity(model=hierarchy)
    assert made == [2]
    found = []
    others = [one, one.again(hierarchy, hierarchy.initial_point()), one.again(hierarchy, hierarchy.initial_point())]
    threads = [threading.Thread(target=lambda other=other: found.append(other.values)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [2, 1] and len({target.address for target in found}) == 1
    assert len({target.data.ctypes.data for target in found}) == 3  # each reads data by itself
    again = pickle.loads(cloudpickle.dumps(LogDensity(model=hierarchy)))
    assert value_at(again.values, AT)[1] == pytest.approx(one(AT)[0], rel=1e-13)


def quadratic(value):
    with pm.Model() as model:
        x = pm.Flat("x", shape=2, initval=np.zeros(2))
        pm.Potential("density", Quadratic(value)(x))
    return LogDensity(model=model)


def _raises(error):
    def value(x):
        if x[0] > 1.0:
            raise error
        return -0.5 * x @ x

    return value


@pytest.mark.parametrize(
    ("error", "status"), [(ZeroDivisionError("z"), Status.FAILED), (TypeError("t"), Status.BROKEN)]
)
def test_errors_are_those_of_the_log_density(error, status):
    found = quadratic(_raises(error))
    assert value_at(found.values, [2.0, 0.0])[0] == status
    assert found.error is error
    found.error = None
    assert value_at(found.values, [0.5, 0.0]) == (Status.OK, -0.125)


def test_kernels_count_it_and_take_what_is_not_finite_for_nothing(hierarchy):
    log_density = kept_log_density(hierarchy)  # by which the function lives
    state, target = new_state(3), log_density.values
    state.current.position[:] = AT
    state.current.gradient[:] = 7.0
    assert evaluated(target, state) == Status.OK
    whole = state.current.value[0]
    assert evaluated(target._replace(inverse_temperature=0.5), state) == Status.OK
    assert state.current.value[0] == pytest.approx(0.5 * whole, rel=1e-14)
    for position in (np.array([0.0, np.nan, 0.0]), np.array([0.0, 1e200, 0.0])):
        state.current.position[:] = position
        assert evaluated(target, state) == Status.OK
        assert state.current.value[0] == -np.inf
    assert (state.counters[VALUES], state.counters[GRADIENTS]) == (4, 0)
    np.testing.assert_array_equal(state.current.gradient, 7.0)
