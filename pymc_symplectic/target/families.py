"""Which variables of a model have a location or a scale that depends on others, read from its graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomGeneratorType

from ..native.pymc import distribution_of, lags_of
from .indices import has_dims
from .standardised import standardised

__all__ = ["LARGEST", "LEVELS", "LocationScale", "location_scales"]

LEVELS = 5
"""Of variables that depend on one another, the most that are taken for a hierarchy, and not for a series."""
LARGEST = 8
"""Elements of a vector with a covariance, at most: effects of groups, and not a Gaussian process."""


class LocationScale(NamedTuple):
    r"""A value variable q, unconstrained, with a location and a scale that are functions of other value variables.

    Given these, (q - location) / scale has a distribution that does not depend on them; or, where `weight` is 0, q has
    one, and the model makes location + scale q of it.

    Attributes
    ----------
    value : variable
    location : variable
        Of an element, it may depend on elements of q that are before it.
    log_scale : variable
    level : int
        1 where these depend on no other of this kind, 2 where they depend on one of level 1, and so on.
    weight : float
        1 where q is centered, and 0 where it is non-centered, as z is in ``mu + tau * z``.
    sweeps : int
        How often locations have to be computed, the first elements first, until those of all elements are there: once,
        and of vectors with a covariance as often as they have elements.
    series : bool
        Whether, along the last axis, elements follow one another.
    own : bool
        Whether scales of elements are others of its elements, whose own scale is 1 and location 0.
    """

    value: Any
    location: Any
    log_scale: Any
    level: int = 0
    weight: float = 1.0
    sweeps: int = 1
    series: bool = False
    own: bool = False


type _Found = tuple[Any, Any] | None
type _Family = Callable[[Any, Sequence[Any]], _Found]
"""Location and log-scale of a random variable with some parameters; None where they are not known."""


def _of_location(location: int, scale: int) -> _Family:
    """Of a distribution on the whole line, by the places of its parameters."""
    return lambda _, parameters: (parameters[location], pt.log(parameters[scale]))


def _of_scale(scale: int) -> _Family:
    """Of the logarithm of what has a scale alone: a location, and nothing else."""
    return lambda _, parameters: (pt.log(parameters[scale]), pt.zeros(()))


def _of_sums(_: Any, parameters: Sequence[Any]) -> _Found:
    """Of what sums to zero: PyMC's transform of it is a rotation, so that all have the scale of each."""
    return pt.zeros(()), pt.log(parameters[0])


def _of_vectors(location: int, covariance: int) -> _Family:
    r"""Of vectors x, each element given those before it.

    With a Cholesky factor L of the covariance, :math:`z = L^{-1}(x - \mu)`, and D the diagonal of L, locations are
    :math:`\mu + (L - D) z`, and scales those of D: non-centered, all elements are those of z.
    """

    def found(vectors: Any, parameters: Sequence[Any]) -> _Found:
        mean, matrix = parameters[location], parameters[covariance]
        if any(length != 1 for length in matrix.type.shape[:-2]) or not _length(vectors):
            return None
        one = matrix[(0,) * (matrix.ndim - 2)]
        factor = pt.linalg.cholesky(one, lower=True, on_error="nan")
        inverse = pt.linalg.solve_triangular(factor, pt.eye(_length(vectors)), lower=True)
        scales = pt.diagonal(factor)
        before = pt.tril(-scales[:, None] * inverse, -1)  # (L - D) L⁻¹ = I - D L⁻¹
        return mean + (vectors - mean) @ before.T, pt.log(scales)

    return found


def _length(vectors: Any) -> int:
    """How many elements each has; 0 where they are too many, or it is not known."""
    length = vectors.type.shape[-1] or 0
    return length if length <= LARGEST else 0


def _of_walk(walk: Any, parameters: Sequence[Any]) -> _Found:
    """Of a random walk from its first place on; the scale is that of a step, as a factor does not matter."""
    steps = parameters[1]
    name, its = distribution_of(steps)
    known = _ON_THE_LINE[name](steps, its) if name in _STEPS else None
    if known is None:
        return None
    shape = (walk.shape[-1] - 1, *(walk.shape[axis] for axis in range(walk.ndim - 1)))
    drift, log_scale = (pt.moveaxis(pt.broadcast_to(part, shape), 0, -1) for part in known)
    first = walk[..., 0][..., None]
    return _after(first, first + pt.cumsum(drift, axis=-1), log_scale)


def _of_autoregression(series: Any, parameters: Sequence[Any]) -> _Found:
    """Of a series after its first places: where these lead to without noise, as far as that is simple; else 0."""
    coefficients, scale, *_ = parameters
    lags, constant = lags_of(series)
    later = pt.zeros_like(series[..., lags:])
    log_scale = pt.log(scale)[..., None] + later
    if lags > 1 or constant:
        return _after(series[..., :lags], later, log_scale)
    first, coefficient = series[..., 0][..., None], coefficients[..., 0][..., None]
    return _after(first, first * coefficient ** (1 + pt.arange(later.shape[-1])), log_scale)


def _of_factor(factor: Any, _: Sequence[Any]) -> _Found:
    """Of a Cholesky factor of a covariance, packed by rows: left of the diagonal, the scale is the row's element on it.

    A row is a standard deviation times a row of the factor of the correlations: where the former is next to nothing, so
    are all of its elements.  PyMC has the logarithm of those on the diagonal and the others as they are: a funnel.
    """
    length = factor.type.shape[-1]
    if length is None or length == 1:
        return None
    size = math.isqrt(2 * length)
    row = np.repeat(np.arange(size), np.arange(1, size + 1))
    diagonal = np.cumsum(np.arange(1, size + 1)) - 1
    left = ~np.isin(np.arange(length), diagonal)
    return pt.zeros(()), pt.switch(left, pt.log(factor[..., diagonal[row]]), 0.0)


