"""Methods as data: what is checked of them, and what follows from them."""

import re

import numpy as np
import pytest

from pymc_symplectic import ImplicitMidpoint, mechanics
from pymc_symplectic.mechanics import Multistep, RungeKutta, Splitting
from pymc_symplectic.mechanics.methods import ALIASES, is_explicit

TEXTBOOK = mechanics.TEXTBOOK
TABLEAUX = {name: entry for name, entry in TEXTBOOK.items() if isinstance(entry, RungeKutta)}


def conditions_of_order(tableau):
    """Residuals of Butcher's conditions up to order 4, by order."""
    a, b = np.array(tableau.a), np.array(tableau.b)
    c = a.sum(axis=1)
    return {
        1: [b.sum() - 1],
        2: [b @ c - 1 / 2],
        3: [b @ c**2 - 1 / 3, b @ a @ c - 1 / 6],
        4: [b @ c**3 - 1 / 4, (b * c) @ a @ c - 1 / 8, b @ a @ c**2 - 1 / 12, b @ a @ a @ c - 1 / 24],
    }


@pytest.mark.parametrize("name", TABLEAUX)
def test_order_conditions(name):
    """The claimed order holds by the coefficients, and no higher one does."""
    misses = {order: np.abs(left).max() for order, left in conditions_of_order(TABLEAUX[name]).items()}
    claimed = TABLEAUX[name].order
    assert max(miss for order, miss in misses.items() if order <= claimed) < 1e-15
    assert claimed == 4 or misses[claimed + 1] > 1e-2


def test_adams_bashforth_integrates_cubics():
    weights, past = np.array(TEXTBOOK["adams_bashforth4"].weights), -np.arange(4.0)
    for power in range(4):
        assert weights @ past**power == pytest.approx(1 / (power + 1), rel=1e-14)
    assert abs(weights @ past**4 - 1 / 5) > 0.1


@pytest.mark.parametrize("name", TABLEAUX)
def test_facts_that_follow(name):
    tableau = TABLEAUX[name]
    assert tableau.canonical == name.startswith("gauss")
    assert tableau.explicit == (name not in ("backward_euler", "gauss_legendre2", "gauss_legendre4"))
    assert tableau.stages == len(tableau.b)


def test_lists_become_tuples_and_methods_compare_and_hash():
    euler = RungeKutta(a=[[0]], b=[1], name="explicit_euler", order=1, reference=TEXTBOOK["explicit_euler"].reference)
    assert euler == TEXTBOOK["explicit_euler"]
    assert hash(euler) == hash(TEXTBOOK["explicit_euler"])
    assert euler.a == ((0.0,),)


def test_every_method_has_a_reference():
    assert all(entry.reference and entry.name == name for name, entry in TEXTBOOK.items())


def test_look_up():
    assert {mechanics.method(alias).name for alias in ALIASES} == set(ALIASES.values())
    assert mechanics.method("implicit midpoint") == ImplicitMidpoint()
    assert not is_explicit(mechanics.method("implicit_midpoint"))
    assert is_explicit(mechanics.method("symplectic_euler"))
    own = Multistep((1.0,))
    assert mechanics.method(own) is own


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RungeKutta(a=3, b=(1,)), TypeError, "a must be the rows of a matrix, such as"),
        (lambda: RungeKutta(a=(3,), b=(1,)), TypeError, "a[0] must be a sequence of numbers"),
        (lambda: RungeKutta(a=((0,),), b=("x",)), TypeError, "b must be a sequence of numbers"),
        (
            lambda: RungeKutta(a=((0,), (1, 0)), b=(0.5, 0.5)),
            ValueError,
            "as many rows and columns as there are weights",
        ),
        (lambda: RungeKutta(a=((0,),), b=(0.5, 0.5)), ValueError, "got rows of lengths [1]; fill the tableau up"),
        (lambda: RungeKutta(a=((0,),), b=(0.9,)), ValueError, "b must sum to one"),
        (lambda: RungeKutta(a=((np.nan,),), b=(1,)), ValueError, "a[0] must be finite numbers, got a[0][0] = nan"),
        (lambda: RungeKutta(a=((0,),), b=(1,), order=0), ValueError, "order must be a positive integer"),
        (lambda: Multistep((1.5, -0.4)), ValueError, "weights must sum to one"),
        (lambda: Multistep(1.0), TypeError, "weights must be a sequence of numbers"),
        (lambda: Multistep((1.0,), order=1.5), ValueError, "order must be a positive integer"),
        (lambda: Splitting((1,), (0.5, 0.4)), ValueError, "drifts must sum to one"),
        (lambda: Splitting((1,), (1,)), ValueError, "put a zero for what is left out"),
        (lambda: Splitting((np.inf,), (1, 0)), ValueError, "kicks must be finite numbers, got kicks[0] = inf"),
        (lambda: Splitting((1,), (1, 0), order="1"), TypeError, "order must be a number"),
        (lambda: mechanics.method("leapfrogg"), ValueError, "Did you mean 'leapfrog'?"),
        (lambda: mechanics.method("backward"), ValueError, "unknown method 'backward'; choose one of: explicit_euler,"),
        (lambda: mechanics.method(4), TypeError, "method must be a name (a string), got 4"),
    ],
)
def test_bad_data(make, error, words):
    with pytest.raises(error, match=re.escape(words)):
        make()
