"""Three families of models of any dimension.

independent
    Normals of scales from 0.1 to 10, log-uniform in random order.
correlated
    A stationary autoregression of order 1: normals of variance 1, the correlation of two is 0.9 to the power of their
    distance.  The density is that of the differences, so that a gradient costs O(d).  The condition number of the
    covariance is 361 at most.
hierarchical
    Counts of d - 2 groups of different exposure, whose logarithmic rates are normal with unknown mean and standard
    deviation.  It is centered; most groups have counts enough for that.
"""

import math
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.models.gaussians import normals
from benchmarks.models.posterior import Posterior

__all__ = ["CORRELATION", "FAMILIES", "correlated", "hierarchical", "independent", "load"]

CORRELATION = 0.9


def independent(dim: int) -> pm.Model:
    """Normals of scales over two decades."""
    return normals(np.random.default_rng(dim).permutation(np.geomspace(0.1, 10, dim)), dim)


def correlated(dim: int) -> pm.Model:
    """A stationary autoregression."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=dim, initval=np.zeros(dim))
        innovations = (x[1:] - CORRELATION * x[:-1]) / math.sqrt(1 - CORRELATION**2)
        pm.Potential("density", -0.5 * (x[0] ** 2 + (innovations**2).sum()))
    return model


def hierarchical(dim: int) -> pm.Model:
    """Counts of groups."""
    groups = dim - 2
    rng = np.random.default_rng(dim)
    exposure = rng.permutation(np.geomspace(3, 100, groups))
    counts = rng.poisson(exposure * np.exp(rng.normal(0.5, 0.7, groups)))
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        sigma = pm.HalfNormal("sigma", 1)
        theta = pm.Normal("theta", mu, sigma, shape=groups)
        pm.Poisson("y", exposure * pt.exp(theta), observed=counts)
    return model


FAMILIES: dict[str, Callable[[int], pm.Model]] = {
    "independent": independent,
    "correlated": correlated,
    "hierarchical": hierarchical,
}


def load(name: str) -> Posterior:
    """Build a member of a family, such as ``correlated-100``."""
    family, dim = name.split("-")
    return Posterior(name, FAMILIES[family](int(dim)))
