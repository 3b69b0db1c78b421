"""Interrupts and failing chains: what has been drawn is returned, and a warning says what happened."""

import _thread
import contextlib
import json
import signal
import threading
import time
import warnings
from concurrent import futures
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest
from pymc.exceptions import SamplingError

import pymc_symplectic as ps
from pymc_symplectic.run import runner
from pymc_symplectic.run.progress import Bars

from . import SHORT, assert_same_draws, run

ENDLESS = 10**6


@pytest.fixture
def interrupted(monkeypatch):
    """``interrupted(looks)``: the call is interrupted, as by Ctrl-C, when so many blocks of draws have been seen.

    Those up to the draw `since` do not count.
    """

    def after(looks, since=0):
        left = iter(range(looks - 1))

        def update(bars, chain, progress):
            if progress.count > since and next(left, None) is None:
                monkeypatch.undo()
                raise KeyboardInterrupt

        def wait(*args, **kwargs):
            raise KeyboardInterrupt

        if looks:
            monkeypatch.setattr(Bars, "update", update)
        else:
            kept = {name: getattr(futures, name) for name in ("ThreadPoolExecutor", "Executor", "FIRST_COMPLETED")}
            monkeypatch.setattr(runner, "futures", SimpleNamespace(wait=wait, **kept))

    return after


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("looks", [1, 4])
def test_in_sampling(stored, looks, interrupted, rich_model, starts, tmp_path):
    interrupted(looks, since=SHORT["tune"] + 20)
    store = {"store": tmp_path / "r"} if stored else {}
    with pytest.warns(UserWarning, match=r"interrupted: \d+ draws of \d chains are returned") as caught:
        cut = run(rich_model, draws=ENDLESS, cores=2, chains=2, initvals=starts[:2], **store)
    made = cut.posterior.sizes["draw"]
    assert 0 < made < ENDLESS
    assert ("the same call goes on from here" in str(caught[0].message)) == stored
    assert caught[0].filename == __file__.replace("test_interrupts.py", "__init__.py")  # where it was called
    assert made > 20
    first = run(rich_model, draws=20, chains=2, initvals=starts[:2])
    chains = cut.posterior["chain"].values
    assert_same_draws(cut.isel(draw=slice(20), missing_dims="ignore"), first.sel(chain=chains))


@pytest.mark.parametrize("kept", [False, True])
def test_in_warmup(kept, interrupted, rich_model, starts):
    interrupted(1)
    arguments = {"tune": ENDLESS, "chains": 2, "initvals": starts[:2], "discard_tuned_samples": not kept}
    with pytest.warns(UserWarning, match=r"interrupted: \d+ draws of warm-up of [12] chains are returned"):
        cut = run(rich_model, cores=2, **arguments)
    assert "posterior" not in cut.children
    assert cut["warmup_posterior"].sizes["draw"] > 1
    assert set(cut["warmup_posterior"].data_vars) >= {"slope", "sigma", "mean", "largest"}
    assert np.isfinite(cut["warmup_posterior"]["sigma"]).all()
    slope = cut["warmup_posterior"]["slope"]
    np.testing.assert_allclose(cut["warmup_posterior"]["largest"], np.maximum(2 * slope, -slope))


@pytest.mark.parametrize("kept", [False, True])
def test_in_warmup_stored(kept, interrupted, rich_model, starts, tmp_path):
    arguments = {"chains": 2, "cores": 2, "initvals": starts[:2], "tune": 40_000, "discard_tuned_samples": not kept}
    expected = run(rich_model, **arguments)
    interrupted(1)
    with pytest.warns(UserWarning, match="the same call goes on from here"):
        cut = run(rich_model, store=tmp_path / "r", **arguments)
    assert "posterior" not in cut.children
    assert ("warmup_posterior" in cut.children) == kept
    assert_same_draws(run(rich_model, store=tmp_path / "r", **arguments), expected)


