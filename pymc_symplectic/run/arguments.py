"""Checks of the arguments of `sample` that nothing below looks at, before anything is compiled."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from concurrent import futures
from typing import Any

import pymc as pm

from ..recorded import check_var_names
from ..settings import check_names

__all__ = ["check_callback", "check_executor", "check_model", "check_options", "names_of", "processors"]

_NUTS = "it is of PyMC's own samplers; options such as target_accept=... go to ps.sample itself; or"
_INSTEAD = {
    "step": "ps.sample makes the step itself, and takes its options: ps.sample(integrator=..., metric=...); or",
    "vars": "ps.sample samples all variables of the model; of some of them:",
    "rng": "random_seed=... is that of ps.sample; or",
    "initial_point": "initvals=... says where chains begin; or",
    "blocked": "ps.sample samples all variables together; or",
    "init": "chains begin apart by themselves, or where initvals=... says; or",
    "n_init": _NUTS,
    "jitter_max_retries": _NUTS,
    "nuts": _NUTS,
    "nuts_sampler": _NUTS,
    "nuts_sampler_kwargs": _NUTS,
    "trace": "store=... writes draws to disk as they come; or",
    "backend": 'compile_kwargs={"mode": ...} chooses how the model is compiled; or',
    "return_inferencedata": "a DataTree is what is returned; or",
    "blas_cores": "each chain has one thread for linear algebra; or",
}
"""Arguments that `sample` does not have, and what there is in their place."""
_OF_STEP = ("blocked", "initial_point", "rng", "vars")


def check_options(options: Mapping[str, Any], own: Iterable[str]) -> None:
    """Raise a TypeError unless each of the options is one of the sampler.

    Parameters
    ----------
    options : mapping
    own : iterable of str
        Names of the arguments of `sample`.
    """
    elsewhere = {}
    for name in [*inspect.signature(pm.sample).parameters, "nuts", *_OF_STEP]:
        if name not in own:
            there = {"step": "step=ps.HMC(...)"}.get(name, f"step=ps.HMC(...), {name}=...")
            there = f"step=ps.HMC({name}=...)" if name in _OF_STEP else there
            elsewhere[name] = f"{_INSTEAD.get(name, 'pm.sample has it:')} pm.sample({there})"
    check_names(options, elsewhere, [name for name in own if name != "options"])


def check_model(model: pm.Model) -> None:
    """Raise a TypeError where a model has discrete variables."""
    discrete = [rv.name for rv in model.free_RVs if rv.dtype in pm.vartypes.discrete_types]
    if discrete:
        continuous = ", ".join(rv.name for rv in model.free_RVs if rv.name not in discrete)
        what = f"pm.sample(step=[ps.HMC(vars=[{continuous}])])" if continuous else "pm.sample()"
        raise TypeError(
            f"{', '.join(discrete)} is discrete, and Hamiltonian Monte Carlo needs a gradient; leave the choice of a "
            f"step for discrete variables to PyMC: {what}"
        )


def check_executor(executor: Any) -> None:
    """Raise a TypeError unless this is None or an executor."""
    if executor is not None and not isinstance(executor, futures.Executor):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {executor!r}; of a Dask client, client.get_executor()"
        )


def check_callback(callback: Any) -> None:
    """Raise a TypeError unless this is None or can be called with one argument."""
    what = "callback must be a function of one argument, the run"
    if callback is None:
        return
    if not callable(callback):
        raise TypeError(f"{what}, got {callback!r}")
    try:
        taken = inspect.signature(callback)
    except (TypeError, ValueError):  # some functions that are not written in Python do not tell
        return
    try:
        taken.bind(None)
    except TypeError as error:
        raise TypeError(f"{what}, and not of the draws as that of pm.sample; this takes {taken}") from error


def names_of(var_names: Any, model: pm.Model) -> list[str] | None:
    """The names in `var_names`, which may be a single one; None for all variables.

    Raises
    ------
    TypeError, ValueError
        When they are not names, or not those of variables of the model.
    """
    if var_names is None:
        return None
    listed = [var_names] if isinstance(var_names, str) else var_names
    names: list[Any] = list(listed) if isinstance(listed, Iterable) else [None]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"var_names must be a sequence of names, got {var_names!r}")
    check_var_names(model, names)
    return names


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
