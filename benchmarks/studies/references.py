"""Whether draws have the right means and squares: all integrators and metrics against the draws of posteriordb.

For every posterior with reference draws, and every configuration of an integrator and a metric (No-U-Turn
trajectories), 4 chains of 1000 + 1000 draws are compared with the reference: means of all parameters, and mean squared
deviations from the reference mean, in units of the difference's Monte Carlo standard error.  Each posterior and
configuration leaves one file in the folder of results, so that an interrupted run goes on where it stopped.

A |z| above 4 is bias, chance, or a chain that mixes too slowly for its standard error to mean anything.  Where one is
found, the configuration is run on that posterior anew, with another seed and ten times as many draws: the z of a bias
grows, by up to √10, and one by chance goes away.  Errors of the reference draws stay; they are the same for
every configuration, so that configurations are not independent of each other.  Nor are the parameters of a posterior.
The last table is of biases that no single z can show: under the law of chance, z has mean 0 and root mean square 1.

Numbers of |z| above 3 and 4 stand beside those expected of a normal law, and of a t law with 30 degrees of freedom,
which allows for standard errors that are estimates.  Runs *mix* where R-hat is at most 1.01 for every parameter, and at
most 1 % of draws diverge.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import arviz_base
import arviz_stats
import numpy as np
from scipy import stats

from benchmarks import study
from benchmarks.models import posteriordb
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run, get
from benchmarks.scores import Record

RESULTS = study.RESULTS / "references"
INTEGRATORS = ("leapfrog", "bcss2", "yoshida4")
METRICS = ("diagonal", "dense", "low_rank")
CONFIGURATIONS = tuple(f"ours-{metric}-{integrator}" for integrator in INTEGRATORS for metric in METRICS)
"""Samplers, as `benchmarks.samplers.get` names them."""

LIMIT = 4.0  # of |z|
LAWS = {"normal": stats.norm(), "t30": stats.t(30)}
AGAIN = " again"  # behind the name of a posterior that is run anew


def compare(run: Run, posterior: Posterior) -> Record:
    """The z of mean and squares of every parameter, its R-hat and effective sample size, and divergences."""
    draws = posterior.draws(run.draws)
    summary = arviz_base.from_dict({"posterior": draws})["posterior"].to_dataset()
    r_hat, ess = arviz_stats.rhat(summary, method="rank"), arviz_stats.ess(summary, method="bulk")
    return {
        "z": {name: list(pair) for name, pair in posterior.z_scores(run.draws).items()},
        "r_hat": {name: float(r_hat[name]) for name in draws},
        "ess": {name: float(ess[name]) for name in draws},
        "divergences": int(run.diverging.sum()),
        "gradients": sum(run.gradients),
    }


def _line(record: Record) -> str:
    return f"|z| {_worst(record):4.1f}  R-hat {max(record['r_hat'].values()):.3f}  {record['divergences']} divergences"


def cases(
    names: Sequence[str],
    configurations: Sequence[str],
    folder: Path,
    load: Callable[[str], Posterior] = posteriordb.load,
    plan: study.Plan = study.PLAN,
    *,
    seed: int = 0,
    again: int = 10,
) -> Iterator[study.Case]:
    """All comparisons, posterior by posterior; those without reference draws are left out.

    Where one in `folder` exceeds `LIMIT`, it is made again with `again` times as many draws; with 0, it is not.
    """
    runs = partial(study.runs, measure=compare, line=_line)
    for name in names:
        posterior = load(name)
        if posterior.reference is None:
            continue
        prepares = {configuration: get(configuration) for configuration in configurations}
        yield from runs([name], prepares, [seed], lambda _, it=posterior: it, plan)
        found = kept(folder, [name], configurations, seed)
        far = {
            key: prepares[key] for key, records in found.items() if name in records and _worst(records[name]) > LIMIT
        }
        if again:
            more = {**plan, "draws": again * plan["draws"]}
            yield from runs([name + AGAIN], far, [seed + 1], lambda _, it=posterior: it, more)


def kept(folder: Path, names: Sequence[str], configurations: Sequence[str], seed: int) -> dict[str, dict[str, Record]]:
    """The records on file, by configuration and posterior, but for errors."""
    found: dict[str, dict[str, Record]] = {configuration: {} for configuration in configurations}
    for configuration, records in found.items():
        for name, its_seed in [(name + more, seed + step) for name in names for more, step in (("", 0), (AGAIN, 1))]:
            for record in study.load(folder, str(study.file_of(name, configuration, its_seed))):
                if "error" not in record:
                    records[name] = record
    return found


def _numbers(record: Record) -> np.ndarray:
    """All z of a record, (parameters, 2); what is not a number counts as infinite."""
    pairs = np.array([[math.nan if z is None else z for z in pair] for pair in record["z"].values()])
    return np.where(np.isnan(pairs), np.inf, pairs).reshape(-1, 2)


def _worst(record: Record) -> float:
    return float(np.abs(_numbers(record)).max(initial=0.0))


def _mixes(record: Record) -> bool:
    r_hats = [math.inf if value is None else value for value in record["r_hat"].values()]
    return max(r_hats) <= 1.01 and record["divergences"] <= 0.01 * record["draws"] * record["chains"]


def _counts(title: str, z: np.ndarray) -> str:
    """A line of the table: how many comparisons, the worst, and how many exceed 3 and 4."""
    z = np.abs(z).ravel()
    cells = ""
    for limit in (3, 4):
        expected = " ".join(f"{2 * law.sf(limit) * z.size:7.2f}" for law in LAWS.values())
        cells += f"{(z > limit).sum():6d} ({expected})"
    return f"{title:34s}{z.size:8d}{z.max(initial=0.0):9.2f}{cells}"


def tables(kept: Mapping[str, Mapping[str, Record]]) -> str:
    """Tables: numbers that exceed 3 and 4, the comparisons that do exceed 4, and mean and spread of z."""
    first = {
        configuration: {name: record for name, record in records.items() if not name.endswith(AGAIN)}
        for configuration, records in kept.items()
    }
    head = f"{'':34s}{'number':>8s}{'max |z|':>9s}" + "".join(
        f"{f'> {limit}':>6s} ({' '.join(f'{name:>7s}' for name in LAWS)})" for limit in (3, 4)
    )
    lines = ["Comparisons, and how many exceed 3 and 4 (in brackets: expected)", head]
    for configuration, records in first.items():
        lines.append(_counts(configuration, _joined(records.values())))
    everything = [record for records in first.values() for record in records.values()]
    lines.append(_counts("all", _joined(everything)))
    lines.append(_counts("all that mix", _joined(filter(_mixes, everything))))
    lines += ["", "By posterior, all configurations", head]
    for name in dict.fromkeys(name for records in first.values() for name in records):
        of_it = [records[name] for records in first.values() if name in records]
        mark = "" if all(map(_mixes, of_it)) else f"  {sum(map(_mixes, of_it))} of {len(of_it)} mix"
        lines.append(_counts(name[:34], _joined(of_it)) + mark)
    lines += ["", f"|z| above {LIMIT:g}, and the same with more draws from another seed"]
    lines.append(f"{'posterior':44s}{'parameter':>18s} {'':8s}{'configuration':26s}{'z':>7s}{'R-hat':>7s}{'ESS':>7s}"
                 f"{'div.':>6s}{'again: z':>10s}{'R-hat':>7s}{'ESS':>8s}{'div.':>6s}")  # fmt: skip
    for configuration, records in first.items():
        for name, record in records.items():
            for parameter, pair in record["z"].items():
                for kind, z in zip(("mean", "squares"), pair, strict=True):
                    if z is None or abs(z) > LIMIT:
                        after = kept[configuration].get(name + AGAIN)
                        lines.append(
                            f"{name:44s}{parameter:>18s} {kind:8s}{configuration:26s}{_of(record, parameter, kind)}"
                            + (f"   {_of(after, parameter, kind)}" if after else "")
                        )
    lines += ["", "z of runs that mix: mean, root mean square, and the mean in standard errors, were all z independent"]
    lines.append(f"{'':34s}{'means':>24s}{'squares':>24s}")
    groups = {configuration: list(records.values()) for configuration, records in first.items()}
    for configuration, some in {**groups, "all": everything}.items():
        z = _joined(filter(_mixes, some))
        cells = [
            f"{part.mean():8.2f}{np.sqrt(np.mean(part**2)):8.2f}{part.mean() * math.sqrt(len(part)):8.1f}"
            for part in z.T
            if len(part)
        ]
        lines.append(f"{configuration:34s}{''.join(cells)}")
    return "\n".join(lines)


def _joined(records: Iterable[Record]) -> np.ndarray:
    return np.vstack([np.empty((0, 2)), *map(_numbers, records)])


def _of(record: Record, parameter: str, kind: str) -> str:
    """One comparison as a part of a line: z, R-hat, effective sample size, divergences."""
    z, r_hat, ess = (
        math.nan if value is None else value
        for value in (
            record["z"][parameter][("mean", "squares").index(kind)], record["r_hat"][parameter],
            record["ess"][parameter],
        )
    )  # fmt: skip
    return f"{z:7.2f}{r_hat:7.3f}{ess:7.0f}{record['divergences']:6d}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the tables."""
    parser = study.parser(
        "references", __doc__, samplers=list(CONFIGURATIONS), draws=1000, tune=1000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument("--posteriors", nargs="+", default=posteriordb.names(), metavar="NAME", help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--again", type=int, default=10, help="times the draws where a |z| exceeds 4; 0: not at all")
    chosen = parser.parse_args(arguments)
    made = cases(
        chosen.posteriors, chosen.samplers, chosen.results, partial(posteriordb.load, path=chosen.posteriordb),
        study.plan_of(chosen), seed=chosen.seed, again=chosen.again,
    )  # fmt: skip
    study.run_all(made, chosen.results)
    print("\n" + tables(kept(chosen.results, chosen.posteriors, chosen.samplers, chosen.seed)))
