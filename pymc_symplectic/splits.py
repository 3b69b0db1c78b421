r"""How H is split into two energies whose motions are known exactly: the kicks and the drifts of an integrator.

The coefficients of an `Integrator` serve any split.  With the *free* one a kick is the motion of the potential energy
and a drift that of the kinetic energy.  The *harmonic* one moves a Gaussian's share of the potential energy over to the
drift.  A split of your own is a `Split`, with kernels that `register` makes known.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from .kernels import splits as kernels
from .kernels.compile import register as register_part
from .kernels.free import begin_free, longest_of_free
from .kinetic import KineticEnergy
from .metrics.estimate import centre
from .window import Window

__all__ = ["CATALOGUE", "Free", "Harmonic", "Split", "register"]

_ALMOST_HALF_A_TURN = 0.9 * math.pi


class Split(ABC):
    """A split of H: what kernels run of it, and with what it goes.

    Whoever writes one gives `record`, and `fit` where something of the target has to be known.  Until it is, and
    without a warm-up, `record` is called without it.
    """

    name: ClassVar[str]
    adapts: bool = False
    """Whether warm-up has to `fit` it."""
    needs: str = ""
    """Why it does not go with the kinetic energies that it does not suit, after "which ..." in the message of an error.
    """

    @abstractmethod
    def record(self, dim: int, fitted: np.ndarray | None, drifts: Sequence[float]) -> Any:
        """The record that kernels run in `dim` coordinates with these drifts, given what `fit` has found."""

    def suits(self, kinetic: KineticEnergy) -> bool:
        """Whether both motions are exact with this kinetic energy."""
        return True

    def refusal(self, integrator: str, kinetic: str, instead: str) -> str:
        """The message of the error where it does not go with a kinetic energy."""
        return (
            f"{integrator} has the {self.name} drift, which {self.needs}, got kinetic={kinetic!r}; choose "
            f"kinetic='gaussian' with it, or {instead}"
        )

    def fit(self, metric: Any, window: Window) -> np.ndarray | None:
        """The numbers to know of the target, from a window of warm-up and the map fitted to it; None for not yet.

        It is an array (d,), and part of the state of a chain.
        """
        return None

    def standard(self, dim: int) -> np.ndarray | None:
        """The result of `fit` for a standard normal of `dim` coordinates."""
        return None

    def longest(self, drifts: Sequence[float]) -> float:
        """The longest step that is tuned to, of a scheme with these drifts; often infinite."""
        return math.inf


@dataclass(frozen=True)
class Free(Split):
    """H = U + K: kicks by the whole force, and drifts of a free particle, for every kinetic energy."""

    name: ClassVar[str] = "free"

    def record(self, dim: int, fitted: np.ndarray | None, drifts: Sequence[float]) -> kernels.FreeSplit:
        """The record that kernels run."""
        return kernels.FreeSplit()


@dataclass(frozen=True)
class Harmonic(Split):
    """H = [½|z|² + ½|r|²] + [U - ½|z|²], for the Gaussian that warm-up has fitted: see `Integrator.harmonic`.

    Until the mean of that Gaussian is known the drift is free.
    """

    name: ClassVar[str] = "harmonic"
    adapts = True
    needs = "is the motion under the Gaussian kinetic energy alone"

    def suits(self, kinetic: KineticEnergy) -> bool:
        """The Gaussian kinetic energy alone, under which the motion is a rotation."""
        return kinetic.quadratic

    def record(
        self, dim: int, fitted: np.ndarray | None, drifts: Sequence[float]
    ) -> kernels.FreeSplit | kernels.HarmonicSplit:
        """The record that kernels run: with the mean (d,) of the Gaussian, or without."""
        if fitted is None:
            return kernels.FreeSplit()
        return kernels.HarmonicSplit(fitted.copy(), np.zeros(dim), self.longest(drifts))

    def fit(self, metric: Any, window: Window) -> np.ndarray | None:
        """The mean of the Gaussian with the covariance of this metric."""
        return centre(metric, *window.means) if window.count >= 3 else None

    def standard(self, dim: int) -> np.ndarray:
        """The origin."""
        return np.zeros(dim)

    def longest(self, drifts: Sequence[float]) -> float:
        """Less than half a turn, back and forth together."""
        return _ALMOST_HALF_A_TURN / sum(map(abs, drifts))


FREE, HARMONIC = Free(), Harmonic()

CATALOGUE: Mapping[str, Split] = MappingProxyType({split.name: split for split in (FREE, HARMONIC)})
"""The splits that an integrator can be given by name, as its `drift`."""


def register(
    split: type,
    *,
    kick: Callable,
    drift: Callable,
    begin: Callable = begin_free,
    longest: Callable = longest_of_free,
    works: bool = False,
) -> None:
    """Make a split of your own known to kernels, once, before anything is sampled with it.

    Parameters
    ----------
    split : type
        The `typing.NamedTuple` that `Split.record` returns.
    kick, drift : callable
        ``kick(split, system, state, c)`` moves by the one energy for a time c, and `drift` by the other one.  Position
        and gradient are those of ``state.moving``, the momentum is ``state.momentum``, and all is changed in place.
        Each, run for -c, leads back.
    begin : callable, optional
        ``begin(split, system, state)`` prepares for a step, from the position alone; by default there is nothing to do.
    longest : callable, optional
        ``longest(split)``, the longest step that is tuned to, in whitened coordinates; by default none is too long.
    works : bool, optional
        Whether the motions do more than follow H, and say so: one that multiplies volume by J takes log J from
        ``state.moving.work[0]``, and the energy error by which points are judged counts that.  Otherwise both
        have to preserve volume.

    Raises
    ------
    TypeError
        When something is of the wrong kind.
    ValueError
        When the split is registered already.

    Notes
    -----
    All of them are plain functions that numba can compile in nopython mode, in terms of the functions in `kernels`.
    Where they stand in a module, what is compiled of them is kept on disk until that module changes.
    """
    functions: dict[Callable, Callable] = {
        kernels.begin: begin,
        kernels.kick: kick,
        kernels.drift: drift,
        kernels.longest: longest,
        kernels.work: kernels.carries_work if works else kernels.no_work,
    }
    register_part(split, functions)
