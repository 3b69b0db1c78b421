"""Runs in the background: held, looked at, paused, stopped, left alone; and callbacks."""

import gc
import json
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pymc.exceptions import SamplingError

import pymc_symplectic as ps
from pymc_symplectic.run import opening, task
from pymc_symplectic.run.blocks import blocks
from pymc_symplectic.store import Store, StoreError

from . import SHORT, assert_same_draws, run

ENDLESS = 10**6
PATIENCE = 60


def start(model, **kwargs):
    return ps.start(model=model, **{**SHORT, "chains": 4, "cores": 2, **kwargs})


def until(condition):
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def ours():
    """Threads of runs."""
    return [one for one in threading.enumerate() if one.name.startswith(("chain", "pymc_symplectic"))]


def drawing(held, draws=1):
    until(lambda: held.progress["draws"].sum() >= draws or held.state in ("done", "failed"))


@pytest.fixture(autouse=True)
def no_orphans():
    yield
    gc.collect()
    until(lambda: not ours())


@pytest.fixture(scope="module")
def expected(rich_model, starts):
    return run(rich_model, draws=3000, initvals=starts)


# The result


def test_is_that_of_sample(rich_model, starts, expected):
    held = start(rich_model, draws=3000, initvals=starts)
    assert held.state in ("preparing", "warm-up", "sampling")
    idata = held.result()
    assert_same_draws(idata, expected)
    assert held.result() is idata is held.draws()
    assert held.state == "done" and held.wait(0)
    assert json.loads(idata.posterior.attrs["sampler"]) == json.loads(expected.posterior.attrs["sampler"])


@pytest.fixture
def growing():
    """A model with data that a deterministic variable and an observed one read."""
    with pm.Model() as model:
        x = pm.Data("x", np.arange(3.0))
        slope = pm.Normal("slope")
        pm.Deterministic("mean", slope * x)
        pm.Normal("y", slope, observed=x)
    return model


@pytest.mark.parametrize("values", [np.arange(3.0) + 50, np.ones(5)], ids=["same shape", "longer"])
def test_data_that_are_replaced_meanwhile_are_not_those_of_the_run(values, growing):
    replace = {"callback": lambda held: pm.set_data({"x": values}, model=growing)}
    with pytest.warns(UserWarning, match="The data x of the model were replaced .* Draws are of those before"):
        idata = run(growing, draws=150, idata_kwargs={"log_likelihood": True}, **replace)
    np.testing.assert_array_equal(idata["posterior"]["mean"], idata["posterior"]["slope"].values[..., None] * [0, 1, 2])
    assert idata["posterior"]["slope"].mean() < 2
    assert not {"observed_data", "constant_data", "log_likelihood"} & set(idata.children)


def test_data_that_are_replaced_before_the_run_begins(growing, monkeypatch):
    monkeypatch.setattr(opening, "ahead_of_first_start", lambda _: pm.set_data({"x": np.ones(3)}, model=growing))
    held = start(growing)
    with pytest.raises(RuntimeError, match="the data x of the model were replaced before the run could begin"):
        held.result()
    assert start(growing).result()["posterior"].sizes["draw"] == SHORT["draws"]  # with others that are the same


def test_of_the_model_of_the_context_and_with_other_data(rich_model):
    with rich_model:
        assert ps.start(**SHORT, chains=2).result().posterior.sizes["draw"] == SHORT["draws"]
    compiled = ps.compile(rich_model).with_data(x=[2.0, 2.0, 2.0])
    held = compiled.start(**SHORT, chains=2)
    idata = held.result()
    np.testing.assert_array_equal(idata.posterior["mean"][..., 0], 2 * idata.posterior["slope"])
    with pytest.raises(TypeError, match=r"compile_kwargs: this is of one model"):
        compiled.start(compile_kwargs={})


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("how", [{"cores": 1}, {"cores": 3}, "threads"], ids=str)
def test_paused_twice(how, stored, rich_model, starts, expected, request, tmp_path):
    how = {"executor": request.getfixturevalue(how)} if isinstance(how, str) else how
    how |= {"store": tmp_path / "r"} if stored else {}
    held = start(rich_model, draws=3000, initvals=starts, **how)
    for draws in (1, 1500):
        drawing(held, draws)
        held.pause()
        until(lambda: not [one for one in ours() if one.name.startswith("chain")])
        before = held.progress
        time.sleep(0.02)
        if held.state == "paused" and "cores" in how:  # tasks of an executor go on to the end of their block
            pd.testing.assert_frame_equal(held.progress, before)
        held.resume()
    assert_same_draws(held.result(), expected)


