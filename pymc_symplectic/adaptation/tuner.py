r"""What a gradient is worth: test trajectories, and the choice of integrator, step size and path length by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["STARTS", "Choice", "Course", "Ladder", "Memory", "choose", "efficiency", "realised", "spread", "worth"]

STARTS = 32
TIMES = tuple(float(time) for time in np.geomspace(0.6, 6.0, 15))
JITTERS = (0.3, 0.6)
SHORT, LONG = 3.2, 9.6
_REFINE = 1.35
_LEAST_DRAWS = 40
_POWER = 4.0
_FEWEST = 0.8  # draws that an antithetic one may be worth at most, inverted
_MARGIN = 1.15
_KEPT = 1.0
_TINY = 0.2
_LONGEST_STREAK = 25


class Memory(NamedTuple):
    """Consecutive draws (n, d) with gradients, and for each: steps, acceptance, divergence, log-density, (n,)."""

    draws: np.ndarray
    gradients: np.ndarray
    steps: np.ndarray
    accept: np.ndarray
    diverged: np.ndarray
    density: np.ndarray


class Course(NamedTuple):
    """Where test trajectories went: `positions` (n, k, m), `densities`, `errors` (n, k); step `sizes`, `counts` (n,)."""

    starts: np.ndarray
    values: np.ndarray
    positions: np.ndarray
    densities: np.ndarray
    errors: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Ladder:
    """A scheme to try: its name, gradients per step, the first step size to try and the longest."""

    name: str
    stages: int
    step_size: float
    longest: float = math.inf


@dataclass(frozen=True)
class Choice:
    """What was chosen and why, in plain numbers."""

    integrator: str
    time: float | None
    jitter: float
    step_size: float
    target_accept: float
    predicted: float
    floor: float
    reason: str = ""
    tried: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def spread(count: int, number: int) -> np.ndarray:
    """Indices of `number` of `count` draws, evenly spread and the last one among them."""
    return np.unique(np.linspace(0, count - 1, min(count, number)).round().astype(int))


def functions(positions: np.ndarray, densities: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Coordinates, their squared deviations, and the log-density: (..., 2 m + 1)."""
    return np.concatenate([positions, (positions - mean) ** 2, densities[..., None]], axis=-1)


def worth(gap: np.ndarray) -> float:
    """Effective draws per draw for 1 - rho of all functions: a soft minimum."""
    gap = np.clip(gap, 1e-6, None)
    times = np.maximum((2.0 - gap) / gap, _FEWEST)
    return float(np.mean(times**_POWER) ** (-1.0 / _POWER))


def realised(memory: Memory, columns: np.ndarray) -> float:
    """Effective draws per draw of consecutive draws."""
    values = functions(memory.draws[:, columns], memory.density, memory.draws[:, columns].mean(axis=0))
    variance = values.var(axis=0)
    moves = variance > 0
    gap = ((values[1:] - values[:-1]) ** 2).mean(axis=0)[moves] / (2 * variance[moves])
    return worth(gap)


def steps_of(time: float, jitter: float, step_size: float) -> float:
    """Mean number of steps of `FixedTime`."""
    times = time * (1 + jitter * np.linspace(-1, 1, 41))
    return float(np.maximum(1, np.ceil(times / step_size - 1e-9)).mean())


def efficiency(course: Course, memory: Memory, columns: np.ndarray, ladder: Ladder, step_size: float,
               times: Sequence[float] = TIMES) -> list[tuple[float, float, float, float]]:
    """(efficiency, time, jitter, acceptance) of all times that the course covers."""
    mean = memory.draws[:, columns].mean(axis=0)
    variance = functions(memory.draws[:, columns], memory.density, mean).var(axis=0)
    moves = variance > 0
    before = functions(course.starts, course.values, mean)[:, moves]
    after = functions(course.positions, course.densities, mean)[..., moves]
    accept = np.exp(-np.maximum(course.errors, 0.0))
    step = np.arange(1, accept.shape[1] + 1)
    at = step * course.sizes[:, None]
    known = step <= course.counts[:, None]
    gained = np.where(accept[..., None] > 0, accept[..., None] * (after - before[:, None]) ** 2, 0.0)
    gained /= 2 * variance[moves]
    covered = (course.sizes * course.counts).min()
    found = []
    for time in times:
        for jitter in JITTERS:
            if time * (1 + jitter) > covered * 1.001:
                continue
            inside = known & (at >= time * (1 - jitter)) & (at <= time * (1 + jitter))
            seen = inside.sum(axis=1)
            if (seen > 0).sum() < 0.7 * len(seen):
                continue
            weight = inside / np.maximum(seen, 1)[:, None]
            weight /= weight.sum()
            mean_accept = (weight * accept).sum()
            of_start = (inside * accept).sum(axis=1) / np.maximum(seen, 1)
            if (of_start[seen > 0] < _TINY).sum() > len(seen) // 16 or np.isinf(course.errors[inside]).any():
                continue
            gap = np.einsum("nk,nkf->f", weight, gained)
            cost = steps_of(time, jitter, step_size) * ladder.stages
            found.append((worth(gap) / cost, time, jitter, float(mean_accept)))
    return found


Follow = Callable[[str, np.ndarray, np.ndarray], Course]


def choose(
    memory: Memory, ladders: Sequence[Ladder], floor: float, columns: np.ndarray, budget: float,
    follow: Callable[[Ladder, float, float], Course],
) -> tuple[tuple[float, Ladder, float, float, float, float] | None, list]:
    """The best of all ladders, climbing each by step sizes."""
    tried: dict[tuple[str, float], tuple] = {}
    spent = 0.0

    def look(ladder: Ladder, step_size: float, reach: float) -> float:
        nonlocal spent
        key = (ladder.name, round(math.log(step_size), 6))
        course = follow(ladder, step_size, reach)
        spent += float(course.counts.sum()) * ladder.stages
        found = efficiency(course, memory, columns, ladder, step_size)
        best = max(found, default=(0.0, 0.0, 0.0, 0.0))
        if key not in tried or best[0] > tried[key][2][0]:
            tried[key] = (ladder, step_size, best)
        return best[0]

    first = {ladder.name: look(ladder, min(ladder.step_size, ladder.longest), SHORT) for ladder in ladders}
    order = sorted(ladders, key=lambda ladder: -first[ladder.name])
    for rank, ladder in enumerate(order[:2]):
        if rank and first[ladder.name] < 0.6 * first[order[0].name]:
            break
        here, size = first[ladder.name], min(ladder.step_size, ladder.longest)
        for factor in (_REFINE, 1 / _REFINE):
            at, value, climbed = size, here, False
            while spent < budget:
                following = min(at * factor, ladder.longest)
                if following == at:
                    break
                new = look(ladder, following, SHORT)
                if new <= value:
                    break
                at, value, climbed = following, new, True
            if climbed:
                break
    ladder, step_size, best = max(tried.values(), key=lambda entry: entry[2][0])
    if (best[1] == 0.0 or best[1] * (1 + best[2]) > 0.6 * SHORT) and spent < 2 * budget:
        look(ladder, step_size, LONG)
    ladder, step_size, best = max(tried.values(), key=lambda entry: entry[2][0])
    table = [(entry[0].name, entry[1], *entry[2]) for entry in tried.values()]
    return ((best[0], ladder, step_size, *best[1:]) if best[0] > 0 else None), table
