"""Trajectories as values: what they accept, what they refuse, and how long they come out."""

import dataclasses
import math
import pickle
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.chain import longest_step
from pymc_symplectic.kernels.metropolis import plan
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.trajectories import CATALOGUE, TrajectoryRule, divergence_limits, get, register


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_steps_that_make_no_trajectory(steps):
    with pytest.raises(ValueError, match=rf"steps must be a positive integer, got {steps}"):
        ps.FixedSteps(steps)


@pytest.mark.parametrize("time", [0, -0.5, np.nan, np.inf])
def test_times_that_make_no_trajectory(time):
    with pytest.raises(ValueError, match=rf"time must be positive and finite, got {time}"):
        ps.FixedTime(time)


@pytest.mark.parametrize("max_steps", [0, -3, 2.5])
def test_limits_of_steps(max_steps):
    with pytest.raises(ValueError, match=rf"max_steps must be a positive integer, got {max_steps}"):
        ps.FixedTime(max_steps=max_steps)


@pytest.mark.parametrize("number", [10**15, 1e300])
@pytest.mark.parametrize(
    ("kind", "name"),
    [(ps.FixedTime, "max_steps"), (ps.FixedTime, "repeats"), (ps.FixedSteps, "steps"), (ps.Surrogate, "repeats")],
)
def test_steps_that_never_end(kind, name, number):
    with pytest.raises(ValueError, match=f"{name} must be at most 1073741824, got 1"):
        kind(**{name: number})


@pytest.mark.parametrize("kind", [ps.FixedSteps, ps.FixedTime])
@pytest.mark.parametrize("repeats", [0, -2, 1.5])
def test_repeats_that_make_no_draw(kind, repeats):
    with pytest.raises(ValueError, match=rf"repeats must be a positive integer, got {repeats}"):
        kind(repeats=repeats)


@pytest.mark.parametrize("max_depth", [0, -1, 31, 2.5])
def test_limits_of_depth(max_depth):
    with pytest.raises(ValueError, match=rf"max_depth must be an integer from 1 to 30, got {max_depth}"):
        ps.NoUTurn(max_depth)


@pytest.mark.parametrize("refine", [-1, 21, 1.5, np.nan])
def test_limits_of_refinement(refine):
    with pytest.raises(ValueError, match=rf"refine must be an integer from 0 to 20, got {refine}"):
        ps.NoUTurn(refine=refine)


@pytest.mark.parametrize("above", [0, -1.0, np.nan, np.inf])
def test_energies_above_which_no_step_can_be_refined(above):
    with pytest.raises(ValueError, match=rf"refine_above must be positive and finite, got {above}"):
        ps.NoUTurn(refine_above=above)


@pytest.mark.parametrize("kind", [ps.FixedSteps, ps.FixedTime])
@pytest.mark.parametrize("jitter", [-0.1, 1.1, np.nan, np.inf])
def test_jitter_outside_of_the_unit_interval(kind, jitter):
    with pytest.raises(ValueError, match=rf"jitter must be in \[0, 1\], got {jitter}"):
        kind(jitter=jitter)


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue(name):
    trajectory = get(name)
    assert type(trajectory) is CATALOGUE[name]
    assert trajectory.name == name
    assert trajectory == CATALOGUE[name]()
    assert get(trajectory) is trajectory
    assert pickle.loads(pickle.dumps(trajectory)) == trajectory
    assert isinstance(trajectory, TrajectoryRule)


