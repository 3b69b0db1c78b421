"""The result is that of `pm.sample`: groups, names, dimensions, coordinates, dtypes, and whatever reads it."""

import warnings

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pymc_symplectic as ps

from . import assert_same_tree, pymc_run, run


def plain():
    """Scalars, arrays, what has no entries, and what is computed of them, with other shapes and dtypes."""
    pm.Normal("x")
    pm.HalfNormal("y")
    pm.Beta("z", 2, 3)
    vector = pm.Normal("vector", shape=3)
    pm.Normal("matrix", shape=(2, 3))
    pm.Exponential("cube", 1.0, shape=(2, 1, 2))
    pm.Normal("one", shape=1)
    pm.Normal("nothing", shape=(0,))
    pm.Deterministic("length", pm.math.sqrt((vector**2).sum()))
    pm.Deterministic("positive", vector > 0)
    pm.Deterministic("rank", pm.math.sum(vector > 0))
    pm.Deterministic("vector twice", pm.math.stack([vector, vector]))


def labelled():
    """Dimensions with coordinates of several kinds, and data of which some are missing."""
    model = pm.modelcontext(None)
    model.add_coord("city", ["Oslo", "São Paulo", "東京"])
    model.add_coord("year", [2020, 2021])
    model.add_coord("when", np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"))
    pm.Normal("a", dims="city")
    pm.Normal("b", dims=("year", "city"))
    pm.Normal("c", dims="when")
    pm.Deterministic("d", model["a"] * 2, dims="city")
    mu = pm.Normal("mu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pm.Normal("y", mu, 1.0, observed=np.ma.masked_invalid([1.0, np.nan, 2.0, np.nan]))


def transformed():
    pm.Dirichlet("simplex", np.ones(3))
    pm.Normal("ordered", shape=3, transform=pm.distributions.transforms.ordered, initval=[-1.0, 0.0, 1.0])
    pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0))
    pm.Uniform("bounded", -2.0, 3.0)
    pm.ZeroSumNormal("balanced", shape=4)


def with_data():
    model = pm.modelcontext(None)
    model.add_coord("row", range(4))
    x = pm.Data("x", np.arange(4.0), dims="row")
    scale = pm.Data("scale", 2.0)
    count = pm.Data("count", np.array([1, 2]))
    slope = pm.Normal("slope", 0, scale)
    pm.Deterministic("seen", slope * x + count.sum(), dims="row")
    pm.Normal("y", slope * x, 1.0, observed=np.array([0.1, 1.2, 1.9, 3.3]), dims="row")
    pm.Poisson("n", pm.math.exp(slope), observed=np.array([1, 2, 3]))


MODELS = {build.__name__: build for build in (plain, labelled, transformed, with_data)}


@pytest.fixture(scope="module")
def built():
    """Models and steps, made once."""
    known = {}

    def get(name):
        if name not in known:
            with pm.Model() as model:
                MODELS[name]()
            step = ps.HMC(model=model)
            known[name] = model, step, ps.initial_points(model, 2, random_seed=1)
        return known[name]

    return get


@pytest.mark.parametrize(("name", "keep"), [*((name, True) for name in MODELS), ("plain", False)])
def test_as_pymc(name, keep, built, tmp_path):
    model, step, starts = built(name)
    arguments = {"chains": 2, "initvals": starts, "discard_tuned_samples": not keep, "draws": 8, "tune": 9}
    expected = pymc_run(model, step, **arguments)
    assert_same_tree(run(model, **arguments), expected)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="zarr|xarray")
        stored = run(model, store=tmp_path / "r", **arguments)
        assert_same_tree(stored, expected)
        assert_same_tree(ps.open_run(tmp_path / "r"), expected)
        opened = xr.open_datatree(tmp_path / "r", engine="zarr")
    assert set(opened.children) == set(expected.children)


@pytest.mark.parametrize("stored", [False, True], ids=["", "stored"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"var_names": ["slope"]},
        {"var_names": ["seen"]},
        {"idata_kwargs": {"log_likelihood": True}},
        {"idata_kwargs": {"log_likelihood": True, "log_prior": True}},
        {"idata_kwargs": {"log_likelihood": ["y"]}},
        {"idata_kwargs": {"coords": {"part": ["p", "q", "r", "s"]}, "dims": {"seen": ["part"]}}},
        {"idata_kwargs": {"include_transformed": True}},
    ],
    ids=str,
)
def test_arguments_of_the_result(arguments, stored, built, tmp_path):
    model, step, starts = built("with_data")
    arguments = {"chains": 2, "initvals": starts, "draws": 8, "tune": 9, **arguments}
    expected = pymc_run(model, step, **arguments)
    store = {"store": tmp_path / "r"} if stored else {}
    assert_same_tree(run(model, **arguments, **store), expected)


