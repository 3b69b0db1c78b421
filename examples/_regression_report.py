"""The tables and figures of regression.py."""

from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pymc_symplectic as ps

FEATURES = {
    "age": "age",
    "sex": "sex",
    "bmi": "body mass index",
    "bp": "blood pressure",
    "tc": "total cholesterol",
    "ldl": "LDL cholesterol",
    "hdl": "HDL cholesterol",
    "tch": "total / HDL",
    "ltg": "log triglycerides",
    "glu": "blood sugar",
}
LEVEL = 0.9  # of intervals and bands
TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]

# From the palette of Okabe and Ito, which stays apart for all kinds of colour vision.
BLACK, GREY, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#999999",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
SAMPLERS = {
    "PyMC NUTS, diagonal": GREY,
    "PyMC NUTS, dense": PURPLE,
    "leapfrog, no_u_turn": SKY,
    "leapfrog, fixed_time": BLUE,
    "yoshida4, fixed_time": VERMILION,
    "bcss2, fixed_time": GREEN,
    "relativistic, fixed_time": ORANGE,
    "adaptive, fixed_time": BLACK,
}
SHOWN = "leapfrog, fixed_time"  # whose draws stand for the posterior
OPTIMIZERS = {  # colour, line, words
    "sgd": (BLUE, "-", "gradient descent"),
    "adam": (VERMILION, "--", "Adam"),
    "rmsprop": (GREEN, "-.", "RMSProp, decaying rate"),
    "lbfgs": (BLACK, ":", "L-BFGS"),
}
STYLE = {"font.size": 11, "axes.titlesize": 12, "axes.spines.top": False, "axes.spines.right": False}


class Study(NamedTuple):
    """All results for one data set."""

    data: Any
    system: ps.mechanics.System  # the loss, and its gradient
    best: np.ndarray  # least squares
    fits: dict[str, ps.Descent]
    runs: dict
    table: pd.DataFrame


# %%
# Tables


def print_descents(table: pd.DataFrame) -> None:
    """Steps, and how well they ended."""
    print(table.to_string(formatters={"largest error": "{:.0e}".format}), end="\n\n")


def print_estimates(estimates: dict, names: list[str]) -> None:
    """Everything that was estimated, with its uncertainty where there is one."""
    digits = 2 if len(names) > 2 else 3

    def cell(value: float, spread: float | None) -> str:
        if np.isnan(value):
            return ""
        shown = f"{round(value, digits) + 0.0:.{digits}f}" if value else "0" + " " * (digits + 1)  # no minus zero
        return f"{shown} ± {spread:.{digits}f}" if spread is not None else shown + " " * (digits + 5)

    rows = {}
    for name, (values, spreads) in estimates.items():
        pairs = zip_longest([*values, *[np.nan] * (len(names) + 2 - len(values))], spreads)
        rows[name] = [cell(value, spread) for value, spread in pairs]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["intercept", *names, "sigma"])
    table.index = table.index.str.ljust(table.index.str.len().max())
    print("\nEstimates: best ± standard error, or posterior mean ± standard deviation\n")
    print(table.to_string(line_width=120))


def print_samplers(table: pd.DataFrame, agreement: float) -> bool:
    """Cost, effective draws and distances of the samplers, and the verdict on these."""
    digits = [".0f", ".0f", ".0f", ".1f", ".1f", ".2f", ".2f"]
    print("\nSamplers: gradients, smallest effective sample size, largest distance of a mean in MCSE\n")
    print(table.to_string(formatters=[f"{{:{d}}}".format for d in digits], index_names=False), end="\n\n")
    largest = table[["from NUTS", "from exact"]].max()
    for column, whom in {"from NUTS": "NUTS", "from exact": "the closed form"}.items():
        unit = "combined MCSE" if column == "from NUTS" else "MCSE"
        verdict = f"{'yes' if largest[column] < agreement else 'NO'} (largest: {largest[column]:.2f})"
        print(f"Every sampler agrees with {whom} on every mean within {agreement:g} {unit}: {verdict}")
    return bool((largest < agreement).all())


def print_scores(table: pd.DataFrame, title: str) -> None:
    """How well new responses were predicted."""
    print(f"\n{title}\n")
    digits = [2, 3, 3, 3]
    print(table.to_string(formatters=[lambda x, n=n: f"{round(x, n) + 0.0:.{n}f}" for n in digits]))


# %%
# Pictures


