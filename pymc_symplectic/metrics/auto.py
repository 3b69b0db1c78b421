"""The metric that is chosen by the number of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import Metric
from .dense import Dense
from .low_rank import LowRank

__all__ = ["Auto"]

_DENSE_UP_TO = 50  # parameters


@dataclass(frozen=True)
class Auto(Metric):
    """`Dense` for up to 50 parameters, which a thousand draws of warm-up tell well; `LowRank` beyond."""

    name: ClassVar[str] = "auto"
    adapts: ClassVar[bool] = True

    def resolve(self, dim: int) -> Metric:
        """The metric for `dim` parameters."""
        return Dense() if dim <= _DENSE_UP_TO else LowRank()

    def check(self, dim: int) -> None:
        """Any dimension will do."""

    def start(self, gradient: np.ndarray) -> Any:
        """What kernels run at first."""
        return self.resolve(gradient.size).start(gradient)
