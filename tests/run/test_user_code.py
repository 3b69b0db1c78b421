"""Operations in Python run one at a time, whatever calls them, and what they raise is reported."""

import threading
import time
from concurrent import futures

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from operations import Quadratic, Squares, Workspace
from pymc.exceptions import SamplingError
from pytensor.compile.maker import FunctionMaker

import pymc_symplectic as ps

OPTIONS = {"draws": 60, "tune": 60, "chains": 2, "random_seed": 3, "progressbar": False, "quiet": True}
OPTIONS |= {"compute_convergence_checks": False}


def model_of(workspace, in_density=True):
    squares = Squares(workspace)
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        if in_density:
            pm.Potential("seen", -squares(x).sum())
        pm.Deterministic("squares", squares(x))
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["density", "deterministic"])
def model(request):
    workspace = Workspace()
    made = model_of(workspace, request.param)
    return made, workspace, ps.sample(cores=1, model=made, **OPTIONS)


def same(idata, alone):
    for name in ("x", "squares"):
        np.testing.assert_array_equal(idata["posterior"][name].values, alone["posterior"][name].values)
    np.testing.assert_array_equal(idata["posterior"]["squares"].values, idata["posterior"]["x"].values ** 2)


def test_threads(model):
    made, workspace, alone = model
    same(ps.sample(cores=2, model=made, **OPTIONS), alone)
    assert workspace.overlaps == 0


def test_store(model, tmp_path):
    made, workspace, alone = model
    same(ps.sample(cores=2, model=made, store=tmp_path / "run", **OPTIONS), alone)
    assert workspace.overlaps == 0


def test_executor_of_threads(model):
    made, workspace, alone = model
    with futures.ThreadPoolExecutor(2) as executor:
        same(ps.sample(executor=executor, model=made, **OPTIONS), alone)
    assert workspace.overlaps == 0  # though each unpickles an operation of its own


def test_two_runs_at_once_that_share_an_operation():
    workspace = Workspace()
    models = [model_of(workspace, True), model_of(workspace, False)]
    with futures.ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda made: ps.sample(cores=2, model=made, **OPTIONS), models))
    assert workspace.overlaps == 0
    for idata in runs:
        np.testing.assert_array_equal(idata["posterior"]["squares"].values, idata["posterior"]["x"].values ** 2)


def test_a_density_that_changes_between_blocks_is_looked_at_again():
    """Each block begins where the last one has ended, with what the density is there by then."""
    at = {"now": 0.0}
    with pm.Model() as model:
        x = pm.Flat("x", shape=2)
        value, slope = (lambda x: -0.5 * np.sum((x - at["now"]) ** 2)), (lambda x: at["now"] - x)
        pm.Potential("density", Quadratic(value=value, slope=slope)(x))
    changes = {"callback": lambda run: at.update(now=50.0), "until": ps.Until(ess=1e6)}
    with pytest.warns(UserWarning, match="do not meet the goals"):
        idata = ps.sample(model=model, **{**OPTIONS, "draws": 300}, **changes)
    assert idata["posterior"]["x"].isel(draw=slice(250, None)).min() > 40


@pytest.fixture
def compilations(monkeypatch):
    """How many graphs PyTensor was asked to compile while it compiled another one, in other threads."""
    real, now, overlaps = FunctionMaker.prepare_fgraph, set(), []

    def prepare(*args, **kwargs):
        me = threading.get_ident()
        inner = me in now
        overlaps.append(bool(now - {me}))
        now.add(me)
        time.sleep(0.002)
        try:
            return real(*args, **kwargs)
        finally:
            if not inner:
                now.discard(me)

    monkeypatch.setattr(FunctionMaker, "prepare_fgraph", staticmethod(prepare))
    return overlaps


def everything(number):
    """Whatever makes PyTensor compile a graph, of a model that was not compiled before."""
    with pm.Model() as model:
        x = pm.Normal("x", number, shape=2)
        pm.Deterministic("twice", 2 * x)
        pm.Normal("y", x[pm.Data("which", [0, 1, 1])], observed=np.ones(3))
    ps.initial_points(model, 2, random_seed=1)
    ps.kinetic_energy(lambda s: pt.sqrt(s**2 + 1 + number), shape="radial")
    ps.gradient_descent(model=model, max_iterations=3, progressbar=False)
    options = {**OPTIONS, "idata_kwargs": {"log_likelihood": True}}
    ps.sample(model=model, initvals={"x": [number, 0.5]}, **options)


