"""Measurements of methods, against known properties of them."""

import math
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pymc_symplectic import Integrator, integrators, kinetic, mechanics
from pymc_symplectic.mechanics import RungeKutta, Splitting

SYMPLECTIC_TEXTBOOK = {"symplectic_euler", "gauss_legendre2", "gauss_legendre4"}
TEXTBOOK = mechanics.TEXTBOOK
CATALOGUE = {**integrators.CATALOGUE, **integrators.IMPLICIT}


@pytest.fixture(scope="module")
def table():
    return mechanics.table()


# The table of everything.


def test_names_of_textbooks_stand_beside_ours(table):
    assert table["also_known_as"]["leapfrog"] == "verlet, velocity_verlet, stormer_verlet"
    assert table["also_known_as"]["yoshida4"] == "forest_ruth"
    assert table["also_known_as"]["yoshida8"] == ""
    shown = [name for names in table["also_known_as"] if names for name in names.split(", ")]
    assert sorted(shown) == sorted(mechanics.methods.ALIASES)


def test_table_has_every_method(table):
    assert list(table.index) == [*TEXTBOOK, *CATALOGUE]
    assert table.notna().all(axis=None)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


def test_table_tells_who_is_symplectic(table):
    assert set(table.index[table["symplectic"]]) == SYMPLECTIC_TEXTBOOK | set(CATALOGUE)
    assert table.loc[table["symplectic"], "symplectic_defect"].max() < 1e-12
    assert table.loc[~table["symplectic"], "symplectic_defect"].min() > 1e-5


def test_table_finds_the_claimed_orders(table):
    allowed = np.where(table["claimed_order"] == 8, 0.2, 0.15)
    assert (np.abs(table["measured_order"] - table["claimed_order"]) < allowed).all()
    known = {"yoshida4": 4, "yoshida6": 6, "yoshida8": 8, "kutta3": 3, "adams_bashforth4": 4, "symplectic_euler": 1}
    assert table["claimed_order"][list(known)].tolist() == list(known.values())


def test_table_counts_gradients(table):
    counted = table["gradients_per_step"]
    for name, scheme in integrators.CATALOGUE.items():
        assert counted[name] == scheme.stages
    known = {"explicit_euler": 1, "symplectic_euler": 1, "heun2": 2, "kutta3": 3, "rk4": 4, "adams_bashforth4": 1}
    assert counted[list(known)].tolist() == list(known.values())
    assert (counted[~table["explicit"]] > 5).all()  # a solver takes some
    assert set(table.index[~table["explicit"]]) == {
        "backward_euler",
        "gauss_legendre2",
        "gauss_legendre4",
        "implicit_midpoint",
    }


def test_table_tells_who_is_reversible(table):
    assert set(table.index[table["reversible"]]) == {"gauss_legendre2", "gauss_legendre4"} | set(CATALOGUE)
    assert table.loc[table["reversible"], "return_gap"].max() < 1e-12
    assert table.loc[~table["reversible"], "return_gap"].min() > 1e-6


def test_table_tells_whose_energy_drifts(table):
    assert set(table.index[table["energy_bounded"]]) == SYMPLECTIC_TEXTBOOK | set(CATALOGUE)
    slope = table["energy_slope"]
    assert slope["explicit_euler"] > 0.05
    assert slope["rk4"] < -1e-6
    assert slope["backward_euler"] < -1e-4
    assert abs(slope["leapfrog"]) < 1e-6


def test_table_of_some():
    own = Integrator.symmetric(kicks=(1 / 6,), name="sexton_weingarten")
    assert list(mechanics.table([own, "RK4"]).index) == ["sexton_weingarten", "rk4"]
    assert list(mechanics.table("Verlet").index) == ["leapfrog"]
    assert list(mechanics.table(own).index) == ["sexton_weingarten"]


# Jacobians.


@pytest.mark.parametrize("eps", [0.1, 0.7, 1.9])
def test_jacobian_of_leapfrog_on_an_oscillator(eps):
    """Kick by -ε q/2, drift by ε p, kick by -ε q/2, multiplied out."""
    exact = [[1 - eps**2 / 2, eps], [-eps * (1 - eps**2 / 4), 1 - eps**2 / 2]]
    found = mechanics.jacobian("leapfrog", "harmonic_oscillator", step_size=eps)
    assert_allclose(found, exact, rtol=0, atol=1e-14)
    assert_allclose(
        mechanics.jacobian("leapfrog", "harmonic_oscillator", step_size=eps, steps=3),
        np.linalg.matrix_power(np.array(exact), 3),
        rtol=0,
        atol=1e-14,
    )


