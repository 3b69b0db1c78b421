"""The search for a scheme, a step size and a path length: test trajectories, and the best of what they promise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..integrators import Integrator
from ..kernels.kinetic import Gaussian
from ..kernels.kinetic import draws as draw_momenta
from ..kernels.linear import DenseMap, LowRankMap
from ..kernels.state import State, System
from .beyond import Beyond
from .trials import follow, probes_of
from .worth import Course, Memory, Offer, gaps, moments, offers, spread, surplus

__all__ = ["LOST", "Candidate", "Found", "Search"]

LOST = {"free": 0.06, "harmonic": 0.03}
"""The share of trajectories that may come to nothing.

A harmonic drift is at its worst in the tails, and a chain that is refused there stays there; so it is allowed fewer.
"""
_STARTS = 28  # test trajectories of each scheme and step size
_TIMES = tuple(float(time) for time in np.geomspace(0.7, 6.0, 13))
_JITTERS = (0.3, 0.6)
_SHORT, _LONG = 2.8, 9.6  # how far test trajectories go, and how far where the longest paths look best
_MOST_STEPS = 400
_REFINE = 1.35  # from one step size to the next
_UNBEATEN = 0.2  # a worth that no free drift has reached yet
_CLIMB, _CLIMB_AGAIN = 0.75, 0.95  # other step sizes are tried of schemes that come so near to the best one
_LEAST_ACCEPT = 0.78  # below, promises are not kept
_GOLDEN = (math.sqrt(5) - 1) / 2
_NOTHING = Offer(0.0, 0.0, 0.0, 0.0, 1.0, 1)


class Candidate(NamedTuple):
    """A scheme to try: the first step size, and the longest."""

    scheme: Integrator
    step_size: float
    longest: float = math.inf


class Found(NamedTuple):
    """The best path length of a scheme at a step size, what a gradient is worth with it, and its acceptance.

    `repeats` such paths make a draw.
    """

    integrator: str
    step_size: float
    value: float
    time: float
    jitter: float
    accept: float
    repeats: int = 1


class Search:
    """Test trajectories from remembered draws, with the same momenta whatever is tried, so that luck is shared by all.

    Parameters
    ----------
    system : System
        Its flow is replaced by those that are tried.
    state : State
        Its memory is used, its current point is left alone, and its counter of gradients goes up.
    random : ndarray
        The chain's generator, as kernels take it.
    memory : Memory
    columns : ndarray of int
        The coordinates that are looked at.
    mean : ndarray or None
        Of the fitted Gaussian.
    max_energy_error : float
        A trajectory beyond it diverges.
    least_accept : float
        What offers has to be accepted on average.
    wanted : float
        Gradients that a draw should cost: of short paths several make one.
    """

    def __init__(
        self,
        system: System,
        state: State,
        random: np.ndarray,
        memory: Memory,
        columns: np.ndarray,
        mean: np.ndarray | None,
        max_energy_error: float,
        least_accept: float,
        wanted: float,
    ) -> None:
        self._system, self._state, self._memory, self._columns, self._mean = system, state, memory, columns, mean
        self._limit, self._least_accept = max_energy_error, max(least_accept, _LEAST_ACCEPT)
        self._wanted = wanted
        self._at = spread(len(memory.draws), _STARTS)
        self._momenta = np.empty((len(self._at), memory.draws.shape[1]))
        draw_momenta(system.kinetic, random, self._momenta)
        self._known = moments(memory, columns, None if mean is None else mean[columns])
        self._gaussian: tuple[np.ndarray, ...] | None = None
        if isinstance(system.kinetic, Gaussian):
            self._gaussian = tuple(part[..., columns] for part in _spread_out(system.metric, self._momenta))
        self._random = random
        self._beyond: Beyond | None = None
        self._began = int(state.counters[0])
        self._found: dict[tuple[str, float], Found] = {}

    @property
    def cost(self) -> int:
        """Gradients so far."""
        return int(self._state.counters[0]) - self._began

    def now(self, candidate: Candidate, time: float, jitter: float) -> float:
        """What is in use, once more: its worth by the same trajectories as all others'."""
        course = self._follow(candidate, candidate.step_size, max(_SHORT, 1.05 * time * (1 + jitter)))
        return max((offer.value for offer in self._offers(course, candidate, candidate.step_size, [time], [jitter])),
                   default=0.0)  # fmt: skip

    def best(self, candidates: Mapping[str, Candidate], budget: float, again: bool, fixed: bool = False) -> list[Found]:
        """Climb by step sizes where it promises something, as long as the budget of gradients lasts; best first.

        `again` spares schemes that fall short of the best one, and `fixed` stays at the step sizes that are given.
        """
        best, worst = 0.0, _CLIMB_AGAIN if again else _CLIMB
        for candidate in candidates.values():
            if best > _UNBEATEN and candidate.scheme.drift == "free":
                continue
            if self._found and self.cost > budget:
                break
            size = candidate.step_size
            here = self._look(candidate, size)
            if here == 0.0 and not fixed:
                size /= _REFINE**2
                here = self._look(candidate, size)
            if here > worst * best:
                best = max(best, here if fixed else self._climb(candidate, size, here, budget))
        top = max(self._found.values(), key=lambda found: found.value)
        if top.time * (1 + top.jitter) > 0.75 * _SHORT and self.cost < 1.5 * budget:
            self._look(candidates[top.integrator], top.step_size, _LONG)
        return sorted(self._found.values(), key=lambda found: -found.value)

    def beyond(self, step_size: float) -> Beyond | None:
        """What lies beyond the window, as trajectories by leapfrog steps of this size find it; None without a mean."""
        if self._beyond is None and self._mean is not None:
            self._beyond = Beyond(
                self._system, self._state, self._random, self._memory, self._mean, step_size, self._limit
            )
        return self._beyond

    def _climb(self, candidate: Candidate, size: float, here: float, budget: float) -> float:
        for factor in (_REFINE, 1 / _REFINE):
            at, value = size, here
            while self.cost < budget:
                following = min(at * factor, candidate.longest)
                if following == at or (new := self._look(candidate, following)) <= value:
                    break
                at, value = following, new
            if value > here:
                return value
        return here

    def _look(self, candidate: Candidate, size: float, reach: float = _SHORT) -> float:
        course = self._follow(candidate, size, reach)
        allowed = [
            offer
            for offer in self._offers(course, candidate, size, _TIMES, _JITTERS)
            if offer.accept > self._least_accept and offer.lost < LOST[candidate.scheme.split.name] + 0.01
        ]
        best = max(allowed, key=lambda offer: offer.value, default=_NOTHING)
        key = candidate.scheme.name, size
        if key not in self._found or self._found[key].value < best.value:
            self._found[key] = Found(*key, best.value, best.time, best.jitter, best.accept, best.repeats)
        return best.value

    def _offers(self, course: Course, candidate: Candidate, size: float, times: Any, jitters: Any) -> Any:
        gap, luck = gaps(course, self._known), None
        if self._gaussian is not None:
            luck = surplus(course, self._known, *self._gaussian)
        return offers(course, gap, luck, size, candidate.scheme.stages, times, jitters, self._wanted)

    def _follow(self, candidate: Candidate, step_size: float, reach: float) -> Course:
        """Test trajectories as far as `reach`.

        Their steps are between half the step size and all of it, mostly near it, as those of `FixedTime` are.
        """
        turns = np.arange(len(self._at)) * _GOLDEN % 1.0
        sizes = step_size * (1 - 0.5 * turns**2)
        counts = np.minimum(np.ceil(reach / sizes), _MOST_STEPS).astype(np.int64)
        probes = probes_of(self._memory, self._at, self._momenta, sizes, counts, self._columns)
        follow(
            candidate.scheme.record(self._momenta.shape[1], self._mean), self._system, self._state, probes, self._limit
        )
        starts = np.ascontiguousarray(probes.starts[:, self._columns])
        return Course(starts, probes.values, probes.positions, probes.densities, probes.errors, sizes, counts)


def _spread_out(metric: Any, momenta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L r for each row r of `momenta` (n, d), and the diagonal of L Lᵀ."""
    if isinstance(metric, DenseMap):
        return momenta @ metric.factor.T, (metric.factor**2).sum(axis=1)
    if isinstance(metric, LowRankMap):
        along = (momenta @ metric.directions.T) * (metric.stretch - 1)
        variance = 1 + (metric.stretch**2 - 1) @ metric.directions**2
        return (momenta + along @ metric.directions) * metric.scale, variance * metric.scale**2
    return momenta * metric.scale, metric.scale**2
