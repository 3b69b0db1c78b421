"""Damage to the files of a store is reported, or makes no difference: nothing is believed that was not written."""

import json
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic import files
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.run import opening, request, task
from pymc_symplectic.store import Store, base, layout
from pymc_symplectic.store.checksums import Checksums, checksum
from pymc_symplectic.target import LogDensity

from .damages import KINDS, Harm, harms, outcome, try_all

DRAWS, TUNE, CHAINS = 10, 12, 2
MORE = DRAWS + 4


@pytest.fixture(scope="module")
def compiled():
    coords = {"place": ["a", "bb"], "year": [1, 2]}
    with pm.Model(coords=coords) as model:
        x = pm.Normal("x", dims="place")
        pm.Deterministic("double", 2 * x, dims="place")
        pm.Data("covariate", np.arange(1.0, 3.0), dims="year")
        pm.Normal("y", x.sum(), 1.0, observed=[0.5, 1.0])
    target = LogDensity(model=model)
    return target, RecordedVariables(target)


@pytest.fixture(scope="module")
def sample(compiled):
    """``sample(path, draws)``: a call of `ps.sample` that compiles nothing."""
    target, variables = compiled

    def run(path=None, draws=DRAWS):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(opening, "kept_log_density", lambda *_, **__: target)
            patch.setattr(task, "RecordedVariables", lambda *_: variables)
            patch.setattr(layout, "_CHUNK_DRAWS", 8)
            return ps.sample(
                draws,
                tune=TUNE,
                chains=CHAINS,
                cores=1,
                random_seed=1,
                progressbar=False,
                quiet=True,
                compute_convergence_checks=False,
                model=target.model,
                store=path,
            )

    return run


@pytest.fixture(scope="module")
def whole(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.zarr"
    sample(path)
    return path


@pytest.fixture(scope="module")
def expected(whole):
    return ps.open_run(whole).load()


@pytest.fixture(scope="module")
def longer(sample):
    return sample(None, MORE).load()


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy.zarr")


def picked(whole, seed):
    """Of each kind of damage to each part of a store one, in some file: states, metadata, and the rest, by the seed."""
    rng = np.random.default_rng(seed)
    alike = defaultdict(list)
    for harm in harms(whole, rng):
        part = "states" if harm.file.startswith(".run") else Path(harm.file).name == "zarr.json"
        alike[part, harm.kind].append(harm)
    assert len(alike) == 3 * len(KINDS) - 1  # draws have no numbers that could be edited
    return [group[rng.integers(len(group))] for group in alike.values()]


def assert_reported_or_right(found):
    assert not [entry for entry in found if entry[1] in ("raw", "wrong")]


def test_reading_what_is_damaged(whole, expected, tmp_path):
    made = picked(whole, seed=5)
    found = try_all(whole, made, ps.open_run, expected, tmp_path)
    assert_reported_or_right(found)
    assert len([entry for entry in found if entry[1] == "partly"]) > len(found) / 4


def test_going_on_with_what_is_damaged(whole, sample, longer, tmp_path):
    made = picked(whole, seed=6)
    found = try_all(whole, made, lambda path: sample(path, MORE), longer, tmp_path)
    assert_reported_or_right(found)
    assert len([entry for entry in found if entry[1] == "reported"]) > len(found) / 2


def test_a_damaged_state_leaves_the_other_chains(copy, expected):
    Harm(".run/chain-0.npz", "flip", 3)(copy)
    with pytest.warns(UserWarning, match=r"the state of chain 0, .*chain-0.npz, cannot be used.* left out"):
        opened = ps.open_run(copy)
    assert opened.posterior["chain"].values.tolist() == [1]
    np.testing.assert_array_equal(opened.posterior["x"], expected.posterior["x"][1:])


@pytest.mark.parametrize("file", ["zarr.json", "posterior/zarr.json", "posterior/x/zarr.json"])
def test_metadata_stand_in_two_places(file, copy, expected):
    (copy / file).write_text("{}")
    with pytest.warns(UserWarning, match=f"{file}: its content does not match"):
        assert outcome(lambda: ps.open_run(copy), expected)[0] == "right"
        ps.open_run(copy)


@pytest.mark.parametrize(
    ("file", "name"),
    [("observed_data/y/c/0", "y"), ("posterior/place/c/0", "place"), ("constant_data/covariate/c/0", "covariate")],
)
def test_damaged_data_are_left_out(file, name, copy, expected):
    (copy / file).write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=f"{file}: .* so {name} is left out"):
        opened = ps.open_run(copy)
    assert name not in opened[file.split("/")[0]].variables
    np.testing.assert_array_equal(opened.posterior["double"], expected.posterior["double"])


