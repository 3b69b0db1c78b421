"""What a run comes to: a DataTree as `pymc.sample` returns it, and warnings of what went wrong."""

from __future__ import annotations

import json
import logging
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.exceptions import SamplingError
from pymc.stats import compute_log_likelihood, compute_log_prior
from pymc.stats.convergence import log_warnings, run_convergence_checks

from .adaptation.tuner import Tuner, in_words
from .driver import Run
from .identity import describe_settings
from .kernels.linear import map_of
from .statistics import DTYPES
from .store import StoreError
from .trace import Memory, Trace, Variables, longest

__all__ = ["library_version", "result_of", "template"]

_log = logging.getLogger(__name__)
_OF_DRAWS = ("log_likelihood", "log_prior")  # what idata_kwargs may ask to be computed of the draws
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
    if in_warmup:  # there is nothing to compute these of
        keywords = {name: value for name, value in keywords.items() if name not in _OF_DRAWS}
    if isinstance(sink, Memory):
        trace = sink.trace(chains, length, seconds)
        idata = pm.to_inference_data(trace, **{"save_warmup": in_warmup or not discard_tuned_samples, **keywords})
        idata = _relabelled(idata, chains)
    else:
        sink.add_seconds(seconds)
        idata = _completed(sink.tree(chains, length), keywords)
    adapted = _describe(idata, run, chains)
    if not quiet:
        _log.info("%d chains of %d + %d draws took %.1f seconds.", len(chains), tune, length - tune, seconds)
        _log.info("Chosen in warm-up: %s.", _chosen(adapted))
    if check and "posterior" in idata.children:
        try:
            found = run_convergence_checks(_thinned(idata), keywords["model"])
        except KeyboardInterrupt:  # of the checks, not of the draws, which are all here
            found = []
        if not quiet:
            log_warnings(found)
    return idata


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


def _completed(idata: xr.DataTree, keywords: Mapping[str, Any]) -> xr.DataTree:
    """With what `pymc.to_inference_data` would have computed of the draws."""
    for name, compute in (("log_likelihood", compute_log_likelihood), ("log_prior", compute_log_prior)):
        if wanted := keywords.get(name):
            var_names = None if wanted is True else wanted
            idata = compute(idata, var_names=var_names, model=keywords["model"], progressbar=False)
    return idata


def template(variables: Variables, position: np.ndarray, keywords: Mapping[str, Any]) -> xr.DataTree:
    """A result of one draw of warm-up and one of sampling, to make a store by."""
    values = {name: np.stack([value, value])[None] for name, value in variables.at(position).items()}
    stats = {name: np.zeros((1, 2), dtype) for name, dtype in DTYPES.items()}
    keywords = {name: value for name, value in keywords.items() if name not in _OF_DRAWS}
    return pm.to_inference_data(Trace(values, stats, 1, 0.0), **{**keywords, "save_warmup": True})


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
    adapted: dict[str, Any] = {"step_size": float(np.exp(snapshot["learning"]["step"][1]))}
    tuner = Tuner(run.settings, run.target.dim)
    tuner.restore(snapshot["tuner"])
    adapted |= {**tuner.choice, "metric": run.settings.metric.kind(map_of(snapshot["metric"]))}
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
