"""What an answer costs by `Until`, from a cold call with default options, against nutpie in hindsight; and stopping.

Ours is `ps.sample` with ``until=ps.Until(ess=400)``: R-hat is at most 1.01, and the least effective sample size, of
bulk and tail, over all free variables and all quantities with reference draws, is 400.  All its gradients count, of
warm-up and of draws that were found not to be enough.  nutpie has no such thing: of each of its metrics, and of each
length of warm-up, it is the least number of draws, in hindsight, that meets the same goals; where none of its runs
meets them, it counts with what the shortest has spent, and the ratio is larger than what is said.  Both start at the
same points.  Seconds are processor time, of a whole call without compilation.

The table has the medians over seeds, of ours over the best of nutpie's; and of all runs of ours, the least effective
sample size that arviz-stats finds in the result, as a share of the goal.

``ours-alone`` is the same without what chains tell each other at the end of warm-up, and a second table has its mean
gradients over those of ours.

With ``--bias``, the other question: whether draws that end when they look good are biased by it.  For targets of which
all is known, z is the distance of a mean, or of a mean square, from the truth in Monte Carlo standard errors; its mean
square over all parameters and seeds, of runs that ended by `Until` and of others whose length was fixed beforehand, at
the median of the former.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
from arviz_stats.base import array_stats

import pymc_symplectic as ps
from benchmarks import models, report, study
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem, Run, Sample, nutpie
from benchmarks.scores import Record
from benchmarks.studies import cold_start
from pymc_symplectic.run.until import Watcher

RESULTS = study.RESULTS / "until"
OURS, ALONE = "ours", "ours-alone"
POLICIES = {OURS: ps.Policy(), ALONE: replace(ps.Policy(), shares=False)}
SAMPLERS = (*POLICIES, *(f"nutpie-{metric}@{tune}" for metric in nutpie.METRICS for tune in cold_start.TUNES))
GOAL = 400.0
MOST = 20_000  # draws of a chain of ours
SILENT = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
_LENGTHS = 1.05 ** np.arange(math.log(1000, 1.05))  # parts of a run, inverted


def prepare(policy: ps.Policy, problem: Problem) -> Sample:
    """Compile what a run that ends by itself needs."""
    compiled = ps.compile(problem.model)
    compiled.sample(100, chains=4, cores=1, random_seed=0, **SILENT)  # whatever is compiled only now

    def sample(draws: int, chains: int, seed: int) -> Run:
        starts = [problem.target.to_point(start) for start in problem.starts(chains, seed)]
        began = time.process_time()
        idata = compiled.sample(
            draws, until=ps.Until(ess=GOAL), var_names=problem.names, chains=chains, cores=1, random_seed=seed,
            initvals=starts, discard_tuned_samples=False, policy=policy, **SILENT,
        )  # fmt: skip
        return Run.of_result(idata, problem.names, (0.0, time.process_time() - began))

    return sample  # type: ignore[return-value]  # its warm-up ends by itself


def least(draws: Mapping[str, np.ndarray]) -> float:
    """The least effective sample size, of bulk and tail, of all entries of all variables that change."""
    found = [
        array_stats.ess(entry, method=method, **options)
        for values in draws.values()
        for entry in np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
        if np.ptp(entry) > 0
        for method, options in (("bulk", {}), ("tail", {"prob": (0.05, 0.95)}))
    ]
    return float(min(found))


def measure_ours(run: Run, posterior: Posterior) -> Record:
    """Cost of a run that has ended by itself, and what it has come to."""
    count = run.diverging.shape[1]
    reached = count < MOST
    return {
        "gradients": sum(run.gradients) if reached else None,
        "seconds": sum(run.seconds) if reached else None,
        "draws_needed": count if reached else None,
        "warmup": run.gradients[0],
        "reached": least(run.draws) / GOAL,
        "divergences": int(run.diverging.sum()),
        "worst_z": _worst(run, posterior),
    }


def _worst(run: Run, posterior: Posterior) -> float | None:
    if posterior.reference is None:
        return None
    return max(abs(z) for pair in posterior.z_scores(run.draws).values() for z in pair)


def measure_nutpie(run: Run, posterior: Posterior) -> Record:
    """Cost of the first draws of a run that meet the goals."""
    count = run.diverging.shape[1]
    until = ps.Until(ess=GOAL)
    watcher = Watcher(until, list(run.draws))
    lengths = sorted({math.ceil(count / part) for part in _LENGTHS if count / part >= 50} | {count})
    first, last = 0, len(lengths)
    while first < last:  # what is enough for some draws is hardly ever too little for more of them
        middle = (first + last) // 2
        length = lengths[middle]
        if watcher.look(length, lambda name, length=length: run.draws[name][:, :length]).met:
            last = middle
        else:
            first = middle + 1
    reached = first < len(lengths)
    share = lengths[first] / count if reached else math.nan
    return {
        "gradients": run.gradients[0] + share * run.gradients[1] if reached else None,
        "seconds": run.call_seconds + run.seconds[0] + share * run.seconds[1] if reached else None,
        "draws_needed": lengths[first] if reached else None,
        "spent": {"gradients": sum(run.gradients), "seconds": run.call_seconds + sum(run.seconds)},
        "warmup": run.gradients[0],
        "divergences": int(run.diverging.sum()),
        "worst_z": _worst(run, posterior),
    }


def line(record: Record) -> str:
    """A record in a line."""
    draws = record["draws_needed"]
    if draws is None:
        return f"not enough; {record['warmup']} gradients of warm-up"
    reached = f", {record['reached']:.2f} of the goal" if "reached" in record else ""
    return f"{record['gradients']:.0f} gradients, {record['warmup']} of them of warm-up, {draws} draws{reached}"


def table(records: Sequence[Record], names: Sequence[str]) -> str:
    """Costs by posterior, and ratios to the best of nutpie's, in Markdown."""
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        runs.setdefault((record["posterior"], record["sampler"]), []).append(record)
    rows, ratios = [], []
    for name in names:
        mine = runs.get((name, OURS), [])
        theirs = {sampler: its for (of, sampler), its in runs.items() if of == name and sampler not in POLICIES}
        if not (mine and theirs):
            continue
        met = f"{sum(record.get('draws_needed') is not None for record in mine)} of {len(mine)}"
        cells = [name, met, f"{min(record.get('reached', math.nan) for record in mine):.2f}"]
        both = []
        for what, digits in (("gradients", 0), ("seconds", 2)):
            cost = _median(mine, what)
            best = min(theirs, key=lambda sampler, what=what: _median(theirs[sampler], what))
            other, more = _median(theirs[best], what), ""
            if math.isinf(other):  # none is enough, so the best would take more than the least that any has spent
                more = "> "
                spent = {
                    sampler: float(np.median([one["spent"][what] for one in its])) for sampler, its in theirs.items()
                }
                best = min(spent, key=spent.__getitem__)
                other = spent[best]
            both.append(other / cost if math.isfinite(cost) else math.nan)
            cells += [f"{cost:.{digits}f}", f"{more}{other:.{digits}f}", best.removeprefix("nutpie-")]
            cells += [f"{more}{both[-1]:.2f}"]
        ratios.append(both)
        rows.append(cells)
    if not rows:
        return "nothing was measured"
    found = np.array(ratios)
    cells = ["geometric mean (least)", "", ""]
    for column in found.T:
        known = column[np.isfinite(column)]
        cells += ["", "", "", f"{math.exp(np.log(known).mean()):.2f} ({known.min():.2f})" if known.size else "-"]
    rows.append(cells)
    head = [
        "posterior", "met", "least reached", "gradients", "nutpie's best", "of", "ratio",
        "seconds", "nutpie's best", "of", "ratio",
    ]  # fmt: skip
    shares = [record["reached"] for record in records if record["sampler"] == OURS and record.get("reached")]
    enough = sum(share >= 0.9 for share in shares)
    return report.markdown(head, rows) + f"\n\nat least 0.9 of the goal in {enough} of {len(shares)} runs"


