"""A run in the background, held in a notebook."""

import pytest

pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

CELLS = (
    """
import time
import pymc as pm, pymc_symplectic as ps
with pm.Model():
    x = pm.Normal("x", shape=3)
    run = ps.start(10**6, chains=2, random_seed=1, progressbar=False, quiet=True)
run
""",
    "while run.state in ('preparing', 'warm-up'): time.sleep(0.01)",
    "run",
    "run.pause(); run.state, run.draws().posterior.sizes['draw'] > 0",
    "run.resume(); run.stop(); run.result().posterior.sizes['draw'] < 10**6",
)


@pytest.mark.slow
def test_cells():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [[output.data for output in cell.outputs if "data" in output] for cell in notebook.cells]
    assert "text/html" in shown[0][0] and shown[0][0]["text/plain"].startswith("<Run: preparing")
    assert shown[2][0]["text/plain"].startswith("<Run: sampling; 2 chains")
    assert shown[2][0]["text/html"].count("<progress") == 2
    assert shown[3][0]["text/plain"] == "('paused', True)"
    assert shown[4][0]["text/plain"] == "True"
