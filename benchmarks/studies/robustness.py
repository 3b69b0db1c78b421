"""Pitfalls of a careless tuner: six targets from fifty seeds each, the choices made, and whether draws are biased.

The targets are described in `benchmarks.models.known_laws`.  Each posterior, sampler and seed leaves a file, as with
the suite, whose protocol this is; started again, it goes on where it stopped.  The tables:

1. How often chains chose which integrator and trajectory.
2. Efficiency: the least effective sample size per 1000 gradients after warm-up, the geometric mean over seeds; its
   ratio to that of the better of nutpie's two, with a bootstrap interval; the seed that fared worst, as a ratio to the
   same.  Runs without an effective sample size are left out of these, and count as failures.
3. Failures: runs whose R-hat exceeds 1.05 or is not a number, or that ended with an error; divergences.
4. Bias: of each quantity, the mean, the mean squared deviation from the true mean, and the probabilities of being below
   the true 5 % and 95 % quantiles.  z is the average over runs less the truth, over the standard error that the spread
   between runs gives; it needs no effective sample size to be right.  Truth is known, or that of the reference draws,
   whose own error is added.  Shown are how many comparisons there are, how many exceed what chance alone would exceed,
   in all of a line, once in a hundred times (t law), and the worst.  The same for nutpie shows what is the target's
   fault.

Tables are of all results in the folder of the targets and samplers that are asked for; ``--seeds`` without a number
makes no runs.  A sampler may also be one of `ablation`, such as "ours without proof".
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks import report, study
from benchmarks.models.known_laws import TARGETS, Target, load
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run
from benchmarks.scores import Record, score
from benchmarks.studies import ablation

RESULTS = study.RESULTS / "robustness"
SAMPLERS = ("ours", "nutpie-diagonal", "nutpie-low_rank")


def estimates(run: Run, of: Target) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Averages over a run's draws, the truth and its standard error, by quantity and kind."""
    found = of.quantities(run.draws)
    return {
        name: {kind: (float(part.mean()), *law.truth[kind]) for kind, part in law.parts(found[name]).items()}
        for name, law in of.laws.items()
    }


def cases(
    names: Sequence[str],
    samplers: Sequence[str],
    seeds: Sequence[int],
    path: Path | None = None,
    plan: study.Plan = study.PLAN,
) -> Iterator[study.Case]:
    """All runs; `path` is posteriordb's."""
    for name in names:

        def measure(run: Run, posterior: Posterior, name: str = name) -> Record:
            return score(run, posterior) | {"estimates": estimates(run, load(name, path))}

        prepares = {sampler: ablation.sampler(sampler) for sampler in samplers}
        yield from study.runs([name], prepares, seeds, lambda name: load(name, path).posterior, plan, measure=measure)


def choices(records: Iterable[Record]) -> Counter[str]:
    """How many chains chose which integrator and trajectory, whatever the length."""
    return Counter(text.split(" of ")[0] for record in records for text in record.get("chosen", []))


def biases(records: Iterable[Record]) -> pd.DataFrame:
    """All comparisons with the truth, the worst first.

    Returns
    -------
    DataFrame
        By ``quantity`` and ``kind``: ``estimate``, the average over runs, ``truth``, ``error``, the standard error of
        their difference, and ``z``.  NaN where there are fewer than two runs, or one has no estimate.
    """
    values: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for record in records:
        for quantity, kinds in record.get("estimates", {}).items():
            for kind, triple in kinds.items():
                values.setdefault((quantity, kind), []).append(triple)
    rows = {}
    for key, triples in values.items():
        seen, truth, error = np.array(triples, dtype=float).T  # null becomes NaN
        spread = seen.std(ddof=1) / math.sqrt(seen.size) if seen.size > 1 else math.nan
        whole = np.hypot(spread, error[0])
        with np.errstate(divide="ignore", invalid="ignore"):  # all runs may agree, on what is wrong or right
            z = (seen.mean() - truth[0]) / whole
        rows[key] = {"estimate": seen.mean(), "truth": truth[0], "error": whole, "z": z}
    if not rows:
        return pd.DataFrame(columns=["estimate", "truth", "error", "z"])
    made = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["quantity", "kind"])
    return made.sort_values("z", key=np.abs, ascending=False)


