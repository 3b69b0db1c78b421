"""Kinetic energies: how fast the momentum carries the chain, and from what distribution momenta are drawn."""

from collections.abc import Mapping
from types import MappingProxyType

from ..names import choose
from .base import KineticEnergy
from .gaussian import Gaussian

__all__ = ["CATALOGUE", "Gaussian", "KineticEnergy", "get"]

CATALOGUE: Mapping[str, type[KineticEnergy]] = MappingProxyType({cls.name: cls for cls in (Gaussian,)})


def get(kinetic: str | KineticEnergy) -> KineticEnergy:
    """Look a kinetic energy up by name; a `KineticEnergy` is returned as it is.

    Raises
    ------
    ValueError
        When there is no such name.  The message lists those there are.
    """
    return kinetic if isinstance(kinetic, KineticEnergy) else choose("kinetic energy", kinetic, CATALOGUE)()
