"""How all plots look: colours, lines, the axes they are drawn on, and labels that keep clear of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "GOOD",
    "PALETTE",
    "POOR",
    "Look",
    "halo",
    "ink",
    "label_lines",
    "looks",
    "one_panel",
    "panels",
    "plain_log",
    "pyplot",
    "styled",
    "widened",
]

type Look = Mapping[str, Any]
"""Keywords of a matplotlib line: its colour, line style and marker."""

PALETTE: Mapping[str, str] = MappingProxyType(
    {
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "green": "#009E73",
        "purple": "#CC79A7",
        "sky": "#56B4E9",
        "orange": "#E69F00",
        "grey": "#7F7F7F",
    }
)
"""Colours that stay apart for all kinds of colour vision, those of lines in the order in which they are taken.

References
----------
.. [1] M. Okabe, K. Ito (2008). Color universal design. University of Tokyo; without its yellow, which is too pale for a
   line, and with grey for black.
"""

GOOD, POOR = PALETTE["blue"], PALETTE["vermilion"]
"""Colours of results as they should be, and of those that are not, where two are enough."""

_LINES = ("-", "--", ":")
_MARKERS = "osD^vPX"

# What is not named here (fonts and their sizes, the background, the size of figures) is the reader's own choice.
_RC: Mapping[str, Any] = MappingProxyType(
    {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": "medium",
        "axes.grid": False,
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "legend.fontsize": "small",
        "lines.solid_capstyle": "round",
    }
)
_LINE_HEIGHT = 1.25  # of text, in sizes of its font
_POINTS = 72.0  # to an inch


def pyplot() -> Any:
    """`matplotlib.pyplot`, which is imported when something is first drawn.

    Raises
    ------
    ImportError
        When matplotlib is not installed; the message says how to install it.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib, which comes with this package and cannot be imported "
            f"({error}): pip install --force-reinstall matplotlib"
        ) from error
    return plt


def styled[**P, R](plot: Callable[P, R]) -> Callable[P, R]:
    """The same plot, drawn in the style of the package; settings of matplotlib are left as they were."""

    @wraps(plot)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with pyplot().rc_context(dict(_RC)):
            return plot(*args, **kwargs)

    return drawn


def ink() -> str:
    """The colour of text, which stands out from the background that the reader has chosen."""
    return str(pyplot().rcParams["text.color"])


def halo(background: str | None = None) -> list[Any]:
    """Effects of a text that is read over lines: it stands out from them by a rim in the colour of the background."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=3, foreground=background or pyplot().rcParams["axes.facecolor"])]


def looks(count: int) -> list[Look]:
    """Looks of so many lines: all colours first, then all again with another line style."""
    colours = list(PALETTE.values())
    return [
        {
            "color": colours[i % len(colours)],
            "linestyle": _LINES[i // len(colours) % len(_LINES)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i in range(count)
    ]


def panels(
    ax: Any,
    names: Sequence[str],
    *,
    columns: int | None = None,
    size: tuple[float, float] | None = None,
    **options: Any,
) -> np.ndarray:
    """
    The axes to draw on: those that are given, or those of a new figure.

    Parameters
    ----------
    ax : Axes, or sequence of Axes, or None
        What the user has given.
    names : sequence of str
        What each panel shows.
    columns : int, optional
        Of a new figure; by default all panels are in one row.
    size : pair of float, optional
        Of a new figure, in inches; by default matplotlib's own.
    **options
        For `matplotlib.pyplot.subplots`.

    Returns
    -------
    ndarray of Axes
        One to each panel.

    Raises
    ------
    TypeError
        When something else than Axes is given.
    ValueError
        When there are more or fewer of them than panels.
    """
    plt = pyplot()
    count = len(names)
    if ax is None:
        columns = min(columns or count, count)
        _, grid = plt.subplots(-(-count // columns), columns, figsize=size, squeeze=False, **options)
        for column, spare in enumerate(grid[-1]):
            if (len(grid) - 1) * columns + column >= count:
                spare.remove()
                grid[-2, column].tick_params(labelbottom=True)  # it has become the lowest
        return grid.ravel()[:count]
    given = np.array(ax, dtype=object).ravel()
    for each in given:
        if not hasattr(each, "transAxes"):
            wanted = "Axes of matplotlib, as plt.subplots returns" + ("" if count == 1 else f", {count} of them")
            raise TypeError(f"ax must be {wanted}, got {type(each).__name__}")
    if len(given) != count:
        shown = f" ({', '.join(names)})" if count > 1 else ""
        raise ValueError(
            f"ax: this plot has {count} panel{'s' if count > 1 else ''}{shown}, and takes as many Axes, got "
            f"{len(given)}; give {count}, or leave ax out for a new figure"
        )
    return given


def one_panel(ax: Any, *, size: tuple[float, float] | None = None) -> Axes:
    """The one Axes to draw on: see `panels`."""
    return panels(ax, ["the plot"], size=size)[0]


def label_lines(ax: Axes, labels: Mapping[str, tuple[float, Any]]) -> None:
    """
    Write labels beside the right end of the lines that they belong to, moved apart where they would touch.

    Call it when the limits of the axes are what they will be.

    Parameters
    ----------
    ax : Axes
    labels : mapping of str to (float, colour)
        Where each line ends, in units of the data, and its colour.

    Notes
    -----
    The places y' of the labels are as near to the ends y as can be, in least squares, subject to a distance of one line
    of text from each to the next: an isotonic regression of y less the distances.
    """
    from scipy.optimize import isotonic_regression

    if not labels:
        return
    font = pyplot().rcParams["font.size"] * 0.9
    height = ax.get_window_extent().height / ax.figure.dpi * _POINTS
    gap = font * _LINE_HEIGHT / height
    low, high = sorted(ax.get_ylim())
    ends = {label: float(np.clip(y, low, high)) for label, (y, _) in labels.items()}
    order = sorted(ends, key=lambda label: ends[label])
    to_axes = ax.transData + ax.transAxes.inverted()
    at = np.array([to_axes.transform((ax.get_xlim()[1], ends[label]))[1] for label in order])
    steps = gap * np.arange(len(order))
    places = isotonic_regression(at - steps).x + steps
    for label, here, place in zip(order, at, places, strict=True):
        colour = labels[label][1]
        ax.annotate(
            label,
            (1.0, ends[label]),
            xycoords=ax.get_yaxis_transform(),  # x in parts of the axes, y in data
            xytext=(15, (place - here) * height),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.8, "relpos": (0, 0.5), "shrinkA": 2, "shrinkB": 2},
            annotation_clip=False,
            color=colour,
            va="center",
            fontsize=font,
        )


def widened(low: float, high: float, margin: float) -> tuple[float, float]:
    """A range widened by a part of its length at both ends, and by something where it has no length."""
    width = (high - low) or max(abs(high), 1.0)
    return low - margin * width, high + margin * width


def plain_log(axis: Any) -> None:
    """Plain numbers at the ticks of a logarithmic axis: at 1, 2 and 5, at more of a short one and fewer of a long one.

    Call it when the limits of the axes are what they will be.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    subs = (1, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5) if high < 1e3 * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
