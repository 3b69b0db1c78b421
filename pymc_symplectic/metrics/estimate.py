"""Estimates of scales and covariances from draws and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.linear import LinearMap

__all__ = [
    "EXTRA_DRAWS",
    "LARGEST",
    "SMALLEST",
    "centre",
    "correction",
    "divergence",
    "fisher_scale",
    "geometric_mean",
    "lower",
    "numbers",
    "scale_from_gradient",
    "scale_of",
    "shrunk",
    "span",
]

SMALLEST, LARGEST = 1e-20, 1e20  # variances beyond these are numerical accidents
_ROUNDING = 1e-20  # of the largest sum of squares
_LEAST_OF_SPAN = 1e-10  # of the largest eigenvalue of a Gram matrix
EXTRA_DRAWS = 5.0  # weight of the metric in use when draws correct it


def scale_from_gradient(gradient: np.ndarray) -> np.ndarray:
    """|g|^{-1/2}, which lies between no information, 1, and a start one deviation from the mode, 1/|g|.

    A gradient near zero says that the start is near the mode in that direction, not that the scale is enormous, so the
    small ones are raised to a tenth of the median.
    """
    size = np.abs(gradient)
    if not size.any():
        return np.ones(gradient.size)
    size = np.maximum(size, 0.1 * np.median(size[size > 0]))
    return np.clip(size, 1 / LARGEST, 1 / SMALLEST) ** -0.5


def span(columns: np.ndarray) -> np.ndarray:
    """An orthonormal basis (d, m) of the span of the columns, but for directions that are hardly in it.

    By the axes of their Gram matrix, which the gradients of a nearly normal target, whitened, make half as many as
    there are columns; what rounding leaves of that is taken off by a Cholesky factor [1]_.

    References
    ----------
    .. [1] Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya (2015). Roundoff error analysis of the CholeskyQR2
       algorithm. Electronic Transactions on Numerical Analysis 44, 306-326.
    """
    from scipy.linalg import lapack  # slow to import, and not needed until a metric is fitted

    dim, count = columns.shape
    if count >= dim:
        return np.eye(dim)
    if not count:
        return columns
    size = np.linalg.norm(columns, axis=0)
    unit = columns / np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(unit.T @ unit)
    kept = values > _LEAST_OF_SPAN * values[-1]
    basis = unit @ (vectors[:, kept] / np.sqrt(values[kept]))
    root, failed = lapack.dpotrf(basis.T @ basis, lower=1, clean=1)
    if failed or not kept.any():  # nothing but zeros, or numbers that are none
        return np.linalg.qr(columns)[0]
    found: np.ndarray = basis @ lapack.dtrtri(root, lower=1)[0].T
    return found


def numbers(name: str, values: Any) -> np.ndarray:
    """`values` as an array of floats; a TypeError that names them unless they are numbers."""
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"metric: {name} must be an array of numbers, got {values!r}") from None


def fisher_scale(white: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The diagonal that is best for centred draws and gradients (d, n); 1 where either never varied."""
    return scale_of((white**2).sum(axis=1), (slope**2).sum(axis=1))


def scale_of(drawn: np.ndarray, steep: np.ndarray, rounds: int = 0) -> np.ndarray:
    """The same for sums of squares (d,) of draws and gradients.

    After `rounds` of corrections along axes of their own, some of these may hold nothing but rounding.
    """
    least = _ROUNDING if rounds else 0.0
    known = (drawn > least * drawn.max(initial=0.0)) & (steep > least * steep.max(initial=0.0))
    return np.where(known, drawn / np.where(known, steep, 1.0), 1.0) ** 0.25


def shrunk(centred: np.ndarray) -> np.ndarray:
    """Covariance of the columns of `centred` (d, n), shrunk towards the identity as if by a few draws more."""
    dim, count = centred.shape
    return (centred @ centred.T + EXTRA_DRAWS * np.eye(dim)) / (count - 1 + EXTRA_DRAWS)


def geometric_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The positive definite X with X B X = A: F Fᵀ for the F of `correction`.

    Raises
    ------
    LinAlgError
        Where it cannot be told.
    """
    try:
        factor, _ = correction(a, b, 0.0)
    except np.linalg.LinAlgError:  # rounding has the last word
        factor, _ = correction(a, b + 1e-12 * np.trace(b) * np.eye(len(b)), 0.0)
    return factor @ factor.T


def correction(zz: np.ndarray, ss: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """F and F⁻¹ (d, d), with F Fᵀ the geometric mean of zzᵀ + λI and (ssᵀ + λI)⁻¹.

    For ssᵀ + λI = R Rᵀ it is F = R⁻ᵀ V Λ^{1/4}, by the eigenvectors and eigenvalues of Rᵀ (zzᵀ + λI) R.

    LAPACK is called by itself: a warm-up makes hundreds of these, and most matrices are small.

    Raises
    ------
    LinAlgError
        Where it cannot be told.
    """
    from scipy.linalg import lapack  # slow to import, and not needed until a metric is fitted

    a, b = zz.copy(), ss.copy()
    for matrix in (a, b):
        matrix.flat[:: len(matrix) + 1] += ridge
    root, failed = lapack.dpotrf(b.T, lower=1, clean=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("moments are not positive")
    values, vectors, failed = lapack.dsyevd(root.T @ a @ root, lower=1, overwrite_a=1)
    if failed or not values[-1] > 0:
        raise np.linalg.LinAlgError("moments are not those of anything that moves")
    quarter = np.maximum(values, 1e-15 * values[-1]) ** 0.25
    factor, _ = lapack.dtrtrs(root, vectors * quarter, lower=1, trans=1)
    return factor, (vectors / quarter).T @ root.T


def lower(factor: np.ndarray) -> np.ndarray:
    """The lower triangular L (d, d) of a positive diagonal with L Lᵀ = F Fᵀ."""
    upper = np.linalg.qr(factor.T, mode="r")
    return np.ascontiguousarray((upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]).T)


def divergence(metric: LinearMap, draws: np.ndarray, gradients: np.ndarray) -> float:
    """The Fisher divergence of the best Gaussian with covariance L Lᵀ from draws and gradients (n, d), by parameter.

    Mean squared sum of whitened draws and gradients, which cancel where the whitened target is standard normal.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        white = metric.solve(draws - draws.mean(axis=0))
        slope = metric.adjoint(gradients - gradients.mean(axis=0))
        found = float(np.mean((white + slope) ** 2))
    return found if np.isfinite(found) else np.inf


def centre(metric: LinearMap, mean: np.ndarray, gradient: np.ndarray) -> np.ndarray | None:
    """The mean of the Gaussian with covariance L Lᵀ that fits draws and gradients of these means (d,) best.

    ``μ = q̄ + L Lᵀ ḡ`` makes the mean of ``|Lᵀ g + L⁻¹(q - μ)|²`` least: the Fisher divergence of the Gaussian from the
    target, and the square of what is left of the force [1]_.  For a Gaussian target it is the mean exactly, from any
    draws, since there every ``q + Σ g`` is.  None where it is not finite.

    References
    ----------
    .. [1] A. Seyboldt, E. L. Carlson, B. Carpenter (2026). Preconditioning Hamiltonian Monte Carlo by minimizing
       Fisher divergence. arXiv:2603.18845.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = mean + metric.covariance_times(gradient)
    return found if np.all(np.isfinite(found)) else None