@pytest.mark.parametrize(
    ("name", "numerator", "denominator"),
    [
        ("explicit_euler", [1, 1], [1]),
        ("backward_euler", [1], [-1, 1]),
        ("gauss_legendre2", [1 / 2, 1], [-1 / 2, 1]),
        ("implicit_midpoint", [1 / 2, 1], [-1 / 2, 1]),
        ("gauss_legendre4", [1 / 12, 1 / 2, 1], [1 / 12, -1 / 2, 1]),
        ("rk4", [1 / 24, 1 / 6, 1 / 2, 1, 1], [1]),
    ],
)
def test_jacobian_on_an_oscillator_is_the_stability_function(name, numerator, denominator):
    """Of ε times the matrix of the motion; for Gauss methods the diagonal Padé approximation of exp."""
    eps = 0.4
    motion = eps * np.array([[0.0, 1.0], [-1.0, 0.0]])

    def polynomial(coefficients):
        return sum(c * np.linalg.matrix_power(motion, k) for k, c in enumerate(reversed(coefficients)))

    exact = polynomial(numerator) @ np.linalg.inv(polynomial(denominator))
    found = mechanics.jacobian(name, "harmonic_oscillator", step_size=eps)
    assert_allclose(found, exact, rtol=0, atol=5e-14)


def test_jacobian_of_an_expression_is_by_differences_as_exact(star):
    for name in ("leapfrog", "rk4", "gauss_legendre2"):
        where = {"position": [0.1, 0.2], "momentum": [0.3, 0.25], "step_size": 0.4}
        by_differences = mechanics.jacobian(name, star, **where)
        assert_allclose(by_differences, mechanics.jacobian(name, "henon_heiles", **where), rtol=0, atol=1e-12)


def test_symplecticity_of_a_model(model_system):
    assert mechanics.symplecticity("yoshida4", model_system) < 1e-11
    assert mechanics.symplecticity("heun2", model_system) > 1e-3


@pytest.mark.parametrize("name", kinetic.CATALOGUE)
def test_kinetic_energies(name):
    assert mechanics.symplecticity("yoshida4", kinetic=name) < 1e-13
    assert mechanics.reversibility("yoshida4", kinetic=name) < 1e-12
    assert mechanics.order("yoshida4", kinetic=name) == pytest.approx(4, abs=0.15)
    assert mechanics.symplecticity("rk4", kinetic=name) > 1e-5


@pytest.mark.parametrize("name", mechanics.SYSTEMS)
def test_every_system_tells_leapfrog_from_heun(name):
    assert mechanics.symplecticity("leapfrog", name, step_size=0.2) < 1e-12
    assert mechanics.symplecticity("heun2", name, step_size=0.2) > 1e-5
    assert mechanics.order("leapfrog", name) == pytest.approx(2, abs=0.05)
    assert mechanics.reversibility("leapfrog", name, step_size=0.05) < 1e-11


def test_coefficients_tell_what_is_measured():
    """A diagonally implicit method, random but for what makes it symplectic; and then not."""
    b = np.array([0.3, 0.5, 0.2])
    a = np.tril(np.broadcast_to(b, (3, 3)), -1) + np.diag(b / 2)
    good, bad = RungeKutta(a, b), RungeKutta(a + np.diag([0.01, 0, 0]), b)
    assert good.canonical
    assert not bad.canonical
    assert mechanics.symplecticity(good) < 1e-13
    assert mechanics.symplecticity(bad) > 1e-5


# Deliberate mistakes are seen.


def test_wrong_coefficient_lowers_the_order():
    wrong = Integrator.composed((1.3,), order=4, name="wrong")  # Yoshida's weight is 1.35
    assert mechanics.order(wrong) == pytest.approx(2, abs=0.15)
    slipped = RungeKutta(a=((0, 0, 0), (1 / 2, 0, 0), (-1, 1, 0)), b=(1 / 6, 2 / 3, 1 / 6), order=3)
    assert mechanics.order(slipped) == pytest.approx(1, abs=0.15)