def together_and_alone(records: Sequence[Record], names: Sequence[str]) -> str:
    """Gradients of warm-up, and all, where chains share what they have learned, and where they do not, in Markdown."""
    rows, ratios = [], []
    for name in names:
        runs = [
            [one for one in records if (one["posterior"], one["sampler"]) == (name, way) and one.get("gradients")]
            for way in POLICIES
        ]
        if not all(runs):
            continue
        means = [[float(np.mean([one[what] for one in its])) for what in ("warmup", "gradients")] for its in runs]
        ratios.append([alone / together for together, alone in zip(*means, strict=True)])
        cells = [f"{value:.0f}" for pair in zip(*means, strict=True) for value in pair]
        rows.append([name, *cells, *(f"{ratio:.2f}" for ratio in ratios[-1])])
    if not rows:
        return "nothing was measured"
    least = [f"{math.exp(np.log(column).mean()):.2f} ({min(column):.2f})" for column in zip(*ratios, strict=True)]
    rows.append(["geometric mean (least)", "", "", "", "", *least])
    head = ["posterior", "warm-up, together", "alone", "gradients, together", "alone", "ratio of warm-up", "ratio"]
    return report.markdown(head, rows)


def _median(records: Sequence[Record], what: str) -> float:
    return float(np.median([math.inf if record.get(what) is None else record[what] for record in records]))