@pytest.mark.filterwarnings("ignore:gradient_descent .* did not converge")
def test_graphs_are_compiled_one_at_a_time(compilations):
    """PyTensor's mode is one for all threads, and two that compile at once would leave each other's behind."""
    before = pytensor.config.mode
    with futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(everything, [0.25, 0.75]))
    assert len(compilations) > 10 and not any(compilations)
    assert pytensor.config.mode == before


def test_the_workspace_would_notice():
    workspace = Workspace()
    threads = [threading.Thread(target=lambda: [workspace.square(1.0) for _ in range(200)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert workspace.overlaps > 0


# What operations raise.


class SolverError(Exception):
    """Not a kind that anybody could know of."""


def failing_beyond(limit, error):
    def value(x):
        if x[0] > limit:
            raise error
        return -0.5 * np.sum(x**2)

    return value


def sample(value=None, slope=None, **kwargs):
    operation = Quadratic(**{name: f for name, f in (("value", value), ("slope", slope)) if f is not None})
    with pm.Model():
        x = pm.Flat("x", shape=2)
        pm.Potential("density", operation(x))
        return ps.sample(**{**OPTIONS, "cores": 2, "initvals": {"x": np.array([-0.5, 0.0])}, **kwargs})


@pytest.mark.parametrize("error", [RuntimeError("no convergence"), SolverError("stiff"), ZeroDivisionError("zero")])
def test_errors_on_the_way_are_divergences(error):
    value = failing_beyond(1.0, error)
    if isinstance(error, ArithmeticError):
        idata = sample(value)
    else:
        with pytest.warns(UserWarning, match=f"raised {type(error).__name__}: {error}.*divergences") as heard:
            idata = sample(value)
        assert len([w for w in heard if "The log-density raised" in str(w.message)]) == 1
    assert (idata["posterior"]["x"][..., 0] <= 1.0).all()
    assert idata["sample_stats"]["diverging"].sum() > 0


def test_error_at_the_start_is_reported():
    with pytest.raises(SamplingError, match="SolverError: stiff"):
        sample(failing_beyond(-1.0, SolverError("stiff")))


@pytest.mark.parametrize("error", [TypeError("mistake"), NotImplementedError("to do"), RecursionError("deep")])
def test_mistakes_end_a_run(error):
    with pytest.raises(SamplingError, match=f"{type(error).__name__}: {error}"):
        sample(failing_beyond(0.5, error))


@pytest.mark.parametrize("where", ["threads", "one thread", "executor"])
def test_exit_is_not_a_failed_chain(where):
    value = failing_beyond(0.5, SystemExit(7))
    with futures.ThreadPoolExecutor(2) as executor, pytest.raises(SystemExit, match="7"):
        sample(value, **{"threads": {}, "one thread": {"cores": 1}, "executor": {"executor": executor}}[where])


def test_interrupt_within_an_operation_keeps_the_draws():
    calls = [0]

    def value(x):
        calls[0] += 1
        if calls[0] > 600:
            raise KeyboardInterrupt
        return -0.5 * np.sum(x**2)

    with pytest.warns(UserWarning, match="Sampling was interrupted"):
        idata = sample(value, draws=5000, cores=1, chains=1, tune=20)
    assert 0 < idata["posterior"].sizes["draw"] < 5000


@pytest.mark.parametrize("slope", [lambda x: -x[:1], lambda x: np.append(-x, 0.0)], ids=["too short", "too long"])
def test_gradient_of_the_wrong_length(slope):
    with pytest.raises(
        ValueError, match=r"that Quadratic gives with respect to x has shape \(\d,\), and must have \(2,\)"
    ):
        sample(slope=slope)
    with pm.Model():  # where the gradient of the prior, to which it is added, has the right length
        x = pm.Normal("x", shape=2)
        pm.Potential("density", Quadratic(slope=slope)(x))
        with pytest.raises(ValueError, match="that Quadratic gives with respect to x"):
            ps.HMC()


def test_gradient_that_becomes_too_short():
    with pytest.raises(SamplingError, match=r"the gradient must have shape \(2,\), and has \(1,\)"):
        sample(slope=lambda x: -x if x[0] <= 0.5 else -x[:1])
