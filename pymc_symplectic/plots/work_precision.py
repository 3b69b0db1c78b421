"""Work and precision: what accuracy costs, by method of integration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import mechanics
from ..checks import positive, whole
from ..kinetic import KineticEnergy
from ..mechanics import Method, System
from ..mechanics.systems import Potential
from ..names import choose
from ..target import LogDensity
from .arguments import Methods, chosen_methods
from .scenes import title_of
from .style import looks, one_panel, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["work_precision"]

_METHODS = ("rk4", "leapfrog", "minimal_error2", "yoshida4", "blanes_moan4", "blanes_moan6", "kahan_li8")
_ERRORS = {"energy": "largest energy error", "end": "distance from the exact end"}
_ROUND_OFF = 1e-13  # of a motion whose size is of the order of one, over many steps
_COARSE = 0.03  # errors above this are not yet in proportion to a power of the step
_FITTED = 5  # of the points that are left, the finest, where the slope has come near its limit
_MOST_STEPS = 2**17


@styled
def work_precision(
    system: Potential = "henon_heiles",
    methods: Methods = _METHODS,
    *,
    error: str = "energy",
    time: float = 20.0,
    cheapest: float = 3.0,
    dearest: float = 300.0,
    points: int = 12,
    kinetic: str | KineticEnergy = "gaussian",
    position: Any = None,
    momentum: Any = None,
    ax: Axes | None = None,
) -> Axes:
    r"""
    The error of one motion against the gradients that it takes, for any set of methods.

    Parameters
    ----------
    system : str, pymc.Model or System, optional
        As for `mechanics.system`.
    methods : str, method, iterable of them, or mapping of label to method, optional
        As for `mechanics.simulate`.
    error : {"energy", "end"}, optional
        The largest error of the energy along the motion; or the distance, in phase space, from where it truly ends.
    time : float, optional
        How long the motion lasts.
    cheapest, dearest : float, optional
        The range of gradients per unit of time.
    points : int, optional
        How many step sizes are tried of each method.
    kinetic : str or KineticEnergy, optional
        K.
    position, momentum : array_like of shape (d,), optional
        Where to start; by default where the system suggests. A model needs a momentum.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    ValueError
        When a name is unknown, or a number is out of range.
    RuntimeError
        When the motion is so wild that its true end is not known.

    Notes
    -----
    For a method of order p the error is in proportion to :math:`\varepsilon^p`, so on logarithmic axes it falls with
    slope -p. The slopes in the legend are fitted, to the last five points that are above round-off. Gradients of
    implicit methods include those of their solvers. Steps that do not stay finite leave no point.

    The true end is the closed solution where the system has one, otherwise that of a scheme of order 8 whose steps are
    halved until that makes no difference.

    Examples
    --------
    >>> from pymc_symplectic import plots
    >>> ax = plots.work_precision("kepler", ["leapfrog", "yoshida4"], error="end", time=10.0, points=6)
    """
    found, chosen = mechanics.system(system), chosen_methods(methods)
    shown = choose("error", error, _ERRORS)
    time, points = positive("time", time), whole("points", points, least=2)
    cheapest, dearest = positive("cheapest", cheapest), positive("dearest", dearest)
    if not cheapest < dearest:
        raise ValueError(
            f"cheapest must be less than dearest, got {cheapest:g} and {dearest:g} gradients per unit time"
        )
    start = {"kinetic": kinetic, "position": position, "momentum": momentum}

    def follow(method: str | Method, steps: int) -> mechanics.Trajectory:
        return mechanics.simulate(
            found, kinetic, method, position=position, momentum=momentum, step_size=time / steps, steps=steps
        )

    end = _true_end(found, follow("leapfrog", 1), kinetic, time) if shown == _ERRORS["end"] else None
    ax = one_panel(ax)
    for (label, method), look in zip(chosen.items(), looks(len(chosen)), strict=True):
        per_step = mechanics.gradients_per_step(method, found, **start, step_size=time / 1000)
        per_step = per_step if math.isfinite(per_step) else 1.0
        counts = np.unique(np.maximum(1, np.round(time * np.geomspace(cheapest, dearest, points) / per_step))).astype(
            int
        )
        work, errors = [], []
        for steps in counts:
            path = follow(method, int(steps))
            if path.finite:
                work.append(path.gradients / time)
                errors.append(_error(path, end))
        x, y = np.array(work), np.array(errors)
        slope = _slope(x, y)
        name = label if math.isnan(slope) else f"{label}  ({slope:.1f})".replace("-", "−")
        ax.plot(x, np.where(y > 0, y, np.nan), **look, lw=1.4, ms=4.5, label=name)
    unit = " (nats)" if end is None and isinstance(found.density, LogDensity) else ""
    ax.set(xscale="log", yscale="log", xlabel="gradients per unit of time", ylabel=f"{shown}{unit}")
    ax.set_title(f"{title_of(found)}, for a time of {time:g}")
    ax.legend(title="method  (slope)", loc="best", title_fontsize="small", alignment="left")
    return ax


def _error(path: mechanics.Trajectory, end: np.ndarray | None) -> float:
    if end is None:
        return float(np.abs(path.energy_error).max())
    return float(np.linalg.norm(np.concatenate([path.position[-1], path.momentum[-1]]) - end))


def _slope(work: np.ndarray, errors: np.ndarray) -> float:
    """Of a line through what is neither coarse nor round-off, on logarithmic axes; NaN where too little is left."""
    fine = (errors < _COARSE) & (errors > 30 * _ROUND_OFF)
    if fine.sum() < 3:
        return math.nan
    x, y = np.log(work[fine][-_FITTED:]), np.log(errors[fine][-_FITTED:])
    return float(np.polyfit(x, y, 1)[0])


def _true_end(found: System, path: mechanics.Trajectory, kinetic: str | KineticEnergy, time: float) -> np.ndarray:
    """Where the motion that begins as `path` does is after `time`, (2 d,)."""
    q, p = path.position[0], path.momentum[0]
    if found.solution is not None and path.kinetic == "gaussian":
        return np.concatenate([state[0] for state in found.solution(np.array([time]), q, p)])
    last, change, steps = np.full(2 * found.dim, np.inf), math.inf, 128
    while steps <= _MOST_STEPS:
        exact = mechanics.simulate(
            found, kinetic, "kahan_li8", position=q, momentum=p, step_size=time / steps, steps=steps
        )
        latest = np.concatenate([exact.position[-1], exact.momentum[-1]])
        moved = float(np.abs(latest - last).max()) if exact.finite else math.inf
        # differences fall to the level of round-off, and then rise with the number of steps
        if math.isfinite(moved) and moved >= change:
            break
        last, change, steps = latest if exact.finite else last, moved, 2 * steps
    if not change < 1e-9 * np.abs(last).max():
        raise RuntimeError(
            f"time: the motion in {found.name} is so wild that its true end after {time:g} is not known; take a "
            "shorter time, or error='energy'"
        )
    return last
