"""Points of trajectories are remembered, as each has cost a gradient that tells of the target, drawn or not."""

from .compile import helper
from .state import KEPT, SEEN, STRIDE, Point, Trail
from .vectors import assign

__all__ = ["FARTHEST", "remember"]

FARTHEST = 10.0
"""Nats by which the energy may be off where a point is remembered: beyond, the step was too long to be near anything
that a trajectory should see."""


@helper
def remember(trail: Trail, point: Point, error: float) -> None:
    """Keep a point, at which the energy is off by `error`, in place of the oldest one, if it is its turn."""
    counters, length = trail.counters, trail.values.size
    if length > 0 and error < FARTHEST:
        counters[SEEN] += 1
        if counters[SEEN] % counters[STRIDE] == 0:
            oldest = counters[KEPT] % length
            assign(trail.positions[oldest], point.position)
            assign(trail.gradients[oldest], point.gradient)
            trail.values[oldest] = point.value[0]
            counters[KEPT] += 1
