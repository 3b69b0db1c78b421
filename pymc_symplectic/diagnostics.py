"""The cost of a run and the effective draws it gave: gradients, effective sample sizes, and samplers side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["GradientCount", "compare", "gradients", "min_ess"]

_SAMPLE = ("chain", "draw")
_KINDS = ["bulk", "tail", "squares"]
_STEPS = ("n_steps", "tree_size", "num_integration_steps", "num_steps")
# Gradients per draw beside one per leapfrog step: PyMC evaluates the start of each trajectory again.
_BESIDE_STEPS: Mapping[str, int] = {"pymc": 1, "nutpie": 0, "numpyro": 0, "blackjax": 0}
# Statistics that one library alone records, which are surer than an attribute.
_SIGNATURES = {"process_time_diff": "pymc", "mean_tree_accept_sym": "nutpie", "num_integration_steps": "blackjax"}


class GradientCount(NamedTuple):
    """How many gradients of the log density a run evaluated, over all chains; NaN where that cannot be known."""

    sampling: float
    warmup: float
    notes: tuple[str, ...] = ()


def compare(samplers: Mapping[Any, xr.DataTree], var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Samplers side by side: the cost of each run, and its effective draws.

    Parameters
    ----------
    samplers : mapping of name to DataTree
        Results of `pymc.sample` (this package's samplers, PyMC's, nutpie, NumPyro, BlackJAX), of ``nutpie.sample`` or
        of ``arviz_base.from_numpyro``.
    var_names : str or sequence of str, optional
        Which variables of the posterior are scored; by default all.

    Returns
    -------
    pandas.DataFrame
        A row for each sampler, also for one without draws.  What cannot be known is NaN, and `notes` says why.

        - ``chains``, ``draws``: chains, and draws of each after warm-up.
        - ``gradients``, ``warmup_gradients``: evaluations of the gradient by all chains, see `gradients`.
        - ``values``, ``warmup_values``: evaluations of the log-density without its gradient, ``n_values``; where no run
          has any, these columns are left out.
        - ``divergences``: after warm-up.
        - ``max_r_hat``: the largest rank-normalized split R-hat [1]_.
        - ``min_bfmi``: the smallest E-BFMI of a chain [2]_.
        - ``min_ess_bulk``, ``min_ess_tail``, ``min_ess_squares``: see `min_ess`; ``min_ess`` is the least of the three.
        - ``min_ess_per_1000_gradients``: of those after warm-up; ``..._with_warmup``: of all.
        - ``min_ess_per_second``: of the time in which any chain was past its warm-up, which PyMC's own samplers record;
          ``..._with_warmup``: of ``time``.
        - ``time``: seconds of warm-up and sampling, the attribute ``sampling_time``, which has in it what is compiled
          then: by JAX, and by PyMC's worker processes.
        - ``notes``: what is not known or was left out, and why.

    Raises
    ------
    TypeError
        When `samplers` is not a mapping, or one of its values is not a DataTree.
    ValueError
        When `samplers` is empty, or a posterior lacks one of `var_names`.

    References
    ----------
    .. [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner (2021). Rank-normalization, folding, and
       localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667-718.
    .. [2] M. Betancourt (2016). Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo.
       arXiv:1604.00695.

    Examples
    --------
    >>> import numpy as np, arviz_base
    >>> statistics = {"n_gradients": np.full((4, 500), 3), "diverging": np.zeros((4, 500), bool)}
    >>> posterior = {"x": np.random.default_rng(1).normal(size=(4, 500))}
    >>> table = compare({"HMC": arviz_base.from_dict({"posterior": posterior, "sample_stats": statistics})})
    >>> table.loc["HMC", ["chains", "draws", "gradients", "divergences"]].tolist()
    [4, 500, 6000, 0]
    """
    if isinstance(samplers, xr.DataTree) or not isinstance(samplers, Mapping):
        raise TypeError(f"samplers must be a mapping of names to DataTrees, got a {type(samplers).__name__}")
    if not samplers:
        raise ValueError("samplers is empty: there is nothing to compare")
    runs = [_Run(idata, f"samplers[{name!r}]") for name, idata in samplers.items()]
    rows = [_row(run, var_names) for run in runs]
    common: set[str] = set.intersection(*([set(run.variables) for run in runs if run.variables] or [set()]))
    for run, row in zip(runs, rows, strict=True):
        if more := set(run.variables) - common:
            run.notes.append(f"not every posterior has {_some(more)}: give var_names")
        row["notes"] = "; ".join(run.notes)
    table = pd.DataFrame(rows, index=pd.Index(list(samplers), name="sampler"))
    alone = ["values", "warmup_values"]
    return table if table[alone].to_numpy().any() else table.drop(columns=alone)


