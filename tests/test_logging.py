"""What runs say in the log is shown where a program has not arranged its logging otherwise."""

import subprocess
import sys

import pytest

SAID = """
import logging
{before}
import pymc_symplectic
logging.getLogger("pymc_symplectic.run.results").info("something")
"""


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        pytest.param("", "something\n", id="as it stands"),
        pytest.param("import pymc", "something\n", id="beside PyMC"),
        pytest.param("logging.basicConfig()", "", id="warnings alone"),
        pytest.param("logging.getLogger('pymc_symplectic').setLevel('WARNING')", "", id="not of this package"),
        pytest.param("logging.basicConfig(format='%(message)s', level='INFO')", "something\n", id="arranged"),
    ],
)
def test_what_is_shown(before, shown):
    done = subprocess.run(
        [sys.executable, "-c", SAID.format(before=before)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", shown)
