"""The systems that have a name, with what is known of them exactly.

Densities are -U and its gradient, written for numba, and in Python for complex numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import scipy  # loads scipy.special when it is first used

from .systems import System

__all__ = ["ALIASES", "CATALOGUE"]

# The harmonic oscillator.


def _oscillator(data, position, gradient, value):  # type: ignore[no-untyped-def]
    value[0] = -0.5 * position[0] ** 2
    gradient[0] = -position[0]
    return 0


def _oscillator_solution(times: np.ndarray, q: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.cos(times)[:, None], np.sin(times)[:, None]
    return q * cos + p * sin, p * cos - q * sin


# The pendulum: with k² = H/2, sin(q/2) is k sn(t) as it swings, and sn(k t) as it goes round.


def _pendulum(data, position, gradient, value):  # type: ignore[no-untyped-def]
    value[0] = np.cos(position[0]) - 1.0
    gradient[0] = -np.sin(position[0])
    return 0


def _pendulum_parameter(q: np.ndarray, p: np.ndarray) -> float:
    """k² = H/2: below 1 the pendulum swings, above it goes round."""
    return float(0.25 * p[0] ** 2 + np.sin(0.5 * q[0]) ** 2)


def _pendulum_solution(times: np.ndarray, q: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m = _pendulum_parameter(q, p)
    turns = 2 * math.pi * np.round(q / (2 * math.pi))
    half = 0.5 * (q - turns)
    k = math.sqrt(m)
    if m <= 1:
        phase = scipy.special.ellipkinc(np.arctan2(np.sin(half), 0.5 * p), m)
        sn, cn, _, _ = scipy.special.ellipj(times[:, None] + phase, m)
        return turns + 2 * np.arcsin(k * sn), 2 * k * cn
    sign = np.sign(p)
    phase = scipy.special.ellipkinc(sign * half, 1 / m)
    _, _, dn, amplitude = scipy.special.ellipj(k * times[:, None] + phase, 1 / m)
    return turns + 2 * sign * amplitude, 2 * sign * k * dn


def _pendulum_period(q: np.ndarray, p: np.ndarray) -> float:
    m = _pendulum_parameter(q, p)
    return float(4 * scipy.special.ellipk(m) if m <= 1 else 2 * scipy.special.ellipk(1 / m) / math.sqrt(m))


# The double well: q = A dn(A t/√2) within one well, q = A cn(√(A² - 1) t) across both, A² = 1 + 2 √H.


def _double_well(data, position, gradient, value):  # type: ignore[no-untyped-def]
    q = position[0]
    value[0] = -0.25 * (q * q - 1.0) ** 2
    gradient[0] = q - q**3
    return 0


def _double_well_period(q: np.ndarray, p: np.ndarray) -> float:
    root = math.sqrt(0.5 * p[0] ** 2 + 0.25 * (q[0] ** 2 - 1) ** 2)
    square = 1 + 2 * root
    if root <= 0.5:
        return float(2 * math.sqrt(2 / square) * scipy.special.ellipk(4 * root / square))
    return float(4 / math.sqrt(2 * root) * scipy.special.ellipk(square / (4 * root)))


# Hénon and Heiles's star.


def _henon_heiles(data, position, gradient, value):  # type: ignore[no-untyped-def]
    x, y = position[0], position[1]
    value[0] = -(0.5 * (x * x + y * y) + x * x * y - y**3 / 3.0)
    gradient[0] = -x - 2.0 * x * y
    gradient[1] = -y - x * x + y * y
    return 0


# Kepler's planet.


def _kepler(data, position, gradient, value):  # type: ignore[no-untyped-def]
    x, y = position[0], position[1]
    distance = np.sqrt(x * x + y * y)
    value[0] = 1.0 / distance
    gradient[0] = -x / distance**3
    gradient[1] = -y / distance**3
    return 0


def _angular_momentum(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    return q[..., 0] * p[..., 1] - q[..., 1] * p[..., 0]


def _runge_lenz(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The vector from the sun towards the perihelion, as long as the orbit is eccentric."""
    spin = _angular_momentum(q, p)[..., None]
    turned = np.stack([p[..., 1], -p[..., 0]], axis=-1)
    return spin * turned - q / np.linalg.norm(q, axis=-1, keepdims=True)


