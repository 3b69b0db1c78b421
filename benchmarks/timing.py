"""Times of several ways to do a thing, which take turns because machines are noisy."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["Timing", "interleaved", "seconds"]


class Timing(NamedTuple):
    """Medians over rounds: of nanoseconds, and of their ratio to those of another way in the same round."""

    nanoseconds: float
    ratio: float


def seconds(function: Callable[[], object]) -> float:
    """Processor time of this thread."""
    began = time.thread_time()
    function()
    return time.thread_time() - began


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int, base: str) -> dict[str, Timing]:
    """Time all ways in turns, each of which returns seconds; ratios are to the way `base`."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    its = np.array(taken[base])
    return {
        name: Timing(1e9 * float(np.median(times)), float(np.median(np.array(times) / its)))
        for name, times in taken.items()
    }
