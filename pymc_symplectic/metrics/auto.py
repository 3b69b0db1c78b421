"""The metric that is chosen by the number of parameters, and beyond a hundred by what draws say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..kernels.linear import DenseMap, LinearMap, LowRankMap
from ..window import Window
from .base import Metric
from .dense import Dense
from .estimate import divergence
from .low_rank import LowRank

__all__ = ["Auto", "as_dense"]

_DENSE_UP_TO = 100  # parameters
_NUMBERS, _FEWEST = 20_000, 10  # in the directions of a low-rank metric together; and directions in any case
_ENOUGH = 1.25  # draws a parameter, for all correlations to be estimated from draws and gradients
_LEFT_OUT = 8  # the part of the draws that is kept for the test, inverted
_CLEARLY = 0.5  # of the divergence of a low-rank metric


@dataclass(frozen=True)
class Auto(Metric):
    """`Dense` for up to 100 parameters, which a thousand draws of warm-up tell well; `LowRank` beyond.

    Above 200 parameters the low-rank metric has at most 20 000 / d directions, or ten: a step costs O(d k) for k of
    them, and most of what a few can do is done by the strongest.  Where a gradient costs milliseconds, more directions
    cost nothing beside it: give ``LowRank()`` then.

    A metric that began as low-rank becomes dense when the 400 latest draws of a window, or all of a shorter one, are
    1.25 times as many as parameters, and a dense metric fitted to seven eighths of them has on the others, which it has
    not seen, less than half of the Fisher divergence of the low-rank one, which has.  That is the case where the
    posterior is nearly normal and its correlations are not those of a few directions; elsewhere, what more directions
    gain is lost to their noise.  It stays dense then, unless the chain turns out to be far from its typical set.
    """

    name: ClassVar[str] = "auto"
    adapts: ClassVar[bool] = True

    def resolve(self, dim: int) -> Metric:
        """The metric for `dim` parameters."""
        return Dense() if dim <= _DENSE_UP_TO else _Wide(max_rank=min(max(_NUMBERS // dim, _FEWEST), 100))

    def check(self, dim: int) -> None:
        """Any dimension will do."""

    def start(self, gradient: np.ndarray) -> LinearMap:
        """The record that kernels run at first."""
        return self.resolve(gradient.size).start(gradient)

    def kind(self, current: LinearMap) -> str:
        """``"dense"`` or ``"low_rank"``."""
        return Dense.name if isinstance(current, DenseMap) else LowRank.name


class _Wide(LowRank):
    """`LowRank`, and `Dense` once draws have shown that it is clearly better."""

    def fit(self, current: Any, window: Window) -> LinearMap:
        draws, gradients = window.pairs
        enough = len(draws) >= _ENOUGH * draws.shape[1]
        if isinstance(current, DenseMap):
            return Dense().fit_draws(current, draws, gradients) if enough else current
        found = self.fit_draws(current, draws, gradients)
        begin = as_dense(current) if enough else None
        if begin is None:
            return found
        # neighbours are alike, or the same where a draw was refused, so those that are left out lie side by side
        kept = len(draws) - len(draws) // _LEFT_OUT
        tried, unseen = Dense().fit_draws(begin, draws[:kept], gradients[:kept]), (draws[kept:], gradients[kept:])
        if not divergence(tried, *unseen) < _CLEARLY * divergence(found, *unseen):
            return found
        whole = Dense().fit_draws(begin, draws, gradients)
        return found if whole is begin else whole


def as_dense(metric: LowRankMap) -> DenseMap | None:
    """The same covariance as a whole matrix; None where that is singular by rounding."""
    inner = np.eye(metric.scale.size) + (metric.directions.T * (metric.stretch**2 - 1)) @ metric.directions
    try:
        return DenseMap(metric.scale[:, None] * np.linalg.cholesky(inner))
    except np.linalg.LinAlgError:
        return None