def test_in_warmup_where_log_likelihoods_were_wanted(interrupted, rich_model):
    interrupted(1)
    with pytest.warns(UserWarning, match="interrupted"):
        cut = run(rich_model, tune=ENDLESS, chains=2, cores=2, idata_kwargs={"log_likelihood": True})
    assert cut["warmup_posterior"].sizes["draw"] > 1


@pytest.mark.parametrize("stored", [False, True])
def test_before_the_first_draw(stored, interrupted, rich_model, tmp_path, monkeypatch):
    monkeypatch.setattr(runner.Runner, "_chain", lambda self, job: time.sleep(0.02))
    interrupted(0)
    store = {"store": tmp_path / "r"} if stored else {}
    with warnings.catch_warnings(), pytest.raises((KeyboardInterrupt, SamplingError)):
        warnings.simplefilter("ignore")
        run(rich_model, **store)


@pytest.fixture
def heard():
    """Interrupts are raised, also where the tests run in the background of a shell, which lets them ignore these."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_real_interrupts_at_any_moment_leave_a_store_that_goes_on(rich_model, starts, tmp_path):
    arguments = {"initvals": starts, "draws": 60_000, "tune": 500, "discard_tuned_samples": False}
    expected = run(rich_model, cores=2, **arguments)  # compiles
    began = time.monotonic()
    run(rich_model, cores=2, **arguments)
    took = time.monotonic() - began  # on this machine, with whatever else it does
    rng = np.random.default_rng(8)
    cuts = 0
    for delay in [*np.sort(rng.uniform(0.1, 0.8, 4)) * took, None]:
        timer = threading.Timer(delay or 0, _thread.interrupt_main)
        if delay:
            timer.start()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                run(rich_model, cores=2, store=tmp_path / "r", **arguments)
            cuts += any("interrupted" in str(warning.message) for warning in caught)
            timer.cancel()
            time.sleep(0.05)
        except KeyboardInterrupt:  # while it compiled
            cuts += 1
    assert cuts
    assert_same_draws(ps.open_run(tmp_path / "r"), expected)


def test_all_threads_are_gone_after_an_interrupt(interrupted, rich_model):
    interrupted(1)
    with pytest.warns(UserWarning, match="interrupted"):
        run(rich_model, draws=ENDLESS, cores=2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("chain")]


def test_chains_that_had_not_begun_are_left_out_and_the_others_keep_their_numbers(interrupted, rich_model):
    interrupted(2)
    with pytest.warns(UserWarning, match="interrupted"):
        cut = run(rich_model, draws=ENDLESS, cores=1, chains=3)
    assert cut.posterior["chain"].values.tolist() == [0]


def test_interrupt_of_an_executor_keeps_chains_that_are_done(interrupted, rich_model, threads):
    expected = run(rich_model, draws=10)
    interrupted(4)
    with pytest.warns(UserWarning, match="interrupted"):
        cut = run(rich_model, draws=10, chains=4, executor=threads)
    assert_same_draws(cut, expected.sel(chain=cut.posterior["chain"].values))


def test_no_task_writes_to_the_store_after_an_interrupt(interrupted, rich_model, tmp_path):
    from pymc_symplectic.store import Store

    with futures.ThreadPoolExecutor(2) as executor:
        interrupted(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(KeyboardInterrupt, SamplingError):
                run(rich_model, draws=ENDLESS, chains=2, executor=executor, store=tmp_path / "r")
        counts = [Store.open(tmp_path / "r").counts()]
        for _ in range(10):  # a commit that had begun may take its time
            time.sleep(2)
            counts.append(Store.open(tmp_path / "r").counts())
            if counts[-1] == counts[-2]:
                break
        assert counts[-1] == counts[-2]


# Chains that fail.


@pytest.fixture(scope="module")
def failing_model():
    """Chains that begin in the wrong half of the plane never draw."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=2)
        pm.Potential("half", pm.math.switch(x[0] > 0, -0.5 * (x**2).sum(), -np.inf))
    return model


