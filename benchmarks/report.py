"""Tables and a figure of what the suite has measured.

Each sampler is compared with a baseline by ratios: of the geometric means over seeds for one posterior, and of the
geometric mean of these over posteriors, with a bootstrap interval over seeds.  A baseline that no sampler is named
after, like ``nutpie``, stands for the better of all whose names begin so, for each posterior and measure anew.

A sampler's result for a posterior is marked ``!`` where its draws are not to be trusted, in one seed at least: R-hat
above 1.05, more than 1 % divergences, no effective sample size, an error, or a |z| against the reference draws that all
comparisons of this sampler and posterior together would exceed once in a hundred times.  Summaries are given of all
posteriors, and of those where none of the samplers is marked: the ratio to one that has failed says little, and
geometric means over different posteriors are not to be compared.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import figures, study
from benchmarks.scores import least_ess

__all__ = ["MEASURES", "figure", "load", "markdown", "marked", "ratios", "summary", "tables"]

MEASURES = {
    "gradients": "per 1000 gradients",
    "gradients_with_warmup": "per 1000 gradients, with warm-up's",
    "seconds": "per processor second",
    "seconds_with_warmup": "per processor second, with warm-up's",
}
"""The costs that the least effective sample size is divided by, in words."""

TITLES = {
    "results": "Posteriors on which choices were made",
    "held_out": "Posteriors held out, first set",
    "fresh": "Posteriors held out, second set",
    "unseen": "Posteriors held out, third set",
    "apart": "Posteriors held out, fourth set",
}
"""Titles of folders of results, by their names."""
R_HAT, DIVERGING, CHANCE = 1.05, 0.01, 0.01
RESAMPLES = 2000


def load(*folders: Path) -> pd.DataFrame:
    """Read all results: a row for each posterior, sampler and seed; its ``set`` is the name of the folder."""
    rows = []
    for folder in folders:
        records = [record for record in study.load(folder) if "sampler" in record]
        if not records:
            raise FileNotFoundError(f"There are no results in {str(folder)!r}; the suite makes them.")
        rows += [{"set": folder.name, **_row(record)} for record in records]
    return pd.DataFrame(rows)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: record[key] for key in ("posterior", "sampler", "seed", "dim")}
    if "error" in record:
        return row | {"error": record["error"], "ess": math.nan, "failed": True}
    ess = least_ess(record)
    scores = [abs(math.nan if z is None else z) for pair in record["z"].values() for z in pair]
    costs = {
        kind: {"": record[kind]["sampling"], "_with_warmup": record[kind]["sampling"] + record[kind]["warmup"]}
        for kind in ("gradients", "seconds")
    }
    r_hat = math.nan if record["r_hat"] is None else record["r_hat"]
    return row | {
        "error": None,
        "ess": ess,
        **{
            kind + part: (1000 if kind == "gradients" else 1) * ess / cost if cost > 0 else math.nan
            for kind, parts in costs.items()
            for part, cost in parts.items()
        },
        "warmup_cost": record["gradients"]["warmup"],
        "sampling_cost": record["gradients"]["sampling"],
        "warmup_seconds": record["seconds"]["warmup"],
        "sampling_seconds": record["seconds"]["sampling"],
        "chosen": [words.split(" of ")[0] for words in record.get("chosen", ())],
        "compile_seconds": record["seconds"]["compile"],
        "r_hat": r_hat,
        "divergences": record["divergences"],
        "worst_z": max(scores, key=_nan_last, default=math.nan),
        "comparisons": len(scores),
        "failed": not (
            ess > 0 and r_hat <= R_HAT and record["divergences"] <= DIVERGING * record["chains"] * record["draws"]
        ),
    }


def _nan_first(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def marked(results: pd.DataFrame) -> pd.DataFrame:
    """Which results are not to be trusted: posteriors by samplers, of bool."""

    def judge(rows: pd.DataFrame) -> bool:
        comparisons = rows["comparisons"].sum()
        limit = NormalDist().inv_cdf(1 - CHANCE / comparisons / 2) if comparisons else math.inf
        return bool(rows["failed"].any() or (rows["worst_z"] > limit).any())

    groups = results.groupby(["posterior", "sampler"], sort=False)
    return pd.Series({key: judge(rows) for key, rows in groups}).unstack()


def ratios(
    results: pd.DataFrame, baseline: str, measure: str = "gradients", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each sampler's efficiency over the baseline's, with 95 % bootstrap intervals over seeds.

    Returns
    -------
    each : DataFrame
        By posterior and sampler: ``ratio``, ``low`` and ``high``, and which sampler it is ``against``.  NaN where one
        of the two has no result; no interval where one of the two has a single seed.
    summary : DataFrame
        By sampler and by ``all`` or ``trusted`` posteriors: the same of the geometric mean, and ``posteriors``, how
        many there are.
    """
    rng = np.random.default_rng(seed)
    failures = marked(results)
    means: dict[tuple[str, str], np.ndarray] = {}  # of logarithms over seeds: as it is, then resampled
    for key, rows in results.groupby(["posterior", "sampler"]):
        logs = np.log(rows[measure].to_numpy(float))
        resampled = rng.choice(logs, (RESAMPLES, logs.size)).mean(axis=1)
        means[key] = np.concatenate([[logs.mean()], resampled if logs.size > 1 else np.full(RESAMPLES, math.nan)])
    nothing = np.full(1 + RESAMPLES, math.nan)
    each, summary = {}, {}
    samplers, posteriors = _ordered(results["sampler"]), _ordered(results["posterior"])
    members = _members(samplers, baseline)
    best = {
        posterior: max(members, key=lambda name, of=posterior: _nan_first(means.get((of, name), nothing)[0]))
        for posterior in posteriors
    }
    for sampler in samplers:
        own = {
            posterior: means.get((posterior, sampler), nothing) - means.get((posterior, best[posterior]), nothing)
            for posterior in posteriors
        }
        for posterior, logs in own.items():
            each[posterior, sampler] = {**_interval(logs), "against": best[posterior]}
        known = [posterior for posterior in posteriors if np.isfinite(own[posterior][0])]
        trusted = [posterior for posterior in known if not failures.loc[posterior].any()]
        for scope, chosen in (("all", known), ("trusted", trusted)):
            mean = np.mean([own[posterior] for posterior in chosen], axis=0) if chosen else nothing
            summary[sampler, scope] = {**_interval(mean), "posteriors": len(chosen)}
    return (
        pd.DataFrame.from_dict(each, orient="index").rename_axis(["posterior", "sampler"]),
        pd.DataFrame.from_dict(summary, orient="index").rename_axis(["sampler", "posteriors of"]),
    )


