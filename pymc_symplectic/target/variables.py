"""Which variables of a model a user means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pymc as pm
from pytensor.graph.basic import Variable

__all__ = ["value_variables"]


def value_variables(vars: Any, model: pm.Model) -> list[Any]:
    """The value variables that a user means by `vars`, checked: of this model, and continuous.

    Parameters
    ----------
    vars : variable, name, iterable of those, or None
        Random or value variables; None stands for all that are continuous.
    model : pymc.Model

    Raises
    ------
    TypeError
        When one of `vars` is discrete, or no variable at all.
    ValueError
        When one of them is not a free variable of the model, or there is none.
    """
    if vars is None:
        chosen = [v for v in model.value_vars if v.dtype in pm.vartypes.float_types]
        if not chosen:
            found = ", ".join(rv.name for rv in model.free_RVs) or "none"
            raise ValueError(
                f"vars: this model has no free continuous variable to sample; its free variables are: {found}"
            )
        return chosen
    if isinstance(vars, Variable | str) or not isinstance(vars, Iterable):
        vars = [vars]
    known = {v: v for v in model.value_vars} | {rv: model.rvs_to_values[rv] for rv in model.free_RVs}
    by_name = {v.name: v for v in [*model.value_vars, *model.basic_RVs]}
    chosen, strangers = [], []
    for v in vars:
        if not isinstance(v, Variable | str):
            raise TypeError(f"vars must be variables of the model or their names, got {v!r}")
        variable = by_name.get(v, v) if isinstance(v, str) else v
        if variable in known:
            chosen.append(known[variable])
        else:
            strangers.append(str(getattr(v, "name", v)))
    if strangers:
        names = ", ".join(rv.name for rv in model.free_RVs)
        raise ValueError(
            f"vars: {', '.join(strangers)} is not a free variable of this model; its free variables are {names}"
        )
    chosen = list(dict.fromkeys(chosen))
    discrete = [model.values_to_rvs[v].name for v in chosen if v.dtype not in pm.vartypes.float_types]
    if discrete:
        raise TypeError(
            f"vars: {', '.join(discrete)} is discrete, and Hamiltonian Monte Carlo needs a gradient; sample it with "
            "another step of pm.sample(step=[...]), and give HMC the continuous variables by vars=[...]"
        )
    if not chosen:
        raise ValueError("vars: there is no variable to sample in an empty list; leave it out for all")
    return chosen
