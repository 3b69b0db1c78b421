"""Trajectories: against exact ones, from any kind of potential, beyond stability, and what is said of bad input."""

import re
import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pymc_symplectic import Integrator, integrators, mechanics
from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.linear import DiagonalMap
from pymc_symplectic.kernels.state import HamiltonianSystem, Target, new_state
from pymc_symplectic.kernels.trajectory import TrajectoryArrays, follow
from pymc_symplectic.mechanics import simulate
from pymc_symplectic.mechanics.motion import kinetic_record

METHODS = [*mechanics.TEXTBOOK, "leapfrog", "pefrl", "implicit_midpoint"]


# Known numbers.


def test_explicit_euler_gains_energy():
    """On an oscillator each step multiplies the energy by 1 + ε², exactly."""
    eps = 0.1
    path = simulate("harmonic_oscillator", integrator="explicit_euler", step_size=eps, steps=1000)
    assert_allclose(path.energy, 0.5 * (1 + eps**2) ** np.arange(1001), rtol=1e-12)
    assert path.energy[-1] > 10_000


def test_leapfrog_does_not():
    """On an oscillator it conserves p² + (1 - ε²/4) q², so from q = 1 and p = 0 the energy stays within ε²/8."""
    eps = 0.1
    path = simulate("harmonic_oscillator", step_size=eps, steps=100_000)
    assert path.energy_error.max() < 1e-12
    assert path.energy_error.min() == pytest.approx(-(eps**2) / 8, rel=1e-3)
    shadow = path.momentum[:, 0] ** 2 + (1 - eps**2 / 4) * path.position[:, 0] ** 2
    assert_allclose(shadow, shadow[0], rtol=1e-11)


