"""Plots of motion: what is drawn is what was computed."""

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose

from pymc_symplectic import kinetic, mechanics, plots


def line(ax, label):
    """Coordinates of the one line of a label."""
    (found,) = [each for each in ax.get_lines() if each.get_label() == label]
    return np.array(found.get_data(), dtype=float)


# Phase portraits.


def test_separatrix_of_the_pendulum():
    ax = plots.phase_portrait("pendulum", ())
    curves = [each for each in ax.collections if list(each.get_linewidths()) == [1.4]]
    (separatrix,) = curves
    q, p = np.concatenate([path.vertices for path in separatrix.get_paths()]).T
    assert_allclose(np.abs(p), 2 * np.abs(np.cos(q / 2)), atol=0.02)  # H = 2
    assert [text.get_text() for text in ax.texts] == ["separatrix"]
    assert ax.get_xlabel() == "angle q (radians)"
    assert "π" in ax.get_xticklabels()[-1].get_text()


def test_level_curves_are_those_of_the_energy():
    ax = plots.phase_portrait("double_well", ())
    levels, separatrix = ax.collections
    for level, path in zip(levels.levels, levels.get_paths(), strict=True):
        q, p = path.vertices.T
        assert_allclose((q**2 - 1) ** 2 / 4 + p**2 / 2, level, atol=0.02)
    assert_allclose(separatrix.levels, [0.25], atol=1e-8)


def test_an_oscillator_has_no_separatrix():
    ax = plots.phase_portrait("harmonic_oscillator", ())
    assert len(ax.collections) == 1
    assert not ax.texts


def test_portrait_has_the_states_of_the_motion():
    ax = plots.phase_portrait(
        "double_well", ["leapfrog", "explicit_euler"], starts=[(1.2, 0.1)], step_size=0.1, steps=20
    )
    for name in ("leapfrog", "explicit_euler"):
        path = mechanics.simulate("double_well", "gaussian", name, position=1.2, momentum=0.1, step_size=0.1, steps=20)
        drawn = line(ax, name)[:, :-1]  # the last is a gap
        assert_allclose(drawn, [path.position[:, 0], path.momentum[:, 0]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["leapfrog", "explicit_euler"]


def test_a_pendulum_that_goes_round_stays_in_view():
    ax = plots.phase_portrait("pendulum", "leapfrog", starts=[(0.0, 2.5)], step_size=0.1, steps=200)
    q, p = line(ax, "leapfrog")
    left, right = ax.get_xlim()
    inside = q[(q > left) & (q < right)]
    assert inside.max() > 0.95 * right  # it leaves to the right and comes in from the left
    assert inside.min() < 0.95 * left
    seen = np.isfinite(q)
    assert_allclose(1 - np.cos(q[seen]) + p[seen] ** 2 / 2, 2.5**2 / 2, atol=0.01)


def test_portrait_of_a_kinetic_energy():
    ax = plots.phase_portrait("pendulum", (), kinetic=kinetic.Relativistic(c=1.0))
    separatrix = ax.collections[1]
    q, p = np.concatenate([path.vertices for path in separatrix.get_paths()]).T
    assert_allclose(1 - np.cos(q) + np.sqrt(p**2 + 1) - 1, 2.0, atol=0.02)


def test_portrait_of_a_system_of_ones_own():
    def quartic(data, position, gradient, value):
        value[0] = -(position[0] ** 4) / 4
        gradient[0] = -(position[0] ** 3)
        return 0

    own = mechanics.System("quartic_well", 1, quartic, position=(1.0,), momentum=(0.0,), labels=("x",))
    ax = plots.phase_portrait(own, steps=80)
    assert ax.get_xlabel() == "position x"
    assert ax.get_title(loc="left").startswith("Quartic well")
    left, right = ax.get_xlim()
    assert -2 < left < -1 < 1 < right < 2
    assert len(ax.collections) == 1


def test_window_as_asked_for():
    ax = plots.phase_portrait("pendulum", (), window=((-10, 10), (-1, 1)))
    assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-10, 10), (-1, 1)])
    assert len(ax.get_xticks()) <= 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"system": "kepler"}, "system: a phase portrait has one position.*kepler has 2"),
        ({"system": "pendulun"}, "unknown system 'pendulun'; choose one of: .*Did you mean 'pendulum'"),
        ({"methods": "euler2"}, "unknown method 'euler2'; choose one of"),
        ({"kinetic": "newton"}, "unknown kinetic energy 'newton'; choose one of"),
        ({"starts": [0.0, 1.0]}, r"starts must be of shape \(n, 2\)"),
        ({"window": (-1, 1)}, r"window must be \(\(lowest q, highest q\)"),
        ({"window": ((1, -1), (0, 1))}, "each from low to high"),
        ({"step_size": -1.0}, "step_size must be positive"),
        ({"steps": 0}, "steps must be a positive integer"),
    ],
)
def test_bad_portraits(options, message):
    with pytest.raises(ValueError, match=message):
        plots.phase_portrait(**options)


