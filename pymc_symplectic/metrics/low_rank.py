"""The metric of a scale for each parameter and a few stretched directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checks import number, whole
from ..kernels.linear import LinearMap, LowRankMap
from ..window import Window
from .base import Metric
from .estimate import divergence, fisher_scale, geometric_mean, scale_from_gradient, shrunk, span

__all__ = ["LowRank"]

_MOST_DIRECTIONS = 100
_TO_A_DIRECTION = 8  # draws, from which no more directions can be told than are kept
_FEW = 100  # draws; of fewer, whatever may be a direction is taken, as the next window is near


@dataclass(frozen=True)
class LowRank(Metric):
    r"""M⁻¹ = D (I + Vᵀ (Λ - I) V) D: a scale for each parameter, and a stretch along a few directions.

    A step costs O(d k) for k directions, and no d × d matrix is ever formed.

    Parameters
    ----------
    max_rank : int, optional
        At most so many directions; by default as many as there is evidence for, up to 100.
    cutoff : float, optional
        A direction is kept when its variance differs from 1 by more than this factor.
    window : int, optional
        The number of latest draws that it is fitted to.

    Raises
    ------
    ValueError
        When `max_rank` is negative or exceeds the number of parameters, `cutoff` is not above 1, or `window` is below
        10.

    Notes
    -----
    D is the diagonal of `Diagonal`, from draws and gradients.  In its coordinates, whitened further by the directions
    in use, the geometric mean of Cov(q) and Cov(g)⁻¹ is taken within the span of draws and gradients [1]_, both shrunk
    towards the identity; the axes of the two stretches together, of which those that matter are kept, are the new
    directions.  So each window corrects the last one, and a scale that hides behind another is found in turn.  Where
    draws are fewer than dimensions, everything outside their span keeps its scale; and of a hundred draws or more only
    such directions are kept as one half of them asks for and the other half as well.

    References
    ----------
    .. [1] A. Seyboldt, E. L. Carlson, B. Carpenter (2026). Preconditioning Hamiltonian Monte Carlo by minimizing
       Fisher divergence. arXiv:2603.18845.
    """

    max_rank: int | None = None
    cutoff: float = 1.5
    window: int = 400
    name: ClassVar[str] = "low_rank"
    adapts: ClassVar[bool] = True
    by_points: ClassVar[bool] = True  # type: ignore[misc]

    def __post_init__(self) -> None:
        if self.max_rank is not None:
            whole("metric: max_rank", self.max_rank, least=0)
        if not number("metric: cutoff", self.cutoff) > 1:
            raise ValueError(f"metric: cutoff must be above 1, got {self.cutoff!r}")
        whole("metric: window", self.window, least=10)

    @property
    def memory(self) -> int:
        """Draws that `fit` reads."""
        return int(self.window)

    def check(self, dim: int) -> None:
        """Raise when more directions are asked for than there are."""
        if self.max_rank is not None and self.max_rank > dim:
            raise ValueError(f"metric: max_rank is {self.max_rank}, but there are only {dim} unconstrained parameters")

    def start(self, gradient: np.ndarray) -> LowRankMap:
        """The diagonal that one gradient suggests."""
        return LowRankMap(scale_from_gradient(gradient), np.zeros((0, gradient.size)), np.ones(0))

    def fit(self, current: Any, window: Window) -> LinearMap:
        """The scale and the directions that the draws of the last window ask for."""
        draws, gradients = window.pairs
        rank = _MOST_DIRECTIONS if self.max_rank is None else int(self.max_rank)
        most = min(int(self.window), max(_TO_A_DIRECTION * rank, _FEW))
        if len(draws) > most:  # what a fit costs grows with their square
            chosen = np.linspace(0, len(draws) - 1, most).round().astype(int)
            draws, gradients = draws[chosen], gradients[chosen]
        return self.fit_draws(current, draws, gradients)

    def fit_draws(self, current: LowRankMap, draws: np.ndarray, gradients: np.ndarray) -> LowRankMap:
        """The scale and the directions that draws and their gradients, (n, d) each, ask for.

        Of what is in use and two corrections of it, one with the scale of these draws and one with the scale in use,
        that is taken under which the draws look most like a standard normal: once directions are known, a scale that
        changes by its noise alone would turn them, and spoil what they have learned of the smallest ones.
        """
        if len(draws) < 3:
            return current
        centred = (draws - draws.mean(axis=0)).T, (gradients - gradients.mean(axis=0)).T
        fresh = current.scale * fisher_scale(centred[0] / current.scale[:, None], centred[1] * current.scale[:, None])
        scales = [fresh, current.scale] if len(current.stretch) else [fresh]
        candidates = [current, *(self._correct(current, scale, *centred) for scale in scales)]
        return min(candidates[::-1], key=lambda candidate: divergence(candidate, draws, gradients))

    def _correct(self, current: LowRankMap, scale: np.ndarray, draws: np.ndarray, gradients: np.ndarray) -> LowRankMap:
        """The directions that centred draws and gradients (d, n) ask for beside a scale."""
        # the old directions, carried over to the new scale
        moved = (current.directions * (current.scale / scale)).T
        old = _Axes(np.linalg.qr(moved)[0] if moved.size else moved, current.stretch**2)
        data = draws / scale[:, None], gradients * scale[:, None]
        try:
            if _FEW <= draws.shape[1] < len(scale):
                found = _confirmed(old, data, self.cutoff)
            else:
                found = _corrected(old, data, data)
        except np.linalg.LinAlgError:
            return current
        rank = min(_MOST_DIRECTIONS, len(scale)) if self.max_rank is None else int(self.max_rank)
        kept = found.standing_out(self.cutoff, rank)
        return LowRankMap(np.ascontiguousarray(scale), np.ascontiguousarray(kept.vectors.T), np.sqrt(kept.values))


class _Axes(NamedTuple):
    """Orthonormal directions, the columns of `vectors` (d, m), and the variance along each."""

    vectors: np.ndarray
    values: np.ndarray

    def standing_out(self, cutoff: float, most: int | None = None) -> _Axes:
        """Those whose variance differs from 1 by more than a factor of `cutoff`, the strongest first."""
        strength = np.abs(np.log(self.values))
        strongest = np.argsort(strength)[::-1][:most]
        kept = strongest[strength[strongest] > np.log(cutoff)]
        return _Axes(self.vectors[:, kept], self.values[kept])


def _corrected(old: _Axes, data: Sequence[np.ndarray], among: Sequence[np.ndarray]) -> _Axes:
    """Axes of the covariance within the span of the old ones and the columns `among`, as draws and gradients ask for.

    The geometric mean of Cov(q) and Cov(g)⁻¹ is taken in the coordinates that the old axes whiten.
    """
    basis = span(np.hstack([old.vectors, *among]))
    if not basis.size:
        return _Axes(basis, np.ones(0))
    inside = basis.T @ old.vectors
    scale = np.sqrt(old.values)
    stretch, shrink = (np.eye(len(inside)) + (inside * (factor - 1)) @ inside.T for factor in (scale, 1 / scale))
    draws, gradients = (basis.T @ part for part in data)
    inner = geometric_mean(shrunk(shrink @ draws), shrunk(stretch @ gradients))
    values, vectors = np.linalg.eigh(stretch @ inner @ stretch)
    return _Axes(basis @ vectors, np.maximum(values, 1e-15 * values[-1]))


def _confirmed(old: _Axes, data: Sequence[np.ndarray], cutoff: float) -> _Axes:
    """The axes that one half of draws and gradients asks for, and the other half as well, corrected by all of them.

    Where draws are fewer than dimensions, most directions that seem to stand out do so by chance.
    """
    middle = data[0].shape[1] // 2  # neighbours are alike where they are points of one trajectory
    halves = [[part[:, half] for part in data] for half in (slice(middle), slice(middle, None))]
    agreed = []
    for half, unseen in (halves, halves[::-1]):
        found = _corrected(old, half, half).standing_out(cutoff)
        strength = 2 * np.log(fisher_scale(*(found.vectors.T @ part for part in unseen)))
        agreed.append(found.vectors[:, strength * np.sign(np.log(found.values)) > np.log(cutoff)])
    count = sum(part.shape[1] for part in agreed)
    return _corrected(old, data, agreed).standing_out(cutoff, (count + 1) // 2)
