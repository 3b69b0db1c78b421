"""What a run comes to: a DataTree as `pymc.sample` returns it, and warnings of what went wrong."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.exceptions import SamplingError
from pymc.stats import compute_log_likelihood, compute_log_prior

from .adaptation.tuner import in_words
from .driver import Run
from .identity import describe_settings
from .native.pymc import get_default_varnames, log_warnings, run_convergence_checks
from .statistics import DTYPES, RENAMED
from .store import StoreError
from .target import user_code
from .trace import Memory, Trace, Variables, longest

__all__ = ["conversion", "library_version", "result_of", "template"]

_log = logging.getLogger(__name__)
_OF_DRAWS: Mapping[str, Callable[..., Any]] = {"log_likelihood": compute_log_likelihood, "log_prior": compute_log_prior}
"""What idata_kwargs may ask to be computed of the draws."""
_SAMPLE_DIMS = ("chain", "draw")
_MOST_CHECKED = 2**25  # bytes of draws that convergence checks read


def result_of(
    run: Run, seconds: float, keywords: dict[str, Any], check: bool, quiet: bool, discard_tuned_samples: bool
) -> xr.DataTree:
    """What is returned of a run, after warnings of what went wrong with it."""
    sink, tune = run.sink, run.tune
    counts = [min(count, run.total) for count in (sink.counts if isinstance(sink, Memory) else sink.counts())]
    _raise_or_warn(run, counts)
    healthy = [0 if chain in run.errors else count for chain, count in enumerate(counts)]
    chains, length = longest(healthy if any(healthy) else counts, tune)
    in_warmup = length <= tune
    if run.interrupted:
        if not length:
            raise KeyboardInterrupt
        what = f"{length} draws of warm-up" if in_warmup else f"{length - tune} draws"
        kept = "returned"
        if not isinstance(sink, Memory):
            kept = "kept" if in_warmup and discard_tuned_samples else "returned"
            kept += ", and the same call goes on from here"
        warnings.warn(
            f"Sampling was interrupted: {what} of {len(chains)} chains are {kept}.", UserWarning, stacklevel=3
        )
    wanted = {} if in_warmup else keywords  # of draws of warm-up there is nothing to compute
    keywords = _plain_of(keywords)
    if isinstance(sink, Memory):
        trace = sink.trace(chains, length, seconds)
        keywords = {"save_warmup": in_warmup or not discard_tuned_samples, **keywords}
        again = "the draws are returned without what else a result has, and with dimensions by number"
        idata = _attempt("The conversion by pymc.to_inference_data", again, _converted, trace, chains, keywords)
        if idata is None:
            idata = _bare(trace, chains, keywords)
    else:
        sink.add_seconds(seconds)
        idata = sink.tree(chains, length)
    idata = _completed(idata, wanted)
    adapted = _attempt("The description of the run", "the draws are returned", _describe, idata, run, chains)
    if not quiet:
        _log.info("%d chains of %d + %d draws took %.1f seconds.", len(chains), tune, length - tune, seconds)
        _log.info("Chosen in warm-up: %s.", _chosen(adapted or []))
    if check and "posterior" in idata.children:
        again = "the draws are returned; az.summary(idata) has R-hat and effective sample sizes"
        found = _attempt("The check of convergence", again, _checked, idata, keywords["model"])
        if not quiet:
            log_warnings(found or [])
    return idata


def _attempt(what: str, instead: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or None, after a warning, where it does not: draws outlive what is made of them."""
    try:
        return function(*arguments)
    except KeyboardInterrupt:
        _warn(f"{what} was interrupted: {instead}.")
    except Exception as error:
        _warn(f"{what} failed ({type(error).__name__}: {error}): {instead}.")
    return None


def _warn(message: str) -> None:
    """Warn, as if where this package was called."""
    warnings.warn(message, UserWarning, skip_file_prefixes=(str(Path(__file__).parent),))