def _semi_axis(q: np.ndarray, p: np.ndarray) -> float:
    axis = 1 / (2 / math.hypot(*q) - float(p @ p))
    if not 0 < axis < math.inf:
        raise ValueError("momentum: the planet escapes, and only closed orbits are known exactly; give it less")
    return axis


def _kepler_period(q: np.ndarray, p: np.ndarray) -> float:
    return 2 * math.pi * _semi_axis(q, p) ** 1.5


def _kepler_solution(times: np.ndarray, q: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By Kepler's equation for E, the change of the eccentric anomaly since the start."""
    a, r0, radial = _semi_axis(q, p), math.hypot(*q), float(q @ p)
    t = times[:, None]
    mean, along, across = t / a**1.5, 1 - r0 / a, radial / math.sqrt(a)
    eccentricity = math.hypot(along, across)
    below, above = mean - 2 * eccentricity, mean + 2 * eccentricity  # E lies between, and its equation is monotone
    for _ in range(64):
        middle = 0.5 * (below + above)
        late = middle - along * np.sin(middle) + across * (1 - np.cos(middle)) > mean
        below, above = np.where(late, below, middle), np.where(late, middle, above)
    E = 0.5 * (below + above)
    E -= (E - along * np.sin(E) + across * (1 - np.cos(E)) - mean) / (1 - along * np.cos(E) + across * np.sin(E))
    r = a * (1 - along * np.cos(E) + across * np.sin(E))
    f, g = 1 - a / r0 * (1 - np.cos(E)), t - a**1.5 * (E - np.sin(E))
    f_dot, g_dot = -math.sqrt(a) / (r * r0) * np.sin(E), 1 - a / r * (1 - np.cos(E))
    return f * q + g * p, f_dot * q + g_dot * p


_HAIRER = "Hairer, Lubich, Wanner (2006), Geometric Numerical Integration, 2nd edition, Springer"

_ENTRIES = (
    System(
        name="harmonic_oscillator",
        dim=1,
        density=_oscillator,
        equation="q²/2",
        reference=f"{_HAIRER}, chapter I.1",
        position=(1.0,),
        momentum=(0.0,),
        solution=_oscillator_solution,
        period=lambda q, p: 2 * math.pi,
    ),
    System(
        name="pendulum",
        dim=1,
        density=_pendulum,
        equation="1 - cos q",
        reference=f"{_HAIRER}, chapter I.1; Abramowitz, Stegun (1964), Handbook of Mathematical Functions, chapter 16",
        position=(2.0,),
        momentum=(0.0,),
        solution=_pendulum_solution,
        period=_pendulum_period,
    ),
    System(
        name="double_well",
        dim=1,
        density=_double_well,
        equation="(q² - 1)²/4",
        reference="Duffing (1918), Erzwungene Schwingungen bei veränderlicher Eigenfrequenz, Vieweg",
        position=(0.0,),
        momentum=(1.0,),
        period=_double_well_period,
    ),
    System(
        name="henon_heiles",
        dim=2,
        density=_henon_heiles,
        equation="(x² + y²)/2 + x² y - y³/3",
        reference="Hénon, Heiles (1964), Astron. J. 69, 73-79",
        # of energy 0.1006; below 1/6 all motion is bounded
        position=(0.1, 0.2),
        momentum=(0.3, 0.25),
        labels=("x", "y"),
    ),
    System(
        name="kepler",
        dim=2,
        density=_kepler,
        equation="-1/√(x² + y²)",
        reference=f"{_HAIRER}, chapter I.2; Bate, Mueller, White (1971), Fundamentals of Astrodynamics, chapter 4",
        # at the perihelion of an orbit of period 2π and eccentricity 0.6
        position=(0.4, 0.0),
        momentum=(0.0, 2.0),
        labels=("x", "y"),
        invariants=MappingProxyType({"angular momentum": _angular_momentum, "Runge-Lenz vector": _runge_lenz}),
        solution=_kepler_solution,
        period=_kepler_period,
    ),
)

CATALOGUE: Mapping[str, System] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""The systems that can be chosen by name."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "oscillator": "harmonic_oscillator",
        "harmonic": "harmonic_oscillator",
        "duffing": "double_well",
        "hénon_heiles": "henon_heiles",
    }
)
"""Other names in use, each with the name in `CATALOGUE` that it stands for."""
