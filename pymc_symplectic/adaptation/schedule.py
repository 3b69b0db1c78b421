"""How many draws of warm-up each part of it may take, and where its windows end."""

from __future__ import annotations

from typing import NamedTuple

from ..kernels.state import NEVER
from ..policy import Policy

__all__ = ["Schedule", "Windows"]


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


class Windows:
    """The windows that follow the approach, and the end of warm-up.

    Parameters
    ----------
    tune : int
        Draws of warm-up, at most.
    policy : Policy
    open_ended : bool
        Whether it ends as soon as nothing is left to learn.

    Attributes
    ----------
    schedule : Schedule
    ends : list of int
        The draws at which windows end; none before the approach is over.
    end : int
        The number of draws after which warm-up is over, as far as that is known.
    """

    def __init__(self, tune: int, policy: Policy, open_ended: bool) -> None:
        self.schedule, self._policy, self.open_ended = Schedule.of(tune, policy), policy, open_ended
        self.ends: list[int] = []
        self.end = tune

    def left(self, count: int) -> int:
        """How many windows end after `count` draws."""
        return sum(count < end for end in self.ends)

    def next_end(self, count: int) -> int:
        """The next end, of a window or of warm-up, after `count` draws."""
        return min((end for end in (*self.ends, self.end) if end > count), default=NEVER)

    def by_schedule(self, count: int) -> None:
        """Let windows begin after `count` draws, each twice as long as the one before."""
        self.ends = self.schedule.windows(count, self._policy)

    def of_proofs(self, count: int, proofs: int) -> None:
        """Let warm-up end after so many windows of proof, and a few draws by which the step size settles."""
        policy, tune = self._policy, self.schedule.tune
        ends = [count + policy.proof * (k + 1) for k in range(proofs)]
        self.ends = [end for end in ends if end <= tune]
        self.end = min(count + policy.proof * proofs + policy.last_draws, tune)

    def end_at(self, count: int) -> None:
        """Let warm-up end here."""
        self.end = count
