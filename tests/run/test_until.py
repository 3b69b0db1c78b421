"""Runs that end when there are enough draws: the same ones, wherever and however chains run."""

import contextlib
import json
import math
import subprocess
import sys
import time
import warnings

import arviz_stats
import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.run import task, until
from pymc_symplectic.run.blocks import blocks
from pymc_symplectic.run.until import Reached, Until, Watcher
from pymc_symplectic.store import Store

from . import assert_same_draws, run

GOALS = Until(ess=300, r_hat=1.05)
MOST = 4000


def run_until(model, **kwargs):
    return run(model, **{"draws": MOST, "until": GOALS, "tune": None, **kwargs})


def described(idata):
    return json.loads(idata.posterior.attrs["sampler"])


def worst(idata, kind="bulk"):
    options = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    sizes = arviz_stats.ess(idata.posterior.to_dataset(), method=kind, **options)
    return min(float(values.min()) for values in sizes.data_vars.values())


@pytest.fixture(scope="module")
def expected(rich_model, starts):
    return run_until(rich_model, initvals=starts)


@pytest.fixture(scope="module")
def normals():
    """Independent draws of two chains, with an entry that never changes."""
    values = np.random.default_rng(3).normal(size=(2, 1000, 2, 2))
    values[..., 1, 1] = 7.0
    return {"a": values, "b": values[..., 0, 0] + 1}


# When it ends


def test_ends_with_the_first_block_that_meets_the_goals(rich_model, starts, expected):
    made = expected.posterior.sizes["draw"]
    assert made in list(blocks(MOST))[1:-1]
    assert min(worst(expected), worst(expected, "tail")) >= GOALS.ess
    before = expected.isel(draw=slice(list(blocks(MOST))[list(blocks(MOST)).index(made) - 1]), missing_dims="ignore")
    assert min(worst(before), worst(before, "tail")) < GOALS.ess


def test_the_result_says_why_and_what_was_reached(expected):
    found = described(expected)
    assert found["ended"] == "the goals are met"
    assert found["until"]["ess"] == GOALS.ess and found["until"]["met"] is True
    reached = found["until"]["reached"]
    assert reached["ess"] == pytest.approx(min(worst(expected), worst(expected, "tail")))
    assert 1 <= reached["r_hat"] <= GOALS.r_hat
    largest = arviz_stats.rhat(expected.posterior.to_dataset())
    assert reached["r_hat"] == pytest.approx(max(float(values.max()) for values in largest.data_vars.values()))


