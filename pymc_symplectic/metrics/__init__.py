r"""Metrics: the linear map L with M⁻¹ = L Lᵀ that makes the target look alike in all directions.

The best M⁻¹ for a Gaussian target is its covariance.  Where it is not given it is learned in warm-up, from draws and
from the gradients that came with them: of a Gaussian, the covariance of the gradients is the *inverse* covariance of
the draws, so together they say more than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ..names import choose
from .auto import Auto
from .base import Metric
from .dense import Dense
from .diagonal import Diagonal, Identity
from .low_rank import LowRank

__all__ = ["CATALOGUE", "Auto", "Dense", "Diagonal", "Identity", "LowRank", "Metric", "get"]

CATALOGUE: Mapping[str, type[Metric]] = MappingProxyType(
    {cls.name: cls for cls in (Auto, Identity, Diagonal, Dense, LowRank)}
)


def get(metric: str | Metric | np.ndarray) -> Metric:
    """Look a metric up by name, to be learned; a vector is variances, a matrix a covariance, a `Metric` itself.

    Raises
    ------
    ValueError
        When there is no such name (the message lists those there are), or an array is of the wrong shape.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return choose("metric", metric, CATALOGUE)()
    array = np.asarray(metric)
    if array.dtype.kind in "bifu" and array.ndim in (1, 2):
        return Diagonal(array) if array.ndim == 1 else Dense(array)
    return choose("metric", metric, CATALOGUE)()
