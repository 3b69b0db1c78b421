r"""A covariance from points and gradients, by the fit that does best on the latest of them, which it has not seen.

Let z and s be points and gradients in coordinates that some map whitens.  A correction of the map is the geometric mean
of :math:`(zz^\top + \lambda I)` and :math:`(ss^\top + \lambda I)^{-1}`, as in `Dense`.  How large a ridge λ serves
depends on how many points there are to a parameter and how far they spread; a ridge that is large enough for the noise
drowns a direction that is soft by orders of magnitude, unless the fit is repeated in the coordinates that it has led
to; and points from the way down to the typical set are worth forgetting.  Where points are few and the target has no
correlations worth the noise, the diagonal alone is best.  So a few fits are made from all but the latest quarter of the
points, and the one that leaves least there of z + s, which is what a Gaussian leaves of nothing, is made from all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .estimate import correction, fisher_scale, lower, scale_of

__all__ = ["held_out_fit"]

_FEWEST = 6  # points that anything can be held out of
_LARGEST = 1e50  # of whitened points and gradients: beyond are accidents
_BETTER = 0.95  # of what is left by the best fit so far
_RIDGES = (0.01, 0.3, 5.0, 30.0, 100.0, 400.0)
_MIDDLE = 3  # of these, where the search for one begins
_ROUNDS = 3
_SHORT = 0.5  # of the points, the latest
_PLENTY = 20  # points to a parameter, with which ridges hardly differ, so that no other one is tried


class _Fit(NamedTuple):
    """A fit: whether it begins from the diagonal, the latest part of the points it sees, its ridge, and rounds."""

    afresh: bool = False
    part: float = 1.0
    ridge: int = _MIDDLE
    rounds: int = 1


class _Correction(NamedTuple):
    """F (d, d), so that L F is the factor instead of L, and its inverse."""

    factor: np.ndarray
    inverse: np.ndarray

    def then(self, other: _Correction) -> _Correction:
        """Add another one, in the coordinates that this one leads to."""
        return _Correction(self.factor @ other.factor, other.inverse @ self.inverse)


@dataclass(frozen=True)
class _Moments:
    """Sums of products of centred points and gradients: zzᵀ and ssᵀ (d, d), and the sum of z·s."""

    points: np.ndarray
    gradients: np.ndarray
    together: float
    count: int

    @classmethod
    def of(cls, z: np.ndarray, s: np.ndarray) -> _Moments:
        """Those of points and gradients (n, d)."""
        z, s = z - z.mean(axis=0), s - s.mean(axis=0)
        return cls(z.T @ z, s.T @ s, float(np.vdot(z, s)), len(z))

    def corrected(self, base: _Correction | None, ridge: float, rounds: int) -> _Correction:
        """The correction that these moments, in coordinates that `base` leads to, ask for after so many rounds."""
        zz, ss, found = self.points, self.gradients, base
        for number in range(rounds):
            scale = scale_of(zz.diagonal(), ss.diagonal(), number)
            scales = scale * scale[:, None]
            zz, ss = zz / scales, ss * scales
            factor, inverse = correction(zz, ss, ridge)
            more = _Correction(scale[:, None] * factor, inverse / scale)
            found = more if found is None else found.then(more)
            if number + 1 < rounds:
                zz, ss = inverse @ zz @ inverse.T, factor.T @ ss @ factor
        assert found is not None  # after a round
        return found

    def left(self, found: _Correction) -> float:
        """The mean square of z + s in the coordinates that a correction leads to."""
        drawn = np.vdot(found.inverse @ self.points, found.inverse)
        steep = np.vdot(self.gradients @ found.factor, found.factor)
        return float(drawn + 2 * self.together + steep) / (self.count * len(found.factor))


class _Trial:
    """Fits to all but the latest quarter of the points, and what they leave of that."""

    def __init__(self, factor: np.ndarray, points: np.ndarray, gradients: np.ndarray) -> None:
        from scipy.linalg import lapack  # slow to import, and not needed until a metric is fitted

        self._inverse, _ = lapack.dtrtri(factor, lower=1)
        z, s = points @ self._inverse.T, gradients @ factor
        usable = (np.abs(z) < _LARGEST).all(axis=1) & (np.abs(s) < _LARGEST).all(axis=1)
        self._white, self._raw = (z[usable], s[usable]), (points[usable], gradients[usable])
        self._factor, self.count = factor, int(usable.sum())
        self._cut = self.count - max(4, self.count // 4)
        self._unseen = _Moments.of(*(part[self._cut :] for part in self._white)) if self.count >= _FEWEST else None
        self._known: dict[tuple[bool, float, int], tuple[_Correction | None, _Moments]] = {}
        self.best: _Fit | None = None
        self._least = np.inf

    def consider(self, fit: _Fit) -> bool:
        """Try a fit; whether it is clearly the best one so far."""
        if self._unseen is None or round((1 - fit.part) * self.count) > self._cut - 4:
            return False
        found = self.correction(fit, self._cut)
        left = np.inf if found is None else self._unseen.left(found)
        if not left < _BETTER * self._least:
            return False
        self.best, self._least = fit, left
        return True

    def climb(self) -> None:
        """Try other ridges beside that of the best fit so far, and more rounds, as long as that is better."""
        if (begin := self.best) is None:
            return
        for way in (-1, 1) if self.count < _PLENTY * len(self._factor) else ():
            ridge = begin.ridge + way
            while 0 <= ridge < len(_RIDGES) and self.consider(begin._replace(ridge=ridge)):
                ridge += way
        begin = self.best or begin
        for rounds in range(begin.rounds + 1, _ROUNDS + 1):
            if not self.consider(begin._replace(rounds=rounds)):
                break

    def correction(self, fit: _Fit, end: int) -> _Correction | None:
        """The one that a fit to the points up to `end` asks for; None where it cannot be told."""
        key = fit.afresh, fit.part, end
        if key not in self._known:
            self._known[key] = self._base(fit.afresh, slice(round((1 - fit.part) * self.count), end))
        base, moments = self._known[key]
        try:
            found = moments.corrected(base, _RIDGES[fit.ridge], fit.rounds)
        except np.linalg.LinAlgError:
            return None
        return found if np.all(np.isfinite(found.factor)) else None

    def _base(self, afresh: bool, part: slice) -> tuple[_Correction | None, _Moments]:
        """Where a fit begins, if not at the factor in use, as a correction of it; and moments of its points there."""
        if not afresh:
            return None, _Moments.of(*(values[part] for values in self._white))
        q, g = (values[part] - values[part].mean(axis=0) for values in self._raw)
        moved = (q != 0).any(axis=0) & (g != 0).any(axis=0)
        scale = np.where(moved, fisher_scale(q.T, g.T), np.sqrt((self._factor**2).sum(axis=1)))
        return _Correction(self._inverse * scale, self._factor / scale[:, None]), _Moments.of(q / scale, g * scale)


def held_out_fit(factor: np.ndarray, points: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The factor (d, d) that points and gradients (n, d), the latest last, ask for instead of the one in use."""
    if len(points) < _FEWEST:
        return factor
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # of a parameter that never moved nothing is known
        gradients = np.where(np.ptp(points, axis=0) > 0, gradients, gradients.mean(axis=0))
        trial = _Trial(factor, points, gradients)
        trial.consider(_Fit())
        trial.climb()
        if trial.best is not None and trial.consider(trial.best._replace(part=_SHORT)):
            trial.climb()
        for ridge in (len(_RIDGES) - 1, _MIDDLE) if trial.count < _PLENTY * len(factor) else (_MIDDLE,):
            trial.consider(_Fit(afresh=True, ridge=ridge))
        found = None if trial.best is None else trial.correction(trial.best, trial.count)
        if found is None:
            return factor
        new = lower(factor @ found.factor)
    return new if np.all(np.isfinite(new)) and np.all(np.diag(new) > 0) else factor
