"""What each ingredient of the default is worth: the suite with one of them off at a time.

Results are files like those of the suite, and an interrupted run goes on.  The table gives ratios to the whole default,
so an ingredient pays where they are below 1: of geometric means over posteriors, with 95 % bootstrap intervals over
seeds, and of the posterior that misses it most.  Some ingredients are there for draws rather than for gradients, which
the effective draws of a run tell, and in how many runs R-hat is at most 1.01.

Some ingredients are no options, since nobody should want them off; those are taken out of the modules that hold them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from benchmarks import models, report, study
from benchmarks.samplers import Prepare, Problem, Sample, get
from pymc_symplectic.adaptation import search, tuner

R_HAT = 1.01
_ANY = ((math.inf, math.inf),) * len(tuner._SHAPES)
VARIANTS: Mapping[str, tuple[tuple[Any, str, Any], ...]] = {
    "without the harmonic drift": ((tuner, "_SCHEMES", ("leapfrog", "bcss2")),),
    "without two-stage schemes": ((tuner, "_SCHEMES", ("harmonic_leapfrog", "leapfrog")),),
    "without both": ((tuner, "_SCHEMES", ("leapfrog",)),),
    "without the look at the shape": (
        (tuner, "_SHAPES", _ANY), (tuner, "_NEAR", math.inf), (tuner, "_TAME", math.inf),
        (tuner, "_LEAST_PULL", -math.inf), (tuner, "_HIGHEST_PEAK", math.inf),
    ),
    "without proof": (
        (tuner, "_KEEP", 0.0), (tuner, "_ENOUGH", (0.0, 0.0)), (tuner, "_LONGEST_REST", math.inf),
        (tuner, "_DIVERGING", math.inf), (tuner, "LOST", {"free": 1.0, "harmonic": 1.0}),
    ),
    "without the look beyond the draws": ((tuner, "_SURPLUS", math.inf), (tuner, "_OTHER", math.inf)),
    "with a single path to each draw": ((tuner, "_ALIKE", 0.0),),
    "without caution after divergences": ((tuner, "_RISKY", 1.0),),
    "without allowance for luck": ((search, "surplus", lambda *_: None),),
    "without acceptance by efficiency": ((tuner, "_ACCEPT", (0.8, 0.8)),),
}  # fmt: skip
"""What has another value, (module, name, value), by what is off."""

OPTIONS = {
    "without the tuner": "ours-auto",
    "without no-U-turn to fall back to": "ours-auto-fixed_time",
    "without correlations in the metric": "ours-diagonal-trajectory=auto",
    "with a dense metric from draws alone": "ours-dense-fit_to=draws-trajectory=auto",
}
"""Samplers whose options leave something off, by what is off."""

ABSENT = {**{f"ours {words}": words for words in VARIANTS}, **{name: words for words, name in OPTIONS.items()}}
"""What is off, by the name of the sampler."""


def sampler(name: str) -> Prepare:
    """Look up one of `ABSENT`, or any other sampler."""
    words = ABSENT.get(name)
    return partial(_without, VARIANTS[words]) if words in VARIANTS else get(name)


def _without(switches: tuple[tuple[Any, str, Any], ...], problem: Problem) -> Sample:
    """The default, with other values at the places of `switches`."""

    def switched[R](run: Callable[[], R]) -> R:
        with ExitStack() as off:
            for module, name, value in switches:
                off.enter_context(patch.object(module, name, value))
            return run()

    sample = switched(lambda: get("ours")(problem))
    return lambda **plan: switched(lambda: sample(**plan))  # type: ignore[return-value]


def table(results: pd.DataFrame) -> str:
    """Ratios to the whole default, in Markdown."""
    kinds = ("gradients", "gradients_with_warmup", "ess")
    made = {kind: report.ratios(results, "ours", kind) for kind in kinds}
    rows = [["the whole", "1", "1", "1", _converged(results, "ours"), ""]]
    for name, words in ABSENT.items():
        if name not in set(results["sampler"]):
            continue
        means = [made[kind][1].loc[(name, "all")] for kind in kinds]
        each = made["gradients"][0].xs(name, level="sampler")["ratio"]
        intervals = [f"{mean['ratio']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]" for mean in means]
        missed = f"{each.min():.2f} ({str(each.idxmin()).split('-', 1)[-1]})"
        rows.append([words, *intervals, _converged(results, name), missed])
    head = ["", "per gradient", "with warm-up's", "per run", f"R-hat ≤ {R_HAT}", "where it is missed most"]
    return report.markdown(head, rows)


def _converged(results: pd.DataFrame, name: str) -> str:
    r_hats = results.loc[results["sampler"] == name, "r_hat"]
    return f"{(r_hats <= R_HAT).sum():d} of {len(r_hats):d}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing and print the table."""
    parser = study.parser(
        "ablation", __doc__, samplers=list(ABSENT), seeds=[0, 1, 2], draws=1000, tune=1000, posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--set", choices=("tuning", *models.SETS), default="tuning", help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="all in it is in the table; default: benchmarks/results/ablation, or ablation_held_out for the other sets",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    folder = chosen.results or study.RESULTS / ("ablation_held_out" if chosen.set in models.SETS else "ablation")
    samplers = {name: sampler(name) for name in ["ours", *chosen.samplers]}
    study.run_all(study.runs(chosen.posteriors or names, samplers, chosen.seeds, load, study.plan_of(chosen)), folder)
    print(table(report.load(folder)))
