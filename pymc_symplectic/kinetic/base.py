"""The contract that every kinetic energy keeps."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

__all__ = ["KineticEnergy"]


class KineticEnergy(ABC):
    """A kinetic energy K(r) of the whitened momentum r: even, convex, known up to a constant.

    Momenta are drawn from exp(-K), exactly: any other density of momenta would change the distribution that is sampled.
    Since K sees the *whitened* momentum ``r = Lᵀ p``, it knows nothing of the metric.
    """

    name: ClassVar[str]

    @abstractmethod
    def record(self) -> Any:
        """What kernels run: `kernels.kinetic.Gaussian` or `kernels.kinetic.Addressed`."""