def _raise_or_warn(run: Run, counts: Sequence[int]) -> None:
    """Raise what concerns all chains, and warn of what concerns some of them."""
    if not run.errors:
        return
    for error in run.errors.values():
        if isinstance(error, StoreError):
            raise error
    chain, first = min(run.errors.items())
    told = first if isinstance(first, SamplingError) else f"{type(first).__name__}: {first}"
    if len(run.errors) == len(counts) or (run.interrupted and not any(counts)):
        raise SamplingError(f"Chain {chain} failed, and so did all others: {told}") from first
    for chain, error in sorted(run.errors.items()):
        warnings.warn(
            f"Chain {chain} failed after {counts[chain]} draws, and is left out: {error}", UserWarning, stacklevel=4
        )


def _relabelled(idata: xr.DataTree, chains: Sequence[int]) -> xr.DataTree:
    """The same, with the chains by the numbers that they had."""
    if list(chains) == list(range(len(chains))):
        return idata
    groups = {f"/{name}": group.to_dataset() for name, group in idata.children.items()}
    return xr.DataTree.from_dict(
        {name: data.assign_coords(chain=chains) if "chain" in data.dims else data for name, data in groups.items()}
    )


def _converted(trace: Trace, chains: Sequence[int], keywords: Mapping[str, Any]) -> xr.DataTree:
    return _relabelled(pm.to_inference_data(trace, **keywords), chains)


def _bare(trace: Trace, chains: Sequence[int], keywords: Mapping[str, Any]) -> xr.DataTree:
    """Draws and statistics as they are, by the names that `pymc.to_inference_data` gives them."""
    names = get_default_varnames(trace.varnames, include_transformed=bool(keywords.get("include_transformed")))
    first = len(trace) - trace.report.n_draws
    parts = {"warmup_": trace[:first]} if keywords["save_warmup"] and first else {}
    parts |= {"": trace[first:]} if trace.report.n_draws else {}
    groups = {}
    for prefix, part in parts.items():
        values = {name: part.get_values(name) for name in names}
        stats = {RENAMED.get(name, name): part.get_sampler_stats(name) for name in part.stat_names}
        for group, arrays in (("posterior", values), ("sample_stats", stats)):
            groups[f"/{prefix}{group}"] = xr.Dataset(
                {
                    name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(array.ndim - 2))), array)
                    for name, array in arrays.items()
                },
                {"chain": list(chains), "draw": np.arange(len(part))},
                {"sampling_time": trace.report.t_sampling, "tuning_steps": trace.report.n_tune},
            )
    return xr.DataTree.from_dict(groups)


def _completed(idata: xr.DataTree, keywords: Mapping[str, Any]) -> xr.DataTree:
    """With what `pymc.to_inference_data` would have computed of the draws."""
    for name in _OF_DRAWS:
        if keywords.get(name):
            again = f"the draws are returned without it; it can be added by pm.compute_{name}(idata)"
            found = _attempt(f"The computation of {name}", again, _computed, name, idata, keywords)
            if found is not None:
                idata[name] = found
    return idata


def _computed(name: str, idata: xr.DataTree, keywords: Mapping[str, Any]) -> xr.Dataset:
    wanted = keywords[name]
    with user_code:
        return _OF_DRAWS[name](
            idata,
            var_names=None if wanted is True else wanted,
            extend_inferencedata=False,
            model=keywords["model"],
            sample_dims=keywords.get("sample_dims") or _SAMPLE_DIMS,
            progressbar=False,
        )


def _checked(idata: xr.DataTree, model: pm.Model) -> list[Any]:
    """What PyMC has to say of the convergence of the variables that are stored."""
    free, derived = (
        [rv for rv in of if rv.name in idata["posterior"]] for of in (model.free_RVs, model.deterministics)
    )
    return run_convergence_checks(_thinned(idata), SimpleNamespace(free_RVs=free or derived, deterministics=derived))