def _made_up() -> dict[str, Callable[[], tuple[pm.Model, Mapping[str, tuple[float, float]]]]]:
    """Models whose variables are independent, with mean and variance of each."""

    def normals() -> tuple[pm.Model, Mapping[str, tuple[float, float]]]:
        with pm.Model() as model:
            pm.Normal("x", 0, 1, shape=50)
        return model, {"x": (0.0, 1.0)}

    def skewed() -> tuple[pm.Model, Mapping[str, tuple[float, float]]]:
        with pm.Model() as model:
            pm.Gamma("x", 3, 1, shape=40)
        return model, {"x": (3.0, 3.0)}

    def tailed() -> tuple[pm.Model, Mapping[str, tuple[float, float]]]:
        with pm.Model() as model:
            pm.StudentT("x", nu=10, shape=40)
        return model, {"x": (0.0, 1.25)}

    def funnels() -> tuple[pm.Model, Mapping[str, tuple[float, float]]]:
        with pm.Model() as model:
            v = pm.Normal("v", 0, 1, shape=20)
            pm.Normal("x", 0, pm.math.exp(v / 2), shape=20)
        return model, {"v": (0.0, 1.0), "x": (0.0, math.exp(0.5))}

    return {made.__name__: made for made in (normals, skewed, tailed, funnels)}


MADE_UP = _made_up()


def squares_of_z(idata: Any, truth: Mapping[str, tuple[float, float]]) -> list[float]:
    """z² of means and mean squares of all entries."""
    found = []
    for name, (mean, variance) in truth.items():
        values = idata["posterior"][name].values
        for entry in np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0):
            for part, expected in ((entry, mean), ((entry - mean) ** 2, variance)):
                found.append(float((part.mean() - expected) / array_stats.mcse(part)) ** 2)
    return found


def bias(seeds: Sequence[int], chains: int) -> str:
    """The mean of z² of runs that ended by themselves, and of others of a fixed length, in Markdown."""
    rows = []
    for name, make in MADE_UP.items():
        model, truth = make()
        compiled = ps.compile(model)
        options = {"chains": chains, "cores": 1, **SILENT}
        ended = [compiled.sample(MOST, until=ps.Until(ess=GOAL), random_seed=[seed, 0], **options) for seed in seeds]
        draws = int(np.median([idata["posterior"].sizes["draw"] for idata in ended]))
        fixed = [compiled.sample(draws, random_seed=[seed, 1], **options) for seed in seeds]
        each = [[float(np.mean(squares_of_z(idata, truth))) for idata in runs] for runs in (ended, fixed)]
        means = [f"{np.mean(of):.3f} ± {np.std(of, ddof=1) / math.sqrt(len(of)):.3f}" for of in each]
        count = len(squares_of_z(ended[0], truth))
        rows.append([name, str(count), str(draws), *means, f"{np.mean(each[0]) / np.mean(each[1]):.3f}"])
        study.say("  ".join(rows[-1]))
    return report.markdown(["target", "quantities", "draws", "by Until", "fixed", "ratio"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the table."""
    parser = study.parser(
        "until", __doc__, samplers=list(SAMPLERS), seeds=list(range(5)), draws=2000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--set", choices=("tuning", *models.SETS), default="tuning", help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument("--bias", action="store_true", help="whether stopping biases, instead of costs")
    chosen = parser.parse_args(arguments)
    if chosen.bias:
        print("\n" + bias(chosen.seeds, chosen.chains))
        return
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    wanted = chosen.posteriors or names
    ours = {sampler: partial(prepare, POLICIES[sampler]) for sampler in chosen.samplers if sampler in POLICIES}
    theirs = [sampler for sampler in chosen.samplers if sampler not in POLICIES]
    plans = (
        (ours, {"draws": MOST, "chains": chosen.chains}, measure_ours),
        (cold_start.prepares(theirs), {"draws": chosen.draws, "chains": chosen.chains}, measure_nutpie),
    )
    for samplers, plan, measure in plans:
        study.run_all(
            study.runs(wanted, samplers, chosen.seeds, load, plan, measure=measure, line=line), chosen.results
        )
    records = [record for name in wanted for record in study.load(chosen.results, f"{name}/*.json")]
    records = [record for record in records if record["sampler"] in chosen.samplers]
    print("\n" + table(records, wanted))
    if ALONE in chosen.samplers:
        print("\n" + together_and_alone(records, wanted))
