"""Results of a finished run: the draws are returned, even where something that is made of them fails."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from pymc_symplectic.run import conversion, results

from . import SHORT, assert_same_draws, pymc_run, run


@pytest.fixture(scope="module")
def expected(rich_model):
    return run(rich_model, discard_tuned_samples=False)


def fail_later(function, error, left=0):
    """Another function that does the same so often, and raises then.

    What a result of a model looks like is tried once, where it is kept in memory; for a store, each time.
    """

    def call(*args, **kwargs):
        nonlocal left
        left -= 1
        if left < 0:
            raise error
        return function(*args, **kwargs)

    return call


TROUBLE = [(MemoryError("no room"), r"failed \(MemoryError: no room\)"), (KeyboardInterrupt(), "was interrupted")]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("error", "words"), TROUBLE)
def test_draws_that_cannot_be_converted_are_returned(error, words, kept, rich_model, expected, monkeypatch):
    monkeypatch.setattr(pm, "to_inference_data", fail_later(pm.to_inference_data, error))
    with pytest.warns(UserWarning, match=f"conversion by pymc.to_inference_data {words}: the draws are ret") as caught:
        idata = run(rich_model, discard_tuned_samples=not kept)
    assert caught[0].filename == __file__.replace("test_results.py", "__init__.py")  # where it was called
    if kept:
        assert_same_draws(idata, expected)
    else:
        np.testing.assert_array_equal(idata.posterior["mean"], expected.posterior["mean"])
    assert idata.posterior["mean"].dims == ("chain", "draw", "mean_dim_0")
    assert ("warmup_posterior" in idata.children) == kept
    for group in ("posterior", "sample_stats"):
        assert set(idata[group].data_vars) == set(expected[group].data_vars)
        np.testing.assert_array_equal(idata[group]["chain"], range(4))
        assert idata[group].attrs["inference_library"] == "pymc_symplectic"


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("error", "words"), TROUBLE)
def test_draws_of_which_nothing_can_be_computed_are_returned(
    error, words, stored, rich_model, expected, monkeypatch, tmp_path
):
    wanted = {"log_likelihood": True, "log_prior": True}
    run(rich_model, draws=1, tune=0, chains=1, idata_kwargs=wanted)  # and it is known that it can be computed
    compute = fail_later(conversion.compute_log_likelihood, error, left=int(stored))
    monkeypatch.setitem(conversion._COMPUTED, "log_likelihood", compute)
    store = {"store": tmp_path / "r"} if stored else {}
    with pytest.warns(UserWarning, match=rf"log_likelihood {words}: .*added by pm.compute_log_likelihood\(idata\)"):
        idata = run(rich_model, discard_tuned_samples=False, idata_kwargs=wanted, **store)
    assert_same_draws(idata, expected)
    assert "log_prior" in idata.children and "log_likelihood" not in idata.children


@pytest.mark.parametrize(("error", "words"), TROUBLE)
def test_draws_whose_check_does_not_end_are_returned(error, words, rich_model, expected, monkeypatch):
    monkeypatch.setattr(results, "run_convergence_checks", fail_later(None, error, 0))
    with pytest.warns(UserWarning, match=f"check of convergence {words}: the draws are returned"):
        idata = run(rich_model, compute_convergence_checks=True, discard_tuned_samples=False)
    assert_same_draws(idata, expected)


def test_what_is_stored_is_checked(rich_model, caplog):
    """Where no free variable is, PyMC's check has nothing to look at, and fails."""
    arguments = {"var_names": ["mean"], "compute_convergence_checks": True, "quiet": False, "draws": 110}
    idata = run(rich_model, **arguments)
    assert set(idata.posterior.data_vars) == {"mean"}
    assert any("effective sample size" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("stored", [False, True])
def test_what_is_computed_is_as_by_pymc(stored, rich_model, rich_step, starts, tmp_path):
    idata_kwargs = {"log_likelihood": "y", "log_prior": ["slope"], "coords": {"place": [3, 4, 5]}}
    store = {"store": tmp_path / "r"} if stored else {}
    ours = run(rich_model, initvals=starts, draws=3, idata_kwargs=idata_kwargs, **store)
    theirs = pymc_run(rich_model, rich_step, initvals=starts, draws=3, idata_kwargs=idata_kwargs)
    for name in ("log_likelihood", "log_prior"):
        # both are by PyMC's functions, which round as the parts do that other processes compile at this moment
        xr.testing.assert_allclose(ours[name].to_dataset(), theirs[name].to_dataset(), rtol=1e-13)
    assert ours.posterior["place"].values.tolist() == [3, 4, 5]
    assert SHORT["tune"] == ours.posterior.attrs["tuning_steps"]


def test_variables_without_entries_are_passed_over_by_the_check(recwarn):
    with pm.Model() as model:
        pm.Normal("x")
        pm.Normal("nothing", shape=0)
    run(model, compute_convergence_checks=True)
    assert not [warning for warning in recwarn if "failed" in str(warning.message)]