def test_backward_euler_loses_energy():
    eps = 0.1
    path = simulate("harmonic_oscillator", integrator="backward_euler", step_size=eps, steps=100)
    assert_allclose(path.energy, 0.5 * (1 + eps**2) ** -np.arange(101.0), rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_approximates_the_motion(name):
    path = simulate("pendulum", integrator=name, step_size=0.001, steps=1000)
    q, p = mechanics.SYSTEMS["pendulum"].solution(path.times, path.position[0], path.momentum[0])
    order = mechanics.method(name).order
    assert_allclose(path.position, q, rtol=0, atol=2 * 0.001 ** min(order, 3))
    assert_allclose(path.momentum, p, rtol=0, atol=2 * 0.001 ** min(order, 3))
    assert path.finite


def test_energies_are_those_of_the_states():
    for name in METHODS:
        path = simulate("henon_heiles", integrator=name, step_size=0.1, steps=20)
        potential = [mechanics.SYSTEMS["henon_heiles"].evaluate(q)[0] for q in path.position]
        assert_allclose(path.potential_energy, potential, rtol=1e-13, atol=1e-16, err_msg=name)
        assert_allclose(path.kinetic_energy, (path.momentum**2).sum(axis=1) / 2, rtol=1e-13)
        assert_array_equal(path.energy, path.potential_energy + path.kinetic_energy)


def test_gauss_method_of_one_stage_is_the_implicit_midpoint():
    ours, butcher = (
        simulate("henon_heiles", integrator=name, step_size=0.1, steps=50)
        for name in ("implicit_midpoint", "gauss_legendre2")
    )
    assert_allclose(ours.position, butcher.position, rtol=0, atol=1e-10)


def test_symplectic_euler_is_a_drift_then_a_kick():
    path = simulate("pendulum", integrator="symplectic_euler", step_size=0.3, steps=1, position=1.0, momentum=0.5)
    q = 1.0 + 0.3 * 0.5
    assert_allclose([path.position[1, 0], path.momentum[1, 0]], [q, 0.5 - 0.3 * np.sin(q)], rtol=1e-15)


def test_own_integrator_and_kinetic_energy():
    scheme = Integrator.symmetric(kicks=(1 / 6,), name="sexton_weingarten")
    path = simulate("pendulum", "relativistic", scheme, step_size=0.1, steps=100)
    assert (path.method, path.kinetic) == ("sexton_weingarten", "relativistic")
    assert np.abs(path.energy_error).max() < 1e-3
    rk4 = simulate("pendulum", "relativistic", "rk4", step_size=0.01, steps=1000)
    assert_allclose(rk4.position[::10], path.position, atol=3e-3)


def test_harmonic_drift_is_the_motion_of_an_oscillator():
    path = simulate("harmonic_oscillator", integrator="harmonic_leapfrog", step_size=0.7, steps=50)
    q, p, t = path.position[0, 0], path.momentum[0, 0], path.times
    assert_allclose(path.position[:, 0], np.cos(t) * q + np.sin(t) * p, atol=1e-13)
    assert np.abs(path.energy_error).max() < 1e-13
    assert path.gradients == 51
    own = Integrator.symmetric(kicks=(1 / 6,)).harmonic()
    stars = [simulate("henon_heiles", integrator=chosen, step_size=0.1, steps=200) for chosen in (own, "kahan_li8")]
    assert_allclose(stars[0].position, stars[1].position, atol=1e-3)


def test_harmonic_drift_needs_the_gaussian_kinetic_energy():
    with pytest.raises(ValueError, match=r"harmonic_leapfrog has the harmonic drift.*kinetic='gaussian'"):
        simulate("pendulum", "relativistic", "harmonic_leapfrog", step_size=0.1, steps=1)


# Counting.


@pytest.mark.parametrize(
    ("name", "gradients"),
    [("leapfrog", 11), ("pefrl", 41), ("symplectic_euler", 11), ("explicit_euler", 10), ("rk4", 40)],
)
def test_gradients_of_ten_steps(name, gradients):
    # kernels evaluate the start; energies of a scheme that ends with a drift are not counted
    assert simulate("pendulum", integrator=name, step_size=0.1, steps=10).gradients == gradients


def test_kernel_is_the_same_in_plain_python():
    logp = AddressedFunction(mechanics.SYSTEMS["henon_heiles"].density, LOGP)

    def path(run, name):
        flow = integrators.get(name).record(2)
        record = HamiltonianSystem(
            Target(logp.address, np.zeros(1, np.int64)), kinetic_record("gaussian", "leapfrog", 2), None, flow
        )
        record, state = record._replace(metric=DiagonalMap(np.ones(2))), new_state(2)
        state.moving.position[:], state.momentum[:] = [0.1, 0.2], [0.3, 0.25]
        trajectory = TrajectoryArrays(np.empty((9, 2)), np.empty((9, 2)), np.empty(9), np.empty(9))
        return run(record, state, 0.2, trajectory), trajectory, state.counters

    for name in ("leapfrog", "pefrl", "implicit_midpoint"):
        ended, trajectory, counters = path(follow, name)
        ended_too, trajectory_too, counters_too = path(follow.py_func, name)
        assert ended == ended_too == (9, 0)
        assert_array_equal(counters, counters_too)
        for ours, theirs in zip(trajectory, trajectory_too, strict=True):
            assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)


# Any kind of potential.