def tables(folder: Path, names: Sequence[str] = tuple(TARGETS), sampler_names: Sequence[str] = SAMPLERS) -> str:
    """All tables, in Markdown."""
    on_file = {
        (name, sampler): study.load(folder / name, f"{sampler}@*.json") for name in names for sampler in sampler_names
    }
    records = {key: its for key, its in on_file.items() if its}
    results = report.load(folder)
    scored = results[results["ess"] > 0]
    chosen, efficiency, failures, bias = [], [], [], []
    for (name, sampler), its in records.items():
        counts = choices(its)
        for text, count in counts.most_common():
            chosen.append([name, sampler, text, f"{count} of {counts.total()}"])
        efficiency.append([name, sampler, *_efficiency(scored[scored["posterior"] == name], sampler, sampler_names)])
        failures.append([name, sampler, *_failures(results, name, sampler)])
        bias.append([name, sampler, *_bias(its)])
    head = ["target", "sampler"]
    parts = [
        "Chosen, over all chains and seeds",
        report.markdown([*head, "integrator and trajectory", "chains"], chosen),
        "Least ESS per 1000 gradients after warm-up",
        report.markdown([*head, "geometric mean", "to the better nutpie", "worst seed"], efficiency),
        "Failures, and draws that diverged",
        report.markdown([*head, "runs", f"R-hat > {report.R_HAT}", "worst R-hat", "errors", "divergent"], failures),
        "Bias: comparisons with the truth, and the worst of them",
        report.markdown([*head, "comparisons", "beyond chance", "worst abs(z)", "of", "estimate", "truth"], bias),
    ]
    return "\n\n".join(parts)


def _efficiency(rows: pd.DataFrame, sampler: str, sampler_names: Sequence[str]) -> tuple[str, str, str]:
    """The mean, its ratio to the better of nutpie's, and the worst seed's."""
    means = np.exp(np.log(rows["gradients"]).groupby(rows["sampler"]).mean())
    if sampler not in means:
        return "-", "-", "-"
    theirs = [name for name in sampler_names if name.startswith("nutpie") and name in means]
    if not theirs:
        return report.number(means[sampler]), "-", "-"
    best = max(theirs, key=lambda name: means[name])
    each, _ = report.ratios(rows, best)
    worst = rows.loc[rows["sampler"] == sampler, "gradients"].min() / means[best]
    ratio = report.ratio(each.loc[rows["posterior"].iloc[0], sampler])
    return report.number(means[sampler]), ratio, report.number(worst)


def _failures(results: pd.DataFrame, name: str, sampler: str) -> tuple[str, str, str, str, str]:
    rows = results[(results["posterior"] == name) & (results["sampler"] == sampler)]
    errors = int(rows["error"].notna().sum())
    whole = rows[rows["error"].isna()]
    bad = int((~(whole["r_hat"] <= report.R_HAT)).sum())
    worst = whole["r_hat"].max(skipna=False) if len(whole) else math.nan
    return str(len(rows)), str(bad), f"{worst:.3f}", str(errors), f"{whole['divergences'].sum():.0f}"


def _bias(records: Sequence[Record]) -> tuple[str, str, str, str, str, str]:
    found = biases(records)
    z = found["z"].dropna().abs()
    if not len(z):
        return str(len(found)), "-", "-", "-", "-", "-"
    runs = sum("estimates" in record for record in records)
    limit = stats.t.isf(report.CHANCE / len(found) / 2, runs - 1)
    quantity, kind = z.index[0]
    worst = found.loc[(quantity, kind)]
    cells = [f"{worst[key]:.3g}" for key in ("estimate", "truth")]
    return str(len(found)), str(int((z > limit).sum())), f"{z.iloc[0]:.1f}", f"{quantity} {kind}", *cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the tables."""
    parser = study.parser(
        "robustness", __doc__, samplers=list(SAMPLERS), draws=1000, tune=1000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), help="default: all")
    parser.add_argument(
        "--seeds", nargs="*", type=int, default=list(range(50)), metavar="SEED", help="default: 0 to 49; none: tables"
    )
    chosen = parser.parse_args(arguments)
    plan = study.plan_of(chosen)
    study.run_all(cases(chosen.targets, chosen.samplers, chosen.seeds, chosen.posteriordb, plan), chosen.results)
    print("\n" + tables(chosen.results, chosen.targets, chosen.samplers))
