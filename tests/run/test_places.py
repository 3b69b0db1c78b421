"""Names, coordinates and paths: stored as they are, or refused by name before anything is sampled."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import pymc_symplectic as ps
from pymc_symplectic.store import Store
from pymc_symplectic.store.draws import Draws
from pymc_symplectic.store.places import check_names, local_path

from . import run

DESCRIPTION = {"version": "0", "chains": 1, "tune": 0, "draws": 2, "keep_warmup": False}


def stored(path, name="x", **coords):
    """A store of one variable with these coordinates, and what was to be stored."""
    sizes = [len(values) for values in coords.values()]
    data = xr.Dataset({name: (("chain", "draw", *coords), np.zeros((1, 2, *sizes)))}, coords=coords)
    template = xr.DataTree.from_dict({"/posterior": data, "/sample_stats": data})
    description = {**DESCRIPTION, "var_names": None, "options": {}, "seeds": None, "value_seeds": [[0] * 4]}
    description["start"] = [0.0]
    store = Store.create(path, description, template, [{"rng": {}, "position": np.zeros(1)}])
    store.arrays("posterior")[name][:] = 0.0
    return Draws(store.path, store.description).tree([0], 2)["posterior"].to_dataset(), data


@pytest.mark.parametrize("name", ["c", " padded ", "__mine", "a:b*?", "größe", "chain-0.npz", "x" * 200])
def test_unusual_names_are_kept(name, tmp_path):
    found, data = stored(tmp_path / "r", name)
    xr.testing.assert_equal(found, data.assign_coords(chain=[0], draw=[0, 1]))


@pytest.mark.parametrize("name", ["a\\b", "a/b", "..", ".", "", "zarr.json", "a\0b", "x" * 300, "ü" * 101, "\ud800"])
def test_names_that_no_folder_can_have(name, tmp_path):
    with pytest.raises(
        ps.StoreError, match=r"the variable .* cannot be stored under its name, .*; give it another name"
    ):
        check_names("variable", ["fine", name])
    if "/" not in name:
        with pytest.raises(ps.StoreError, match="cannot be stored under its name"):
            stored(tmp_path / "r", name)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "values",
    [
        ["a", "bb"],
        ["ä", "日本"],
        [1, 2],
        [1.5, np.nan],
        [1 + 2j, 3],
        [True, False],
        pd.to_datetime(["2026-01-01", "2026-06-01"]),
        np.array([1, 2], "timedelta64[D]"),
        np.array(["a", "bb"], object),
    ],
    ids=str,
)
def test_coordinates_come_back(values, tmp_path):
    found, data = stored(tmp_path / "r", k=values)
    np.testing.assert_array_equal(found["k"].to_numpy(), data["k"].to_numpy())


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
        list(pd.interval_range(0, 2)),
        np.array(["a", None], object),
        np.array(["a", np.nan], object),
        np.array(["a", 1], object),
        np.array([1, None], object),
        [10**30, 1],
        list(pd.period_range("2026", periods=2, freq="M")),
    ],
    ids=str,
)
def test_coordinates_that_would_come_back_as_others(values, tmp_path):
    with pytest.raises(
        ps.StoreError, match=r"the values of the coordinate 'k' .* cannot be stored: .*leave store= out"
    ):
        stored(tmp_path / "r", k=values)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path",
    ["s3://bucket/run.zarr", "file:///tmp/run", "memory://r", "simplecache::s3://b/r", Path("gs://bucket/r")],
    ids=str,
)
def test_urls_are_refused(path):
    for call in (local_path, ps.open_run):
        with pytest.raises(ps.StoreError, match="is a URL, and only local paths work"):
            call(path)


@pytest.mark.parametrize(
    ("path", "error"),
    [("", ps.StoreError), ("a\0b", ps.StoreError), ("a" * 5000, ps.StoreError), (3, TypeError), (b"r", TypeError)],
)
def test_what_is_no_path(path, error):
    with pytest.raises(error, match="store"):
        local_path(path)


def test_paths_that_look_odd_are_fine(tmp_path):
    for name in ("a:b", "s3:", "run.zarr"):
        assert local_path(str(tmp_path / name)) == tmp_path / name


@pytest.mark.parametrize("name", ["draw", "chain"])
def test_variables_behind_a_dimension(name):
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Deterministic(name, 2 * x)
    with pytest.raises(ValueError, match=f"the variable '{name}' .* would be lost behind it; give it another name"):
        run(model)
    with pm.Model() as model:
        pm.Normal("x", shape=2)
    with pytest.raises(ValueError, match=f"the variable 'x' has a dimension '{name}'"):
        run(model, idata_kwargs={"dims": {"x": [name]}})


def test_refused_before_anything_is_sampled(tmp_path, monkeypatch):
    from pymc_symplectic.run.runner import Runner

    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it samples"))
    with pm.Model() as model:
        pm.Normal("a\\b")
    with pytest.raises(ps.StoreError, match="the variable 'a"):
        run(model, store=tmp_path / "r")
    assert not list(tmp_path.iterdir())
