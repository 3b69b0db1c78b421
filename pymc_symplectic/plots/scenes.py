"""How the systems that have a name are best looked at: the part of the plane, where to start, and how far to go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..mechanics import SYSTEMS, System, Trajectory

__all__ = ["SCENES", "Limits", "Scene", "plane_of", "scene_of", "title_of"]

type Limits = tuple[tuple[float, float], tuple[float, float]]
"""The visible part of a plane: from where to where, along x and along y."""


@dataclass(frozen=True)
class Scene:
    """
    How a system is shown.

    Attributes
    ----------
    title : str
        What to call it.
    axes : pair of str
        Labels of the axes, with units.
    window : Limits, optional
        What is seen of phase space.
    starts : tuple of (float, float)
        Positions and momenta of motions that together tell the system.
    step_size, steps : float, int
        At which common methods differ visibly.
    turn : float
        The period of the position where it is an angle, otherwise 0.
    """

    title: str
    axes: tuple[str, str]
    window: Limits | None = None
    starts: tuple[tuple[float, float], ...] = ()
    step_size: float = 0.1
    steps: int = 200
    turn: float = 0.0


_POSITION_MOMENTUM = ("position q", "momentum p")

SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "harmonic_oscillator": Scene(
            "Harmonic oscillator",
            _POSITION_MOMENTUM,
            ((-2.2, 2.2), (-2.2, 2.2)),
            ((0.5, 0.0), (1.0, 0.0), (1.5, 0.0)),
            0.3,
            63,
        ),
        "pendulum": Scene(
            "Pendulum",
            ("angle q (radians)", "momentum p"),
            ((-1.25 * math.pi, 1.25 * math.pi), (-3.0, 3.0)),
            ((0.0, 0.8), (0.0, 1.6), (0.0, 2.4), (0.0, -2.4)),
            0.3,
            50,
            2 * math.pi,
        ),
        "double_well": Scene(
            "Double well",
            _POSITION_MOMENTUM,
            ((-2.0, 2.0), (-1.5, 1.5)),
            ((1.3, 0.0), (-1.3, 0.0), (0.0, 0.9)),
            0.2,
            60,
        ),
        "henon_heiles": Scene("Hénon–Heiles", ("x", "y"), step_size=0.1, steps=600),
        "kepler": Scene("Kepler", ("x", "y"), step_size=0.05, steps=400),
    }
)


def scene_of(system: System) -> Scene:
    """How to show a system, in general terms where nothing is known of it."""
    if SYSTEMS.get(system.name) is system:
        return SCENES[system.name]
    count = f"{system.dim} coordinate{'s' if system.dim > 1 else ''}"
    name = f"potential of {count}" if system.name == "<lambda>" else system.name.replace("_", " ")
    title = name[:1].upper() + name[1:]
    if system.dim == 1:
        return Scene(title, (f"position {system.labels[0]}", "momentum p"))
    return Scene(title, (system.labels[0], system.labels[1]))


def title_of(system: System) -> str:
    """The title of a system, with its potential."""
    equation = f", U(q) = {system.equation.replace('-', '−')}" if system.equation else ""
    return scene_of(system).title + equation


def plane_of(path: Trajectory) -> np.ndarray:
    """The states of a trajectory as points of a plane (n, 2): (q, p) in one dimension, the orbit in two."""
    q = path.position
    return np.column_stack([q[:, 0], path.momentum[:, 0] if q.shape[1] == 1 else q[:, 1]])
