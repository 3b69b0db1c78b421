"""Many chains: on threads, or on an executor; in memory, or in a store."""

from __future__ import annotations

import inspect
import logging
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack
from typing import Any, Unpack

import numpy as np
import pymc as pm
import xarray as xr
from packaging.version import InvalidVersion, Version
from pymc.util import get_random_generator

from .chain import Chain
from .checks import whole
from .driver import Run
from .identity import describe_model, describe_settings, differences, differences_at_last, digest
from .progress import Bars
from .results import conversion, library_version, result_of, template
from .running import Job
from .settings import Options, Settings, check_names, unadapted
from .snapshots import generator_of
from .starts import positions
from .store import Draws, Store, StoreError, is_free, local_path, some
from .target import LogDensity
from .trace import Memory, Variables

__all__ = ["sample"]

_log = logging.getLogger(__name__)
_RESERVED = ("chain", "draw")


def sample(
    draws: int = 1000,
    *,
    tune: int = 1000,
    chains: int | None = None,
    cores: int | None = None,
    random_seed: Any = None,
    progressbar: Any = True,
    progressbar_theme: Any = None,
    quiet: bool = False,
    initvals: Any = None,
    var_names: Sequence[str] | None = None,
    discard_tuned_samples: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    compute_convergence_checks: bool = True,
    store: str | os.PathLike[str] | None = None,
    executor: futures.Executor | None = None,
    compile_kwargs: Mapping[str, Any] | None = None,
    model: pm.Model | None = None,
    **options: Unpack[Options],
) -> xr.DataTree:
    """Sample a posterior by Hamiltonian Monte Carlo, on threads or any executor, in memory or in a store.

    The same draws as ``pymc.sample(step=HMC(...))`` from the same seed and starts, without its cost for each draw.

    Parameters
    ----------
    draws : int, optional
        Draws of each chain, after warm-up.
    tune : int, optional
        Draws of warm-up, in which step size, metric and kinetic energy adapt.
    chains : int, optional
        By default as many as `cores`, but at least 2.
    cores : int, optional
        How many threads run chains; by default as many as there are processors, but at most 4.
    random_seed : int, sequence of int or numpy.random.Generator, optional
        The same seed makes the same draws on any number of threads, with any executor, and after a resume.
    progressbar, progressbar_theme, quiet : optional
        As for `pymc.sample`.
    initvals : dict or sequence of dict, optional
        Where chains begin, as for `pymc.sample`, by the names of free variables; also what `pymc.find_MAP` returns,
        whose deterministic variables are not looked at.  Variables that are not named begin at the model's initial
        point, moved by a uniform amount up to 1, either way, in unconstrained space.  They are not looked at where a
        stored run goes on.
    var_names : sequence of str, optional
        Which variables to keep; by default all free and deterministic ones.
    discard_tuned_samples : bool, optional
        Whether to leave the draws of warm-up out of the result.
    idata_kwargs : dict, optional
        As for `pymc.sample`: `coords`, `dims`, `log_likelihood`, ... of `pymc.to_inference_data`.
    compute_convergence_checks : bool, optional
        Whether to warn of divergences, large R-hat and small effective sample sizes.  Of runs too large for memory,
        draws at equal distances are checked.
    store : path, optional
        A directory, by custom with the suffix ``.zarr``, to which draws, statistics and the states of the chains are
        written as they come.  Called again with the same model and options, a run that was interrupted goes on, to the
        same draws as without the interruption; with more `draws`, one that was finished does.  It takes the extra
        ``pymc-symplectic[store]``.
    executor : concurrent.futures.Executor, optional
        Runs each chain as one task: a process pool, loky, MPI, or a Dask cluster by ``client.get_executor()``.
        `cores` does not count then.  With `store`, the path must be shared by all workers.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler.
    model : pymc.Model, optional
        By default the model of the context.
    **options
        Those of `HMC`: `integrator`, `kinetic`, `metric`, `trajectory`, `refreshment`, `step_size`, `target_accept`,
        `max_energy_error`, `temperature`.

    Returns
    -------
    DataTree
        As `pymc.sample` returns it.  ``attrs["sampler"]`` of the posterior and of the statistics tells, as JSON, the
        options, and what each chain has adapted.  From a store, draws are read when they are looked at.

    Raises
    ------
    TypeError, ValueError
        When an argument is not what it must be, or the model has discrete variables.
    SamplingError
        When no chain could draw.  Where only some fail, a warning names them, and the others are returned.
    StoreError
        When the store cannot be written, is in use, is damaged, or is of another run: the message says what differs.

    Warns
    -----
    UserWarning
        When sampling was interrupted (what has been drawn is returned), or chains have failed; when a result could be
        made only in part; when warm-up is too short to adapt anything; and when the posterior is improper, has no
        maximum, or most draws diverge: the warning names the variables to blame.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     idata = ps.sample(100, tune=200, chains=4, random_seed=1, progressbar=False, quiet=True)
    >>> dict(idata["posterior"].sizes)
    {'chain': 4, 'draw': 100}
    """
    _check_options(options)
    model = pm.modelcontext(model)
    _check_model(model)
    _check_names(model, idata_kwargs)
    draws, tune = whole("draws", draws, least=1), whole("tune", tune, least=0)
    cores = min(4, _processors()) if cores is None else whole("cores", cores, least=1)
    chains = max(2, cores) if chains is None else whole("chains", chains, least=1)
    names = _names(var_names)
    keywords = conversion(model, idata_kwargs, names)
    rngs = _generators(random_seed, chains)
    if executor is not None and not isinstance(executor, futures.Executor):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {executor!r}; of a Dask client, client.get_executor()"
        )
    Bars(chains, draws, tune, progressbar)  # so that a wrong one is refused before anything is compiled
    settings = Settings.choose(**options)
    if short := unadapted(settings, tune):
        warnings.warn(short, UserWarning, stacklevel=2)
    path = None if store is None else local_path(store)
    existing = None if path is None or is_free(path) else Store.open(path)

    target = LogDensity(model=model, compile_kwargs=compile_kwargs)
    variables = Variables(target, names)
    seeds = [np.random.default_rng(int(rng.integers(2**30))) for rng in rngs]  # as many draws as pymc.sample takes
    value_seeds = [_value_seed(rng) for rng in rngs]
    told = {
        "version": library_version(),
        "chains": chains,
        "tune": tune,
        "draws": draws,
        "keep_warmup": not discard_tuned_samples,
        "var_names": None if names is None else sorted(names),
        "options": describe_settings(settings),
        "seeds": None if random_seed is None else [digest(repr(rng.bit_generator.state)) for rng in rngs],
        "value_seeds": value_seeds,
    }
    with ExitStack() as held:
        if existing is not None:
            if draws > existing.draws or min(existing.counts()) < tune + draws:
                held.enter_context(existing.locked())
            states: list[Mapping[str, Any]] = _states(existing, told, target, variables, settings)
            sink: Memory | Store = existing
            template(variables, np.asarray(states[0]["position"]), keywords)
            if existing.token:
                existing.sign(library_version())
            if draws > existing.draws:
                existing.extend(draws)
        else:
            starts = positions(target, initvals, seeds)
            states = [{"rng": rng.bit_generator.state, "position": q} for rng, q in zip(rngs, starts, strict=True)]
            example = template(variables, starts[0], keywords)
            if path is None:
                sink = Memory(variables, chains, tune, draws, not discard_tuned_samples, value_seeds)
            else:
                told |= {"model": describe_model(target, variables, starts[0]), "start": starts[0].tolist()}
                sink = Store.create(path, told, example, states)
                held.enter_context(sink.locked())
        run = Run(target, settings, variables, tune, tune + draws, sink)
        begun = [int(state.get("count", 0)) for state in states]
        jobs = [Job(chain, state) for chain, state in enumerate(states) if begun[chain] < tune + draws]
        run.snapshots = {chain: state for chain, state in enumerate(states) if begun[chain] >= tune + draws}
        Chain(target, settings, rngs[0], tune).compile()
        began = time.perf_counter()
        with Bars(chains, draws, tune, False if quiet else progressbar, progressbar_theme, begun) as bars:
            if executor is None:
                run.on_threads(jobs, cores, bars)
            else:
                run.on_executor(jobs, executor, names, bars)
        return result_of(
            run, time.perf_counter() - began, keywords, compute_convergence_checks, quiet, discard_tuned_samples
        )


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
"""Of arguments that `sample` does not have, what there is in their place."""
_OF_STEP = ("blocked", "initial_point", "rng", "vars")