def test_expression_moves_as_the_ready_system(star):
    start = {"position": [0.1, 0.2], "momentum": [0.3, 0.25], "step_size": 0.1, "steps": 200}
    for name in ("leapfrog", "pefrl", "implicit_midpoint", "rk4", "gauss_legendre2"):
        ready, own = (simulate(chosen, integrator=name, **start) for chosen in ("henon_heiles", star))
        assert_allclose(own.position, ready.position, rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("name", ["leapfrog", "rk4"])
def test_model_moves_as_its_expression(model_system, expression_of_model, name):
    start = {"position": [0.4, -0.2], "momentum": [1.0, 0.5], "step_size": 0.1, "steps": 100}
    by_model, by_hand = (simulate(own, integrator=name, **start) for own in (model_system, expression_of_model))
    assert_allclose(by_model.position, by_hand.position, rtol=0, atol=1e-12)
    assert_allclose(by_model.momentum, by_hand.momentum, rtol=0, atol=1e-12)
    assert_allclose(by_model.energy_error, by_hand.energy_error, rtol=0, atol=1e-12)
    constant = by_model.potential_energy - by_hand.potential_energy
    assert_allclose(constant, 1.5 * np.log(2 * np.pi) + np.log(0.5), rtol=1e-8)  # the Gaussians' norms


def test_model_starts_at_its_initial_point(model):
    path = simulate(model, momentum=[1.0, 1.0], step_size=0.1, steps=3)
    assert_array_equal(path.position[0], [0.0, 0.0])
    assert path.labels == ("x", "z")


def test_dataset(star):
    path = simulate("kepler", step_size=0.01, steps=10)
    data = path.to_dataset()
    assert data.sizes == {"time": 11, "coordinate": 2}
    assert data["coordinate"].values.tolist() == ["x", "y"]
    assert_array_equal(data["position"].sel(coordinate="y"), path.position[:, 1])
    assert_array_equal(data["energy"], path.energy)
    assert data.attrs["method"] == "leapfrog"
    assert data["time"].values[-1] == pytest.approx(0.1)


# Beyond the limit of stability.


@pytest.mark.parametrize("name", METHODS)
def test_step_beyond_stability_is_reported_and_quiet(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = simulate("double_well", integrator=name, position=2.0, step_size=5.0, steps=500)
        row = path.finite_steps
        for values in (path.position, path.momentum, path.energy, path.potential_energy, path.kinetic_energy):
            assert np.isfinite(values[: row + 1]).all()
            assert np.isnan(values[row + 1 :]).all()
        assert path.times.shape == (501,)
        assert path.finite == (row == 500)
        assert "finite for" in repr(path) or path.finite
        if name in ("leapfrog", "explicit_euler", "rk4"):
            assert not path.finite


def test_edge_of_stability_of_leapfrog():
    inside, outside = (simulate("harmonic_oscillator", step_size=eps, steps=5000) for eps in (1.99, 2.01))
    assert inside.finite
    assert np.abs(inside.position).max() < 1.01
    assert not outside.finite


def test_expression_that_leaves_its_domain():
    path = simulate(lambda q: -pt.log(q[0]) - q[0], position=1.0, momentum=-3.0, step_size=0.5, steps=50)
    assert path.finite_steps == 0
    textbook = simulate(
        lambda q: -pt.log(q[0]) - q[0], integrator="rk4", position=1.0, momentum=-3.0, step_size=0.5, steps=50
    )
    assert textbook.finite_steps < 50


# What is said of bad input.

OK = {"step_size": 0.1, "steps": 3}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"potential": "pendulumm"}, ValueError, "unknown system 'pendulumm'; choose one of: harmonic_oscillator, "),
        ({"potential": "pendulumm"}, ValueError, "Did you mean 'pendulum'?"),
        ({"potential": 3.0}, TypeError, "potential must be the name of a system, a callable"),
        ({"potential": np.zeros}, ValueError, "position is needed with an expression"),
        ({"integrator": "leapforg"}, ValueError, "Did you mean 'leapfrog'?"),
        ({"integrator": None}, TypeError, "method must be a name (a string), got None"),
        ({"kinetic": "gausian"}, ValueError, "Did you mean 'gaussian'?"),
        (
            {"position": [1.0, 2.0]},
            ValueError,
            "position must be a vector of shape (1,), one entry per coordinate, got (2,)",
        ),
        (
            {"position": [[1.0]]},
            ValueError,
            "position must be a vector of shape (1,), one entry per coordinate, got (1, 1)",
        ),
        ({"momentum": []}, ValueError, "momentum must be a vector of shape (1,)"),
        ({"position": np.nan}, ValueError, "position must be finite, got position[0] = nan"),
        ({"momentum": [np.inf]}, ValueError, "momentum must be finite, got momentum[0] = inf"),
        ({"position": "1"}, TypeError, "position must be a vector of numbers, got '1'"),
        ({"momentum": {"q": 1.0}}, TypeError, "momentum must be a vector of numbers"),
        ({"momentum": [1j]}, TypeError, "momentum must be a vector of numbers"),
        ({"momentum": [[1.0], [1.0, 2.0]]}, TypeError, "momentum must be a vector of numbers"),
        ({"step_size": 0.0}, ValueError, "step_size must be positive and finite, got 0.0"),
        ({"step_size": -0.1}, ValueError, "step_size must be positive and finite"),
        ({"step_size": np.inf}, ValueError, "step_size must be positive and finite"),
        ({"step_size": "0.1"}, TypeError, "step_size must be a number"),
        ({"steps": 0}, ValueError, "steps must be a positive integer, got 0"),
        ({"steps": 2.5}, ValueError, "steps must be a positive integer"),
        ({"potential": "kepler", "position": [0.0, 0.0]}, ValueError, "position: the energy of kepler is not finite"),
    ],
)
def test_bad_input(change, error, words):
    with pytest.raises(error, match=re.escape(words)):
        simulate(**({"potential": "pendulum"} | OK | change))


