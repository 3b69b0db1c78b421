"""The neutral suite: posteriordb's own Stan programs, so that nobody here wrote or translated a posterior.

All posteriors whose program compiles, with Stan's log-density and gradient for every sampler alike, from the same
starts: U(-1, 1) of all unconstrained parameters, or the next such point where the log-density is finite.  Each sampler
has its own defaults, the length of warm-up among them; its gradients are all those that it evaluates, those of thrown
away trajectories too.  Efficiency is the least effective sample size of bulk, tail and squares over all parameters on
their own scale, and over all quantities with reference draws, for 1000 gradients: of sampling, and with warm-up's.

Gates, written down before anything was run.  A run passes if

- R-hat is at most 1.01,
- bulk and tail effective sample sizes are at least 400,
- no |z| of means and mean squared deviations against reference draws, where there are any, is above 4, and
- it diverges no more often than whichever of the other samplers diverges most often from the same starts;

each for all quantities.  A sampler fails a gate on a posterior if it does from one seed or more, and it fails all of
them where it ends with an error.

posteriordb is where the other studies look for it; it has to hold ``models/`` too.  What compiles programs is found as
`benchmarks.models.stan_programs` says; one that does not compile is recorded as an error of each sampler.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import figures, report, study
from benchmarks.models import stan_programs
from benchmarks.models.posterior import Posterior
from benchmarks.models.stan_programs import POSITION, StanPosterior
from benchmarks.samplers import SAMPLERS as KNOWN
from benchmarks.samplers import Run, nutpie
from benchmarks.scores import Record, least_ess, score
from benchmarks.studies.cold_start import prepares

RESULTS = study.RESULTS / "neutral"
OURS = "ours"
BASELINE = tuple(f"nutpie-{metric}" for metric in nutpie.METRICS)
"""The better of these, on each posterior, is what samplers are compared with."""
SAMPLERS = (OURS, *(name for name in KNOWN if not name.startswith(OURS)))
R_HAT, ESS, Z = 1.01, 400.0, 4.0
_ERROR = "error"

Failures = Mapping[tuple[str, str], frozenset[str]]
"""The gates that each sampler fails, by posterior and sampler; not all of them may have been run."""


def measure(run: Run, posterior: Posterior) -> Record:
    """Effective draws, cost and gates of a run, by the parameters of the Stan program."""
    assert isinstance(posterior, StanPosterior)
    return score(replace(run, draws=posterior.constrain(run.draws[POSITION])), posterior)


# Gates


def _over(value: float | None, limit: float) -> bool:
    return value is None or not value <= limit


_GATES: Mapping[str, Callable[[Record, int], bool]] = {
    "R-hat": lambda record, _: _over(record["r_hat"], R_HAT),
    "bulk": lambda record, _: _over(-(record["ess"]["bulk"] or 0.0), -ESS),
    "tail": lambda record, _: _over(-(record["ess"]["tail"] or 0.0), -ESS),
    "z": lambda record, _: any(z is None or not abs(z) <= Z for pair in record["z"].values() for z in pair),
    "divergences": lambda record, others: record["divergences"] > others,
}
"""Whether a record fails, by gate, given how many divergences others have had."""


def failures(records: Sequence[Record]) -> Failures:
    """The gates that each sampler fails on each posterior, from one seed or more; with an error, ``{"error"}``."""
    divergences: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for record in records:
        divergences[record["posterior"], record["seed"]][record["sampler"]] = record.get("divergences", 0)
    failed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        own = failed[record["posterior"], record["sampler"]]
        if "error" in record:
            own.add(_ERROR)
            continue
        all_of = divergences[record["posterior"], record["seed"]]
        others = max((count for name, count in all_of.items() if name != record["sampler"]), default=0)
        own.update(gate for gate, fails in _GATES.items() if fails(record, others))
    return {key: frozenset(gates) for key, gates in failed.items()}


def missed(failed: Failures, sampler: str = OURS) -> dict[str, dict[str, list[str]]]:
    """By posterior and gate that a sampler fails, others that pass it; without those that nobody passes."""
    found: dict[str, dict[str, list[str]]] = {}
    for (posterior, name), gates in failed.items():
        if name != sampler:
            continue
        others = {other: its for (where, other), its in failed.items() if where == posterior and other != sampler}
        passed = {
            gate: [other for other, its in others.items() if _ERROR not in its and gate not in its] for gate in gates
        }
        if any(passed.values()):
            found[posterior] = {gate: names for gate, names in passed.items() if names}
    return found


# Tables


def _efficiencies(records: Sequence[Record], warmup: bool) -> dict[tuple[str, str], float]:
    """Geometric means over seeds of least effective draws for 1000 gradients, by posterior and sampler."""
    logs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        cost = 0 if "error" in record else record["gradients"]["sampling"] + warmup * record["gradients"]["warmup"]
        value = 1000 * least_ess(record) / cost if cost > 0 else math.nan
        logs[record["posterior"], record["sampler"]].append(math.log(value) if value > 0 else math.nan)
    return {key: math.exp(np.mean(values)) for key, values in logs.items()}


def ratios(records: Sequence[Record], warmup: bool = False) -> dict[tuple[str, str], float]:
    """Efficiency over that of the better of `BASELINE`, by posterior and sampler; NaN where one is not known."""
    known = _efficiencies(records, warmup)

    def base(posterior: str) -> float:
        both = [known.get((posterior, name), math.nan) for name in BASELINE]
        return max((value for value in both if value > 0), default=math.nan)

    return {(posterior, sampler): value / base(posterior) for (posterior, sampler), value in known.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value > 0]
    return math.exp(float(np.mean(np.log(known)))) if known else math.nan


def tables(records: Sequence[Record]) -> str:
    """A table of all posteriors, a summary by sampler, and the gates that ours fails and another passes."""
    samplers = list(dict.fromkeys(record["sampler"] for record in records))
    posteriors = list(dict.fromkeys(record["posterior"] for record in records))
    dims = {record["posterior"]: record["dim"] for record in records if record.get("dim")}
    failed = failures(records)
    made = {words: ratios(records, warmup) for words, warmup in (("sampling", False), ("all", True))}

    def cell(posterior: str, sampler: str) -> str:
        if (posterior, sampler) not in failed:
            return ""
        gates = failed[posterior, sampler]
        if _ERROR in gates:
            return _ERROR
        pair = " / ".join(report.number(made[words][posterior, sampler]) for words in made)
        return f"{pair} {' '.join(sorted(gates))}".rstrip()

    def summed(sampler: str) -> list[str]:
        run = [posterior for posterior in posteriors if (posterior, sampler) in failed]
        passed = [posterior for posterior in run if not failed[posterior, sampler]]
        both = [name for name in passed if any(not failed.get((name, base), {_ERROR}) for base in BASELINE)]
        gates = [gate for posterior in run for gate in sorted(failed[posterior, sampler])]
        counts = ", ".join(f"{gate} {gates.count(gate)}" for gate in (*_GATES, _ERROR) if gate in gates)
        means = [
            report.number(_mean([ratio[posterior, sampler] for posterior in where]))
            for where in (run, both)
            for ratio in made.values()
        ]
        return [sampler, f"{len(passed)} of {len(run)}", *means, str(len(both)), counts]

    each = [[name, str(dims.get(name, "")), *(cell(name, sampler) for sampler in samplers)] for name in posteriors]
    head = [
        "sampler",
        "passed",
        "per gradient",
        "with warm-up",
        "both passed: per gradient",
        "with warm-up",
        "of",
        "failed",
    ]
    parts = [
        "Efficiency in ratio to the better of nutpie's two, per gradient / with warm-up, and the gates that are failed",
        report.markdown(["posterior", "d", *samplers], each),
        "Geometric means of these ratios, over all posteriors and over those where a baseline passes all gates, too",
        report.markdown(head, [summed(sampler) for sampler in samplers]),
    ]
    lost = missed(failed)
    parts += ["Gates that ours fails and another sampler passes"] if lost else []
    parts += [
        f"- {posterior}: {'; '.join(f'{gate} ({", ".join(names)})' for gate, names in sorted(gates.items()))}"
        for posterior, gates in lost.items()
    ]
    errors = {(record["posterior"], record["error"].splitlines()[0]) for record in records if "error" in record}
    parts += [f"{posterior}: {words[:160]}" for posterior, words in sorted(errors)]
    return "\n\n".join(parts)


def strip(records: Sequence[Record], sampler: str = OURS) -> Any:
    """A figure of all posteriors side by side: efficiencies with warm-up, and whether all gates are passed."""
    from matplotlib.figure import Figure

    failed, found = failures(records), ratios(records, warmup=True)
    names = [name for name, of in found if of == sampler and found[name, of] > 0]
    names.sort(key=lambda name: found[name, sampler])
    made = Figure(figsize=(8, 3.6), layout="constrained")
    axes = made.subplots()
    axes.axhline(1, color="0.3", linewidth=1)
    looks = figures.looks([sampler, *BASELINE])
    for name, (colour, _) in list(looks.items())[::-1]:
        own = name == sampler
        for passes in (True, False):
            places = [i for i, where in enumerate(names) if (not failed.get((where, name), {_ERROR})) == passes]
            heights = [found.get((names[i], name), math.nan) for i in places]
            said = f"{name}, passes all gates" if passes else f"{name}, fails one or more"
            label = said if own else name if passes else None
            look = {"s": 28 if own else 9, "color": colour, "facecolor": colour if passes else "white"}
            axes.scatter(places, heights, linewidth=0.9, label=label, zorder=2 + own, **look)
    axes.set_yscale("log")
    figures.plain_numbers(axes.yaxis)
    figures.bare(axes)
    axes.grid(axis="y", color="0.9")
    axes.set_xticks([])
    axes.set_xlabel(f"{len(names)} posteriors, by what {sampler} makes of them")
    axes.set_ylabel("effective draws per gradient,\nto the better of nutpie's two")
    mean = _mean([found[name, sampler] for name in names])
    axes.set_title(f"{mean:.2g} times as many in geometric mean, warm-up counted", loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", ncols=2, loc="upper left", reverse=True)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing, print the tables, and save the figure."""
    parser = study.parser(
        "neutral", __doc__, samplers=list(SAMPLERS), seeds=[0, 1, 2], draws=1000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="default: all that have a Stan program")
    parser.add_argument("--figure", type=Path, help="file of the figure; default: neutral.png among the results")
    parser.add_argument(
        "--httpstan", type=Path, metavar="FOLDER", help=f"default: the environment variable {stan_programs.HTTPSTAN}"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", default=study.RESULTS / "stan_programs",
        help="of compiled programs; default: %(default)s",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    names = chosen.posteriors or stan_programs.names(chosen.posteriordb)
    compiler = stan_programs.Compiler(chosen.cache, chosen.httpstan)
    load: Callable[[str], Any] = partial(stan_programs.load, compiler=compiler, path=chosen.posteriordb)
    plan = {"draws": chosen.draws, "chains": chosen.chains}
    cases = study.runs(names, prepares(chosen.samplers), chosen.seeds, load, plan, measure=measure)
    study.run_all(cases, chosen.results)
    wanted = set(names), set(chosen.samplers), set(chosen.seeds)
    records = [
        record for record in study.load(chosen.results)
        if record["posterior"] in wanted[0] and record["sampler"] in wanted[1] and record["seed"] in wanted[2]
    ]  # fmt: skip
    order = {sampler: place for place, sampler in enumerate(chosen.samplers)}
    print("\n" + tables(sorted(records, key=lambda record: (record["posterior"], order[record["sampler"]]))))
    if {OURS, *BASELINE} <= {record["sampler"] for record in records}:
        file = chosen.figure or chosen.results / "neutral.png"
        strip(records).savefig(file, dpi=150)
        print(f"\nFigure: {file}")
