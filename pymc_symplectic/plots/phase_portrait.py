"""Phase portraits: the level curves of an energy, and how methods of integration follow them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kinetic as kinetics
from .. import mechanics
from ..checks import positive, whole
from ..kinetic import KineticEnergy
from ..mechanics.systems import Potential
from .arguments import Methods, chosen_methods, energies_of, potential_at
from .scenes import Limits, Scene, plane_of, scene_of, title_of
from .style import halo, ink, looks, one_panel, styled, widened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["phase_portrait"]

_GRID = 301
_LEVELS = 12
_MARGIN = 0.25  # of a window that is fitted to a motion
_SHORT = 20  # steps of the reference for one of the picture


@styled
def phase_portrait(
    system: Potential = "pendulum",
    methods: Methods = "leapfrog",
    *,
    kinetic: str | KineticEnergy = "gaussian",
    starts: Sequence[Sequence[float]] | np.ndarray | None = None,
    step_size: float | None = None,
    steps: int | None = None,
    window: Limits | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""
    The phase portrait of a system of one coordinate, and motions by any method over it.

    Parameters
    ----------
    system : str, pymc.Model or System, optional
        As for `mechanics.system`; of one coordinate.
    methods : str, method, iterable of them, or mapping of label to method, optional
        As for `mechanics.simulate`. None of them, ``()``, leaves the level curves alone.
    kinetic : str or KineticEnergy, optional
        K.
    starts : array_like of shape (n, 2), optional
        Positions and momenta at which motions begin; by default some that together tell the system.
    step_size, steps : float, int, optional
        The time ε of a step, and how many to make; by default such that methods differ visibly.
    window : ((float, float), (float, float)), optional
        The range of positions, and of momenta, that is seen.
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
        When a name is unknown, the system has more than one coordinate, or `starts` or `window` has the wrong shape.

    Notes
    -----
    Exact motion follows a level curve of

    .. math:: H(q, p) = U(q) + K(p).

    Curves through a saddle, (q, 0) where U has a maximum, separate motions of different kinds: of the pendulum those
    that swing, H < 2, from those that go round [1]_. They are drawn apart, and labelled.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer. Chapter I.1.

    Examples
    --------
    >>> from pymc_symplectic import plots
    >>> ax = plots.phase_portrait("pendulum", ["leapfrog", "rk4"], step_size=0.5)
    """
    found = mechanics.system(system)
    if found.dim != 1:
        raise ValueError(
            f"system: a phase portrait has one position and one momentum, and {found.name} has {found.dim} positions; "
            "take a system of one coordinate, such as pendulum, or draw the orbit by integrators_on or "
            "trajectory_on_slice"
        )
    scene, record = scene_of(found), kinetics.get(kinetic).record(1)
    chosen = {} if _nothing(methods) else chosen_methods(methods)
    begins = _starts(found, scene, starts, needed=bool(chosen) or (window is None and scene.window is None))
    eps = scene.step_size if step_size is None else positive("step_size", step_size)
    count = scene.steps if steps is None else whole("steps", steps, least=1)
    (left, right), (low, high) = _window(found, kinetic, scene, begins, eps, count, window)

    ax = one_panel(ax)
    q, p = np.linspace(left, right, _GRID), np.linspace(low, high, _GRID)
    potential, moving = potential_at(found, q[:, None]), energies_of(record, p[:, None])
    H = potential[None, :] + moving[:, None]
    bottom, top = np.nanmin(H), np.nanmax(H)
    # evenly spaced in √H, as ellipses of a harmonic well are
    levels = bottom + (top - bottom) * (np.arange(1, _LEVELS + 1) / (_LEVELS + 1)) ** 2
    ax.contour(q, p, H, levels, colors=ink(), linewidths=0.6, alpha=0.3)
    rest = float(energies_of(record, np.zeros((1, 1)))[0])
    _separatrices(ax, q, p, H, _saddles(found, q, potential), rest)

    for (label, method), look in zip(chosen.items(), looks(len(chosen)), strict=True):
        paths = [
            mechanics.simulate(found, kinetic, method, position=a, momentum=b, step_size=eps, steps=count)
            for a, b in begins
        ]
        points = np.concatenate([_unrolled(plane_of(path), scene.turn, left, right) for path in paths])
        ax.plot(*points.T, color=look["color"], lw=0.8, alpha=0.4)
        ax.plot(*points.T, color=look["color"], linestyle="none", marker="o", ms=3.2, mew=0, label=label)
    ax.set(xlim=(left, right), ylim=(low, high), xlabel=scene.axes[0], ylabel=scene.axes[1])
    how = f"\nε = {eps:g}, by {next(iter(chosen))}" if len(chosen) == 1 else f"\nε = {eps:g}" if chosen else ""
    ax.set_title(title_of(found) + how)
    if scene.window is not None:  # one unit of position is as long as one of momentum, so circles are circles
        ax.set_aspect("equal")
    if scene.turn:
        _ticks_of_angle(ax, left, right)
    if len(chosen) > 1:
        ax.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none", markerscale=2)
    return ax


def _nothing(methods: Any) -> bool:
    return isinstance(methods, tuple | list) and not methods


