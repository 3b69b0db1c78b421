"""Contracts between the files of the package, and with the log-density that they minimize."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic import optimize
from pymc_symplectic.optimize.objective import Objective
from pymc_symplectic.target import LogDensity

FAST = {"mode": "FAST_COMPILE"}
FILES = sorted(Path(optimize.__file__).parent.glob("*.py"))
HOOKS = {"_log_density": ["self"], "_make_addressed": ["self", "types"]}

# Objective replaces two methods of LogDensity that are nobody else's to touch.  Were they renamed, given other
# arguments or no longer asked, it would minimize another density without a word.


def test_what_is_replaced():
    both = {
        name for name in vars(Objective).keys() & vars(LogDensity).keys() if inspect.isfunction(vars(Objective)[name])
    }
    assert both - {"__init__"} == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_arguments_of_what_is_replaced(name):
    assert list(inspect.signature(getattr(LogDensity, name)).parameters) == HOOKS[name]
    inspect.signature(getattr(Objective, name)).bind(*HOOKS[name])


@pytest.fixture(scope="module")
def model():
    with pm.Model() as model:
        s = pm.HalfNormal("s", 2.0)
        pm.Laplace("x", 0.0, 1.0)
        pm.Normal("y", 0, s, observed=1.5)
    return model


def test_what_is_replaced_is_asked(model):
    asked = []

    class Asked(Objective):
        def _log_density(self, *args):
            asked.append("_log_density")
            return super()._log_density(*args)

        def _make_addressed(self, *args):
            asked.append("_make_addressed")
            return super()._make_addressed(*args)

    objective = Asked(model, model.initial_point(), jacobian=False, proximal=True, compile_kwargs=FAST)
    assert asked == ["_log_density", "_make_addressed"]
    assert (objective.target.address, objective.native) == (0, False)


@pytest.mark.parametrize("jacobian", [False, True])
@pytest.mark.parametrize("proximal", [False, True])
def test_terms(jacobian, proximal, model):
    # log π(q) = log p(y, s) + log p(x) + log |∂s/∂q|, of which the last two can be set apart
    at = np.array([0.3, 0.7])
    objective = Objective(model, model.initial_point(), jacobian=jacobian, proximal=proximal, compile_kwargs=FAST)
    loss, gradient = objective.smooth(at)
    value, slope = LogDensity(model=model, compile_kwargs=FAST)(at)
    expected = -value + (0 if jacobian else at[0])
    # compilers may fold constants such as log 2 in single precision
    assert loss + objective.kinks(at) == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(gradient, [-slope[0] + (0 if jacobian else 1), 0 if proximal else 1], atol=1e-12)
    assert objective.kinks(at) == pytest.approx(0.7 + np.log(2) if proximal else 0.0)


def test_soft_thresholding(model):
    objective = Objective(model, model.initial_point(), jacobian=False, proximal=True, compile_kwargs=FAST)
    for x, expected in [(0.7, 0.2), (-0.7, -0.2), (0.4, 0.0), (-0.4, 0.0)]:
        np.testing.assert_allclose(objective.shrink(np.array([0.3, x]), 0.5), [0.3, expected], atol=1e-15)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_share_public_names_alone(file):
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom) and node.level]
    assert not [alias.name for node in nodes for alias in node.names if alias.name.startswith("_")]


def test_importing_is_light():
    # An optimizer of SciPy is loaded by those who ask for it.
    code = (
        "import sys, pymc; before = set(sys.modules); import pymc_symplectic as ps; ps.gradient_descent; "
        "print(*set(sys.modules) - before)"
    )
    root = Path(ps.__file__).parents[1]
    added = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    assert "pymc_symplectic.optimize.optimizers" in added.split()
    assert not [name for name in added.split() if name.split(".")[0] in ("scipy", "sklearn")]
