"""Parts of kernels that are one of several by a number, so that one compiled loop serves many configurations.

A kernel is compiled for each combination of the types of its parts, in about ten seconds, which would be most of the
time that the laws take.  Here a metric, a refreshment, or a rule with a Metropolis test may be any of its kind, and
which one it is, is looked up as the kernel runs.  What each of them does is compiled from the same functions as ever.
"""

from typing import Any, NamedTuple

import numpy as np

from pymc_symplectic.kernels import linear
from pymc_symplectic.kernels.chain import transition
from pymc_symplectic.kernels.compile import register
from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap, LowRankMap
from pymc_symplectic.kernels.metropolis import FixedStepsRule, FixedTimeRule, metropolis_transition, plan
from pymc_symplectic.kernels.refreshment import FullRefreshment, PartialRefreshment, keep, refresh

from .moves import Unturned

__all__ = ["united"]


class AnyMap(NamedTuple):
    """A linear map."""

    which: int
    diagonal: DiagonalMap
    dense: DenseMap
    low_rank: LowRankMap


def _kick(metric, c, gradient, momentum):
    if metric.which == 0:
        linear.kick(metric.diagonal, c, gradient, momentum)
    elif metric.which == 1:
        linear.kick(metric.dense, c, gradient, momentum)
    else:
        linear.kick(metric.low_rank, c, gradient, momentum)


def _drift(metric, c, velocity, position):
    if metric.which == 0:
        linear.drift(metric.diagonal, c, velocity, position)
    elif metric.which == 1:
        linear.drift(metric.dense, c, velocity, position)
    else:
        linear.drift(metric.low_rank, c, velocity, position)


def _solve(metric, vector):
    if metric.which == 0:
        linear.solve(metric.diagonal, vector)
    elif metric.which == 1:
        linear.solve(metric.dense, vector)
    else:
        linear.solve(metric.low_rank, vector)


register(AnyMap, {linear.kick: _kick, linear.drift: _drift, linear.solve: _solve})


class AnyRefreshment(NamedTuple):
    """A refreshment, the one that is wrong among them."""

    which: int
    full: FullRefreshment
    partial: PartialRefreshment
    unturned: Unturned


def _refresh(refreshment, kinetic, rng, state):
    if refreshment.which == 0:
        refresh(refreshment.full, kinetic, rng, state)
    elif refreshment.which == 1:
        refresh(refreshment.partial, kinetic, rng, state)
    else:
        refresh(refreshment.unturned, kinetic, rng, state)


def _keep(refreshment, state, accepted):
    if refreshment.which == 0:
        keep(refreshment.full, state, accepted)
    elif refreshment.which == 1:
        keep(refreshment.partial, state, accepted)
    else:
        keep(refreshment.unturned, state, accepted)


register(AnyRefreshment, {refresh: _refresh, keep: _keep})


class AnyRule(NamedTuple):
    """A rule with a Metropolis test at the end of each trajectory; of their lengths, what the chosen one says."""

    which: int
    steps: FixedStepsRule
    time: FixedTimeRule
    repeats: int
    max_energy_error: float
    max_energy_range: float


def _plan(rule, eps, rng):
    if rule.which == 0:
        return plan(rule.steps, eps, rng)
    return plan(rule.time, eps, rng)


register(AnyRule, {plan: _plan, transition: metropolis_transition})

_NONE, _NO_ROWS = np.empty(0), np.empty((0, 0))
_MAP = AnyMap(0, DiagonalMap(_NONE), DenseMap(_NO_ROWS), LowRankMap(_NONE, _NO_ROWS, _NONE))
_REFRESHMENT = AnyRefreshment(0, FullRefreshment(), PartialRefreshment(0.0, 0.0), Unturned(0.0, 0.0))
_STEPS, _TIME = FixedStepsRule(0, 0.0, 0, 0.0, 0.0), FixedTimeRule(0.0, 0.0, 0, 0, 0.0, 0.0)


def _among(part: Any, union: Any) -> Any:
    """The union that says it is `part`; or `part` itself, where it is of none of the kinds."""
    for number, name in enumerate(name for name in union._fields if isinstance(getattr(union, name), tuple)):
        if type(part) is type(getattr(union, name)):
            return union._replace(which=number, **{name: part})
    return part


def united(system, rule=None):
    """A system and a rule that do the same, and share their compiled code with as many others as can be."""
    system = system._replace(metric=_among(system.metric, _MAP), refreshment=_among(system.refreshment, _REFRESHMENT))
    if isinstance(rule, FixedStepsRule | FixedTimeRule):
        rule = _among(rule, AnyRule(0, _STEPS, _TIME, rule.repeats, rule.max_energy_error, rule.max_energy_range))
    return system, rule
