"""What each ingredient of the default is worth: the suite with one of them off at a time.

Run ``python benchmarks/ablation.py``; ``--help`` lists the options.  Results are files like those of `suite.py`, and an
interrupted run goes on.  The table gives ratios to the whole default, so an ingredient pays where they are below 1: of
geometric means over posteriors, with 95 % bootstrap intervals over seeds, and of the posterior that misses it most.
Some ingredients are there for draws rather than for gradients, which the effective draws of a run tell, and in how many
runs R-hat is at most 1.01.

Some ingredients are no options, since nobody should want them off; those are taken out of the modules that hold them.
"""

import os

# before numpy is imported: one thread each
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("MKL", "OMP", "OPENBLAS", "VECLIB_MAXIMUM")})

import argparse
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import posteriors
import report
import samplers
import suite

from pymc_symplectic.adaptation import search, tuner

__all__ = ["ABSENT", "table"]

_R_HAT = 1.01
_ANY = ((math.inf, math.inf),) * len(tuner._SHAPES)
_SWITCHES: Mapping[str, tuple[tuple[Any, str, Any], ...]] = {
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
_NAMES = {
    "without the tuner": "ours-auto",
    "without no-U-turn to fall back to": "ours-auto-fixed_time",
    "without correlations in the metric": "ours-diagonal-trajectory=auto",
    "with a dense metric from draws alone": "ours-dense-fit_to=draws-trajectory=auto",
}
ABSENT = {**{f"ours {words}": words for words in _SWITCHES}, **{name: words for words, name in _NAMES.items()}}
"""What is off, by the name of the sampler."""


def _without(switches: tuple[tuple[Any, str, Any], ...], problem: samplers.Problem) -> samplers.Sample:
    """The default, with other values at the places of `switches`."""

    def switched[R](run: Callable[[], R]) -> R:
        with ExitStack() as off:
            for room, name, value in switches:
                off.enter_context(patch.object(room, name, value))
            return run()

    sample = switched(lambda: samplers.get("ours")(problem))
    return lambda **plan: switched(lambda: sample(**plan))  # type: ignore[return-value]


samplers.SAMPLERS.update({f"ours {words}": partial(_without, switches) for words, switches in _SWITCHES.items()})


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
    head = ["", "per gradient", "with warm-up's", "per run", f"R-hat ≤ {_R_HAT}", "where it is missed most"]
    return report.markdown(head, rows)


def _converged(results: pd.DataFrame, name: str) -> str:
    r_hats = results.loc[results["sampler"] == name, "r_hat"]
    return f"{(r_hats <= _R_HAT).sum():d} of {len(r_hats):d}"


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line, run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("tuning", *suite.SETS), default="tuning", help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument("--samplers", nargs="+", default=list(ABSENT), metavar="NAME", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="all in it is in the table; default: benchmarks/results/ablation, or ablation_held_out for the other sets",
    )  # fmt: skip
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=1000, help="draws of warm-up of each chain; default: 1000")
    parser.add_argument("--posteriordb", type=Path, help=f"default: the environment variable {posteriors.VARIABLE}")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    names, load = suite.of_set(chosen.set, chosen.posteriordb)
    folder = chosen.results or suite.RESULTS / ("ablation_held_out" if chosen.set in suite.SETS else "ablation")
    suite.run_all(
        chosen.posteriors or names, ["ours", *chosen.samplers], chosen.seeds, folder,
        draws=chosen.draws, tune=chosen.tune, load=load,
        tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(table(report.load(folder)))


if __name__ == "__main__":
    main()
