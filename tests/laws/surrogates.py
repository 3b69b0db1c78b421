"""Surrogates of the populations: what is learned from a few of their draws, and what has nothing to do with them."""

from functools import cache

import numpy as np

from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.metrics.estimate import centre
from pymc_symplectic.policy import Policy
from pymc_symplectic.surrogates import Features, LearnedDensity, fit
from pymc_symplectic.window import Window

from .systems import DATA, DIM, POPULATIONS, map_for


@cache
def points_of(population, count=400, seed=11):
    """Draws, with gradients and log-densities."""
    draws = POPULATIONS[population].draw(np.random.default_rng(seed), count)
    gradients, values, value = np.empty_like(draws), np.empty(count), np.empty(1)
    for i, draw in enumerate(draws):
        POPULATIONS[population].logp.python(DATA, draw, gradients[i], value)
        values[i] = value[0]
    return Window.of_points(draws, gradients, values)


def fitted(population, degree, count=400):
    points, metric = points_of(population, count), map_for(population, "dense")
    return fit(points, points, metric, centre(metric, *points.means), Policy(), degree)


@cache
def surrogate(population, kind):
    """By its kind: good, crude, or wrong."""
    if kind == "wrong":
        factor = np.array([[0.7, 0.0, 0.0], [-0.4, 0.9, 0.0], [0.3, 0.2, 1.4]])
        coefficients = np.array([3.0, 0.4, -0.3, 0.2, -0.3, 0.2, 0.1, 0.2, -0.2, -0.3])
        mean = np.array([0.4, 0.1, -0.3])
        return LearnedDensity(Features(DIM, 2), mean, factor, coefficients, np.array([2.0, 1.6, -1.5, 0.8]))
    return fitted(population, {"good": 5, "crude": 2}[kind]).density


def matrix_map(density):
    return DenseMap(density.factor)
