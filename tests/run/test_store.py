"""Runs on disk: they go on to the same draws after anything that may happen to them, or say why they do not."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pymc_symplectic as ps
from pymc_symplectic import files
from pymc_symplectic.run import conversion, in_memory, task
from pymc_symplectic.run.runner import Runner
from pymc_symplectic.statistics import DTYPES
from pymc_symplectic.store import Store, layout

from . import SHORT, assert_same_draws, run
from .conftest import new_rich_model

QUICK = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
"""For models that are hardly drawn from, and soon compiled by this."""


@pytest.fixture(scope="module")
def arguments(starts):
    return {"initvals": starts, "discard_tuned_samples": False}


@pytest.fixture(scope="module")
def expected(rich_model, arguments):
    return run(rich_model, **arguments).load()


@pytest.fixture(scope="module")
def finished(rich_model, arguments, tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run.zarr"
    run(rich_model, store=path, **arguments)
    return path


@pytest.fixture
def copy(finished, tmp_path):
    """A finished run, to be spoilt."""
    return shutil.copytree(finished, tmp_path / "copy.zarr")


def content(path):
    return {file: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


# Going on.


def test_same_call_on_a_finished_run_draws_nothing(rich_model, arguments, expected, copy, monkeypatch):
    monkeypatch.setattr(task, "advance_to", lambda *_: pytest.fail("it draws"))
    before = {file: bytes_ for file, bytes_ in content(copy).items() if ".run" not in str(file)}
    assert_same_draws(run(rich_model, store=copy, **arguments), expected)
    after = content(copy)
    assert all(after[file] == bytes_ for file, bytes_ in before.items())


def test_fewer_draws_are_the_first_of_them(rich_model, arguments, expected, copy):
    short = run(rich_model, store=copy, **{**arguments, "draws": 5})
    assert short.posterior.sizes["draw"] == 5
    np.testing.assert_array_equal(short.posterior["slope"], expected.posterior["slope"][:, :5])
    assert_same_draws(ps.open_run(copy), expected)  # and nothing is lost
    assert_same_draws(run(rich_model, store=copy, **arguments), expected)


@pytest.mark.parametrize("seed", [SHORT["random_seed"], None])
def test_more_draws_are_those_of_a_longer_run(seed, rich_model, arguments, copy):
    longer = run(rich_model, store=copy, **{**arguments, "draws": 60, "random_seed": seed})
    assert_same_draws(longer, run(rich_model, **{**arguments, "draws": 60}))
    assert longer.posterior["draw"].values.tolist() == list(range(60))


def test_a_store_of_a_version_without_one_of_the_statistics(rich_model, arguments, expected, tmp_path, monkeypatch):
    """It is read, and gone on with, as it was laid out: what it has no room for is left out."""
    store, name = tmp_path / "r", "n_values"
    with monkeypatch.context() as before:
        for where in (conversion, in_memory):
            before.setattr(where, "DTYPES", {key: dtype for key, dtype in DTYPES.items() if key != name})
        first = run(rich_model, store=store, **{**arguments, "draws": 10})
    assert name not in first["sample_stats"]
    for chain in range(4):
        file = Store.open(store).state_file(chain)
        state = files.read_state(file)
        del state["pending_values"]
        files.write_state(file, state)
    whole = run(rich_model, store=store, **arguments)
    assert_same_draws(whole, expected, ignoring=[name])
    assert name not in ps.open_run(store)["sample_stats"]
    assert ps.compare({"run": whole}).loc["run", "gradients"] == int(expected["sample_stats"]["n_gradients"].sum())


def test_extending_gives_no_warnings(rich_model, arguments, copy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*use of fork")
        run(rich_model, store=copy, **{**arguments, "draws": 30})
        xr.open_datatree(copy, engine="zarr").load()


def test_across_the_boundaries_of_chunks(rich_model, arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_CHUNK_DRAWS", 7)
    arguments = {**arguments, "chains": 2, "initvals": arguments["initvals"][:2]}
    for draws in (3, 7, 8, 22):
        stored = run(rich_model, store=tmp_path / "r", **arguments, draws=draws)
    assert_same_draws(stored, run(rich_model, **arguments, draws=22))


def test_commits_at_any_time_make_no_difference(rich_model, arguments, expected, tmp_path, monkeypatch):
    from pymc_symplectic.store import writer

    monkeypatch.setattr(writer, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(writer, "_LEAST_REST", 0.0)
    assert_same_draws(run(rich_model, store=tmp_path / "r", cores=2, **arguments), expected)


def test_without_warmup_at_all(rich_model, tmp_path):
    stored = run(rich_model, tune=0, step_size=0.3, store=tmp_path / "r", discard_tuned_samples=False)
    assert_same_draws(stored, run(rich_model, tune=0, step_size=0.3, discard_tuned_samples=False))


def test_no_model_of_the_first_call_is_needed(rich_model, arguments, expected, tmp_path):
    """Model objects are made anew in every script."""

    run(rich_model, store=tmp_path / "r", **{**arguments, "draws": 4})
    assert_same_draws(run(new_rich_model(), store=tmp_path / "r", **arguments), expected)


def test_killed_while_room_is_made(rich_model, arguments, copy, monkeypatch):
    longer = run(rich_model, **{**arguments, "draws": 40})
    for method in ("_save_description", "_replace"):
        path = shutil.copytree(copy, copy.with_name(method))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Store, method, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            run(rich_model, store=path, **{**arguments, "draws": 40})
        assert_same_draws(run(rich_model, store=path, **{**arguments, "draws": 40}), longer)


SCRIPT = """
import sys
import numpy as np
import pymc as pm
import pymc_symplectic as ps