def test_the_log_says_so_too(rich_model, starts, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        run_until(rich_model, initvals=starts, quiet=False)
    assert any("draws of each chain: the goals are met (the least effective" in text for text in caplog.messages)


def test_it_is_the_beginning_of_the_longer_run(rich_model, starts, expected):
    made = expected.posterior.sizes["draw"]
    whole = run(rich_model, draws=made + 70, tune=None, initvals=starts)
    assert_same_draws(expected, whole.isel(draw=slice(made), missing_dims="ignore"))


def test_of_some_variables_and_kinds(rich_model, starts):
    wanted = Until(ess=300, r_hat=None, variables="slope", ess_of="mean")
    idata = run_until(rich_model, initvals=starts, until=wanted)
    sizes = arviz_stats.ess(idata.posterior["slope"], method="mean")
    assert 300 <= float(sizes) == pytest.approx(described(idata)["until"]["reached"]["ess"])
    assert described(idata)["until"]["reached"]["ess_of"] == "mean of slope"


def test_goals_out_of_reach_are_warned_of_with_an_estimate(rich_model, starts):
    with pytest.warns(UserWarning, match=r"until: 120 draws of each chain do not meet the goals: the least") as caught:
        idata = run_until(rich_model, initvals=starts, draws=120, until=Until(ess=100_000))
    assert caught[0].filename == __file__.replace("test_until.py", "__init__.py")  # where it was called
    assert idata.posterior.sizes["draw"] == 120
    needed = int(str(caught[0].message).split("about draws=")[1].split()[0])
    assert needed == pytest.approx(120 * 100_000 / described(idata)["until"]["reached"]["ess"], rel=0.1)
    assert described(idata)["ended"] == "all draws are made"


def test_time_that_is_over_leaves_whole_blocks(python_model, monkeypatch):
    model = python_model()
    monkeypatch.setattr(task, "_BLOCK_SECONDS", 0.002)
    with pytest.warns(UserWarning, match="do not meet the goals"):
        idata = run(model, draws=10**6, tune=20, until=Until(ess=10**7, seconds=0.5), cores=4)
    assert idata.posterior.sizes["draw"] in list(blocks(10**6))
    assert described(idata)["ended"] == "the time is over"
    whole = run(model, draws=idata.posterior.sizes["draw"], tune=20)
    assert_same_draws(idata, whole)


def test_time_alone_is_no_goal_that_is_missed(python_model, recwarn):
    idata = run(python_model(), draws=10**6, tune=20, chains=1, until=Until(None, None, seconds=0.5))
    assert described(idata)["ended"] == "the time is over"
    assert not [warning for warning in recwarn if "until" in str(warning.message)]


def test_time_that_is_over_in_warmup(rich_model):
    with pytest.warns(UserWarning, match=r"ended in warm-up \(the time is over\): \d+ draws of warm-up of [1-4] chain"):
        idata = run(rich_model, tune=10**6, until=Until(seconds=1e-3))
    assert "posterior" not in idata.children and idata["warmup_posterior"].sizes["draw"] >= 1


# Where chains run


@pytest.mark.parametrize("cores", [2, 3])
def test_on_threads(cores, rich_model, starts, expected):
    assert_same_draws(run_until(rich_model, initvals=starts, cores=cores), expected)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kind", ["pool", "dask"])
def test_on_an_executor(kind, stored, rich_model, starts, expected, request, tmp_path):
    executor = (
        request.getfixturevalue("dask_cluster").get_executor() if kind == "dask" else request.getfixturevalue(kind)
    )
    store = {"store": tmp_path / "r"} if stored else {}
    idata = run_until(rich_model, initvals=starts, executor=executor, **store)
    assert_same_draws(idata, expected)
    assert described(idata)["until"] == described(expected)["until"]


def test_with_warmup(rich_model, starts, expected, pool, tmp_path):
    arguments = {"initvals": starts, "discard_tuned_samples": False}
    kept = run_until(rich_model, **arguments)
    assert_same_draws(kept, expected)
    for how in ({"executor": pool}, {"store": tmp_path / "r"}):
        assert_same_draws(run_until(rich_model, **arguments, **how), kept)


def test_stored(rich_model, starts, expected, tmp_path):
    path, made = tmp_path / "r", expected.posterior.sizes["draw"]
    assert_same_draws(run_until(rich_model, initvals=starts, store=path), expected)
    assert Store.open(path).draws == made
    assert_same_draws(ps.open_run(path), expected)
    again = run_until(rich_model, store=path, initvals=starts)
    assert_same_draws(again, expected)
    assert len(described(again)["chains"]) == 4
    assert Store.open(path).counts() == [1000 + made] * 4


def test_stored_run_goes_on_to_a_higher_goal_and_knows_a_lower_one(rich_model, starts, expected, tmp_path):
    path = tmp_path / "r"
    run_until(rich_model, initvals=starts, store=path, until=Until(ess=100, r_hat=None))
    assert_same_draws(run_until(rich_model, store=path), expected)
    lower = run_until(rich_model, store=path, until=Until(ess=100, r_hat=None))
    assert lower.posterior.sizes["draw"] < expected.posterior.sizes["draw"]
    made = expected.posterior.sizes["draw"] + 7
    longer = run(rich_model, store=path, draws=made, tune=None)
    assert longer.posterior.sizes["draw"] == made
    assert_same_draws(run_until(rich_model, store=path), expected)  # of a run that has more draws already


@pytest.mark.parametrize("seed", range(3))
def test_stored_and_cut_anywhere(seed, rich_model, starts, expected, tmp_path, monkeypatch):
    """Also within a block, where chains have come differently far."""
    rng = np.random.default_rng(seed)
    left, advance = iter(range(rng.integers(2, 25))), task.Chain.advance

    def cut(chain, count):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return advance(chain, count)

    monkeypatch.setattr(task.Chain, "advance", cut)
    with contextlib.suppress(KeyboardInterrupt), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_until(rich_model, initvals=starts, store=tmp_path / "r", cores=2)
    monkeypatch.undo()
    assert_same_draws(run_until(rich_model, store=tmp_path / "r", initvals=starts), expected)


KILLED = """
import sys
import pymc as pm, pymc_symplectic as ps
from pymc_symplectic.store import writer

writer._COMMIT_SECONDS, writer._LEAST_REST = 0.02, 0.0

def sample(**kwargs):
    with pm.Model():
        x = pm.Normal("x", shape=3)
        pm.Deterministic("length", pm.math.sqrt((x**2).sum()))
        return ps.sample(30_000, until=ps.Until(ess=6000, r_hat=1.01), chains=3, cores=2, random_seed=5, quiet=True,
                         progressbar=False, compute_convergence_checks=False, **kwargs)

if __name__ == "__main__":
    sample(store=sys.argv[1])
"""


def drawn(path):
    try:
        return sum(Store.open(path).counts())
    except (FileNotFoundError, ps.StoreError):
        return 0


@pytest.mark.slow
def test_killed_at_any_instant(tmp_path):
    """By SIGKILL, as it draws: the same draws as without a store."""
    path, script = tmp_path / "r", tmp_path / "killed.py"
    script.write_text(KILLED)
    rng, kills = np.random.default_rng(7), 0
    for _ in range(2):
        process, before = subprocess.Popen([sys.executable, str(script), str(path)]), drawn(path)
        while process.poll() is None and drawn(path) == before:
            time.sleep(0.005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, 0.05))
        kills += process.poll() is None
        process.kill()
        process.wait()
        (path / ".run" / "owner").unlink(missing_ok=True)
    assert kills
    given = {}
    exec(KILLED, given)
    expected = given["sample"]()
    assert described(expected)["ended"] == "the goals are met"
    assert_same_draws(given["sample"](store=path), expected)


