"""Kinetic energies: how they grow with momentum, and how fast momentum moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kinetic as kinetics
from ..checks import positive, whole
from ..kernels.kinetic import Addressed, GaussianEnergy
from ..kinetic import Adaptive, KineticEnergy
from .arguments import energies_of, labelled, velocities_of
from .style import label_lines, looks, panels, styled

__all__ = ["kinetic_energies"]

_KINETICS = ("gaussian", "relativistic", "power", "student_t")
_PANELS = ("energy", "velocity")
_POINTS = 401


@dataclass(frozen=True)
class _Shown:
    """A kinetic energy as kernels run it, its name, and where its velocity bends, if that is known."""

    name: str
    record: Any
    knots: np.ndarray


@styled
def kinetic_energies(
    kinetic: str | KineticEnergy | Iterable[Any] | Mapping[str, Any] = _KINETICS,
    *,
    dim: int = 1,
    limit: float = 5.0,
    ax: Any = None,
) -> np.ndarray:
    r"""
    Kinetic energies and velocities as functions of the momentum.

    Parameters
    ----------
    kinetic : str, KineticEnergy, chain, step or record; iterable of them, or mapping of label to them, optional
        What to show: names of the catalogue, objects, or what a run has learned: a step (`HMC`) or chain after warm-up,
        or its attribute ``kinetic``.
    dim : int, optional
        In how many dimensions; some kinetic energies differ by it, as the relativistic one does whose speed limit is
        not given.
    limit : float, optional
        The largest momentum.
    ax : sequence of two matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    ndarray of two matplotlib Axes
        Of energy and of velocity.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    TypeError
        When one is neither a name nor a kinetic energy.
    ValueError
        When a name is unknown, or a number is out of range.

    Notes
    -----
    Along the axis of one coordinate, :math:`r = s e_1`,

    .. math:: K(s e_1) - K(0) \qquad \text{and} \qquad \frac{d}{ds} K(s e_1) = \nabla K(s e_1) \cdot e_1 .

    Dots are the knots of a velocity that was learned: see `kinetic.Adaptive`.

    Examples
    --------
    >>> import pymc_symplectic as ps
    >>> axes = ps.plots.kinetic_energies({"c = 1": ps.kinetic.Relativistic(c=1.0), "Gaussian": "gaussian"})
    """
    dim, limit = whole("dim", dim, least=1), positive("limit", limit)
    shown = labelled("kinetic", _apart(kinetic), lambda one: _look_up(one, dim), lambda one: one.name)
    left, right = axes = panels(ax, _PANELS, size=(8.4, 3.6), gridspec_kw={"wspace": 0.1})
    s = np.linspace(0.0, limit, _POINTS)
    momenta = s[:, None] * np.eye(1, dim)
    ends = {}
    for (label, one), look in zip(shown.items(), looks(len(shown)), strict=True):
        line = {"color": look["color"], "linestyle": look["linestyle"], "lw": 1.8, "label": label}
        energies, speeds = energies_of(one.record, momenta), velocities_of(one.record, momenta)[:, 0]
        left.plot(s, energies - energies[0], **line)
        right.plot(s, speeds, **line)
        knots = one.knots[(one.knots > 0) & (one.knots <= limit)]
        right.plot(knots, np.interp(knots, s, speeds), color=look["color"], linestyle="none", marker="o", ms=4)
        ends[label] = (float(speeds[-1]), look["color"])
    left.set(xlabel="momentum s", ylabel="kinetic energy K(s) − K(0) (nats)", xlim=(0, limit), ylim=(0, None))
    right.set(xlabel="momentum s", ylabel="velocity K′(s)", xlim=(0, limit), ylim=(0, None))
    label_lines(right, ends)
    return axes


def _apart(kinetic: Any) -> Any:
    """The same; where several objects of one name are given, by what they are in full."""
    if isinstance(kinetic, list | tuple) and not hasattr(kinetic, "_fields"):
        names = [getattr(one, "name", one) for one in kinetic]
        if any(names.count(name) > 1 for name in names):
            return {str(one): one for one in kinetic} if len(set(map(str, kinetic))) == len(kinetic) else kinetic
    return kinetic


def _look_up(one: Any, dim: int) -> _Shown:
    none = np.empty(0)
    if isinstance(one, GaussianEnergy | Addressed):
        return _Shown("record", one, none)
    if isinstance(one, str | KineticEnergy):
        found = kinetics.get(one)
        return _Shown(found.name, found.record(dim), none)
    settings, record = getattr(one, "settings", None), getattr(one, "kinetic", None)
    energy = getattr(settings, "kinetic", None)
    if not (isinstance(energy, KineticEnergy) and isinstance(record, GaussianEnergy | Addressed)):
        raise TypeError(
            "kinetic must be names of kinetic energies, KineticEnergy objects, or steps, chains or their records "
            f"(step.kinetic), got {one!r}; the names are: {', '.join(kinetics.CATALOGUE)}"
        )
    if isinstance(record, GaussianEnergy):  # which may have proved to be better than what was to be learned
        return _Shown(kinetics.Gaussian.name, record, none)
    knots = energy.learned(record).knots if isinstance(energy, Adaptive) else none
    return _Shown(energy.name, record, knots)
