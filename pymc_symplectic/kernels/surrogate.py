"""A log-density that has been learned, behind the same signature as a model's own.

In whitened coordinates z = L⁻¹(q - μ) it is a Gaussian and what has been learned beside it,

    log π̂(q) = c - E(|z|) + f(z),    f(z) = Σ_k c_k m_k(z) + Σ_k a_k tanh(w_k · z + b_k),

where each monomial m_k is another one, its parent, times one coordinate.  The gradient of the first sum comes from one
sweep back through the parents.  f is learned where points have been, and polynomials run away elsewhere: beyond the
radius R of these points f stays as it is along rays from the origin, and it never leaves the range that it has had
there.  E(r) is ½r² up to R, and grows by a slope s < R from there on, as the tails of π may be heavier than those of a
Gaussian, and a draw that π̂ does not reach would be missed: what π̂ promises too much of is refused, and costs little.
So π̂ can be normalised whatever has been learned.

All of it stands in the one record that the function reads, numbers and working memory as well: a `Target` with it is
complete, and can be copied.  It serves one chain at a time.
"""

import math
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np

from .address import LOGP, AddressedFunction
from .compile import helper

__all__ = ["Expansion", "address_of_surrogate", "expansion_of", "room_for", "surrogate_log_density"]


class Expansion(NamedTuple):
    """A record, taken apart: views of what is learned, of t monomials and k ridges in d coordinates.

    Of `parents` and `variables` (t + 1,), and of `coefficients` (t + 1,), the first are of the constant.  `mean` (d,)
    and `factor` (d, d), lower triangular, whiten; `directions` (k, d), `offsets` (k,) and `amplitudes` (k,) are w, b
    and a; `limits` (4,) are R, s, and the least and the largest f.  `white`, `slope` (d,), `monomials` and
    `adjoints` (t + 1,) are scratch.
    """

    parents: np.ndarray
    variables: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    coefficients: np.ndarray
    directions: np.ndarray
    offsets: np.ndarray
    amplitudes: np.ndarray
    limits: np.ndarray
    white: np.ndarray
    slope: np.ndarray
    monomials: np.ndarray
    adjoints: np.ndarray


_HEADER = 3  # d, t and k


def room_for(dim: int, terms: int, ridges: int) -> int:
    """Entries of the record of such an expansion."""
    return _HEADER + 5 * (terms + 1) + dim * (dim + 3) + ridges * (dim + 2) + 4


@helper
def expansion_of(data: np.ndarray) -> Expansion:
    """The parts of a record, which begins with d, t and k."""
    dim, terms, ridges = data[0], data[1] + 1, data[2]
    numbers = data.view(np.float64)
    mean = _HEADER + 2 * terms
    factor = mean + dim
    coefficients = factor + dim * dim
    directions = coefficients + terms
    offsets = directions + ridges * dim
    amplitudes = offsets + ridges
    limits = amplitudes + ridges
    white = limits + 4
    slope = white + dim
    monomials = slope + dim
    adjoints = monomials + terms
    return Expansion(
        data[_HEADER : _HEADER + terms],
        data[_HEADER + terms : mean],
        numbers[mean:factor],
        numbers[factor:coefficients].reshape((dim, dim)),
        numbers[coefficients:directions],
        numbers[directions:offsets].reshape((ridges, dim)),
        numbers[offsets:amplitudes],
        numbers[amplitudes:limits],
        numbers[limits:white],
        numbers[white:slope],
        numbers[slope:monomials],
        numbers[monomials:adjoints],
        numbers[adjoints : adjoints + terms],
    )


@helper
def _whiten(learned: Expansion, position: np.ndarray) -> float:
    """Z = L⁻¹(q - μ), in ``learned.white``; returns |z|²."""
    white, factor, squares = learned.white, learned.factor, 0.0
    for i in range(white.size):
        total = position[i] - learned.mean[i]
        for j in range(i):
            total -= factor[i, j] * white[j]
        white[i] = total / factor[i, i]
        squares += white[i] * white[i]
    return squares