def test_starts_that_are_no_numbers():
    with pytest.raises(TypeError, match="starts must be pairs of position and momentum"):
        plots.phase_portrait(starts="here")


# Methods side by side.


def test_euler_spirals_and_leapfrog_stays():
    methods = ["explicit_euler", "backward_euler", "leapfrog"]
    axes = plots.integrators_on("harmonic_oscillator", methods, step_size=0.2, steps=40)
    radius = {name: np.hypot(*line(ax, name)) for name, ax in zip(methods, axes, strict=True)}
    assert_allclose(radius["explicit_euler"], 1.04 ** (np.arange(41) / 2))
    assert radius["backward_euler"][-1] < 0.5
    assert_allclose(radius["leapfrog"], 1.0, atol=0.01)
    assert_allclose(np.hypot(*line(axes[0], "exact")), 1.0, atol=1e-6)
    assert [ax.get_title(loc="left").strip() for ax in axes] == methods
    colours = [ax.get_lines()[1].get_color() for ax in axes]
    assert colours[0] == colours[1] != colours[2]
    assert [ax.texts[0].get_text() for ax in axes] == ["energy × 4.8", "energy −79 %", "energy within 1 %"]


def test_orbits_in_two_dimensions():
    axes = plots.integrators_on("kepler", ["leapfrog"], step_size=0.02, steps=100)
    path = mechanics.simulate("kepler", step_size=0.02, steps=100)
    assert_allclose(line(axes[0], "leapfrog"), path.position.T)
    assert axes[0].figure.get_supxlabel() == "x"


def test_a_motion_that_breaks_down():
    axes = plots.integrators_on("henon_heiles", ["explicit_euler"], step_size=1.0, steps=200)
    assert "breaks down after" in axes[0].texts[0].get_text()


def test_symplectic_methods_are_known_by_their_coefficients():
    axes = plots.integrators_on(methods=["gauss_legendre4", "adams_bashforth4", "symplectic_euler"], steps=8)
    colours = [ax.get_lines()[1].get_color() for ax in axes]
    assert colours[0] == colours[2] != colours[1]


def test_three_coordinates_are_too_many_for_an_orbit():
    three = mechanics.System("three", 3, lambda data, position, gradient, value: 0)
    with pytest.raises(ValueError, match="system: orbits are drawn of one or two coordinates, and three has 3"):
        plots.integrators_on(three)


# Energy.


def test_energy_error_is_the_largest_so_far():
    ax = plots.energy_error("pendulum", {"mine": "rk4"}, step_size=0.3, steps=200)
    path = mechanics.simulate("pendulum", integrator="rk4", step_size=0.3, steps=200)
    times, error = line(ax, "mine")
    assert_allclose(times, path.times[1:])
    assert_allclose(error, np.maximum.accumulate(np.abs(path.energy_error[1:])))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.texts] == ["mine"]


def test_energy_error_marks_where_a_motion_ran_away():
    ax = plots.energy_error("henon_heiles", ["explicit_euler", "leapfrog"], step_size=0.5, steps=300)
    crosses = [each for each in ax.get_lines() if each.get_marker() == "x"]
    assert len(crosses) == 1
    assert crosses[0].get_xdata()[0] < 150


# Work and precision.


def test_work_precision_shows_orders():
    methods = {"two": "leapfrog", "four": "yoshida4", "runge": "rk4"}
    ax = plots.work_precision("pendulum", methods, error="end", time=4.0, cheapest=20, dearest=320, points=5)
    for label, order, per_step in (("two", 2, 1), ("four", 4, 3), ("runge", 4, 4)):
        (found,) = [each for each in ax.get_lines() if each.get_label().startswith(label)]
        work, error = found.get_data()
        assert_allclose(work, [20, 40, 80, 160, 320], rtol=0.15)
        assert np.log2(error[-2] / error[-1]) == pytest.approx(order, abs=0.2)
        steps = round((4.0 * work[-1]) / per_step)
        assert steps == pytest.approx(4.0 * 320 / per_step, abs=2)
    legend = {text.get_text() for text in ax.get_legend().get_texts()}
    assert "two  (−2.0)" in legend


