"""From draws of the variables of a model to the unconstrained vector that its log-density is a function of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pymc.pytensorf import compile as pm_compile
from pytensor.graph.replace import clone_replace

from ..native.pytensor import user_code
from .compiled import mode_for
from .density import LogDensity

__all__ = ["unconstraining"]


def unconstraining(target: LogDensity) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """A function from the values of all free variables, by name and in their own space, to the flat vector (d,)."""
    model = target.model
    free = [model.values_to_rvs[value] for value in target.vars]
    names, values = [rv.name for rv in free], [value.name for value in target.vars]

    def compiled() -> Any:
        moved = []
        for rv in free:
            transform = model.rvs_to_transforms[rv]
            moved.append(rv if transform is None else transform.forward(rv, *rv.owner.inputs))
        # transforms may depend on other variables, as an interval does whose bounds are random
        given = {rv: rv.type() for rv in free}
        outputs = clone_replace(moved, given)
        with user_code:
            return pm_compile(list(given.values()), outputs, on_unused_input="ignore", mode=mode_for(outputs, None))

    function = target.once("unconstrained", compiled)
    dtypes = {rv.name: rv.dtype for rv in free}

    def vector(point: Mapping[str, np.ndarray]) -> np.ndarray:
        with user_code:
            found = function(*(np.asarray(point[name], dtype=dtypes[name]) for name in names))
            return target.to_vector(dict(zip(values, map(np.asarray, found), strict=True)))

    return vector
