"""Figures are drawn to memory, and closed after each test."""

import importlib.util
import os

import pytest

if importlib.util.find_spec("matplotlib") is None:  # an extra, without which there is nothing to draw
    collect_ignore_glob = ["test_*.py"]

os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(autouse=True)
def figures():
    """`matplotlib.pyplot`, with no figure left open from another test."""
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    yield plt
    plt.close("all")