def _members(samplers: Sequence[str], baseline: str) -> list[str]:
    """The samplers that a baseline stands for."""
    return [baseline] if baseline in samplers else [name for name in samplers if name.startswith(f"{baseline}-")]


def _ordered(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(values))


def _interval(logs: np.ndarray) -> dict[str, float]:
    """From a logarithm and its resamples."""
    low, high = np.quantile(logs[1:], [0.025, 0.975])
    return {"ratio": float(np.exp(logs[0])), "low": float(np.exp(low)), "high": float(np.exp(high))}


def tables(results: pd.DataFrame, baseline: str, measure: str = "gradients") -> str:
    """All tables, as text."""
    samplers, posteriors = _ordered(results["sampler"]), _ordered(results["posterior"])
    short = _short(posteriors)
    groups = dict(list(results.groupby(["posterior", "sampler"])))
    failures = marked(results)
    each, _ = ratios(results, baseline, measure)

    def cells(write: Any) -> list[list[str]]:
        rows = []
        for posterior in posteriors:
            row = [short[posterior], str(results.loc[results["posterior"] == posterior, "dim"].iloc[0])]
            for sampler in samplers:
                found = groups.get((posterior, sampler))
                known = found is not None and found["error"].isna().all()
                row.append(write(posterior, sampler, found) if known else "" if found is None else "error !")
            rows.append(row)
        return rows

    def efficiency(posterior: str, sampler: str, rows: pd.DataFrame) -> str:
        value = float(np.exp(np.log(rows[measure]).mean()))
        mark = "!" if failures.loc[posterior, sampler] else " "
        return f"{number(value)} ({number(each.loc[(posterior, sampler), 'ratio'])}){mark}"

    def cost(posterior: str, sampler: str, rows: pd.DataFrame) -> str:
        return f"{rows['warmup_cost'].mean() / 1000:.0f} + {rows['sampling_cost'].mean() / 1000:.0f}"

    def seconds(posterior: str, sampler: str, rows: pd.DataFrame) -> str:
        return f"{rows['warmup_seconds'].mean():.2f} + {rows['sampling_seconds'].mean():.2f}"

    def health(posterior: str, sampler: str, rows: pd.DataFrame) -> str:
        worst, count = rows["worst_z"].max(), int(rows["comparisons"].sum())
        z = f"{worst:.1f} of {count}" if count else "-"
        mark = "!" if failures.loc[posterior, sampler] else " "
        return f"{rows['r_hat'].max(skipna=False):.3f}, {rows['divergences'].sum():.0f}, {z}{mark}"

    head = ["posterior", "d", *samplers]
    seeds = results.groupby(["posterior", "sampler"]).size()
    parts = [
        f"Least ESS {MEASURES[measure]}, and its ratio to {baseline} (! see the gates); "
        f"{seeds.min()} to {seeds.max()} seeds",
        markdown(head, cells(efficiency)),
        "Thousands of gradients, of all chains of a seed: warm-up + sampling",
        markdown(head, cells(cost)),
        "Processor seconds, of all chains of a seed: warm-up + sampling",
        markdown(head, cells(seconds)),
        "Gates: largest R-hat, divergences, largest |z| of so many comparisons; over all seeds",
        markdown(head, cells(health)),
    ]
    chosen = results.explode("chosen").dropna(subset="chosen").groupby("posterior", sort=False)["chosen"]
    if chosen.ngroups:
        shares = [
            [short[str(name)], ", ".join(f"{words} {count}" for words, count in of.value_counts().items())]
            for name, of in chosen
        ]
        parts += [
            "What warm-up has chosen, by chains",
            markdown(["posterior", "integrator, trajectory, chains"], shares),
        ]
    parts.append(summary(results, baseline))
    errors = results[results["error"].notna()]
    parts += [f"{row.posterior}, {row.sampler}, seed {row.seed}: {row.error}" for row in errors.itertuples()]
    return "\n\n".join(parts)


