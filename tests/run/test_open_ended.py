"""Warm-up that ends by itself, at different draws of each chain: results, stores, executors, and runs gone on with."""

import json

import numpy as np
import pytest

import pymc_symplectic as ps
from pymc_symplectic.store import Store, StoreError

from . import assert_same_draws, run


@pytest.fixture(scope="module")
def expected(rich_model, starts):
    return run(rich_model, tune=None, initvals=starts, discard_tuned_samples=False)


def ends(idata):
    return [chain["warmup"] for chain in json.loads(idata.posterior.attrs["sampler"])["chains"]]


def test_chains_end_their_warm_up_when_they_are_done(expected):
    assert len(set(ends(expected))) > 1 and all(40 < end < 1000 for end in ends(expected))
    assert expected.posterior.sizes["draw"] == 25
    assert expected["warmup_posterior"].sizes["draw"] == max(ends(expected))
    for chain, end in enumerate(ends(expected)):
        for name in ("slope", "sigma", "mean"):
            made = np.isfinite(expected["warmup_posterior"][name].to_numpy()[chain])
            assert made[:end].all() and not made[end:].any()
        stats = expected["warmup_sample_stats"].isel(chain=chain)
        assert np.isfinite(stats["energy"][:end]).all() and np.isnan(stats["energy"][end:]).all()
        assert not stats["n_gradients"][end:].any() and not stats["diverging"][end:].any()
    assert np.isfinite(expected.posterior["slope"]).all()
    assert expected.posterior.attrs["tuning_steps"] == max(ends(expected))


def test_it_is_the_default(rich_model, starts, expected):
    chosen = {"model": rich_model, "chains": 4, "cores": 1, "draws": 25, "initvals": starts, "random_seed": 20261121}
    idata = ps.sample(**chosen, progressbar=False, quiet=True, compute_convergence_checks=False)
    np.testing.assert_array_equal(idata.posterior["slope"], expected.posterior["slope"])


def test_the_log_says_how_long_it_was(rich_model, starts, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        idata = run(rich_model, tune=None, initvals=starts, quiet=False)
    least, most = min(ends(idata)), max(ends(idata))
    assert any(f"4 chains of {least} to {most} + 25 draws took" in message for message in caplog.messages)
    assert "Warm-up ended: the metric is known (4 of 4 chains)." in caplog.messages


def test_on_threads_and_on_an_executor(rich_model, starts, expected, pool, tmp_path):
    arguments = {"tune": None, "initvals": starts, "discard_tuned_samples": False}
    for how in ({"cores": 3}, {"executor": pool}, {"executor": pool, "store": tmp_path / "run.zarr"}):
        assert_same_draws(run(rich_model, **arguments, **how), expected)


def test_stored_by_parts(rich_model, starts, expected, tmp_path, monkeypatch):
    arguments = {"tune": None, "initvals": starts, "discard_tuned_samples": False, "store": tmp_path / "run.zarr"}
    run(rich_model, draws=3, **arguments)
    assert Store.open(tmp_path / "run.zarr").counts() == [1003] * 4
    assert_same_draws(run(rich_model, **arguments), expected)
    assert_same_draws(ps.open_run(tmp_path / "run.zarr"), expected)
    with pytest.raises(StoreError, match="tune was None and is 1000"):
        run(rich_model, **{**arguments, "tune": 1000})


@pytest.mark.parametrize("count", [1, 60, 400, 999, 1000, 1001])
def test_goes_on_from_any_instant(rich_model, starts, expected, tmp_path, count, monkeypatch):
    """Also from among draws that have been passed over."""
    arguments = {"tune": None, "initvals": starts, "discard_tuned_samples": False, "store": tmp_path / "run.zarr"}
    monkeypatch.setattr("pymc_symplectic.run.task.Setup.total", count)
    run(rich_model, **arguments)
    monkeypatch.undo()
    assert all(count <= made <= max(count, 1000) for made in Store.open(tmp_path / "run.zarr").counts())
    assert_same_draws(run(rich_model, **arguments), expected)
