"""Log-densities of one's own: in numba, Python, PyTensor and JAX, and what is told of wrong ones."""

import sys
from dataclasses import dataclass
from types import ModuleType

import cloudpickle
import numba
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_symplectic as ps
from pymc_symplectic import densities
from pymc_symplectic.kernels.address import logp_at
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.target import LogDensity

QUIET = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
FEW = {"tune": 100, "chains": 2, "cores": 1, "random_seed": 1, **QUIET}
SHAPES = {"x": 3, "y": ()}


@kernel
def call(target, position, gradient, value):
    return logp_at(target.address)(target.data, position, gradient, value)


@numba.njit
def compiled(q):
    return -0.5 * (q**2).sum(), -q


def python(q):
    return -0.5 * float(q @ q), -q


def alone(q):
    return -0.5 * (q**2).sum()


def of_pytensor(q):
    return -0.5 * pt.sum(q**2)


@pytest.fixture(scope="module")
def draws():
    with pm.Model() as model:
        pm.Normal("x", shape=3)
        pm.Normal("y")
    return ps.sample(50, model=model, **FEW)["posterior"]


@pytest.mark.parametrize("function", [compiled, python, alone, of_pytensor])
def test_draws_are_those_of_a_model(function, draws):
    model = ps.density(function, SHAPES)
    at = np.array([0.3, -0.2, 1.5, 0.7])
    target = LogDensity(model=model)
    value, gradient = target(at)
    assert value == pytest.approx(-0.5 * at @ at, rel=1e-15)
    np.testing.assert_array_equal(gradient, -at)
    assert target.native == (function is not python)
    found = ps.sample(50, model=model, **FEW)["posterior"]
    for name in SHAPES:
        np.testing.assert_allclose(found[name], draws[name], rtol=1e-9)


def test_nothing_is_said_of_a_call_back(recwarn):
    LogDensity(model=ps.density(python, SHAPES))
    assert not [warning for warning in recwarn if "object mode" in str(warning.message)]


def test_it_goes_wherever_a_model_goes(tmp_path):
    model = ps.density(compiled, {"x": 2})
    fit = ps.gradient_descent(model, "lbfgs", initvals={"x": [1.0, -1.0]}, progressbar=False)
    np.testing.assert_allclose(fit.optimum["x"], 0, atol=1e-6)
    ps.sample(10, model=model, store=tmp_path / "r", **FEW)
    assert ps.compile(model).sample(10, store=tmp_path / "r", **FEW)["posterior"].sizes["draw"] == 10
    step = ps.HMC(model=model)
    idata = pm.sample(20, tune=20, chains=1, step=step, model=model, progressbar=False, quiet=True)
    assert idata["posterior"].sizes["draw"] == 20


@pytest.mark.parametrize("function", [compiled, python, alone])
def test_it_can_be_sent_to_other_processes(function):
    model = cloudpickle.loads(cloudpickle.dumps(ps.density(function, {"x": 2})))
    value, gradient = LogDensity(model=model)(np.array([1.0, 2.0]))
    assert value == -2.5
    np.testing.assert_array_equal(gradient, [-1.0, -2.0])


def test_names_of_dimensions():
    model = ps.density(
        compiled, {"x": 2, "m": (2, 1)}, coords={"a": ["u", "v"], "b": [0]}, dims={"x": "a", "m": ("a", "b")}
    )
    posterior = ps.sample(5, model=model, **FEW)["posterior"]
    assert posterior["x"].dims == ("chain", "draw", "a")
    assert posterior["m"].dims == ("chain", "draw", "a", "b")
    assert posterior["a"].values.tolist() == ["u", "v"]