def test_uneven_splitting():
    uneven = Splitting(kicks=(0.3, 0.7), drifts=(1.0,), name="uneven")
    assert mechanics.symplecticity(uneven) < 1e-13
    assert mechanics.reversibility(uneven) > 1e-4
    assert mechanics.order(uneven) == pytest.approx(1, abs=0.05)
    strang = Splitting(kicks=(0.5, 0.5), drifts=(1.0,), name="strang")
    assert mechanics.reversibility(strang) < 1e-13


def test_force_without_an_energy_is_not_symplectic():
    def swirl(data, position, gradient, value):
        value[0] = 0.0
        gradient[0] = -position[0] + 0.1 * position[1]
        gradient[1] = -position[1]
        return 0

    assert mechanics.symplecticity("leapfrog", mechanics.System("swirl", 2, swirl)) > 1e-3


# Drift, and edges.


def test_energy_drift_of_explicit_euler_and_leapfrog():
    euler, leapfrog = (mechanics.energy_drift(name) for name in ("explicit_euler", "leapfrog"))
    assert euler.gain > 20
    assert not euler.bounded
    assert abs(leapfrog.gain) < 1e-3 < leapfrog.oscillation < 2e-2
    assert leapfrog.bounded
    exponential = mechanics.energy_drift("explicit_euler", "harmonic_oscillator", step_size=0.1)
    assert not exponential.bounded


def test_runaways_are_distinguished():
    drift = mechanics.energy_drift("leapfrog", "harmonic_oscillator", step_size=2.5)
    assert drift.slope == math.inf
    assert not drift.bounded
    assert mechanics.reversibility("leapfrog", "harmonic_oscillator", step_size=9.0, steps=1000) == math.inf
    assert math.isnan(mechanics.gradients_per_step("leapfrog", "harmonic_oscillator", step_size=9.0, steps=1000))
    assert math.isnan(mechanics.order("leapfrog", "kepler", position=[1e-9, 0.0], momentum=[0.1, 0.0]))


@pytest.mark.parametrize(
    ("measure", "error", "words"),
    [
        (lambda: mechanics.symplecticity("leapfog"), ValueError, "Did you mean 'leapfrog'?"),
        (lambda: mechanics.symplecticity("leapfrog", "kepller"), ValueError, "Did you mean 'kepler'?"),
        (lambda: mechanics.symplecticity("leapfrog", lambda q: q.sum()), ValueError, "make it a system first"),
        (lambda: mechanics.jacobian("leapfrog", step_size=0), ValueError, "step_size must be positive"),
        (lambda: mechanics.jacobian("leapfrog", steps=0), ValueError, "steps must be a positive integer"),
        (lambda: mechanics.jacobian("leapfrog", position=[1.0]), ValueError, "position must be a vector of shape (2,)"),
        (lambda: mechanics.order("leapfrog", time=-1), ValueError, "time must be positive and finite"),
        (lambda: mechanics.reversibility("leapfrog", steps=0), ValueError, "steps must be a positive integer"),
        (lambda: mechanics.energy_drift("leapfrog", steps=5), ValueError, "steps must be an integer of at least 20"),
        (lambda: mechanics.gradients_per_step("leapfrog", kinetic="x"), ValueError, "unknown kinetic energy 'x'"),
        (lambda: mechanics.table([]), ValueError, "methods is empty"),
        (lambda: mechanics.table(["leapfrog", "rk5"]), ValueError, "unknown method 'rk5'; choose one of"),
        (lambda: mechanics.table(3), TypeError, "method must be a name (a string), got 3"),
    ],
)
def test_bad_input(measure, error, words):
    with pytest.raises(error, match=re.escape(words)):
        measure()


@pytest.mark.parametrize("name", integrators.HARMONIC)
def test_harmonic_integrators_are_measured_alike(name):
    row = mechanics.table(name).iloc[0]
    assert row["symplectic"] and row["reversible"] and row["energy_bounded"]
    assert row["measured_order"] == pytest.approx(row["claimed_order"], abs=0.2)
    assert row["gradients_per_step"] == integrators.get(name).stages
