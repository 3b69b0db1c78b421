"""Kinetic energies: how fast the momentum carries the chain, and from what distribution momenta are drawn."""

from collections.abc import Mapping
from types import MappingProxyType

from ..names import choose
from .adaptive import Adaptive, Network
from .base import KineticEnergy
from .check import KineticReport, check_kinetic
from .custom import Custom, Profile
from .gaussian import Gaussian
from .power import Power, StudentT
from .relativistic import Relativistic

__all__ = [
    "CATALOGUE",
    "Adaptive",
    "Custom",
    "Gaussian",
    "KineticEnergy",
    "KineticReport",
    "Network",
    "Power",
    "Profile",
    "Relativistic",
    "StudentT",
    "check_kinetic",
    "get",
]

CATALOGUE: Mapping[str, type[KineticEnergy]] = MappingProxyType(
    {cls.name: cls for cls in (Gaussian, Relativistic, Adaptive, Power, StudentT)}
)


def get(kinetic: str | KineticEnergy) -> KineticEnergy:
    """Look a kinetic energy up by name; a `KineticEnergy` is returned as it is.

    Raises
    ------
    ValueError
        When there is no such name.  The message lists those there are.
    """
    return kinetic if isinstance(kinetic, KineticEnergy) else choose("kinetic energy", kinetic, CATALOGUE)()
