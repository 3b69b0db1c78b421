"""What an answer costs from a cold start: gradients of warm-up and sampling until draws are enough, everything counted.

A run has come to its answer when its least effective sample size, over bulk, tails and squares of all variables, is 400
and its R-hat at most 1.01, by the first n draws of each of its chains, for the least n that is tried.  Its cost is that
of warm-up, and n draws' share of sampling.  Runs that do not come to it have no cost; how many there are is shown.

Samplers are named by their warm-up, too: ``ours`` ends it by itself, ``ours@1000`` and ``nutpie-diagonal@300`` have so
many draws of it.  The table has the median over seeds, and the ratio to the best that nutpie comes to with any of its
warm-ups, which nobody knows beforehand.  Above the line are posteriors on which most chains of ours chose the harmonic
drift, and the geometric mean over these; below it the others.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import arviz_base
import arviz_stats
import numpy as np

import pymc_symplectic as ps
from benchmarks import models, report, study
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Prepare, Problem, Run, nutpie
from benchmarks.scores import Record
from benchmarks.studies import ablation

RESULTS = study.RESULTS / "cold_start"
TUNES = (150, 300, 600, 1000)
SAMPLERS = ("ours", *(f"nutpie-{metric}@{tune}" for metric in nutpie.METRICS for tune in TUNES))
ESS, R_HAT = 400.0, 1.01
_LENGTHS = np.unique(np.geomspace(50, 1, 25, endpoint=False))  # parts of a run, inverted


def prepares(names: Sequence[str]) -> dict[str, Prepare]:
    """Preparations of samplers of these names, with the warm-up that each says; what is compiled is shared by them."""
    compiled: dict[str, tuple[Problem, Any]] = {}

    def prepare(sampler: str, tune: int | None, problem: Problem) -> Any:
        if sampler not in compiled or compiled[sampler][0] is not problem:
            compiled[sampler] = problem, ablation.sampler(sampler)(problem)
        return partial(compiled[sampler][1], tune=tune)

    parted = {name: name.partition("@") for name in names}
    return {name: partial(prepare, sampler, int(tune) if tune else None) for name, (sampler, _, tune) in parted.items()}


def is_enough(draws: Mapping[str, np.ndarray]) -> bool:
    """Whether draws, (chains, draws, ...) of each variable, are an answer."""
    idata = arviz_base.from_dict({"posterior": draws})
    r_hat = arviz_stats.rhat(idata["posterior"].to_dataset(), method="rank")
    if not max(float(values.max(skipna=False)) for values in r_hat.data_vars.values()) <= R_HAT:
        return False
    return bool(ps.min_ess(idata)["ess"].min() >= ESS)


def measure(run: Run, posterior: Posterior) -> Record:
    """The cost of a run up to its answer."""
    count = run.diverging.shape[1]
    lengths = sorted({math.ceil(count / part) for part in _LENGTHS if count / part >= 50} | {count})
    # what is enough for some draws is hardly ever too little for more of them
    first, last = 0, len(lengths)
    while first < last:
        middle = (first + last) // 2
        if is_enough({name: values[:, : lengths[middle]] for name, values in run.draws.items()}):
            last = middle
        else:
            first = middle + 1
    reached = first < len(lengths)
    warmup, sampling = run.gradients
    seconds = run.seconds
    share = lengths[first] / count if reached else math.nan
    return {
        "gradients": warmup + share * sampling,
        "seconds": seconds[0] + share * seconds[1],
        "draws_needed": lengths[first] if reached else None,
        "warmup": warmup,
        "per_draw": sampling / count,
        "chosen": list(run.chosen),
    }


def line(record: Record) -> str:
    """A record in a line."""
    draws = record["draws_needed"]
    if draws is None:
        return f"not enough; {record['warmup']} gradients of warm-up, {record['per_draw']:.1f} a draw"
    return f"{record['gradients']:.0f} gradients in all, {record['warmup']} of them of warm-up, {draws} draws"


def cases(
    names: Sequence[str],
    sampler_names: Sequence[str],
    seeds: Sequence[int],
    load: Callable[[str], Posterior],
    plan: study.Plan,
) -> Iterator[study.Case]:
    """All runs."""
    return study.runs(names, prepares(sampler_names), seeds, load, plan, measure=measure, line=line)


def table(records: Sequence[Record], ours: str = "ours") -> str:
    """Costs by posterior, and ratios to the best of nutpie's, in Markdown."""
    by_name: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        by_name.setdefault(record["posterior"], {}).setdefault(record["sampler"], []).append(record)
    rows: dict[bool, list[list[str]]] = {True: [], False: []}
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for name, by_sampler in sorted(by_name.items()):
        medians = {sampler: _median(its) for sampler, its in by_sampler.items()}
        theirs = {sampler: cost for sampler, cost in medians.items() if sampler.startswith("nutpie")}
        best = min(theirs, key=lambda sampler: theirs[sampler], default="")
        mine, other = medians.get(ours, math.inf), theirs.get(best, math.inf)
        its = by_sampler.get(ours, [])
        chosen = [text.startswith("harmonic") for record in its for text in record.get("chosen", [])]
        harmonic = bool(chosen) and sum(chosen) > len(chosen) / 2
        passed = f"{sum(record.get('draws_needed') is not None for record in its)} of {len(its)}"
        ratio = other / mine
        if 0 < ratio < math.inf:
            ratios[harmonic].append(ratio)
        rows[harmonic].append([name, _cost(mine), passed, _cost(other), best, f"{ratio:.2f}" if ratio > 0 else "-"])
    for harmonic, found in ratios.items():
        if found:
            mean = math.exp(np.log(found).mean())
            rows[harmonic].append([f"geometric mean of {len(found)}", "", "", "", "", f"{mean:.2f} ({min(found):.2f})"])
    head = ["posterior", "gradients", "runs that came to it", "nutpie's best", "of", "ratio (least)"]
    return report.markdown(head, [*rows[True], *rows[False]])


