"""One seed makes the same draws, to the last bit, wherever and however chains run."""

import multiprocessing

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps

from . import SHORT, assert_same_draws, pymc_run, run

CONFIGURATIONS = {
    "default": {},
    "all else": {
        "trajectory": ps.FixedTime(),
        "kinetic": "adaptive",
        "metric": "dense",
        "integrator": "bcss2",
        "tune": 80,  # long enough for windows in which kinetic energy and metric are learned
    },
}


@pytest.fixture(scope="module", params=CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def case(request, rich_model, starts):
    """A model, arguments of the run, and what `pm.sample` makes of them on one core."""
    options = {name: value for name, value in request.param.items() if name != "tune"}
    arguments = {"initvals": starts, "discard_tuned_samples": False, "tune": request.param.get("tune", SHORT["tune"])}
    step = ps.HMC(model=rich_model, **options)
    return rich_model, {**arguments, **options}, arguments, step, pymc_run(rich_model, step, **arguments)


def test_reference_itself_has_chains_that_differ(case):
    expected = case[-1].posterior["slope"].to_numpy()
    assert len(np.unique(expected[:, -1])) == 4


def test_as_pymc_on_many_processes(case):
    model, _, arguments, step, expected = case
    assert_same_draws(pymc_run(model, step, **arguments, cores=2), expected)


@pytest.mark.parametrize("cores", [1, 3])
def test_as_pymc_on_threads(cores, case):
    model, arguments, *_, expected = case
    assert_same_draws(run(model, cores=cores, **arguments), expected)


@pytest.mark.parametrize("kind", ["pool", "threads", pytest.param("loky", marks=pytest.mark.slow), "dask"])
def test_as_pymc_on_an_executor(kind, case, request, tmp_path):
    model, arguments, *_, expected = case
    if kind == "loky":
        executor = pytest.importorskip("loky").get_reusable_executor(2)
    elif kind == "dask":
        executor = request.getfixturevalue("dask_cluster").get_executor()
    else:
        executor = request.getfixturevalue(kind)
    assert_same_draws(run(model, executor=executor, **arguments), expected)
    assert_same_draws(run(model, executor=executor, store=tmp_path / "run.zarr", **arguments), expected)


@pytest.mark.parametrize("cores", [1, 2])
def test_stored(cores, case, tmp_path):
    model, arguments, *_, expected = case
    assert_same_draws(run(model, cores=cores, store=tmp_path / "run.zarr", **arguments), expected)
    assert_same_draws(ps.open_run(tmp_path / "run.zarr"), expected)


def test_stored_by_steps_and_executors_in_turn(case, tmp_path, pool):
    model, arguments, *_, expected = case
    path = tmp_path / "run.zarr"
    for draws, how in ((3, {"cores": 2}), (4, {"executor": pool}), (17, {"cores": 1}), (25, {"executor": pool})):
        assert run(model, store=path, **{**arguments, "draws": draws, **how}).posterior.sizes["draw"] == draws
    assert_same_draws(ps.open_run(path), expected)


def test_without_warmup(case, tmp_path):
    model, arguments, *_, expected = case
    kept = run(model, **{**arguments, "discard_tuned_samples": True})
    assert "warmup_posterior" not in kept.children
    stored = run(model, **{**arguments, "discard_tuned_samples": True}, store=tmp_path / "run.zarr")
    assert "warmup_posterior" not in stored.children
    for name in ("posterior", "sample_stats"):
        for key, variable in expected[name].data_vars.items():
            np.testing.assert_array_equal(kept[name][key], variable)
            np.testing.assert_array_equal(stored[name][key], variable)


@pytest.mark.parametrize(
    "seed",
    [
        [1, 2, 3],
        np.int64(5),
        lambda: np.random.default_rng(4),
        lambda: np.random.Generator(np.random.MT19937(4)),
    ],
    ids=["list", "numpy", "generator", "MT19937"],
)
def test_any_seed_that_pymc_takes(seed, rich_model, rich_step, starts, tmp_path):
    seed_of = seed if callable(seed) else lambda: seed
    expected = pymc_run(rich_model, rich_step, random_seed=seed_of(), initvals=starts)
    assert_same_draws(run(rich_model, random_seed=seed_of(), initvals=starts), expected)
    run(rich_model, random_seed=seed_of(), initvals=starts, store=tmp_path / "r", draws=5)
    assert_same_draws(run(rich_model, random_seed=seed_of(), initvals=starts, store=tmp_path / "r"), expected)


def test_a_seed_is_not_used_up():
    with pm.Model():
        pm.Normal("x")
        one, two = (run(None, chains=2) for _ in range(2))
    assert_same_draws(one, two)


def test_without_initvals_chains_begin_apart_and_the_seed_decides_where(rich_model):
    one, two, other = (run(rich_model, cores=cores, random_seed=seed) for cores, seed in ((1, 1), (2, 1), (2, 2)))
    assert_same_draws(one, two)
    assert not np.array_equal(one.posterior["slope"], other.posterior["slope"])
    assert len(np.unique(one.posterior["slope"][:, 0])) == 4


def test_shared_data_are_those_of_the_moment(rich_model, starts, pool):
    before = run(rich_model, initvals=starts)
    with rich_model:
        was = rich_model["x"].get_value().copy()
        pm.set_data({"x": np.array([2.0, 2.0, 2.0])})
    try:
        step = ps.HMC(model=rich_model)
        expected = pymc_run(rich_model, step, initvals=starts)
        np.testing.assert_array_equal(expected.posterior["mean"][..., 0], 2 * expected.posterior["slope"])
        assert_same_draws(run(rich_model, initvals=starts), expected)
        assert_same_draws(run(rich_model, initvals=starts, cores=2), expected)
        assert_same_draws(run(rich_model, initvals=starts, executor=pool), expected)
    finally:
        with rich_model:
            pm.set_data({"x": was})
    assert_same_draws(run(rich_model, initvals=starts, executor=pool), before)


@pytest.mark.parametrize("how", [{"cores": 4}, "threads", "pool"], ids=str)
def test_log_density_in_python(how, python_model, request, tmp_path):
    model = python_model()
    starts = ps.initial_points(model, 4, random_seed=1)
    expected = pymc_run(model, ps.HMC(model=model), initvals=starts)
    how = {"executor": request.getfixturevalue(how)} if isinstance(how, str) else how
    assert_same_draws(run(model, initvals=starts, **how), expected)
    assert_same_draws(run(model, initvals=starts, store=tmp_path / "r", **how), expected)


def test_log_density_of_another_compiler(rich_model, starts):
    compile_kwargs = {"mode": "FAST_COMPILE"}
    expected = pymc_run(rich_model, ps.HMC(model=rich_model, compile_kwargs=compile_kwargs), initvals=starts)
    for cores in (1, 4):
        assert_same_draws(run(rich_model, initvals=starts, cores=cores, compile_kwargs=compile_kwargs), expected)


def test_single_precision(pool, tmp_path):
    with pm.Model() as model:
        x = pm.Normal("x", shape=3, dtype="float32")
        y = pm.Normal("y")
        pm.Deterministic("sum", x.sum() + y)
    starts = ps.initial_points(model, 4, random_seed=1)
    expected = pymc_run(model, ps.HMC(model=model), initvals=starts)
    assert expected.posterior["x"].dtype == np.float32
    for how in ({"cores": 2}, {"executor": pool}, {"store": tmp_path / "r"}):
        actual = run(model, initvals=starts, **how)
        assert actual.posterior["x"].dtype == np.float32
        assert_same_draws(actual, expected)


@pytest.mark.slow
def test_spawned_processes_make_the_same_draws(rich_model, starts):
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        actual = run(rich_model, initvals=starts, executor=executor)
    assert_same_draws(actual, run(rich_model, initvals=starts))


def test_many_threads_share_one_process_and_one_store(rich_model, tmp_path):
    # Each task compiles for itself, at the same time as the others, in one process.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as executor:
        stored = run(rich_model, chains=8, executor=executor, store=tmp_path / "r")
    assert_same_draws(stored, run(rich_model, chains=8))
