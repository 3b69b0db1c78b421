"""Where the chains of a run wait for each other, so that all of them can be looked at with as many draws of each."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["blocks"]

_FIRST = 100  # fewer draws tell little of autocorrelations
_LEAST = 50
_GROWTH = 4  # a block is a fourth of all before it, so that no more than a fifth of all draws is one too many


def blocks(draws: int) -> Iterator[int]:
    """Numbers of draws after warm-up at which blocks end, which depend on nothing but how many there are at most.

    Examples
    --------
    >>> list(blocks(400))
    [100, 150, 200, 250, 312, 390, 400]
    """
    end = _FIRST
    while end < draws:
        yield end
        end += max(_LEAST, end // _GROWTH)
    yield draws
