"""An ablation of the default: the suite with one ingredient of it off at a time.

Results are files like those of the suite, and an interrupted run goes on.  The table gives ratios to the whole default,
so an ingredient pays where they are below 1: of geometric means over posteriors, with 95 % bootstrap intervals over
seeds, and of the posterior that misses it most.  Some ingredients are there for draws rather than for gradients, which
the effective draws of a run tell, and in how many runs R-hat is at most 1.01.

An ingredient that is no option of the sampler is a constant of its `Policy`.  The study `cold_start` takes the same
names, for what they do to a warm-up that ends by itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import models, report, study
from benchmarks.samplers import Prepare, get, ours
from pymc_symplectic import Policy

R_HAT = 1.01
_USUAL = Policy()
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "without the harmonic drift": {"schemes": ("leapfrog", "bcss2")},
    "without two-stage schemes": {"schemes": ("harmonic_leapfrog", "leapfrog")},
    "without both": {"schemes": ("leapfrog",)},
    "without the check of Gaussianity": {
        "limits": ((math.inf, math.inf),) * len(_USUAL.limits), "quick_distance": math.inf, "near_gaussian": math.inf,
        "least_radial_correlation": -math.inf, "largest_kurtosis": math.inf,
    },
    "without proof": {
        "keep": 0.0, "enough": (0.0, 0.0), "longest_stay": math.inf, "most_diverging": math.inf,
        "most_lost_free": 1.0, "most_lost_harmonic": 1.0,
    },
    "without exploration beyond the draws": {"remarkable": math.inf, "elsewhere": math.inf},
    "with a single path to each draw": {"path_cost": 0.0},
    "without divided steps after divergences": {"divisions": 0},
    "without control variates": {"control_variate": False},
    "without acceptance by efficiency": {"accept": (0.8, 0.8)},
    "without the way down": {"descent": 0},
    "without probes of the curvature": {"probes": 0},
    "without turns before they are measured": {"turn_distance": 0.0},
    "without step sizes by recorded acceptances": {"step_draws": 0},
    "without a choice for a short warm-up": {"proof": 0},
}  # fmt: skip
"""The constants of `Policy` that are others, by what is off."""

OPTIONS = {
    "without the tuner": "ours-auto",
    "without no-U-turn to fall back to": "ours-auto-fixed_time",
    "without correlations in the metric": "ours-diagonal-trajectory=auto",
    "with a dense metric from draws alone": "ours-dense-fit_to=draws-trajectory=auto",
}
"""Samplers whose options leave something off, by what is off."""

ABSENT = {**{f"ours {words}": words for words in VARIANTS}, **{name: words for words, name in OPTIONS.items()}}
"""The ingredient that is off, by the name of the sampler."""

_FOLDERS = {"tuning": "ablation", "families": "ablation_families"}


def sampler(name: str) -> Prepare:
    """Look up one of `ABSENT`, or any other sampler."""
    words = ABSENT.get(name)
    if words not in VARIANTS:
        return get(name)
    return partial(ours.prepare, options={"policy": replace(_USUAL, **VARIANTS[words])})


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
    parser.add_argument(
        "--set", choices=("tuning", "families", *models.SETS), default="tuning", help="default: %(default)s"
    )
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="all in it is in the table; default: one of each set in benchmarks/results, and one of all held-out sets",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    folder = chosen.results or study.RESULTS / _FOLDERS.get(chosen.set, "ablation_held_out")
    samplers = {name: sampler(name) for name in ["ours", *chosen.samplers]}
    study.run_all(study.runs(chosen.posteriors or names, samplers, chosen.seeds, load, study.plan_of(chosen)), folder)
    print(table(report.load(folder)))
