"""Parts that plots share: axes, labels that keep apart, names of things to draw; and the cost of importing them."""

import importlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pymc_symplectic
from pymc_symplectic import Integrator, plots
from pymc_symplectic.plots import arguments, scenes, style

DRAW = {
    "phase_portrait": lambda **kwargs: plots.phase_portrait(steps=5, **kwargs),
    "integrators_on": lambda **kwargs: plots.integrators_on(methods=["leapfrog", "rk4"], steps=5, **kwargs),
    "energy_error": lambda **kwargs: plots.energy_error(methods=["leapfrog"], steps=5, **kwargs),
    "work_precision": lambda **kwargs: plots.work_precision(methods=["leapfrog"], time=2.0, points=3, **kwargs),
    "kinetic_energies": lambda **kwargs: plots.kinetic_energies("gaussian", **kwargs),
    "trajectory_on_slice": lambda **kwargs: plots.trajectory_on_slice("henon_heiles", steps=5, **kwargs),
}
PANELS = {"integrators_on": 2, "kinetic_energies": 2}


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys; from pymc_symplectic import plots; print('matplotlib' in sys.modules)"
    path = {"PYTHONPATH": str(Path(pymc_symplectic.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | path
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", DRAW)
def test_without_matplotlib_an_error_says_so(name, monkeypatch):
    for module in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"plots need matplotlib.*pip install --force-reinstall matplotlib"):
        DRAW[name]()


@pytest.mark.parametrize("name", DRAW)
def test_draws_on_the_axes_that_are_given(name, figures):
    _, given = figures.subplots(1, PANELS.get(name, 1), squeeze=False)
    before = figures.get_fignums()
    drawn = DRAW[name](ax=given[0] if name in PANELS else given[0, 0])
    assert list(np.ravel(drawn)) == list(given[0])
    assert all(each.has_data() for each in given[0])
    assert figures.get_fignums() == before


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_of_its_own_can_be_saved(name, tmp_path, figures):
    first = np.ravel(DRAW[name]())[0]
    assert isinstance(first, figures.Axes)
    assert first.get_xlabel() or first.figure.get_supxlabel()
    assert first.get_ylabel() or first.figure.get_supylabel()
    first.figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("name", DRAW)
def test_settings_of_matplotlib_are_left_alone(name, figures):
    before = dict(figures.rcParams)
    DRAW[name]()
    assert dict(figures.rcParams) == before


@pytest.mark.parametrize("name", DRAW)
def test_wrong_axes(name, figures):
    _, three = figures.subplots(1, 3)
    count = PANELS.get(name, 1)
    with pytest.raises(ValueError, match=rf"ax: this plot has {count} panels?.* got 3; give {count}, or leave ax out"):
        DRAW[name](ax=three)
    with pytest.raises(TypeError, match=r"ax must be Axes of matplotlib.*got Figure"):
        DRAW[name](ax=three[0].figure)


def test_spare_panels_are_removed():
    axes = style.panels(None, ["a", "b", "c"], columns=2, sharex=True)
    assert len(axes) == len(axes[0].figure.axes) == 3
    shown = [any(label.get_visible() for label in ax.get_xticklabels()) for ax in axes]
    assert shown == [False, True, True]


def test_looks_differ():
    looks = style.looks(20)
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 20
    assert len({look["color"] for look in looks[:7]}) == 7


def test_labels_keep_apart(figures):
    _, ax = figures.subplots()
    ax.set(ylim=(0, 1))
    style.label_lines(ax, {"a": (0.5, "k"), "b": (0.505, "k"), "c": (0.9, "k"), "beyond": (3.0, "k")})
    figures.gcf().canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    ordered = sorted(boxes, key=lambda label: boxes[label].y0)
    assert ordered == ["a", "b", "c", "beyond"]
    for below, above in pairwise(ordered):
        assert boxes[below].y0 + 0.9 * boxes[below].height < boxes[above].y0 + 0.1 * boxes[above].height
    middle = 0.5 * (boxes["c"].y0 + boxes["c"].y1)
    assert_allclose(ax.transData.inverted().transform((0, middle))[1], 0.9, atol=0.02)  # it had room


@pytest.mark.parametrize(("low", "high", "ticks"), [(1, 8, [1, 1.5, 2, 3, 5, 7]), (1, 80, [1, 2, 5, 10, 20, 50])])
def test_plain_ticks(low, high, ticks, figures):
    _, ax = figures.subplots()
    ax.set(xscale="log", xlim=(low, high))
    style.plain_log(ax.xaxis)
    figures.gcf().canvas.draw()
    seen = [label.get_text() for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert seen == [f"{tick:g}" for tick in ticks]


def test_things_of_one_name_need_labels():
    schemes = [Integrator.symmetric(kicks=(b,)) for b in (0.2, 0.21)]
    with pytest.raises(ValueError, match="methods: more than one is called 'custom'; tell them apart by a mapping"):
        arguments.chosen_methods(schemes)
    assert list(arguments.chosen_methods({"a": schemes[0], "b": schemes[1]})) == ["a", "b"]
    with pytest.raises(ValueError, match="methods is empty"):
        arguments.chosen_methods([])
    with pytest.raises(ValueError, match=r"unknown method 'leapfog'.*leapfrog"):
        arguments.chosen_methods("leapfog")


def test_scenes_are_those_of_the_ready_systems():
    assert scenes.SCENES.keys() == pymc_symplectic.mechanics.SYSTEMS.keys()


def test_one_plot_to_a_file():
    for name in plots.__all__:
        module = importlib.import_module(f"pymc_symplectic.plots.{name}")
        assert module.__all__ == [name]
