"""Contracts between the files of the package, and with the log-density that they minimize."""

import ast
import gc
import inspect
import subprocess
import sys
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pymc_symplectic as ps
from pymc_symplectic import optimize
from pymc_symplectic.optimize import gradient_descent
from pymc_symplectic.optimize.objective import Objective
from pymc_symplectic.target import LogDensity

FAST = {"mode": "FAST_COMPILE"}
FILES = sorted(Path(optimize.__file__).parent.glob("*.py"))
HOOKS = {"_log_density": ["self"]}

# Objective replaces a method of LogDensity that is nobody else's to touch.  Were it renamed, given other arguments or
# no longer asked, it would minimize another density without a word.


def test_what_is_replaced():
    both = {
        name for name in vars(Objective).keys() & vars(LogDensity).keys() if inspect.isfunction(vars(Objective)[name])
    }
    assert both - {"__init__", "again"} == set(HOOKS)


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

    objective = Asked(model, model.initial_point(), jacobian=False, proximal=True, compile_kwargs=FAST)
    assert asked == ["_log_density"]
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


# What is kept.


def descents(model, **options):
    """A descent of each kind, with a rule that remembers, and with a line search."""
    options = {"model": model, "progressbar": False, "tolerance": 1e-6, **options}
    return [gradient_descent(optimizer=name, **options) for name in ("adam", "lbfgs", "proximal")]


def test_a_second_descent_compiles_nothing(model, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something is compiled")

    first = descents(model)
    monkeypatch.setattr("pytensor.compile.maker.FunctionMaker.__init__", refuse)
    for one, other in zip(first, descents(model), strict=True):
        np.testing.assert_array_equal(one.losses, other.losses)  # what the rule remembered is forgotten
        assert one.gradients == other.gradients
        xr.testing.assert_equal(one.optimum, other.optimum)


def test_a_result_stays_when_others_follow(model):
    first = gradient_descent(model, "lbfgs", progressbar=False)
    was = first.optimum.copy(deep=True)
    gradient_descent(model, "proximal", progressbar=False, initvals={"x": 3.0})
    xr.testing.assert_equal(first.optimum, was)


def test_the_density_and_whether_it_has_a_jacobian_are_told_apart(model):
    without, with_it = (gradient_descent(model, "lbfgs", jacobian=j, progressbar=False) for j in (False, True))
    assert without.loss != with_it.loss
    assert gradient_descent(model, "lbfgs", progressbar=False).loss == without.loss


@pytest.mark.parametrize("of", ["prior", "likelihood"])
def test_new_data(of):
    """Of a Laplace prior that is made from them as well, which a proximal step treats by itself."""
    with pm.Model() as model:
        centre = pm.Data("centre", np.zeros(2))
        x = pm.Laplace("x", centre if of == "prior" else 0.0, 0.1, shape=2)
        pm.Normal("y", x if of == "prior" else x + centre, 1.0, observed=np.zeros(2))

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return [
                gradient_descent(model, name, progressbar=False, max_iterations=2000) for name in ("proximal", "adam")
            ]

    fit()
    pm.set_data({"centre": np.array([1.0, 20.0])}, model=model)
    for again, anew in zip(fit(), [Objective, Objective], strict=True):
        objective = anew(model, model.initial_point(), jacobian=False, proximal=True, compile_kwargs=FAST)
        position = np.asarray(again.initvals["x"])
        loss = objective.smooth(position)[0] + objective.kinks(position)
        assert again.loss == pytest.approx(loss, rel=1e-9)
        assert abs(position[1] - (10.0 if of == "prior" else -10.0)) < 1.1


def test_descents_on_threads(model):
    """Each has a rule of its own, at the same time."""
    (alone, _, _) = descents(model)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: descents(model)[0], range(8)))
    for one in together:
        np.testing.assert_array_equal(one.losses, alone.losses)


def test_what_is_kept_goes_with_the_model():
    with pm.Model() as model:
        pm.Normal("x")
    descents(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
