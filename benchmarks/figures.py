"""The style of figures of results: colours, markers and bare axes."""

from collections.abc import Iterable
from typing import Any

__all__ = ["bare", "looks", "plain_numbers"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")  # Okabe and Ito
MARKERS = "osD^vPX*"


def looks(samplers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each sampler."""
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(samplers)}


def plain_numbers(axis: Any, digits: tuple[int, ...] = (1,)) -> None:
    """Ticks of a logarithmic axis at these digits, without powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def bare(axes: Any) -> None:
    """No frame above and to the right, and the grid below."""
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