def test_interrupt_returns_all_that_was_made(rich_model, starts, monkeypatch):
    looks = []

    def look(watcher, draws, read, whole=False):
        looks.append(draws)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return Reached(draws, met=False)

    monkeypatch.setattr(until.Watcher, "look", look)
    with pytest.warns(UserWarning, match="Sampling was interrupted: 150 draws of 4 chains are returned"):
        idata = run_until(rich_model, initvals=starts)
    assert described(idata)["ended"] == "interrupted"


def test_chain_that_fails_is_not_looked_at(python_model):
    def trouble(x):
        if 40 < x[0] < 49:  # on the way down from where chain 1 begins
            raise OSError("the disk of the data is gone")

    starts = [{"x": np.zeros(2)}, {"x": np.array([50.0, 0.0])}, {"x": np.ones(2)}]
    with pytest.warns(UserWarning, match="Chain 1 failed"):
        idata = run_until(python_model(trouble), chains=3, initvals=starts, step_size=0.5)
    assert idata.posterior["chain"].values.tolist() == [0, 2]
    assert described(idata)["ended"] == "the goals are met"
    assert min(worst(idata), worst(idata, "tail")) >= GOALS.ess


def test_memory_is_taken_as_it_is_needed(rich_model, starts, expected):
    assert_same_draws(run_until(rich_model, initvals=starts, draws=10**12), expected)


# What is looked at


def test_a_look_is_the_worst_of_all_entries(normals):
    look = Watcher(Until(ess=100), ["a", "b"]).look(1000, normals.get)
    assert look.met
    sizes = [
        (float(arviz_stats.ess(normals["a"][..., i, j], chain_axis=0, draw_axis=1, method=kind, **options)), kind, i, j)
        for kind, options in (("bulk", {}), ("tail", {"prob": (0.05, 0.95)}))
        for i, j in ((0, 0), (0, 1), (1, 0))
    ]
    least, kind, i, j = min(sizes)
    assert look.ess == pytest.approx(least)
    assert look.ess_of == f"{kind} of a[{i}, {j}]"


