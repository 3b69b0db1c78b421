"""A compiled model: the same draws as without, other data, and what it refuses."""

import pickle
import threading

import numpy as np
import pymc as pm
import pytensor
import pytest

import pymc_symplectic as ps
from pymc_symplectic.target import kept_log_density, run_with

QUIET = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
FEW = {"tune": 60, "chains": 2, "cores": 1, "random_seed": 3, **QUIET}


@pytest.fixture(scope="module")
def model():
    with pm.Model(coords={"place": ["a", "b", "c"]}) as model:
        x = pm.Data("x", [0.0, 1.0, 2.0], dims="place")
        y = pm.Data("y", [0.5, 1.5, 2.0], dims="place")
        count = pm.Data("count", [1, 2, 3])
        slope = pm.Normal("slope")
        mean = pm.Deterministic("mean", slope * x, dims="place")
        pm.Normal("obs", mean, 1.0, observed=y, dims="place")
        pm.Potential("counted", -0.01 * slope**2 * count.sum())
    return model


@pytest.fixture(scope="module")
def compiled(model):
    return ps.compile(model)


def test_the_draws_are_those_of_the_model(model, compiled):
    of_model = ps.sample(30, model=model, **FEW)
    for idata in (compiled.sample(30, **FEW), ps.sample(30, model=compiled, **FEW)):
        for name in ("slope", "mean"):
            np.testing.assert_array_equal(idata["posterior"][name], of_model["posterior"][name])
        np.testing.assert_array_equal(idata["observed_data"]["obs"], of_model["observed_data"]["obs"])


def test_the_context_gives_the_model(model):
    with model:
        assert ps.compile().model is model


def test_a_step_and_starts_take_it(model, compiled):
    starts = ps.initial_points(compiled, 2, random_seed=1)
    idata = pm.sample(
        20, tune=30, chains=2, cores=1, step=ps.HMC(model=compiled), initvals=starts, model=model, random_seed=1,
        progressbar=False, compute_convergence_checks=False, quiet=True,
    )  # fmt: skip
    assert idata["posterior"].sizes["draw"] == 20


def test_other_data_are_those_of_a_run_alone(model, compiled):
    before = model["y"].get_value()
    shifted = compiled.with_data(y=[10.5, 11.5, 12.0], x=[1.0, 1.0, 1.0])
    idata = shifted.sample(200, **FEW)
    np.testing.assert_array_equal(idata["observed_data"]["obs"], [10.5, 11.5, 12.0])
    np.testing.assert_array_equal(model["y"].get_value(), before)
    with pm.Model(coords=model.coords):
        slope = pm.Normal("slope")
        pm.Normal("obs", slope * np.ones(3), 1.0, observed=np.array([10.5, 11.5, 12.0]))
        pm.Potential("counted", -0.01 * slope**2 * 6)
        other = ps.sample(200, **FEW)
    np.testing.assert_allclose(idata["posterior"]["slope"], other["posterior"]["slope"], rtol=1e-9)


def test_lengths_may_be_others(model, compiled):
    longer = compiled.with_data(x=np.arange(5.0), y=np.arange(5.0), coords={"place": ["a", "b", "c", "d", "e"]})
    idata = longer.sample(20, **FEW)
    assert idata["posterior"]["mean"].sizes["place"] == 5
    assert idata["posterior"]["place"].values.tolist() == ["a", "b", "c", "d", "e"]
    assert model.coords["place"] == ("a", "b", "c")
    assert compiled.sample(20, **FEW)["posterior"]["mean"].sizes["place"] == 3


