"""Models that cannot be sampled are refused before they are compiled, by name, and with what to do instead."""

import multiprocessing
import sys
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from operations import Quadratic, Slope
from pytensor.compile.ops import as_op
from pytensor.gradient import grad_undefined

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.target.checks import Fork, ForkError


def with_minibatch():
    x = pm.Normal("x")
    pm.Normal("y", x, 1.0, observed=pm.Minibatch(np.zeros(100), batch_size=10), total_size=100)


def with_draws():
    x = pm.Normal("x")
    pm.Potential("noisy", -((x - pm.Normal.dist(size=20)) ** 2).sum())


def with_simulator():
    x = pm.Normal("x")
    pm.Simulator("sim", lambda rng, x, size=None: rng.normal(x, size=100), x, observed=np.zeros(100))


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (with_minibatch, ["log-density of y is random", "pm.fit"]),
        (with_draws, ["log-density of noisy is random", "normal_rv"]),
        (with_simulator, ["log-density of sim is random", "pm.sample_smc"]),
    ],
)
def test_random_density(fill, words):
    with pm.Model() as model:
        fill()
    for make in (lambda: ps.HMC(model=model), lambda: ps.sample(model=model), lambda: ps.initial_points(model)):
        with pytest.raises(ValueError) as info:
            make()
        for word in words:
            assert word in str(info.value)


def test_random_deterministics_are_no_part_of_the_density():
    with pm.Model():
        x = pm.Normal("x")
        pm.Deterministic("prediction", pm.Normal.dist(x))
        LogDensity()


class Undefined(Slope):
    """Its gradient is declared not to exist."""

    def pullback(self, inputs, outputs, cotangents):
        return [grad_undefined(self, 0, inputs[0], "by nature")]


@pytest.mark.parametrize("operation", [Slope(lambda x: x), Undefined(lambda x: x)], ids=["none", "undefined"])
def test_operation_without_a_gradient(operation):
    with pm.Model() as model:
        x, y = pm.Normal("x", shape=2), pm.HalfNormal("y")
        pm.Potential("black_box", operation(x).sum() + y)
    with pytest.raises(NotImplementedError) as info:
        ps.HMC(model=model)
    for word in ("gradient with respect to x,", type(operation).__name__, "pm.Slice(['x']) and ps.HMC(['y'])"):
        assert word in str(info.value)
    assert LogDensity(["y"], model=model).dim == 1


def test_gradients_of_right_length_in_all_but_one():
    with pm.Model() as model:
        for name, n in (("x", 2), ("y", 3)):
            pm.Potential(f"of_{name}", Quadratic(slope=lambda x: -np.resize(x, 3))(pm.Normal(name, shape=n)))
    with pytest.raises(
        ValueError, match=r"gradient that Quadratic gives with respect to x has shape \(3,\), and must have \(2,\)"
    ):
        LogDensity(model=model)


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ({"value": lambda x: -int(x @ x)}, "Quadratic returns an array of int64 with 0 dimensions"),
        ({"value": lambda x: None}, "Quadratic returns an array of object with 0 dimensions"),
        ({"value": lambda x: -(x**2)}, "Quadratic returns an array of float64 with 1 dimensions"),
        ({"value": lambda x: np.float32(-(x @ x))}, "Quadratic returns an array of float32 with 0 dimensions"),
        ({"slope": lambda x: -x.astype(int)}, "Slope returns an array of int64 with 1 dimensions"),
    ],
)
def test_what_an_operation_returns_is_what_it_declares(functions, words):
    with pm.Model() as model:
        pm.Potential("density", Quadratic(**functions)(pm.Normal("x", shape=2)))
    for make in (LogDensity, ps.HMC, ps.compile):
        with pytest.raises(TypeError, match=f"{words}, and declares float64 with"):
            make(model=model)


@pytest.mark.parametrize("returned", [None, 3, 1j, "a"], ids=repr)
def test_what_an_operation_of_a_deterministic_variable_returns(returned):
    @as_op(itypes=[pt.dvector], otypes=[pt.dscalar])
    def odd(x):
        return np.asarray(returned)

    with pm.Model() as model:
        pm.Deterministic("made", odd(pm.Normal("x", shape=2)))
    with pytest.raises(TypeError, match=r"odd.* returns an array of .* with 0 dimensions, and declares float64 with 0"):
        RecordedVariables(LogDensity(model=model))


def test_a_density_that_is_another_one_at_each_call():
    rng = np.random.default_rng(1)
    with pm.Model() as model:
        pm.Potential("noise", Quadratic(value=lambda x: np.asarray(rng.normal()))(pm.Normal("x", shape=2)))
    with pytest.raises(ValueError, match=r"Quadratic returns another result at each call, .* no density to sample"):
        LogDensity(model=model)


# Processes that were forked from one where JAX was at work.


def _evaluate(target, results):
    try:
        results.put(target(np.zeros(2))[0])
    except ForkError as error:
        results.put(str(error))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.parametrize("jax", [True, False], ids=["after JAX", "without"])
def test_forked_process(jax, monkeypatch):
    if jax:
        bridge = SimpleNamespace(backends_are_initialized=lambda: True)
        monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", bridge)
    else:
        monkeypatch.delitem(sys.modules, "jax._src.xla_bridge", raising=False)
    with pm.Model():
        pm.Potential("density", Quadratic()(pm.Flat("x", shape=2)))
        own = LogDensity()
    with pm.Model():
        pm.Normal("x", shape=2)
        plain = LogDensity()
    context = multiprocessing.get_context("fork")
    outcomes = []
    for target in (own, plain):
        results = context.SimpleQueue()
        process = context.Process(target=_evaluate, args=(target, results))
        process.start()
        outcomes.append(results.get())
        process.join()
    assert outcomes[1] == pytest.approx(-np.log(2 * np.pi))
    if jax:
        assert "mp_ctx='forkserver'" in outcomes[0]
    else:
        assert outcomes[0] == 0.0
    assert own(np.zeros(2))[0] == 0.0  # where nothing was forked


def test_what_is_computed_of_each_draw_is_evaluated_there_too(monkeypatch, caplog):
    caplog.set_level("INFO")  # tells why, where it is not native
    with pm.Model():
        x = pm.Normal("x", shape=2)
        pm.Deterministic("solution", Slope(lambda x: x)(x))
        target = LogDensity()
    assert target.native, caplog.text
    chain = Chain(target, Settings.choose(), np.random.default_rng(1))
    chain.start(np.zeros(2))
    monkeypatch.setattr(Fork, "jax_before", True)  # as it is in a process that was forked
    with pytest.raises(ForkError, match="forkserver"):
        chain.start(np.zeros(2))


def test_mode_of_jax_is_known_for_what_it_is():
    linker = type("JAXLinker", (), {"__module__": "pytensor.link.jax.linker"})()
    assert Fork([pt.dscalar("x") + 1], linker).dangerous
    assert not Fork([pt.dscalar("x") + 1], object()).dangerous