def panels(columns: int, size: tuple[float, float], **options):
    """A figure of some panels, side by side."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, columns, figsize=size, layout="constrained", **options)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return figure, axes


# %%
# Coefficients, and what they cost


def draw_coefficients(study: Study):
    """One posterior by all samplers, and what each makes of a thousand gradients."""
    figure, (left, right) = panels(2, (10.5, 5.6), width_ratios=(3, 2))
    _draw_intervals(left, study)
    _draw_efficiency(right, study.table.loc[[name for name in SAMPLERS if name in study.table.index]])
    for ax in (left, right):
        ax.tick_params(axis="y", length=0)
    return figure


def _draw_intervals(ax, study: Study) -> None:
    """Posterior means and intervals of the coefficients, the samplers side by side."""
    rows = np.arange(len(FEATURES))
    names = [name for name in SAMPLERS if name in study.runs]
    ax.axvline(0, color="0.8", lw=1, zorder=0)
    for row in rows[::2]:
        ax.axhspan(row - 0.5, row + 0.5, color="0.96", lw=0, zorder=-1)
    for shift, name in zip(np.linspace(-0.34, 0.34, len(names)), names, strict=True):
        beta = study.runs[name].posterior["beta"]
        low, high = beta.quantile(TAILS, ("chain", "draw"))
        ax.hlines(rows + shift, low, high, color=SAMPLERS[name], lw=1.5)
        ax.plot(beta.mean(("chain", "draw")), rows + shift, "o", color=SAMPLERS[name], ms=3)
    ax.plot(study.best[1:], rows, "|", color="black", ms=25, mew=1.3, label="least squares")
    ax.set(yticks=rows, yticklabels=FEATURES.values(), ylim=(len(rows) - 0.5, -0.5))
    ax.set_xlabel("coefficient (sd of progression per sd of feature)")
    ax.set_title(f"The same posterior: means and {LEVEL:.0%} intervals", loc="left")
    ax.legend(loc="upper right", frameon=False, handletextpad=0)


def _draw_efficiency(ax, table: pd.DataFrame) -> None:
    """Effective draws per thousand gradients, without and with the gradients of warm-up."""
    rows, colours = np.arange(len(table)), [SAMPLERS[name] for name in table.index]
    for shift, column, alpha, words in [
        (-0.19, "per 1000 gradients", 1, ""),
        (0.19, "with warm-up", 0.4, " with warm-up"),
    ]:
        bars = ax.barh(rows + shift, table[column], height=0.36, color=colours, alpha=alpha)
        ax.bar_label(bars, [f"{value:.0f}{words}" for value in table[column]], padding=4, fontsize="small")
    ax.set(yticks=rows, yticklabels=[name.replace(", ", "\n") for name in table.index], ylim=(len(rows) - 0.5, -0.5))
    ax.margins(x=0.12)
    ax.set_xlabel("smallest effective sample size")
    ax.set_title("Effective draws per 1000 gradients", loc="left")


# %%
# Lines


def draw_lines(studies: list[Study]):
    """Data, the line of least squares, and what the posterior holds possible: for the line, and for new points."""
    figure, axes = panels(len(studies), (10.5, 4.8))
    for ax, study in zip(axes, studies, strict=True):
        x, posterior = study.data.features[:, 0], study.runs[SHOWN].posterior
        grid = np.linspace(x.min(), x.max(), 100)
        intercept, slope, sigma = (posterior[name].values.reshape(-1, 1) for name in ("intercept", "beta", "sigma"))
        lines = intercept + slope * grid
        new = lines + sigma * np.random.default_rng(1).normal(size=sigma.shape)
        bands = [(new, SKY, 0.25, "new points"), (lines, BLUE, 0.45, "the line")]
        for draws, colour, alpha, words in bands:
            low, high = np.quantile(draws, TAILS, axis=0)
            ax.fill_between(grid, low, high, color=colour, alpha=alpha, lw=0, label=f"posterior: {words}, {LEVEL:.0%}")
        ax.plot(grid, study.best[0] + study.best[1] * grid, color=VERMILION, lw=1.8, label="least squares")
        ax.plot(grid, study.data.truth[0] + study.data.truth[1] * grid, "--", color="black", lw=1.2, label="truth")
        ax.plot(x, study.data.response, "o", color="black", ms=4, mfc="none", label="data")
        ax.locator_params(nbins=5)
        ax.set(xlabel="x (arbitrary units)", ylabel="y (arbitrary units)")
        ax.set_title(study.data.title, loc="left")
    axes[0].legend(loc="upper left", frameon=False, fontsize="small")
    return figure


# %%
# Descents


def draw_descents(studies: list[Study]):
    """How far above the least loss each optimizer is, step by step."""
    figure, axes = panels(len(studies), (10.5, 4.6), sharey=True)
    for ax, study in zip(axes, studies, strict=True):
        least = min(fit.loss for fit in study.fits.values())
        for name, (colour, line, words) in OPTIMIZERS.items():
            above = np.maximum(study.fits[name].losses - least, 1e-10)  # below is rounding error, and off the picture
            ax.plot(1 + np.arange(len(above)), above, line, color=colour, lw=1.8, label=words)
        ax.set(xscale="log", yscale="log", xlabel="step (1 is the start)", ylim=(1e-9, None))
        ax.set_title(study.data.title, loc="left")
    axes[0].set_ylabel("loss above the least (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


# %%
# The landscape


def draw_landscape(study: Study, way: np.ndarray):
    """One surface, two ways to use its gradient: down to the bottom, and around at constant energy."""
    figure, (left, right) = panels(2, (10.5, 5.4))
    start, mode = way[0], way[-1]
    draws = np.array([study.runs[SHOWN].posterior[name].values.ravel() for name in ("intercept", "beta")])
    near = 3.3 * draws.std(axis=1)

    # From rest, where descent begins too: potential energy turns into kinetic energy and back, as there is no friction.
    ball = ps.mechanics.simulate(study.system, position=start, momentum=[0.0, 0.0], step_size=0.004, steps=440)
    _draw_surface(left, study.system, mode, 1.3 * abs(ball.position - mode).max(axis=0), [1, 3, 10, 30, 100, 300])
    left.plot(*way.T, "o-", color="black", ms=3.5, lw=1.3, label=f"gradient descent, {len(way) - 1} steps")
    left.plot(*ball.position.T, color=VERMILION, lw=1.6, label="Hamiltonian motion, from rest")
    left.plot(*start, "o", color="white", mec="black", ms=8, label="start of both")
    left.add_patch(plt.Rectangle(mode - near, *(2 * near), fill=False, ls="--", lw=1))
    left.set_title("Downhill, and around", loc="left")

    # From one draw towards the next: a momentum, and the same motion for a while.  (The draws reach a little further
    # than the contours, for which the noise is given.)
    move = ps.mechanics.simulate(study.system, position=draws[:, 0], momentum=[0.3, 1.2], step_size=0.01, steps=110)
    _draw_surface(right, study.system, mode, near, [0.5, 1, 2, 4, 8])
    right.plot(*draws[:, ::4], ".", color="0.15", ms=2, alpha=0.5, label="draws by leapfrog")
    right.plot(*move.position.T, color=VERMILION, lw=1.8, label="Hamiltonian motion, from a draw")
    right.plot(*move.position[0], "o", color="white", mec=VERMILION, mew=1.5, ms=8)
    right.plot(*move.position[-1], "o", color=VERMILION, mec="white", ms=9, label="where it ends: the proposal")
    right.set_title("The frame on the left, where the posterior is", loc="left")
    for ax in (left, right):
        ax.plot(*mode, "*", color=ORANGE, mec="black", ms=14, ls="", label="best fit")
        ax.set(xlabel="intercept (units of y)", ylabel="slope (units of y per unit of x)")
        ax.legend(loc="upper right", fontsize="small", framealpha=1, edgecolor="none")
    return figure


def _draw_surface(ax, system: ps.mechanics.System, mode: np.ndarray, reach: np.ndarray, levels: list[float]) -> None:
    """Contours of the loss, in nats above the least."""
    xs, ys = (np.linspace(mode[i] - reach[i], mode[i] + reach[i], 121) for i in range(2))
    least = system.evaluate(mode)[0]
    loss = np.array([[system.evaluate(np.array([x, y]))[0] - least for x in xs] for y in ys])
    shades = plt.get_cmap("Blues_r")(np.linspace(0.4, 0.95, len(levels) + 1))
    ax.contourf(xs, ys, loss, levels=[-1, *levels, loss.max() + levels[-1]], colors=shades)
    lines = ax.contour(xs, ys, loss, levels=levels, colors="white", linewidths=0.7)
    ax.clabel(lines, levels[-3:], fmt="%g", fontsize=9, colors="0.2")  # there is no room for the others
    shown = ", ".join(f"{level:g}" for level in levels)
    ax.text(0.02, 0.02, f"contours: loss {shown}\nnats above the least", transform=ax.transAxes, fontsize="small")
    ax.set(xlim=xs[[0, -1]], ylim=ys[[0, -1]])


def save_pictures(output: Path, line: Study, offset: Study, patients: Study, way: np.ndarray) -> None:
    """All pictures, beside each other: `output`, and what its name becomes with a word added."""
    pictures = {
        "": draw_coefficients(patients),
        "_lines": draw_lines([line, offset]),
        "_descent": draw_descents([offset, patients]),
        "_landscape": draw_landscape(offset, way),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    print()
    for word, figure in pictures.items():
        path = output.with_stem(output.stem + word)
        figure.savefig(path, dpi=160)
        print(f"picture: {path}")