# Whoever writes digests anew can still contradict nothing.


def state_of(path, chain=0):
    return files.read_state(path / ".run" / f"chain-{chain}.npz")


def rewrite_state(path, change, chain=0):
    state = state_of(path, chain)
    change(state)
    files.write_state(path / ".run" / f"chain-{chain}.npz", state)


def setting(value, *keys):
    def change(state):
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return change


CONTRADICTIONS = {
    "count": [350, -1, 10**12, 1.5, True, "9", DRAWS],
    "position": [np.zeros(3), np.array([np.nan, 0.0]), np.zeros(2, np.float32), np.zeros((2, 1)), 0.0],
    "metric": [
        {"scale": np.ones(3)},
        {"scale": np.ones((2, 2))},
        {"scale": -np.ones(2)},
        {"factor": np.ones(2)},
        {},
        None,
    ],
    "kinetic": [np.ones(7), np.ones((1, 2)), None],
    "mean": [np.zeros(5), np.array([np.inf, 0.0]), 1],
    "windows": [[-1], [10**9], [3, 3], "x", None],
    "far": [3, None],
    "pending_gradients": [-1, 0.5],
    "divergences": [-1, 10**6, None],
    "checksums": [{}, None, {"posterior/x": []}],
    "chain": [1, -1, None],
    "store": ["another", None],
    "tuner": [{}, None, []],
    "learning": [{}, None],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in CONTRADICTIONS.items() for value in values]
)
def test_contradictions_in_a_state(name, value, copy, sample):
    rewrite_state(copy, setting(value, name))
    with pytest.raises(ps.StoreError, match=r"chain-0.npz, cannot be used|posterior/|sample_stats/"):
        sample(copy, MORE)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("rng", "bit_generator"), "Generator"),
        (("rng", "bit_generator"), "MT19937"),
        (("rng", "state"), {}),
        (("rng", "state", "state"), -1),
        (("rng", "state", "inc"), 2**200),
        (("learning", "step"), np.full(6, np.nan)),
        (("learning", "step"), np.zeros(2)),
        (("learning", "counters"), np.array([-1, 0])),
        (("learning", "draws"), np.zeros((1, 1))),
        (("learning", "means"), np.zeros((2, 9))),
        (("learning", "tuning"), np.zeros(3, np.float32)),
        (("tuner", "found"), ["leapfrog", -1.0, 1.0, 1.0, 0.1, 0.8, 1]),
        (("tuner", "found"), ["leapfrog"]),
        (("tuner", "schemes"), ["nothing"]),
        (("tuner", "floor"), [1.0]),
    ],
    ids=str,
)
def test_contradictions_within_a_state(keys, value, copy, sample):
    rewrite_state(copy, setting(value, *keys))
    with pytest.raises(ps.StoreError, match=r"chain-0.npz, cannot be used"):
        sample(copy, MORE)