@pytest.mark.parametrize("stored", [False, True])
def test_until_in_the_background(stored, rich_model, starts, tmp_path):
    goals = ps.Until(ess=300, r_hat=1.05)
    arguments = {"draws": 4000, "until": goals, "initvals": starts}
    held = start(rich_model, **arguments, **({"store": tmp_path / "r"} if stored else {}))
    drawing(held)
    held.pause()
    held.resume()
    assert_same_draws(held.result(), run(rich_model, **arguments))


@pytest.fixture(scope="module")
def in_warmup(starts):
    return {"draws": 20, "tune": 1500, "initvals": starts, "discard_tuned_samples": False}


@pytest.fixture(scope="module")
def with_warmup(rich_model, in_warmup):
    return run(rich_model, **in_warmup)


@pytest.fixture(params=[False, True], ids=["in memory", "stored"])
def store(request, tmp_path):
    return {"store": tmp_path / "r"} if request.param else {}


def some_instant(held, seed):
    until(lambda: held.state != "preparing")
    time.sleep(np.random.default_rng(seed).uniform(0, 0.2))


@pytest.mark.parametrize("seed", range(2))
def test_paused_in_warmup_at_any_instant(seed, store, rich_model, in_warmup, with_warmup):
    held = start(rich_model, **in_warmup, **store)
    some_instant(held, seed)
    held.pause()
    time.sleep(0.02)
    held.resume()
    assert_same_draws(held.result(), with_warmup)


@pytest.mark.parametrize("seed", range(2))
def test_stopped_in_warmup_at_any_instant(seed, store, rich_model, in_warmup, with_warmup):
    held = start(rich_model, **in_warmup, **store)
    some_instant(held, seed)
    held.stop()
    kept = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kept = held.result()
        except SamplingError as error:
            assert "before the first draw" in str(error)
    counts = held.progress["warmup"] + held.progress["draws"]
    assert (kept is not None) == counts.any()
    if kept is not None:
        slope, first = kept["warmup_posterior"]["slope"], with_warmup["warmup_posterior"]["slope"]
        assert slope.size >= held.progress["warmup"].max()
        np.testing.assert_array_equal(slope, first.sel(chain=slope["chain"])[:, : slope.sizes["draw"]])
    if store:
        assert Store.open(store["store"]).counts() == counts.tolist()
        assert_same_draws(run(rich_model, **in_warmup, **store), with_warmup)


@pytest.mark.parametrize("seed", range(2))
def test_left_alone_in_warmup_at_any_instant(seed, store, rich_model, in_warmup, with_warmup):
    held = start(rich_model, **in_warmup, **store)
    some_instant(held, seed)
    del held
    gc.collect()
    until(lambda: not ours())
    if store:
        assert_same_draws(run(rich_model, **in_warmup, **store), with_warmup)


def test_stopped(rich_model, starts):
    held = start(rich_model, draws=ENDLESS, initvals=starts, cores=4)
    drawing(held, 2000)
    held.stop()
    idata = held.result()
    made = idata.posterior.sizes["draw"]
    assert 0 < made < ENDLESS
    assert json.loads(idata.posterior.attrs["sampler"])["ended"] == "stopped"
    first = run(rich_model, draws=20, initvals=starts)
    chains = idata.posterior["chain"].values
    assert_same_draws(idata.isel(draw=slice(20), missing_dims="ignore"), first.sel(chain=chains))


def test_stopped_while_it_is_paused(rich_model):
    held = start(rich_model, draws=ENDLESS)
    drawing(held)
    held.pause()
    until(lambda: held.state == "paused")
    with pytest.raises(RuntimeError, match=r"the run is paused: call resume\(\) or stop\(\)"):
        held.result()
    held.stop()
    assert held.result().posterior.sizes["draw"] > 0


