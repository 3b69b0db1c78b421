"""The result of a run: a DataTree as `pymc.sample` returns it, and warnings where something went wrong."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.exceptions import SamplingError

from ..adaptation.words import in_words
from ..diagnosis import odd_chains
from ..knowledge import Learned, LearnedChain
from ..knowledge.options import of_settings
from ..native.pymc import log_warnings, run_convergence_checks
from ..recorded import longest, without_skipped
from ..store import StoreError
from ..trajectories import Auto
from .conversion import Conversion
from .fingerprint import describe_settings, library_version
from .runner import Runner
from .task import Setup
from .until import Reached
from .warn import attempt, warn

__all__ = ["result_of", "so_far"]

_log = logging.getLogger(__name__)
_MOST_CHECKED = 2**25  # bytes of draws that convergence checks read
_MOST_NAMED = 3  # chains of which a warning says what they did


def result_of(runner: Runner, conversion: Conversion, check: bool, quiet: bool) -> xr.DataTree:
    """The result of a run, after warnings where something went wrong with it.

    Parameters
    ----------
    runner : Runner
        After its chains have ended.
    conversion : Conversion
    check : bool
        Whether to check convergence.
    quiet : bool
        Whether to log nothing.
    """
    sink, tune, seconds = runner.sink, runner.setup.tune, runner.seconds
    _raise_or_warn(runner)
    chains, length = runner.kept()
    in_warmup = length <= tune
    _check_ended(runner, chains, length)
    sink.add_seconds(seconds)
    _warn_of_other_data(runner, conversion)
    idata = sink.tree(chains, length)
    warmups = [runner.snapshots[chain]["end"] for chain in chains if chain in runner.snapshots]
    if not in_warmup:
        idata = without_skipped(idata, max(warmups, default=tune))
    if not in_warmup:  # draws of warm-up have nothing computed of them
        idata = conversion.complete(idata)
    learned = attempt("What was learned", "the draws are returned without it", _learned, runner, chains)
    if learned is not None:
        idata["learned"] = xr.DataTree(learned)
    adapted = attempt("The description of the run", "the draws are returned", _describe, idata, runner, chains)
    if not quiet:
        warmup = f"{min(warmups, default=tune)}"
        warmup += f" to {max(warmups)}" if len(set(warmups)) > 1 else ""
        _log.info("%d chains of %s + %d draws took %.1f seconds.", len(chains), warmup, max(length - tune, 0), seconds)
        if runner.setup.open_ended:
            _log.info("Warm-up ended: %s.", _counted([chain["ended"] for chain in adapted or []]))
        if runner.ended != "all draws are made":
            seen = f" ({runner.reached.words()})" if runner.reached is not None else ""
            _log.info("Sampling ended after %d draws of each chain: %s%s.", max(length - tune, 0), runner.ended, seen)
        if moved := [str(n) for n, chain in zip(chains, adapted or [], strict=False) if "moved" in chain]:
            which = f"Chain {moved[0]}" if len(moved) == 1 else f"Chains {', '.join(moved)}"
            _log.info("%s came to where next to nothing of the posterior is, and began anew where another was.", which)
        _log.info("Chosen in warm-up: %s.", _counted([in_words(chain) for chain in adapted or []]))
        hint = attempt("The look at what gradients take", "the draws are returned", _worth_a_surrogate, runner.setup)
        if hint:
            _log.info("%s", hint)
    if check and "posterior" in idata.children:
        instead = "the draws are returned; az.summary(idata) has R-hat and effective sample sizes"
        found = attempt("The check of convergence", instead, _checked, idata, runner.setup.target.model)
        if not quiet:
            log_warnings(found or [])
        instead = "the draws are returned; ps.diagnose(idata) has a table of the chains"
        if odd := attempt("The look at the chains", instead, _odd, idata, runner.setup.target.model):
            more = f" So do {len(odd) - _MOST_NAMED} more." if len(odd) > _MOST_NAMED else ""
            warn(f"{' '.join(odd[:_MOST_NAMED])}{more} ps.diagnose(idata) has a table of all chains.")
    return idata


def so_far(runner: Runner) -> xr.DataTree:
    """The draws of a run that goes on.

    Raises
    ------
    RuntimeError
        When there are none yet.
    """
    sink, tune = runner.sink, runner.setup.tune
    with sink.held():
        chains, length = longest([min(count, runner.setup.total) for count in sink.counts()], tune)
        if not length:
            raise RuntimeError("there are no draws yet")
        if length <= tune and not sink.returns_warmup:
            raise RuntimeError("there are no draws yet but of warm-up, which are not kept")
        idata = sink.tree(chains, length)
    if length <= tune:
        return idata
    ends = [runner.snapshots[chain]["end"] for chain in chains if chain in runner.snapshots]
    idata = without_skipped(idata, max(ends, default=tune))
    learned = _learned(runner, chains)
    if learned is not None:
        idata["learned"] = xr.DataTree(learned)
    return idata


def _warn_of_other_data(runner: Runner, conversion: Conversion) -> None:
    """Warn where the data of the model are not those that the run began with."""
    if names := conversion.replaced():
        whose = "are of those before" if runner.setup.target.native else "may be of either"
        warn(
            f"The data {', '.join(names)} of the model were replaced while the run went on. Draws {whose}, and a "
            "result in memory is without its groups of data. Give a run its own: ps.compile(model).with_data(...)."
        )


def _raise_or_warn(runner: Runner) -> None:
    """Raise an error of all chains, and warn of errors of some of them."""
    if not runner.errors:
        return
    for error in runner.errors.values():
        if isinstance(error, StoreError):
            raise error
    counts = [min(count, runner.setup.total) for count in runner.sink.counts()]
    chain, first = min(runner.errors.items())
    words = first if isinstance(first, SamplingError) else f"{type(first).__name__}: {first}"
    if len(runner.errors) == len(counts) or (runner.interrupted and not any(counts)):
        raise SamplingError(f"Chain {chain} failed, and so did all others: {words}") from first
    for chain, error in sorted(runner.errors.items()):
        warn(f"Chain {chain} failed after {counts[chain]} draws, and is left out: {error}")


def _check_ended(runner: Runner, chains: Sequence[int], length: int) -> None:
    """Warn of fewer draws than were asked for, and of goals that are not met; raise an error of no draws at all."""
    sink, tune, until, reached = runner.sink, runner.setup.tune, runner.until, runner.reached
    if not length:
        if runner.interrupted:
            raise KeyboardInterrupt
        raise SamplingError(f"Sampling ended before the first draw: {runner.ended}.")
    in_warmup = length <= tune
    early = runner.ended in ("stopped", "the time is over") and in_warmup
    if runner.interrupted or early:
        made = f"{length} draws of warm-up" if in_warmup else f"{length - tune} draws"
        kept = "kept" if in_warmup and not sink.returns_warmup else "returned"
        kept += ", and the same call goes on from here" if sink.resumable else ""
        how = "was interrupted" if runner.interrupted else f"ended in warm-up ({runner.ended})"
        warn(f"Sampling {how}: {made} of {len(chains)} chains are {kept}.")
    elif runner.ended != "stopped" and until is not None and reached is not None and not reached.met:
        what = f"until: {reached.draws} draws of each chain do not meet the goals"
        warn(f"{what}: {reached.words()}; {reached.lacking(until)}. They are returned.")


def _checked(idata: xr.DataTree, model: pm.Model) -> list[Any]:
    """PyMC's warnings of the convergence of the variables that are recorded."""
    kept = {name for name, variable in idata["posterior"].data_vars.items() if variable.size}
    free, derived = ([rv for rv in of if rv.name in kept] for of in (model.free_RVs, model.deterministics))
    if not kept:
        return []
    return run_convergence_checks(_thinned(idata), SimpleNamespace(free_RVs=free or derived, deterministics=derived))


