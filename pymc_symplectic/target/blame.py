"""Which part of a model it is that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np
import pymc as pm
from pytensor.graph.traversal import ancestors

from ..native.pytensor import user_code

__all__ = ["infinite_terms", "undefined_gradient", "unpicklable_part"]


def infinite_terms(model: pm.Model, point: Mapping[str, np.ndarray]) -> str:
    """Say which terms of a model are infinite or undefined at a point."""
    try:
        with user_code:
            terms = model.point_logps(dict(point), round_vals=10)
    except Exception as error:
        return f"evaluating the model's terms raised {type(error).__name__}: {error}"
    bad = {name: float(value) for name, value in terms.items() if not np.isfinite(value)}
    if bad:
        return "; ".join(f"{name} has log-density {value}" for name, value in bad.items())
    return f"no single variable stands out; the model's terms are {terms}"


def undefined_gradient(names: Sequence[str]) -> str:
    """Say what to do where the gradient by some variables is not finite, and the log-density is."""
    return (
        f"the gradient with respect to {', '.join(names)} is not finite, where the log-density itself is; start "
        "elsewhere (initvals), or look for a derivative that is 0/0 there"
    )


def unpicklable_part(model: pm.Model, gradient: Sequence[Any]) -> str:
    """Say which part of a model, or of the graphs of its gradient, cannot be pickled."""
    graphs = {f"variable {name}": [variable] for name, variable in model.named_vars.items()}
    for where, outputs in {**graphs, "the gradient": gradient}.items():
        for variable in ancestors(outputs):
            part = getattr(variable.owner, "op", variable)
            try:
                cloudpickle.dumps(part)
            except Exception:
                return f"{part} in {where}"
    return "the model, or an argument of the step,"