def test_interrupt_of_result_returns_the_draws_and_of_wait_does_not_end_it(rich_model, monkeypatch):
    held = start(rich_model, draws=ENDLESS, cores=4)
    drawing(held, 100)
    over = held._session.over
    waited = iter([KeyboardInterrupt])

    class Interrupted:
        def wait(self, timeout=None):
            for error in waited:
                raise error
            return over.wait(timeout)

        def __getattr__(self, name):
            return getattr(over, name)

    monkeypatch.setattr(held._session, "over", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        held.wait()
    assert held.state == "sampling"
    waited = iter([KeyboardInterrupt])
    with pytest.warns(UserWarning, match="Sampling was interrupted") as caught:
        assert held.result().posterior.sizes["draw"] > 0
    assert caught[0].filename == __file__  # where the result was asked for


# While it goes on


@pytest.mark.parametrize("stored", [False, True])
def test_draws_so_far_are_the_first_ones(stored, rich_model, starts, tmp_path):
    store = {"store": tmp_path / "r"} if stored else {}
    held = start(rich_model, draws=30_000, initvals=starts, cores=4, **store)
    sizes = []
    for draws in (10, 500, 2500):
        drawing(held, draws)
        until(lambda: not stored or min(Store.open(tmp_path / "r").counts()) > SHORT["tune"])
        so_far = held.draws()
        sizes.append(so_far.posterior["slope"].size)
        values = so_far.posterior["slope"].to_numpy()
        chains = so_far.posterior["chain"].values
    held.stop()
    final = held.result().posterior["slope"].sel(chain=chains)
    made = min(values.shape[1], final.sizes["draw"])
    np.testing.assert_array_equal(values[:, :made], final[:, :made])
    assert sizes == sorted(sizes) and np.isfinite(values).all()


def test_draws_of_warmup_so_far(rich_model):
    held = start(rich_model, tune=ENDLESS)
    until(lambda: held.progress["warmup"].sum() > 100)
    for _ in range(5):  # while the chains draw
        assert np.isfinite(held.draws()["warmup_posterior"]["slope"]).all()
    held.stop()
    with pytest.warns(UserWarning, match=r"Sampling ended in warm-up \(stopped\): \d+ draws of warm-up"):
        held.result()


def test_there_may_be_none_yet(rich_model, tmp_path):
    held = start(rich_model, tune=ENDLESS, store=tmp_path / "r")
    with pytest.raises(RuntimeError, match="there are no draws yet"):
        held.draws()
    held.stop()


def test_progress_is_numbers(rich_model):
    held = start(rich_model)
    held.wait()
    progress = held.progress
    assert progress.index.tolist() == [0, 1, 2, 3]
    assert (progress["warmup"] == SHORT["tune"]).all() and (progress["draws"] == SHORT["draws"]).all()
    stats = held.result()["sample_stats"]
    np.testing.assert_allclose(progress["step_size"], stats["step_size"][:, -1])
    np.testing.assert_array_equal(progress["divergences"], stats["diverging"].sum("draw"))


def test_is_shown(rich_model):
    held = start(rich_model, draws=ENDLESS, cores=4)
    drawing(held, 10)
    assert repr(held).startswith("<Run: sampling; 4 chains, ")
    held.stop()
    held.wait()
    assert repr(held).startswith("<Run: done; 4 chains, ")
    assert f"of {ENDLESS} draws" in repr(held)
    html = held._repr_html_()
    assert html.count("<tr>") == 5 and "<b>done</b>" in html and html.count("<progress") == 4


# Errors


def test_error_in_the_background_is_raised_in_the_foreground(python_model):
    def trouble(x):
        if abs(x).max() > 0.2:
            raise OSError("the <disk> of the data is gone")

    held = start(python_model(trouble), initvals=[{"x": np.zeros(2)}] * 4)
    for call in (held.result, held.wait, held.result):
        with pytest.raises(SamplingError, match=r"the <disk> of the data is gone"):
            call()
    assert held.state == "failed"
    assert "the <disk>" in repr(held) and "the &lt;disk&gt;" in held._repr_html_()


def test_arguments_are_refused_at_once(rich_model):
    for arguments, words in (
        ({"draws": 0}, "draws must be a positive integer"),
        ({"target_acept": 0.9}, "target_acept"),
        ({"callback": 3}, "callback must be a function of one argument"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            start(rich_model, **arguments)


def test_two_runs_cannot_have_one_store(rich_model, tmp_path):
    held = start(rich_model, draws=ENDLESS // 10, store=tmp_path / "r")
    drawing(held)
    with pytest.raises(StoreError, match="another run is writing"):
        start(rich_model, draws=ENDLESS // 10, store=tmp_path / "r").result()
    held.stop()


# Left alone


def test_pool_is_left_as_it_was(rich_model, pool, tmp_path):
    held = start(rich_model, draws=20_000, executor=pool, store=tmp_path / "r")
    until(lambda: held.progress["draws"].sum() or held.state == "done")
    held.stop()
    held.wait()
    assert pool.submit(int, 3).result() == 3


SCRIPT = """
import sys, time, numpy as np, pymc as pm, pymc_symplectic as ps
with pm.Model():
    pm.Normal("x", shape=3)
    run = ps.start(
        1000, tune=200_000, chains=2, cores=2, random_seed=1, store=sys.argv[1], quiet=True, discard_tuned_samples=False
    )
    while run.state == "preparing":
        time.sleep(0.001)
    while sys.argv[2] == "drawn" and not run.progress["warmup"].min():
        time.sleep(0.001)
    print(run.state, flush=True)
"""


@pytest.mark.parametrize("when", [pytest.param("begun", marks=pytest.mark.slow), "drawn"])
def test_end_of_the_program(when, tmp_path):
    """In the middle of warm-up: the chains end at once, and what they have drawn is stored."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "r"), when]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "warm-up"
    store = Store.open(tmp_path / "r")
    assert all(0 <= count < 200_000 for count in store.counts())
    assert not (tmp_path / "r" / ".run" / "owner").exists()
    if when == "drawn":
        assert ps.open_run(tmp_path / "r")["warmup_posterior"].sizes["draw"] > 0


# Callbacks


def test_callback_after_each_block(rich_model, starts):
    here, seen = threading.get_ident(), []

    def callback(held):
        assert threading.get_ident() == here
        seen.append(held.progress["draws"].tolist())
        assert held.draws().posterior.sizes["draw"] == seen[-1][0]

    idata = run(rich_model, draws=400, initvals=starts, cores=2, callback=callback)
    assert seen == [[end] * 4 for end in blocks(400)]
    assert_same_draws(idata, run(rich_model, draws=400, initvals=starts))


@pytest.mark.parametrize("how", [{"cores": 1}, {"cores": 3}, "threads"], ids=str)
@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt])
def test_callback_that_ends_the_run(error, how, rich_model, starts, request):
    """With the same draws however chains run."""

    def callback(held):
        if held.progress["draws"].min() >= 150:
            raise error

    how = {"executor": request.getfixturevalue(how)} if isinstance(how, str) else how
    arguments = {"draws": ENDLESS, "initvals": starts, "callback": callback, **how}
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="Sampling was interrupted: 150 draws of 4 chains"):
            idata = run(rich_model, **arguments)
    else:
        idata = run(rich_model, **arguments)
    assert_same_draws(idata, run(rich_model, draws=150, initvals=starts))


def test_callback_that_fails_loses_nothing_that_is_stored(rich_model, starts, tmp_path):
    def callback(held):
        if held.progress["draws"].min() >= 150:
            raise ZeroDivisionError("of the user")

    arguments = {"draws": 300, "initvals": starts, "store": tmp_path / "r"}
    with pytest.raises(ZeroDivisionError, match="of the user"):
        run(rich_model, callback=callback, **arguments)
    assert ps.open_run(tmp_path / "r").posterior.sizes["draw"] == 150
    held = start(rich_model, callback=callback, **arguments)
    with pytest.raises(ZeroDivisionError, match="of the user"):
        held.result()
    expected = run(rich_model, draws=300, initvals=starts)
    assert_same_draws(run(rich_model, **arguments), expected)


def test_callback_that_stops_the_run_and_one_that_would_wait_for_itself(rich_model):
    errors = []

    def callback(held):
        for call in (held.result, held.wait, held.pause):
            with pytest.raises(RuntimeError, match="cannot be called by the callback") as caught:
                call()
            errors.append(caught.value)
        held.stop()

    assert run(rich_model, draws=ENDLESS, callback=callback).posterior.sizes["draw"] == 100
    assert len(errors) == 3


def test_blocks_of_a_task_are_cut_by_a_stop(rich_model, monkeypatch):
    """A chain that has not begun when the run is stopped does not begin."""
    begun, begin = [], task.begin
    monkeypatch.setattr(task, "begin", lambda setup, job: (begun.append(job.index), begin(setup, job))[1])
    held = start(rich_model, draws=ENDLESS, cores=1)
    drawing(held)
    held.stop()
    held.result()
    assert begun == [0]
