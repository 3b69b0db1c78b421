"""Whether warm-up gets over a bad start: Gaussians whose chains begin far away, or do not know the scales.

The cases, with 4 chains of 1000 + 1000 draws:

(a) 20 independent standard normals, every coordinate started 10³ standard deviations off, on either side.
(b) 20 independent normals of scales from 10⁻³ to 10³, started at U(-1, 1), which is 10³ deviations off in the narrowest
    coordinate and nowhere near the edge of the widest; and 10³ deviations off in every coordinate.
(c) 100 normals whose covariance has the condition number 10⁶ and random principal axes, started at U(-1, 1); 10³
    deviations off along every principal axis; and 10³ deviations off in every coordinate, which is up to 10⁶ along the
    narrowest axis.  No diagonal metric helps with (c), of whichever sampler: trajectories would have to be of some
    thousand steps, a hundred times as many as with the others.  It is run from the first seed alone, to show what that
    costs.

Every sampler has the same starts, and draws by No-U-Turn trajectories and leapfrog steps.  The goal is an R-hat
(rank-normalized, the largest of all coordinates) of at most 1.01; worst over seeds.  The least effective sample size
over coordinates, and over bulk, tail and squares, is the median over seeds; gradients and processor seconds, of all
chains, are means over seeds; divergences are those after warm-up, of all seeds.  A sampler that fails is reported with
its error.

Each case, sampler and seed leaves a file, as with the suite; started again, the study goes on where it stopped.
"""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks import study
from benchmarks.models.gaussians import STARTS, load
from benchmarks.samplers import get
from benchmarks.scores import Record, least_ess

RESULTS = study.RESULTS / "hard_starts"
GOAL = 1.01  # R-hat
SAMPLERS = ("ours-diagonal", "ours-low_rank", "ours-dense", "ours-auto", "nutpie-diagonal", "nutpie-low_rank")
HOPELESS = ("ours-diagonal", "nutpie-diagonal")  # with (c)


def seeds_of(case: str, sampler: str, seeds: Sequence[int]) -> Sequence[int]:
    """The seeds that a sampler is run from: the first alone where nothing is to be had."""
    return seeds[:1] if case.startswith("c-") and sampler in HOPELESS else seeds


def row(title: str, sampler: str, records: Sequence[Record]) -> str:
    """The runs of one sampler on one case, in one line of the table."""
    head = f"{title:27s} {sampler:16s}"
    for record in records:
        if "error" in record:
            return f"{head} {record['error'].splitlines()[0][:110]}"
    r_hats = [math.inf if record["r_hat"] is None else record["r_hat"] for record in records]
    ess = np.nan_to_num([least_ess(record) for record in records])
    warmup, sampling = (np.mean([record["gradients"][part] for record in records]) for part in ("warmup", "sampling"))
    return (
        f"{head} {max(r_hats):8.3f} {sum(r_hat <= GOAL for r_hat in r_hats):3d}/{len(records):d} {np.median(ess):8.0f} "
        f"{warmup:10.0f} {sampling:10.0f} {sum(record['divergences'] for record in records):6d} "
        f"{np.mean([record['seconds']['warmup'] + record['seconds']['sampling'] for record in records]):7.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the table line by line."""
    parser = study.parser(
        "hard_starts", __doc__, samplers=list(SAMPLERS), seeds=[0, 1, 2], draws=1000, tune=1000, chains=4,
        results=RESULTS,
    )  # fmt: skip
    parser.add_argument(
        "--cases", nargs="+", choices=STARTS, default=list(STARTS), metavar="CASE", help=", ".join(STARTS)
    )
    chosen = parser.parse_args(arguments)
    titles = f"{'warm-up':>10s} {'sampling':>10s} {'div.':>6s} {'CPU s':>7s}"
    print(f"{'case':27s} {'sampler':16s} {'R-hat':>8s} {'<=1.01':>5s} {'min ESS':>8s} {titles}")
    for case in chosen.cases:
        for sampler in chosen.samplers:
            seeds = seeds_of(case, sampler, chosen.seeds)
            runs = study.runs([case], {sampler: get(sampler)}, seeds, load, study.plan_of(chosen))
            study.run_all(runs, chosen.results, tell=lambda _: None)
            files = [str(study.file_of(case, sampler, seed)) for seed in seeds]
            print(row(STARTS[case], sampler, [study.load(chosen.results, file)[0] for file in files]), flush=True)