@pytest.mark.parametrize(
    ("transform", "shape", "start"),
    [
        ("log", (2,), [1.0, 1.0]),
        ("log_exp_m1", (), np.log(2)),
        ("logodds", (), 0.5),
        ("circular", (), 0.0),
        ("ordered", (3,), [-1.0, 0.0, 1.0]),
        ("simplex", (4,), 4 * [0.25]),
    ],
)
def test_transforms(transform, shape, start):
    """The density is that of the variables themselves: the Jacobian is PyMC's own."""
    model = ps.density(python, {"z": (), "s": shape}, transforms={"s": transform})
    begins = ps.initial_points(model, 1, jitter=0.0)[0]
    np.testing.assert_allclose(begins["s"], start, atol=1e-12)
    with pm.Model() as expected:
        z = pm.Flat("z", initval=0.0)
        s = pm.Flat("s", shape=shape, initval=start, default_transform=densities._TRANSFORMS[transform][0])
        pm.Potential("p", -0.5 * (z**2 + (s**2).sum()))
    at = np.linspace(-0.5, 0.5, LogDensity(model=expected).dim)
    for ours, theirs in zip(LogDensity(model=model)(at), LogDensity(model=expected)(at), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_transform_of_ones_own_and_where_to_begin():
    interval = pm.distributions.transforms.Interval(2.0, 5.0)
    model = ps.density(python, {"s": ()}, transforms={"s": interval}, initvals={"s": 3.0})
    assert ps.initial_points(model, 1, jitter=0.0)[0]["s"] == pytest.approx(3.0)


def test_what_a_function_writes_to_is_not_the_chain(draws):
    def careless(q):
        found = -0.5 * float(q @ q), -q
        q[:] = np.nan
        return found

    found = ps.sample(50, model=ps.density(careless, SHAPES), **FEW)["posterior"]
    np.testing.assert_allclose(found["x"], draws["x"], rtol=1e-9)

    @numba.njit
    def as_careless(q):
        found = -0.5 * (q**2).sum()
        q *= -1
        return found, q

    found = ps.sample(50, model=ps.density(as_careless, SHAPES), **FEW)["posterior"]
    np.testing.assert_allclose(found["x"], draws["x"], rtol=1e-9)


def test_a_gradient_may_be_written_to_again():
    room = np.empty(4)

    def careful(q):
        room[:] = -q
        return -0.5 * float(q @ q), room

    assert ps.density(careful, SHAPES)


def test_a_callable_that_cannot_be_hashed(caplog):
    @dataclass
    class Scaled:
        by: float

        def __call__(self, q):
            return -0.5 * self.by * float(q @ q), -self.by * q

    target = LogDensity(model=ps.density(Scaled(2.0), {"x": 2}))
    assert target(np.ones(2))[0] == -2.0 and not caplog.text


def test_single_precision_is_no_wrong_gradient():
    def single(q):
        q = q.astype(np.float32)
        return np.float32(10 - 0.5 * (q**2).sum()), sign * q

    sign = -1
    value, gradient = LogDensity(model=ps.density(single, {"x": 5}))(np.ones(5))
    assert value == pytest.approx(7.5) and gradient.dtype == float
    sign = 1
    with pytest.raises(ValueError, match="not that of the log-density"):
        ps.density(single, {"x": 5})


def wrong_by_half(q):
    gradient = -q
    gradient[2] *= 0.5
    return -0.5 * float(q @ q), gradient


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (wrong_by_half, ValueError, r"not that of the log-density. Along x\[2\] it is"),
        (lambda q: (python(q)[0], q), ValueError, r"Along x\[0\]"),
        (lambda q: q, TypeError, "must return the log-density and its gradient"),
        (lambda q: float(q @ q), TypeError, r"JAX or PyTensor can find the gradient"),
        (numba.njit(lambda q: -0.5 * (q**2).sum()), TypeError, "JAX or PyTensor can find the gradient"),
        (lambda q: (1.0, q[:2]), TypeError, r"a gradient of shape \(4,\), got shapes \(\) and \(2,\)"),
        (lambda q: (q[:2], q), TypeError, r"got shapes \(2,\) and \(4,\)"),
        (lambda q: (1j, -q), TypeError, "must return the log-density and its gradient"),
        (lambda q: -(q**2).sum() if isinstance(q, np.ndarray) else -2 * (q**2).sum(), ValueError, "as an expression"),
        (lambda q: -pt.exp(q), TypeError, "must return a number"),
        (lambda q: (1.0, "a"), TypeError, "must return the log-density and its gradient"),
        (lambda q: (np.nan, q), ValueError, "not finite where chains begin: the log-density is nan"),
        (lambda q: (0.0, q / 0), ValueError, "not finite where chains begin"),
        (lambda q: 1 / 0, ValueError, "function raised ZeroDivisionError where chains begin"),
        (3, TypeError, "function must be callable"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_wrong_with_a_function_is_told(function, error, message):
    with pytest.raises(error, match=message):
        ps.density(function, SHAPES)


def test_among_many_parameters_the_wrong_one_is_named():
    def wrong(q):
        gradient = -q
        gradient[77] += 0.1
        return -0.5 * float(q @ q), gradient

    with pytest.raises(ValueError, match=r"Along b\[38,0\]"):  # a is the first, and b begins at the second
        ps.density(wrong, {"a": (), "b": (60, 2)})


def test_the_check_can_be_left_out():
    assert ps.density(wrong_by_half, SHAPES, check=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"variables": {}}, TypeError, "variables must be a dictionary"),
        ({"variables": {"x": 1.5}}, TypeError, "'x' must be a name, and its shape whole numbers"),
        ({"variables": {"x": (-1,)}}, TypeError, "whole numbers"),
        ({"variables": {"x": 0}}, ValueError, "size zero"),
        ({"variables": {"log_density": 2}}, ValueError, "call the density otherwise"),
        ({"dims": {"w": "a"}}, ValueError, "dims: there is no variable 'w'; there are x, y"),
        ({"dims": {"x": "a"}, "coords": {"a": [1, 2]}}, ValueError, r"x has shape \(3,\)"),
        ({"transforms": {"x": "lg"}}, ValueError, "Did you mean 'log'"),
        ({"transforms": {"y": "simplex"}}, ValueError, "y is a number"),
        ({"transforms": {"y": pm.distributions.transforms.log}}, ValueError, "say where it begins"),
        ({"initvals": {"x": [1, 2]}}, ValueError, r"x must be numbers of shape \(3,\)"),
        ({"initvals": {"x": "zero"}}, ValueError, "x must be numbers"),
    ],
)
def test_what_is_wrong_with_arguments_is_told(arguments, error, message):
    with pytest.raises(error, match=message):
        ps.density(python, **{"variables": SHAPES, **arguments})


