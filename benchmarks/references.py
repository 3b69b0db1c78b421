"""Whether draws have the right means and squares: all integrators and metrics against the draws of posteriordb.

Run ``python benchmarks/references.py``; ``--help`` lists the options.  For every posterior with reference draws, and
every configuration of an integrator and a metric (No-U-Turn trajectories), 4 chains of 1000 + 1000 draws are compared
with the reference: means of all parameters, and mean squared deviations from the reference mean, in units of the
difference's Monte Carlo standard error.  Each configuration leaves one JSON file in the folder of results, to which
posteriors are added one by one, so that an interrupted run goes on where it stopped.

A |z| above 4 is bias, bad luck, or a chain that mixes too slowly for its standard error to mean anything.  Where one is
found, the configuration is run on that posterior anew, with another seed and ten times as many draws: the z of a bias
grows, by up to √10, and bad luck of these draws goes away.  Errors of the reference draws stay; they are the same for
every configuration, so that configurations are not independent of each other.  Nor are the parameters of a posterior.
The last table is of biases that no single z can show: under the law of chance, z has mean 0 and root mean square 1.

Numbers of |z| above 3 and 4 stand beside those expected of a normal law, and of a t law with 30 degrees of freedom,
which allows for standard errors that are estimates.  Runs *mix* where R-hat is at most 1.01 for every parameter, and at
most 1 % of draws diverge.
"""

import suite  # isort: skip  # first: it sets how many threads numpy may use

import argparse
import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import arviz_base
import arviz_stats
import numpy as np
import posteriors
import samplers
from scipy import stats

__all__ = ["CONFIGURATIONS", "compare", "file_of", "main", "report", "run_all"]

RESULTS = suite.RESULTS / "references"
INTEGRATORS = ("leapfrog", "bcss2", "yoshida4")
METRICS = ("diagonal", "dense", "low_rank")
CONFIGURATIONS = tuple(f"ours-{metric}-{integrator}" for integrator in INTEGRATORS for metric in METRICS)
"""Samplers, as `samplers.get` names them."""

LIMIT = 4.0  # of |z|
LAWS = {"normal": stats.norm(), "t30": stats.t(30)}
AGAIN = " again"  # behind the name of a posterior that is run anew

Record = dict[str, Any]


def compare(run: samplers.Run, posterior: posteriors.Posterior) -> Record:
    """The z of mean and squares of every parameter, its R-hat and effective sample size, and divergences."""
    draws = posterior.draws(run.draws)
    summary = arviz_base.from_dict({"posterior": draws})["posterior"].to_dataset()
    r_hat, ess = arviz_stats.rhat(summary, method="rank"), arviz_stats.ess(summary, method="bulk")
    return {
        "z": {name: list(pair) for name, pair in posterior.z_scores(run.draws).items()},
        "r_hat": {name: float(r_hat[name]) for name in draws},
        "ess": {name: float(ess[name]) for name in draws},
        "divergences": int(run.diverging.sum()),
        "draws": int(run.diverging.size),
        "gradients": sum(run.gradients),
    }


def file_of(folder: Path, configuration: str, draws: int, tune: int, chains: int, seed: int) -> Path:
    """Where the comparisons of one configuration are kept."""
    return folder / f"{configuration}@{seed}-{chains}x{tune}+{draws}.json"


