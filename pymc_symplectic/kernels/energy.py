"""The log-density at a point, and the energy there."""

import numpy as np

from .address import logp_at
from .compile import helper
from .kinetic import kinetic_energy
from .state import GRADIENTS, VALUES, HamiltonianSystem, Point, Target
from .status import Status
from .vectors import assign

__all__ = ["copy_point", "evaluate", "evaluate_value", "start_from", "total_energy"]

_OK = int(Status.OK)


@helper
def evaluate(target: Target, point: Point, counters: np.ndarray) -> int:
    """Log-density and gradient at a point, divided by T, in place.

    The log-density becomes -inf where it is not finite, and where the position or any entry of the gradient is not: a
    momentum that was kicked by such a gradient would be no number, and nothing that is computed of it could be trusted.
    """
    counters[GRADIENTS] += 1
    status = logp_at(target.address)(target.data, point.position, point.gradient, point.value)
    if target.inverse_temperature != 1.0:
        point.value[0] *= target.inverse_temperature
        for j in range(point.gradient.size):
            point.gradient[j] *= target.inverse_temperature
    # not np.isfinite, which is x - x == 0: where sums may be reordered, that is true of anything
    finite = abs(point.value[0]) < np.inf
    for j in range(point.gradient.size):  # no branch, so that the loop is vectorised
        finite &= (abs(point.gradient[j]) < np.inf) & (abs(point.position[j]) < np.inf)
    if status != _OK or not finite:
        point.value[0] = -np.inf
    return status


@helper
def evaluate_value(target: Target, point: Point, counters: np.ndarray) -> int:
    """Log-density alone at a point, divided by T, in place; the gradient stays that of another point.

    It becomes -inf where it is not finite, and where the position is not.
    """
    counters[VALUES] += 1
    status = logp_at(target.address)(target.data, point.position, point.gradient, point.value)
    point.value[0] *= target.inverse_temperature
    finite = abs(point.value[0]) < np.inf
    for j in range(point.position.size):
        finite &= abs(point.position[j]) < np.inf
    if status != _OK or not finite:
        point.value[0] = -np.inf
    return status


@helper
def copy_point(source: Point, destination: Point) -> None:
    """Copy position, gradient, value and work."""
    assign(destination.position, source.position)
    assign(destination.gradient, source.gradient)
    destination.value[0] = source.value[0]
    destination.work[0] = source.work[0]


@helper
def start_from(source: Point, destination: Point) -> None:
    """Copy a point to where a trajectory starts from it, of which no work has been done yet."""
    copy_point(source, destination)
    destination.work[0] = 0.0


@helper
def total_energy(system: HamiltonianSystem, point: Point, momentum: np.ndarray) -> float:
    """H = U(q) + K(r), with U = -log π."""
    return kinetic_energy(system.kinetic, momentum) - point.value[0]
