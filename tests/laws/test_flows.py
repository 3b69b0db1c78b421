"""Laws of every flow: its order, that it retraces its steps, and that it is symplectic.

Order and reversibility are measured on compiled kernels.  Symplecticity is measured on the same kernels run as plain
Python on complex numbers, where f(x + ih) = f(x) + ih f'(x) gives derivatives to the last digit.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pymc_symplectic.integrators import Integrator
from pymc_symplectic.kernels import linear
from pymc_symplectic.kernels.address import LOGP, VELOCITY, AddressedFunction
from pymc_symplectic.kernels.flow import Composition
from pymc_symplectic.kernels.kinetic import velocity_of
from pymc_symplectic.kernels.state import new_state

from .moves import UntransposedMap, drift_untransposed, kick_untransposed, travel
from .systems import DATA, DIM, INTEGRATORS, KINETIC, METRICS, SPRINGS, matrix_of, some_map, springs, system
from .unions import united

# What a flow is combined with: each metric, and then each kinetic energy.
SURROUNDINGS = [("gaussian", name) for name in METRICS]
# Not the lightest tails of momenta, for which the steps below are too long.
SURROUNDINGS += [(name, "dense") for name in KINETIC if name not in ("gaussian", "light_power")]

every_flow = pytest.mark.parametrize("flow", INTEGRATORS)
everywhere = pytest.mark.parametrize(("kinetic", "metric"), SURROUNDINGS)
# A velocity that was learned has corners, and neither methods nor reference solutions have an order across them.
where_smooth = pytest.mark.parametrize(("kinetic", "metric"), [case for case in SURROUNDINGS if "adaptive" not in case])

UNEVEN = Composition(kicks=np.array([0.3, 0.7]), drifts=np.array([1.0]))  # consistent, but not a palindrome
STARTS = np.random.default_rng(5).uniform(-0.7, 0.7, (4, 2, DIM))  # positions and momenta, both whitened


def springs_with(flow, kinetic="gaussian", metric="dense"):
    flow = precise(INTEGRATORS[flow]).record(DIM) if isinstance(flow, str) else flow
    return system(SPRINGS, KINETIC[kinetic], some_map(metric), flow)


def precise(integrator):
    """The same, with equations solved as well as floats allow, so that what is left to see is the method."""
    return replace(integrator, tolerance=1e-14) if hasattr(integrator, "tolerance") else integrator


def arrive(system, start, eps, steps):
    """Where so many steps lead, in whitened coordinates."""
    state, L = new_state(DIM), matrix_of(system.metric)
    state.moving.position[:] = L @ start[0]
    state.momentum[:] = start[1]
    assert travel(united(system)[0], state, eps, steps) == 0
    return np.array([np.linalg.solve(L, state.moving.position), state.momentum])


# Order.

TIME = 2.0


def ends(system, steps):
    return np.array([arrive(system, start, TIME / steps, steps) for start in STARTS])


@cache
def exact_ends(kinetic, metric):
    """To the last digits but one: a scheme of order 8 at a small step."""
    return ends(springs_with("kahan_li8", kinetic, metric), 120)


def measured_order(system, exact):
    """From errors that are as small as round-off allows, where steps are not too many."""

    def error(steps):
        return np.linalg.norm((ends(system, steps) - exact).ravel(), np.inf)

    steps = 8
    while error(steps) > 1e-11 and steps < 500:
        steps = math.ceil(1.2 * steps)
    more = math.ceil(1.4 * steps)
    return math.log(error(steps) / error(more)) / math.log(more / steps)


@where_smooth
def test_exact_ends_solve_the_equations_of_hamilton(kinetic, metric):
    L = matrix_of(some_map(metric))

    def motion(_, y):
        gradient, velocity, value = np.empty(DIM), np.empty(DIM), np.empty(1)
        SPRINGS.python(DATA, L @ y[:DIM], gradient, value)
        return np.concatenate([velocity_of(KINETIC[kinetic], y[DIM:], velocity), L.T @ gradient])

    solutions = [solve_ivp(motion, (0, TIME), start.ravel(), "DOP853", rtol=1e-12, atol=1e-13) for start in STARTS]
    expected = [solution.y[:, -1].reshape(2, DIM) for solution in solutions]
    np.testing.assert_allclose(exact_ends(kinetic, metric), expected, rtol=0, atol=1e-9)


@where_smooth
@every_flow
def test_order(flow, kinetic, metric):
    order = measured_order(springs_with(flow, kinetic, metric), exact_ends(kinetic, metric))
    assert order == pytest.approx(INTEGRATORS[flow].order, abs=0.15)


def test_order_of_a_wrong_coefficient_is_lower():
    wrong = Integrator.composed((1.3,), order=4)  # a palindrome like Yoshida's, whose weight is 1.35
    order = measured_order(springs_with(wrong.record(DIM)), exact_ends("gaussian", "dense"))
    assert order == pytest.approx(2, abs=0.15)


def test_order_of_an_uneven_scheme_is_odd():
    assert measured_order(springs_with(UNEVEN), exact_ends("gaussian", "dense")) == pytest.approx(1, abs=0.15)


# Reversibility.


def gap_after_return(system, eps=0.3, steps=25):
    """How far from the start a flow comes to rest that is turned back half way."""
    flip = np.array([[1.0], [-1.0]])
    returned = [flip * arrive(system, flip * arrive(system, start, eps, steps), eps, steps) for start in STARTS]
    return np.abs(returned - STARTS).max()


@everywhere
@every_flow
def test_reversible(flow, kinetic, metric):
    assert gap_after_return(springs_with(flow, kinetic, metric)) < 1e-10


def test_uneven_scheme_is_not_reversible():
    assert gap_after_return(springs_with(UNEVEN)) > 1e-3


def _slanted_velocity(params, momentum, out):
    for j in range(momentum.size):
        out[j] = momentum[j] + 0.1


def test_kinetic_energy_that_is_not_even_is_not_reversible():
    slanted = AddressedFunction(_slanted_velocity, VELOCITY)
    kinetic = KINETIC["own_log_cosh"]._replace(velocity=slanted.address)
    assert gap_after_return(springs_with("leapfrog")._replace(kinetic=kinetic)) > 1e-3


# Symplecticity.


def to_complex(value):
    """The same named tuples, with complex arrays in place of real ones."""
    if isinstance(value, tuple):
        return type(value)(*map(to_complex, value))
    return value.astype(complex) if getattr(value, "dtype", None) == np.float64 else value


def symplectic_defect(system, eps=0.4):
    """The largest entry of JᵀΩJ - Ω, for the Jacobian J of one step in whitened coordinates."""
    L, h = matrix_of(system.metric), 1e-30
    omega = np.kron([[0, 1], [-1, 0]], np.eye(DIM))
    system, state = to_complex(system), to_complex(new_state(DIM))
    defects = []
    for start in STARTS:
        jacobian = np.empty((2 * DIM, 2 * DIM))
        for j, shift in enumerate(1j * h * np.eye(2 * DIM)):
            state.moving.position[:] = L @ (start[0] + shift[:DIM])
            state.momentum[:] = start[1] + shift[DIM:]
            assert travel.py_func(system, state, eps, 1) == 0
            jacobian[:DIM, j] = np.linalg.solve(L, state.moving.position.imag) / h
            jacobian[DIM:, j] = state.momentum.imag / h
        defects.append(jacobian.T @ omega @ jacobian - omega)
    return np.abs(defects).max()


@everywhere
@every_flow
def test_symplectic(flow, kinetic, metric):
    assert symplectic_defect(springs_with(flow, kinetic, metric)) < 1e-10


def _swirling_springs(data, position, gradient, value):
    status = springs(data, position, gradient, value)
    gradient[0] += 0.1 * position[1]
    return status


def test_force_without_an_energy_is_not_symplectic():
    # (volume is preserved all the same, so a determinant would not tell)
    swirling = AddressedFunction(_swirling_springs, LOGP)
    target = springs_with("leapfrog").target._replace(address=swirling.address)
    assert symplectic_defect(springs_with("leapfrog")._replace(target=target)) > 1e-3


def test_metric_that_kicks_by_another_map_is_not_symplectic(monkeypatch):
    monkeypatch.setitem(linear._KICKS, UntransposedMap, kick_untransposed)
    monkeypatch.setitem(linear._DRIFTS, UntransposedMap, drift_untransposed)
    untransposed = UntransposedMap(matrix_of(some_map("dense")))
    assert symplectic_defect(springs_with("leapfrog")._replace(metric=untransposed)) > 1e-3
