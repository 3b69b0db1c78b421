"""Arguments of plots, checked: lists of things with labels, and energies on grids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..kernels import kinetic as kernels
from ..knowledge import Learned
from ..mechanics import Method, System, method

__all__ = ["Methods", "chosen_methods", "energies_of", "labelled", "places_of", "potential_at", "velocities_of"]

type Methods = str | Method | Iterable[str | Method] | Mapping[str, str | Method]
"""One or more methods of integration, or labels and what they stand for."""


def labelled[T](name: str, given: Any, look_up: Callable[[Any], T], label: Callable[[T], str]) -> dict[str, T]:
    """
    Things to draw, each with its label.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    given : object, iterable of object, or mapping of str to object
        What the user gave; the keys of a mapping are labels.
    look_up : callable
        Makes of what was given what is drawn.
    label : callable
        What to call a thing that is given without a label.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValueError
        When nothing is given, or two things of the same label.
    """
    if isinstance(given, Mapping):
        found = {str(key): look_up(value) for key, value in given.items()}
    else:
        # a named tuple is one thing, as records of kernels are
        single = isinstance(given, str) or hasattr(given, "_fields") or not isinstance(given, Iterable)
        values = [look_up(value) for value in ([given] if single else given)]
        labels = [label(value) for value in values]
        if twice := [one for one, count in Counter(labels).items() if count > 1]:
            raise ValueError(
                f"{name}: more than one is called {twice[0]!r}; tell them apart by a mapping of labels to {name}"
            )
        found = dict(zip(labels, values, strict=True))
    if not found:
        raise ValueError(f"{name} is empty: there is nothing to draw")
    return found


def chosen_methods(methods: Methods) -> dict[str, Method]:
    """Methods of integration by label: see `labelled`."""
    return labelled("methods", methods, method, lambda one: one.name)


def potential_at(system: System, positions: np.ndarray) -> np.ndarray:
    """U at each of the positions (n, d); NaN where it is not finite."""
    with np.errstate(all="ignore"):
        values = np.array([float(system.evaluate(q)[0]) for q in np.ascontiguousarray(positions, dtype=float)])
    return np.where(np.isfinite(values), values, np.nan)


def energies_of(record: Any, momenta: np.ndarray) -> np.ndarray:
    """K of what kernels run at each of the momenta (n, d)."""
    out = np.empty(len(momenta))
    kernels.energies(record, np.ascontiguousarray(momenta, dtype=float), out)
    return out


def velocities_of(record: Any, momenta: np.ndarray) -> np.ndarray:
    """∇K of what kernels run at each of the momenta (n, d)."""
    out = np.empty(np.shape(momenta))
    kernels.velocities(record, np.ascontiguousarray(momenta, dtype=float), out)
    return out


def places_of(learned: Learned, var_names: str | Iterable[str] | None) -> np.ndarray:
    """
    The places of the parameters of some unconstrained variables, or of all, in what a run has learned.

    Raises
    ------
    TypeError
        When `learned` is not one.
    ValueError
        When a variable is not there, or none is named.
    """
    if not isinstance(learned, Learned):
        raise TypeError(f"learned must be a pymc_symplectic.Learned, got a {type(learned).__name__}; see ps.learned")
    known = learned.variables
    asked = [var_names] if isinstance(var_names, str) else list(known if var_names is None else var_names)
    if strangers := [name for name in asked if name not in known]:
        listed = ", ".join(map(repr, strangers))
        raise ValueError(f"var_names: nothing was learned of {listed}; unconstrained variables are {', '.join(known)}")
    if not asked:
        raise ValueError("var_names is empty: there is nothing to draw")
    owners = np.repeat(list(known), [int(np.prod(shape, dtype=int)) for shape in known.values()])
    return np.concatenate([np.flatnonzero(owners == name) for name in asked])
