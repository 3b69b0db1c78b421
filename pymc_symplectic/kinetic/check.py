"""Numerical checks of the properties of a kinetic energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import whole
from ..kernels import kinetic as kernels
from ..kernels.random import generator_record
from .base import KineticEnergy

__all__ = ["Finding", "KineticReport", "check_kinetic"]

_MOST_DRAWS, _LEAST_DRAWS = 4000, 1500  # that are tested on lines, in few and in many dimensions
_MEANS = 400_000  # coordinates of draws that a mean is taken of
_NUMBERS = 4_000_000  # in memory at a time
_NODES = 160  # of quadrature along a line
_REACH = 12.0  # of asinh of the distance along a line: |t| < 8e4 times the spread of the momenta
_CHANCE = 1e-5  # of a test of draws to fail by chance


@dataclass(frozen=True)
class Finding:
    """One property: its name, whether it holds, and what was measured."""

    name: str
    passed: bool
    measured: str


@dataclass(frozen=True)
class KineticReport:
    """The findings of `check_kinetic`; true where every property holds.

    Attributes
    ----------
    kinetic : KineticEnergy
    dim : int
    findings : tuple of Finding
    """

    kinetic: KineticEnergy
    dim: int
    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def failures(self) -> list[str]:
        """The properties that do not hold, each with what was measured."""
        return [f"{finding.name}: {finding.measured}" for finding in self.findings if not finding.passed]

    def __str__(self) -> str:
        lines = [f"{self.kinetic} in {self.dim} dimension{'s' if self.dim > 1 else ''}"]
        lines += [f"  {'ok  ' if f.passed else 'FAIL'}  {f.name}: {f.measured}" for f in self.findings]
        return "\n".join(lines)

    __repr__ = __str__


def check_kinetic(kinetic: KineticEnergy, dim: int = 2, *, seed: int = 0) -> KineticReport:
    r"""Try everything that a sampler relies on in a kinetic energy.

    Parameters
    ----------
    kinetic : KineticEnergy
    dim : int, optional
        The number of dimensions to try it in; try 1, 2 and many.
    seed : int, optional

    Returns
    -------
    KineticReport
        True where all is well; it prints what was measured.

    Notes
    -----
    - K and ∇K are finite, from momenta of nearly zero to those far beyond any draw.
    - K is even, to rounding.
    - The velocity is the gradient of the energy: along random directions u it equals
      :math:`(K(r + hu) - K(r - hu)) / 2h`, extrapolated to h → 0.
    - Where K claims to be convex, :math:`(\nabla K(a) - \nabla K(b)) \cdot (a - b) \ge 0`.
    - Draws follow exp(-K).  If they do, then :math:`\mathbb{E}[r \cdot \nabla K(r)] = d`.  And then the place of a draw
      on a line through it, given the line, has the density :math:`\propto e^{-K(r + tu)}` along it, or
      :math:`\propto s^{d-1} e^{-K(sr/|r|)}` along the ray from the origin; its distribution function, by quadrature, is
      uniform.  That is tested, by Kolmogorov and Smirnov, for rays, for coordinate axes and for random directions, in
      any number of dimensions, without the normalising constant of exp(-K).

    Examples
    --------
    >>> import pymc_symplectic as ps
    >>> bool(ps.check_kinetic(ps.kinetic.Relativistic(c=2.0), dim=3))
    True
    """
    dim = whole("dim", dim, least=1)
    rng = np.random.default_rng([seed, dim])
    record = kinetic.record(dim)
    momenta = rng.standard_normal((60, dim)) * np.geomspace(1e-3, 30, 60)[:, None]
    findings = [_finite(record, momenta)]
    if findings[0].passed:
        findings += [_even(record, momenta), _gradient(record, momenta, rng)]
        if kinetic.convex:
            findings.append(_convex(record, rng, dim))
        findings += _drawn(record, rng, dim)
    return KineticReport(kinetic, dim, tuple(findings))


def _energies(record: object, momenta: np.ndarray) -> np.ndarray:
    momenta = np.ascontiguousarray(momenta)
    out = np.empty(momenta.shape[:-1])
    kernels.energies(record, momenta.reshape(-1, momenta.shape[-1]), out.reshape(-1))
    return out


def _velocities(record: object, momenta: np.ndarray) -> np.ndarray:
    out = np.empty_like(momenta)
    kernels.velocities(record, np.ascontiguousarray(momenta), out)
    return out


def _finite(record: object, momenta: np.ndarray) -> Finding:
    values = np.isfinite(_energies(record, momenta)), np.isfinite(_velocities(record, momenta)).all(axis=1)
    for what, fine in zip(("energy", "velocity"), values, strict=True):
        if not fine.all():
            radius = np.linalg.norm(momenta[~fine][0])
            return Finding("finite", False, f"the {what} is not finite at a momentum of length {radius:.3g}")
    return Finding("finite", True, f"at momenta of length up to {np.linalg.norm(momenta, axis=1).max():.3g}")


def _even(record: object, momenta: np.ndarray) -> Finding:
    forth, back = _energies(record, momenta), _energies(record, -momenta)
    gap = float(np.max(np.abs(forth - back) / (1 + np.abs(forth))))
    return Finding("even", gap < 1e-12, f"|K(r) - K(-r)| is at most {gap:.1e} of 1 + |K|")


def _gradient(record: object, momenta: np.ndarray, rng: np.random.Generator) -> Finding:
    directions = rng.standard_normal(momenta.shape)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    slopes = np.sum(_velocities(record, momenta) * directions, axis=1)
    h = 1e-3 * (0.1 + np.linalg.norm(momenta, axis=1))[:, None]

    def difference(h: np.ndarray) -> np.ndarray:
        rise = _energies(record, momenta + h * directions) - _energies(record, momenta - h * directions)
        return rise / (2 * h[:, 0])

    measured = (4 * difference(h / 2) - difference(h)) / 3  # Richardson's extrapolation
    # a profile with corners of the slope has none of the smoothness that extrapolation needs, at a few places
    gap = np.abs(measured - slopes) / (np.abs(slopes) + np.linalg.norm(momenta, axis=1) * 1e-2 + 1e-3)
    share = float(np.mean(gap > 1e-5))
    passed = share <= 0.1 and gap.max() < 1e-2
    return Finding(
        "gradient", bool(passed), f"velocity and slope of the energy differ by up to {gap.max():.1e}, relative"
    )


def _convex(record: object, rng: np.random.Generator, dim: int) -> Finding:
    pairs = rng.standard_normal((2, 400, dim)) * np.geomspace(0.01, 30, 400)[:, None]
    moved = pairs[0] - pairs[1]
    change = np.sum((_velocities(record, pairs[0]) - _velocities(record, pairs[1])) * moved, axis=1)
    least = float(np.min(change / np.sum(moved**2, axis=1)))
    return Finding("convex", least > -1e-9, f"the least slope of the velocity between two momenta is {least:.2g}")


def _drawn(record: object, rng: np.random.Generator, dim: int) -> list[Finding]:
    momenta = np.empty((max(_LEAST_DRAWS, _MOST_DRAWS // (1 + dim // 20)), dim))
    kernels.draws(record, generator_record(rng), momenta)
    if not np.isfinite(momenta).all():
        return [Finding("draws", False, "some are not finite")]
    findings = [_virial(record, rng, dim)]
    for name, directions, power in (
        ("along rays", momenta / np.linalg.norm(momenta, axis=1, keepdims=True), dim - 1),
        ("along axes", np.eye(dim)[rng.integers(dim, size=len(momenta))], 0),
        ("along lines", rng.standard_normal(momenta.shape), 0),
    ):
        if dim == 1 and name == "along lines":
            continue  # the same as the axis
        p, gap = _uniformity(record, momenta, directions, power)
        findings.append(
            Finding(f"draws {name}", p > _CHANCE, f"distribution functions differ by {gap:.3f}, p = {p:.2g}")
        )
    return findings


def _virial(record: object, rng: np.random.Generator, dim: int) -> Finding:
    from scipy.stats import norm

    momenta = np.empty((max(_LEAST_DRAWS, _MEANS // dim), dim))
    kernels.draws(record, generator_record(rng), momenta)
    products = np.sum(momenta * _velocities(record, momenta), axis=1) / dim
    error = products.std() / np.sqrt(len(products))
    p = float(2 * norm.sf(abs(products.mean() - 1) / error))
    return Finding("draws on average", p > _CHANCE, f"r·v is {products.mean():.4f} d, and should be d; p = {p:.2g}")


def _uniformity(record: object, momenta: np.ndarray, directions: np.ndarray, power: int) -> tuple[float, float]:
    """Whether draws lie on lines through them as exp(-K) says: p-value, and largest gap of distribution functions."""
    from scipy.stats import kstest

    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    scale = np.median(np.abs(np.sum(momenta * directions, axis=1)))
    # The line is measured from its point nearest to the origin; on rays only s > 0 counts.
    places = np.sum(momenta * directions, axis=1)
    feet = momenta - places[:, None] * directions
    if power or np.abs(feet).max() < 1e-12 * np.abs(momenta).max():
        places, sign = np.abs(places), 1.0
        low, high = -_REACH, np.log(1e5)
    else:
        sign, low, high = -1.0, -_REACH, _REACH

    def transform(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # of a bounded variable to the line, with its slope
        return (scale * np.exp(x), scale * np.exp(x)) if sign > 0 else (scale * np.sinh(x), scale * np.cosh(x))

    at = np.log(np.maximum(places, 1e-300) / scale) if sign > 0 else np.arcsinh(places / scale)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    parts = []
    for begin, end in ((np.full_like(at, low), at), (at, np.full_like(at, high))):
        x = begin[:, None] + np.maximum(end - begin, 0)[:, None] * (nodes + 1) / 2
        t, slope = transform(x)
        log_density = -np.concatenate(
            [
                _energies(record, feet[part, None, :] + t[part, :, None] * directions[part, None, :])
                for part in np.array_split(np.arange(len(t)), 1 + momenta.size * _NODES // _NUMBERS)
            ]
        )
        if power:
            log_density += power * np.log(t)
        parts.append((log_density, slope * weights * np.maximum(end - begin, 0)[:, None] / 2))
    top = np.maximum(parts[0][0].max(axis=1), parts[1][0].max(axis=1))[:, None]
    below, above = (np.sum(np.exp(log_density - top) * weight, axis=1) for log_density, weight in parts)
    result = kstest(below / (below + above), "uniform")
    return float(result.pvalue), float(result.statistic)