def conversion(model: pm.Model, idata_kwargs: Any, var_names: Sequence[str] | None) -> dict[str, Any]:
    """What a result is made with, by name; checked as far as it can be without a draw.

    Parameters
    ----------
    model : pymc.Model
    idata_kwargs : dict or None
        Of `pymc.to_inference_data`.
    var_names : sequence of str or None
        What is stored; None for all.

    Raises
    ------
    TypeError, ValueError
        When one of `idata_kwargs` is not what it must be.
    """
    if not isinstance(idata_kwargs, Mapping | None):
        raise TypeError(f"idata_kwargs must be a dictionary, got {idata_kwargs!r}")
    given = dict(idata_kwargs or {})
    known = inspect.signature(pm.to_inference_data).parameters.keys() - {"trace", "model"}
    if strangers := sorted(map(str, given.keys() - known)):
        raise TypeError(f"idata_kwargs: there is no {', '.join(strangers)}; there are {', '.join(sorted(known))}")
    for name in ("save_warmup", "include_transformed"):
        if not isinstance(given.get(name), bool | np.bool | None):
            raise TypeError(f"idata_kwargs: {name} must be True or False, got {given[name]!r}")
    for name in ("coords", "dims"):
        if not isinstance(given.get(name), Mapping | None):
            raise TypeError(f"idata_kwargs: {name} must be a dictionary, got {given[name]!r}")
    if own := set(_SAMPLE_DIMS) & (given.get("coords") or {}).keys():
        raise ValueError(f"idata_kwargs: coords of {' and '.join(sorted(own))} come with the draws; leave them out")
    named = {*model.named_vars, *(value.name for value in model.value_vars)}
    for group in ("prior", "posterior_predictive"):
        named |= set(given[group]) if isinstance(given.get(group), Mapping) else set()
    if strangers := sorted(map(str, (given.get("dims") or {}).keys() - named)):
        raise ValueError(f"idata_kwargs: dims names {', '.join(strangers)}, which the model does not have")
    dims = given.get("sample_dims")
    if dims is not None and (not isinstance(dims, list | tuple) or sorted(map(str, dims)) != list(_SAMPLE_DIMS)):
        raise ValueError(f"idata_kwargs: sample_dims can only be ['chain', 'draw'], got {dims!r}")
    for name, variables in (("log_likelihood", model.observed_RVs), ("log_prior", model.free_RVs)):
        given[name] = _wanted(name, given.get(name), [rv.name for rv in variables])
        lacking = [rv.name for rv in model.free_RVs if var_names is not None and rv.name not in var_names]
        if given[name] and lacking:
            raise ValueError(
                f"idata_kwargs: {name} is computed of all free variables, and var_names leaves {', '.join(lacking)} "
                f"out; name them too, or leave {name} out"
            )
    return {"model": model, **given}


def _wanted(name: str, value: Any, known: Sequence[str]) -> bool | list[str]:
    """Of which variables something is to be computed; True for all."""
    if value is None or isinstance(value, bool | np.bool):
        return bool(value)
    wanted = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(one, str) for one in wanted):
        raise TypeError(f"idata_kwargs: {name} must be True, False or a sequence of names, got {value!r}")
    if strangers := [one for one in wanted if one not in known]:
        raise ValueError(
            f"idata_kwargs: {name} of {', '.join(map(repr, strangers))} cannot be computed; it can of "
            f"{', '.join(known) or 'nothing in this model'}"
        )
    return [str(one) for one in wanted]


