"""Gradients that take a millisecond: effective draws per second and per gradient, with a surrogate and without.

Posteriors are those of `benchmarks.models.expensive`; those of hares and lynxes need posteriordb.  The tables:

1. What a log-density costs, alone and with its gradient, in processor time at the initial point.
2. Of each sampler, the least effective draws (bulk, tails and squares of all variables) per processor second, of
   warm-up and sampling, and per thousand gradients: a log-density alone counts as the share of a gradient's time that
   it takes here.  Means are geometric, over seeds.  R-hat and the longest rest at one point, in draws, are those of the
   worst seed, and a run is sound by the rule of `hierarchies`.
3. Of the surrogate, ratios to the best of nutpie's settings and of our default's, each in hindsight; and least
   effective draws of its worst seed over the mean of that default's.

``@300`` after a sampler are its draws of warm-up; ours ends it by itself without.  What compilation takes is not
counted.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import models, report, study
from benchmarks.models.expensive import size
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem, Run
from benchmarks.scores import Record, geometric_mean, least_ess
from benchmarks.studies import hierarchies
from benchmarks.studies.cold_start import prepares
from benchmarks.timing import Timing, interleaved, seconds

RESULTS = study.RESULTS / "expensive"
DEFAULT = ("ours@300", "ours@1000", "ours")
SURROGATE = "ours-trajectory=surrogate"
NUTPIE = ("nutpie-diagonal@300", "nutpie-diagonal@1000", "nutpie-low_rank@300")
SAMPLERS = (*DEFAULT, SURROGATE, *NUTPIE)
ROUNDS = 30  # of timings
_COSTS = "costs"  # the file of a posterior's, beside those of its runs


def costs(problem: Problem, rounds: int = ROUNDS) -> dict[str, Timing]:
    """Processor time of the log-density alone, and with its gradient, at the initial point."""
    position = problem.target.default_start
    point, logp = problem.target.to_point(position), problem.model.compile_logp()
    ways = {"value": lambda: logp(point), "gradient": lambda: problem.target(position)}
    for way in ways.values():
        way()  # what is compiled only now
    return interleaved({name: partial(seconds, way) for name, way in ways.items()}, rounds, base="value")


def _cost_case(name: str, load: Callable[[str], Posterior]) -> study.Case:
    def run(record: Record, keep: object) -> Record:
        problem = Problem.of(load(name))
        micro = {way: timing.nanoseconds / 1000 for way, timing in costs(problem).items()}
        return {"posterior": name, "dim": problem.target.dim, "size": size(name), "microseconds": micro}

    def line(record: Record) -> str:
        micro = record["microseconds"]
        return f"{name:46s} {micro['value']:.0f} µs a value, {micro['gradient']:.0f} µs with its gradient"

    return study.Case(Path(name) / f"{_COSTS}.json", {"posterior": name}, run, line)


def measure(run: Run, posterior: Posterior) -> Record:
    """As for `hierarchies`, and how many log-densities were evaluated alone."""
    return {**hierarchies.measure(run, posterior), "values": dict(zip(("warmup", "sampling"), run.values, strict=True))}


def line(record: Record) -> str:
    """A record in a line."""
    return f"{hierarchies.line(record)}, {sum(record['values'].values())} values alone"


def cases(
    names: Sequence[str],
    samplers: Sequence[str],
    seeds: Sequence[int],
    load: Callable[[str], Posterior],
    plan: study.Plan,
) -> Iterator[study.Case]:
    """For each posterior its costs, and then all runs."""
    for name in names:
        yield _cost_case(name, load)
        yield from study.runs([name], prepares(samplers), seeds, load, plan, measure=measure, line=line)


def per_second(record: Record, cost: Record) -> float:
    """Least effective draws for a second of warm-up and sampling."""
    return least_ess(record) / (record["seconds"]["warmup"] + record["seconds"]["sampling"])


def per_gradient(record: Record, cost: Record) -> float:
    """Least effective draws for a thousand gradients, or what takes as long."""
    share = cost["microseconds"]["value"] / cost["microseconds"]["gradient"]
    spent = sum(record["gradients"].values()) + share * sum(record["values"].values())
    return 1000 * least_ess(record) / spent


MEASURES = {"second": per_second, "1000 gradients": per_gradient}


class _Found:
    """What is on file of one posterior."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.costs: Record = next((record for record in records if "microseconds" in record), {})
        self.runs: dict[str, list[Record]] = {}
        for record in records:
            if "sampler" in record:
                self.runs.setdefault(record["sampler"], []).append(record)
        self.made = {name: [record for record in its if "error" not in record] for name, its in self.runs.items()}

    def mean(self, sampler: str, measure: Callable[[Record, Record], float]) -> float:
        """Over seeds."""
        return geometric_mean(measure(record, self.costs) for record in self.made.get(sampler, []))

    def best(self, samplers: Sequence[str], measure: Callable[[Record, Record], float]) -> str:
        """Of several samplers, the one with the largest mean."""
        return max(samplers, key=lambda sampler: np.nan_to_num(self.mean(sampler, measure)))


