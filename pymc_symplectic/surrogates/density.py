"""A log-density that has been learned, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..kernels.chain import evaluate_start
from ..kernels.state import Target, new_state
from ..kernels.surrogate import address_of_surrogate, expansion_of, room_for
from .features import Features, monomials, some_ridges

__all__ = ["LearnedDensity"]

_WHOLE = 2**31  # no count of anything is larger


@dataclass(frozen=True, eq=False, repr=False)
class LearnedDensity:
    r"""A log-density that `Surrogate` trajectories run on: log π̂(q) = c - E(|z|) + f(z), with z = L⁻¹(q - μ).

    `LearnedChain.surrogate` has that of each chain of a run.

    Attributes
    ----------
    features : Features
        The monomials and ridges that f is a sum of.
    mean : ndarray of shape (d,)
        μ.
    factor : ndarray of shape (d, d)
        L, lower triangular.
    coefficients : ndarray of shape (features.count + 1,)
        c, then those of the features.
    limits : ndarray of shape (4,)
        The |z| beyond which f is the same along rays, the slope by which E = ½|z|² goes on from there, and the least
        and the largest f.

    Raises
    ------
    ValueError
        When something is not finite, not of these shapes, or L or the limits are in disorder.
    """

    features: Features
    mean: np.ndarray
    factor: np.ndarray
    coefficients: np.ndarray
    limits: np.ndarray

    def __post_init__(self) -> None:
        dim = self.features.dim
        shapes = {"mean": (dim,), "factor": (dim, dim), "coefficients": (self.features.count + 1,), "limits": (4,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if np.shape(array) != shape or not np.all(np.isfinite(array)):
                raise ValueError(f"the {name} of a surrogate must be {shape} finite numbers, got {np.shape(array)}")
        if np.any(np.triu(self.factor, 1)) or not np.all(np.diag(self.factor) > 0):
            raise ValueError("the factor of a surrogate must be lower triangular, with a positive diagonal")
        if not (np.all(self.limits[:2] > 0) and self.limits[2] <= self.limits[3]):
            raise ValueError(f"the limits of a surrogate are {self.limits}")

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.features.dim

    @property
    def target(self) -> Target:
        """It as kernels take it, for one chain at a time: with memory of its own."""
        features, dim = self.features, self.dim
        data = np.zeros(room_for(dim, features.terms, features.ridges), np.int64)
        data[:3] = dim, features.terms, features.ridges
        parts = expansion_of(data)
        parts.parents[:], parts.variables[:] = monomials(dim, features.degree)
        parts.mean[:], parts.factor[:], parts.limits[:] = self.mean, self.factor, self.limits
        parts.coefficients[:] = self.coefficients[: features.terms + 1]
        parts.directions[:], parts.offsets[:] = some_ridges(dim, features.ridges)
        parts.amplitudes[:] = self.coefficients[features.terms + 1 :]
        return Target(address_of_surrogate(), data)

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log π̂ and its gradient, the learned force.

        Parameters
        ----------
        positions : array_like of shape (..., d)
            q, finite.

        Returns
        -------
        values : ndarray of shape (...)
            With the constant that log π has of the model.
        gradients : ndarray of shape (..., d)

        Raises
        ------
        ValueError
            When positions are not of this shape, or not finite.
        """
        places = np.asarray(positions, dtype=float)
        if places.shape[-1:] != (self.dim,) or not np.isfinite(places).all():
            raise ValueError(f"positions must be finite numbers of shape (..., {self.dim}), got {places.shape}")
        values, gradients = np.empty(places.shape[:-1]), np.empty(places.shape)
        target, state = self.target, new_state(self.dim)
        for at in np.ndindex(values.shape):
            state.current.position[:] = places[at]
            evaluate_start(target, state)
            values[at], gradients[at] = state.current.value[0], state.current.gradient
        return values[()], gradients

    @property
    def params(self) -> np.ndarray:
        """All of it as one vector, from which `of_params` makes it again."""
        head = [self.features.dim, self.features.degree, self.features.ridges]
        return np.concatenate([head, self.mean, self.factor.ravel(), self.coefficients, self.limits])

    @classmethod
    def of_params(cls, params: Any) -> Self:
        """The inverse of `params`.

        Raises
        ------
        ValueError
            When it is no such vector.
        """
        vector = np.array(params, dtype=float)
        head = vector[:3]
        if vector.ndim != 1 or vector.size < 3 or not np.all((head == np.floor(head)) & (head >= 0) & (head < _WHOLE)):
            raise ValueError("these are no parameters of a surrogate")
        dim, degree, ridges = (int(number) for number in head)
        if not (dim and degree) or vector.size < 3 + dim * (dim + 1):
            raise ValueError("these are no parameters of a surrogate")
        features = Features(dim, degree, ridges)
        sizes = np.cumsum([3, dim, dim * dim, features.count + 1])
        if vector.size != sizes[-1] + 4:
            raise ValueError(f"a surrogate by a {features} has {sizes[-1] + 4} parameters, got {vector.size}")
        _, mean, factor, coefficients, limits = np.split(vector, sizes)
        return cls(features, mean, factor.reshape(dim, dim), coefficients, limits)

    def __repr__(self) -> str:
        return f"LearnedDensity: {self.features}, of {self.dim} coordinates"
