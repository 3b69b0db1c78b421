r"""Metrics: the linear map L with M⁻¹ = L Lᵀ that makes the target look alike in all directions.

The best M⁻¹ for a Gaussian target is its covariance.  Where it is not given it is learned in warm-up, from draws and
from the gradients that came with them: of a Gaussian, the covariance of the gradients is the *inverse* covariance of
the draws, so together they say more than either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ..kernels import linear
from ..kernels.compile import register as register_part
from ..names import choose
from .auto import Auto
from .base import Metric
from .dense import Dense
from .diagonal import Diagonal, Identity
from .low_rank import LowRank

__all__ = ["CATALOGUE", "Auto", "Dense", "Diagonal", "Identity", "LowRank", "Metric", "get", "register"]

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


def register(linear_map: type, *, kick: Callable, drift: Callable, solve: Callable) -> None:
    """Make a linear map L of your own known to kernels, once, before anything is sampled with it.

    Parameters
    ----------
    linear_map : type
        The `typing.NamedTuple` of arrays that `Metric.start` and `Metric.fit` return.  Its fields are stored by name,
        so no other map may have the same ones.
    kick : callable
        ``kick(linear_map, c, gradient, momentum)``: ``momentum += c Lᵀ gradient``, in place.
    drift : callable
        ``drift(linear_map, c, velocity, position)``: ``position += c L velocity``, in place.
    solve : callable
        ``solve(linear_map, vector)``: ``vector = L⁻¹ vector``, in place.

    Raises
    ------
    TypeError
        When something is of the wrong kind.
    ValueError
        When the map, or one with the same fields, is registered already.

    Notes
    -----
    In Python a map has methods beside (see `kernels.linear`): those that the class lacks are made from these functions,
    a row at a time, and given to it.

    All of them are plain functions that numba can compile in nopython mode.  Where they stand in a module, what is
    compiled of them is kept on disk until that module changes.
    """
    fields = set(getattr(linear_map, "_fields", ()))
    for known in linear.kinds():
        if known is not linear_map and set(known._fields) == fields:
            raise ValueError(f"{linear_map.__name__} has the same fields as {known.__name__}; give them other names")
    register_part(linear_map, {linear.kick: kick, linear.drift: drift, linear.solve: solve})
    linear.complete(linear_map)