def test_generators_that_point_beyond_their_buffers():
    from pymc_symplectic.snapshots import generator_of

    for made, field in ((np.random.MT19937, "pos"), (np.random.Philox, "buffer_pos")):
        state = made(1).state
        assert generator_of(state).bit_generator.state.keys() == state.keys()
        (state["state"] if field == "pos" else state)[field] = 10**6
        with pytest.raises(ValueError, match=field):
            generator_of(state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chains", 10**9),
        ("chains", 3),
        ("chains", True),
        ("draws", 10**12),
        ("draws", 0),
        ("tune", -1),
        ("tune", 5),
        ("start", [0.0]),
        ("start", [float("nan"), 0.0]),
        ("seconds", float("inf")),
        ("arrays", {}),
        ("arrays", {"posterior": {"../../x": 1}, "sample_stats": {}}),
        ("groups", ["../posterior"]),
        ("files", {"../../x/zarr.json": ""}),
        ("value_seeds", []),
        ("model", {}),
        ("options", {"metric": 1}),
        ("extending", {}),
        ("id", "another"),
    ],
)
def test_contradictions_in_what_tells_of_the_run(name, value, copy, sample):
    file = copy / ".run" / "run.json"
    files.write_json(file, {**files.read_json(file), name: value})
    for call in (ps.open_run, lambda path: sample(path, MORE)):
        with pytest.raises(ps.StoreError):
            call(copy)


def test_chains_that_change_places(copy, expected):
    one, other = (copy / "posterior" / "x" / "c" / str(chain) / "0" / "0" for chain in (0, 1))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    with pytest.warns(UserWarning, match="posterior/x, chain 0, draws 0 to 7; posterior/x, chain 1, draws 0 to 7"):
        opened = ps.open_run(copy)
    assert np.isnan(opened.posterior["x"][:, :8]).all()
    np.testing.assert_array_equal(opened.posterior["x"][:, 8:], expected.posterior["x"][:, 8:])