def summary(results: pd.DataFrame, baseline: str) -> str:
    """The table of geometric means over posteriors, by all measures."""
    parts = []
    made = {name: ratios(results, baseline, name)[1] for name in MEASURES}
    for scope in ("all", "trusted"):
        rows = []
        for sampler in _ordered(results["sampler"]):
            found = [made[name].loc[(sampler, scope)] for name in MEASURES]
            rows.append([sampler, f"{found[0]['posteriors']:.0f}", *[ratio(cell) for cell in found]])
        what = "all posteriors" if scope == "all" else "those where no sampler is marked"
        parts += [f"Geometric mean of ratios to {baseline}, over {what}",
                  markdown(["sampler", "posteriors", *MEASURES], rows)]  # fmt: skip
    return "\n\n".join(parts)


def _short(posteriors: Sequence[str]) -> dict[str, str]:
    """Names without the data's, where that leaves them different."""
    short = {name: name.split("-", 1)[-1] for name in posteriors}
    return short if len(set(short.values())) == len(short) else {name: name for name in posteriors}


def number(value: float) -> str:
    """Three digits."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def ratio(cell: Mapping[str, float]) -> str:
    interval = f" [{cell['low']:.2f}, {cell['high']:.2f}]" if math.isfinite(cell["low"]) else ""
    return number(cell["ratio"]) + interval


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, with columns that line up."""
    narrowest = len("-:")  # of what Markdown takes for the rule of a column
    widths = [max(narrowest, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width) if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def figure(results: pd.DataFrame, baseline: str, measure: str = "gradients") -> Any:
    """Dots for the ratios of each posterior, and of the geometric mean; hollow ones are not to be trusted.

    A panel for each set of posteriors.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    samplers = [sampler for sampler in _ordered(results["sampler"]) if sampler != baseline]
    looks = figures.looks(samplers)
    sets = [(str(name), rows) for name, rows in results.groupby("set", sort=False)]
    most = max(rows["posterior"].nunique() for _, rows in sets)
    height = 0.22 * (most + 1) * max(2, 0.6 * len(samplers)) / 1.4 + 1.2
    made = Figure(figsize=(8 if len(sets) == 1 else 5.2 * len(sets), height), layout="constrained")
    for axes, (name, rows) in zip(made.subplots(1, len(sets), squeeze=False, sharex=True)[0], sets, strict=True):
        _panel(axes, rows, baseline, measure, looks)
        if len(sets) > 1:
            axes.set_title(TITLES.get(name, name), loc="left", fontsize="medium")
    base = "the better of " + baseline if baseline not in set(results["sampler"]) else baseline
    made.supxlabel(f"Least effective sample size {MEASURES[measure]}: ratio to {base}", fontsize="medium")
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=name)
        for name, (colour, marker) in looks.items()
    ]
    doubt = {"markerfacecolor": "white", "linestyle": "", "label": "it, or the baseline, did not pass"}
    handles.append(Line2D([], [], color="0.3", marker="o", **doubt))
    made.legend(handles=handles, loc="outside upper center", ncols=min(6, len(handles)), frameon=False)
    return made


def _panel(axes: Any, results: pd.DataFrame, baseline: str, measure: str, looks: Mapping[str, tuple[str, str]]) -> None:
    """One set of posteriors."""
    each, means = ratios(results, baseline, measure)
    failures = marked(results)
    posteriors, there = _ordered(results["posterior"]), set(results["sampler"])
    first = next((sampler for sampler in looks if sampler in there), baseline)  # a set may have the baseline alone
    if first in there:
        posteriors.sort(key=lambda name: _nan_last(-each.loc[(name, first), "ratio"]))
    short = _short(posteriors)
    offsets = np.linspace(-0.3, 0.3, len(looks)) if len(looks) != 1 else [0.0]
    for offset, (sampler, (colour, marker)) in zip(offsets, looks.items(), strict=True):
        if sampler not in there:
            continue
        rows = [
            (cell, failures.loc[posterior, [sampler, cell["against"]]].any())
            for posterior in posteriors
            for cell in [each.loc[(posterior, sampler)]]
        ]
        rows.append((means.loc[(sampler, "all")], False))
        for place, (cell, doubtful) in enumerate(rows):
            if not math.isfinite(cell["ratio"]):
                continue
            y = place + offset + (0.4 if place == len(posteriors) else 0)
            if math.isfinite(cell["low"]):
                axes.plot([cell["low"], cell["high"]], [y, y], color=colour, linewidth=1)
            axes.plot(
                cell["ratio"], y, marker, color=colour, markersize=5, markerfacecolor="white" if doubtful else colour
            )
    axes.axvline(1, color="0.3", linewidth=1, zorder=0)
    axes.axhline(len(posteriors) - 0.3, color="0.7", linewidth=0.8)
    axes.set_xscale("log")
    figures.plain_numbers(axes.xaxis)
    axes.grid(axis="x", color="0.9")
    figures.bare(axes)
    axes.set_yticks([*range(len(posteriors)), len(posteriors) + 0.4])
    axes.set_yticklabels([*(short[name] for name in posteriors), "geometric mean"])
    axes.set_ylim(len(posteriors) + 0.9, -0.6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, print the tables and save the figure."""
    parser = study.parser("report", __doc__)
    parser.add_argument(
        "--results",
        type=Path,
        nargs="+",
        default=[study.RESULTS],
        help="folders of results; default: benchmarks/results",
    )
    parser.add_argument("--baseline", default="nutpie", help="default: nutpie, the better of its two")
    parser.add_argument(
        "--samplers", nargs="+", metavar="NAME", help="which, and in what order; default: all there are"
    )
    parser.add_argument(
        "--measure", choices=MEASURES, default="gradients", help="of table and figure; default: gradients"
    )
    parser.add_argument("--figure", type=Path, help="file of the figure; default: ratios-MEASURE.png among the results")
    chosen = parser.parse_args(arguments)
    results = load(*chosen.results)
    known = sorted(set(results["sampler"]))
    samplers = chosen.samplers or known
    wanted = list(dict.fromkeys([*samplers, *_members(known, chosen.baseline)]))
    absent = [name for name in wanted if name not in known]
    if absent or not _members(known, chosen.baseline):
        parser.error(f"no results of {', '.join(absent) or chosen.baseline} in {', '.join(map(str, chosen.results))}")
    results = pd.concat([results[results["sampler"] == name] for name in wanted], ignore_index=True)
    for name, rows in results.groupby("set", sort=False):
        print(f"# {TITLES.get(str(name), name)}\n\n{tables(rows, chosen.baseline, chosen.measure)}\n")
    if len(chosen.results) > 1:
        print(f"# All\n\n{summary(results, chosen.baseline)}\n")
    file = chosen.figure or chosen.results[0] / f"ratios-{chosen.measure}.png"
    figure(results, chosen.baseline, chosen.measure).savefig(file, dpi=150)
    print(f"Figure: {file}")
