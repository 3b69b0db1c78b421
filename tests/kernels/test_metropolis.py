"""Lengths of trajectories, and what is a divergence."""

import numpy as np
import pytest
from laws.systems import DIM, POPULATIONS

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.metropolis import plan
from pymc_symplectic.trajectories import FixedSteps, FixedTime

from .runs import Run


@pytest.mark.parametrize(
    ("steps", "jitter", "low", "high"),
    [(10, 0.0, 10, 10), (10, 0.3, 7, 13), (10, 1.0, 1, 20), (10, 0.25, 8, 12), (1, 0.5, 1, 1), (1, 1.0, 1, 2)],
)
def test_steps_are_uniform_on_their_range(steps, jitter, low, high):
    rng = np.random.default_rng(1)
    rule = FixedSteps(steps, jitter).record(DIM, 1000.0)
    plans = [plan(rule, 0.1, rng) for _ in range(3000)]
    counts = np.bincount([taken for taken, _ in plans], minlength=high + 1)
    assert counts[:low].sum() == 0
    assert len(counts) == high + 1
    expected = 3000 / (high - low + 1)
    assert np.abs(counts[low:] - expected).max() < 5 * np.sqrt(expected)
    assert {eps for _, eps in plans} == {0.1}


@pytest.mark.parametrize("eps", [0.07, 0.5, 2.0, 100.0])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_time_is_kept_exactly_in_steps_no_longer_than_asked(jitter, eps):
    rng = np.random.default_rng(1)
    rule = FixedTime(3.0, jitter).record(DIM, 1000.0)
    plans = [plan(rule, eps, rng) for _ in range(1000)]
    times = np.array([steps * size for steps, size in plans])
    assert all(steps >= 1 and size <= eps for steps, size in plans)
    assert all(steps == 1 or size > eps * (steps - 1) / steps * (1 - 1e-12) for steps, size in plans)
    np.testing.assert_array_less(np.abs(times - 3.0), 3.0 * jitter + 1e-12)
    assert times.mean() == pytest.approx(3.0, abs=0.3 * jitter + 1e-12)


def test_time_is_cut_short_at_the_greatest_number_of_steps():
    rule = FixedTime(3.0, 0.0, max_steps=7).record(DIM, 1000.0)
    assert plan(rule, 0.01, np.random.default_rng(1)) == (7, 0.01)
    assert plan(rule, 1e-300, np.random.default_rng(1)) == (7, 1e-300)


@pytest.mark.parametrize("kind", [FixedSteps, FixedTime])
def test_repeats_thin_the_chain(kind):
    """The same numbers lead to the same points, of which every third is a draw; its row is of all three."""
    every = Run(eps=1.2, trajectory=kind(3, jitter=0.5)).advance(300)
    third = Run(eps=1.2, trajectory=kind(3, jitter=0.5, repeats=3)).advance(100)
    np.testing.assert_array_equal(third.draws, every.draws[2::3])
    together = every.rows.reshape(100, 3, -1)
    for sums in (column.TREE_SIZE, column.N_GRADIENTS):
        np.testing.assert_array_equal(third.rows[:, sums], together[:, :, sums].sum(axis=1))
    accept = together[:, :, column.MEAN_TREE_ACCEPT]
    assert accept.min() < 0.9 < accept.max()
    np.testing.assert_allclose(third.rows[:, column.MEAN_TREE_ACCEPT], accept.mean(axis=1))
    np.testing.assert_array_equal(third.rows[:, column.ENERGY], together[:, 2, column.ENERGY])
    errors = together[:, :, column.MAX_ENERGY_ERROR]
    np.testing.assert_array_equal(np.abs(third.rows[:, column.MAX_ENERGY_ERROR]), np.abs(errors).max(axis=1))


def test_a_draw_diverges_where_any_of_its_trajectories_does():
    every = Run(eps=1.2, max_energy_error=0.3, trajectory=FixedSteps(3)).advance(200).rows
    pairs = Run(eps=1.2, max_energy_error=0.3, trajectory=FixedSteps(3, repeats=2)).advance(100).rows
    diverging = every[:, column.DIVERGING].reshape(100, 2)
    assert (diverging.sum(axis=1) == 1).sum() > 0
    np.testing.assert_array_equal(pairs[:, column.DIVERGING], diverging.max(axis=1))


# Divergences: steps so long that the energy error grows and grows.


def test_a_trajectory_ends_where_its_energy_error_passes_the_threshold():
    rows = {}
    for limit in (1.0, 100.0):
        row = Run(eps=4.0, max_energy_error=limit, trajectory=FixedSteps(8)).advance(100).rows
        rows[limit] = row
        diverging = row[:, column.DIVERGING] == 1
        assert diverging.sum() > 50
        assert (row[diverging, column.MAX_ENERGY_ERROR] > limit).all()
        assert (row[~diverging, column.MAX_ENERGY_ERROR] <= limit).all()
        assert (row[diverging, column.MEAN_TREE_ACCEPT] == 0).all()
        assert (row[diverging, column.ENERGY_ERROR] == 0).all()  # of the draw that is stored, which is the old one
        assert (row[~diverging, column.TREE_SIZE] == 8).all()
    assert rows[1][:, column.TREE_SIZE].mean() <= rows[100][:, column.TREE_SIZE].mean()


def test_no_energy_error_is_a_divergence_where_there_is_no_threshold():
    gaussian = POPULATIONS["gaussian"].logp
    rows = Run(logp=gaussian, eps=4.0, max_energy_error=np.inf, trajectory=FixedSteps(8)).advance(100).rows
    assert not rows[:, column.DIVERGING].any()
    assert rows[:, column.MAX_ENERGY_ERROR].max() > 1e6
