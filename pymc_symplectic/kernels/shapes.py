"""Kinetic energies made from a profile φ, and exact draws of their momenta.

==========  =================  =====================  =======================================
radial      K = φ(|r|)         v = φ'(|r|) r / |r|    |r| has the density s^{d-1} e^{-φ(s)}
separable   K = Σ φ(|r_j|)     v_j = φ'(|r_j|) sgn    each |r_j| has the density e^{-φ(s)}
==========  =================  =====================  =======================================

Both densities are of the form ``g(s) = s^m e^{-φ(s)}``, and rise to a mode and fall from there.  They are drawn from by
strips [1]_: under a hull of rectangles of equal areas, all but a few draws lie below the smallest value of g over
their rectangle, so that g itself is seldom evaluated.  Beyond the last rectangle the hull is a power law, which touches
log g from above wherever s φ'(s) grows with s.  A draw is exact; the table says only how often it is refused.

.. [1] J. H. Ahrens (1995). A one-table method for sampling from continuous and discrete distributions. Computing 54,
   127-146.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .address import DRAW, ENERGY, VELOCITY, AddressedFunction
from .compile import helper

__all__ = ["Functions", "radial", "separable"]

_HEADER = 5
"""Numbers at the head of a table: strips n, weight of the tail, its beginning, its exponent, and log g at the mode.

After them come, n of each: left edges, widths divided by shares, shares (the least value of g over a strip, next to the
height of its rectangle), widths, and heights, which are relative to g at the mode.
"""


class Functions(NamedTuple):
    """The three functions of `kernels.kinetic.Addressed`."""

    energy: AddressedFunction
    velocity: AddressedFunction
    draw: AddressedFunction


def _draw_from(value: Callable[..., float]) -> Callable[..., float]:
    """A function that draws s, with a random sign, from ``s^m exp(-value(params, s))``."""

    @helper
    def draw_signed(params: np.ndarray, power: float, rng: np.random.Generator) -> float:
        table = int(params[0])
        strips, weight = int(params[table]), params[table + 1]
        left = table + _HEADER
        wide, share, width, height = (left + strips, left + 2 * strips, left + 3 * strips, left + 4 * strips)
        half = strips + weight
        while True:
            place = 2.0 * half * rng.random()
            sign = 1.0
            if place >= half:
                place -= half
                sign = -1.0
            if place < strips:
                i = int(place)
                place -= i  # what is left of the random number is uniform, above and below the share
                surely = params[share + i]
                if place < surely:
                    return sign * (params[left + i] + place * params[wide + i])
                s = params[left + i] + (place - surely) / (1.0 - surely) * params[width + i]
                level = params[height + i] * (surely + (1.0 - surely) * rng.random())
                log_density = -value(params, s) - params[table + 4]
                if power > 0.0:
                    log_density += power * math.log(s) if s > 0.0 else -np.inf
                if level < math.exp(log_density):
                    return sign * s
            else:
                edge, exponent = params[table + 2], params[table + 3]
                further = -math.log1p(-rng.random()) / exponent  # of log s, beyond the edge
                s = edge * math.exp(further)
                gap = value(params, edge) - value(params, s) + (power + 1.0 + exponent) * further
                if not rng.random() >= math.exp(gap):  # a table that is no number ends in a divergence, not in a loop
                    return sign * s

    return draw_signed


def separable(value: Callable[..., float], slope: Callable[..., float], *, cached: bool = False) -> Functions:
    """K(r) = Σ φ(|r_j|)."""
    draw_signed = _draw_from(value)

    def energy(params, momentum):
        total = 0.0
        for j in range(momentum.size):
            sign = 1.0 if momentum[j].real >= 0.0 else -1.0
            total += value(params, sign * momentum[j])
        return total

    def velocity(params, momentum, out):
        for j in range(momentum.size):
            sign = 1.0 if momentum[j].real >= 0.0 else -1.0  # no branch, so that the loop is vectorised
            out[j] = sign * slope(params, sign * momentum[j])

    def draw(params, rng, out):
        for j in range(out.size):
            out[j] = draw_signed(params, 0.0, rng)

    return _functions(energy, velocity, draw, cached)


def radial(value: Callable[..., float], slope: Callable[..., float], *, cached: bool = False) -> Functions:
    """K(r) = φ(|r|)."""
    draw_signed = _draw_from(value)

    def energy(params, momentum):
        square = 0.0
        for j in range(momentum.size):
            square += momentum[j] * momentum[j]
        return value(params, np.sqrt(square))

    def velocity(params, momentum, out):
        square = 0.0
        for j in range(momentum.size):
            square += momentum[j] * momentum[j]
        radius = np.sqrt(square)
        ratio = slope(params, radius) / radius if radius.real > 0.0 else 0.0
        for j in range(momentum.size):
            out[j] = ratio * momentum[j]

    def draw(params, rng, out):
        square = 0.0
        while square == 0.0:
            for j in range(out.size):
                out[j] = rng.standard_normal()
                square += out[j] * out[j]
        ratio = draw_signed(params, out.size - 1.0, rng) / math.sqrt(square)
        for j in range(out.size):
            out[j] *= ratio

    return _functions(energy, velocity, draw, cached)


def _functions(energy: Callable, velocity: Callable, draw: Callable, cached: bool) -> Functions:
    return Functions(
        AddressedFunction(energy, ENERGY, cached=cached),
        AddressedFunction(velocity, VELOCITY, cached=cached),
        AddressedFunction(draw, DRAW, cached=cached),
    )