def table_of_costs(found: dict[str, _Found]) -> str:
    """What log-densities cost, in Markdown."""
    rows = []
    for name, its in found.items():
        if its.costs:
            value, gradient = (its.costs["microseconds"][way] for way in ("value", "gradient"))
            cells = [f"{value:.0f}", f"{gradient:.0f}", f"{gradient / value:.1f}"]
            rows.append([name, str(its.costs["dim"]), str(its.costs["size"]), *cells])
    return report.markdown(["posterior", "d", "n", "value, µs", "with gradient, µs", "ratio"], rows)


def table_of_samplers(found: dict[str, _Found], samplers: Sequence[str]) -> str:
    """What each sampler came to, in Markdown."""
    rows = []
    for name, its in found.items():
        for sampler in samplers:
            runs, made = its.runs.get(sampler, []), its.made.get(sampler, [])
            if not made:
                rows += [[name, sampler, "error", "", "", "", ""]] if runs else []
                continue
            means = [report.number(its.mean(sampler, of)) for of in MEASURES.values()]
            r_hat = max(math.inf if record["r_hat"] is None else record["r_hat"] for record in made)
            rest = max(record["rest"] for record in made)
            sound = f"{sum(map(hierarchies.is_sound, made))} of {len(runs)}"
            rows.append([name, sampler, *means, f"{r_hat:.3f}", str(rest), sound])
    head = ["posterior", "sampler", *(f"draws a {per}" for per in MEASURES), "R-hat", "longest rest", "sound"]
    return report.markdown(head, rows)


def table_of_ratios(found: dict[str, _Found], sampler: str = SURROGATE) -> str:
    """A sampler's ratios to the best of others, in Markdown."""
    rows, ratios = [], []
    for name, its in found.items():
        mine = its.made.get(sampler, [])
        if not mine:
            continue
        ours = its.best(DEFAULT, per_second)
        usual = geometric_mean(map(least_ess, its.made.get(ours, [])))
        others = [(of, its.best(them, of)) for of in MEASURES.values() for them in (NUTPIE, DEFAULT)]
        made = [its.mean(sampler, of) / its.mean(other, of) for of, other in others]
        made.append(min(map(least_ess, mine)) / usual)
        ratios.append(made)
        rows.append([name, *(f"{ratio:.2f}" for ratio in made)])
    if rows:
        columns = np.array(ratios).T
        rows.append(["geometric mean (least)", *(f"{geometric_mean(c):.2f} ({np.nanmin(c):.2f})" for c in columns)])
    head = [f"a {per} / {them}" for per in MEASURES for them in ("nutpie", "ours")]
    return report.markdown(["posterior", *head, "worst seed / ours"], rows)


def tables(records: dict[str, list[Record]], samplers: Sequence[str]) -> str:
    """All tables, of the records of each posterior."""
    found = {name: _Found(its) for name, its in records.items()}
    made = [table_of_costs(found), table_of_samplers(found, samplers)]
    if any(its.made.get(SURROGATE) for its in found.values()):
        made.append(f"{SURROGATE}, in ratio to others\n\n{table_of_ratios(found)}")
    return "\n\n".join(made)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing, and print the tables."""
    parser = study.parser(
        "expensive", __doc__, samplers=list(SAMPLERS), seeds=list(range(10)), draws=1000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--set", choices=models.EXPENSIVE, default=models.EXPENSIVE[0], help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    chosen = parser.parse_args(arguments)
    names, load = models.of_set(chosen.set, chosen.posteriordb)
    wanted = chosen.posteriors or names
    plan = {"draws": chosen.draws, "chains": chosen.chains}
    study.run_all(cases(wanted, chosen.samplers, chosen.seeds, load, plan), chosen.results)
    print("\n" + tables({name: study.load(chosen.results, f"{name}/*.json") for name in wanted}, chosen.samplers))
