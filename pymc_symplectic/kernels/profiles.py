"""Profiles φ(s), s ≥ 0, from which kinetic energies are made, and their slopes φ'(s).

All take a parameter vector and a number, which in plain Python may be complex, for derivatives by complex steps.
``params[0]`` is the place of the table that draws are made from (`kernels.shapes`); a profile's own parameters follow.
"""

from collections.abc import Callable

import numpy as np

from .compile import helper

__all__ = ["PROFILES"]


@helper
def _relativistic(params: np.ndarray, s: float) -> float:
    """φ = c √(s² + c²) - c², written so that nothing cancels; `params`: c."""
    c = params[1]
    return c * s * s / (np.sqrt(s * s + c * c) + c)


@helper
def _relativistic_slope(params: np.ndarray, s: float) -> float:
    c = params[1]
    return c * s / np.sqrt(s * s + c * c)


@helper
def _power(params: np.ndarray, s: float) -> float:
    """φ = (c²/β) ((1 + s²/c²)^{β/2} - 1); `params`: β, c."""
    beta, c = params[1], params[2]
    return c * c / beta * np.expm1(0.5 * beta * np.log1p(s * s / (c * c)))


@helper
def _power_slope(params: np.ndarray, s: float) -> float:
    beta, c = params[1], params[2]
    return s * np.exp((0.5 * beta - 1.0) * np.log1p(s * s / (c * c)))


@helper
def _student(params: np.ndarray, s: float) -> float:
    """φ = ½(ν + m) log(1 + s²/ν); `params`: ν, and m, the number of dimensions that s is the radius of."""
    freedom, dim = params[1], params[2]
    return 0.5 * (freedom + dim) * np.log1p(s * s / freedom)


@helper
def _student_slope(params: np.ndarray, s: float) -> float:
    freedom, dim = params[1], params[2]
    return (freedom + dim) * s / (freedom + s * s)


@helper
def _interval(params: np.ndarray, s: float) -> np.int32:
    """Which of the n intervals s lies in: the last one also where s is endless, or no number, so that no index is."""
    place, last = (s * params[2]).real, params[1].real - 1.0
    return np.int32(place if 0.0 <= place < last else last)


@helper
def _piecewise(params: np.ndarray, s: float) -> float:
    """φ' piecewise linear on n equal intervals, the last one endless.

    `params`: n, 1/length; then for each interval the value and the slope of φ' and the value of φ where it begins.
    """
    k = _interval(params, s)
    x = s - k / params[2]
    return params[5 + 3 * k] + x * (params[3 + 3 * k] + 0.5 * x * params[4 + 3 * k])


@helper
def _piecewise_slope(params: np.ndarray, s: float) -> float:
    k = _interval(params, s)
    return params[3 + 3 * k] + (s - k / params[2]) * params[4 + 3 * k]


PROFILES: dict[str, tuple[Callable[..., float], Callable[..., float]]] = {
    "relativistic": (_relativistic, _relativistic_slope),
    "power": (_power, _power_slope),
    "student_t": (_student, _student_slope),
    "piecewise": (_piecewise, _piecewise_slope),
}
"""Values and slopes, by name."""
