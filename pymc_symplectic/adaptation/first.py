"""The first metric: what the way down to the typical set, and probes of the curvature there, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.linear import DenseMap, LinearMap
from ..metrics import Metric
from ..policy import Policy
from ..window import Window
from .curvature import probed
from .descent import Place, descend
from .lab import Lab

__all__ = ["first_metric"]


def first_metric(metric: Metric, lab: Lab, step_size: Callable[[LinearMap], float], policy: Policy) -> LinearMap:
    """Move a chain down to its typical set; the metric that the way, and the curvature there, suggest.

    Parameters
    ----------
    metric : Metric
    lab : Lab
        Of a chain where it begins.
    step_size : callable
        The step size that a metric lets the chain make where it is.
    policy : Policy
    """
    places = descend(lab.evaluate, lab.place, policy) if policy.descent else [lab.place]
    lab.move(places[-1])
    found = _seen_on_the_way(metric, places, lab.gradient, policy)
    if metric.adapts and isinstance(found, DenseMap) and policy.probes:
        found = probed(lab.evaluate, lab.place, found, lab.normals, step_size, policy)
    return found


def _seen_on_the_way(metric: Metric, places: Sequence[Place], gradient: np.ndarray, policy: Policy) -> LinearMap:
    """The metric that the latest places ask for which are not far below the highest one.

    Where the gradient has come to nothing, it does not tell a scale, and the steepest one on the way does.
    """
    lowest = max(place.value for place in places) - policy.descent_depth * (len(gradient) + 1)
    near = [place for place in places if place.value > lowest][-policy.descent_points :]
    steepest = np.abs([place.gradient for place in places]).max(axis=0)
    found = metric.start(np.where(gradient == 0, steepest, gradient))
    if len(near) < policy.fewest_points:
        return found
    positions, values, gradients = (np.array(column) for column in zip(*near, strict=True))
    return metric.fit(found, Window.of_points(positions, gradients, values))
