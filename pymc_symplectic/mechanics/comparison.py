"""All methods side by side."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .. import integrators
from ..names import other_names
from .measures import energy_drift, gradients_per_step, order, reversibility, symplecticity
from .methods import ALIASES, TEXTBOOK, Method, get, is_explicit

__all__ = ["table"]

_SYMPLECTIC = 1e-10
_REVERSIBLE = 1e-10


def table(methods: Iterable[str | Method] | str | Method | None = None) -> pd.DataFrame:
    """
    Methods side by side: what each claims, and what is measured of it.

    Parameters
    ----------
    methods : iterable of str or methods, optional
        As for `simulate`. By default all: those of the textbooks, then those that sample.

    Returns
    -------
    pandas.DataFrame
        A row for each method. Measured on the star of Hénon and Heiles, the energy on the pendulum:

        - ``also_known_as``: names of the literature that `simulate` knows it by too, such as Forest and Ruth's.
        - ``symplectic``, ``symplectic_defect``: see `symplecticity`; symplectic is a defect below 1e-10.
        - ``claimed_order``, ``measured_order``: of the method's data, and see `order`.
        - ``explicit``: whether a step is made without solving an equation.
        - ``gradients_per_step``: see `gradients_per_step`, at ε = 0.1.
        - ``reversible``, ``return_gap``: see `reversibility`; reversible is a gap below 1e-10.
        - ``energy_bounded``, ``energy_slope``, ``energy_oscillation``: see `energy_drift`.

    Raises
    ------
    TypeError
        When one of `methods` is not a method.
    ValueError
        When there is none, or one of the names is unknown.

    Examples
    --------
    >>> measured = table(["leapfrog", "rk4"])
    >>> measured["symplectic"].tolist(), measured["claimed_order"].tolist(), measured["gradients_per_step"].tolist()
    ([True, False], [2, 4], [1.0, 4.0])
    >>> table(["yoshida4", "kutta3"])["also_known_as"].tolist()
    ['forest_ruth', 'rk3']
    """
    if methods is None:
        methods = [*TEXTBOOK, *integrators.CATALOGUE, *integrators.IMPLICIT]
    elif isinstance(methods, str) or not isinstance(methods, Iterable):
        methods = [methods]
    chosen = [get(method) for method in methods]
    if not chosen:
        raise ValueError("methods is empty: there is nothing to compare; leave it out for all")
    return pd.DataFrame(
        [_row(method) for method in chosen], index=pd.Index([method.name for method in chosen], name="method")
    )


def _row(method: Method) -> dict[str, object]:
    defect, gap, drift = symplecticity(method), reversibility(method), energy_drift(method)
    return {
        "also_known_as": ", ".join(other_names(method.name, ALIASES)),
        "symplectic": defect < _SYMPLECTIC,
        "symplectic_defect": defect,
        "claimed_order": method.order,
        "measured_order": order(method),
        "explicit": is_explicit(method),
        "gradients_per_step": gradients_per_step(method),
        "reversible": gap < _REVERSIBLE,
        "return_gap": gap,
        "energy_bounded": drift.bounded,
        "energy_slope": drift.slope,
        "energy_oscillation": drift.oscillation,
    }
