"""The classical picture: what methods of integration make of one and the same motion, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import mechanics
from ..checks import positive, whole
from ..kinetic import KineticEnergy
from ..mechanics import Method, Multistep, RungeKutta
from ..mechanics.systems import Potential
from .arguments import Methods, chosen_methods
from .scenes import plane_of, scene_of, title_of
from .style import GOOD, POOR, ink, panels, styled

__all__ = ["integrators_on"]

_METHODS = ("explicit_euler", "backward_euler", "heun2", "symplectic_euler", "leapfrog", "implicit_midpoint")
_COLUMNS = 3
_SHORT = 20  # steps of the reference for one of the picture
_ROOM = 2.2  # of a panel, in sizes of the exact motion
_FEW = 200  # steps, which are shown as points
_FLAT = 0.6  # of a panel, its height and width by one another at least


@styled
def integrators_on(
    system: Potential = "harmonic_oscillator",
    methods: Methods = _METHODS,
    *,
    kinetic: str | KineticEnergy = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float | None = None,
    steps: int | None = None,
    ax: Any = None,
) -> np.ndarray:
    r"""
    One motion by several methods, in small multiples: non-symplectic ones spiral, symplectic ones stay.

    Parameters
    ----------
    system : str, pymc.Model or System, optional
        As for `mechanics.system`. Of one coordinate, where phase space (q, p) is shown; or of two, where the orbit is.
    methods : str, method, iterable of them, or mapping of label to method, optional
        As for `mechanics.simulate`; one panel to each.
    kinetic : str or KineticEnergy, optional
        K.
    position, momentum : array_like of shape (d,), optional
        Where to start; by default where the system suggests.
    step_size, steps : float, int, optional
        The time ε of a step, and how many to make; by default such that methods differ visibly.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one to each method; by default in a new figure.

    Returns
    -------
    ndarray of matplotlib Axes
        One to each method, in their order.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    ValueError
        When a name is unknown, the system has more than two coordinates, or `ax` are more or fewer than the methods.

    Notes
    -----
    In grey is the exact motion: by a scheme of order 6 and steps that are shorter by a factor of 20. Blue are methods
    that are symplectic by their coefficients [1]_, vermilion those that are not. Below each name is what became of the
    energy: of those that are symplectic, its largest error, as it oscillates; of others, its change from the start to
    the end.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapters I.1,
       I.2 and VI.4.

    Examples
    --------
    >>> from pymc_symplectic import plots
    >>> axes = plots.integrators_on("kepler", ["explicit_euler", "leapfrog"], step_size=0.02, steps=1500)
    """
    found, chosen = mechanics.system(system), chosen_methods(methods)
    if found.dim > 2:
        raise ValueError(
            f"system: orbits are drawn of one or two coordinates, and {found.name} has {found.dim}; draw a projection "
            "by trajectory_on_slice"
        )
    scene = scene_of(found)
    eps = scene.step_size if step_size is None else positive("step_size", step_size)
    count = scene.steps if steps is None else whole("steps", steps, least=1)

    def follow(method: str | Method, refined: int = 1) -> mechanics.Trajectory:
        return mechanics.simulate(
            found,
            kinetic,
            method,
            position=position,
            momentum=momentum,
            step_size=eps / refined,
            steps=refined * count,
        )

    exact = plane_of(follow("blanes_moan6", _SHORT))
    low, high = np.nanmin(exact, axis=0), np.nanmax(exact, axis=0)
    middle, size = 0.5 * (low + high), high - low
    reach = 0.5 * _ROOM * np.maximum(size, _FLAT * size.max())
    axes = _axes(ax, list(chosen), shape=reach[1] / reach[0])
    points = {"marker": "o", "ms": 2.6, "mew": 0} if count <= _FEW else {}
    for each, (label, method) in zip(axes, chosen.items(), strict=True):
        path = follow(method)
        states, colour = plane_of(path), GOOD if _is_symplectic(method) else POOR
        each.plot(*exact.T, color=ink(), alpha=0.25, lw=2.5, zorder=1, label="exact")
        each.plot(*states.T, color=colour, lw=0.8, **points, zorder=2, label=label)
        each.plot(*states[0], color=ink(), marker="o", ms=5, zorder=3, linestyle="none", label="start")
        each.set(xlim=middle[0] + reach[0] * np.array([-1, 1]), ylim=middle[1] + reach[1] * np.array([-1, 1]))
        each.set_aspect("equal")
        each.set_title(f"{label}\n", color=colour)
        each.text(
            0.0, 1.02, _fate(path, _is_symplectic(method)), transform=each.transAxes, fontsize="small", va="bottom"
        )
    if ax is None:
        figure = axes[0].figure
        figure.suptitle(f"{title_of(found)}\nε = {eps:g}, {count} steps", x=0.01, ha="left", fontsize="medium")
        figure.supxlabel(scene.axes[0], fontsize="medium")
        figure.supylabel(scene.axes[1], fontsize="medium")
    else:
        for each in axes:
            each.set(xlabel=scene.axes[0], ylabel=scene.axes[1])
    return axes


def _axes(ax: Any, labels: list[str], shape: float) -> np.ndarray:
    """Panels of a height of `shape` times their width."""
    columns = 2 if len(labels) == 4 else min(_COLUMNS, len(labels))
    rows, width = -(-len(labels) // columns), max(2.3, 5.4 / columns)
    size = (0.7 + width * columns, 0.75 + (0.5 + width * shape) * rows)
    return panels(ax, labels, columns=columns, size=size, sharex=True, sharey=True)


def _is_symplectic(method: Method) -> bool:
    """By the coefficients: all that kicks and drifts, and Runge-Kutta methods that satisfy Sanz-Serna's condition."""
    if isinstance(method, RungeKutta):
        return method.canonical
    return not isinstance(method, Multistep)


def _fate(path: mechanics.Trajectory, symplectic: bool) -> str:
    """The change of the energy."""
    if not path.finite:
        return f"breaks down after {path.finite_steps} steps"
    error = path.energy_error / (abs(path.energy[0]) or 1.0)
    if symplectic:
        return f"energy within {_percent(np.abs(error).max())}"
    if error[-1] > 1:
        return f"energy × {1 + error[-1]:.3g}"
    return f"energy {'+' if error[-1] > 0 else '−'}{_percent(abs(error[-1]))}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * max(share, 1e-5):.2g} %"