class Traced(float):
    """A number as JAX returns it."""


def test_a_function_of_jax_is_differentiated_by_jax(monkeypatch):
    """Without JAX: a module in its place, which compiles by doing nothing, and differentiates what it knows."""
    Traced.__module__ = "jaxlib.something"
    precision = []

    class Double:
        def __init__(self, wanted):
            precision.append(wanted)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    jax = ModuleType("jax")
    jax.jit, jax.enable_x64 = (lambda function: function), Double
    jax.value_and_grad = lambda function: lambda q: (function(q), -q)
    monkeypatch.setitem(sys.modules, "jax", jax)
    model = ps.density(lambda q: Traced(-0.5 * float(q @ q)), SHAPES)
    value, gradient = LogDensity(model=model)(np.ones(4))
    assert value == -2.0 and precision and all(precision)
    np.testing.assert_array_equal(gradient, -np.ones(4))


def test_jax_itself():
    jnp = pytest.importorskip("jax.numpy")
    model = ps.density(lambda q: -0.5 * jnp.sum(q**2), SHAPES)
    value, gradient = LogDensity(model=model)(np.full(4, 1e-9))
    assert value == pytest.approx(-2e-18)
    np.testing.assert_allclose(gradient, -np.full(4, 1e-9))


# Without a gradient, and values alone.


@numba.njit
def compiled_value(q):
    return -0.5 * (q**2).sum()


def python_value(q):
    return -0.5 * float(q @ q)


