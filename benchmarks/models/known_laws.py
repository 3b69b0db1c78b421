"""Six targets that a careless tuner falls for, and what is true of them.

schools
    Eight schools, centered, of posteriordb: a funnel of which no sampler sees the neck.
funnel
    Neal's, of ten dimensions: v ~ N(0, 3²), and nine x ~ N(0, exp(v)).
mixture
    0.5 N(-2, 1²) + 0.5 N(2, 0.6²) in one dimension: two modes of different width, with a way from one to the other.
gaussian
    100 dimensions; the covariance has the condition number 10⁴ and random principal axes.
student
    Student t with 2 degrees of freedom in five independent dimensions: no variance.
poisson
    A Gaussian process with counts, of posteriordb (``gp_pois_regr``).

Quantities are the parameters, or projections on the principal axes for the Gaussian.  Where squares have no variance,
or one so large that no run sees it, only probabilities are looked at: all of student's quantities, and the funnel's x.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
from arviz_stats.base import array_stats
from scipy import integrate, optimize, stats

from benchmarks.models import gaussians, posteriordb
from benchmarks.models.posterior import Posterior

__all__ = ["KINDS", "LEVELS", "TARGETS", "Law", "Target", "load"]

LEVELS = (0.05, 0.95)
KINDS = ("mean", "squares", *(f"below {level:.0%}" for level in LEVELS))

Draws = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Law:
    """The truth about one quantity.

    Attributes
    ----------
    center : float
        From which deviations are squared; the mean where there is one.
    quantiles : tuple of float
        Those of `LEVELS`.
    truth : dict of str to tuple of float
        The expected value of each statistic that is looked at, some of `KINDS`, and its standard error.
    """

    center: float
    quantiles: tuple[float, float]
    truth: dict[str, tuple[float, float]]

    @classmethod
    def known(cls, low: float, high: float, mean: float = 0.0, sd: float | None = None) -> "Law":
        """Of a law with these quantiles; without a standard deviation, moments are not looked at."""
        values = LEVELS if sd is None else (mean, sd**2, *LEVELS)
        kinds = KINDS[-len(values) :]
        return cls(mean, (low, high), {kind: (value, 0.0) for kind, value in zip(kinds, values, strict=True)})

    @classmethod
    def drawn(cls, reference: np.ndarray) -> "Law":
        """Of reference draws (chains, draws)."""
        law = cls(float(reference.mean()), tuple(np.quantile(reference, LEVELS)), dict.fromkeys(KINDS, (0.0, 0.0)))
        parts = law.parts(reference)
        return cls(
            law.center,
            law.quantiles,
            {kind: (float(part.mean()), float(array_stats.mcse(part))) for kind, part in parts.items()},
        )

    def parts(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """The values that are averaged over draws, by kind."""
        all_of_them = (draws, (draws - self.center) ** 2, *(1.0 * (draws < quantile) for quantile in self.quantiles))
        return {kind: part for kind, part in zip(KINDS, all_of_them, strict=True) if kind in self.truth}


@dataclass(frozen=True, eq=False)
class Target:
    """A posterior of which the truth is known.

    Attributes
    ----------
    posterior : Posterior
    quantities : callable
        From draws (chains, draws, ...) of the model's variables to those (chains, draws) of each quantity.
    laws : dict of str to Law
        By quantity.
    """

    posterior: Posterior
    quantities: Callable[[Draws], dict[str, np.ndarray]]
    laws: dict[str, Law]


def _elements(draws: Draws) -> dict[str, np.ndarray]:
    """Every element of every variable."""
    found = {}
    for name, values in draws.items():
        if values.ndim == 2:
            found[name] = values
        else:
            found.update({f"{name}[{i}]": values[..., i] for i in range(values.shape[-1])})
    return found


def _real(name: str, path: Path | None) -> Target:
    posterior = posteriordb.load(name, path)
    assert posterior.reference is not None
    return Target(posterior, posterior.draws, {key: Law.drawn(draws) for key, draws in posterior.reference.items()})


def _made_up(name: str, model: pm.Model, laws: dict[str, Law], quantities: Any = _elements) -> Target:
    return Target(Posterior(name, model), quantities, laws)


def _funnel(dim: int = 10, sd: float = 3.0) -> Target:
    with pm.Model() as model:
        v = pm.Normal("v", 0, sd)
        pm.Normal("x", 0, pm.math.exp(v / 2), shape=dim - 1)
    scale = stats.norm(0, sd)

    def below(x: float) -> float:  # integrated over v, ten deviations on either side
        return integrate.quad(
            lambda v: scale.pdf(v) * stats.norm.cdf(x * math.exp(-v / 2)), -10 * sd, 10 * sd, limit=500
        )[0]

    high = optimize.brentq(lambda x: below(x) - LEVELS[1], 1e-3, 1e3)
    laws = {"v": Law.known(*scale.ppf(LEVELS), 0.0, sd)}
    return _made_up("funnel", model, laws | {f"x[{i}]": Law.known(-high, high) for i in range(dim - 1)})


def _mixture() -> Target:
    weights, means, sds = np.array([0.5, 0.5]), np.array([-2.0, 2.0]), np.array([1.0, 0.6])
    with pm.Model() as model:
        pm.NormalMixture("x", weights, means, sigma=sds)
    low, high = (
        optimize.brentq(lambda x, level=level: weights @ stats.norm.cdf(x, means, sds) - level, -20, 20)
        for level in LEVELS
    )
    mean = float(weights @ means)
    sd = math.sqrt(weights @ (sds**2 + means**2) - mean**2)
    return _made_up("mixture", model, {"x": Law.known(low, high, mean, sd)})


def _gaussian(dim: int = 100, condition: float = 1e4) -> Target:
    sds = np.geomspace(1, math.sqrt(condition), dim)
    axes = gaussians.random_axes(dim)
    return _made_up(
        "gaussian",
        gaussians.rotated(sds, axes),
        {f"axis[{i}]": Law.known(*stats.norm.ppf(LEVELS, 0, sd), 0.0, sd) for i, sd in enumerate(sds)},
        lambda draws: {f"axis[{i}]": projection for i, projection in enumerate(np.moveaxis(draws["x"] @ axes, -1, 0))},
    )


def _student(dim: int = 5, degrees: float = 2.0) -> Target:
    with pm.Model() as model:
        pm.StudentT("x", nu=degrees, mu=0, sigma=1, shape=dim)
    low, high = stats.t.ppf(LEVELS, degrees)
    return _made_up("student", model, {f"x[{i}]": Law.known(low, high) for i in range(dim)})


TARGETS: dict[str, Callable[[Path | None], Target]] = {
    "schools": lambda path: _real("eight_schools-eight_schools_centered", path),
    "funnel": lambda path: _funnel(),
    "mixture": lambda path: _mixture(),
    "gaussian": lambda path: _gaussian(),
    "student": lambda path: _student(),
    "poisson": lambda path: _real("gp_pois_regr-gp_pois_regr", path),
}
"""By name; the folder is posteriordb's."""


@cache
def load(name: str, path: Path | None = None) -> Target:
    """Build a target by name; `path` is posteriordb's."""
    return TARGETS[name](path)
