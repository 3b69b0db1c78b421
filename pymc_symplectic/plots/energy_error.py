"""The error of the energy along a trajectory, by several methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import mechanics
from ..checks import positive, whole
from ..kinetic import KineticEnergy
from ..mechanics.systems import Potential
from ..target import LogDensity
from .arguments import Methods, chosen_methods
from .scenes import title_of
from .style import label_lines, looks, one_panel, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["energy_error"]

_METHODS = ("explicit_euler", "rk4", "symplectic_euler", "leapfrog", "yoshida4", "blanes_moan6")


@styled
def energy_error(
    system: Potential = "pendulum",
    methods: Methods = _METHODS,
    *,
    kinetic: str | KineticEnergy = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.2,
    steps: int = 5000,
    ax: Axes | None = None,
) -> Axes:
    r"""
    By how much the energy is off along one motion, by several methods: some drift, symplectic ones only oscillate.

    Parameters
    ----------
    system : str, pymc.Model or System, optional
        As for `mechanics.system`.
    methods : str, method, iterable of them, or mapping of label to method, optional
        As for `mechanics.simulate`.
    kinetic : str or KineticEnergy, optional
        K.
    position, momentum : array_like of shape (d,), optional
        Where to start; by default where the system suggests. A model needs a momentum.
    step_size : float, optional
        The time ε of a step, the same for all: see `work_precision` for what they cost.
    steps : int, optional
        How many to make.
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

    Notes
    -----
    Shown is the largest error so far, as the error itself passes through zero again and again:

    .. math:: e_n = \max_{m \le n} |H(q_m, p_m) - H(q_0, p_0)| .

    One that grows in proportion to time rises by a decade in a decade; one that is bounded is level [1]_. A cross marks
    where a motion ran away.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapter IX.8.

    Examples
    --------
    >>> from pymc_symplectic import plots
    >>> ax = plots.energy_error("kepler", ["rk4", "leapfrog"], step_size=0.05, steps=2000)
    """
    found, chosen = mechanics.system(system), chosen_methods(methods)
    eps, count = positive("step_size", step_size), whole("steps", steps, least=2)
    ax = one_panel(ax)
    labels = {}
    for (label, method), look in zip(chosen.items(), looks(len(chosen)), strict=True):
        path = mechanics.simulate(
            found, kinetic, method, position=position, momentum=momentum, step_size=eps, steps=count
        )
        line = {"color": look["color"], "linestyle": look["linestyle"]}
        reached = path.finite_steps
        error, times = np.abs(path.energy_error[1 : reached + 1]), path.times[1 : reached + 1]
        if not reached:
            continue
        worst = np.maximum.accumulate(error)
        ax.plot(times, worst, **line, lw=1.8, label=label)
        if not path.finite:
            ax.plot(times[-1], worst[-1], color=line["color"], marker="x", ms=8, mew=2)
        labels[label] = (float(worst[-1]), line["color"])
    unit = " (nats)" if isinstance(found.density, LogDensity) else ""
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(eps, eps * count),
        xlabel="time",
        ylabel=f"largest energy error so far, |H − H₀|{unit}",
    )
    ax.set_title(f"{title_of(found)},  ε = {eps:g}")
    label_lines(ax, labels)
    return ax