def _odd(idata: xr.DataTree, model: pm.Model) -> list[str]:
    """What is said of chains that are elsewhere, by the free variables that are recorded, or by all there are."""
    free = [rv.name for rv in model.free_RVs if rv.name in idata["posterior"]]
    return odd_chains(_thinned(idata), free or None)


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


def _describe(idata: xr.DataTree, runner: Runner, chains: Sequence[int]) -> list[dict[str, Any]]:
    """Add to the attributes the library that made the draws, its options, and what each chain has adapted."""
    adapted = [_adapted(runner.setup, runner.snapshots[chain]) for chain in chains if chain in runner.snapshots]
    described: dict[str, Any] = {
        "options": describe_settings(runner.setup.settings),
        "chains": adapted,
        "thin": runner.setup.thin,
        "ended": runner.ended,
    }
    if runner.until is not None:
        described["until"] = {**asdict(runner.until), **_reached(runner.reached)}
    sampler = json.dumps(described)
    for name, group in idata.children.items():
        if name.removeprefix("warmup_") in ("posterior", "sample_stats"):
            group.attrs |= {
                "inference_library": "pymc_symplectic",
                "inference_library_version": library_version(),
                "sampler": sampler,
            }
    return adapted


def _reached(reached: Reached | None) -> dict[str, Any]:
    """What the draws have come to, as JSON has it."""
    if reached is None:
        return {}
    numbers = {"ess": reached.ess, "r_hat": reached.r_hat}
    finite: dict[str, Any] = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
    return {"met": reached.met, "reached": {**finite, "ess_of": reached.ess_of, "r_hat_of": reached.r_hat_of}}


