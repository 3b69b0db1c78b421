"""The table that momenta are drawn from: see `kernels.shapes`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["with_table"]

_STRIPS = 256
_MOST = 20 * _STRIPS
_FARTHEST = 250.0  # of log s: what lies beyond is rounded to nothing, or to everything


def with_table(own: np.ndarray, value: Callable, slope: Callable, power: float) -> np.ndarray:
    """Parameters of a profile, with the table for draws from ``g(s) = s^power e^{-φ(s)}`` behind them.

    Parameters
    ----------
    own : ndarray
        Parameters of the profile.
    value, slope : callable
        φ(params, s) and φ'(params, s).
    power : float
        0 for a separable energy, d - 1 for a radial one.

    Raises
    ------
    ValueError
        When the profile is not finite, s φ'(s) does not grow with s, or exp(-φ) has no finite integral.
    """
    from scipy.integrate import quad  # slow to import, and of no use to a Gaussian energy

    params = np.concatenate([[1.0 + own.size], own])

    def log_density(t: float) -> float:  # of t = log s
        s = np.exp(t)
        return (power + 1.0) * t - value(params, s)

    def steepness(t: float) -> float:
        s = np.exp(t)
        return s * slope(params, s)

    _check(value, slope, params, steepness)
    start = _where(steepness, power + 1.0)
    peak = log_density(start)
    mode = np.exp(_where(steepness, power)) if power > 0 else 0.0
    top = _log(mode, power) - value(params, mode)
    reach = [_edge(lambda t: log_density(t) - peak + 40.0, start, direction) for direction in (-1.0, 1.0)]
    area = 0.0
    for low, high in ((reach[0], start), (start, reach[1])):
        area += quad(lambda t: np.exp(log_density(t) - peak), low, high, limit=200)[0]
    area *= np.exp(peak - top)

    def density(s: float) -> float:  # relative to its mode
        return float(np.exp(_log(s, power) - value(params, s) - top))

    strips = [*_leftward(density, mode, area / _STRIPS)]
    edge = mode
    while len(strips) < _MOST:
        height = density(edge)
        exponent = steepness(np.log(edge)) - power - 1.0 if edge > 0 else 0.0
        if exponent > 0 and height * edge / exponent <= 2 * area / _STRIPS:
            break
        width = area / _STRIPS / height
        strips.append((edge, width, height, density(edge + width)))
        edge += width
    else:
        raise ValueError("kinetic: the tails of exp(-K) are too heavy for momenta to be drawn from it")
    header = [len(strips), (height * edge / exponent) / (area / _STRIPS), edge, exponent, top]
    left, width, height, least = np.array(strips).T
    share = least / height
    wide = np.divide(width, share, out=np.zeros_like(width), where=share > 0)
    return np.concatenate([params, header, left, wide, share, width, height])


def _log(s: float, power: float) -> float:
    return power * np.log(s) if power > 0 else 0.0


def _check(value: Callable, slope: Callable, params: np.ndarray, steepness: Callable) -> None:
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 200)])
    try:
        values = np.array([(value(params, s), slope(params, s)) for s in grid])
    except ArithmeticError as error:
        raise ValueError(f"kinetic: the profile or its slope fails for some s from 0 to 1e4: {error}") from error
    for name, column in (("profile", 0), ("slope", 1)):
        bad = ~np.isfinite(values[:, column])
        if bad.any():
            found, s = values[bad, column][0], grid[bad][0]
            raise ValueError(f"kinetic: the {name} is {found} at s = {s:g}; it must be finite for all s >= 0")
    growth = np.diff([steepness(t) for t in np.log(grid[1:])])
    # Where the product levels out (as it does for heavy tails) it may wobble by rounding.
    bad = growth < -1e-9 * np.abs(values[1:-1, 1] * grid[1:-1])
    if bad.any():
        raise ValueError(
            f"kinetic: s times the slope of the profile must grow with s, but it falls at s = {grid[1:-1][bad][0]:g}; "
            "every convex profile with its minimum at 0 is well"
        )


def _where(growing: Callable[[float], float], level: float) -> float:
    """Where a growing function of log s reaches a level."""
    from scipy.optimize import brentq

    def gap(t: float) -> float:
        return growing(t) - level

    low, high = _edge(gap, 0.0, -1.0), _edge(lambda t: -gap(t), 0.0, 1.0)
    return low if low == high else float(brentq(gap, low, high))


def _edge(positive_before: Callable[[float], float], start: float, direction: float) -> float:
    """A place in one direction where a function is no longer positive."""
    distance = 0.0
    while positive_before(start + direction * distance) > 0:
        distance = max(0.25, 1.5 * distance)
        if distance > _FARTHEST:
            raise ValueError("kinetic: exp(-K) has no finite integral, so that no momenta can be drawn from it")
    return start + direction * distance


def _leftward(density: Callable[[float], float], mode: float, area: float) -> list[tuple[float, float, float, float]]:
    """Strips from the mode down to zero."""
    strips: list[tuple[float, float, float, float]] = []
    edge = mode
    while edge > 0.0 and len(strips) < _MOST:
        height = density(edge)
        width = area / height if height > 0 else np.inf
        if width >= edge or height < 1e-12:
            strips.append((0.0, edge, area / edge, 0.0))
            break
        strips.append((edge - width, width, height, density(edge - width)))
        edge -= width
    return strips