def _check_options(options: Mapping[str, Any]) -> None:
    own = inspect.signature(sample).parameters
    elsewhere = {}
    for name in [*inspect.signature(pm.sample).parameters, "nuts", *_OF_STEP]:
        if name not in own:
            there = {"step": "step=ps.HMC(...)"}.get(name, f"step=ps.HMC(...), {name}=...")
            there = f"step=ps.HMC({name}=...)" if name in _OF_STEP else there
            elsewhere[name] = f"{_INSTEAD.get(name, 'pm.sample has it:')} pm.sample({there})"
    check_names(options, elsewhere, [name for name in own if name != "options"])


def _check_model(model: pm.Model) -> None:
    discrete = [rv.name for rv in model.free_RVs if rv.dtype in pm.vartypes.discrete_types]
    if discrete:
        continuous = ", ".join(rv.name for rv in model.free_RVs if rv.name not in discrete)
        what = f"pm.sample(step=[ps.HMC(vars=[{continuous}])])" if continuous else "pm.sample()"
        raise TypeError(
            f"{', '.join(discrete)} is discrete, and Hamiltonian Monte Carlo needs a gradient; leave the choice of a "
            f"step for discrete variables to PyMC: {what}"
        )


def _check_names(model: pm.Model, idata_kwargs: Any) -> None:
    """Raise a ValueError where a variable would be lost behind a dimension that every result has."""
    dims = dict(model.named_vars_to_dims)
    if isinstance(idata_kwargs, Mapping):
        dims |= idata_kwargs.get("dims") or {}
    for variable in (rv.name for rv in model.unobserved_RVs):
        if variable in _RESERVED:
            raise ValueError(
                f"the variable {variable!r} has the name of a dimension that every result has, and would be lost "
                "behind it; give it another name"
            )
    for variable, names in dims.items():
        if taken := [str(name) for name in np.atleast_1d(names) if name in _RESERVED]:
            raise ValueError(
                f"the variable {variable!r} has a dimension {taken[0]!r}, as every result has one; give its dimension "
                "another name"
            )


