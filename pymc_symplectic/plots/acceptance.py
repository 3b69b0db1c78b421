"""Acceptance and step size of runs, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..diagnostics import gradients
from .style import GOOD, POOR, ink, panels, plain_log, styled

__all__ = ["acceptance"]

# What PyMC, ArviZ and other libraries call them.
_ACCEPTANCE = ("acceptance_rate", "mean_tree_accept", "accept", "accept_prob", "mean_tree_accept_sym")
_STEP_SIZE = ("step_size", "step_size_bar")
_STEPS = ("n_steps", "tree_size", "num_integration_steps", "num_steps")
_PANELS = ("acceptance", "step size")
_LEGEND = {
    "ncols": 3,
    "columnspacing": 1.2,
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "borderpad": 0,
    "handlelength": 1.2,
}


@styled
def acceptance(runs: Mapping[Any, xr.DataTree], *, ax: Any = None) -> np.ndarray:
    r"""
    The acceptance probability and the step size of each of several runs, as of one model by several integrators.

    Parameters
    ----------
    runs : mapping of name to DataTree
        Results of `pymc.sample`; the group ``sample_stats`` is read.
    ax : sequence of two matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    ndarray of two matplotlib Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    TypeError
        When `runs` is not a mapping, or one of its values is not a DataTree.
    ValueError
        When there are no runs, or one lacks a statistic; the message names it.

    Notes
    -----
    On the left are the mean of all draws (bar), that of each chain (dots), and the middle 90 % of draws (line). On the
    right is the step size ε of each chain (dots) and, hollow, that of all chains for each gradient that a step takes,

    .. math:: \frac{\sum_n \varepsilon_n \, (\text{steps})_n}{\text{gradients}},

    which is what steps of several gradients are compared by; it is left out where gradients are not known (see
    `pymc_symplectic.gradients`).

    Examples
    --------
    >>> import arviz_base, numpy as np
    >>> from pymc_symplectic import plots
    >>> accept = np.random.default_rng(1).beta(8, 2, size=(4, 100))
    >>> stats = {"acceptance_rate": accept, "step_size": np.full((4, 100), 0.5)}
    >>> axes = plots.acceptance({"leapfrog": arviz_base.from_dict({"sample_stats": stats})})
    """
    if isinstance(runs, xr.DataTree) or not isinstance(runs, Mapping):
        raise TypeError(f"runs must be a mapping of names to DataTrees, got a {type(runs).__name__}")
    if not runs:
        raise ValueError("runs is empty: there is nothing to draw")
    read = {str(name): _statistics(f"runs[{name!r}]", idata) for name, idata in runs.items()}
    left, right = axes = panels(ax, _PANELS, size=(7.6, 1.3 + 0.42 * len(read)), sharey=True)
    for row, (accept, eps, travel) in enumerate(read.values()):
        middle = np.quantile(accept, [0.05, 0.95])
        dots = {"linestyle": "none", "marker": "o", "ms": 5, "mew": 0, "color": GOOD, "alpha": 0.8}
        left.plot(middle, [row, row], color=GOOD, lw=1.5, alpha=0.4, label="middle 90 % of draws")
        left.plot(accept.mean(), row, color=ink(), marker="|", ms=14, mew=1.8, linestyle="none", label="mean")
        left.plot(accept.mean(axis=1), np.full(len(accept), row), **dots)
        right.plot(eps, np.full(eps.size, row), **dots, label="chains")
        if math.isfinite(travel):
            look = {"linestyle": "none", "marker": "o", "ms": 8, "mfc": "none", "mew": 1.5, "color": POOR}
            right.plot(travel, row, **look, label="for each gradient")
    left.set(yticks=range(len(read)), yticklabels=list(read), ylim=(len(read) - 0.5, -0.5))
    left.set(xlabel="acceptance probability", xlim=(min(left.get_xlim()[0], 0.5), 1.01))
    right.set(xlabel="step size ε", xscale="log")
    right.margins(x=0.1)
    plain_log(right.xaxis)
    for each in axes:
        each.tick_params(axis="y", length=0)
        handles, labels = each.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))
        each.legend(once.values(), once.keys(), **_LEGEND)
    return axes


def _statistics(name: str, idata: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Acceptance (chain, draw), mean step size of each chain, and time per gradient or NaN."""
    if not isinstance(idata, xr.DataTree):
        raise TypeError(f"{name} must be an xarray.DataTree, as pymc.sample returns, got a {type(idata).__name__}")
    stats = idata["sample_stats"].to_dataset() if "sample_stats" in idata.children else xr.Dataset()
    accept = _read(name, stats, "acceptance probability", _ACCEPTANCE)
    eps = _read(name, stats, "step size", _STEP_SIZE)
    travel = math.nan
    steps = next((stats[s] for s in _STEPS if s in stats and set(stats[s].dims) == {"chain", "draw"}), None)
    if steps is not None:
        spent = gradients(idata).sampling
        travel = float((eps * steps.transpose("chain", "draw").values).sum() / spent) if spent > 0 else math.nan
    return accept, eps.mean(axis=1), travel


def _read(name: str, stats: xr.Dataset, what: str, names: tuple[str, ...]) -> np.ndarray:
    found = next((stats[s] for s in names if s in stats and set(stats[s].dims) == {"chain", "draw"}), None)
    if found is None:
        has = f"it has {', '.join(sorted(map(str, stats)))}" if stats else "it has none"
        raise ValueError(
            f"{name} has no {what} of dimensions chain and draw among its sample_stats "
            f"({' or '.join(names[:2])}); {has}"
        )
    return found.transpose("chain", "draw").values.astype(float)
