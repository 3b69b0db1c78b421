"""The comparison of samplers as a picture: effective draws per gradient, or per second."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from .. import diagnostics
from ..names import choose
from .style import PALETTE, ink, one_panel, plain_log, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["compare"]

_KINDS: Mapping[str, tuple[str, str]] = {
    "bulk": (PALETTE["blue"], "o"),
    "tail": (PALETTE["orange"], "s"),
    "squares": (PALETTE["green"], "D"),
}
_NOTE = 60  # letters of a note that are shown
_PER = {"gradients": ("1000_gradients", "1000 gradients"), "second": ("second", "second")}


@styled
def compare(
    samplers: pd.DataFrame | Mapping[Any, xr.DataTree],
    *,
    per: str = "gradients",
    warmup: bool = False,
    sort: bool = True,
    ax: Axes | None = None,
) -> Axes:
    r"""
    Samplers side by side: effective sample sizes per 1000 gradients, of each kind.

    Parameters
    ----------
    samplers : DataFrame or mapping of name to DataTree
        The table that `pymc_symplectic.compare` makes, or what it makes it from.
    per : {"gradients", "second"}, optional
        What is spent.
    warmup : bool, optional
        Whether what warm-up has spent counts too.
    sort : bool, optional
        Whether the best sampler comes first, by the least of the three; otherwise the order is that of the table.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    TypeError
        When `samplers` is neither a table nor a mapping.
    ValueError
        When the table is empty or lacks a column; the message names it.

    Notes
    -----
    A dot is the smallest ESS over all parameters, of bulk, tail or squares (see `min_ess`), and the number beside each
    row the least of the three. Where it is not known, the row says why.

    Examples
    --------
    >>> import arviz_base, numpy as np
    >>> from pymc_symplectic import plots
    >>> draws = {"x": np.random.default_rng(1).normal(size=(4, 500))}
    >>> spent = {"n_gradients": np.full((4, 500), 3), "diverging": np.zeros((4, 500), bool)}
    >>> ax = plots.compare({"HMC": arviz_base.from_dict({"posterior": draws, "sample_stats": spent})})
    """
    unit, words = choose("per", per, _PER)
    table = samplers if isinstance(samplers, pd.DataFrame) else diagnostics.compare(samplers)
    rate = f"min_ess_per_{unit}{'_with_warmup' if warmup else ''}"
    needed = ["min_ess", rate, *(f"min_ess_{kind}" for kind in _KINDS)]
    if absent := [column for column in needed if column not in table]:
        raise ValueError(f"samplers: the table has no column {absent[0]!r}; make it by pymc_symplectic.compare")
    if not len(table):
        raise ValueError("samplers is empty: there is nothing to draw")
    if sort:
        table = table.sort_values(rate, ascending=False, kind="stable")
    each = table[rate].to_numpy(float) / table["min_ess"].to_numpy(float)  # one effective draw, in those units
    rates = {kind: table[f"min_ess_{kind}"].to_numpy(float) * each for kind in _KINDS}
    rows = np.arange(len(table))

    ax = one_panel(ax, size=(6.4, 1.5 + 0.42 * len(table)))
    values = np.array(list(rates.values()))
    known = np.isfinite(values).all(axis=0) & (values > 0).all(axis=0)
    ax.hlines(
        rows[known], values.min(axis=0)[known], values.max(axis=0)[known], color=ink(), alpha=0.25, lw=2, zorder=1
    )
    for kind, (colour, marker) in _KINDS.items():
        ax.plot(
            rates[kind][known], rows[known], linestyle="none", color=colour, marker=marker, ms=7, label=kind, zorder=2
        )
    for row in rows[~known]:
        notes = shorten(str(table["notes"].iloc[row]), _NOTE, placeholder=" ...") if "notes" in table else ""
        text = f"not known: {notes}" if notes else "not known"
        ax.text(0.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize="small", style="italic")
    for row, least in zip(rows[known], values.min(axis=0)[known], strict=True):
        place: dict[str, Any] = {"xytext": (-9, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        ax.annotate(f"{least:.2g}" if least < 100 else f"{least:.0f}", (least, row), **place, fontsize="small")
    ax.set(xscale="log", yticks=rows, yticklabels=[str(name) for name in table.index], ylim=(len(rows) - 0.5, -0.5))
    ax.margins(x=0.12)
    if known.any():
        plain_log(ax.xaxis)
    ax.set_xlabel(f"smallest effective sample size per {words}" + (", warm-up included" if warmup else ""))
    ax.tick_params(axis="y", length=0)
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, handletextpad=0.2)
    return ax
