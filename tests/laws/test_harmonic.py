"""The harmonic drift: what every flow is trusted for, whatever the Gaussian that it turns about, and when it is exact.

The means below are wrong on purpose, and the metrics those that other laws are tried with.
"""

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from pymc_symplectic import integrators, trajectories
from pymc_symplectic.kernels import linear
from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.trajectories import FixedSteps, NoUTurn

from .moves import UntransposedMap, WanderingSplit, drift_untransposed, kick_untransposed
from .systems import _A, DIM, METRICS, OFF, POPULATIONS, flow_of, matrix_of, some_map, system
from .test_flows import STARTS, arrive, exact_ends, gap_after_return, measured_order, springs_with, symplectic_defect
from .test_invariance import FEW, MANY, holds

FREE = ["leapfrog", "minimal_error3", "yoshida4", "pefrl", "blanes_moan6"]  # one that begins with a drift among them
FLOWS = {**integrators.HARMONIC, **{f"harmonic_{name}": integrators.get(name).harmonic() for name in FREE}}

every_flow = pytest.mark.parametrize("flow", FLOWS)
every_metric = pytest.mark.parametrize("metric", METRICS)


def springs_about_off(flow, metric):
    return springs_with(FLOWS[flow].record(DIM, OFF), metric=metric)


@every_metric
@every_flow
def test_order_is_that_of_the_coefficients(flow, metric):
    order = measured_order(springs_about_off(flow, metric), exact_ends("gaussian", metric))
    assert order == pytest.approx(FLOWS[flow].order, abs=0.3)  # which is even


@every_metric
@every_flow
def test_reversible(flow, metric):
    assert gap_after_return(springs_about_off(flow, metric), steps=1) < 1e-13
    assert gap_after_return(springs_about_off(flow, metric)) < 1e-11


@every_metric
@every_flow
def test_symplectic(flow, metric):
    assert symplectic_defect(springs_about_off(flow, metric)) < 1e-13


def test_a_drift_that_is_no_rotation_is_not_symplectic(monkeypatch):
    def solve_half(metric, vector):
        vector *= 0.5

    for table, move in (("_KICKS", kick_untransposed), ("_DRIFTS", drift_untransposed), ("_SOLVES", solve_half)):
        monkeypatch.setitem(getattr(linear, table), UntransposedMap, move)
    wrong = UntransposedMap(matrix_of(some_map("dense")))
    assert symplectic_defect(springs_about_off("harmonic_leapfrog", "dense")._replace(metric=wrong)) > 1e-3


# Its own Gaussian.


def gaussian_with(flow, factor):
    """The Gaussian population, whose mean is zero, under the fit N(0, L Lᵀ)."""
    flow = FLOWS[flow].record(DIM, np.zeros(DIM))
    return system(POPULATIONS["gaussian"].logp, springs_with("leapfrog").kinetic, DenseMap(factor), flow)


@pytest.mark.parametrize("eps", [0.1, 1.0, math.pi / 2, 3.1, -7.0])
@every_flow
def test_exact_on_its_own_gaussian_at_any_step(flow, eps):
    turn = np.array([[math.cos(3 * eps), math.sin(3 * eps)], [-math.sin(3 * eps), math.cos(3 * eps)]])
    for start in STARTS:
        np.testing.assert_allclose(arrive(gaussian_with(flow, _A), start, eps, 3), turn @ start, rtol=0, atol=1e-12)


def largest_after(steps, eps, delta):
    """How far kick-rotate-kick gets on a target whose variance is 1/(1 + δ) of the fit."""
    stretched = gaussian_with("harmonic_leapfrog", math.sqrt(1 + delta) * _A)
    return max(np.abs(arrive(stretched, start, eps, steps)).max() for start in STARTS)


@pytest.mark.parametrize("delta", [0.05, 0.5, 3.0, 50.0])
def test_limit_of_stability_where_the_target_is_narrower(delta):
    limit = brentq(lambda eps: delta * eps * math.tan(eps / 2) - 2, 1e-6, math.pi - 1e-6)
    assert largest_after(2000, 0.99 * limit, delta) < 100
    assert largest_after(2000, 1.01 * limit, delta) > 1e10


@pytest.mark.parametrize("delta", [-0.05, -0.5, -0.99])
@pytest.mark.parametrize("eps", [0.3, 1.5, 3.1])
def test_stable_up_to_half_a_turn_where_the_target_is_wider(eps, delta):
    assert largest_after(2000, eps, delta) < 100


def test_error_of_sbab2_falls_with_the_fourth_power_where_the_fit_is_close():
    def error(flow, eps):
        start, tried = STARTS[0], gaussian_with(flow, math.sqrt(1 + 1e-4) * _A)
        end = arrive(tried, start, eps, 1)
        energies = [0.5 * ((1 + 1e-4) * z @ z + r @ r) for z, r in (start, end)]
        return abs(energies[1] - energies[0]) / eps

    for flow, power in (("harmonic_leapfrog", 2), ("harmonic_sbab2", 4)):
        assert math.log2(error(flow, 0.4) / error(flow, 0.2)) == pytest.approx(power, abs=0.3)


# The target stays as it is.

CASES = list(product(METRICS, trajectories.CATALOGUE))


@pytest.mark.parametrize(("metric", "trajectory", "flow", "population"), [
    (*case, list(FLOWS)[i % len(FLOWS)], list(POPULATIONS)[(i + i // 3) % 3]) for i, case in enumerate(CASES)
])  # fmt: skip
def test_invariant(metric, trajectory, flow, population):
    assert holds(population, trajectory, flow=FLOWS[flow].record(DIM, OFF), metric=metric)


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("trajectory", ["fixed_time", "no_u_turn"])
@pytest.mark.parametrize("flow", integrators.HARMONIC)
def test_every_name_is_invariant(flow, trajectory, population):
    assert holds(population, trajectory, flow=flow_of(flow), metric="dense", count=FEW)


@pytest.mark.parametrize("chosen", [FixedSteps(6, jitter=0.5), NoUTurn()], ids=lambda chosen: chosen.name)
def test_invariant_with_a_threshold_of_divergence_that_bites(chosen):
    rule = chosen.record(DIM, 2.0)
    assert holds("student", rule, flow=flow_of("harmonic_leapfrog"), metric="low_rank", count=MANY)


@pytest.mark.parametrize("population", ["gumbel", "student"])
def test_mean_that_follows_the_chain_is_noticed(population):
    flow = flow_of("harmonic_leapfrog")
    held, following = (flow._replace(split=WanderingSplit(flow.split, share)) for share in (0.0, 0.5))
    assert holds(population, "fixed_steps", flow=held, metric="dense")
    assert not holds(population, "fixed_steps", flow=following, metric="dense")
