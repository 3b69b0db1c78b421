"""How far a chain travels before it draws, and which point of the way it keeps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from .checks import fraction, positive, whole
from .kernels import chain as kernels
from .kernels import metropolis
from .kernels.compile import register as register_part
from .kernels.metropolis import FixedStepsRule, FixedTimeRule
from .kernels.nouturn import NoUTurnRule, new_rule
from .names import choose

__all__ = [
    "ALIASES",
    "CATALOGUE",
    "Auto",
    "FixedSteps",
    "FixedTime",
    "NoUTurn",
    "Surrogate",
    "TrajectoryRule",
    "divergence_limits",
    "get",
    "register",
]


_MOST_STEPS = 2**30  # as of the deepest tree; nobody waits for more
_UNNOTICED = 100.0  # a fall of the energy by so many nats has a probability of exp(-100) at most
_NO_LIMIT = 1e300  # and not infinity, which is the error of a point that cannot be reached


def divergence_limits(max_energy_error: float) -> tuple[float, float]:
    """Limits on the energy error from the start, and on the range of energies along a trajectory.

    A limit on the error from the start alone is not exact: it stops a trajectory on its way up that it would not stop
    on the same way down.  A range is the same both ways.  Where the limit is so large that the difference can never be
    seen the first is used, since only that lets a chain fall from a bad start.
    """
    if max_energy_error < _UNNOTICED:
        return _NO_LIMIT, float(max_energy_error)
    return float(max_energy_error), _NO_LIMIT


class TrajectoryRule(ABC):
    """A rule for the length of a trajectory and the choice of a point on it.

    Whoever writes one gives `record`, whose named tuple `register` makes known to kernels.
    """

    name: ClassVar[str]
    persistent: ClassVar[bool] = False
    """Whether its momentum may be kept in part from one trajectory to the next, as `Partial` does.

    That is so where it has a length that is known beforehand, and ends in a Metropolis test.
    """

    @abstractmethod
    def record(self, dim: int, max_energy_error: float) -> Any:
        """The record that kernels run in `dim` coordinates; see `divergence_limits` for `max_energy_error`."""


@dataclass(frozen=True)
class FixedSteps(TrajectoryRule):
    """A given number of integrator steps, then a Metropolis test.

    A single step, ``FixedSteps(1)``, is the Metropolis-adjusted Langevin algorithm (MALA).

    Parameters
    ----------
    steps : int
        How many steps, at least 1.
    jitter : float, optional
        In [0, 1].  The number is drawn anew for each trajectory, uniformly from the integers of
        ``[steps (1 - jitter), steps (1 + jitter)]``, and is at least 1.  Without it a trajectory may return to where
        it began, again and again.
    repeats : int, optional
        Trajectories, each with a momentum and a test of its own, that make one draw; at least 1.

    Raises
    ------
    ValueError
        When `steps` or `repeats` is not a positive integer or `jitter` is outside [0, 1].
    """

    steps: int = 10
    jitter: float = 0.0
    repeats: int = 1
    name: ClassVar[str] = "fixed_steps"
    persistent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole("steps", self.steps, least=1, most=_MOST_STEPS)
        fraction("jitter", self.jitter, closed=True)
        whole("repeats", self.repeats, least=1, most=_MOST_STEPS)

    def record(self, dim: int, max_energy_error: float) -> FixedStepsRule:
        """The record that kernels run."""
        limits = divergence_limits(max_energy_error)
        return FixedStepsRule(int(self.steps), float(self.jitter), int(self.repeats), *limits)


@dataclass(frozen=True)
class FixedTime(TrajectoryRule):
    r"""A given time of travel, then a Metropolis test.

    Parameters
    ----------
    time : float, optional
        How long, in the time of Hamilton's equations under the metric: on a standard normal, π/2 is the time that
        turns all momentum into position, and is the default.
    jitter : float, optional
        In [0, 1].  The time is drawn anew for each trajectory, uniformly from ``[time (1 - jitter),
        time (1 + jitter)]``.
    max_steps : int, optional
        A trajectory that would need more steps than this is cut short there.
    repeats : int, optional
        Trajectories, each with a momentum and a test of its own, that make one draw; at least 1.  Where short
        trajectories are most efficient per gradient, several of them make a draw that is about as effective as one of
        `NoUTurn`: the same chain, thinned.

    Raises
    ------
    ValueError
        When `time` is not positive and finite, `jitter` is outside [0, 1], or `max_steps` or `repeats` is below 1.

    Notes
    -----
    A time T takes ``ceil(T / ε)`` steps of equal length, none longer than the step size ε, so that the time is kept
    exactly.  The number depends on T and ε alone, never on the point, which is what leaves the target invariant.
    """

    time: float = math.pi / 2
    jitter: float = 0.5
    max_steps: int = 1024
    repeats: int = 1
    name: ClassVar[str] = "fixed_time"
    persistent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("time", self.time)
        fraction("jitter", self.jitter, closed=True)
        whole("max_steps", self.max_steps, least=1, most=_MOST_STEPS)
        whole("repeats", self.repeats, least=1, most=_MOST_STEPS)

    def record(self, dim: int, max_energy_error: float) -> FixedTimeRule:
        """The record that kernels run."""
        limits = divergence_limits(max_energy_error)
        return FixedTimeRule(float(self.time), float(self.jitter), int(self.repeats), int(self.max_steps), *limits)


@dataclass(frozen=True)
class NoUTurn(TrajectoryRule):
    r"""A trajectory that doubles until it turns back on itself: it finds its own length.

    Parameters
    ----------
    max_depth : int, optional
        At most so many doublings, :math:`2^{\text{max\_depth}} - 1` steps; at least 1.
    refine : int, optional
        How often a step may be halved where it is too long for the place that it leads through; 0, the default, for
        never.  For narrow places that divergences tell of, six halvings are a good number.
    refine_above : float, optional
        A step is too long where the energy varies by more than this along it, in nats.  The default is for emergencies:
        a step that suits a posterior is off by less than one.

    Raises
    ------
    ValueError
        When `max_depth` is not an integer from 1 to 30, `refine` is not one from 0 to 20, or `refine_above` is not
        positive and finite.

    Notes
    -----
    The trajectory is extended to a random side, by as many steps as it has [1]_.  It stops when a span of it turns:
    with v = ∇K(r) the velocity and ρ the sum of velocities over the span, when :math:`\rho\cdot v \le 0` at an end.
    ρ is the displacement in whitened coordinates, so this is the moment at which the ends come no further apart, for
    every kinetic energy.  Spans are the sub-trees, and each sub-tree with the nearest point of its neighbour.  The draw
    is taken with weights exp(-H), with a bias towards the later doublings [2]_.

    ``n_gradients`` counts every gradient, those of the last doubling, which is thrown away, too.

    With `refine` [3]_, a step along which the energy varies by more than `refine_above` is walked by 2, 4, 8, ...
    shorter ones, until the energy keeps within the limit at all of their ends.  That is right as long as the same
    number is found from the other end; where it is not, the trajectory ends before that step, which is no divergence.
    A divergence is left where the shortest steps will not do.  ρ is the displacement then too: of a divided step, the
    velocity is the mean along its parts.  The step size is tuned by the acceptance of whole steps, as if none were
    divided.  All walks are counted: where ``n_gradients`` is more than ``n_steps`` ask for, steps were divided.

    References
    ----------
    .. [1] M. D. Hoffman, A. Gelman (2014). The No-U-Turn sampler. J. Mach. Learn. Res. 15, 1593-1623.
    .. [2] M. Betancourt (2017). A conceptual introduction to Hamiltonian Monte Carlo. arXiv:1701.02434, appendix A.
    .. [3] N. Bou-Rabee, B. Carpenter, T. S. Kleppe, S. Liu (2025). The within-orbit adaptive leapfrog no-U-turn
       sampler. arXiv:2506.18746.
    """

    max_depth: int = 10
    refine: int = 0
    refine_above: float = 5.0
    name: ClassVar[str] = "no_u_turn"

    def __post_init__(self) -> None:
        whole("max_depth", self.max_depth, least=1, most=30)
        whole("refine", self.refine, least=0, most=20)
        positive("refine_above", self.refine_above)

    def record(self, dim: int, max_energy_error: float) -> NoUTurnRule:
        """The record that kernels run."""
        limits = divergence_limits(max_energy_error)
        return new_rule(dim, int(self.max_depth), limits, int(self.refine), float(self.refine_above))


@dataclass(frozen=True)
class Auto(TrajectoryRule):
    """The most efficient length, as warm-up measures it: a fixed time, or `NoUTurn`.

    It is `NoUTurn` until late in warm-up, and stays so where nothing promises to be clearly better.
    """

    name: ClassVar[str] = "auto"

    def record(self, dim: int, max_energy_error: float) -> NoUTurnRule:
        """The record that kernels run until something else is chosen."""
        return NoUTurn().record(dim, max_energy_error)


@dataclass(frozen=True)
class Surrogate(Auto):
    r"""Trajectories on a learned log-density, whose end is accepted by one value of the true one.

    For models whose gradient takes a millisecond or more, in up to about ten parameters.  Warm-up learns log π̂ from all
    values and gradients that it pays for.  A draw is then made of a few trajectories on π̂, from the current draw x to
    y, which cost nothing of the truth, and accepted with probability [1]_, [2]_

    .. math:: \min\left(1, \frac{\pi(y)\,\hat\pi(x)}{\pi(x)\,\hat\pi(y)}\right).

    That leaves π invariant whatever π̂ is: a poor one costs draws that stay where they are, and no truth.

    Parameters
    ----------
    time : float, optional
        How long a trajectory on π̂ is, in whitened coordinates.
    jitter : float, optional
        In [0, 1], as `FixedTime` has it.
    repeats : int, optional
        Trajectories on π̂ to each value of π, at least 1.  By default as many as it takes the chain on π̂ to forget where
        it began, which warm-up finds without evaluating π.
    degree : int, optional
        Of the polynomial that log π̂ is beside a Gaussian, from 2 to 10.  By default warm-up chooses among degrees up to
        6 and a sum of ridge functions, by points that were held out.

    Raises
    ------
    ValueError
        When `time` is not positive and finite, `jitter` is outside [0, 1], or `repeats` or `degree` is out of range.

    Notes
    -----
    Until π̂ is learned, and where it does not prove itself, this is `Auto`; the attribute ``sampler`` of the result, and
    the line that is logged, say why.  It asks for the Gaussian kinetic energy, and finds step sizes by itself.

    ``n_steps`` counts steps on π̂, ``n_gradients`` gradients of π, and ``acceptance_rate`` is that of its values.

    References
    ----------
    .. [1] J. S. Liu (2001). Monte Carlo Strategies in Scientific Computing. Springer, section 9.4.3.
    .. [2] J. A. Christen, C. Fox (2005). Markov chain Monte Carlo using an approximation. J. Comput. Graph. Stat. 14,
       795-810.
    """

    time: float = 1.6
    jitter: float = 0.3
    repeats: int | None = None
    degree: int | None = None
    name: ClassVar[str] = "surrogate"

    def __post_init__(self) -> None:
        positive("time", self.time)
        fraction("jitter", self.jitter, closed=True)
        if self.repeats is not None:
            whole("repeats", self.repeats, least=1, most=_MOST_STEPS)
        if self.degree is not None:
            whole("degree", self.degree, least=2, most=10)

    def inner(self, repeats: int, max_energy_error: float) -> FixedTimeRule:
        """The rule of trajectories on the surrogate."""
        return FixedTime(self.time, self.jitter, repeats=repeats).record(1, max_energy_error)

    def near(self, max_energy_error: float) -> FixedTimeRule:
        """The same of short ones, of 3 to 37 hundredths of the time."""
        return FixedTime(0.2 * self.time, 0.85).record(1, max_energy_error)


CATALOGUE: Mapping[str, type[TrajectoryRule]] = MappingProxyType(
    {cls.name: cls for cls in (Auto, FixedSteps, FixedTime, NoUTurn, Surrogate)}
)
ALIASES: Mapping[str, str] = MappingProxyType({"nuts": "no_u_turn", "nouturn": "no_u_turn"})


def register(
    rule: type, *, plan: Callable | None = None, transition: Callable | None = None, longest: Callable | None = None
) -> None:
    """Make a rule of your own known to kernels, once, before anything is sampled with it.

    Parameters
    ----------
    rule : type
        The `typing.NamedTuple` that `TrajectoryRule.record` returns.
    plan : callable, optional
        ``plan(rule, eps, rng)``, the number of steps of the next trajectory and the size of each, given the step size;
        a Metropolis test follows.  It may draw from `rng`, but must not look at where the chain is.  The rule then has
        the fields `repeats`, `max_energy_error` and `max_energy_range` among its own.
    transition : callable, optional
        In place of a plan, the whole of a draw: ``transition(rule, system, state, eps, rng, row)`` leaves it in
        ``state.current``, fills a row of `kernels.statistics`, and returns a status; see
        `kernels.metropolis.metropolis_transition`.
    longest : callable, optional
        ``longest(rule, longest)``, the longest step that tuning may come to, given that of the flow, which it is by
        default.

    Raises
    ------
    TypeError
        When there is not one of `plan` and `transition`, or something is of the wrong kind.
    ValueError
        When the rule is registered already.

    Notes
    -----
    All of them are plain functions that numba can compile in nopython mode, in terms of the functions in `kernels`.
    Where they stand in a module, what is compiled of them is kept on disk until that module changes.
    """
    functions: dict[Callable, Callable] = {kernels.longest_step: _as_the_flow if longest is None else longest}
    if plan is not None and transition is None:
        functions |= {metropolis.plan: plan, kernels.transition: metropolis.metropolis_transition}
    elif transition is not None and plan is None:
        functions[kernels.transition] = transition
    else:
        raise TypeError("register takes either plan=... or transition=..., and not both")
    register_part(rule, functions)


def _as_the_flow(rule: Any, longest: float) -> float:
    return longest


def get(trajectory: str | TrajectoryRule) -> TrajectoryRule:
    """Look a trajectory up by name, with its defaults; a `TrajectoryRule` is returned as it is.

    Raises
    ------
    ValueError
        When there is no such name.  The message lists those there are.
    """
    if isinstance(trajectory, TrajectoryRule):
        return trajectory
    return choose("trajectory", trajectory, CATALOGUE, ALIASES)()