def test_bad_start_is_reported_by_textbook_methods_too():
    with pytest.raises(ValueError, match="position: the energy of kepler is not finite at the start"):
        simulate("kepler", integrator="rk4", position=[0.0, 0.0], **OK)


@pytest.mark.parametrize(
    ("potential", "error", "words"),
    [
        (lambda q: q, ValueError, "must be a scalar, the energy in all, got an expression of 1 dimension; sum it"),
        (lambda q: q[:, None] * q, ValueError, "got an expression of 2 dimensions; sum it, as by .sum()"),
        (
            lambda q: 0.0,
            TypeError,
            "must return a scalar PyTensor expression of the vector q, got 0.0; build it from q",
        ),
        (lambda q: None, TypeError, "must return a scalar PyTensor expression"),
    ],
)
def test_expression_that_is_no_energy(potential, error, words):
    with pytest.raises(error, match=re.escape(words)):
        simulate(potential, position=[1.0, 2.0], momentum=[0.0, 0.0], **OK)


def test_missing_starts(star, model_system):
    with pytest.raises(
        ValueError, match=r"position is needed, as henon_heiles suggests none: a vector of shape \(2,\)"
    ):
        simulate(star, momentum=[0.0, 0.0], **OK)
    with pytest.raises(ValueError, match="momentum is needed, as model suggests none"):
        simulate(model_system, **OK)


def test_dim_of_systems(star):
    with pytest.raises(ValueError, match=r"dim is needed with a callable.*mechanics.system\(potential, dim\)"):
        mechanics.system(lambda q: q.sum())
    with pytest.raises(ValueError, match="dim must be 2, the number of coordinates of henon_heiles"):
        mechanics.system(star, 3)
    with pytest.raises(ValueError, match="dim must be a positive integer"):
        mechanics.system(lambda q: q.sum(), 0)
    with pytest.raises(ValueError, match=r"position must be a vector of shape \(2,\)"):
        mechanics.System("own", 2, lambda *_: 0, position=[1.0])


def test_discrete_variables_are_named(mixed_model):
    with pytest.raises(ValueError, match="potential: k of the model is discrete, and there is no motion without a"):
        simulate(mixed_model, momentum=[0.0, 0.0, 0.0], **OK)


def test_model_without_anything_to_move():
    with pm.Model() as empty:
        pm.Normal("y", observed=1.0)
    with pytest.raises(ValueError, match="no free continuous variable"):
        mechanics.system(empty)


def test_potential_that_raises(model_system):
    broken = mechanics.System("broken", 2, model_system.density)
    before = broken.density._full.function
    try:
        broken.density._full.function = lambda position: (_ for _ in ()).throw(KeyError("lost"))
        with pytest.raises(RuntimeError, match="the potential of broken raised KeyError: 'lost'"):
            broken.evaluate(np.zeros(2))
        broken.density._full.function = lambda position: (_ for _ in ()).throw(ZeroDivisionError)
        assert np.isnan(broken.evaluate(np.zeros(2))[0])
    finally:
        broken.density._full.function = before
