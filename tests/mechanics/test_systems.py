"""Ready systems against what is known of them, and systems from expressions and models."""

import math

import numpy as np
import pytest

from pymc_symplectic import mechanics

SYSTEMS = mechanics.SYSTEMS
every_system = pytest.mark.parametrize("name", SYSTEMS)

# Starts of every kind of motion: swinging, going round either way, more than a turn away; in one well, and in both.
STARTS = {
    "harmonic_oscillator": [(0.3, -1.2)],
    "pendulum": [(2.0, 0.0), (0.4, 0.7), (0.5, 2.5), (-1.0, -2.2), (7.0, -0.3), (9.5, 2.4)],
    "double_well": [(0.0, 1.0), (1.2, 0.1), (-0.4, 0.2), (1.5, -0.6)],
    "kepler": [((0.4, 0.0), (0.0, 2.0)), ((1.0, 0.2), (0.3, -0.8)), ((0.0, 2.0), (0.5, 0.0))],
}


def starts(known):
    return [
        (name, *start)
        for name, all_starts in STARTS.items()
        for start in all_starts
        if getattr(SYSTEMS[name], known) is not None
    ]


def follow(name, q, p, step_size, steps):
    method = "kahan_li8"
    path = mechanics.simulate(name, integrator=method, position=q, momentum=p, step_size=step_size, steps=steps)
    assert path.finite
    return path


@every_system
def test_gradient_is_that_of_the_potential(name):
    chosen = SYSTEMS[name]
    for direction, slope in zip(np.eye(chosen.dim), chosen.evaluate(chosen.position + 0.1)[1], strict=True):
        nudged, _ = chosen.evaluate(chosen.position + 0.1 + 1e-30j * direction)
        assert nudged.imag / 1e-30 == pytest.approx(slope, rel=1e-14)


@every_system
def test_potential_is_as_written(name):
    chosen = SYSTEMS[name]
    point = chosen.position + 0.1
    words = dict(zip("xy" if chosen.dim == 2 else "q", point, strict=True)) | {"cos": math.cos, "sqrt": math.sqrt}
    written = {
        "harmonic_oscillator": "q**2 / 2",
        "pendulum": "1 - cos(q)",
        "double_well": "(q**2 - 1)**2 / 4",
        "henon_heiles": "(x**2 + y**2) / 2 + x**2 * y - y**3 / 3",
        "kepler": "-1 / sqrt(x**2 + y**2)",
    }[name]
    assert chosen.evaluate(point)[0] == pytest.approx(eval(written, {}, words), rel=1e-14)
    plain = chosen.equation.replace(" ", "").replace("²", "**2").replace("³", "**3").replace("√", "sqrt")
    assert plain.replace("cosq", "cos(q)").replace("x**2y", "x**2*y") == written.replace(" ", "")
    assert chosen.reference


@pytest.mark.parametrize(("name", "q", "p"), starts("solution"))
def test_exact_solution(name, q, p):
    path = follow(name, q, p, 0.01, 2500)
    positions, momenta = SYSTEMS[name].solution(path.times, path.position[0], path.momentum[0])
    np.testing.assert_allclose(positions, path.position, rtol=0, atol=2e-11)
    np.testing.assert_allclose(momenta, path.momentum, rtol=0, atol=2e-11)


@pytest.mark.parametrize(("name", "q", "p"), starts("period"))
def test_period(name, q, p):
    period = SYSTEMS[name].period(np.atleast_1d(q), np.atleast_1d(p))
    path = follow(name, q, p, period / 2000, 2000)
    gap = path.position - path.position[0]
    if name == "pendulum":  # one that goes round comes back a turn further on
        gap = np.angle(np.exp(1j * gap))
    away = np.abs(gap).max(axis=1) + np.abs(path.momentum - path.momentum[0]).max(axis=1)
    assert away[-1] < 1e-11
    assert away[20:-20].min() > 1e-3  # and not before


def test_conserved_quantities_of_kepler():
    path = follow("kepler", None, None, 0.01, 2000)
    for name, invariant in SYSTEMS["kepler"].invariants.items():
        values = invariant(path.position, path.momentum)
        np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), rtol=0, atol=1e-11, err_msg=name)
    runge_lenz = SYSTEMS["kepler"].invariants["Runge-Lenz vector"](path.position[0], path.momentum[0])
    np.testing.assert_allclose(runge_lenz, [0.6, 0.0], atol=1e-15)


def test_escaping_planet_has_no_period():
    with pytest.raises(ValueError, match=r"momentum: the planet escapes.*give it less"):
        SYSTEMS["kepler"].period(np.array([1.0, 0.0]), np.array([0.0, 2.0]))


def test_suggested_star_stays():
    path = mechanics.simulate("henon_heiles", step_size=0.1, steps=20_000)
    assert path.finite
    assert path.energy[0] < 1 / 6
    assert np.abs(path.position).max() < 1.2


@pytest.mark.parametrize("name", ["Pendulum", "harmonic oscillator", "Hénon-Heiles", "duffing"])
def test_names_are_forgiving(name):
    assert mechanics.system(name).dim in (1, 2)


def test_expression_is_the_system_it_writes_down(star):
    point = np.array([0.3, -0.7])
    value, gradient = SYSTEMS["henon_heiles"].evaluate(point)
    assert star.evaluate(point)[0] == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(star.evaluate(point)[1], gradient, rtol=1e-14)
    assert repr(star) == "System('henon_heiles': dimension 2)"


def test_expression_by_numpy_functions_and_without_a_slope():
    assert mechanics.system(lambda q: 1 - np.cos(q[0]), 1).evaluate(np.array([2.0]))[0] == pytest.approx(1 - np.cos(2))
    free = mechanics.simulate(lambda q: 0.0 * q.sum(), position=[0.0, 1.0], momentum=[1.0, 2.0], step_size=0.5, steps=4)
    np.testing.assert_allclose(free.position[-1], [2.0, 5.0])


def test_model_in_context_is_left_alone(model):
    with model:
        mechanics.system(lambda q: (q**2).sum(), 2)
    assert [rv.name for rv in model.free_RVs] == ["x", "z"]
    assert not model.potentials


def test_model_names_its_coordinates_and_its_start(model_system):
    assert model_system.labels == ("x", "z")
    np.testing.assert_array_equal(model_system.position, [0.0, 0.0])
    assert repr(model_system) == "System('model': dimension 2, U(q) = -log π(q))"
