"""The folder of benchmarks, whose modules import each other as siblings."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def folder():
    """Its modules can be imported; they set how many threads libraries may use, but not for the tests that follow."""
    with pytest.MonkeyPatch.context() as patch:
        for library in ("MKL", "OMP", "OPENBLAS", "VECLIB_MAXIMUM"):
            patch.setenv(f"{library}_NUM_THREADS", "1")
        for name in ("JAX_PLATFORMS", "XLA_FLAGS"):
            patch.setenv(name, "")
        patch.syspath_prepend(str(FOLDER))
        yield FOLDER
        for file in FOLDER.glob("*.py"):
            sys.modules.pop(file.stem, None)
