"""The demo, in short: it runs from end to end, checks itself, and leaves its pictures.

With three of its samplers, that of its pictures among them; building the documentation runs it with all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FEWER = """
import sys
import regression as demo

demo.MORE_SAMPLERS.clear()
for name in set(demo.SAMPLERS) - {demo.REFERENCE, demo.report.SHOWN, "adaptive, fixed_time"}:
    del demo.SAMPLERS[name]
sys.exit(demo.main())
"""


@pytest.mark.slow
def test_the_regression_is_fitted_both_ways(tmp_path):
    pytest.importorskip("matplotlib")
    short = ["--draws", "60", "--tune", "150", "--chains", "2", "--output", str(tmp_path / "regression.png")]
    done = subprocess.run(
        [sys.executable, "-c", FEWER, *short],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "examples")]), "MPLBACKEND": "agg"},
    )
    # So few draws need not agree, which is what the status says; whatever else goes wrong is an error.
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    for said in ("Gradient by hand and by PyTensor: equal", "Lasso", "posterior, exact", "adaptive, fixed_time"):
        assert said in done.stdout
    assert {path.suffix for path in tmp_path.iterdir()} == {".png"}
    assert len(list(tmp_path.iterdir())) == 4
