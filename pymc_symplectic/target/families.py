"""Which variables of a model have a location or a scale that depends on others, read from its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomGeneratorType

from ..native.pymc import distribution_of
from .indices import has_dims

__all__ = ["LEVELS", "LocationScale", "location_scales"]

LEVELS = 5
"""Of variables that depend on one another, the most that are taken for a hierarchy, and not for a series."""


class LocationScale(NamedTuple):
    r"""A value variable q, unconstrained, whose location and scale are functions of other value variables.

    Given these, (q - location) / scale has a distribution that does not depend on them.

    Attributes
    ----------
    value : variable
    location : variable
    log_scale : variable
    level : int
        1 where these depend on no other of this kind, 2 where they depend on one of level 1, and so on.
    """

    value: Any
    location: Any
    log_scale: Any
    level: int


def _of_location(location: int, scale: int) -> Callable[[Sequence[Any]], tuple[Any, Any]]:
    """Location and log-scale of a distribution on the whole line, by the places of its parameters."""
    return lambda parameters: (parameters[location], pt.log(parameters[scale]))


def _of_scale(scale: int) -> Callable[[Sequence[Any]], tuple[Any, Any]]:
    """Those of the logarithm of what has a scale alone: a location, and nothing else."""
    return lambda parameters: (pt.log(parameters[scale]), pt.zeros(()))


_LOGARITHM = type(transforms.log)
_ON_THE_LINE: Mapping[str, Callable[[Sequence[Any]], tuple[Any, Any]]] = {
    "Cauchy": _of_location(0, 1),
    "Gumbel": _of_location(0, 1),
    "Laplace": _of_location(0, 1),
    "Logistic": _of_location(0, 1),
    "Moyal": _of_location(0, 1),
    "Normal": _of_location(0, 1),
    "SkewNormal": _of_location(0, 1),
    "StudentT": _of_location(1, 2),
}
"""By the name of the distribution, where the value is the variable itself."""
_BY_ITS_LOGARITHM: Mapping[str, Callable[[Sequence[Any]], tuple[Any, Any]]] = {
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


def location_scales(model: pm.Model, values: Sequence[Any]) -> list[LocationScale]:
    """Those of some value variables of a model, each after all that it depends on.

    A variable with a transform of a user's own is left alone, as is one whose location or scale is random itself or
    made by `pymc.dims`, and one that is on a chain of more than `LEVELS` of them, such as a random walk that is written
    step by step.
    """
    known: list[Any] = []
    graphs: list[Any] = []
    for rv in model.free_RVs:
        value, transform = model.rvs_to_values[rv], model.rvs_to_transforms[rv]
        families = _ON_THE_LINE if transform is None else _BY_ITS_LOGARITHM if type(transform) is _LOGARITHM else {}
        name, parameters = distribution_of(rv)
        if name in families and value in values and isinstance(rv, pt.TensorVariable):
            known.append(value)
            graphs += families[name](parameters)
    replaced = model.replace_rvs_by_values(graphs)
    found: dict[Any, LocationScale] = {}
    parents: dict[Any, set[Any]] = {}
    for value, location, log_scale in zip(known, replaced[::2], replaced[1::2], strict=True):
        made_from = set(ancestors([location, log_scale]))
        random = any(isinstance(part.type, RandomGeneratorType) for part in made_from)
        if made_from & set(model.value_vars) and not random and not has_dims([location, log_scale]):
            found[value], parents[value] = LocationScale(value, location, log_scale, 0), made_from & set(known)
    return [found[value]._replace(level=level) for value, level in _levels(parents).items()]


def _levels(parents: Mapping[Any, set[Any]]) -> dict[Any, int]:
    """Of variables, each after its parents, the levels, without those on chains of too many."""
    of = {value: its & parents.keys() for value, its in parents.items()}
    above: dict[Any, int] = {}
    while len(above) < len(of):  # as a model's variables are made one from another, there is always one more
        for value, its in of.items():
            if value not in above and its <= above.keys():
                above[value] = 1 + max((above[parent] for parent in its), default=0)
    below = dict.fromkeys(above, 0)
    for value in reversed(above):
        for parent in of[value]:
            below[parent] = max(below[parent], 1 + below[value])
    return {value: level for value, level in above.items() if level + below[value] <= LEVELS}