@pytest.mark.parametrize("function", [compiled_value, python_value], ids=["compiled", "python"])
def test_gradients_by_differences(function):
    model = ps.density(function, SHAPES, transforms={"y": "log"}, gradient="differences")
    found, at = LogDensity(model=model), np.array([0.3, -1.2, 0.8, 0.4])
    value, gradient = found(at)
    y = np.exp(at[3])
    assert value == pytest.approx(-0.5 * (at[:3] @ at[:3] + y**2) + at[3])  # with the Jacobian
    np.testing.assert_allclose(gradient, [*-at[:3], 1 - y**2], atol=1e-4)
    assert found.native == (function is compiled_value)
    assert found.values_a_gradient == 5


def test_a_density_without_a_gradient_goes_where_models_go():
    model = ps.density(compiled_value, SHAPES, gradient=ps.Differences(error=1e-12))
    idata = ps.sample(500, model=model, **{**FEW, "tune": 200})
    draws, stats = idata["posterior"]["x"].values.reshape(-1, 3), idata["sample_stats"]
    assert abs(draws.mean(axis=0)).max() < 0.15 and abs(draws.var(axis=0) - 1).max() < 0.25
    np.testing.assert_array_equal(stats["n_values"], 5 * stats["n_gradients"])
    fit = ps.gradient_descent(model, "lbfgs", initvals={"x": [1.0, -1.0, 0.5]}, progressbar=False)
    np.testing.assert_allclose(fit.optimum["x"], 0, atol=1e-4)
    assert set(ps.gradient_tests(idata, model=model).reset_index()["parameter"]) == {"x[0]", "x[1]", "x[2]", "y"}


def symbolic(q):
    return -0.5 * pt.sum(q**2)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (python, {"gradient": "differences"}, TypeError, "function returns its gradient too"),
        (symbolic, {"gradient": "differences"}, TypeError, "PyTensor can differentiate the function"),
        (lambda q: "a", {"gradient": "differences"}, TypeError, "must return the log-density as a number, got 'a'"),
        (lambda q: np.nan, {"gradient": "differences"}, ValueError, "not finite where chains begin"),
        (lambda q: np.float32(-7.3), {"gradient": "differences"}, ValueError, "returns float32, which is rounded"),
        (lambda q: {}["lost"], {"gradient": "differences"}, ValueError, "function raised KeyError where chains begin"),
        (python_value, {"gradient": "exact"}, TypeError, "gradient='differences' takes finite differences"),
        (python_value, {"gradient": "none"}, ValueError, "unknown gradient 'none'"),
        (python_value, {"gradient": "differences", "value": python_value}, TypeError, "leave value out"),
        (symbolic, {"value": python_value}, TypeError, "PyTensor takes values alone of the function itself"),
        (python, {"value": lambda q: 1.0 - 0.5 * q @ q}, ValueError, "value: at .* it is 1, and function says -?0"),
        (python, {"value": lambda q: -0.51 * q @ q}, ValueError, "both must be the same number"),
        (python, {"value": lambda q: 1 / 0}, ValueError, "value raised ZeroDivisionError"),
        (python, {"value": 3.0}, TypeError, "value must be callable"),
    ],
)
def test_what_is_told_of_values(function, arguments, error, message):
    with pytest.raises(error, match=message):
        ps.density(function, SHAPES, **arguments)


def test_too_many_parameters_for_differences():
    with pytest.raises(ValueError, match="each gradient of 13 parameters takes 14 values"):
        ps.density(python_value, {"x": 13}, gradient="differences")


def test_values_alone_come_from_the_function_that_returns_them():
    calls = []

    def whole(q):
        calls.append("whole")
        return python(q)

    def alone(q):
        calls.append("alone")
        return python_value(q)

    found = LogDensity(model=ps.density(whole, SHAPES, value=alone))
    at, gradient, value = np.array([0.3, -1.2, 0.8, 0.4]), np.full(4, 7.0), np.empty(1)
    calls.clear()
    assert found(at)[0] == python_value(at)
    assert set(calls) == {"whole"}
    target = found.values
    calls.clear()
    assert call(target, at, gradient, value) == 0
    assert value[0] == python_value(at) and calls == ["alone"]
    np.testing.assert_array_equal(gradient, 7.0)
