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


def chosen(generic):
    """The function of a union of three that is `generic` of the one that it is; fields are numbered from the first."""

    def call(union, *arguments):
        if union.which == 0:
            return generic(union[1], *arguments)
        if union.which == 1:
            return generic(union[2], *arguments)
        return generic(union[3], *arguments)

    return call


class AnyMap(NamedTuple):
    """A linear map."""

    which: int
    diagonal: DiagonalMap
    dense: DenseMap
    low_rank: LowRankMap


register(AnyMap, {generic: chosen(generic) for generic in (linear.kick, linear.drift, linear.solve)})


class AnyRefreshment(NamedTuple):
    """A refreshment, the one that is wrong among them."""

    which: int
    full: FullRefreshment
    partial: PartialRefreshment
    unturned: Unturned


register(AnyRefreshment, {generic: chosen(generic) for generic in (refresh, keep)})


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
