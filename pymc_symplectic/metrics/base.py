"""The contract that every metric keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..kernels.linear import LinearMap
from ..window import Window

__all__ = ["Metric"]


class Metric(ABC):
    """A linear map L, given or learned."""

    name: ClassVar[str]
    by_points: bool = False
    """Whether `fit` may be given points of trajectories, with their gradients, in place of draws.

    Pairs of position and gradient tell scales however near they are to each other, so warm-up can learn from all that
    it evaluates, and end by itself.  Positions alone do not: a metric of their spread keeps trajectories as short as
    they are, so it is fitted to windows of draws.
    """

    @property
    @abstractmethod
    def adapts(self) -> bool:
        """Whether warm-up learns it."""

    @property
    def memory(self) -> int:
        """How many of the latest draws `fit` reads, beyond the running moments of all of the window."""
        return 0

    def resolve(self, dim: int) -> Metric:
        """The metric to use for `dim` parameters: itself, unless it leaves the choice open."""
        return self

    def kind(self, current: LinearMap) -> str:
        """The name of what kernels run at present."""
        return self.name

    @abstractmethod
    def check(self, dim: int) -> None:
        """Raise a ValueError unless the metric serves `dim` parameters."""

    @abstractmethod
    def start(self, gradient: np.ndarray) -> LinearMap:
        """The map that kernels run at first, given the gradient (d,) at the start."""

    def fit(self, current: Any, window: Window) -> LinearMap:
        """The map that kernels run next, given the current one and the window of draws made with it."""
        return current