def test_attributes(rich_model, rich_step, starts, tmp_path):
    expected = pymc_run(rich_model, rich_step, initvals=starts)
    for store in ({}, {"store": tmp_path / "r"}):
        actual = run(rich_model, initvals=starts, **store)
        for name in ("posterior", "sample_stats"):
            assert actual[name].attrs["tuning_steps"] == expected[name].attrs["tuning_steps"]
            assert actual[name].attrs["sampling_time"] > 0
            assert actual[name].attrs["inference_library"] == "pymc_symplectic"
            assert actual[name].attrs["inference_library_version"] == ps.__version__


@pytest.fixture(scope="module", params=["memory", "store"])
def result(request, rich_model, starts, tmp_path_factory):
    store = {"store": tmp_path_factory.mktemp("result") / "r"} if request.param == "store" else {}
    return run(rich_model, draws=200, tune=200, initvals=starts, **store)


def test_what_reads_results_reads_it(result, rich_model):
    summary = az.summary(result)
    assert {"slope", "sigma", "largest", "mean[bb]"} <= set(summary.index)
    with rich_model:
        predictive = pm.sample_posterior_predictive(result, random_seed=1, progressbar=False)
        likelihood = pm.compute_log_likelihood(result.copy(), progressbar=False)
    assert predictive["posterior_predictive"]["y"].sizes["draw"] == 200
    assert likelihood["log_likelihood"]["y"].shape == (4, 200, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(az.loo(likelihood).elpd)


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_may_be_written_and_read(kind, result, tmp_path):
    if kind == "netcdf":
        pytest.importorskip("h5netcdf")
        pytest.importorskip("h5py")
        result.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
        again = xr.open_datatree(tmp_path / "r.nc", engine="h5netcdf")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result.to_zarr(tmp_path / "r2.zarr")
        again = xr.open_datatree(tmp_path / "r2.zarr", engine="zarr")
    for name in ("posterior", "sample_stats"):
        xr.testing.assert_equal(again[name].to_dataset().load(), result[name].to_dataset())
    assert again["posterior"].attrs["sampler"] == result["posterior"].attrs["sampler"]


def test_log_likelihoods_of_a_store_that_goes_on(rich_model, starts, tmp_path):
    arguments = {"initvals": starts, "idata_kwargs": {"log_likelihood": True}}
    run(rich_model, store=tmp_path / "r", draws=5, **arguments)
    stored = run(rich_model, store=tmp_path / "r", **arguments)
    np.testing.assert_array_equal(stored["log_likelihood"]["y"], run(rich_model, **arguments)["log_likelihood"]["y"])


def test_convergence_is_checked_as_by_pymc(caplog):
    with pm.Model() as model:
        pm.Normal("x")
    with caplog.at_level("WARNING"):
        run(model, draws=200, tune=0, step_size=1e-4, quiet=False, compute_convergence_checks=True)
    assert "rhat" in caplog.text.lower() or "r-hat" in caplog.text.lower()
    caplog.clear()
    with caplog.at_level("WARNING"):
        run(model, draws=200, tune=0, step_size=1e-4, compute_convergence_checks=True)  # quiet
        run(model, draws=200, tune=0, step_size=1e-4, quiet=False)
    assert not caplog.text


def test_thinned_convergence_checks_read_draws_of_equal_distance(rich_model, monkeypatch):
    from pymc_symplectic.run import results

    seen = []
    monkeypatch.setattr(results, "_MOST_CHECKED", 4 * 25 * 8 * 6 // 5)  # a fifth of 6 numbers for each draw
    monkeypatch.setattr(results, "run_convergence_checks", lambda idata, model: seen.append(idata) or [])
    idata = run(rich_model, compute_convergence_checks=True)
    [checked] = seen
    assert checked["posterior"]["draw"].values.tolist() == [0, 5, 10, 15, 20]
    assert checked["sample_stats"].sizes["draw"] == 5
    np.testing.assert_array_equal(checked["posterior"]["slope"], idata.posterior["slope"][:, ::5])


def test_interrupt_of_the_checks_loses_no_draws(rich_model, monkeypatch):
    from pymc_symplectic.run import results

    monkeypatch.setattr(results, "run_convergence_checks", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(rich_model, compute_convergence_checks=True).posterior.sizes["draw"] == 25
