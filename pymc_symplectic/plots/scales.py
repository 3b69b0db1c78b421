"""Mean and standard deviation of each parameter, as runs have learned them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..knowledge import Learned, LearnedChain
from .arguments import places_of
from .style import ink, looks, panels, plain_log, styled

__all__ = ["scales"]

_MOST = 60  # parameters, beyond which no line of text has room


@styled
def scales(learned: Learned, var_names: str | Iterable[str] | None = None, *, ax: Any = None) -> np.ndarray:
    r"""
    Mean and standard deviation of each unconstrained parameter, as each chain has learned them.

    Parameters
    ----------
    learned : Learned
        By `pymc_symplectic.learned`.
    var_names : str or iterable of str, optional
        Names of unconstrained variables, ``"sigma_log__"``; by default all.
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
        When `learned` is not one.
    ValueError
        When one of `var_names` is not there, or there are more than 60 parameters to draw.

    Notes
    -----
    On the left is the standard deviation, on the right the mean, with a line of one standard deviation to both sides,
    where one was fitted. Dots are chains, and bars what they have learned together, where they agree. Both are in the
    coordinates that chains move in: those of the model, or partly non-centered ones.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x", sigma=[1.0, 10.0])
    ...     quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
    ...     idata = ps.sample(100, chains=2, random_seed=1, **quiet)
    >>> axes = ps.plots.scales(ps.learned(idata))
    """
    rows = places_of(learned, var_names)
    if len(rows) > _MOST:
        raise ValueError(f"var_names: {len(rows)} parameters have no room beside each other; name some, up to {_MOST}")
    labels = [learned.labels[j] for j in rows]
    left, right = axes = panels(ax, ("standard deviation", "mean"), size=(7.6, 1.1 + 0.22 * len(rows)), sharey=True)
    for number, chain in enumerate(learned.chains):
        look = {**looks(len(learned.chains))[number], "linestyle": "none", "ms": 5, "mew": 0, "alpha": 0.8}
        left.plot(chain.scale[rows], range(len(rows)), label=f"chain {number}", **look)
        if chain.mean is not None:
            right.plot(chain.mean[rows], range(len(rows)), **look)
    if learned.pooled is not None:
        _bars(left, right, learned.pooled, rows)
    left.set(yticks=range(len(rows)), yticklabels=labels, ylim=(len(rows) - 0.5, -0.5), xscale="log")
    left.set(xlabel="standard deviation")
    right.set(xlabel="mean ± standard deviation")
    left.margins(x=0.1)
    plain_log(left.xaxis)
    for each in axes:
        each.tick_params(axis="y", length=0)
    left.legend(ncols=min(len(learned.chains) + 1, 5), loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)
    return axes


def _bars(left: Any, right: Any, pooled: LearnedChain, rows: np.ndarray) -> None:
    """What is pooled, behind the dots of chains."""
    places = np.arange(len(rows))
    bar = {"color": ink(), "marker": "|", "ms": 12, "mew": 1.5, "linestyle": "none"}
    left.plot(pooled.scale[rows], places, label="pooled", **bar)
    if pooled.mean is not None:
        mean, width = pooled.mean[rows], pooled.scale[rows]
        right.plot(mean, places, **bar)
        right.hlines(places, mean - width, mean + width, color=ink(), lw=1.5, alpha=0.4)