def test_nothing_is_compiled_for_other_data(compiled, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something is compiled")

    compiled.sample(20, **FEW)
    monkeypatch.setattr("pytensor.compile.maker.FunctionMaker.__init__", refuse)
    monkeypatch.setattr("numba.core.dispatcher._FunctionCompiler.compile", refuse)
    compiled.with_data(y=[1.0, 1.0, 1.0]).sample(20, **FEW)


def test_data_are_added_to_those_before(compiled):
    both = compiled.with_data(x=[1.0, 2.0, 3.0]).with_data(y=[3.0, 2.0, 1.0])
    at = {name: both.data.values[name].tolist() for name in ("x", "y")}
    assert at == {"x": [1.0, 2.0, 3.0], "y": [3.0, 2.0, 1.0]}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"z": [1.0]}, ValueError, "no shared data 'z'; it has x, y, count"),
        ({"x": [[1.0]]}, ValueError, "x must have 1 dimensions"),
        ({"x": ["a", "b", "c"]}, TypeError, "x must be an array of float64"),
        ({"x": [1j, 2j, 3j]}, TypeError, "x must be an array of float64"),
        ({"count": [0.5, 1.0, 2.0]}, TypeError, "count must be an array of int"),
        ({"x": [1.0, 2.0]}, ValueError, "coord"),
        ({"x": [1.0, 2.0], "coords": {"place": ["a", "b"]}}, ValueError, "cannot be evaluated with these x"),
        ({"x": [1.0, 2.0, 3.0], "coords": {"elsewhere": [1]}}, ValueError, "has the dimension 'elsewhere'"),
        ({"count": [1, 2, 3], "coords": {"place": ["u", "v", "w"]}}, ValueError, "has the dimension 'place'"),
        ({"x": [1.0, 2.0, 3.0], "coords": [1, 2]}, TypeError, "coords must be a dictionary"),
        ({"x": [1.0, 2.0, 3.0], "coords": {"place": None}}, TypeError, "labels of place must be a sequence"),
        ({"count": [1e300, 2.0, 3.0]}, TypeError, "count must be an array of int"),
        ({"count": [np.inf, 2.0, 3.0]}, TypeError, "count must be an array of int"),
        ({"count": np.array([2**63 + 5, 1, 1], "uint64")}, TypeError, "count must be an array of int"),
        ({"y": np.ma.masked_array([1.0, 2.0, 99.0], mask=[0, 0, 1])}, TypeError, "y has entries that are masked"),
    ],
)
def test_what_is_wrong_with_data_is_told_and_undone(model, compiled, given, error, message):
    before = {name: model[name].get_value() for name in ("x", "y", "count")}
    with pytest.raises(error, match=message):
        compiled.with_data(**given)
    for name, value in before.items():
        np.testing.assert_array_equal(model[name].get_value(), value)
    assert model.coords["place"] == ("a", "b", "c")


def test_names_that_are_those_of_arguments():
    with pm.Model() as model:
        a = pm.Normal("a")
        for name in ("coords", "self", "data"):
            pm.Normal(f"y_{name}", a, observed=pm.Data(name, [0.0]))
    compiled = ps.compile(model).with_data({"coords": [1.0], "self": [2.0], "data": [3.0]})
    assert sum(float(value[0]) for value in compiled.data.values.values()) == 6.0
    with pytest.raises(TypeError, match="data must be a dictionary"):
        compiled.with_data([1.0])


def test_a_dimension_without_labels_is_as_it_was_afterwards():
    with pm.Model() as model:
        y = pm.Data("y", [1.0, 2.0], dims="obs")
        pm.Normal("o", pm.Normal("mu"), 0.1, observed=y, dims="obs")
    compiled = ps.compile(model)
    idata = compiled.with_data(y=[10.0, 10.0, 10.0], coords={"obs": ["a", "b", "c"]}).sample(20, **FEW)
    assert idata["observed_data"]["obs"].values.tolist() == ["a", "b", "c"]
    assert model["y"].get_value().tolist() == [1.0, 2.0] and model.coords["obs"] is None
    assert float(compiled.sample(100, **FEW)["posterior"]["mu"].mean()) == pytest.approx(1.5, abs=0.1)


def test_free_variables_may_have_another_shape():
    with pm.Model(coords={"i": [0, 1]}) as model:
        y = pm.Data("y", [1.0, 2.0], dims="i")
        pm.Normal("o", pm.Normal("a", dims="i"), 0.1, observed=y, dims="i")
    longer = ps.compile(model).with_data(y=[1.0, 2.0, 3.0], coords={"i": [0, 1, 2]})
    idata = longer.sample(200, **FEW)
    np.testing.assert_allclose(idata["posterior"]["a"].mean(("chain", "draw")), [1.0, 2.0, 3.0], atol=0.1)
    assert ps.initial_points(longer, 1)[0]["a"].shape == (3,)
    assert ps.initial_points(model, 1)[0]["a"].shape == (2,)


def test_two_models_of_the_same_data_take_turns():
    shared = pytensor.shared(np.zeros(3), "y")
    with pm.Model() as one:
        one.register_data_var(shared)
        pm.Normal("o", pm.Normal("mu"), 0.1, observed=shared)
    with pm.Model() as other:
        pm.Normal("o", pm.Normal("mu"), 0.1, observed=shared)
    begun, means = threading.Event(), []
    inside = ps.compile(one).with_data(y=[9.0, 9.0, 9.0])

    def sample_other():
        begun.set()
        means.append(float(ps.sample(200, model=other, **FEW)["posterior"]["mu"].mean()))

    ps.sample(1, model=other, **FEW)  # compiled, so that it would be quick
    thread = threading.Thread(target=sample_other)
    with run_with(one, inside.data):
        thread.start()
        begun.wait(60)
        thread.join(1.0)
        assert not means
    thread.join(60)
    assert means[0] == pytest.approx(0.0, abs=0.1)


