"""Test trajectories from remembered draws: where they lead, and at what error of the energy.  The chain stays put."""

from typing import NamedTuple

import numpy as np

from .compile import helper, kernel
from .flow import close, step, total_energy, work_of
from .linear import solve
from .state import HamiltonianSystem, State
from .status import Status
from .vectors import assign

__all__ = ["Outings", "Probes", "probe", "venture"]

_OK = int(Status.OK)
_BROKEN = int(Status.BROKEN)


class Probes(NamedTuple):
    """Test trajectories, n of them, of at most k steps.

    They start at the rows of `starts` and `gradients` (n, d) with log-density `values` (n,), with `momenta` (n, d),
    and take ``counts[i]`` steps of size ``sizes[i]``.  After each, the coordinates `columns` (m,) of the position are
    written to `positions` (n, k, m), the log-density to `densities` and the energy error to `errors`, (n, k) both:
    infinite from the first step on that diverges.
    """

    starts: np.ndarray
    gradients: np.ndarray
    values: np.ndarray
    momenta: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    columns: np.ndarray
    positions: np.ndarray
    densities: np.ndarray
    errors: np.ndarray


@kernel
def probe(system: HamiltonianSystem, state: State, probes: Probes, max_energy_error: float) -> int:
    """Follow all of `probes`; gradients are counted like any others.  ``state.current`` is not touched."""
    point = state.moving
    for i in range(probes.starts.shape[0]):
        assign(point.position, probes.starts[i])
        assign(point.gradient, probes.gradients[i])
        point.value[0] = probes.values[i]
        point.work[0] = 0.0
        assign(state.momentum, probes.momenta[i])
        start = total_energy(system, point, state.momentum)
        for k in range(probes.counts[i]):
            status = step(system.flow, system, state, probes.sizes[i])
            if status != _BROKEN and point.value[0] > -np.inf:
                status = close(system.flow, system, state)
            if status == _BROKEN:
                return status
            error = total_energy(system, point, state.momentum) - start + work_of(system.flow, point)
            if not error <= max_energy_error:  # NaN too
                break
            probes.errors[i, k] = error
            probes.densities[i, k] = point.value[0]
            for j in range(probes.columns.size):
                probes.positions[i, k, j] = point.position[probes.columns[j]]
    return _OK


class Outings(NamedTuple):
    """Trajectories that leave the typical set, n of them, and the farthest place that each comes to.

    They start at the rows of `starts` and `gradients` (n, d) with log-density `values` (n,), with `momenta` (n, d), and
    take `steps` steps of size `size`.  Among the points whose log-density is at least `least`, the start included, that
    of the largest whitened distance from `mean` (d,) is written to `places` and `slopes` (n, d), position and gradient,
    and to `heights` (n,), the log-density.  `white` (d,) is scratch.
    """

    starts: np.ndarray
    gradients: np.ndarray
    values: np.ndarray
    momenta: np.ndarray
    size: float
    steps: int
    mean: np.ndarray
    least: float
    places: np.ndarray
    slopes: np.ndarray
    heights: np.ndarray
    white: np.ndarray


@helper
def _distance(system: HamiltonianSystem, outings: Outings, position: np.ndarray) -> float:
    """|z|², with z = L⁻¹(q - μ)."""
    white, total = outings.white, 0.0
    for j in range(white.size):
        white[j] = position[j] - outings.mean[j]
    solve(system.metric, white)
    for j in range(white.size):
        total += white[j] * white[j]
    return total


@kernel
def venture(system: HamiltonianSystem, state: State, outings: Outings, max_energy_error: float) -> int:
    """Follow all of `outings`; gradients are counted like any others.  ``state.current`` is not touched."""
    point = state.moving
    for i in range(outings.starts.shape[0]):
        assign(point.position, outings.starts[i])
        assign(point.gradient, outings.gradients[i])
        point.value[0] = outings.values[i]
        point.work[0] = 0.0
        assign(state.momentum, outings.momenta[i])
        start, farthest = total_energy(system, point, state.momentum), -1.0
        for k in range(outings.steps + 1):
            if k > 0:
                status = step(system.flow, system, state, outings.size)
                if status != _BROKEN and point.value[0] > -np.inf:
                    status = close(system.flow, system, state)
                if status == _BROKEN:
                    return status
                error = total_energy(system, point, state.momentum) - start + work_of(system.flow, point)
                if not error <= max_energy_error:  # NaN too
                    break
            distance = _distance(system, outings, point.position)
            if point.value[0] >= outings.least and distance > farthest:
                farthest = distance
                assign(outings.places[i], point.position)
                assign(outings.slopes[i], point.gradient)
                outings.heights[i] = point.value[0]
    return _OK