def test_a_look_ends_at_what_lacks_and_the_next_one_begins_there(normals):
    read = []

    def reading(name):
        read.append(name)
        return normals[name] if name == "a" else np.cumsum(normals["b"], axis=1)

    watcher = Watcher(Until(ess=400), ["a", "b"])
    assert not watcher.look(1000, reading).met
    assert read == ["a", "b"]
    read.clear()
    look = watcher.look(1000, reading)
    assert not look.met and read == ["b"] and look.ess_of.endswith("of b")
    assert watcher.look(1000, reading, whole=True).r_hat_of == "b"


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_draws_that_are_not_finite_meet_nothing(spoilt, normals):
    values = normals["b"].copy()
    values[1, 5] = spoilt
    look = Watcher(Until(), ["b"]).look(1000, {"b": values}.get)
    assert not look.met and math.isnan(look.ess)
    assert look.lacking(Until()) == "draws that are not finite never meet them"


def test_draws_that_never_change_meet_nothing():
    assert not Watcher(Until(), ["b"]).look(9, {"b": np.ones((2, 9))}.get).met


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Reached(100, False, 50.0, "bulk of x", 1.0, "x"), "about draws=800 would"),
        (Reached(100, False, 333.0, "bulk of x", 1.0, "x"), "about draws=130 would"),
        (Reached(100, False, 500.0, "bulk of x", 1.05, "x"), "about draws=500 would"),
        (Reached(100, False, 50.0, "bulk of x", 1.5, "x"), "chains are at different places"),
    ],
)
def test_what_lacks(look, words):
    assert words in look.lacking(Until())


# What is refused


@pytest.mark.parametrize(
    ("goals", "error", "words"),
    [
        ({"ess": 0}, ValueError, "Until: ess must be positive"),
        ({"ess": -3}, ValueError, "Until: ess must be positive"),
        ({"ess": "many"}, TypeError, "Until: ess must be a number"),
        ({"ess": math.nan}, ValueError, "Until: ess must be positive"),
        ({"r_hat": 1}, ValueError, "Until: r_hat must be finite and greater than 1"),
        ({"r_hat": math.nan}, ValueError, "Until: r_hat must be finite and greater than 1"),
        ({"seconds": 0}, ValueError, "Until: seconds must be positive"),
        ({"ess": None, "r_hat": None}, ValueError, "name at least one of ess, r_hat and seconds"),
        ({"ess_of": "heap"}, ValueError, "ess_of has no 'heap'; there are bulk, tail"),
        ({"ess_of": ()}, ValueError, "ess_of names no kind"),
        ({"ess_of": 3}, TypeError, "ess_of must be a name"),
        ({"variables": [3]}, TypeError, "variables must be a name"),
        ({"variables": []}, ValueError, "variables names none"),
    ],
)
def test_goals_that_make_no_sense(goals, error, words):
    with pytest.raises(error, match=words):
        Until(**goals)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"until": 400}, TypeError, r"until must be a ps\.Until, got 400"),
        ({"until": Until(variables="slop")}, ValueError, "the model has no variable 'slop'; it has slope"),
        ({"until": Until(variables="mean"), "var_names": ["slope"]}, ValueError, "'mean' must be among var_names"),
        ({"until": Until(), "chains": 1}, ValueError, "R-hat takes at least 2 chains"),
    ],
)
def test_refused_before_anything_is_drawn(arguments, error, words, rich_model):
    with pytest.raises(error, match=words):
        run(rich_model, **arguments)


def test_pymc_says_where_it_is(rich_model, rich_step):
    with pytest.raises(TypeError, match=r"until.*ps\.sample\(until=\.\.\.\)"), rich_model:
        ps.HMC(until=Until())


def test_entries_in_integers_and_booleans():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Deterministic("positive", x > 0)
        pm.Deterministic("one", x * 0 + 1)
    idata = run_until(model)
    assert described(idata)["until"]["met"]
