"""Standardised variables z of which a model makes location + scale z: non-centered, as many are written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import applys_between

from ..native.pymc import distribution_of
from ..native.pytensor import step_of

__all__ = ["standardised"]

_STANDARD: Mapping[str, int] = {"Cauchy": 0, "Laplace": 0, "Logistic": 0, "Normal": 0, "StudentT": 1}
"""Symmetric distributions on the whole line, with the place of their location."""


def standardised(model: pm.Model) -> list[tuple[Any, Any, Any]]:
    """Free variables that are only ever scaled by others, with the location and the logarithm of the scale.

    A variable z, with a location of 0, is followed through a model as far as nothing else is made of it: through
    products ``tau * z``, quotients ``z / tau``, and indices ``z[group]``, up to the first sum ``mu + tau * z``.
    Factors and terms have to be there for each element of z, which behind an index is so for numbers alone; with other
    terms, the location is 0.  Two of them in one product, as in ``loading * factor``, would each be the scale of the
    other; neither is taken.
    """
    ends: list[Any] = [*model.basic_RVs, *model.potentials]
    clients: dict[Variable, list[tuple[Any, int]]] = {}
    for node in applys_between([], ends):
        for place, part in enumerate(node.inputs):
            clients.setdefault(part, []).append((node, place))
    followed = []
    for rv in model.free_RVs:
        if model.rvs_to_transforms[rv] is None and isinstance(rv, pt.TensorVariable) and _is_standard(rv):
            location, log_scale, of_sum, products = _followed(rv, clients, set(ends))
            if log_scale is not None:
                followed.append((rv, location, log_scale, of_sum, products))
    often = Counter(product for *_, products in followed for product in products)
    found, sums = [], set()
    for rv, location, log_scale, of_sum, products in followed:
        if any(often[product] > 1 for product in products):
            continue
        # of ``s * x + t * z`` one can be the location of the other, and not both
        found.append((rv, pt.zeros(()) if of_sum in sums else location, log_scale))
        if of_sum is not None:
            sums.add(of_sum)
    return found


def _is_standard(rv: Any) -> bool:
    name, parameters = distribution_of(rv)
    if name not in _STANDARD:
        return False
    try:
        location = pt.get_underlying_scalar_constant_value(parameters[_STANDARD[name]])
    except pt.exceptions.NotScalarConstantError:
        return False
    return bool(location == 0)


def _followed(
    rv: Any, clients: Mapping[Variable, list[tuple[Any, int]]], ends: set[Any]
) -> tuple[Any, Any, Variable | None, list[Variable]]:
    """The location and the logarithm of the scale of what is made of a variable, the sum, and the products.

    Without products, the logarithm is None, and without a sum, that is.
    """
    at, log_scale, indexed, products = rv, None, False, []
    while len(clients.get(at, ())) == 1 and (at is rv or at not in ends):
        ((node, place),) = clients[at]
        step = step_of(node)
        others = [part for i, part in enumerate(node.inputs) if i != place]
        if step == "entries" and place == 0:
            indexed = True
        elif step == "product" or (step == "quotient" and place == 0):
            if not all(_is_there(part, at, indexed) for part in others):
                break
            products.append(node.outputs[0])
            factor = _number(_log_of(_all(pt.mul, others)), indexed)
            factor = factor if step == "product" else -factor
            log_scale = factor if log_scale is None else log_scale + factor
        elif step == "sum" and log_scale is not None and all(_is_there(part, at, indexed) for part in others):
            return _number(_all(pt.add, others), indexed), log_scale, node.outputs[0], products
        elif step != "view":
            break
        (at,) = node.outputs
    return pt.zeros(()), log_scale, None, products


def _is_there(part: Any, at: Any, indexed: bool) -> bool:
    """Whether it is one number, or, of what is not indexed, has an element for each."""
    shapes = part.type.shape
    if indexed:
        return all(length == 1 for length in shapes)
    return len(shapes) <= at.ndim and all(
        length == 1 or of != 1 for length, of in zip(shapes[::-1], at.type.shape[::-1], strict=False)
    )


def _all(operation: Any, parts: Sequence[Any]) -> Any:
    """Several parts as one; of whole numbers, which may be short ones, logarithms would be inexact."""
    return (operation(*parts) if len(parts) > 1 else parts[0]).astype("float64")


def _log_of(factor: Any) -> Any:
    """Of its size; of 0, as where a mask takes effects away, it is 0, so that gradients are finite."""
    size = pt.abs(factor)
    return pt.log(pt.switch(pt.eq(size, 0), 1.0, size))


def _number(part: Any, indexed: bool) -> Any:
    return part.reshape(()) if indexed else part