def _learned(runner: Runner, chains: Sequence[int]) -> xr.Dataset | None:
    """What those chains have learned whose warm-up has ended; None where there are none."""
    ended = {n: runner.snapshots[n] for n in chains if n in runner.snapshots}
    ended = {n: state for n, state in ended.items() if "count" in state and state["count"] >= state["end"]}
    if not ended:
        return None
    setup = runner.setup
    found = [LearnedChain.of(state) for state in ended.values()]
    return Learned(setup.target.layout, of_settings(setup.settings), found).to_dataset(list(ended))


def _worth_a_surrogate(setup: Setup) -> str:
    """What to say where draws by a surrogate may be cheaper, by the clock, which no draw hangs on; "" otherwise."""
    settings, target = setup.settings, setup.target
    most, least = settings.policy.surrogate_told
    if type(settings.trajectory) is not Auto or not settings.kinetic.quadratic or not 0 < target.dim <= most:
        return ""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        target(target.default_start)
        taken.append(time.perf_counter() - began)
    if min(taken) < least:
        return ""
    return (
        f"A gradient takes {1000 * min(taken):.2g} ms, and there are {target.dim} parameters: "
        "trajectory='surrogate' may be several times as fast."
    )


def _counted(words: Sequence[str]) -> str:
    """What is said of the chains, and of how many of them each."""
    times = Counter(words)
    return "; ".join(f"{what} ({count} of {len(words)} chains)" for what, count in times.most_common())


def _adapted(setup: Setup, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Step size, metric, integrator, trajectory, and a kinetic energy that learns, as warm-up has left them."""
    kinetic = setup.settings.kinetic
    adapted: dict[str, Any] = dict(snapshot["choice"])
    if setup.open_ended:
        adapted["warmup"] = min(snapshot["end"], snapshot["count"])
        adapted["ended"] = snapshot["approach"]["reason"]
    if kinetic.adapts and adapted.get("energy", kinetic.name) == kinetic.name:
        record = kinetic.record(setup.target.dim)._replace(params=snapshot["kinetic"])
        adapted["speed_limit"] = kinetic.speed_limit(record) if np.isfinite(kinetic.speed_limit(record)) else None
        if hasattr(kinetic, "learned"):
            learned = kinetic.learned(record)._asdict()
            adapted["kinetic"] = {name: np.asarray(value).tolist() for name, value in learned.items()}
    return adapted
