"""Stepping with the methods of the textbooks, in plain NumPy: one function to each kind of method.

A state is one vector z = (q, r) of 2 d coordinates, real or complex.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from .methods import TEXTBOOK, Multistep, RungeKutta

__all__ = ["Field", "states"]

type Field = Callable[[np.ndarray], np.ndarray]
"""The slope f(z) = (∇K(r), -∇U(q)) of the motion at a state z."""

_SETTLED = 1e-14  # relative change of the slopes at which Newton's method has found them
_MOST_ITERATIONS = 30
_NEAR = 1e-2  # relative change below which the derivative of the last iterate will do for the next
_NUDGE = 1e-7  # of the differences that make that derivative, which need not be exact


def states(method: RungeKutta | Multistep, field: Field, start: np.ndarray, eps: float) -> Iterator[np.ndarray]:
    """The states after one step, after two, and so on without end; NaN from where an equation has no solution."""
    if isinstance(method, Multistep):
        return _multistep_states(method, field, start, eps)
    return _runge_kutta_states(method, field, start, eps)


def _runge_kutta_states(method: RungeKutta, field: Field, start: np.ndarray, eps: float) -> Iterator[np.ndarray]:
    step = _explicit_step if method.explicit else _implicit_step
    a, b = np.array(method.a), np.array(method.b)
    z = start
    while True:
        z = step(a, b, field, z, eps)
        yield z


def _explicit_step(a: np.ndarray, b: np.ndarray, field: Field, z: np.ndarray, eps: float) -> np.ndarray:
    slopes = np.zeros((b.size, z.size), z.dtype)
    for i in range(b.size):
        slopes[i] = field(z + eps * (a[i, :i] @ slopes[:i]))
    return z + eps * (b @ slopes)


def _implicit_step(a: np.ndarray, b: np.ndarray, field: Field, z: np.ndarray, eps: float) -> np.ndarray:
    """Newton's method for the slopes k = f(z + ε A k), from k = f(z).

    One derivative of f, half way between the stages, serves all of them [1]_; with one stage this is Newton's method
    proper.

    References
    ----------
    .. [1] E. Hairer, G. Wanner (1996). Solving Ordinary Differential Equations II, 2nd edition. Springer. Chapter IV.8.
    """
    slopes = np.tile(field(z), (b.size, 1))
    near = False
    for _ in range(_MOST_ITERATIONS):
        stages = z + eps * (a @ slopes)
        residual = slopes - np.array([field(stage) for stage in stages])
        if not near:
            matrix = np.eye(slopes.size) - eps * np.kron(a, _derivative(field, stages.mean(axis=0).real))
        try:
            change = np.linalg.solve(matrix, residual.ravel()).reshape(slopes.shape)
        except np.linalg.LinAlgError:
            break
        slopes = slopes - change
        if not np.isfinite(change).all():
            break
        # what is imaginary is a derivative, of a scale of its own
        moved = max(_relative(change.real, slopes.real), _relative(change.imag, slopes.imag))
        if moved <= _SETTLED:
            return z + eps * (b @ slopes)
        near = moved <= _NEAR
    return np.full_like(z, np.nan)


def _relative(change: np.ndarray, slopes: np.ndarray) -> float:
    largest = float(np.abs(change).max())
    return largest / float(np.abs(slopes).max() or 1.0)


def _derivative(field: Field, z: np.ndarray) -> np.ndarray:
    nudges = _NUDGE * (1 + np.abs(z))
    middle = field(z)
    return np.array([(field(z + nudge) - middle) / nudge.sum() for nudge in np.diag(nudges)]).T


def _multistep_states(method: Multistep, field: Field, start: np.ndarray, eps: float) -> Iterator[np.ndarray]:
    starter = TEXTBOOK["rk4"]
    assert isinstance(starter, RungeKutta)
    a, b = np.array(starter.a), np.array(starter.b)
    z = start
    slopes: deque[np.ndarray] = deque(maxlen=method.memory)
    while True:
        slopes.appendleft(field(z))
        if len(slopes) < method.memory:
            z = _explicit_step(a, b, field, z, eps)
        else:
            z = z + eps * np.dot(method.weights, np.array(slopes))
        yield z
