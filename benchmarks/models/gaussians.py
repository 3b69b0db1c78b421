"""Gaussians: independent, rotated, and with chains that start far away or do not know the scales."""

from collections.abc import Callable

import numpy as np
import pymc as pm

from benchmarks.models.posterior import Place, Posterior

__all__ = ["FAR", "STARTS", "far", "load", "near", "normals", "random_axes", "rotated"]

FAR = 1e3  # standard deviations


def normals(scales: float | np.ndarray, dim: int) -> pm.Model:
    """Independent normals."""
    with pm.Model() as model:
        pm.Normal("x", 0, scales, shape=dim)
    return model


def rotated(scales: np.ndarray, axes: np.ndarray) -> pm.Model:
    """A Gaussian with these standard deviations along the columns of `axes`."""
    precision = (axes / scales**2) @ axes.T
    with pm.Model() as model:
        x = pm.Flat("x", shape=scales.size, initval=np.zeros(scales.size))
        pm.Potential("density", -0.5 * (x * (((precision + precision.T) / 2) @ x)).sum())
    return model


def random_axes(dim: int) -> np.ndarray:
    """An orthogonal matrix, the same every time."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]


def near(dim: int) -> Place:
    """A point of unit scale."""
    return lambda rng: rng.uniform(-1, 1, dim)


def far(scales: np.ndarray, axes: np.ndarray | None = None) -> Place:
    """`FAR` standard deviations off, on either side, in every coordinate or along every one of `axes`."""

    def place(rng: np.random.Generator) -> np.ndarray:
        position = FAR * scales * rng.choice([-1.0, 1.0], scales.size)
        return position if axes is None else axes @ position

    return place


def _starts(dim: int = 20, wide: int = 100) -> dict[str, tuple[str, Callable[[], tuple[pm.Model, Place]]]]:
    ones, spread = np.ones(dim), np.geomspace(1e-3, 1e3, dim)
    scales = np.geomspace(10**-1.5, 10**1.5, wide)  # the condition number is that of the covariance
    axes = random_axes(wide)
    marginal = np.sqrt(axes**2 @ scales**2)
    return {
        "a-far": ("(a) standard, far", lambda: (normals(ones, dim), far(ones))),
        "b-near": ("(b) scales, unit start", lambda: (normals(spread, dim), near(dim))),
        "b-far": ("(b) scales, far", lambda: (normals(spread, dim), far(spread))),
        "c-near": ("(c) rotated, unit start", lambda: (rotated(scales, axes), near(wide))),
        "c-far": ("(c) rotated, far by axis", lambda: (rotated(scales, axes), far(scales, axes))),
        "c-farther": ("(c) rotated, far by coord.", lambda: (rotated(scales, axes), far(marginal))),
    }


_STARTS = _starts()
STARTS = {name: title for name, (title, _) in _STARTS.items()}
"""Titles of Gaussians with a place where chains start, by name."""


def load(name: str) -> Posterior:
    """Build one of `STARTS`."""
    model, place = _STARTS[name][1]()
    return Posterior(name, model, place=place)
