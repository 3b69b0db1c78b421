"""The choice of integrator, path length and step size by what a gradient is worth with each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import integrators, kinetic, trajectories
from ..kernels.kinetic import draws as draw_momenta
from ..kernels.linear import DenseMap, LowRankMap
from ..kernels.probe import Probes, probe
from ..kernels.state import State, System
from ..kernels.status import Status
from ..metrics.estimate import whitened
from .worth import Course, Memory, Offer, efficiency, gaps, lost, offers, shape, spread, surplus

__all__ = ["MEMORY", "Tuner"]

MEMORY = 400  # draws that a choice looks at
_STARTS = 28  # test trajectories of each scheme and step size
_COORDINATES = 256  # that are looked at, at most
_LEAST_DRAWS = 40
_TIMES = tuple(float(time) for time in np.geomspace(0.7, 6.0, 13))
_JITTERS = (0.3, 0.6)
_SHORT, _LONG = 2.8, 9.6  # how far test trajectories go, and go where the longest paths look best
_MOST_STEPS = 400
_REFINE = 1.35  # from one step size to the next
_SCHEMES = ("harmonic_leapfrog", "leapfrog", "harmonic_bcss2", "bcss2")
_UNBEATEN = 0.2  # effective draws per gradient that no free drift will reach
_MARGIN, _MARGIN_LAST, _MARGIN_HARD, _SWITCH, _KEEP = 1.15, 1.3, 1.5, 1.2, 1.05
_GOOD = (1.5, 2.5)
_ACCEPT = (0.8, 0.95)
_STREAK = 25
_BUDGET = 90.0
_TAME = 0.4
_SHAPE = ((20.0, 2.6), (2.0, 2.0), (_TAME, 2.0))
_LOST = {"free": 0.06, "harmonic": 0.03}


NOTHING = Offer(0.0, 0.0, 0.0, 0.0, 1.0)


class Candidate(NamedTuple):
    """A scheme to try: gradients per step, the step size to begin with, and the longest one."""

    name: str
    stages: int
    step_size: float
    longest: float


class Tried(NamedTuple):
    """The best path length of a scheme at a step size; value in effective draws per gradient."""

    integrator: str
    step_size: float
    value: float
    time: float
    jitter: float
    accept: float


@dataclass
class Tuner:
    """What a chain runs: no-U-turn trajectories, until something proves to be better."""

    settings: Any
    dim: int

    def __post_init__(self) -> None:
        settings = self.settings
        base = settings.integrator
        self.active = (
            isinstance(settings.trajectory, trajectories.Auto)
            and isinstance(base, integrators.Auto | integrators.Integrator)
            and self.dim > 0
        )
        names = _SCHEMES if isinstance(base, integrators.Auto) else (base.name,)
        self.schemes = {name: base if name == base.name else integrators.get(name) for name in names}
        if not isinstance(settings.kinetic, kinetic.Gaussian):
            self.schemes = {name: scheme for name, scheme in self.schemes.items() if scheme.drift == "free"}
        self.columns = spread(self.dim, _COORDINATES)
        self.choice: Tried | None = None
        self.floor = self.floor_step = self.floor_steps = 0.0
        self.history: list[dict[str, Any]] = []

    @property
    def harmonic(self) -> bool:
        """Whether a harmonic drift may be chosen, so that its mean has to be known."""
        return self.active and any(scheme.drift == "harmonic" for scheme in self.schemes.values())

    @property
    def integrator(self) -> Any:
        return self.settings.integrator if self.choice is None else self.schemes[self.choice.integrator]

    @property
    def trajectory(self) -> Any:
        if self.choice is None:
            return self.settings.trajectory
        return trajectories.FixedTime(self.choice.time, self.choice.jitter)

    @property
    def target_accept(self) -> float:
        if self.choice is None:
            return self.settings.target_accept
        return min(max(self.choice.accept, _ACCEPT[0]), _ACCEPT[1])

    def consider(self, system: System, state: State, random: np.ndarray, mean: Any, memory: Memory, step_size: float,
                 windows_left: int, far: bool) -> float | None:
        """At the end of a window; returns a step size to begin anew with, or None to go on."""
        count = len(memory.draws)
        if not self.active or windows_left > 2:
            return None
        if far:
            return self._give_up("far") if self.choice else None
        if count < _LEAST_DRAWS or (self.choice is None and count < min(self.dim, 100)):
            return None
        real = efficiency(memory, self.columns, self.integrator.stages)
        event: dict[str, Any] = {"realised": real, "steps": float(memory.steps.mean()), "accept": float(memory.accept.mean())}
        self.history.append(event)
        residue, tail = shape(*whitened(system.metric, memory.draws, memory.gradients))
        event.update(residue=residue, tail=tail)
        self.tame = residue < _TAME
        fits = (residue < _SHAPE[windows_left][0] and tail < _SHAPE[windows_left][1])
        if not fits:
            if self.choice is not None:
                return self._give_up("shape")
            return None
        if self.choice is None:
            self.floor, self.floor_step = real, step_size
            self.floor_steps = float(memory.steps.mean()) * self.integrator.stages
        else:
            still = (np.diff(memory.draws, axis=0) == 0).all(axis=1)
            streak = longest_run(still)
            event.update(choice=self.choice.integrator, streak=streak, diverged=int(memory.diverged.sum()), lost=lost(memory))
            drift = self.integrator.drift
            if drift == "free" and _LOST["free"] < lost(memory) < 0.15 and self.choice.accept < 0.9:
                self.choice = self.choice._replace(step_size=0.75 * step_size, accept=0.92)
                event["tightened"] = True
                return self.choice.step_size
            if lost(memory) > _LOST[drift] or (drift == "harmonic" and memory.diverged.any()):
                self.schemes = {name: scheme for name, scheme in self.schemes.items() if scheme.drift != drift and drift == "harmonic"}
                if not self.schemes:
                    return self._give_up("lost")
                self.choice = None
                event["dropped"] = drift
                return self._anew(system, state, random, mean, memory, event, windows_left) or self._give_up("nothing left")
            if real < _KEEP * self.floor and windows_left:
                self.choice = None
                return self.floor_step
            if real < _KEEP * self.floor or streak > _STREAK or memory.diverged.sum() > 0.02 * count:
                return self._give_up("worse")
            if real > _GOOD[windows_left] * self.floor:
                return None
        return self._anew(system, state, random, mean, memory, event, windows_left, step_size)

    def _anew(self, system, state, random, mean, memory, event, windows_left, step_size=0.0) -> float | None:
        before = int(state.counters[0])
        tried = self._search(system, state, random, mean, memory, step_size)
        event.update(tried=[tuple(t) for t in tried], cost=int(state.counters[0]) - before, floor=self.floor)
        best = max(tried, key=lambda t: t.value)
        if self.choice is None:
            margin = _MARGIN if windows_left else _MARGIN_LAST if self.tame else _MARGIN_HARD
            if best.value < margin * self.floor:
                return None
        else:
            now = tried[0].value
            if not (best.value > _SWITCH * now and best.value > _MARGIN * self.floor):
                if now < _MARGIN * self.floor and windows_left == 0:
                    return self._give_up("no longer promising")
                return None
        self.choice = best
        return best.step_size

    def _give_up(self, why: str) -> float:
        self.choice = None
        self.active = False
        self.history.append({"gave_up": why})
        return self.floor_step

    def _candidates(self, step_size: float) -> dict[str, Candidate]:
        """Step sizes to begin with, given that of no-U-turn leapfrog."""
        found = {}
        for name, scheme in self.schemes.items():
            stages = scheme.stages
            if scheme.drift == "harmonic":
                first = max(1.2, 1.5 * step_size) * (1 + 0.7 * (stages - 1))
                longest = float(scheme.record(self.dim, np.zeros(self.dim)).longest)
            else:
                first, longest = 0.9 * step_size * stages, math.inf
            found[name] = Candidate(name, stages, min(first, longest), longest)
        return found

    def _search(self, system: System, state: State, random: np.ndarray, mean: Any, memory: Memory, step_size: float) -> list[Tried]:
        at = spread(len(memory.draws), _STARTS)
        momenta = np.empty((len(at), self.dim))
        draw_momenta(system.kinetic, random, momenta)
        tried: dict[tuple[str, float], Tried] = {}
        budget = max(_BUDGET * self.floor_steps, 500.0)
        gaussian = isinstance(self.settings.kinetic, kinetic.Gaussian)
        centre = (memory.draws.mean(axis=0) if mean is None else mean)[self.columns]
        reach_of, variance = (part[..., self.columns] for part in spread_momenta(system.metric, momenta))
        began = int(state.counters[0])

        def look(candidate: Candidate, size: float, reach: float = _SHORT, only: Offer | None = None) -> float:
            scheme = self.schemes[candidate.name]
            flow = system._replace(flow=scheme.record(self.dim, mean))
            course = follow(flow, state, memory, at, momenta, self.columns, size, reach)
            gap = gaps(course, memory, self.columns)
            luck = surplus(course, memory, self.columns, centre, reach_of, variance) if gaussian else None
            limit = _LOST[scheme.drift] + 0.01
            found = [o for o in offers(course, gap, luck, size, candidate.stages, _TIMES, _JITTERS)
                     if o.accept > _ACCEPT[0] - 0.02 and o.lost < limit]
            best = max(found, key=lambda o: o.value, default=NOTHING)
            if only is not None:
                best = next(offers(course, gap, luck, size, candidate.stages, [only.time], [only.jitter]), NOTHING)
                tried["now", size] = Tried(candidate.name, size, *best[:4])
                return best.value
            value = best.value
            key = candidate.name, size
            if key not in tried or tried[key].value < value:
                tried[key] = Tried(candidate.name, size, *best[:4])
            return value

        def climb(candidate: Candidate, size: float, here: float) -> float:
            for factor in (_REFINE, 1 / _REFINE):
                at, value = size, here
                while state.counters[0] - began < budget:
                    following = min(at * factor, candidate.longest)
                    if following == at or (new := look(candidate, following)) <= value:
                        break
                    at, value = following, new
                if value > here:
                    return value
            return here

        candidates = self._candidates(self.floor_step or step_size)
        if self.choice is not None:
            choice = self.choice
            reach = max(_SHORT, choice.time * (1 + choice.jitter) * 1.05)
            look(candidates[choice.integrator], step_size, reach, Offer(0.0, choice.time, choice.jitter, 0.0, 0.0))
            candidates[choice.integrator] = candidates[choice.integrator]._replace(step_size=step_size)
        best = 0.0
        for candidate in candidates.values():
            if not self.tame and self.schemes[candidate.name].drift == "harmonic":
                continue
            if best > _UNBEATEN and self.schemes[candidate.name].drift == "free":
                continue
            if tried and state.counters[0] - began > budget:
                break
            here = look(candidate, candidate.step_size)
            if here == 0.0:
                here = look(candidate, candidate.step_size / _REFINE**2)
            if here > (0.75 if self.choice is None else 0.95) * best:
                best = max(best, climb(candidate, tried_size(tried, candidate), here))
        top = max(tried.values(), key=lambda t: t.value)
        if top.time * (1 + top.jitter) > 0.75 * _SHORT and state.counters[0] - began < 1.5 * budget:
            look(candidates[top.integrator], top.step_size, _LONG)
        return list(tried.values())


def spread_momenta(metric: Any, momenta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L r for each row of `momenta` (n, d), and the diagonal of L Lᵀ."""
    if isinstance(metric, DenseMap):
        return momenta @ metric.factor.T, (metric.factor**2).sum(axis=1)
    if isinstance(metric, LowRankMap):
        along = (momenta @ metric.directions.T) * (metric.stretch - 1)
        variance = 1 + (metric.stretch**2 - 1) @ metric.directions**2
        return (momenta + along @ metric.directions) * metric.scale, variance * metric.scale**2
    return momenta * metric.scale, metric.scale**2