def test_whoever_waits_goes_on_after_a_failure(model, compiled):
    other, ended = compiled.with_data(y=[1.0, 1.0, 1.0]), []
    thread = threading.Thread(target=lambda: ended.append(compiled.sample(5, **FEW)))
    with pytest.raises(ZeroDivisionError), run_with(model, other.data):
        thread.start()
        raise ZeroDivisionError
    thread.join(60)
    assert len(ended) == 1


def test_a_model_without_data_says_how_to_have_some():
    with pm.Model() as model:
        pm.Normal("a")
    with pytest.raises(ValueError, match=r"make them by pm\.Data"):
        ps.compile(model).with_data(a=1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda compiled: compiled.sample(model=None), "model: this is of one model"),
        (lambda compiled: compiled.sample(compile_kwargs={}), "compile_kwargs: this is of one model"),
        (lambda compiled: ps.compile(compiled), "model: this one is compiled, and a plain model is needed here"),
        (lambda compiled: ps.gradient_descent(compiled), "model: this one is compiled"),
        (lambda compiled: ps.sample(compiled), r"draws must be a number, got a model; .*ps\.sample\(model="),
        (lambda _: ps.compile("m"), "model must be a pymc.Model, got 'm'"),
        (lambda _: ps.sample(model="m"), "model must be a pymc.Model, got 'm'"),
        (lambda compiled: ps.initial_points(compiled, random_seed="a"), "random_seed must be an integer"),
        (lambda compiled: ps.sample(model=compiled, compile_kwargs={}), "give them to ps.compile"),
        (lambda compiled: ps.HMC(model=compiled, compile_kwargs={}), "give them to ps.compile"),
        (lambda compiled: compiled.sample(drws=3), "drws"),
    ],
)
def test_arguments_that_do_not_go_with_it(compiled, call, message):
    with pytest.raises(TypeError, match=message):
        call(compiled)


def test_a_step_has_the_data_of_the_model(compiled):
    with pytest.raises(ValueError, match=r"pm\.set_data"):
        ps.HMC(model=compiled.with_data(x=[1.0, 1.0, 1.0]))


def test_discrete_variables_are_refused_at_once():
    with pm.Model() as model:
        pm.Poisson("n", 3.0)
    with pytest.raises(TypeError, match="n is discrete"):
        ps.compile(model)


def test_threads_have_the_data_that_they_ask_for(compiled):
    found = {}

    def run(shift):
        own = compiled.with_data(x=[1.0, 1.0, 1.0], y=[shift, shift, shift])
        found[shift] = own.sample(50, **FEW)["posterior"]["slope"].values

    threads = [threading.Thread(target=run, args=(10.0 * shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for shift, draws in found.items():
        run(shift)
        np.testing.assert_array_equal(draws, found[shift])
    assert len({float(draws.mean()) for draws in found.values()}) == 4


def test_threads_with_the_same_data_run_at_once(compiled):
    inside, met = threading.Barrier(2, timeout=60), []

    def run():
        with run_with(compiled.model, None):
            inside.wait()
            met.append(True)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == [True, True]


def test_data_come_back_where_a_run_fails(model, compiled):
    other = compiled.with_data(y=[np.nan, 1.0, 1.0])
    with pytest.raises(pm.exceptions.SamplingError):
        other.sample(10, **FEW)
    np.testing.assert_array_equal(model["y"].get_value(), [0.5, 1.5, 2.0])


def test_it_is_compiled_where_it_arrives(compiled):
    other = compiled.with_data(y=[1.0, 1.0, 1.0])
    arrived = pickle.loads(pickle.dumps(other))
    assert arrived.model is not other.model
    ours, theirs = other.sample(20, **FEW), arrived.sample(20, **FEW)
    np.testing.assert_array_equal(ours["posterior"]["slope"], theirs["posterior"]["slope"])


def test_arguments_of_the_compiler_are_its_own(model):
    quick = ps.compile(model, compile_kwargs={"mode": "FAST_COMPILE"})
    assert quick.compile_kwargs == {"mode": "FAST_COMPILE"}
    step = ps.HMC(model=quick)
    assert step.target._full.function is kept_log_density(model, {"mode": "FAST_COMPILE"})._full.function


def test_a_store_goes_on_with_the_same_data_alone(compiled, tmp_path):
    other = compiled.with_data(y=[1.0, 2.0, 3.0])
    path = tmp_path / "run.zarr"
    other.sample(20, store=path, **FEW)
    whole = other.sample(40, store=path, **FEW)
    assert whole["posterior"].sizes["draw"] == 40
    with pytest.raises(ps.StoreError, match="data"):
        compiled.sample(60, store=path, **FEW)
