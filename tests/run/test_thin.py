"""Draws of which only some are kept: every so-manieth of a run that keeps all, however it is run."""

import json

import numpy as np
import pytest

import pymc_symplectic as ps
from pymc_symplectic.store import StoreError

from . import run

THIN, KEPT = 3, 20
SUMMED = ("n_gradients", "solver_failures")


def run_thinned(model, **kwargs):
    return run(model, **{"draws": KEPT, "thin": THIN, "discard_tuned_samples": False, **kwargs})


@pytest.fixture(scope="module")
def whole(rich_model, starts):
    return run(rich_model, draws=THIN * KEPT, initvals=starts, discard_tuned_samples=False)


def assert_thinned(idata, whole):
    """The same warm-up, and every third draw after it; what is counted is not less for that."""
    assert idata.posterior.sizes["draw"] == KEPT
    kept = slice(THIN - 1, None, THIN)
    for name in ("slope", "sigma", "mean", "largest"):
        np.testing.assert_array_equal(idata["warmup_posterior"][name], whole["warmup_posterior"][name])
        np.testing.assert_array_equal(idata.posterior[name], whole.posterior[name][:, kept])
    for name in ("energy", "lp", "step_size", "tree_depth"):
        np.testing.assert_array_equal(idata["sample_stats"][name], whole["sample_stats"][name][:, kept])
    for name in SUMMED:
        every = whole["sample_stats"][name].to_numpy().reshape(-1, KEPT, THIN)
        np.testing.assert_array_equal(idata["sample_stats"][name], every.sum(axis=2))
    every = whole["sample_stats"]["diverging"].to_numpy().reshape(-1, KEPT, THIN)
    np.testing.assert_array_equal(idata["sample_stats"]["diverging"], every.any(axis=2))


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("how", [{"cores": 1}, {"cores": 3}, "pool"], ids=str)
def test_every_third_draw(how, stored, rich_model, starts, whole, request, tmp_path):
    how = {"executor": request.getfixturevalue(how)} if isinstance(how, str) else how
    how |= {"store": tmp_path / "r"} if stored else {}
    idata = run_thinned(rich_model, initvals=starts, **how)
    assert_thinned(idata, whole)
    assert json.loads(idata.posterior.attrs["sampler"])["thin"] == THIN


def test_stored_by_parts(rich_model, starts, whole, tmp_path):
    run_thinned(rich_model, initvals=starts, store=tmp_path / "r", draws=7)
    assert_thinned(run_thinned(rich_model, store=tmp_path / "r"), whole)
    assert_thinned(ps.open_run(tmp_path / "r"), whole)
    with pytest.raises(StoreError, match="thin was 3 and is 1"):
        run_thinned(rich_model, store=tmp_path / "r", thin=1)


def test_divergences_between_draws_are_counted(schools):
    whole = run(schools, draws=600, step_size=1.5, tune=0)
    idata = run(schools, draws=60, thin=10, step_size=1.5, tune=0)
    every = whole["sample_stats"]["diverging"].to_numpy().reshape(-1, 60, 10)
    assert every.any() and not every[..., -1].all()
    np.testing.assert_array_equal(idata["sample_stats"]["diverging"], every.any(axis=2))
    np.testing.assert_array_equal(idata["sample_stats"]["divergences"], np.cumsum(every.any(axis=2), axis=1))


def test_until_looks_at_what_is_kept(rich_model, starts):
    goals = ps.Until(ess=200, r_hat=1.1, variables="slope")
    idata = run_thinned(rich_model, initvals=starts, draws=2000, until=goals)
    found = json.loads(idata.posterior.attrs["sampler"])
    assert found["ended"] == "the goals are met"
    kept = idata.posterior.sizes["draw"]
    whole = run(rich_model, initvals=starts, draws=THIN * kept)
    np.testing.assert_array_equal(idata.posterior["slope"], whole.posterior["slope"][:, THIN - 1 :: THIN])


@pytest.mark.parametrize(("thin", "error"), [(0, ValueError), (-1, ValueError), (1.5, ValueError), ("2", TypeError)])
def test_nonsense_is_refused(thin, error, rich_model):
    with pytest.raises(error, match="thin must be"):
        run(rich_model, thin=thin)
