"""Kinetic energies made from a profile φ(s): radial, K = φ(|r|), or separable, K = Σ φ(|r_j|)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from ..kernels.kinetic import Addressed
from ..kernels.profiles import PROFILES
from ..kernels.shapes import Functions, radial, separable
from .base import KineticEnergy
from .table import with_table

__all__ = ["SHAPES", "ProfileEnergy", "Shape", "addressed"]

Shape = Literal["radial", "separable"]
SHAPES: Mapping[str, Callable[..., Functions]] = MappingProxyType({"separable": separable, "radial": radial})
"""Makers of the functions of a kinetic energy of each shape from a profile."""


@cache
def _functions(profile: str, shape: Shape) -> Functions:
    return SHAPES[shape](*PROFILES[profile], cached=True)


@lru_cache(maxsize=64)
def _params(profile: str, shape: Shape, dim: int, own: tuple[float, ...]) -> np.ndarray:
    params = with_table(np.array(own), *PROFILES[profile], dim - 1.0 if shape == "radial" else 0.0)
    params.flags.writeable = False
    return params


def addressed(functions: Functions, params: np.ndarray) -> Addressed:
    """The record that kernels run."""
    return Addressed(functions.energy.address, functions.velocity.address, functions.draw.address, params)


class ProfileEnergy(KineticEnergy):
    """A kinetic energy of one of the profiles of `kernels.profiles`."""

    profile: ClassVar[str]

    @property
    @abstractmethod
    def form(self) -> Shape:
        """Radial or separable."""

    @abstractmethod
    def own(self, dim: int) -> tuple[float, ...]:
        """The parameters of the profile that a chain in `dim` dimensions begins with."""

    def may_learn(self, own: tuple[float, ...]) -> bool:
        """Whether warm-up may come to these parameters of the profile."""
        return len(own) == len(self.own(1))

    def record(self, dim: int) -> Addressed:
        """The record that kernels run at first."""
        return self.made_from(self.own(dim), dim)

    def made_from(self, own: tuple[float, ...], dim: int) -> Addressed:
        """The record that kernels run, with these parameters of the profile."""
        params = _params(self.profile, self.form, max(dim, 1), tuple(float(value) for value in own))
        return addressed(_functions(self.profile, self.form), params.copy())