def table_of_parts(records: Sequence[Record], whole: str = "ours") -> str:
    """Costs without each part of the default over those of the whole, in Markdown; empty where none was run."""
    costs: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        costs.setdefault(record["sampler"], {}).setdefault(record["posterior"], []).append(record)
    rows = []
    for name, words in ablation.ABSENT.items():
        medians = {posterior: _median(its) for posterior, its in costs.get(name, {}).items()}
        ratios = {posterior: cost / _median(costs[whole][posterior]) for posterior, cost in medians.items()}
        known = {posterior: ratio for posterior, ratio in ratios.items() if 0 < ratio < math.inf}
        if not known:
            continue
        reached = [record.get("draws_needed") is not None for its in costs[name].values() for record in its]
        worst = max(known, key=lambda posterior: known[posterior])
        mean = math.exp(np.log(list(known.values())).mean())
        missed = f"{known[worst]:.2f} ({worst.split('-', 1)[-1]})"
        rows.append([words, f"{mean:.2f}", missed, f"{sum(reached)} of {len(reached)}"])
    if not rows:
        return ""
    head = ["", "gradients to an answer", "where it is missed most", "runs that came to it"]
    all_of = [record.get("draws_needed") is not None for its in costs[whole].values() for record in its]
    return report.markdown(head, [["the whole", "1", "", f"{sum(all_of)} of {len(all_of)}"], *rows])


def _median(records: Sequence[Record]) -> float:
    costs = [math.inf if record.get("gradients") is None else record["gradients"] for record in records]
    return float(np.median(costs))


def _cost(cost: float) -> str:
    return f"{cost:.0f}" if math.isfinite(cost) else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the table."""
    parser = study.parser(
        "cold_start", __doc__, samplers=list(SAMPLERS), seeds=list(range(10)), draws=2000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument(
        "--set", choices=("tuning", *models.SETS, *models.HIERARCHIES, *models.EXPENSIVE), default="tuning",
        help="default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    chosen = parser.parse_args(arguments)
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    plan = {"draws": chosen.draws, "chains": chosen.chains}
    wanted = chosen.posteriors or names
    study.run_all(cases(wanted, chosen.samplers, chosen.seeds, load, plan), chosen.results)
    records = [record for name in wanted for record in study.load(chosen.results, f"{name}/*.json")]
    asked = [record for record in records if record["sampler"] in chosen.samplers]
    print("\n" + table(asked) + "\n\n" + table_of_parts(asked))
