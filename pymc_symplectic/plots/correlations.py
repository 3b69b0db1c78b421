"""Correlations of parameters, as a run has learned them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..knowledge import Learned
from .arguments import places_of
from .style import one_panel, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["correlations"]

_NAMED = 40  # parameters, up to which each has its name


@styled
def correlations(learned: Learned, var_names: str | Iterable[str] | None = None, *, ax: Any = None) -> Axes:
    """
    Correlations of the unconstrained parameters, by the metric that chains have learned together.

    Parameters
    ----------
    learned : Learned
        By `pymc_symplectic.learned`.
    var_names : str or iterable of str, optional
        Names of unconstrained variables, ``"sigma_log__"``; by default all.
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
        When `learned` is not one.
    ValueError
        When one of `var_names` is not there, or chains do not agree.

    Notes
    -----
    Red is positive, and blue negative, from -1 to 1; up to 40 parameters have their names. They are in the coordinates
    that chains move in: those of the model, or partly non-centered ones.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x", shape=2)
    ...     _ = pm.Normal("y", x.sum(), 0.3, observed=1.0)
    ...     quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
    ...     idata = ps.sample(100, chains=2, random_seed=1, **quiet)
    >>> ax = ps.plots.correlations(ps.learned(idata))
    """
    places = places_of(learned, var_names)
    table = learned.correlations.iloc[places, places]
    panel = one_panel(ax, size=(2.5 + 0.16 * min(len(places), _NAMED), 2.0 + 0.16 * min(len(places), _NAMED)))
    image = panel.imshow(table.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    if len(places) <= _NAMED:
        panel.set_xticks(range(len(places)), table.columns, rotation=90)
        panel.set_yticks(range(len(places)), table.index)
    else:
        panel.set(xlabel="parameter", ylabel="parameter")
    panel.tick_params(length=0)
    panel.figure.colorbar(image, ax=panel, label="correlation", shrink=0.8)
    return panel