def min_ess(idata: xr.DataTree, var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    r"""The smallest effective sample sizes of bulk, tail and squares, and the variables that have them.

    Parameters
    ----------
    idata : DataTree
        With a group ``posterior`` of dimensions ``chain`` and ``draw``.
    var_names : str or sequence of str, optional
        Which variables of the posterior are scored; by default all.

    Returns
    -------
    pandas.DataFrame
        Rows ``bulk``, ``tail`` and ``squares``; columns ``ess`` and ``variable``, NaN and None without draws to score.
        ``attrs["notes"]`` says what was left out.

    Notes
    -----
    Each element of each variable is scored, on the scale that the posterior has it on.  Bulk and tail are those of
    Vehtari et al. (2021, see `compare`): of the rank-normalized draws, and the lesser of the 5 % and 95 % quantiles.
    Squares is the bulk ESS of

    .. math:: (x_i - \bar x)^2, \qquad \bar x \text{ the mean over all chains and draws},

    which tells how well the second moment is known.  Trajectories of one length make successive draws antithetic, and
    the bulk ESS larger than the number of draws, while the distance from the mean hardly changes: squares show that.

    Left out are elements that are constant up to rounding, as the diagonal of a correlation matrix is, or NaN
    throughout.  One that is not finite in some draws has no ESS, and so leaves no minimum.
    """
    run = _Run(idata, "idata")
    result = _least(_scores(_draws(run, var_names)))
    result.attrs["notes"] = run.notes
    return result


def gradients(idata: xr.DataTree) -> GradientCount:
    """How many gradients of the log density a run evaluated, over all chains.

    Parameters
    ----------
    idata : DataTree
        With a group ``sample_stats``, and ``warmup_sample_stats`` where warm-up was kept.

    Returns
    -------
    GradientCount
        Counts of ``sampling`` and ``warmup``, and ``notes``.  What cannot be known is NaN, and a note says why.

    Notes
    -----
    This package records its gradients as ``n_gradients``.  The others record leapfrog steps, each of which takes one
    gradient, and count those of a subtree that NUTS discards.  PyMC evaluates the gradient once more where a trajectory
    starts; nutpie, NumPyro and BlackJAX keep it from the draw before.

    What these others evaluate outside of trajectories is not recorded: initial points, and in warm-up the searches for
    a step size of nutpie and NumPyro.  Chains that JAX runs as one vector wait for the longest trajectory among them;
    counted are the steps that each has used.
    """
    run = _Run(idata, "idata")
    sampling, warmup = _gradients(run)
    return GradientCount(sampling, warmup, tuple(run.notes))


class _Run:
    """The recorded groups of a run, groups that it lacks being empty, and the notes that gather as it is read."""

    def __init__(self, idata: xr.DataTree, name: str) -> None:
        if not isinstance(idata, xr.DataTree):
            raise TypeError(f"{name} must be an xarray.DataTree, as pymc.sample returns, got a {type(idata).__name__}")
        groups = ("posterior", "sample_stats", "warmup_sample_stats")
        found = [idata[group].to_dataset() if group in idata.children else xr.Dataset() for group in groups]
        self.posterior, (self.stats, self.warmup) = found[0], [g[[v for v in g if _sampled(g[v])]] for g in found[1:]]
        self.attrs = {**found[1].attrs, **found[0].attrs}
        signs = [library for sign, library in _SIGNATURES.items() if sign in self.stats]
        self.library = signs[0] if signs else str(self.attrs.get("inference_library", "")).lower()
        self.name, self.notes, self.variables = name, list[str](), list[str]()

    def unknown(self, why: str) -> float:
        """NaN, and a note."""
        self.notes.append(why)
        return math.nan


def _row(run: _Run, var_names: str | Sequence[str] | None) -> dict[str, Any]:
    """The numbers of one run."""
    scores = _scores(_draws(run, var_names))
    least = _least(scores)["ess"]
    worst = least.min(skipna=False)
    sampling, warmup = _gradients(run)
    time, sampling_time = _times(run)
    costs = {"1000_gradients": sampling / 1000, "1000_gradients_with_warmup": (sampling + warmup) / 1000}
    costs |= {"second": sampling_time, "second_with_warmup": time}
    divergences = next((run.stats[name] for name in ("diverging", "is_divergent") if name in run.stats), None)
    return {
        "chains": run.posterior.sizes.get("chain", 0),
        "draws": run.posterior.sizes.get("draw", 0),
        "gradients": sampling,
        "warmup_gradients": warmup,
        "values": _values(run.stats),
        "warmup_values": _values(run.warmup),
        "divergences": run.unknown("no divergences recorded") if divergences is None else int(divergences.sum()),
        "max_r_hat": scores["r_hat"].max(),
        "min_bfmi": _min_bfmi(run),
        **{f"min_ess_{kind}": least[kind] for kind in _KINDS},
        "min_ess": worst,
        **{f"min_ess_per_{unit}": worst / cost if cost > 0 else math.nan for unit, cost in costs.items()},
        "time": time,
    }


def _draws(run: _Run, var_names: str | Sequence[str] | None) -> xr.DataArray:
    """The draws to score, of dimensions chain, draw and label."""
    from arviz_base import dataset_to_dataarray  # slow to import, and needed by few

    nothing = xr.DataArray(np.empty((0, 0, 0)), dims=(*_SAMPLE, "label"))
    asked = [var_names] if isinstance(var_names, str) else list(run.posterior if var_names is None else var_names)
    if run.posterior and (absent := set(asked) - set(run.posterior)):
        raise ValueError(f"the posterior of {run.name} has no {_some(absent)}; it has {_some(run.posterior, 20)}")
    run.variables = [str(v) for v in asked if v in run.posterior and _sampled(run.posterior[v])]
    if not run.variables:
        run.notes.append("no draws to score")
        return nothing
    draws = dataset_to_dataarray(run.posterior[run.variables], sample_dims=_SAMPLE).transpose(*_SAMPLE, "label")
    labels, values = draws["label"].values, draws.values if draws.dtype.kind == "f" else draws.values.astype(float)
    missing, finite = np.isnan(values).all((0, 1)), np.isfinite(values).all((0, 1))
    constant = missing | (finite & ~_varies(values))
    if constant.any():
        run.notes.append(f"left out, constant: {_some(labels[constant])}")
    if (broken := ~finite & ~missing).any():
        run.notes.append(f"no ESS and R-hat, for draws that are not finite: {_some(labels[broken])}")
        return nothing
    if draws.sizes["draw"] < 4:
        run.notes.append("no ESS and R-hat, for fewer than 4 draws a chain")
    elif draws.sizes["chain"] == 1:
        run.notes.append("no R-hat, for a single chain")
    return draws.astype(float)[:, :, ~constant]


def _scores(draws: xr.DataArray) -> pd.DataFrame:
    """ESS of bulk, tail and squares, and R-hat, of each label."""
    import arviz_stats

    if not draws.size:
        return pd.DataFrame(columns=[*_KINDS, "r_hat"], dtype=float)
    centred = draws - draws.mean(_SAMPLE)
    squares = (centred / abs(centred).max(_SAMPLE)) ** 2  # scaled, which changes no rank, so that none underflows
    with np.errstate(all="ignore"):
        scores = {
            "bulk": arviz_stats.ess(draws, sample_dims=_SAMPLE, method="bulk"),
            "tail": arviz_stats.ess(draws, sample_dims=_SAMPLE, method="tail", prob=(0.05, 0.95)),
            "squares": arviz_stats.ess(squares, sample_dims=_SAMPLE, method="bulk").where(_varies(squares.values)),
            "r_hat": arviz_stats.rhat(draws, sample_dims=_SAMPLE, method="rank"),
        }
    return pd.DataFrame({name: score.values for name, score in scores.items()}, index=draws["label"].values)


def _least(scores: pd.DataFrame) -> pd.DataFrame:
    """The smallest ESS of each kind, and the label that has it."""
    where = [scores[kind].idxmin() if scores[kind].notna().any() else None for kind in _KINDS]
    return pd.DataFrame({"ess": scores[_KINDS].min(), "variable": pd.Series(where, index=_KINDS, dtype=object)})


def _gradients(run: _Run) -> tuple[float, float]:
    """The gradients after warm-up, and of warm-up."""
    sampling = _count(run, run.stats)
    if run.attrs.get("tuning_steps") == 0:
        return sampling, 0
    if math.isnan(sampling):
        return sampling, math.nan
    if not run.warmup:
        return sampling, run.unknown("warm-up was not kept, so not counted")
    if run.library == "nutpie":
        run.notes.append("warm-up gradients lack nutpie's searches for a step size, some ten a chain")
    return sampling, _count(run, run.warmup)


def _count(run: _Run, stats: xr.Dataset) -> float:
    """The gradients of one group of statistics."""
    name = next((name for name in ("n_gradients", *_STEPS) if name in stats), None)
    if name is None:
        return run.unknown("gradients are not known, for neither they nor leapfrog steps are recorded")
    if name == "n_gradients" and "largest_eigval" in stats:
        return run.unknown("gradients are not known where steps of this package and PyMC's are mixed")
    if name != "n_gradients" and run.library not in _BESIDE_STEPS:
        return run.unknown(f"gradients are not known, nor what {name} counts in {run.library or 'this library'}")
    if (np.diff(stats["draw"]) != 1).any() or not np.isfinite(stats[name]).all():
        return run.unknown(f"gradients are not known, for {name} lacks draws (thinned?) or values")
    return int((stats[name] + (0 if name == "n_gradients" else _BESIDE_STEPS[run.library])).sum())


def _values(stats: xr.Dataset) -> int:
    """The log-densities without a gradient of one group of statistics."""
    return int(stats["n_values"].sum()) if "n_values" in stats else 0


def _min_bfmi(run: _Run) -> float:
    """The smallest E-BFMI of a chain."""
    import arviz_stats

    if "energy" not in run.stats:
        return run.unknown("no E-BFMI, for energies are not recorded")
    if "path_length" in run.stats and "largest_eigval" in run.stats:
        return run.unknown("no E-BFMI, for PyMC's HamiltonianMC records the energies of refused proposals")
    with np.errstate(all="ignore"):
        least = float(np.min(arviz_stats.bfmi(run.stats["energy"].astype(float), sample_dims=_SAMPLE)))
    return least if math.isfinite(least) else run.unknown("no E-BFMI, for energies that do not vary or are missing")


def _times(run: _Run) -> tuple[float, float]:
    """Seconds of the whole run, and of the part after warm-up."""
    whole = float(run.attrs.get("sampling_time") or math.nan)
    if math.isnan(whole):
        return whole, run.unknown("no attribute sampling_time")
    if {"perf_counter_start", "perf_counter_diff"} <= set(run.stats):
        starts = run.stats["perf_counter_start"]
        ends, inner = starts + run.stats["perf_counter_diff"].values, set(starts.dims) - {"chain"}
        return whole, _covered(starts.min(inner).values, ends.max(inner).values)
    if run.attrs.get("tuning_steps") == 0:
        return whole, whole
    compiling = "compilation and " if run.library in ("numpyro", "blackjax") else ""
    return whole, run.unknown(f"time includes {compiling}warm-up, which was not timed apart")


def _covered(starts: np.ndarray, ends: np.ndarray) -> float:
    """The length of a union of intervals."""
    order = np.argsort(starts)
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    return float(reached[-1] - starts[0] - np.maximum(starts[1:] - reached[:-1], 0).sum())


def _sampled(values: xr.DataArray) -> bool:
    """Whether there is a number, or an array of them, for each draw."""
    return set(_SAMPLE) <= set(values.dims) and values.dtype.kind in "biuf" and values.size > 0


def _varies(values: np.ndarray) -> np.ndarray:
    """Whether the draws of each label differ by more than a few rounding errors."""
    return np.ptp(values, axis=(0, 1)) > 8 * np.finfo(values.dtype).eps * abs(values).max((0, 1))


def _some(names: Iterable[Any], most: int = 4) -> str:
    names = sorted(map(str, names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