def tried_size(tried: Mapping[tuple[str, float], Tried], candidate: Candidate) -> float:
    return max((t for t in tried.values() if t.integrator == candidate.name), key=lambda t: t.value).step_size


def longest_run(flags: np.ndarray) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(~np.concatenate([[False], flags, [False]]))
    return int(np.diff(edges).max() - 1)


def follow(system: System, state: State, memory: Memory, at: np.ndarray, momenta: np.ndarray, columns: np.ndarray,
           step_size: float, reach: float) -> Course:
    """Test trajectories from the draws `at`, of time `reach`."""
    turns = np.arange(len(at)) * (math.sqrt(5) - 1) / 2 % 1.0
    sizes = step_size * (1 - 0.5 * turns**2)
    counts = np.minimum(np.ceil(reach / sizes), _MOST_STEPS).astype(np.int64)
    shape = len(at), int(counts.max())
    probes = Probes(
        memory.draws[at], memory.gradients[at], memory.density[at], momenta, sizes, counts, columns,
        np.zeros((*shape, len(columns))), np.zeros(shape), np.full(shape, np.inf),
    )  # fmt: skip
    status = probe(system, state, probes, 1000.0)
    if status == Status.BROKEN:
        raise Broken
    return Course(probes.starts[:, columns], probes.values, probes.positions, probes.densities, probes.errors, sizes, counts)


class Broken(Exception):
    """The log-density raised an error."""
