"""When warm-up refits the metric."""

from ..policy import Policy

__all__ = ["doubling", "window_ends"]


def window_ends(tune: int, policy: Policy) -> list[int]:
    """Draws of warm-up after which the metric is fitted, to the draws since the last such moment.

    After three windows of ten draws, each is twice as long as the one before, so that early draws, made far from the
    typical set and with a poor metric, are forgotten.  A last stretch of a tenth of warm-up, and at least 50 draws
    where there is room, is left to the step size alone; where no window fits, the list is empty and the metric stays as
    it began.

    Parameters
    ----------
    tune : int
        Draws of warm-up.
    policy : Policy
        Whose `first_window`, `equal_windows`, `final_fraction` and `final_least` the numbers above are.

    Examples
    --------
    >>> window_ends(1000, Policy())
    [10, 20, 30, 50, 90, 170, 330, 900]
    >>> window_ends(100, Policy())
    [10, 20, 30, 50]
    >>> window_ends(12, Policy())
    []
    """
    last = tune - max(round(policy.final_fraction * tune), min(policy.final_least, tune // 2))
    return doubling(0, last, policy.first_window, policy.equal_windows)


def doubling(start: int, last: int, length: int, equal: int = 1) -> list[int]:
    """Ends of windows from `start` on, the first `equal` ones of this length, each that follows twice as long.

    A window that would leave less than the next one needs takes the rest, up to `last`.
    """
    ends: list[int] = []
    while start + length <= last:
        end = start + length
        following = length if len(ends) + 1 < equal else 2 * length
        if last - end < following:
            end = last
        ends.append(end)
        start, length = end, following
    return ends