def test_work_precision_of_the_energy():
    ax = plots.work_precision("henon_heiles", "leapfrog", time=5.0, cheapest=4, dearest=40, points=3)
    error = ax.get_lines()[0].get_ydata()
    for per_time, seen in zip([4, np.sqrt(160), 40], error, strict=True):
        steps = round(5.0 * per_time)
        path = mechanics.simulate("henon_heiles", step_size=5.0 / steps, steps=steps)
        assert seen == pytest.approx(np.abs(path.energy_error).max())
    assert ax.get_ylabel() == "largest energy error"


def test_true_end_without_a_closed_solution():
    closed = plots.work_precision("pendulum", "leapfrog", error="end", time=2.0, points=3)
    pendulum = mechanics.SYSTEMS["pendulum"]
    own = mechanics.System("own", 1, pendulum.density, position=(2.0,), momentum=(0.0,))
    searched = plots.work_precision(own, "leapfrog", error="end", time=2.0, points=3)
    assert_allclose(searched.get_lines()[0].get_ydata(), closed.get_lines()[0].get_ydata(), rtol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error": "momentum"}, "unknown error 'momentum'; choose one of: energy, end"),
        ({"cheapest": 10, "dearest": 5}, "cheapest must be less than dearest, got 10 and 5"),
        ({"time": -1}, "time must be positive"),
        ({"points": 1}, "points must be an integer of at least 2"),
        ({"system": "kepler2"}, "unknown system 'kepler2'"),
    ],
)
def test_bad_work_precision(options, message):
    with pytest.raises(ValueError, match=message):
        plots.work_precision(**options)


# Trajectories over a log-density.


@pytest.fixture(scope="module")
def correlated():
    with pm.Model() as model:
        a = pm.Normal("a")
        b = pm.Normal("b", 0.8 * a, 0.6, shape=2)
        pm.Normal("y", b, 1.0, observed=[0.5, -0.5])
    return mechanics.system(model)


def test_trajectory_on_slice(correlated):
    start, momentum = np.array([0.2, 0.1, -0.3]), np.array([1.0, -0.5, 0.4])
    ax = plots.trajectory_on_slice(
        correlated, ["a", "b[1]"], position=start, momentum=momentum, step_size=0.05, steps=20
    )
    path = mechanics.simulate(correlated, position=start, momentum=momentum, step_size=0.05, steps=20)
    assert_allclose(line(ax, "leapfrog"), path.position[:, [0, 2]].T)
    assert_allclose(line(ax, "start").ravel(), start[[0, 2]])
    assert_allclose(line(ax, "end").ravel(), path.position[-1, [0, 2]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b[1]")
    assert "slice of 3 dimensions" in ax.get_title(loc="left")
    curves = ax.collections[1]
    for level, contour in zip(curves.levels, curves.get_paths(), strict=True):
        for x, y in contour.vertices[:: max(1, len(contour.vertices) // 5)]:
            assert -correlated.evaluate(np.array([x, 0.1, y]))[0] == pytest.approx(level, abs=0.02)


def test_momentum_is_drawn_by_the_seed(correlated):
    ends = [
        line(plots.trajectory_on_slice(correlated, steps=3, seed=seed, kinetic="relativistic"), "end").tolist()
        for seed in (1, 1, 2)
    ]
    assert ends[0] == ends[1] != ends[2]


def test_a_trajectory_that_runs_away_is_seen_until_it_does():
    ax = plots.trajectory_on_slice("henon_heiles", step_size=4.0, steps=50, position=[0.1, 0.1], momentum=[0.2, 0.1])
    assert "breaks down after" in ax.get_title(loc="left")
    assert np.ptp(ax.get_xlim()) < 1e4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "pendulum"}, "model: a slice has two coordinates, and pendulum has but one; see phase_portrait"),
        ({"coordinates": ["x", "z"]}, "unknown coordinate 'z'; choose two of: x, y"),
        ({"coordinates": ["x"]}, "coordinates must be two, got 1; there are: x, y"),
        ({"coordinates": "x"}, "coordinates must be two, got 1"),
        ({"coordinates": [0, 0]}, "two different ones, got x twice"),
        ({"coordinates": [0, 2]}, "coordinates must be an integer from 0 to 1"),
        ({"position": [1.0]}, r"position must be a vector of shape \(2,\)"),
    ],
)
def test_bad_slices(options, message):
    with pytest.raises(ValueError, match=message):
        plots.trajectory_on_slice(**{"model": "henon_heiles", **options})