@helper
def _polynomial(learned: Expansion, shrink: float) -> float:
    """The sum of monomials at z shrunk; adds its gradient there to ``learned.slope``."""
    parents, variables, coefficients = learned.parents, learned.variables, learned.coefficients
    monomials, adjoints, white, slope = learned.monomials, learned.adjoints, learned.white, learned.slope
    value = 0.0
    monomials[0] = 1.0
    for k in range(1, parents.size):
        monomials[k] = monomials[parents[k]] * (shrink * white[variables[k]])
        adjoints[k] = coefficients[k]
        value += coefficients[k] * monomials[k]
    adjoints[0] = 0.0
    for k in range(parents.size - 1, 0, -1):
        adjoints[parents[k]] += adjoints[k] * (shrink * white[variables[k]])
        slope[variables[k]] += adjoints[k] * monomials[parents[k]]
    return value


@helper
def _ridges(learned: Expansion, shrink: float) -> float:
    """The sum of ridges at z shrunk; adds its gradient there to ``learned.slope``."""
    white, slope, value = learned.white, learned.slope, 0.0
    for k in range(learned.amplitudes.size):
        direction = learned.directions[k]
        along = 0.0
        for j in range(white.size):
            along += direction[j] * white[j]
        height = math.tanh(shrink * along + learned.offsets[k])
        value += learned.amplitudes[k] * height
        steepness = learned.amplitudes[k] * (1.0 - height * height)
        for j in range(white.size):
            slope[j] += steepness * direction[j]
    return value


@helper
def _along_rays(learned: Expansion, shrink: float, squares: float) -> None:
    """From the gradient of f at z shrunk to the radius, in place, that of a function which is the same along rays."""
    white, slope = learned.white, learned.slope
    outward = 0.0
    for j in range(white.size):
        outward += slope[j] * white[j]
    outward /= squares
    for j in range(white.size):
        slope[j] = shrink * (slope[j] - outward * white[j])


def surrogate_log_density(data: np.ndarray, position: np.ndarray, gradient: np.ndarray, value: np.ndarray) -> int:
    """Log π̂ and its gradient, as `LOGP` has it; always finite at a position that is."""
    learned = expansion_of(data)
    white, slope, factor = learned.white, learned.slope, learned.factor
    radius, fall, least, most = learned.limits[0], learned.limits[1], learned.limits[2], learned.limits[3]
    squares = _whiten(learned, position)
    shrink, energy, pull = 1.0, 0.5 * squares, 1.0
    if squares > radius * radius:
        distance = math.sqrt(squares)
        shrink = radius / distance
        energy = 0.5 * radius * radius + fall * (distance - radius)
        pull = fall / distance
    for j in range(slope.size):
        slope[j] = 0.0
    height = _polynomial(learned, shrink) + _ridges(learned, shrink)
    if shrink < 1.0:
        _along_rays(learned, shrink, squares)
    if height < least or height > most:
        height = min(max(height, least), most)
        for j in range(slope.size):
            slope[j] = 0.0
    value[0] = learned.coefficients[0] - energy + height
    for i in range(slope.size - 1, -1, -1):  # L⁻ᵀ (∇f - E' z / |z|)
        total = slope[i] - pull * white[i]
        for j in range(i + 1, slope.size):
            total -= factor[j, i] * gradient[j]
        gradient[i] = total / factor[i, i]
    return 0


_compiling = Lock()


@cache
def _compiled() -> AddressedFunction:
    return AddressedFunction(surrogate_log_density, LOGP, cached=True)


def address_of_surrogate() -> int:
    """Where `surrogate_log_density` is, compiled when it is first asked for, and kept as long as the process lives."""
    with _compiling:  # of two that are compiled at once the cache would keep one, and the other's address mean nothing
        return _compiled().address