@pytest.mark.parametrize("name", CATALOGUE)
def test_frozen(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        get(name).max_steps = 3


def test_spelling():
    assert get("Fixed Time") == get("fixed-time") == ps.FixedTime()
    assert get("NUTS") == get("no u turn") == ps.NoUTurn()


def test_unknown_names():
    with pytest.raises(
        ValueError, match=r"unknown trajectory 'fixed_tme'; choose one of: .*Did you mean 'fixed_time'\?"
    ):
        get("fixed_tme")
    with pytest.raises(TypeError, match=r"trajectory must be a name .*, got 10; choose one of: auto, fixed_steps"):
        get(10)


def planned(trajectory, eps, count=400):
    rule, rng = trajectory.record(3, 1000.0), np.random.default_rng(2)
    steps, sizes = zip(*[plan(rule, eps, rng) for _ in range(count)], strict=True)
    return np.array(steps), np.array(sizes)


@pytest.mark.parametrize("steps", [1, 7, np.int64(7), 7.0])
def test_fixed_steps(steps):
    taken, sizes = planned(ps.FixedSteps(steps), 0.3)
    assert set(taken) == {int(steps)}
    assert set(sizes) == {0.3}


@pytest.mark.parametrize(
    ("steps", "jitter", "numbers"), [(10, 0.3, range(7, 14)), (10, 0.04, [10]), (1, 1.0, [1, 2]), (3, 1.0, range(1, 7))]
)
def test_jittered_steps_take_every_number_in_their_range(steps, jitter, numbers):
    taken, _ = planned(ps.FixedSteps(steps, jitter), 0.3)
    assert set(taken) == set(numbers)
    share = [np.mean(taken == number) for number in numbers]
    np.testing.assert_allclose(share, 1 / len(numbers), atol=0.07)


@pytest.mark.parametrize("eps", [0.01, 0.3, 1.0, 1.0000001, 5.0])
def test_fixed_time_is_kept(eps):
    taken, sizes = planned(ps.FixedTime(1.0, jitter=0.0), eps)
    np.testing.assert_allclose(taken * sizes, 1.0, rtol=1e-12)
    assert np.all(sizes <= eps)
    assert set(taken) == {math.ceil(1.0 / eps)}


def test_jittered_time_is_uniform():
    taken, sizes = planned(ps.FixedTime(2.0, jitter=0.5), 0.1, count=2000)
    times = taken * sizes
    assert 1.0 <= times.min() < 1.02
    assert 2.98 < times.max() <= 3.0
    assert times.mean() == pytest.approx(2.0, abs=0.05)
    assert times.var() == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.parametrize("eps", [1e-3, 1e-300])
def test_time_is_cut_short(eps):
    taken, sizes = planned(ps.FixedTime(1.0, jitter=0.0, max_steps=20), eps, count=1)
    assert (taken[0], sizes[0]) == (20, eps)


@pytest.mark.parametrize("trajectory", [ps.FixedSteps(4, jitter=0.5), ps.FixedTime(1.0), ps.NoUTurn(3)], ids=repr)
def test_what_was_asked_for_is_what_runs(trajectory, sample, schools):
    step = ps.HMC(model=schools, trajectory=trajectory, step_size=0.25, metric="identity")
    stats = sample(step, schools, tune=0).sample_stats
    steps = stats["n_steps"].to_numpy()[~stats["diverging"].to_numpy()]  # a divergence cuts it short
    if isinstance(trajectory, ps.NoUTurn):
        assert set(steps) <= set(range(1, 8))
        assert steps.max() == 7
    elif isinstance(trajectory, ps.FixedSteps):
        assert set(steps) == {2, 3, 4, 5, 6}
    else:
        assert set(steps) == {3, 4, 5, 6}


# Rules of one's own.


class CoinRule(NamedTuple):
    longer: int
    repeats: int
    max_energy_error: float
    max_energy_range: float


def _toss(rule, eps, rng):
    return (1 if rng.random() < 0.5 else rule.longer), eps


class Coin(TrajectoryRule):
    name = "coin"

    def record(self, dim, max_energy_error):
        return CoinRule(3, 1, *divergence_limits(max_energy_error))


@pytest.mark.parametrize("functions", [{}, {"plan": _toss, "transition": _toss}])
def test_a_rule_is_a_plan_or_a_transition(functions):
    with pytest.raises(TypeError, match=r"either plan=\.\.\. or transition=\.\.\., and not both"):
        register(CoinRule, **functions)


def test_a_rule_of_ones_own_is_what_runs():
    register(CoinRule, plan=_toss)
    rule = Coin().record(1, 1000.0)
    assert longest_step(rule, 5.0) == 5.0
    with pm.Model() as model:
        pm.Normal("x")
    chain = Chain(LogDensity(model=model), Settings.choose(trajectory=Coin(), step_size=0.5), np.random.default_rng(1))
    chain.start(np.zeros(1))
    draws, rows = chain.advance(3000)
    steps, counts = np.unique(rows[:, column.TREE_SIZE], return_counts=True)
    assert steps.tolist() == [1, 3] and abs(counts[0] - 1500) < 150
    assert abs(draws.std() - 1) < 0.15
    with pytest.raises(ValueError, match=r"choose trajectory=ps\.FixedSteps"):
        Settings.choose(trajectory=Coin(), refreshment=ps.Partial(0.5))
