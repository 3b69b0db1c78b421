"""Where each variable stands in one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Layout"]


class Layout:
    """Variables of known shapes and dtypes, raveled and joined in their order to one vector of floats (d,).

    Parameters
    ----------
    variables : dict
        Shape and dtype of each, by name.

    Attributes
    ----------
    shapes, sizes : dict
        The shape of each, and the number of its elements, by name.
    dim : int
        The length of the vector, `d`.
    lossless : bool
        Whether a vector comes back from `to_point` and `to_vector` as it was, not rounded.
    """

    def __init__(self, variables: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
        self.variables = dict(variables)
        self.shapes = {name: shape for name, (shape, _) in self.variables.items()}
        self.sizes = {name: int(np.prod(shape, dtype=int)) for name, shape in self.shapes.items()}
        self.dim = sum(self.sizes.values())
        self.lossless = all(dtype == "float64" for _, dtype in self.variables.values())
        self._names = tuple(self.variables)
        ends = np.cumsum(list(self.sizes.values())).tolist()
        self._slices = [
            (name, end - self.sizes[name], end, None if len(shape) == 1 else shape, dtype)
            for end, (name, (shape, dtype)) in zip(ends, self.variables.items(), strict=True)
        ]

    def to_vector(self, point: Mapping[str, np.ndarray]) -> np.ndarray:
        """The variables of `point` as one vector."""
        return np.concatenate([point[name] for name in self._names], axis=None, dtype=float)

    def to_point(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `to_vector`: arrays of each variable's shape and dtype; views of `vector`, where possible."""
        point = {}
        for name, start, stop, shape, dtype in self._slices:
            part = vector[start:stop] if shape is None else vector[start:stop].reshape(shape)
            point[name] = part if self.lossless else part.astype(dtype, copy=False)
        return point

    def fits(self, point: Mapping[str, np.ndarray]) -> bool:
        """Whether the variables of `point` have these shapes."""
        return all(np.shape(point[name]) == shape for name, shape in self.shapes.items())

    def owners(self, coordinates: Any) -> Sequence[int]:
        """The numbers of the variables that some coordinates of the vector belong to, each once, in their order."""
        every = np.repeat(np.arange(len(self.sizes)), list(self.sizes.values()))
        return [int(i) for i in np.unique(every[coordinates])]
