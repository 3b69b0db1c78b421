"""The start of a model whose variables have been given values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors

from ..native.pymc import make_initial_point_expression, make_initial_point_fn

__all__ = ["GivenStart"]


class GivenStart:
    """Where a model begins when values of some of its variables are given.

    What is compiled serves any numbers in unconstrained space, of these shapes.  PyMC takes them by name, but not where
    the transform depends on other free variables, as a bound does; here it is told by the variable, and with what those
    others begin at in their place.  Numbers in a variable's own space are constants, as they are for PyMC, which
    rewrites what it makes of them: another graph would round differently.

    Parameters
    ----------
    model : pymc.Model
    named : dict
        Values, strategies or expressions, by names of free variables or of their unconstrained ones.
    numbers : dict
        Those of them that are numbers, as arrays.
    """

    def __init__(self, model: pm.Model, named: Mapping[str, Any], numbers: Mapping[str, np.ndarray]) -> None:
        self._held: dict[str, Any] = {}
        values = {rv.name: model.rvs_to_values[rv] for rv in model.free_RVs}
        # by variables, because PyMC takes some names of variables for those of unconstrained ones
        overrides: dict[Any, Any] = {}
        for rv in model.free_RVs:  # what its transform depends on comes before
            value, transform = values[rv.name], model.rvs_to_transforms[rv]
            if rv.name in named:
                overrides[rv] = named[rv.name]
            elif value.name in values or value.name not in named:
                continue
            elif value.name not in numbers:
                overrides[value.name] = named[value.name]
            else:
                own = transform.backward(self._hold(value, numbers[value.name]), *rv.owner.inputs)
                if set(model.free_RVs) & set(ancestors([own])):
                    begun = make_initial_point_expression(
                        free_rvs=model.free_RVs, rvs_to_transforms=model.rvs_to_transforms,
                        initval_strategies={**model.rvs_to_initial_values, **overrides},
                    )  # fmt: skip
                    own = clone_replace(own, dict(zip(model.free_RVs, begun, strict=True)), rebuild_strict=False)
                overrides[rv] = own
        self._functions = [
            make_initial_point_fn(model=model, overrides=overrides, return_transformed=moved) for moved in (True, False)
        ]

    @staticmethod
    def key(model: pm.Model, named: Mapping[str, Any], numbers: Mapping[str, np.ndarray]) -> tuple[Any, ...] | None:
        """By which it is found again; None where it is not to be kept."""
        free = {rv.name for rv in model.free_RVs}
        key: list[Any] = ["start at"]
        for name, value in named.items():
            if name in numbers and name not in free:
                key.append((name, numbers[name].shape))
            elif value is None or isinstance(value, str):
                key.append((name, value))
            else:
                return None
        return tuple(key)

    def _hold(self, variable: Any, number: np.ndarray) -> Any:
        shared = pytensor.shared(number.astype(variable.dtype), shape=number.shape)
        self._held[variable.name] = shared
        return shared

    def at(self, numbers: Mapping[str, np.ndarray], seed: int, inside: bool = False) -> dict[str, np.ndarray]:
        """The start with these numbers: in unconstrained space, or that of the variables themselves."""
        for name, shared in self._held.items():
            shared.set_value(numbers[name].astype(shared.dtype))
        return dict(self._functions[inside](seed))
