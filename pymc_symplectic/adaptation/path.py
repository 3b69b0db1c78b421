r"""The best path of a harmonic drift on a target that is nearly normal, in closed form.

There the energy error of n steps of size ε is nearly normal, with variance :math:`\kappa n \epsilon^6` and mean half of
that, so that a path is accepted with probability

.. math:: a = \operatorname{erfc}\!\big(\sqrt{\kappa n \epsilon^6} / (2\sqrt2)\big)

on average [1]_, and κ is read from recorded acceptances.  An accepted path of time t moves the chain by a rotation: of
linear functions of the position it leaves a correlation cos t, and of their squares cos² t.  So of the variance of
either a path renews :math:`a (1 - \cos t)` or :math:`a \sin^2 t`, and what is renewed of the one that fares worse tells
effective draws per gradient, without a test trajectory.

References
----------
.. [1] A. Beskos, N. Pillai, G. Roberts, J. Sanz-Serna, A. Stuart (2013). Optimal tuning of the hybrid Monte Carlo
   algorithm. Bernoulli 19, 1501-1534, theorem 3.6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..policy import Policy

__all__ = ["BestPath", "best_path", "size_for"]

_SIZES = np.geomspace(1e-2, 1e2, 400)  # over those that were used
_KAPPAS = np.geomspace(1e-4, 30, 60)


class BestPath(NamedTuple):
    """So many steps for a time, jittered: effective draws per gradient, and the acceptance, that are expected of it."""

    steps: int
    time: float
    efficiency: float
    accept: float

    def step_size(self, jitter: float) -> float:
        """The step size by which a `FixedTime` makes so many steps of the longest of these times."""
        return 1.001 * self.time * (1 + jitter) / self.steps


def best_path(steps: np.ndarray, sizes: np.ndarray, accept: np.ndarray, policy: Policy) -> BestPath | None:
    """The best of a few paths, given steps (n,), step sizes (n,) and acceptances (n,) of trajectories that were run.

    None where no acceptance comes up to what is asked for.
    """
    kappa = _KAPPAS[np.square(accept - _accepted(_KAPPAS[:, None], steps, sizes)).sum(axis=1).argmin()]
    around = 1 + policy.turn_jitter * np.linspace(-1, 1, 21)
    found = []
    for count in policy.turn_steps:
        for time in policy.turn_times:
            times = time * around
            accepted = _accepted(kappa, count, times / count)
            renewed = min((accepted * (1 - np.cos(times))).mean(), (accepted * np.sin(times) ** 2).mean())
            efficiency = renewed / (2 - renewed) / (count + policy.per_draw)
            found.append(BestPath(count, time, float(efficiency), float(accepted.mean())))
    allowed = [path for path in found if path.accept >= policy.least_turn_accept]
    return max(allowed, key=lambda path: path.efficiency, default=None)


def _accepted(kappa: Any, steps: np.ndarray | int, sizes: np.ndarray) -> np.ndarray:
    from scipy.special import erfc  # slow to import, and not needed until a chain has turned

    return erfc(np.sqrt(kappa * steps * sizes**6 / 8))


def size_for(target: float, sizes: np.ndarray, accept: np.ndarray, order: int) -> float:
    r"""The step size at which as much is accepted as `target` says, by trajectories of about one length.

    Along them the energy error of a scheme of even order p has a spread of about :math:`(\epsilon / s)^p`, so that
    :math:`\operatorname{erfc}((\epsilon / s)^p)` is accepted, and s is read from what was.

    Parameters
    ----------
    target : float
    sizes, accept : ndarray of shape (n,)
        Step sizes and acceptances of some draws.
    order : int
        Of the integrator.
    """
    from scipy.special import erfc, erfcinv

    scales = float(np.exp(np.log(sizes).mean())) * _SIZES[:, None]
    left = np.square(accept - erfc((sizes / scales) ** order)).sum(axis=1)
    return float(scales[np.argmin(left), 0] * erfcinv(target) ** (1 / order))
