"""Whether chains have learned the same, and what they have learned together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..kernels.linear import DenseMap, DiagonalMap, LinearMap
from .chain import LearnedChain

__all__ = ["agreeing", "differ", "path_of", "together"]

_APART = 3.0  # standard deviations between means, along any direction
_APART_AT_LAST = 7.0  # and between last draws, where no means are known
_LONGER = 4.0  # the ratio of standard deviations along any direction


def differ(chains: Sequence[LearnedChain]) -> str:
    """In what chains differ so much that nothing can be pooled, in words; empty where they agree."""
    first = chains[0]
    for number, other in enumerate(chains[1:], start=1):
        if why := _differ(first, other):
            return f"chain {number} and chain 0 have {why}"
    return ""


def agreeing(chains: Sequence[LearnedChain]) -> list[list[int]]:
    """Numbers of chains that agree, each with the first of its group; some with nobody but themselves."""
    groups: list[list[int]] = []
    for number, chain in enumerate(chains):
        for group in groups:
            if not _differ(chains[group[0]], chain):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


class Path(NamedTuple):
    """By what a chain draws: step sizes and times of one path say nothing of those of another."""

    integrator: str
    trajectory: str
    momenta: str
    divides: bool
    """Whether steps are divided where they are too long."""


def path_of(chain: LearnedChain) -> Path:
    """By what a chain draws."""
    divides = bool(chain.choice.get("divides"))
    return Path(chain.integrator, chain.choice["trajectory"], chain.momenta, divides)


def _differ(one: LearnedChain, other: LearnedChain) -> str:
    if type(one.metric) is not type(other.metric):
        return "metrics of different kinds"
    if not _equal(one.weights, other.weights):
        return "coordinates that are centered by different weights"
    if (one.mean is None) != (other.mean is None):
        return "not both a mean"
    ratio = _stretch(one.metric, other.metric, one.position.size)
    if not ratio < _LONGER:
        return f"metrics that differ by a factor of {ratio:.3g} along some direction"
    known = one.mean is not None and other.mean is not None
    centres = (one.mean, other.mean) if known else (one.position, other.position)
    apart = np.asarray(centres[0]) - np.asarray(centres[1])
    far = max(float(np.abs(of.metric.solve(apart)).max(initial=0.0)) for of in (one, other))
    if not far < (_APART if known else _APART_AT_LAST):
        return f"{'means' if known else 'last draws'} that are {far:.3g} standard deviations apart"
    return ""


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=True))


def _stretch(one: LinearMap, other: LinearMap, dim: int) -> float:
    """The largest ratio, either way, of standard deviations by two metrics: along any direction of dense ones."""
    with np.errstate(all="ignore"):
        if isinstance(one, DenseMap):
            ratios = np.linalg.svd(one.solve(other.apply(np.eye(dim))), compute_uv=False)
        else:
            ratios = np.sqrt(one.variance(dim) / other.variance(dim))
        found = np.abs(np.log(ratios)).max(initial=0.0)
    return float(np.exp(found)) if np.isfinite(found) else np.inf


def together(chains: Sequence[LearnedChain]) -> LearnedChain:
    """What chains that agree have learned together, but for the position, which is that of one of them.

    Covariances and means are averaged.  Of metrics that are not matrices, nor diagonals, that is taken whose variances
    are nearest to the average.  The path is that of most chains, and the no-U-turn one where there are as many of
    another; step sizes and times of travel are averaged, geometrically, over the chains that have chosen it.  Where
    that is a surrogate, which cannot be averaged, all is as one of its chains has it.
    """
    if len(chains) == 1:
        return chains[0]
    paths = [path_of(chain) for chain in chains]
    most = max(paths, key=lambda path: (paths.count(path), path.trajectory == "no_u_turn", path.divides))
    alike = [chain for chain, path in zip(chains, paths, strict=True) if path == most]
    first = alike[0]
    if first.density is not None:  # which goes with its own metric, and mean
        return first
    means = [chain.mean for chain in chains if chain.mean is not None]
    step_size = float(np.exp(np.mean(np.log([chain.step_size for chain in alike]))))
    choice, state = {**first.choice, "step_size": step_size}, dict(first.state)
    if first.state["tuner"]["found"] is not None:
        found = _path([chain.state["tuner"]["found"] for chain in alike])
        state["tuner"] = {**state["tuner"], "found": found}
        choice |= dict(zip(("predicted", "time", "jitter"), found[2:5], strict=True)) | {"repeats": found[6]}
    return replace(
        first,
        metric=_averaged([chain.metric for chain in chains], first.position.size),
        mean=np.mean(means, axis=0) if means else None,
        step_size=step_size,
        choice=choice,
        state=state,
    )


def _path(found: Sequence[Sequence[Any]]) -> list[Any]:
    """The average of what tuners have found: integrator, step size, efficiency, time, jitter, acceptance, repeats."""
    sizes, efficiencies, times, jitters, accepts, repeats = np.array([one[1:] for one in found], dtype=float).T
    size, time = (float(np.exp(np.log(values).mean())) for values in (sizes, times))
    efficiency, jitter, accept = (float(values.mean()) for values in (efficiencies, jitters, accepts))
    return [found[0][0], size, efficiency, time, jitter, accept, round(float(np.median(repeats)))]


def _averaged(metrics: Sequence[LinearMap], dim: int) -> LinearMap:
    if isinstance(metrics[0], DenseMap):
        covariance = np.mean([metric.apply(metric.adjoint(np.eye(dim))) for metric in metrics], axis=0)
        try:
            return DenseMap(np.linalg.cholesky((covariance + covariance.T) / 2))
        except np.linalg.LinAlgError:  # by rounding
            return metrics[0]
    variances = np.array([metric.variance(dim) for metric in metrics])
    average = variances.mean(axis=0)
    if isinstance(metrics[0], DiagonalMap):
        return DiagonalMap(np.sqrt(average))
    return metrics[int(np.abs(np.log(variances / average)).sum(axis=1).argmin())]