def _after(first: Any, location: Any, log_scale: Any) -> tuple[Any, Any]:
    """Of a series whose first places are left as they are."""
    nothing = pt.zeros_like(first)
    return pt.concatenate([nothing, location], axis=-1), pt.concatenate([nothing, log_scale], axis=-1)


_ON_THE_LINE: Mapping[str, _Family] = {
    "AR": _of_autoregression,
    "Cauchy": _of_location(0, 1),
    "Gumbel": _of_location(0, 1),
    "Laplace": _of_location(0, 1),
    "Logistic": _of_location(0, 1),
    "Moyal": _of_location(0, 1),
    "MvNormal": _of_vectors(0, 1),
    "MvStudentT": _of_vectors(1, 2),
    "Normal": _of_location(0, 1),
    "RandomWalk": _of_walk,
    "SkewNormal": _of_location(0, 1),
    "StudentT": _of_location(1, 2),
}
"""By the name of the distribution, where the value is the variable itself."""
_STEPS = ("Cauchy", "Laplace", "Logistic", "Normal", "StudentT")
"""Of a random walk."""
_VECTORS = ("MvNormal", "MvStudentT")
_SERIES = ("AR", "RandomWalk")
_OF_THEMSELVES = ("LKJCholeskyCov",)
"""Whose scales are elements of their own."""
_BY_ITS_LOGARITHM: Mapping[str, _Family] = {
    "Exponential": _of_scale(0),
    "Gamma": _of_scale(1),
    "HalfCauchy": _of_scale(0),
    "HalfNormal": _of_scale(1),
    "HalfStudentT": _of_scale(1),
    "InverseGamma": _of_scale(1),
    "LogNormal": _of_location(0, 1),
    "Weibull": _of_scale(1),
}
"""The same, where the value is its logarithm."""
_BY_TRANSFORM: Mapping[type, Mapping[str, _Family]] = {
    type(None): _ON_THE_LINE,
    type(transforms.log): _BY_ITS_LOGARITHM,
    transforms.CholeskyCovPacked: {"LKJCholeskyCov": _of_factor},
    transforms.ZeroSumTransform: {"ZeroSumNormal": _of_sums},
}


def location_scales(model: pm.Model, values: Sequence[Any]) -> list[LocationScale]:
    """Those of some value variables of a model, each after all that it depends on.

    A variable with a transform of a user's own is left alone, as is one whose location or scale is random itself or
    made by `pymc.dims`, and one that is on a chain of more than `LEVELS` of them, such as a random walk that is written
    step by step.
    """
    known: list[LocationScale] = []
    for rv in model.free_RVs:
        value, families = model.rvs_to_values[rv], _BY_TRANSFORM.get(type(model.rvs_to_transforms[rv]), {})
        name, parameters = distribution_of(rv)
        if name in families and value in values and isinstance(rv, pt.TensorVariable):
            made = families[name](rv, parameters)
            if made is not None:
                sweeps = _length(rv) if name in _VECTORS else 1
                known.append(
                    LocationScale(value, *made, sweeps=sweeps, series=name in _SERIES, own=name in _OF_THEMSELVES)
                )
    for rv, location, log_scale in standardised(model):
        if model.rvs_to_values[rv] in values:
            known.append(LocationScale(model.rvs_to_values[rv], location, log_scale, weight=0.0))
    replaced = model.replace_rvs_by_values([graph for one in known for graph in (one.location, one.log_scale)])
    parts = zip(replaced[::2], replaced[1::2], strict=True)
    placed = [one._replace(location=at, log_scale=by) for one, (at, by) in zip(known, parts, strict=True)]
    found = _of_others(model, placed)
    levels = _levels(found)
    if len(levels) < len(found):  # sums of many products are no levels
        placed = [one._replace(location=pt.zeros(())) if one.weight == 0 else one for one in placed]
        found = _of_others(model, placed)
        levels = _levels(found)
    return [found[value][0]._replace(level=level) for value, level in levels.items()]


def _of_others(model: pm.Model, placed: Sequence[LocationScale]) -> dict[Any, tuple[LocationScale, set[Any]]]:
    """Those that depend on others, by their values, with the values among all of these that each is made from."""
    found: dict[Any, tuple[LocationScale, set[Any]]] = {}
    values, among = set(model.value_vars), {one.value for one in placed}
    for one in placed:
        parts = [one.location, one.log_scale]
        made_from = set(ancestors(parts)) - {one.value}
        random = any(isinstance(part.type, RandomGeneratorType) for part in made_from)
        if (one.own or made_from & values) and one.value not in found and not random and not has_dims(parts):
            found[one.value] = one, made_from & among
    return found


def _levels(found: Mapping[Any, tuple[LocationScale, set[Any]]]) -> dict[Any, int]:
    """The levels of values, each after those that it is made from, without those on chains of too many."""
    of = {value: its & found.keys() for value, (_, its) in found.items()}
    above: dict[Any, int] = {}
    more = True
    while more:  # what is made in a circle never is one more
        more = False
        for value, its in of.items():
            if value not in above and its <= above.keys():
                above[value] = 1 + max((above[parent] for parent in its), default=0)
                more = True
    below = dict.fromkeys(above, 0)
    for value in reversed(above):
        for parent in of[value]:
            below[parent] = max(below[parent], 1 + below[value])
    return {value: level for value, level in above.items() if level + below[value] <= LEVELS}
