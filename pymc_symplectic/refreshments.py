"""Refreshment of the momentum between trajectories: all of it is drawn anew, or a part of it is kept."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .checks import number
from .kernels import refreshment as kernels
from .kernels.compile import register as register_part
from .kinetic import KineticEnergy

__all__ = ["Full", "Partial", "Refreshment", "get", "register"]


class Refreshment(ABC):
    """A rule for the momentum that a trajectory starts with.

    Whoever writes one gives `record`, whose named tuple `register` makes known to kernels, and `suits`.
    """

    keeps: ClassVar[bool]
    """Whether something of the momentum is kept, which is then a part of the state of a chain."""

    @abstractmethod
    def record(self) -> Any:
        """The record that kernels run."""

    @abstractmethod
    def suits(self, kinetic: KineticEnergy) -> bool:
        """Whether it leaves the momenta of this kinetic energy as they are distributed."""


@dataclass(frozen=True)
class Full(Refreshment):
    """Each trajectory starts with a momentum of its own, drawn from exp(-K)."""

    keeps: ClassVar[bool] = False

    def record(self) -> kernels.FullRefreshment:
        """The record that kernels run."""
        return kernels.FullRefreshment()

    def suits(self, kinetic: KineticEnergy) -> bool:
        """Every kinetic energy."""
        return True


@dataclass(frozen=True)
class Partial(Refreshment):
    r"""Each trajectory goes on with the momentum that the last one ended with, turned by an angle.

    Parameters
    ----------
    angle : float
        α in (0, π/2].  At π/2 nothing is kept.

    Raises
    ------
    ValueError
        When `angle` is out of its range.

    Notes
    -----
    With ξ standard normal,

    .. math:: r \leftarrow \cos\alpha\; r + \sin\alpha\; \xi,

    which leaves the momenta of the Gaussian kinetic energy as they are distributed, and no others.  Where the end of a
    trajectory is refused, the chain goes on from its start with the momentum turned round [1]_: backwards, until it
    is forgotten.  So acceptance has to be high for anything to be gained.

    With trajectories of one step this is Langevin dynamics, exactly Metropolised: the chain goes straight on for about
    :math:`2/\alpha^2` steps, and each of them is a draw.  It goes with `FixedSteps` and `FixedTime`, and the automatic
    trajectory becomes ``FixedSteps(1)``.  `NoUTurn` goes to either side by lot, so that a momentum that is kept leads
    nowhere in particular, and is refused.

    What is kept is the *whitened* momentum.  It has the same distribution under every metric and wherever the chain is,
    so it stays valid when warm-up changes the metric.

    References
    ----------
    .. [1] A. M. Horowitz (1991). A generalized guided Monte Carlo algorithm. Phys. Lett. B 268, 247-252.
    """

    angle: float
    keeps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        angle = number("angle", self.angle)
        if not 0 < angle <= math.pi / 2:
            raise ValueError(f"angle must lie in (0, π/2], got {self.angle!r}; at π/2 nothing of the momentum is kept")

    def record(self) -> kernels.PartialRefreshment:
        """The record that kernels run."""
        return kernels.PartialRefreshment(math.cos(self.angle), math.sin(self.angle))

    def suits(self, kinetic: KineticEnergy) -> bool:
        """The Gaussian kinetic energy alone."""
        return kinetic.quadratic


def get(refreshment: Refreshment | None) -> Refreshment:
    """The refreshment that is meant; None is `Full`.

    Raises
    ------
    TypeError
        When it is none.
    """
    if refreshment is None:
        return Full()
    if not isinstance(refreshment, Refreshment):
        raise TypeError(f"refreshment must be ps.Full() or ps.Partial(angle), got {refreshment!r}")
    return refreshment


def register(refreshment: type, *, refresh: Callable, keep: Callable) -> None:
    """Make a refreshment of your own known to kernels, once, before anything is sampled with it.

    Parameters
    ----------
    refreshment : type
        The `typing.NamedTuple` that `Refreshment.record` returns.
    refresh : callable
        ``refresh(refreshment, kinetic, rng, state)`` gives ``state.momentum`` what the next trajectory starts with,
        from ``state.kept`` and random numbers, and leaves exp(-K) invariant.
    keep : callable
        ``keep(refreshment, state, accepted)`` gives ``state.kept`` what is kept of a trajectory that has ended with
        ``state.momentum``: that itself where the end was accepted, and the momentum of the start, turned round, where
        it was not.

    Raises
    ------
    TypeError
        When something is of the wrong kind.
    ValueError
        When the refreshment is registered already.
    """
    register_part(refreshment, {kernels.refresh: refresh, kernels.keep: keep})
