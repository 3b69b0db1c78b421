"""Divided steps: what they do to a trajectory, what they cost, and what is seen of them."""

import numpy as np
import pytest
from laws.moves import leap_there_and_back
from laws.systems import DIM, POPULATIONS, flow_of, map_for, matrix_of, system

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.kinetic import GaussianEnergy
from pymc_symplectic.kernels.state import new_state
from pymc_symplectic.trajectories import NoUTurn

from .runs import Run

NO_LIMIT = 1e300


def run(count, *, seed=1, eps=0.4, population="gumbel", **fields):
    return Run(trajectory=NoUTurn(**fields), eps=eps, seed=seed, logp=POPULATIONS[population].logp).advance(count)


def test_where_nothing_is_divided_draws_are_the_same_at_the_same_cost():
    plain, refined = (
        run(300, eps=0.9, population="student", **fields) for fields in ({}, {"refine": 6, "refine_above": 50.0})
    )
    np.testing.assert_allclose(refined.draws, plain.draws, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(refined.rows, plain.rows, rtol=1e-9, atol=1e-9)


def test_trials_and_walks_back_are_counted():
    rows = run(300, eps=1.6, refine=4, refine_above=0.3).rows
    more = rows[:, column.N_GRADIENTS] - rows[:, column.TREE_SIZE]
    assert more.min() == 0 and (more > 0).mean() > 0.2


def test_the_step_size_is_tuned_by_whole_steps():
    """The first step of a trajectory is the same, and so is what is seen of it, whether it is divided then or not."""
    accepted = np.array(
        [
            [
                run(1, seed=seed, eps=1.8, max_depth=1, **fields).rows[0, column.MEAN_TREE_ACCEPT]
                for fields in ({}, {"refine": 5, "refine_above": 0.2})
            ]
            for seed in range(60)
        ]
    )
    assert (accepted < 0.7).any()
    np.testing.assert_allclose(accepted[:, 0], accepted[:, 1], rtol=1e-12)


def test_errors_along_a_trajectory_are_those_of_divided_steps():
    plain, refined = (run(300, eps=1.4, **fields).rows for fields in ({}, {"refine": 6, "refine_above": 0.2}))
    errors = [np.abs(rows[~(rows[:, column.DIVERGING] > 0), column.ENERGY_ERROR]) for rows in (plain, refined)]
    assert np.quantile(errors[1], 0.95) < 0.5 * np.quantile(errors[0], 0.95)


def test_a_divergence_is_left_where_no_division_will_do():
    few, many = (run(300, eps=4.0, refine=levels, refine_above=0.2).rows for levels in (1, 8))
    assert few[:, column.DIVERGING].mean() > 0.5
    assert many[:, column.DIVERGING].sum() == 0
    assert (many[:, column.TREE_SIZE] == 1).any()  # and where a step cannot be retraced, a trajectory just ends


def test_the_path_of_a_step_is_its_displacement():
    """In whitened coordinates, a step of which the parts are short; two ends alone tell little of it."""
    rng, count, eps = np.random.default_rng(2), 200, 2.0
    metric = map_for("gumbel", "dense")
    tried = system(POPULATIONS["gumbel"].logp, GaussianEnergy(np.empty(0)), metric, flow_of("leapfrog"))
    stepping = NoUTurn(refine=8, refine_above=0.01).record(DIM, NO_LIMIT).stepping
    starts, momenta = POPULATIONS["gumbel"].draw(rng, count), rng.standard_normal((count, DIM))
    whitened = np.linalg.inv(matrix_of(metric))
    seen = []
    for start, momentum in zip(starts, momenta, strict=True):
        ends, outcomes = np.zeros((1, 4, DIM)), np.zeros((1, 3))
        stepping.path[:] = 0.0
        leap_there_and_back(stepping, tried, new_state(DIM), eps, start[None], momentum[None], ends, outcomes)
        if (outcomes[0, :2] == 0).all():
            there = whitened @ (ends[0, 0] - start) / eps
            # the way back, whose velocities are the same, has been added to the way there
            seen.append([there - 0.5 * stepping.path, there - 0.5 * (momentum + ends[0, 1])])
    by_parts, by_ends = np.abs(seen).max(axis=(0, 2))
    assert len(seen) > 20
    assert by_parts < 0.06 < 0.3 < by_ends


@pytest.mark.parametrize("flow", ["leapfrog", "pefrl"])
def test_a_wall_is_one_from_either_side(flow):
    """Where there is no density at all, no division helps: the trajectory ends as ever."""
    from .test_chain import WALLED

    chain = Run(flow=flow, logp=WALLED, data=np.zeros(1, np.int64), trajectory=NoUTurn(refine=4), eps=0.9)
    result = chain.advance(400)
    assert result.draws[:, 0].max() <= 0.7
    assert 0 < result.rows[:, column.DIVERGING].sum() < 400
    assert np.isfinite(result.rows[:, column.MEAN_TREE_ACCEPT]).all()
