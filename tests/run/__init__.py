"""Runs that are short, quiet and seeded, and how they are compared."""

import numpy as np
import pymc as pm
import xarray as xr

import pymc_symplectic as ps

SHORT = {
    "draws": 25,
    "tune": 35,
    "random_seed": 20261121,
    "progressbar": False,
    "quiet": True,
    "compute_convergence_checks": False,
}


def run(model, **kwargs):
    """`ps.sample`, short, quiet and seeded: four chains on one thread by default."""
    return ps.sample(model=model, **{**SHORT, "chains": 4, "cores": 1, **kwargs})


def pymc_run(model, step, **kwargs):
    """The same by `pm.sample`."""
    with model:
        return pm.sample(step=step, **{**SHORT, "chains": 4, "cores": 1, **kwargs})


def assert_same_draws(actual, expected, ignoring=()):
    """Every variable of every group of draws and statistics is equal to the last bit; attributes do not count."""
    names = [name for name in expected.children if name.removeprefix("warmup_") in ("posterior", "sample_stats")]
    assert [name for name in actual.children if name in names] and set(names) <= set(actual.children)
    for name in names:
        ours, theirs = actual[name].to_dataset(), expected[name].to_dataset()
        missing = set(theirs.data_vars) - set(ours.data_vars) - set(ignoring)
        assert not missing, f"{name} lacks {missing}"
        for key in theirs.data_vars:
            if key in ignoring:
                continue
            pair, where = (ours[key].to_numpy(), theirs[key].to_numpy()), f"{name}/{key}"
            np.testing.assert_array_equal(*pair, err_msg=where)


def assert_same_tree(actual, expected):
    """The same groups, variables, dimensions, coordinates, dtypes and values; attributes may be more.

    What chains have learned is a group that `pymc.sample` does not add.
    """
    assert set(actual.children) - {"learned"} == set(expected.children) - {"learned"}
    for name in expected.children:
        ours, theirs = actual[name].to_dataset().load(), expected[name].to_dataset()
        assert set(ours.data_vars) == set(theirs.data_vars), name
        assert dict(ours.sizes) == dict(theirs.sizes), name
        for key in theirs.variables:
            assert ours[key].dims == theirs[key].dims, (name, key)
            assert ours[key].dtype.kind == theirs[key].dtype.kind, (name, key, ours[key].dtype, theirs[key].dtype)
            if theirs[key].dtype.kind in "biuf":
                assert ours[key].dtype == theirs[key].dtype, (name, key, ours[key].dtype, theirs[key].dtype)
        xr.testing.assert_equal(ours, theirs)
        assert set(theirs.attrs) <= set(ours.attrs), name
