"""Effective draws per gradient and per second of each sampler, on the posteriors of posteriordb or on held-out ones.

Each posterior, sampler and seed leaves one file in the folder of results, and is left out where that file exists, so
that an interrupted run goes on where it stopped.  What a sampler fails at is recorded as its error; remove the file to
try again.  ``python -m benchmarks report`` makes tables and a figure.

There are five sets of posteriors, kept in folders of their own: those of posteriordb, on which choices are made, and
with ``--set held_out``, ``--set fresh``, ``--set unseen`` or ``--set apart`` those of `benchmarks.models` of that name,
by which choices are tested when they have been made.  Each of these is for choices made after a look at the one before.

What is measured stands at the head of `benchmarks.scores`.  All chains of a run take turns on one core, and start where
those of every other sampler do.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import models, study
from benchmarks.samplers import get, nutpie

SAMPLERS = (
    *(f"ours-{metric}" for metric in ("diagonal", "low_rank", "dense", "auto")),
    *(f"nutpie-{metric}" for metric in nutpie.METRICS),
    "pymc",
    "blackjax",
)


def folder_of(name: str) -> Path:
    """Where the results of a set are kept unless another folder is chosen."""
    return study.RESULTS / name if name in models.SETS else study.RESULTS


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run."""
    parser = study.parser(
        "suite", __doc__, samplers=list(SAMPLERS), seeds=list(range(10)), draws=1000, tune=1000, chains=4,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--set", choices=("tuning", *models.SETS), default="tuning", help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="default: benchmarks/results, and for a set held out the folder of its name in it",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    folder = chosen.results or folder_of(chosen.set)
    cases = study.runs(
        chosen.posteriors or names, {name: get(name) for name in chosen.samplers}, chosen.seeds, load,
        study.plan_of(chosen),
    )  # fmt: skip
    made = study.run_all(cases, folder)
    print(f"{made} runs made; results are in {folder}")
