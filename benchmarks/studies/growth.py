"""How efficiency falls with the number of dimensions: three families of models, from 10 to 10 000 parameters.

The families, independent, correlated and hierarchical, are described in `benchmarks.models.families`.

Measured is what the suite measures, with its protocol, and its files: started again, it goes on where it stopped.  The
effective sample size is the least over bulk, tail and squares, and over 300 elements of each variable at most: which
ones depends on the dimension alone, so that they are the same for all samplers and seeds.  R-hat is that of the same,
and needs two chains: a run of one never passes.  The least of 300 estimates is lower than the least of 10 by chance
alone; from 300 dimensions on that makes no difference.

The first two families are Gaussian, and so what a splitting that solves harmonic motion exactly is made for; how it
fares elsewhere, the third shows.

Most of the time goes to the correlated family, whose trajectories are of hundreds of steps, and to low-rank metrics: a
chain of 10 000 dimensions may take a quarter of an hour.  ``--families`` and ``--limits`` leave out what is too much.
The number of chains may differ between dimensions: run the study twice, with other ``--dims`` and ``--chains``.
Tables and figure are of all results in the folder; ``--dims`` without a number makes no runs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import figures, report, study
from benchmarks.models.families import FAMILIES, load
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run, get
from benchmarks.scores import Record, score

RESULTS = study.RESULTS / "growth"
SAMPLERS = ("ours", "nutpie-diagonal", "nutpie-low_rank")
DIMS = (10, 30, 100, 300, 1000, 3000, 10_000)
LIMITS = {"nutpie-low_rank": 300}  # with 1000, a chain of 2000 draws takes minutes
SCORED = 300  # elements of a variable


def measure(run: Run, posterior: Posterior) -> Record:
    """The `score` of `SCORED` elements of each variable, or of all where there are no more."""
    draws = {name: _some(values.reshape(*values.shape[:2], -1)) for name, values in run.draws.items()}
    return score(replace(run, draws=draws), posterior)


def _some(values: np.ndarray) -> np.ndarray:
    size = values.shape[-1]
    if size <= SCORED:
        return values
    return values[..., np.sort(np.random.default_rng(size).choice(size, SCORED, replace=False))]


def cases(
    families: Sequence[str],
    dims: Sequence[int],
    samplers: Sequence[str],
    seeds: Sequence[int],
    limits: Mapping[str, int],
    plan: study.Plan = study.PLAN,
) -> Iterator[study.Case]:
    """All runs, the small ones first; `limits` are the largest dimensions of samplers that are left out beyond."""
    for dim in sorted(dims):
        able = {name: get(name) for name in samplers if dim <= limits.get(name, math.inf)}
        yield from study.runs([f"{family}-{dim}" for family in families], able, seeds, load, plan, measure=measure)


def tables(results: pd.DataFrame) -> str:
    """A table for each of `report.MEASURES`, and one of the gates."""
    rows = dict(list(results.groupby(["posterior", "sampler"])))
    failures = report.marked(results)
    names, found = _sorted(results)

    def cells(write: Callable[[pd.DataFrame], str]) -> list[list[str]]:
        return [
            [
                *name.split("-"),
                *(
                    write(rows[name, sampler]) + ("!" if failures.loc[name, sampler] else " ")
                    if (name, sampler) in rows
                    else ""
                    for sampler in found
                ),
            ]
            for name in names
        ]

    def gates(some: pd.DataFrame) -> str:
        return f"{some['r_hat'].max(skipna=False):.3f}, {some['divergences'].sum():.0f}"

    parts = []
    for name, words in report.MEASURES.items():
        parts += [
            f"Least ESS {words}: geometric means over seeds (! see the gates of the report)",
            report.markdown(["family", "d", *found], cells(lambda some, name=name: report.number(_mean(some[name])))),
        ]
    parts += [
        "Gates: largest R-hat, divergences; over all seeds",
        report.markdown(["family", "d", *found], cells(gates)),
    ]
    errors = results[results["error"].notna()]
    parts += [f"{row.posterior}, {row.sampler}, seed {row.seed}: {row.error}" for row in errors.itertuples()]
    return "\n\n".join(parts)


def _mean(values: pd.Series) -> float:
    """The geometric mean, NaN where one value is."""
    return float(np.exp(np.log(values).mean(skipna=False)))


def _sorted(results: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of posteriors, by family and dimension, and of samplers."""
    order = list(FAMILIES)

    def place(name: str) -> tuple[int, int]:
        family, dim = name.split("-")
        return order.index(family), int(dim)

    found = set(results["sampler"])
    samplers = [name for name in SAMPLERS if name in found]
    return sorted(set(results["posterior"]), key=place), samplers + sorted(found - set(samplers))


