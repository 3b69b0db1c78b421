"""The metric that is chosen by the number of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels.linear import DenseMap, LinearMap
from .base import Metric
from .dense import Dense
from .low_rank import LowRank

__all__ = ["Auto"]

_DENSE_UP_TO = 300  # parameters
_NUMBERS, _FEWEST = 20_000, 10  # in the directions of a low-rank metric together; and directions in any case


@dataclass(frozen=True)
class Auto(Metric):
    """`Dense` for up to 300 parameters, whose curvature one gradient for each tells; `LowRank` beyond.

    The low-rank metric has at most 20 000 / d directions, or ten: a step costs O(d k) for k of them, and most of what a
    few can do is done by the strongest.  Where a gradient costs milliseconds, more directions cost nothing beside it:
    give ``LowRank()`` then.
    """

    name: ClassVar[str] = "auto"
    adapts: ClassVar[bool] = True
    by_points: ClassVar[bool] = True  # type: ignore[misc]

    def resolve(self, dim: int) -> Metric:
        """The metric for `dim` parameters."""
        return Dense() if dim <= _DENSE_UP_TO else LowRank(max_rank=min(max(_NUMBERS // dim, _FEWEST), 100))

    def check(self, dim: int) -> None:
        """Any dimension will do."""

    def start(self, gradient: np.ndarray) -> LinearMap:
        """The record that kernels run at first."""
        return self.resolve(gradient.size).start(gradient)

    def kind(self, current: LinearMap) -> str:
        """``"dense"`` or ``"low_rank"``."""
        return Dense.name if isinstance(current, DenseMap) else LowRank.name