def _starts(found: mechanics.System, scene: Scene, starts: Any, *, needed: bool) -> np.ndarray:
    if starts is None:
        if scene.starts or not needed:
            return np.array(scene.starts).reshape(-1, 2)
        if found.position is None or found.momentum is None:
            # a model suggests a position, and its momenta are of the size of one
            begin = 0.0 if found.position is None else float(np.ravel(found.position)[0])
            return np.array([[begin, 0.5], [begin, 1.0], [begin, 1.5]])
        return np.array([[*found.position, *found.momentum]])
    try:
        begins = np.array(starts, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"starts must be pairs of position and momentum, as [(0.0, 1.0)], got {starts!r}") from None
    if begins.ndim != 2 or begins.shape[1] != 2 or not len(begins):
        raise ValueError(
            f"starts must be of shape (n, 2), a position and a momentum for each motion, as [(0.0, 1.0)], got shape "
            f"{begins.shape}"
        )
    return begins


def _window(
    found: mechanics.System, kinetic: Any, scene: Scene, begins: np.ndarray, eps: float, count: int, window: Any
) -> Limits:
    """The visible part: as asked for, or all of the exact motions, whatever becomes of those of a poor method."""
    if window is not None:
        seen = np.array(window, dtype=float)
        if seen.shape != (2, 2) or not np.isfinite(seen).all() or not (seen[:, 0] < seen[:, 1]).all():
            raise ValueError(
                f"window must be ((lowest q, highest q), (lowest p, highest p)), each from low to high, got {window!r}"
            )
        (left, right), (low, high) = seen.tolist()
        return (left, right), (low, high)
    ranges = [] if scene.window is None else [np.array(scene.window).T]
    margin = _MARGIN if scene.window is None else 0.05
    for a, b in begins:
        path = mechanics.simulate(
            found, kinetic, "blanes_moan6", position=a, momentum=b, step_size=eps / _SHORT, steps=_SHORT * count
        )
        states = plane_of(path)
        low, high = np.nanmin(states, axis=0), np.nanmax(states, axis=0)
        wider = np.array([widened(x, y, margin) for x, y in zip(low, high, strict=True)]).T
        if scene.turn and scene.window is not None:
            wider[:, 0] = scene.window[0]  # however often it went round
        ranges.append(wider)
    low, high = np.min([r[0] for r in ranges], axis=0), np.max([r[1] for r in ranges], axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _unrolled(states: np.ndarray, turn: float, left: float, right: float) -> np.ndarray:
    """Points of a line: the states, and of an angle all copies that the window shows, with a gap after each."""
    gap = np.full((1, 2), np.nan)
    if not turn or not np.isfinite(states).any():
        return np.concatenate([states, gap])
    low, high = np.nanmin(states[:, 0]), np.nanmax(states[:, 0])
    turns = range(math.ceil((left - high) / turn), math.floor((right - low) / turn) + 1)
    pieces = []
    for k in turns:
        copy = states + np.array([k * turn, 0.0])
        # with one state on either side, so that the line leaves through the edge
        seen = (copy[:, 0] >= left) & (copy[:, 0] <= right)
        near = np.convolve(seen, np.ones(3), mode="same") > 0
        pieces += [np.where(near[:, None], copy, np.nan), gap]
    return np.concatenate(pieces) if pieces else gap


def _saddles(found: mechanics.System, q: np.ndarray, potential: np.ndarray) -> list[float]:
    """U at its maxima within the window."""
    from scipy.optimize import minimize_scalar

    middle = potential[1:-1]
    inside = (middle > potential[:-2]) & (middle >= potential[2:])
    found_at = []
    for i in np.flatnonzero(inside) + 1:
        best = minimize_scalar(
            lambda x: -float(found.evaluate(np.array([x]))[0]),
            bounds=(q[i - 1], q[i + 1]),
            options={"xatol": 1e-10},
            method="bounded",
        )
        found_at.append(-float(best.fun))
    return found_at


def _separatrices(ax: Axes, q: np.ndarray, p: np.ndarray, H: np.ndarray, saddles: list[float], rest: float) -> None:
    """The level curves through the saddles, the first of them labelled where it is highest."""
    for level in sorted({round(saddle, 9) + rest for saddle in saddles}):
        curve = ax.contour(q, p, H, [level], colors=ink(), linewidths=1.4, linestyles="--")
        corners = np.concatenate([path.vertices for path in curve.get_paths()])
        inside = corners[np.abs(corners[:, 1]) < 0.9 * np.abs(p).max()]
        if len(inside):
            top = inside[inside[:, 1].argmax()]
            for text in ax.clabel(curve, fmt={level: "separatrix"}, fontsize="small", manual=[top]):
                text.set(path_effects=halo(), zorder=5)


def _ticks_of_angle(ax: Axes, left: float, right: float) -> None:
    halves = range(math.ceil(2 * left / math.pi), math.floor(2 * right / math.pi) + 1)
    if len(halves) > 9:  # a wide window: whole turns of π are enough
        halves = range(math.ceil(left / math.pi) * 2, math.floor(right / math.pi) * 2 + 1, 2)
    ax.set_xticks([0.5 * math.pi * n for n in halves], [_angle(n) for n in halves])


def _angle(halves: int) -> str:
    """So many halves of π."""
    if not halves:
        return "0"
    sign, size = "−" if halves < 0 else "", abs(halves)
    if size % 2:
        return f"{sign}{'' if size == 1 else size}π/2"
    return f"{sign}{'' if size == 2 else size // 2}π"