def figure(results: pd.DataFrame, measure: str = "gradients") -> Any:
    """A panel for each family: lines join geometric means over seeds, dots are seeds; hollow ones did not pass."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names, found = _sorted(results)
    families = list(dict.fromkeys(name.split("-")[0] for name in names))
    made = Figure(figsize=(3.2 * len(families) + 0.6, 3.8), layout="constrained")
    panels = made.subplots(1, len(families), sharex=True, sharey=True, squeeze=False)[0]
    middle = (len(found) - 1) / 2
    # the last moves dots aside, so that none hides another sampler's
    styles = {name: (*look, 1.06 ** (i - middle)) for i, (name, look) in enumerate(figures.looks(found).items())}
    for axes, family in zip(panels, families, strict=True):
        its = results[results["posterior"].str.startswith(family + "-")]
        for sampler, (colour, marker, aside) in styles.items():
            own = its[its["sampler"] == sampler]
            means = {dim: _mean(some[measure]) for dim, some in own.groupby("dim")}
            axes.plot(aside * np.array(list(means)), list(means.values()), color=colour, linewidth=1.5)
            for failed, some in own.groupby("failed"):
                face = "white" if failed else colour
                axes.plot(
                    aside * some["dim"], some[measure], marker, color=colour, markersize=4.5, markerfacecolor=face
                )
        axes.set_title(family, fontsize="medium")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis, digits in ((axes.xaxis, (1, 3)), (axes.yaxis, (1, 2, 5))):
            figures.plain_numbers(axis, digits)
        axes.tick_params(labelsize="small")
        axes.grid(color="0.9")
        figures.bare(axes)
    made.supxlabel("dimension", fontsize="medium")
    panels[0].set_ylabel(f"Least effective sample size\n{report.MEASURES[measure]}")
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, label=name)
        for name, (colour, marker, _) in styles.items()
    ]
    hollow = {"color": "0.3", "marker": "o", "markerfacecolor": "white", "linestyle": ""}
    handles.append(Line2D([], [], label="did not pass", **hollow))
    made.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 2 * len(families)), frameon=False)
    return made


def _limit(word: str) -> tuple[str, int]:
    name, _, dim = word.partition("=")
    return name, int(dim)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, print the tables and save the figure."""
    parser = study.parser(
        "growth", __doc__, samplers=list(SAMPLERS), seeds=[0, 1, 2], draws=1000, tune=1000, chains=4, results=RESULTS
    )
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="default: all")
    parser.add_argument("--dims", nargs="*", type=int, default=list(DIMS), metavar="D", help="default: %(default)s")
    parser.add_argument(
        "--limits", nargs="*", type=_limit, default=list(LIMITS.items()), metavar="NAME=D",
        help="samplers that take too long in more than D dimensions, and are left out; "
        f"default: {' '.join(f'{name}={dim}' for name, dim in LIMITS.items())}",
    )  # fmt: skip
    parser.add_argument(
        "--measure", choices=report.MEASURES, default="gradients", help="of the figure; default: gradients"
    )
    parser.add_argument("--figure", type=Path, help="file of the figure; default: growth-MEASURE.png among the results")
    chosen = parser.parse_args(arguments)
    plan = study.plan_of(chosen)
    study.run_all(
        cases(chosen.families, chosen.dims, chosen.samplers, chosen.seeds, dict(chosen.limits), plan), chosen.results
    )
    results = report.load(chosen.results)
    print("\n" + tables(results))
    file = chosen.figure or chosen.results / f"growth-{chosen.measure}.png"
    figure(results, chosen.measure).savefig(file, dpi=150)
    print(f"\nFigure: {file}")
