"""The log-density of a model behind an address: the right numbers, of the current data, and no exception escapes."""

import pickle
import threading

import cloudpickle
import numba
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numba.core.registry import cpu_target

from pymc_symplectic.kernels.address import logp_at
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.status import Status
from pymc_symplectic.native.numba import from_cache
from pymc_symplectic.native.pytensor import machine_code
from pymc_symplectic.target import LogDensity, value_variables
from pymc_symplectic.target import addressed as room


@kernel
def call(address, data, position, gradient, value):
    return logp_at(address)(data, position, gradient, value)


def through_address(target, position):
    """The log-density as kernels call it: status, value, gradient."""
    gradient, value = np.full(target.dim, np.nan), np.full(1, np.nan)
    status = call(target.target.address, target.target.data, np.array(position, dtype=float), gradient, value)
    return Status(status), value[0], gradient


@pytest.fixture(scope="module")
def target(schools):
    return LogDensity(model=schools)


@pytest.fixture(scope="module")
def interpreted(schools):
    return LogDensity(model=schools, compile_kwargs={"mode": "FAST_COMPILE"})


@pytest.fixture
def position():
    return np.random.default_rng(8).normal(size=10)


def test_agrees_with_the_model(target, schools, position):
    point = target.to_point(position)
    slope = schools.compile_dlogp()(point)
    value, gradient = target(position)
    assert value == pytest.approx(float(schools.compile_logp()(point)), rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-12)
    assert target.native


def test_address_gives_the_same_numbers(target, interpreted, position):
    assert not interpreted.native
    for one in (target, interpreted):
        status, value, gradient = through_address(one, position)
        assert status == Status.OK
        expected, slope = target(position)
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-10)


def test_address_leaves_the_position_alone(target, position):
    before = position.copy()
    call(target.target.address, target.target.data, position, np.zeros(10), np.zeros(1))
    np.testing.assert_array_equal(position, before)


def test_position_of_the_caller_is_not_kept(target, position):
    value, gradient = target(position)
    copy = gradient.copy()
    target(position + 1)
    np.testing.assert_array_equal(gradient, copy)
    assert isinstance(value, float)


def test_names_and_sizes(target):
    assert target.dim == 10
    assert target.sizes == {"mu": 1, "tau_log__": 1, "theta": 8}
    assert target.names_of(np.arange(10) >= 1) == ["tau", "theta"]  # as the user knows them
    assert target.names_of(np.arange(10) == 0) == ["mu"]


def test_vectors_and_points(target, schools, position):
    point = target.to_point(position)
    assert {name: value.shape for name, value in point.items()} == {"mu": (), "tau_log__": (), "theta": (8,)}
    np.testing.assert_array_equal(target.to_vector(point), position)
    assert target.lossless
    reverse = {name: point[name] for name in reversed(point)} | {"bystander": np.zeros(3)}
    np.testing.assert_array_equal(target.to_vector(reverse), position)
    np.testing.assert_array_equal(target.to_vector({"mu": 1, "tau_log__": 2.0, "theta": [3] * 8})[:3], [1, 2, 3])