BAD, GOOD = {"x": np.array([-1.0, 0.0])}, {"x": np.array([1.0, 0.0])}


@pytest.mark.parametrize("stored", [False, True])
def test_error_of_a_chain_names_it_and_the_others_are_returned(stored, python_model, tmp_path):
    def trouble(x):
        if 40 < x[0] < 49:  # on the way down from where chain 1 begins
            raise OSError("the disk of the data is gone")

    model, seen = python_model(trouble), []
    starts = [{"x": np.zeros(2)}, {"x": np.array([50.0, 0.0])}, {"x": np.ones(2)}]
    store = {"store": tmp_path / "r"} if stored else {}
    arguments = {"chains": 3, "initvals": starts, "step_size": 0.5, "tune": 0}
    for cores in (1, 2):
        with pytest.warns(UserWarning, match=r"Chain 1 failed after \d+ draws, and is left out.*disk of the data"):
            seen.append(run(model, cores=cores, **arguments, **{k: v / str(cores) for k, v in store.items()}))
        assert seen[-1].posterior["chain"].values.tolist() == [0, 2]
    assert_same_draws(*seen)
    assert len(json.loads(seen[0].posterior.attrs["sampler"])["chains"]) == 2


def test_start_without_a_density_is_reported_before_anything_is_drawn(failing_model):
    with pytest.raises(SamplingError, match="No finite start was found for chain 2"):
        run(failing_model, initvals=[GOOD, GOOD, BAD, GOOD])


@pytest.mark.parametrize("how", ["cores", "threads"])
def test_all_chains_fail(how, python_model, request):
    calls = []

    def trouble(x):
        calls.append(1)
        if len(calls) > 60:
            raise OSError("the disk of the data is gone")

    arguments = {"cores": 2} if how == "cores" else {"executor": request.getfixturevalue("threads")}
    if how == "threads":

        def trouble(x):
            if abs(x).max() > 0.2:
                raise OSError("the disk of the data is gone")

    with pytest.raises(SamplingError, match=r"Chain \d failed, and so did all others: .*disk of the data is gone"):
        run(python_model(trouble), initvals={"x": np.zeros(2)}, **arguments)


def test_error_that_is_not_of_the_log_density(rich_model, out_of_order):
    """Whatever ends a chain is reported, even what is no Exception."""
    out_of_order(1)
    with pytest.warns(UserWarning, match="Chain 1 failed after 0 draws, and is left out: out of order"):
        assert run(rich_model).posterior["chain"].values.tolist() == [0, 2, 3]


def test_failed_chain_goes_on_when_the_trouble_is_over(python_model, tmp_path):
    broken = {"now": True}

    def trouble(x):
        if broken["now"] and x[0] > 3:
            raise OSError("the disk of the data is gone")

    model = python_model(trouble)
    starts = [{"x": np.zeros(2)}, {"x": np.array([2.9, 0.0])}]
    arguments = {"chains": 2, "initvals": starts, "step_size": 0.9, "draws": 60, "tune": 0, "store": tmp_path / "r"}
    with pytest.warns(UserWarning, match="failed after"):
        run(model, **arguments)
    broken["now"] = False
    whole = run(model, **arguments)
    del arguments["store"]
    assert_same_draws(whole, run(model, **arguments))


def test_two_hundred_short_chains_on_two_cores():
    from scipy.stats import norm

    with pm.Model() as model:
        pm.Normal("x", 3.0, 2.0)
    idata = run(model, draws=20, tune=150, chains=200, cores=2)
    assert dict(idata.posterior.sizes) == {"chain": 200, "draw": 20}
    ends = idata.posterior["x"][:, -1].to_numpy()  # independent
    assert abs(ends.mean() - 3.0) < 4.5 * 2.0 / np.sqrt(200)
    assert abs(norm.cdf(ends, 3.0, 2.0).std() - np.sqrt(1 / 12)) < 0.06
