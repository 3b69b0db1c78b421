"""How many draws of warm-up each part of it may take."""

from __future__ import annotations

from typing import NamedTuple

from ..policy import Policy

__all__ = ["Schedule"]


class Schedule(NamedTuple):
    """The parts of a warm-up of so many draws.

    Attributes
    ----------
    approach : int
        Draws by which the metric has to be known.
    last : int
        Draws after which nothing but the step size is tuned.
    tune : int
        Draws of warm-up, at most.
    """

    approach: int
    last: int
    tune: int

    @classmethod
    def of(cls, tune: int, policy: Policy) -> Schedule:
        """The parts, by the numbers of a policy.

        A tenth of warm-up, and at least 50 draws where there is room, is left to the step size; of what is before that,
        the last half or what windows ask for is left to them, unless there is no room for any.

        Examples
        --------
        >>> Schedule.of(1000, Policy())
        Schedule(approach=720, last=900, tune=1000)
        >>> Schedule.of(100, Policy())
        Schedule(approach=50, last=50, tune=100)
        """
        last = tune - max(round(policy.final_fraction * tune), min(policy.final_least, tune // 2))
        wanted = sum(policy.windows)
        return cls(last if last < wanted else max(last - wanted, last // 2), last, tune)

    def windows(self, count: int, policy: Policy) -> list[int]:
        """Ends of the windows after `count` draws, each twice as long as the one before.

        A window that would leave less than the next one needs takes the rest.

        Examples
        --------
        >>> Schedule.of(1000, Policy()).windows(100, Policy())
        [160, 280, 900]
        """
        ends: list[int] = []
        start, length = count, policy.windows[0]
        while start + length <= self.last:
            end = start + length
            if self.last - end < 2 * length:
                end = self.last
            ends.append(end)
            start, length = end, 2 * length
        return ends
