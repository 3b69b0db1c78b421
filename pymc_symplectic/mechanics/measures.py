"""Measurements of how a method keeps the geometry of phase space: area, order, reversibility, energy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..checks import positive, whole
from ..integrators import ImplicitMidpoint
from ..integrators import get as get_integrator
from ..kinetic import KineticEnergy
from .methods import Method, Multistep
from .methods import get as get_method
from .motion import integrate, kinetic_record, simulate
from .motion import system as _system
from .systems import Potential, System, vector

__all__ = ["EnergyDrift", "energy_drift", "gradients_per_step", "jacobian", "order", "reversibility", "symplecticity"]

type Kinetic = str | KineticEnergy

_TINY = 1e-30  # an imaginary step: the smaller the better, as nothing is subtracted
# Central differences of order 8, for what takes no complex numbers.
_NUDGE = 0.02
_DIFFERENCES = (4 / 5, -1 / 5, 4 / 105, -1 / 280)

_SMALL_ERROR = 1e-9  # relative, of the coarser of the two runs that tell the order
_NEAR_ERROR = 1e-7
_KNOWN = 1e-11
_MOST_STEPS = 512

_ENERGY_ROUND_OFF = 1e-10


def _precise(method: Method, momentum: np.ndarray) -> Method:
    """The same, with equations solved as well as floats allow, so that what is left to see is the method."""
    if isinstance(method, ImplicitMidpoint):
        scale = max(1.0, float(np.abs(momentum).max()))
        return replace(method, tolerance=min(method.tolerance, 1e-14 * scale))
    return method


def _at(found: System, position: Any, momentum: Any) -> tuple[np.ndarray, np.ndarray]:
    """A start: as given, as suggested, or else at no particular place."""
    general = 0.3 + 0.1 * np.arange(found.dim) / found.dim
    start = []
    for name, given, otherwise in (("position", position, general), ("momentum", momentum, general[::-1])):
        suggested = getattr(found, name)
        value = given if given is not None else suggested if suggested is not None else otherwise
        start.append(vector(name, value, found.dim))
    return start[0], start[1]


def _end(found: System, kinetic: Any, method: Method, z: np.ndarray, eps: float, steps: int) -> np.ndarray:
    """Where so many steps lead from the state z (2 d,); NaN where they lead nowhere."""
    dim = found.dim
    return integrate(found, kinetic, method, z[:dim], z[dim:], eps, steps).end


def jacobian(
    method: str | Method,
    system: Potential = "henon_heiles",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.4,
    steps: int = 1,
) -> np.ndarray:
    r"""
    The derivative of the end of a motion by its start.

    Parameters
    ----------
    method : str, Integrator, ImplicitMidpoint, RungeKutta, Multistep or Splitting
    system : str, pymc.Model or System, optional
    kinetic : str or KineticEnergy, optional
        In plain Python it has to take complex momenta, as those of the package do.
    position, momentum : array_like of shape (d,), optional
        The start; by default where the system suggests.
    step_size : float, optional
    steps : int, optional
        How many steps lead to the end.

    Returns
    -------
    ndarray of shape (2 d, 2 d)
        :math:`J = \partial(q', p')/\partial(q, p)`; NaN where the motion does not stay finite.

    Notes
    -----
    Kernels are run as plain Python on complex numbers, where :math:`f(x + ih) = f(x) + i h f'(x)` gives derivatives to
    the last digit [1]_. A potential that is compiled from PyTensor takes real numbers alone; there, compiled kernels
    and central differences of order 8 give about 12 digits on potentials whose scale is of the order of one.

    References
    ----------
    .. [1] W. Squire, G. Trapp (1998). Using complex variables to estimate derivatives of real functions. SIAM Review
       40, 110-112.

    Examples
    --------
    Leapfrog on an oscillator:

    >>> jacobian("leapfrog", "harmonic_oscillator", step_size=1.0).round(12)
    array([[ 0.5 ,  1.  ],
           [-0.75,  0.5 ]])
    """
    found = _system(system)
    q, p = _at(found, position, momentum)
    chosen, eps, steps = (
        _precise(get_method(method), p),
        positive("step_size", step_size),
        whole("steps", steps, least=1),
    )
    record, z, size = kinetic_record(kinetic, chosen, found.dim), np.concatenate([q, p]), 2 * found.dim
    columns = []
    for direction in np.eye(size):
        if found.analytic:
            columns.append(_end(found, record, chosen, z + 1j * _TINY * direction, eps, steps).imag / _TINY)
        else:
            column = np.zeros(size)
            for i, weight in enumerate(_DIFFERENCES, start=1):
                shift = i * _NUDGE * direction
                ahead, behind = (_end(found, record, chosen, z + s * shift, eps, steps) for s in (1, -1))
                column += weight / _NUDGE * (ahead - behind)
            columns.append(column)
    return np.array(columns).T


def symplecticity(
    method: str | Method,
    system: Potential = "henon_heiles",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.4,
    steps: int | None = None,
) -> float:
    r"""
    By how much a method fails to be symplectic.

    Parameters
    ----------
    method, system, kinetic, position, momentum, step_size
        As for `jacobian`.
    steps : int, optional
        By default one; of a multistep method twice as many as it remembers. What such a method does to phase space is
        defined together with its first steps only.

    Returns
    -------
    float
        The largest entry of :math:`|J^\top \Omega J - \Omega|`, with J of `jacobian` and
        :math:`\Omega = \begin{pmatrix} 0 & I \\ -I & 0 \end{pmatrix}`. A symplectic map has zero [1]_; what round-off
        leaves is below 1e-12 for ready systems.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapter VI.2.

    Examples
    --------
    >>> symplecticity("leapfrog") < 1e-14, symplecticity("rk4") > 1e-5
    (True, True)
    """
    found, chosen = _system(system), get_method(method)
    if steps is None:
        steps = 2 * chosen.memory if isinstance(chosen, Multistep) else 1
    J = jacobian(chosen, found, kinetic=kinetic, position=position, momentum=momentum, step_size=step_size, steps=steps)
    omega = np.kron([[0, 1], [-1, 0]], np.eye(found.dim))
    return float(np.abs(J.T @ omega @ J - omega).max())


def order(
    method: str | Method,
    system: Potential = "henon_heiles",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    time: float = 3.0,
) -> float:
    r"""
    The global order of a method, by halving its step.

    Parameters
    ----------
    method, system, kinetic, position, momentum
        As for `jacobian`. On a linear system, as the oscillator is, some methods are of higher order than they claim.
    time : float, optional
        How long the motion lasts.

    Returns
    -------
    float
        :math:`\log_2(e(\varepsilon)/e(\varepsilon/2))`, with e the largest error at the end of motions from four
        starts near the one given. NaN where the motion is so wild that its true end is not known, or no step is
        small enough.

    Notes
    -----
    The steps are made shorter until e(ε) is below 1e-9 of the motion's size, which is where error coefficients that
    all but vanish have ceased to mislead, or are 512: there ε/2 is far from round-off for orders up to 8. What is
    taken for exact is a scheme of order 8, whose own steps are halved until that makes no difference.

    Examples
    --------
    >>> round(order("leapfrog"), 2), round(order("yoshida6"), 1)
    (2.0, 6.0)
    """
    found, time = _system(system), positive("time", time)
    q, p = _at(found, position, momentum)
    chosen = _precise(get_method(method), p)
    record = kinetic_record(kinetic, chosen, found.dim)
    starts = [np.concatenate([a * q, b * p]) for a in (1.0, 0.9) for b in (1.0, 0.9)]

    def ends(steps: int, method: Method) -> np.ndarray:
        return np.array([_end(found, record, method, z, time / steps, steps) for z in starts])

    exact = _converged(ends)
    scale = np.abs(exact).max()
    if not np.isfinite(scale):
        return math.nan

    def error(steps: int) -> float:
        return float(np.abs(ends(steps, chosen) - exact).max() / scale)

    steps = 8
    coarse = error(steps)
    while not coarse <= _SMALL_ERROR and steps < _MOST_STEPS:
        # the last of them are short, as halving the steps of order 8 divides the error by 256
        steps = min(math.ceil((1.3 if coarse < _NEAR_ERROR else 2.0) * steps), _MOST_STEPS)
        coarse = error(steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log2(coarse / np.float64(error(2 * steps))))


def _converged(ends: Any) -> np.ndarray:
    """Ends that are exact but for round-off."""
    reference = get_integrator("kahan_li8")
    steps, last = 64, ends(32, reference)
    best, smallest = last, math.inf
    while steps <= 2**14:
        latest = ends(steps, reference)
        change = float(np.abs(latest - last).max())
        # differences fall to the level of round-off and then rise with the number of steps
        if math.isfinite(change) and change >= smallest:
            break
        if math.isfinite(change):
            best, smallest = latest, change
        steps, last = 2 * steps, latest
    return best if smallest < _KNOWN * np.abs(best).max() else np.full_like(best, np.nan)


def reversibility(
    method: str | Method,
    system: Potential = "henon_heiles",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.2,
    steps: int = 25,
) -> float:
    """
    How far from its start a motion comes to rest that is turned back half way.

    Parameters
    ----------
    method, system, kinetic, position, momentum, step_size
        As for `jacobian`.
    steps : int, optional
        How many steps lead away, and as many back.

    Returns
    -------
    float
        The largest gap in a coordinate or momentum, after the steps, a flip of the momentum, the steps again, and a
        flip again. A method that sampling relies on leaves round-off alone; infinite where the motion runs away.

    Examples
    --------
    >>> reversibility("leapfrog") < 1e-12, reversibility("symplectic_euler") > 1e-2
    (True, True)
    """
    found = _system(system)
    q, p = _at(found, position, momentum)
    chosen, eps, steps = (
        _precise(get_method(method), p),
        positive("step_size", step_size),
        whole("steps", steps, least=1),
    )
    record, flip = kinetic_record(kinetic, chosen, found.dim), np.repeat([1.0, -1.0], found.dim)
    start = np.concatenate([q, p])
    end = start
    for _ in range(2):
        end = flip * _end(found, record, chosen, end, eps, steps)
        if not np.isfinite(end).all():
            return math.inf
    return float(np.abs(end - start).max())


@dataclass(frozen=True)
class EnergyDrift:
    """
    The drift and the oscillation of the energy in a long simulation.

    Attributes
    ----------
    slope : float
        Energy gained per unit of time: the mean over the last tenth of the run less that over the first. Infinite where
        the motion runs away.
    gain : float
        The energy gained in all.
    oscillation : float
        The range of the energy within a tenth of the run, the median of ten.
    """

    slope: float
    gain: float
    oscillation: float

    @property
    def bounded(self) -> bool:
        """Whether the energy only oscillates: over all it gained or lost no more than its range within a tenth."""
        return abs(self.gain) <= max(self.oscillation, _ENERGY_ROUND_OFF)


def energy_drift(
    method: str | Method,
    system: Potential = "pendulum",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.2,
    steps: int = 2000,
) -> EnergyDrift:
    """
    Whether the energy of a long run drifts, or only oscillates.

    Parameters
    ----------
    method, system, kinetic, position, momentum, step_size
        As for `jacobian`.
    steps : int, optional
        How many steps the run takes, at least 20.

    Returns
    -------
    EnergyDrift

    Notes
    -----
    The energy of a symplectic method stays within O(εᵖ) of its start for exponentially long times [1]_: what moves is
    an energy of nearly the same shape, which it conserves. Other methods gain or lose energy in proportion to time.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapter IX.8.

    Examples
    --------
    >>> energy_drift("leapfrog").bounded, energy_drift("explicit_euler").bounded
    (True, False)
    """
    found = _system(system)
    q, p = _at(found, position, momentum)
    steps = whole("steps", steps, least=20)
    path = simulate(found, kinetic, method, position=q, momentum=p, step_size=step_size, steps=steps)
    if not path.finite:
        return EnergyDrift(math.inf, math.inf, math.nan)
    tenths = path.energy[: 10 * ((steps + 1) // 10)].reshape(10, -1)
    gain = float(tenths[-1].mean() - tenths[0].mean())
    return EnergyDrift(gain / (0.9 * tenths.size * path.step_size), gain, float(np.median(np.ptp(tenths, axis=1))))


def gradients_per_step(
    method: str | Method,
    system: Potential = "henon_heiles",
    *,
    kinetic: Kinetic = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.1,
    steps: int = 20,
) -> float:
    """
    Gradients that a step takes, counted.

    Parameters
    ----------
    method, system, kinetic, position, momentum, step_size
        As for `jacobian`.
    steps : int, optional
        The steps that are counted, after as many that are not.

    Returns
    -------
    float
        The mean over steps. A gradient that ends a step and begins the next is counted once. Of an implicit method all
        that its solver takes are counted, with the check of the implicit midpoint rule that it can be run backwards.
        NaN where the motion runs away.

    Examples
    --------
    >>> gradients_per_step("leapfrog"), gradients_per_step("rk4"), gradients_per_step("adams_bashforth4")
    (1.0, 4.0, 1.0)
    """
    found, chosen = _system(system), get_method(method)
    q, p = _at(found, position, momentum)
    eps, steps = positive("step_size", step_size), whole("steps", steps, least=1)
    record = kinetic_record(kinetic, chosen, found.dim)
    short, long = (integrate(found, record, chosen, q, p, eps, n) for n in (steps, 2 * steps))
    return (long.gradients - short.gradients) / steps if long.rows == 2 * steps + 1 else math.nan