def test_more_draws_than_are_committed_are_no_damage(copy, sample, longer):
    """As a kill between the draws and the state leaves them."""
    before = shutil.copytree(copy / ".run", copy.with_name("before"))
    sample(copy, MORE)
    about = files.read_json(copy / ".run" / "run.json")
    for chain in range(CHAINS):
        shutil.copy(before / f"chain-{chain}.npz", copy / ".run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ps.open_run(copy).posterior.sizes["draw"] == DRAWS
    np.testing.assert_array_equal(sample(copy, MORE).posterior["x"], longer.posterior["x"])
    assert about["draws"] == MORE


@pytest.mark.parametrize("after", [0, 7, 20])
def test_room_is_made_file_by_file(after, copy, sample, expected, longer, monkeypatch):
    """Killed at any of them, the store is whole, and the next call goes on, to whatever number of draws."""
    left, replace = iter(range(after)), base.replace_file

    def killed(file, content):
        if file.name == "zarr.json" and next(left, None) is None:
            raise KeyboardInterrupt
        replace(file, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(base, "replace_file", killed)
        sample(copy, 3 * MORE)
    assert outcome(lambda: ps.open_run(copy), expected) == ("right", "")
    assert outcome(lambda: sample(copy, MORE), longer)[0] == "right"
    assert outcome(lambda: ps.open_run(copy), longer)[0] == "right"


# The format before this one.


def downgrade(path):
    """As the first format had it: without digests, checksums, or who a state belongs to."""
    for chain in range(CHAINS):
        state = state_of(path, chain)
        for name in ("store", "chain", "checksums", "log_density"):
            del state[name]
        arrays = {}
        tree = files._pack(state, arrays)
        arrays["json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
        np.savez(path / ".run" / f"chain-{chain}.npz", **arrays)
    about = files.read_json(path / ".run" / "run.json")
    for name in ("id", "files", "groups", "value_seeds"):
        del about[name]
    about |= {"format": 1, "arrays": {group: list(names) for group, names in about["arrays"].items()}}
    (path / ".run" / "run.json").write_text(json.dumps(about))


def test_the_first_format_is_read_and_not_gone_on_with(copy, sample, expected):
    downgrade(copy)
    assert outcome(lambda: ps.open_run(copy), expected) == ("right", "")
    with pytest.raises(ps.StoreError, match=r"has format 1, .* goes on with format 2; use the version that made it"):
        sample(copy, MORE)
    (copy / "posterior" / "x" / "c" / "0" / "0" / "0").write_bytes(b"nothing")
    assert outcome(lambda: ps.open_run(copy), expected)[0] == "partly"
    run = copy / ".run" / "run.json"
    run.write_text(run.read_text().replace(f'"chains": {CHAINS}', '"chains": 1000000000'))
    with pytest.raises(ps.StoreError, match="1000000000 chains, which there are not"):
        ps.open_run(copy)


def test_a_store_of_a_later_version_is_not_gone_on_with(copy, sample, monkeypatch, longer):
    monkeypatch.setattr(request, "library_version", lambda: "0.0.9")
    with pytest.raises(ps.StoreError, match=r"made by version .* of pymc_symplectic, and this is 0\.0\.9"):
        sample(copy, MORE)
    monkeypatch.setattr(request, "library_version", lambda: "99.1")
    np.testing.assert_array_equal(sample(copy, MORE).posterior["x"], longer.posterior["x"])
    assert Store.open(copy).description["version"] == "99.1"


# Making one.


KILLED = """
import os, sys
import numpy as np, xarray as xr
from pymc_symplectic.store import Store, base

data = xr.Dataset({"x": (("chain", "draw"), np.zeros((1, 1)))}, coords={"chain": [0], "draw": [0]})
template = xr.DataTree.from_dict({"/posterior": data, "/sample_stats": data})
setattr(Store if hasattr(Store, sys.argv[2]) else base, sys.argv[2], lambda *_: os._exit(9))
description = {"chains": 1, "tune": 3, "draws": 4, "keep_warmup": False}
Store.create(base.Path(sys.argv[1]), description, template, [{}])
"""


@pytest.mark.parametrize("where", ["lay_out", "_save_description"])
def test_a_creation_that_is_killed_is_begun_again(where, sample, expected, tmp_path):
    path = tmp_path / "run.zarr"
    code = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), where], check=False).returncode
    assert code == 9
    with pytest.raises(ps.StoreError, match="ended before it began"):
        ps.open_run(path)
    assert outcome(lambda: sample(path), expected)[0] == "right"
    assert [file.name for file in tmp_path.iterdir()] == ["run.zarr"]
    assert sorted(file.name for file in (path / ".run").iterdir()) == ["chain-0.npz", "chain-1.npz", "lock", "run.json"]


def test_what_somebody_else_has_put_there_is_left_alone(sample, tmp_path):
    path = tmp_path / "run.zarr"
    (path / ".run").mkdir(parents=True)
    (path / ".run" / "creating").write_text('["posterior", "../../precious"]')
    (path / "precious").write_text("precious")
    with pytest.raises(ps.StoreError, match="not a whole store"):
        sample(path)
    assert (path / "precious").read_text() == "precious"


def test_what_a_kill_has_left_half_written_is_taken_away(copy, sample):
    for folder in (copy / ".run", copy / "posterior" / "x" / "c" / "0" / "0"):
        (folder / "0.abc.partial").write_bytes(b"half")
    sample(copy, MORE)
    assert not list(copy.rglob("*.partial"))


# Checksums.


def test_checksums_do_not_depend_on_how_draws_are_cut():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(53, 3))
    due = [checksum(values[first : first + 10]) for first in range(0, 53, 10)]
    for _ in range(20):
        sums, cuts = Checksums({"x": 10}), [0, *sorted(rng.integers(0, 54, 4)), 53]
        for first, end in pairwise(cuts):
            sums.append("x", first, values[first:end])
            sums = Checksums({"x": 10}, json.loads(json.dumps(sums.table)))
        assert sums.table["x"] == due
    assert checksum(values) == checksum(np.asfortranarray(values)) == checksum(values.astype(">f8"))
