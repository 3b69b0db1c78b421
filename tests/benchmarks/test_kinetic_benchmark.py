"""How the benchmark of kinetic energies finds the best step size."""

import importlib
import math
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def kinetic():
    """The script, which sets how many threads libraries may use: that is undone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.delenv(name, raising=False)
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("kinetic")


@pytest.mark.parametrize("first", [0.01, 0.5, 20.0])
def test_the_best_step_is_found_from_anywhere(kinetic, first):
    def run(step):
        accept = math.exp(-(step**2))
        return kinetic.targets.Run(max(step * accept, 1e-9), accept, 0.0 if accept > 0.1 else 1000.0)

    best, stable, worth = kinetic.scan(run, first)
    assert best == pytest.approx(math.sqrt(0.5), rel=0.2)
    assert stable == pytest.approx(math.sqrt(math.log(2)), rel=0.2)
    assert worth > 0.4
