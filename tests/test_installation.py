"""The package where it cannot write: in a container, say, with everything read-only but a temporary directory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pymc_symplectic

PACKAGE = Path(pymc_symplectic.__file__).parent
SAMPLED = """
import pymc as pm
import pymc_symplectic as ps

assert ps.__file__.startswith({folder!r}), ps.__file__
plain = {{"integrator": "leapfrog", "metric": "identity", "trajectory": "fixed_steps"}}  # compiles fastest
with pm.Model():
    pm.Normal("x")
    idata = pm.sample(20, tune=20, chains=1, step=ps.HMC(**plain), progressbar=False, compute_convergence_checks=False)
assert idata["posterior"]["x"].shape == (1, 20)
assert len(set(idata["posterior"]["x"].values.ravel())) > 10
ps.kinetic.Relativistic().record(1)  # its functions have caches of their own
"""


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    """A copy of the package, and a home, in which nobody can make anything: not even root, whom no mode binds."""
    folder = tmp_path_factory.mktemp("read-only")
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for place in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        (place / "__pycache__").touch()  # a file, where numba and Python would make a directory
    (folder / "file").touch()
    return folder


def python(code, folder, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_", "PYTENSOR_"))}
    # What is compiled for forty draws need not be optimised.
    environment = {"HOME": str(folder / "file" / "home"), "PYTHONPATH": str(folder), "NUMBA_OPT": "0", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment, cwd=folder, timeout=300
    )


def test_it_samples_where_only_a_temporary_directory_can_be_written(read_only, tmp_path):
    """PyTensor needs that one; nothing of ours is in it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    flags = f"base_compiledir={temporary / 'pytensor'}"
    done = python(SAMPLED.format(folder=str(read_only)), read_only, PYTENSOR_FLAGS=flags, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "Compiled kernels are not kept on disk" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr
    assert not list(temporary.rglob(f"{PACKAGE.name}*"))
    assert all(path.is_file() for path in read_only.rglob("__pycache__"))