def test_vector_is_raveled_by_rows():
    with pm.Model() as model:
        pm.Normal("x", np.arange(6.0).reshape(2, 3), 1.0)
        target = LogDensity()
    point = {"x": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    np.testing.assert_array_equal(target.to_vector(point), np.arange(6.0))
    np.testing.assert_array_equal(target(np.arange(6.0))[1], np.zeros(6))
    assert value_variables(["x"], model) == target.vars


# Shared data.


KINDS = [("float64", 0), ("float64", 1), ("float64", 3), ("int64", 0)]
KINDS += [(dtype, 2) for dtype in ("float64", "float32", "int32", "int8", "uint8", "bool")]


def test_data_of_every_dtype_and_rank():
    # Kernels read them through pointers, where a wrong dtype or stride would give numbers all the same.
    rng = np.random.default_rng(4)

    def draw(shape, dtype):
        return np.asarray(rng.integers(0, 2, size=shape), dtype=dtype)

    with pm.Model():
        x = pm.Flat("x")
        total, shares, weights = 0.0, [], []
        for i, (dtype, rank) in enumerate(KINDS):
            shape = (2, 3, 4)[:rank]
            shares.append(pytensor.shared(draw(shape, dtype), f"{dtype}_{rank}", shape=(None,) * rank))
            weights.append(pytensor.shared(np.asarray(np.cos(i + np.arange(np.prod(shape))).reshape(shape))))
            total += (shares[-1] * weights[-1]).sum()
        pm.Potential("linear", x * total)
        target = LogDensity()
    assert target.native

    def expected():
        return 1.5 * sum(np.sum(a.get_value() * b.get_value()) for a, b in zip(shares, weights, strict=True))

    assert through_address(target, [1.5])[1] == pytest.approx(expected())
    for share, weight in zip(shares, weights, strict=True):
        shape = tuple(n + 1 for n in share.get_value().shape)
        share.set_value(draw(shape[::-1], share.dtype).T)  # another order in memory, too
        weight.set_value(np.asarray(rng.normal(size=shape)))
    assert target.refresh()
    assert through_address(target, [1.5])[1] == pytest.approx(expected())
    assert target(np.array([1.5]))[0] == pytest.approx(expected())
    assert not target.refresh()


def test_data_that_are_slices_of_other_data(normal_model):
    target = LogDensity(model=normal_model)
    wide = np.arange(12.0)
    with normal_model:
        for view in (wide[::2], wide[::-1], wide[3:7]):
            pm.set_data({"data": view})
            target.refresh()
            assert through_address(target, [0.5])[1] == pytest.approx(target(np.array([0.5]))[0], rel=1e-12)
        pm.set_data({"data": [1.0, 2.0, 3.0]})


def test_other_variables_are_held(mixed_model):
    target = LogDensity(["x", "w"], model=mixed_model)
    point = {"k": np.array(1), "x": np.array(0.1), "z": np.array(-0.7), "w": np.array(0.4)}
    logp = mixed_model.compile_logp()
    assert target.hold(point)
    assert target.refresh()
    assert through_address(target, [0.1, 0.4])[1] == pytest.approx(float(logp(point)))
    assert not target.hold(point)
    assert not target.refresh()
    assert target.hold(point | {"k": np.array(0)})
    target.refresh()
    assert through_address(target, [0.1, 0.4])[1] == pytest.approx(float(logp(point | {"k": np.array(0)})))


def test_shapes_are_checked(mixed_model):
    target = LogDensity(["x"], model=mixed_model)
    point = mixed_model.initial_point()
    target.check(point)
    for name in ("x", "k"):
        with pytest.raises(ValueError, match=rf"{name} has shape \(2,\), and had shape \(\)"):
            target.check(point | {name: np.zeros(2)})


def test_initial_point_gives_shapes(schools):
    target = LogDensity(model=schools, initial_point={"theta": np.zeros(8)})  # the rest is the model's own
    assert target.dim == 10


# What an address answers when there is no answer.


def test_outside_of_the_support(target, interpreted):
    bad = np.zeros(10)
    bad[0] = np.nan
    for one in (target, interpreted):
        status, value, _ = through_address(one, bad)
        assert status == Status.OK
        assert np.isnan(value)


class Failing:
    """A log-density as compiled, that raises."""

    def __init__(self, error):
        self.error = error

    def __call__(self, position):
        raise self.error


@pytest.mark.parametrize(
    "error", [FloatingPointError("f"), ZeroDivisionError(), ValueError("v"), np.linalg.LinAlgError("l")]
)
def test_errors_of_arithmetic_are_a_status(error, interpreted, monkeypatch, position):
    monkeypatch.setattr(interpreted._full, "function", Failing(error))
    assert through_address(interpreted, position)[0] == Status.FAILED
    assert interpreted.error is error
    monkeypatch.undo()
    assert through_address(interpreted, position)[0] == Status.OK
    assert interpreted.error is None  # or a later message would blame it on another point


@pytest.mark.parametrize("error", [TypeError("t"), KeyError("k"), MemoryError(), KeyboardInterrupt(), SystemExit()])
def test_other_errors_are_another_status(error, interpreted, monkeypatch, position, capfd):
    monkeypatch.setattr(interpreted._full, "function", Failing(error))
    assert through_address(interpreted, position)[0] == Status.BROKEN
    monkeypatch.undo()
    # another chain, on another thread, goes on in the meantime
    assert through_address(interpreted, position)[0] == Status.OK
    assert interpreted.error is error
    interpreted.error = None
    assert capfd.readouterr().err == ""


def test_compiled_errors_are_a_status(capfd):
    with pm.Model():
        x = pm.Flat("x")
        table = pytensor.shared(np.arange(3.0), "table", shape=(None,))
        pm.Potential("look_up", table[pt.cast(x, "int64")] + 0 * x)
        target = LogDensity()
    assert target.native
    assert through_address(target, [2.0])[:2] == (Status.OK, 2.0)
    assert through_address(target, [3.0])[0] == Status.FAILED
    assert capfd.readouterr().err == ""


def test_no_warnings_of_arithmetic(interpreted, recwarn):
    with np.errstate(all="raise"):
        status, value, _ = through_address(interpreted, np.full(10, 1e200))
    assert status == Status.OK
    assert not np.isfinite(value)
    assert not recwarn.list


def test_threads_share_a_target(target, position):
    expected = through_address(target, position)[1]
    seen = []

    def work():
        seen.extend(through_address(target, position)[1] for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {expected}
    assert len(seen) == 800


# Copies.


def test_copies_are_independent(normal_model):
    target = LogDensity(model=normal_model)
    copy = pickle.loads(cloudpickle.dumps(target))
    position = np.array([0.7])
    before = through_address(target, position)
    assert through_address(copy, position)[:2] == before[:2]
    with copy.model:
        pm.set_data({"data": [5.0]})
    assert copy.refresh()
    assert not target.refresh()
    assert through_address(copy, position)[1] != before[1]
    assert through_address(target, position)[1] == before[1]


def test_compile_kwargs_are_copied_along(interpreted):
    assert not pickle.loads(cloudpickle.dumps(interpreted)).native


# Blame.


def test_blame(schools, target):
    assert target.blame(np.array([0.0, np.nan, *np.zeros(8)])) == "the start of tau is not finite"
    assert "effect has log-density -inf" in target.blame(np.array([1e200, 0, *np.zeros(8)]))
    assert "no single variable stands out" in target.blame(np.zeros(10))


# Which variables.


def test_all_continuous_variables_by_default(mixed_model):
    assert [v.name for v in value_variables(None, mixed_model)] == ["x", "z", "w"]


def test_variables_by_any_name(schools):
    mu, tau = value_variables(["mu", "tau_log__"], schools)
    assert (mu, tau) == (schools.rvs_to_values[schools["mu"]], schools.rvs_to_values[schools["tau"]])
    for vars in (["tau"], "tau", schools["tau"], tau, [tau], (schools["tau"], "tau", tau), {tau}, iter(["tau"])):
        assert value_variables(vars, schools) == [tau]


def test_variables_keep_the_order_that_was_asked_for(schools):
    assert [v.name for v in value_variables(["theta", "mu"], schools)] == ["theta", "mu"]
    assert list(LogDensity(["theta", "mu"], model=schools).sizes) == ["theta", "mu"]


def test_other_threads_may_compile_meanwhile(schools, monkeypatch):
    """Functions compiled, or only decorated, by a thread while a model is in its own context are of the common one."""
    common, native = cpu_target.target_context, room.native
    seen = []

    def compile_here():
        @numba.njit
        def part(x):
            return x + 1.0

        seen.extend([cpu_target.target_context, part, part(1.0)])

    def meanwhile(*arguments):
        assert cpu_target.target_context is not common
        thread = threading.Thread(target=compile_here)
        thread.start()
        thread.join(60.0)
        return native(*arguments)

    monkeypatch.setattr(room, "native", meanwhile)
    assert LogDensity(model=schools).native
    assert cpu_target.target_context is common
    assert seen[0] is common
    assert seen[2] == 2.0
    part = seen[1]

    @numba.njit
    def whole(x):
        return part(x) * 2.0

    assert whole(1.0) == 4.0


@pytest.fixture
def raw():
    x = pt.dvector("x")
    return machine_code(pytensor.function([x], x.sum() * 1.2345, mode="NUMBA"))


def test_machine_code_comes_from_the_disk_in_a_context_of_its_own(raw):
    common = cpu_target.target_context
    with room.alone(raw, lambda function: function(np.zeros(2))) as function:
        assert function is not raw
        assert from_cache(function)
        assert cpu_target.target_context is not common
    assert cpu_target.target_context is common


def test_machine_code_is_as_it_is_where_there_are_no_such_contexts(raw, monkeypatch, caplog):
    monkeypatch.setattr("pymc_symplectic.native.numba.cpu_target", None)
    with room.alone(raw, lambda function: function(np.zeros(2))) as function:
        assert function is raw
    assert "no contexts that can be replaced" in caplog.text


def test_what_calls_machine_code_is_kept_beside_it():
    def make():
        with pm.Model() as model:
            pm.Normal("x", 1.25, 0.75, shape=3)
            pm.HalfNormal("s", pm.Data("scale", 2.0))
        return LogDensity(model=model)

    make()
    again = make()
    assert again._full._addressed._compiled.cache_hits == 1
    at = np.array([0.1, -0.4, 2.0, 0.3])
    status, value, gradient = through_address(again, at)
    assert status == Status.OK and value == again(at)[0]
    np.testing.assert_array_equal(gradient, again(at)[1])


def test_what_pytensor_does_not_keep_is_not_kept():
    with pytensor.config.change_flags(numba__cache=False), pm.Model() as model:
        pm.Normal("x")
        target = LogDensity(model=model)
    assert target.native and target._full._addressed._compiled.cache_hits == 0
    assert through_address(target, [0.5])[1] == target(np.array([0.5]))[0]


def test_large_data_cause_no_warnings_of_compilers(recwarn):
    rng = np.random.default_rng(0)
    design = rng.standard_normal((20_000, 10))
    with pm.Model() as model:
        beta = pm.Normal("beta", shape=10)
        pm.Normal("y", design @ beta, 1, observed=rng.standard_normal(20_000))
    target = LogDensity(model=model)
    assert target.native
    assert not [str(warning) for warning in recwarn if issubclass(warning.category, numba.NumbaWarning)]