def model():
    with pm.Model() as model:
        x = pm.Normal("x", shape=3)
        pm.Deterministic("length", pm.math.sqrt((x**2).sum()))
    return model

def sample(**kwargs):
    return ps.sample(20_000, tune=1500, chains=3, cores=2, random_seed=5, metric="dense", kinetic="adaptive",
                     discard_tuned_samples=False, progressbar=False, quiet=True, compute_convergence_checks=False,
                     model=model(), **kwargs)

if __name__ == "__main__":
    from pymc_symplectic.store import writer
    writer._COMMIT_SECONDS = 0.02
    writer._LEAST_REST = 0.0
    print("begins", flush=True)
    sample(store=sys.argv[1])
"""


def test_killed_at_any_instant_it_goes_on_to_the_same_draws(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    store, rng = tmp_path / "r", np.random.default_rng(3)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), str(store)],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout.readline() == b"begins\n"
            before = _count(store)
            until = time.monotonic() + 120  # kernels may have to be compiled
            while _count(store) == before and process.poll() is None and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.1))
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        assert ps.open_run(store).children
    space = {"__name__": "script"}
    exec(compile(SCRIPT, "script.py", "exec"), space)
    assert_same_draws(space["sample"](store=store), space["sample"]())


def _count(path):
    try:
        return sum(Store.open(path).counts())
    except (FileNotFoundError, ps.StoreError):
        return 0


# What is on disk.


def test_opening_runs_no_code(finished):
    for file in finished.rglob("*"):
        if file.is_dir() or file.name == "lock":
            continue
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype != object for name in arrays)
        elif file.suffix == ".json":
            json.loads(file.read_text())
        else:
            assert "c" in file.relative_to(finished).parts, file  # a chunk


def test_xarray_opens_it_directly(finished, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_draws(xr.open_datatree(finished, engine="zarr"), expected)
        opened = xr.open_dataset(finished, group="posterior", engine="zarr")
    np.testing.assert_array_equal(opened["slope"], expected.posterior["slope"])
    assert opened["place"].values.tolist() == ["a", "bb", "ccc"]


def test_nothing_is_left_behind(finished):
    assert [file.name for file in finished.parent.iterdir()] == ["run.zarr"]
    assert not list(finished.rglob("*.partial"))


def test_open_run_of_a_run_that_is_not_finished(rich_model, arguments, expected, tmp_path, monkeypatch):
    begin = task.begin

    def some(setup, job):
        if job.index >= 2:
            raise RuntimeError("not today")
        return begin(setup, job)

    monkeypatch.setattr(task, "begin", some)
    with pytest.warns(UserWarning, match="Chain 3 failed"):
        run(rich_model, store=tmp_path / "r", **arguments)
    opened = ps.open_run(tmp_path / "r")
    assert opened.posterior["chain"].values.tolist() == [0, 1]
    assert_same_draws(opened, expected.sel(chain=[0, 1]))
    monkeypatch.undo()
    assert_same_draws(run(rich_model, store=tmp_path / "r", **arguments), expected)


def test_open_run_before_the_first_draw(rich_model, tmp_path, monkeypatch):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(rich_model, store=tmp_path / "r")
    with pytest.raises(ps.StoreError, match="no draws yet"):
        ps.open_run(tmp_path / "r")
    with pytest.raises(FileNotFoundError, match="nothing at"):
        ps.open_run(tmp_path / "nowhere")


# Another run.


def simple(prior=1.0, data=(1.0, 2.0), name="mu", factor=2.0, noise=1.0, extra=False, size=None, family=pm.Normal):
    with pm.Model() as model:
        mu = family(name, 0.0, prior, shape=size)
        if extra:
            pm.Normal("extra")
        pm.Deterministic("double", factor * mu)
        pm.Normal("y", mu if size is None else mu.sum(), noise, observed=np.array(data))
    return model


@pytest.fixture(scope="module")
def simple_model():
    return simple()


@pytest.fixture(scope="module")
def simple_store(simple_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("simple") / "run.zarr"
    run(simple_model, store=path)
    return path


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"prior": 2.0}, {}, "the log-density of the model was .* a prior or the likelihood has changed"),
        ({"noise": 1.0 + 1e-6}, {}, "log-density"),
        ({"data": (1.0, 2.5)}, {}, "data y differs"),
        ({"data": (2.0, 1.0)}, {}, "data y differs"),
        ({"data": (1.0, 2.0, 3.0)}, {}, "data y differs"),
        ({"name": "nu"}, {}, "the variable nu is new.*the variable mu is gone"),
        ({"extra": True}, {}, "had 1 free parameters and has 2|the variable extra is new"),
        ({"size": 2}, {}, "had 1 free parameters and has 2|the variable mu"),
        ({"size": 1}, {}, "the variable mu"),
        ({"factor": 3.0}, {}, "the deterministic variable double is computed in another way"),
        ({"family": pm.Laplace}, {}, "log-density"),
        ({}, {"random_seed": 1}, "random_seed is another"),
        ({}, {"chains": 3}, "chains was 4 and is 3"),
        ({}, {"tune": 36}, "tune was 35 and is 36"),
        ({}, {"discard_tuned_samples": False}, "discard_tuned_samples|keep_warmup"),
        ({}, {"var_names": ["mu"]}, "var_names"),
        ({}, {"integrator": "yoshida4"}, "integrator was .* and is "),
        ({}, {"metric": "dense"}, "metric was .* and is "),
        ({}, {"metric": np.ones(1)}, "metric was .* and is "),
        ({}, {"kinetic": "relativistic"}, "kinetic was .* and is "),
        ({}, {"trajectory": ps.FixedSteps(3)}, "trajectory was .* and is "),
        ({}, {"step_size": 0.1}, "step_size was None and is 0.1"),
        ({}, {"target_accept": 0.95}, "target_accept was .* and is 0.95"),
        ({}, {"target_accept": 0.8}, "target_accept was 0.8 and is 0.8, given"),
        ({}, {"temperature": 2.0}, "temperature was 1.0 and is 2.0"),
        ({}, {"max_energy_error": 5.0}, "max_energy_error was 1000.0 and is 5.0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) and value else "",
)
def test_another_run_is_refused_by_what_differs(changes, options, words, simple_model, simple_store):
    before = content(simple_store)
    with pytest.raises(ps.StoreError, match=words) as caught:
        if changes:
            run(simple(**changes), store=simple_store, **options, **QUICK)
        else:
            run(simple_model, store=simple_store, **options)
    assert "is of another run" in str(caught.value)
    after = content(simple_store)
    assert after.keys() - before.keys() <= {simple_store / ".run" / "lock"}
    assert all(after[file] == bytes_ for file, bytes_ in before.items())


@pytest.mark.parametrize("changes", [{}, {"cores": 2}, {"var_names": None}, {"quiet": True}, QUICK], ids=str)
def test_what_makes_no_difference_is_not_refused(changes, simple_model, simple_store):
    assert run(simple_model, store=str(simple_store), **changes).posterior.sizes["draw"] == SHORT["draws"]


def test_var_names_are_a_set(simple_model, tmp_path):
    run(simple_model, store=tmp_path / "r", var_names=["double", "mu"])
    run(simple_model, store=tmp_path / "r", var_names=("mu", "double"))
    run(simple_model, store=tmp_path / "s", var_names="mu")
    run(simple_model, store=tmp_path / "s", var_names=["mu"])


def test_a_model_that_differs_only_where_the_chains_have_come_to(tmp_path):
    def build(density=0.0, factor=2.0):
        with pm.Model() as model:
            x = pm.Normal("x")
            away = pm.math.abs(x - 0.25) > 1e-9
            pm.Potential("shelf", density * away)
            pm.Deterministic("double", pm.math.switch(away, factor, 2.0) * x)
        return model

    run(build(), store=tmp_path / "r", initvals={"x": 0.25}, **QUICK)
    for changes, words in (
        ({"density": 1e-3}, r"log-density of the model was .* at the last draw of chain 0.* likelihood has changed"),
        ({"factor": 2.001}, r"the variable double is computed in another way, at the last draw of chain 0"),
    ):
        with pytest.raises(ps.StoreError, match=words):
            run(build(**changes), store=tmp_path / "r", draws=30, **QUICK)
    assert run(build(), store=tmp_path / "r", draws=30, temperature=1.0, **QUICK).posterior.sizes["draw"] == 30


def test_a_tempered_run_is_gone_on_with(simple_model, tmp_path):
    run(simple_model, store=tmp_path / "r", temperature=3.0, draws=5)
    assert_same_draws(run(simple_model, store=tmp_path / "r", temperature=3.0), run(simple_model, temperature=3.0))


# Damage.


def chunk_of(path, variable="slope", chain=1, group="posterior"):
    [file] = [file for file in (path / group / variable / "c" / str(chain)).rglob("*") if file.is_file()]
    return file


@pytest.mark.parametrize("harm", ["noise", "cut", "emptied", "one bit"])
def test_damaged_chunk_is_reported_and_the_rest_is_read(harm, copy, rich_model, arguments, expected):
    file = chunk_of(copy)
    data = bytearray(file.read_bytes())
    if harm == "one bit":
        data[-6] ^= 1
    spoilt = {"noise": b"\0\xff" * 40, "cut": data[: len(data) // 2], "emptied": b"", "one bit": data}
    file.write_bytes(bytes(spoilt[harm]))
    with pytest.raises(
        ps.StoreError, match=r"damaged.*posterior/slope, chain 1, draws 0 to 24.*open_run reads the rest"
    ):
        run(rich_model, store=copy, **{**arguments, "draws": 30})
    with pytest.warns(UserWarning, match=r"posterior/slope, chain 1, draws 0 to 24"):
        opened = ps.open_run(copy)
    assert np.isnan(opened.posterior["slope"].sel(chain=1)).all()
    assert_same_draws(opened.sel(chain=[0, 2, 3]), expected.sel(chain=[0, 2, 3]))
    assert_same_draws(opened, expected, ignoring=["slope"])


def test_chunk_that_is_gone_is_reported(copy, rich_model, arguments):
    chunk_of(copy).unlink()
    with pytest.warns(UserWarning, match=r"posterior/slope, chain 1"):
        opened = ps.open_run(copy)
    assert np.isnan(opened.posterior["slope"].sel(chain=1)).all()
    with pytest.raises(ps.StoreError, match=r"posterior/slope, chain 1"):
        run(rich_model, store=copy, **{**arguments, "draws": 30})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: (path / ".run" / "chain-2.npz").unlink(), "chain 2, .*chain-2.npz, cannot be used: it is gone"),
        (lambda path: (path / ".run" / "run.json").unlink(), "not a whole store of this package.*run.json"),
        (
            lambda path: shutil.rmtree(path / "sample_stats"),
            "sample_stats/acceptance_rate/zarr.json: it cannot be read",
        ),
        (lambda path: shutil.rmtree(path / "warmup_posterior"), "warmup_posterior/.*zarr.json: it cannot be read"),
        (lambda path: (path / ".run" / "run.json").write_text("{"), "run.json is damaged"),
        (lambda path: (path / ".run" / "run.json").write_text("[]"), "run.json is damaged"),
        (lambda path: (path / ".run" / "run.json").write_text('{"format": 2}'), "run.json is damaged"),
        (lambda path: (path / ".run" / "run.json").write_bytes(b"\xff\0"), "run.json is damaged"),
        (
            lambda path: _edit(path, format=99),
            "has format 99, and .* goes on with format 2",
        ),
        (
            lambda path: (path / ".run" / "chain-0.npz").write_bytes(b"PK"),
            "the state of chain 0, .*cannot be used: .*digest",
        ),
        (lambda path: _halve(path / ".run" / "chain-0.npz"), "the state of chain 0, .*cannot be used: .*digest"),
        (
            lambda path: (path / ".run" / "chain-0.npz").write_bytes(b""),
            "the state of chain 0, .*cannot be used: .*digest",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_half_a_store_says_what_is_wrong(harm, words, copy, rich_model, arguments):
    harm(copy)
    with pytest.raises(ps.StoreError, match=words):
        run(rich_model, store=copy, **{**arguments, "draws": 30})
    if "run.json" in words or "format" in words:
        with pytest.raises(ps.StoreError, match=words):
            ps.open_run(copy)
    else:  # the rest is read
        with pytest.warns(UserWarning, match=words):
            assert ps.open_run(copy).children


def test_lost_variable_is_reported(copy, rich_model, arguments):
    shutil.rmtree(copy / "posterior" / "slope")
    with pytest.raises(ps.StoreError, match="slope"):
        run(rich_model, store=copy, **{**arguments, "draws": 30})


def _edit(path, **changes):
    file = path / ".run" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_what_is_no_store(rich_model, tmp_path):
    file = tmp_path / "file.nc"
    file.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "precious").write_text("precious")
    for sample in (lambda path: run(rich_model, store=path), ps.open_run):
        with pytest.raises(ps.StoreError, match="is a file; a store is a directory, so give another name"):
            sample(file)
        with pytest.raises(ps.StoreError, match="not a whole store of this package"):
            sample(folder)
    assert file.read_text() == (folder / "precious").read_text() == "precious"


def test_empty_folder_and_missing_parents_are_fine(rich_model, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run(rich_model, store=tmp_path / "empty", draws=3).posterior.sizes["draw"] == 3
    assert run(rich_model, store=str(tmp_path / "a" / "b" / "r"), draws=3).posterior.sizes["draw"] == 3


# Two at once, and no room.


def test_second_writer_is_refused(rich_model, arguments, expected, tmp_path):
    path, outcomes = tmp_path / "r", []

    def first():
        outcomes.append(run(rich_model, store=path, **arguments))

    @contextmanager
    def held():
        with Store.open(path).locked():
            yield

    first()
    more = {**arguments, "draws": 100}
    with held():
        with pytest.raises(ps.StoreError, match=r"another run is writing to .*r; wait for it"):
            run(rich_model, store=path, **more)
        thread = threading.Thread(target=lambda: outcomes.append(_error(lambda: run(rich_model, store=path, **more))))
        thread.start()
        thread.join()
        assert "another run is writing" in str(outcomes[-1])
        code = f"from pymc_symplectic.store import Store\nwith Store.open({str(path)!r}).locked(): pass"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another run is writing" in result.stderr
        assert_same_draws(ps.open_run(path), expected)  # anybody may read
    assert_same_draws(run(rich_model, store=path, **arguments), expected)


def _error(function):
    try:
        return function()
    except Exception as error:
        return error


def test_run_that_another_has_extended_meanwhile(rich_model, arguments, copy, monkeypatch):
    """Between looking at the store and holding it a model is compiled, which takes seconds."""
    locked = Store.locked

    @contextmanager
    def later(self):
        monkeypatch.setattr(Store, "locked", locked)
        run(rich_model, store=copy, **{**arguments, "draws": 50})
        with locked(self):
            yield

    monkeypatch.setattr(Store, "locked", later)
    run(rich_model, store=copy, **{**arguments, "draws": 35})
    assert_same_draws(ps.open_run(copy), run(rich_model, **{**arguments, "draws": 50}))


@pytest.mark.parametrize("how", ["cores", "threads"])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_no_room_on_the_disk(after, how, rich_model, arguments, expected, tmp_path, monkeypatch, request):
    from pymc_symplectic.store import writer

    monkeypatch.setattr(writer, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(writer, "_LEAST_REST", 0.0)
    left, save = iter(range(after)), Store.save_state

    def full(self, chain, state):
        if "count" in state and next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, chain, state)

    how = {"cores": 2} if how == "cores" else {"executor": request.getfixturevalue(how)}
    with (
        monkeypatch.context() as patch,
        pytest.raises(ps.StoreError, match=r"r cannot be written: No space left.*to go on"),
    ):
        patch.setattr(Store, "save_state", full)
        run(rich_model, store=tmp_path / "r", **how, **arguments)
    assert_same_draws(run(rich_model, store=tmp_path / "r", **how, **arguments), expected)


def test_no_room_when_all_is_drawn(rich_model, arguments, expected, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_file", _full_at_the_end(files.replace_file))
        try:
            assert_same_draws(run(rich_model, store=tmp_path / "r", **arguments), expected)
        except ps.StoreError as error:
            assert "No space left" in str(error)
    assert_same_draws(run(rich_model, store=tmp_path / "r", **arguments), expected)


def _full_at_the_end(replace_file):
    def replace(file, content):
        if b'"seconds"' in content:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(file, content)

    return replace


@pytest.mark.parametrize("path", ["/proc/run.zarr", "/dev/null/run.zarr"])
def test_where_nothing_can_be_written(path, rich_model):
    with pytest.raises(ps.StoreError, match=f"store: {path} cannot be (made|written)"):
        run(rich_model, store=path)


# Without what it takes, and with what it cannot hold.


@pytest.mark.parametrize("module", ["zarr", "filelock"])
def test_extra_is_named_where_it_is_missing(module, rich_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"store= needs zarr and filelock: pip install 'pymc-symplectic\[store\]'"):
        run(rich_model, store=tmp_path / "r")
    assert not list(tmp_path.iterdir())


def test_coordinates_that_cannot_be_stored(tmp_path):
    import datetime

    with pm.Model(coords={"day": [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]}) as model:
        pm.Normal("x", dims="day")
    with pytest.raises(ps.StoreError, match="day"):
        run(model, store=tmp_path / "r", **QUICK)
    assert not list(tmp_path.iterdir())
