r"""How well a kinetic energy suits a target, by the energy that leapfrog really conserves.

To leading order, leapfrog keeps not H but the shadow Hamiltonian H + ε² E [1]_,

.. math::
    E = \tfrac1{12} v^T U''(q)\, v - \tfrac1{24} g^T K''(r)\, g, \qquad v = \nabla K(r), \quad g = \nabla U(q),

so that over a trajectory H changes by ε² times differences of E, and a step is refused for the spread of E over the
typical set.  At equal acceptance ε ∝ Var(E)^{-1/4}, and in one step the chain moves ε \|v\| far.  So gradients go

.. math::
    F = \left(\frac{\mathbb{E}[v^2]^2}{\operatorname{Var}(E)}\right)^{1/4}

as far as each other, in units that no rescaling of momentum or time changes.  For momenta, the expectations are
integrals over exp(-K); for the target, five moments of the gradient and the curvature, from draws of warm-up.

Speeds that hardly vary make E vary little: so most targets, Gaussian ones too, favour a velocity that levels out.

.. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition, section IX.3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .profile import Shape

__all__ = ["GRID", "Geometry", "measure", "reach"]

GRID = np.linspace(0.0, 14.0, 1401)
"""Where profiles are tabled for these integrals."""
_DEGREE = 3  # of the polynomial that gradients are smoothed by
_LARGEST = 4.0  # gradients and curvatures, next to their usual size, that moments are made from


class Geometry(NamedTuple):
    """Moments of the potential energy along coordinates, in whitened coordinates.

    E[U''_jj], E[U''_jj²], E[g_j²], E[g_j⁴], E[U''_jj g_j²], and E[|g|⁴] / d².
    """

    curvature: float
    curvature_squared: float
    slope_squared: float
    slope_fourth: float
    both: float
    norm_fourth: float


def measure(positions: np.ndarray, gradients: np.ndarray) -> Geometry | None:
    """The moments, from whitened draws and gradients (n, d); None where these tell nothing.

    The curvature along a coordinate is the slope of a cubic through its gradients.  What is far beyond its usual size
    is taken as that large only, so that the moments are those of the bulk.
    """
    count = len(positions)
    if count < 2 or not (np.isfinite(positions).all() and np.isfinite(gradients).all()):
        return None
    spread, steep = positions.std(axis=0), gradients.std(axis=0)
    moves = (spread > 1e-12 * (1 + np.abs(positions).max(axis=0))) & (steep > 0)
    if not moves.any():
        return None
    z = (positions[:, moves] - positions[:, moves].mean(axis=0)) / spread[moves]
    # A few points in a narrow place would outweigh all others in fourth moments.
    usual = np.median(np.abs(gradients[:, moves]), axis=0) / 0.6745 + 1e-3 * steep[moves]
    slopes = np.clip(-gradients[:, moves], -_LARGEST * usual, _LARGEST * usual)
    powers = z[:, :, None] ** np.arange(_DEGREE + 1)
    curvature = np.empty_like(z)
    for j in range(z.shape[1]):
        weights = np.linalg.lstsq(powers[:, j], slopes[:, j])[0]
        curvature[:, j] = powers[:, j, :-1] @ (weights[1:] * np.arange(1, _DEGREE + 1)) / spread[moves][j]
    stiff = _LARGEST * np.abs(curvature).mean(axis=0)
    curvature = np.clip(curvature, -stiff, stiff)
    squared = slopes**2
    moments = (curvature, curvature**2, squared, squared**2, curvature * squared, np.mean(squared, axis=1) ** 2)
    return Geometry(*(float(np.mean(moment)) for moment in moments))


def reach(slope: np.ndarray, geometry: Geometry, shape: Shape, dim: int) -> float:
    """F of a profile, given φ' on `GRID`, stretched by √d for a radial one; 0 where it is not known."""
    grid = GRID * (np.sqrt(dim) if shape == "radial" else 1.0)
    step = grid[1]
    value = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * step)])
    bend = np.gradient(slope, step)
    power = dim - 1 if shape == "radial" else 0
    with np.errstate(divide="ignore"):
        log_weight = (power * np.log(grid) if power else 0.0) - value
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    if shape == "separable":
        first, second = _separable(weight, slope, bend, geometry)
    else:
        first, second = _radial(weight, grid, slope, bend, geometry, dim)
    variance = second - first**2
    speed = float(weight @ slope**2)
    return float((speed**2 / variance) ** 0.25) if variance > 0 and np.isfinite(variance) else 0.0


def _separable(weight: np.ndarray, slope: np.ndarray, bend: np.ndarray, geometry: Geometry) -> tuple[float, float]:
    """E[E] and E[E²] of one coordinate."""
    g = geometry
    speed, bent = slope**2, bend
    first = g.curvature * (weight @ speed) / 12 - g.slope_squared * (weight @ bent) / 24
    second = (
        g.curvature_squared * (weight @ speed**2) / 144
        - g.both * (weight @ (speed * bent)) / 144
        + g.slope_fourth * (weight @ bent**2) / 576
    )
    return float(first), float(second)


def _radial(
    weight: np.ndarray, grid: np.ndarray, slope: np.ndarray, bend: np.ndarray, geometry: Geometry, dim: int
) -> tuple[float, float]:
    """E[E] and E[E²] of all coordinates; directions of momenta are uniform, coordinates of the target independent."""
    g = geometry
    ratio = np.divide(slope, grid, out=np.full_like(slope, bend[0]), where=grid > 0)
    # of the unit vector e: E[(eᵀU''e)²], and for x² = (e·g)²/|g|², E[x²] and E[x⁴]
    spread = dim * (g.curvature_squared - g.curvature**2)
    along = (dim**2 * g.curvature**2 + spread + 2 * dim * g.curvature_squared) / (dim * (dim + 2))
    x2, x4 = 1 / dim, 3 / (dim * (dim + 2))
    norm2, norm4 = dim * g.slope_squared, dim**2 * g.norm_fourth
    bent = ratio * (1 - x2) + bend * x2
    bent2 = ratio**2 * (1 - 2 * x2 + x4) + 2 * ratio * bend * (x2 - x4) + bend**2 * x4
    speed = slope**2
    first = g.curvature * (weight @ speed) / 12 - norm2 * (weight @ bent) / 24
    second = (
        along * (weight @ speed**2) / 144
        - g.curvature * norm2 * (weight @ (speed * bent)) / 144
        + norm4 * (weight @ bent2) / 576
    )
    return float(first), float(second)
