"""One trajectory of a posterior, over the contours of its log-density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kinetic as kinetics
from .. import mechanics
from ..checks import positive, whole
from ..kernels import kinetic as kernels
from ..kernels.random import generator_record
from ..kinetic import KineticEnergy
from ..mechanics import Method, System
from ..mechanics.systems import Potential, vector
from .arguments import potential_at
from .style import POOR, halo, one_panel, pyplot, styled, widened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["trajectory_on_slice"]

_GRID = 81
_MARGIN = 0.5
_CONTOURS = 9
_SPACINGS = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)  # of contours, in standard deviations of a normal density
_FILLS = (0.0, 0.5)  # the part of the colour map that is used, so that lines stay readable
_INK = "#202020"  # on that part, whatever the background of the figure is
_LOST = 1000.0  # nats of energy error from which on a motion is not followed any further


@styled
def trajectory_on_slice(
    model: Potential,
    coordinates: Sequence[str | int] | None = None,
    *,
    method: str | Method = "leapfrog",
    kinetic: str | KineticEnergy = "gaussian",
    position: Any = None,
    momentum: Any = None,
    step_size: float = 0.1,
    steps: int = 40,
    seed: int | np.random.Generator | None = 0,
    ax: Axes | None = None,
) -> Axes:
    r"""
    One Hamiltonian trajectory of a model, over a slice through its log-density.

    Parameters
    ----------
    model : pymc.Model, str or System
        As for `mechanics.system`, of two coordinates or more. Those of a model are its unconstrained parameters.
    coordinates : pair of str or int, optional
        Which two to show, by name (``"mu"``, ``"theta[2]"``) or number; by default the first two.
    method : str or method, optional
        As for `mechanics.simulate`.
    kinetic : str or KineticEnergy, optional
        K.
    position : array_like of shape (d,), optional
        Where to start; by default where the system suggests, a model at its initial point.
    momentum : array_like of shape (d,), optional
        By default drawn from exp(-K), exactly.
    step_size : float, optional
        The time ε of a step. The metric is the identity.
    steps : int, optional
        How many to make.
    seed : int or numpy.random.Generator, optional
        Of the momentum.
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
        When a name is unknown, there is but one coordinate, or a start has the wrong shape.

    Notes
    -----
    The slice is the plane through the start along the two coordinates: the others stay where they begin,

    .. math:: (x, y) \mapsto \log\pi(q_1, \dots, x, \dots, y, \dots, q_d),

    while the trajectory moves in all of them, and is projected. In two dimensions the slice is all there is. Contours
    are where a normal density would be s, 2s, 3s, ... standard deviations from its mode, that is s²/2, 2s², 9s²/2, ...
    nats below the highest log-density that is seen, as they are labelled; s is such that nine of them fill the picture.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_symplectic import plots
    >>> with pm.Model() as model:
    ...     v = pm.Normal("v", 0, 1.5)
    ...     x = pm.Normal("x", 0, pm.math.exp(v / 2))
    >>> ax = plots.trajectory_on_slice(model, ["x", "v"], position=[0.5, 0.5])
    """
    found = mechanics.system(model)
    if found.dim < 2:
        raise ValueError(
            f"model: a slice has two coordinates, and {found.name} has but one; see phase_portrait for its phase space"
        )
    first, second = _pair(found, coordinates)
    eps, count = positive("step_size", step_size), whole("steps", steps, least=1)
    if momentum is None:
        momentum = _drawn(kinetics.get(kinetic).record(found.dim), found.dim, seed)
    if position is None and found.position is None:
        raise ValueError(f"position is needed, as {found.name} suggests none: a vector of shape ({found.dim},)")
    begin = vector("position", found.position if position is None else position, found.dim)
    path = mechanics.simulate(found, kinetic, method, position=begin, momentum=momentum, step_size=eps, steps=count)
    x, y = path.position[:, first], path.position[:, second]

    kept = np.abs(path.energy_error) < _LOST  # of one that runs away, what it did before
    left, right = widened(x[kept].min(), x[kept].max(), _MARGIN)
    low, high = widened(y[kept].min(), y[kept].max(), _MARGIN)
    across, up = np.linspace(left, right, _GRID), np.linspace(low, high, _GRID)
    points = np.tile(begin, (_GRID, _GRID, 1))
    points[:, :, first], points[:, :, second] = across[None, :], up[:, None]
    density = -potential_at(found, points.reshape(-1, found.dim)).reshape(_GRID, _GRID)
    top = np.nanmax(density)
    deep = np.sqrt(2 * (top - np.nanquantile(density, 0.05)))
    spacing = next((each for each in _SPACINGS if deep <= _CONTOURS * each), _SPACINGS[-1])
    levels = top - 0.5 * (spacing * np.arange(_CONTOURS, 0, -1)) ** 2

    ax = one_panel(ax)
    fills = pyplot().get_cmap("Blues")(np.linspace(*_FILLS, _CONTOURS + 1))
    ax.contourf(across, up, density, [*levels, top], colors=fills, extend="min")
    curves = ax.contour(across, up, density, levels, colors=_INK, linewidths=0.5, linestyles="solid", alpha=0.35)
    ax.clabel(curves, levels[::2], fmt=lambda level: f"{level - top:.2g}".replace("-", "−"), fontsize="x-small")
    ax.plot(x, y, color=POOR, lw=1.2, marker="o", ms=3.5, mew=0, label=path.method)
    last = path.finite_steps
    ends = {"start": (x[0], y[0], POOR), "end": (x[last], y[last], "none")}
    for word, (across_at, up_at, face) in ends.items():
        ax.plot(across_at, up_at, color=_INK, mfc=face, marker="o", ms=8, mew=1.5, linestyle="none", label=word)
        offset: dict[str, Any] = {"xytext": (8, 6), "textcoords": "offset points"}
        ax.annotate(word, (across_at, up_at), **offset, color=_INK, path_effects=halo("white"))
    ax.set(xlim=(left, right), ylim=(low, high), xlabel=found.labels[first], ylabel=found.labels[second])
    error = path.energy_error[last]
    fate = f"energy error {error:+.2g} nats".replace("-", "−") if path.finite else f"breaks down after {last} steps"
    rest = "" if found.dim == 2 else f", on a slice of {found.dim} dimensions"
    ax.set_title(f"Log-density in nats from its highest{rest}\n{path.method}, ε = {eps:g}, {count} steps, {fate}")
    return ax


def _pair(found: System, coordinates: Any) -> tuple[int, int]:
    """The numbers of two coordinates."""
    labels = list(found.labels)
    given = [0, 1] if coordinates is None else [coordinates] if isinstance(coordinates, str) else list(coordinates)
    if len(given) != 2:
        raise ValueError(f"coordinates must be two, got {len(given)}; there are: {', '.join(labels)}")
    numbers = []
    for each in given:
        if isinstance(each, str):
            if each not in labels:
                raise ValueError(f"coordinates: unknown coordinate {each!r}; choose two of: {', '.join(labels)}")
            numbers.append(labels.index(each))
        else:
            numbers.append(whole("coordinates", each, least=0, most=found.dim - 1))
    if numbers[0] == numbers[1]:
        raise ValueError(f"coordinates must be two different ones, got {labels[numbers[0]]} twice")
    return numbers[0], numbers[1]


def _drawn(record: Any, dim: int, seed: Any) -> np.ndarray:
    """A momentum from exp(-K)."""
    rng, momenta = np.random.default_rng(seed), np.empty((1, dim))
    kernels.draws(record, generator_record(rng), momenta)
    return momenta[0]