def run_all(
    names: Sequence[str],
    configurations: Sequence[str],
    folder: Path,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    again: int = 10,
    load: Callable[[str], posteriors.Posterior] = posteriors.load,
    tell: Callable[[str], object] = print,
) -> dict[str, dict[str, Record]]:
    """Make all comparisons that are not on file; returns them all, by configuration and posterior.

    Where one exceeds `LIMIT`, it is made again with `again` times as many draws; with 0, it is not.
    """
    files = {name: file_of(folder, name, draws, tune, chains, seed) for name in configurations}
    kept = {name: json.loads(file.read_text(encoding="utf-8")) if file.exists() else {} for name, file in files.items()}

    def due(configuration: str, name: str) -> list[tuple[str, int, int]]:
        records = kept[configuration]
        if name not in records:
            return [(name, draws, seed)]
        if again and name + AGAIN not in records and records[name]["z"] and _worst(records[name]) > LIMIT:
            return [(name + AGAIN, again * draws, seed + 1)]
        return []

    for name in names:
        if not any(due(configuration, name) for configuration in configurations):
            continue
        posterior = load(name)
        problem: samplers.Problem | None = None
        for configuration in configurations:
            while todo := due(configuration, name):
                key, count, its_seed = todo[0]
                if posterior.reference is None:
                    record: Record = {"z": {}}
                else:
                    extra = [variable for variable, _ in posterior.index.values()]
                    problem = problem or samplers.Problem(posterior.model, extra)
                    began = time.perf_counter()
                    sample = samplers.get(configuration)(problem)
                    record = compare(sample(draws=count, tune=tune, chains=chains, seed=its_seed), posterior)
                    record["wall_seconds"] = time.perf_counter() - began
                    tell(
                        f"{key:50s} {configuration:24s} {record['wall_seconds']:6.1f} s  |z| {_worst(record):4.1f}  "
                        f"R-hat {max(record['r_hat'].values()):.3f}  {record['divergences']} divergences"
                    )
                kept[configuration][key] = record
                suite._write(files[configuration], kept[configuration])
    return kept


def _numbers(record: Record) -> np.ndarray:
    """All z of a record, (parameters, 2); what is not a number counts as infinite."""
    pairs = np.array([[math.nan if z is None else z for z in pair] for pair in record["z"].values()])
    return np.where(np.isnan(pairs), np.inf, pairs).reshape(-1, 2)


def _worst(record: Record) -> float:
    return float(np.abs(_numbers(record)).max(initial=0.0))


def _mixes(record: Record) -> bool:
    r_hats = [math.inf if value is None else value for value in record["r_hat"].values()]
    return max(r_hats) <= 1.01 and record["divergences"] <= 0.01 * record["draws"]


def _counts(title: str, z: np.ndarray) -> str:
    """A line of the table: how many comparisons, the worst, and how many exceed 3 and 4."""
    z = np.abs(z).ravel()
    cells = ""
    for limit in (3, 4):
        expected = " ".join(f"{2 * law.sf(limit) * z.size:7.2f}" for law in LAWS.values())
        cells += f"{(z > limit).sum():6d} ({expected})"
    return f"{title:34s}{z.size:8d}{z.max(initial=0.0):9.2f}{cells}"


def report(kept: Mapping[str, Mapping[str, Record]]) -> str:
    """Tables: numbers that exceed 3 and 4, the comparisons that do exceed 4, and mean and spread of z."""
    first = {
        configuration: {name: record for name, record in records.items() if record["z"] and not name.endswith(AGAIN)}
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
    """What is known of one comparison."""
    z, r_hat, ess = (
        math.nan if value is None else value
        for value in (
            record["z"][parameter][("mean", "squares").index(kind)], record["r_hat"][parameter],
            record["ess"][parameter],
        )
    )  # fmt: skip
    return f"{z:7.2f}{r_hat:7.3f}{ess:7.0f}{record['divergences']:6d}"


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posteriors", nargs="+", default=posteriors.names(), metavar="NAME", help="default: all")
    parser.add_argument("--samplers", nargs="+", default=list(CONFIGURATIONS), metavar="NAME", help="configurations")
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=1000, help="draws of warm-up of each chain; default: 1000")
    parser.add_argument("--chains", type=int, default=4, help="default: 4")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--again", type=int, default=10, help="times the draws where a |z| exceeds 4; 0: not at all")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder; default: benchmarks/results/references")
    parser.add_argument("--posteriordb", type=Path, help=f"default: the environment variable {posteriors.VARIABLE}")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    kept = run_all(
        chosen.posteriors, chosen.samplers, chosen.results, draws=chosen.draws, tune=chosen.tune, chains=chosen.chains,
        seed=chosen.seed, again=chosen.again, load=lambda name: posteriors.load(name, chosen.posteriordb),
        tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    wanted = set(chosen.posteriors) | {name + AGAIN for name in chosen.posteriors}
    chosen_only = {
        configuration: {name: record for name, record in records.items() if name in wanted}
        for configuration, records in kept.items()
    }
    print("\n" + report(chosen_only))


if __name__ == "__main__":
    main()
