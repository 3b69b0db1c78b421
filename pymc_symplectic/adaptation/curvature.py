r"""Probes of the curvature: gradients a little way off, along orthonormal directions of whitened coordinates.

Of a normal with precision P, the gradients at q and at q + L u differ by -P L u.  So d of them give all of P, however
little a chain has moved: what its first draws say of soft directions, in which it has hardly gone anywhere, is said by
these at once, to the accuracy of the curvature where the chain stands.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels.linear import DenseMap
from ..metrics.estimate import correction, lower, scale_of
from ..policy import Policy
from .descent import Evaluate, Place

__all__ = ["probed"]


def probed(
    evaluate: Evaluate,
    here: Place,
    metric: DenseMap,
    normals: Callable[[int, int], np.ndarray],
    step_size: Callable[[DenseMap], float],
    policy: Policy,
) -> DenseMap:
    """The metric that probes ask for, in rounds of which each goes by the metric of the one before.

    Parameters
    ----------
    evaluate : callable
        Costs a gradient.
    here : Place
        Where the chain stands.
    metric : DenseMap
        To begin with.
    normals : callable
        ``normals(n, d)`` draws so many standard normals.
    step_size : callable
        The step size that suits a metric: how far the curvature here holds.
    policy : Policy
        With the number of `probes` at most, and of `probe_rounds`.
    """
    dim = here.position.size
    count = min(dim, policy.probes)
    directions = np.linalg.qr(normals(dim, count))[0].T
    signs = np.where(normals(count, 1)[:, 0] < 0, -1.0, 1.0)
    steps, falls = [], []
    rounds = policy.probe_rounds if count >= 2 * policy.probe_rounds else 1
    for part in np.array_split(signs[:, None] * directions, rounds):
        size = step_size(metric) * np.sqrt(dim)
        for step in metric.apply(size * part):
            for shorter in policy.probe_lengths:
                there = evaluate(here.position + shorter * step)
                if there.value > here.value - policy.probe_depth - 0.5 * dim:
                    steps.append(there.position - here.position)
                    falls.append(there.gradient - here.gradient)
                    break
        metric = _fitted(metric, steps, falls, policy)
    return metric


def _fitted(metric: DenseMap, steps: list[np.ndarray], falls: list[np.ndarray], policy: Policy) -> DenseMap:
    """The metric of steps and of what they change of the gradient, each of the same weight however far it went."""
    if not steps:
        return metric
    factor, moved, fallen = metric.factor, np.array(steps), np.array(falls)
    dim, ridge = len(factor), policy.probe_ridge
    z, s = metric.solve(moved).T, metric.adjoint(fallen).T
    for number in range(policy.fit_rounds):
        scale = scale_of((z**2).sum(axis=1), (s**2).sum(axis=1), number)
        z, s = z / scale[:, None], s * scale[:, None]
        size = np.sqrt((z**2).sum(axis=0) * (s**2).sum(axis=0)) / dim
        size = np.sqrt(np.where(size > 0, size, 1.0))
        try:
            found, inverse = correction(z / size @ (z / size).T, s / size @ (s / size).T, ridge)
        except np.linalg.LinAlgError:
            break
        factor = (factor * scale) @ found
        z, s = inverse @ z, found.T @ s
    new = lower(factor)
    return DenseMap(new) if np.all(np.isfinite(new)) and np.all(np.diag(new) > 0) else metric
