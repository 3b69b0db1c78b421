"""The integrator that warm-up chooses."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..splits import FREE, Split
from .catalogue import CATALOGUE

__all__ = ["Auto"]


@dataclass(frozen=True)
class Auto:
    """The most efficient scheme, as warm-up measures it together with the length of trajectories.

    It is leapfrog until late in warm-up, and stays so with a trajectory that is not chosen in this way.
    """

    name: ClassVar[str] = "auto"
    drift: ClassVar[str] = FREE.name
    split: ClassVar[Split] = FREE
    order: ClassVar[int] = 2
    stages: ClassVar[int] = 1
    target_accept: ClassVar[float] = CATALOGUE["leapfrog"].target_accept

    def record(self, dim: int, fitted: np.ndarray | None = None) -> Any:
        """The record that kernels run until something else is chosen."""
        return CATALOGUE["leapfrog"].record(dim)