def _names(var_names: Any) -> list[str] | None:
    if var_names is None or isinstance(var_names, str):
        return None if var_names is None else [var_names]
    if not isinstance(var_names, Iterable) or not all(isinstance(name, str) for name in var_names):
        raise TypeError(f"var_names must be a sequence of names, got {var_names!r}")
    return list(var_names)


def _generators(random_seed: Any, chains: int) -> list[np.random.Generator]:
    """The generator of each chain, as `pymc.sample` makes them."""
    if isinstance(random_seed, int | np.integer) and random_seed < 0:
        raise ValueError(f"random_seed must not be negative, got {random_seed}; leave it out for a new seed each time")
    try:
        return get_random_generator(random_seed).spawn(chains)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"random_seed must be an integer of at least 0, a sequence of them, or a numpy.random.Generator, got "
            f"{random_seed!r} ({error})"
        ) from error


def _value_seed(rng: np.random.Generator) -> list[int]:
    """The seed of what is random in a chain besides its moves; its own stream is left as it is."""
    sequence: Any = rng.bit_generator.seed_seq
    [child] = sequence.spawn(1)
    return [int(word) for word in child.generate_state(4)]


def _states(
    store: Store, told: Mapping[str, Any], target: LogDensity, variables: Variables, settings: Settings
) -> list[Mapping[str, Any]]:
    """What the chains go on from, or a StoreError unless the store is of the same run, and whole."""
    _check_version(store, told["version"])
    start = np.array(store.about["start"])
    found = differences(store.about, {**told, "model": store.about["model"]})
    if not found and start.size == target.dim:
        found = differences(store.about, {**told, "model": describe_model(target, variables, start)})
    elif not found:
        found = [f"the model had {start.size} free parameters and has {target.dim}"]
    if found:
        raise _other(store, found)
    states: list[Mapping[str, Any]] = [store.state(chain) for chain in range(store.chains)]
    pattern = Chain(target, settings, np.random.default_rng(0), store.tune)
    for chain, state in enumerate(states):
        try:
            generator_of(state["rng"]) if "count" not in state else pattern.check(state)
        except ValueError as error:
            file = store.state_file(chain)
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be used: {error}") from error
    stored = Draws(store.path, store.about)
    if damage := [*stored.lost(), *stored.damage(dict(enumerate(states)))]:
        raise StoreError(
            f"store: {store.path} is damaged, so the run cannot go on: {some(damage)}. ps.open_run reads the rest"
        )
    last = [stored.values(state, chain) for chain, state in enumerate(states)]
    if found := differences_at_last(states, last, target, variables):
        raise _other(store, found)
    return states


def _other(store: Store, found: Sequence[str]) -> StoreError:
    return StoreError(
        f"store: {store.path} is of another run: {'; '.join(found)}. Give another name for a new run, or call with "
        "what made it"
    )


def _check_version(store: Store, version: str) -> None:
    """Raise a StoreError where a later version has made the store, which may draw in another way."""
    made = store.about["version"]
    try:
        later = Version(made) > Version(version)
    except InvalidVersion as error:
        raise StoreError(f"store: {store.path} was made by a version that is none: {error}") from error
    if later:
        raise StoreError(
            f"store: {store.path} was made by version {made} of pymc_symplectic, and this is {version}, which may draw "
            "in another way; install that version to go on, or give another name. ps.open_run reads it"
        )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