def template(variables: Variables, position: np.ndarray, keywords: Mapping[str, Any]) -> xr.DataTree:
    """A result of one draw of warm-up and one of sampling: what a store is made by, and proof that one can be made.

    Raises
    ------
    TypeError, ValueError
        When it cannot; the message names what is to blame, the model or one of `idata_kwargs`.
    """
    values = {name: np.stack([value, value])[None] for name, value in variables.at(position).items()}
    stats = {name: np.zeros((1, 2), dtype) for name, dtype in DTYPES.items()}
    trace = Trace(values, stats, 1, 0.0)
    with warnings.catch_warnings():  # whatever is worth a warning will be warned of when it is done in earnest
        warnings.simplefilter("ignore")
        idata = _trial(trace, _plain_of(keywords))
        for name in _OF_DRAWS:
            if keywords.get(name):
                try:
                    _computed(name, idata, keywords)
                except Exception as error:
                    raise _named_error(f"idata_kwargs: {name} cannot be computed", error) from error
    return idata


def _trial(trace: Trace, keywords: Mapping[str, Any]) -> xr.DataTree:
    """The conversion of a trace; where it fails, by which of the keywords, or by the model itself."""

    def made(*names: str) -> xr.DataTree:
        chosen = {name: keywords[name] for name in names if name in keywords}
        return pm.to_inference_data(trace, **{**chosen, "model": keywords["model"], "save_warmup": True})

    try:
        return made(*keywords)
    except Exception as error:
        blamed = "the coords and dims of the model"
        if _works(made):
            alone = [name for name in keywords if name != "model" and not _works(made, name)]
            blamed = f"idata_kwargs: {', '.join(alone or keywords.keys() - {'model'})}"
        raise _named_error(f"{blamed} cannot be those of its variables", error) from error


def _plain_of(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is computed of the draws."""
    return {name: value for name, value in keywords.items() if name not in _OF_DRAWS}


def _works(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        function(*arguments)
    except Exception:
        return False
    return True


def _named_error(what: str, error: Exception) -> TypeError | ValueError:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{what} ({type(error).__name__}: {error})")


def _thinned(idata: xr.DataTree) -> xr.DataTree:
    """Draws at equal distances, where all of them would not fit into memory several times over."""
    size = sum(variable.nbytes for variable in idata["posterior"].data_vars.values())
    step = -(-size // _MOST_CHECKED)
    if step <= 1:
        return idata
    groups = {
        name: idata[name].to_dataset().isel(draw=slice(None, None, step)) for name in ("posterior", "sample_stats")
    }
    return xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})


def _describe(idata: xr.DataTree, run: Run, chains: Sequence[int]) -> list[dict[str, Any]]:
    """Say in the attributes which library made the draws, by which options, and what each chain has adapted."""
    adapted = [_adapted(run, run.snapshots[chain]) for chain in chains if chain in run.snapshots]
    sampler = json.dumps({"options": describe_settings(run.settings), "chains": adapted})
    for name, group in idata.children.items():
        if name.removeprefix("warmup_") in ("posterior", "sample_stats"):
            group.attrs |= {
                "inference_library": "pymc_symplectic",
                "inference_library_version": library_version(),
                "sampler": sampler,
            }
    return adapted


def _chosen(adapted: Sequence[Mapping[str, Any]]) -> str:
    """Which integrators and trajectories the chains run by, and why no others, in words."""
    times = Counter(in_words(chain) for chain in adapted)
    return "; ".join(f"{what} ({count} of {len(adapted)} chains)" for what, count in times.most_common())


def _adapted(run: Run, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What warm-up has settled on: step size, metric, integrator, trajectory, and a kinetic energy that learns."""
    kinetic = run.settings.kinetic
    adapted = dict(snapshot["choice"])
    if kinetic.adapts:
        record = kinetic.record(run.target.dim)._replace(params=snapshot["kinetic"])
        adapted["speed_limit"] = kinetic.speed_limit(record) if np.isfinite(kinetic.speed_limit(record)) else None
        if hasattr(kinetic, "learned"):
            learned = kinetic.learned(record)._asdict()
            adapted["kinetic"] = {name: np.asarray(value).tolist() for name, value in learned.items()}
    return adapted


def library_version() -> str:
    """Of this package."""
    from . import __version__

    return __version__
