"""What a gradient and a second of each sampler are worth, on the posteriors of posteriordb or on held-out ones.

Run ``python benchmarks/suite.py``; ``--help`` lists the options.  Each posterior, sampler and seed leaves one file in
the folder of results, and is left out where that file exists, so that an interrupted run goes on where it stopped.
What a sampler fails at is recorded as its error; remove the file to try again.  `report.py` makes tables and a figure.

There are four sets of posteriors, kept in folders of their own: those of `posteriors.py`, on which choices are made,
and with ``--set held_out``, ``--set fresh`` or ``--set unseen`` those of `held_out.py`, `fresh.py` or `unseen.py`, by
which choices are tested when they have been made.  Each of these is for choices made after a look at the one before.

The protocol:

- *Worth.*  The least effective sample size over all elements of all free variables and of all quantities with reference
  draws, on their own, constrained scale, and over bulk, tail (5 % and 95 % quantiles) and squares
  (`pymc_symplectic.min_ess`).  Bulk alone rewards draws that are antithetic.
- *Cost.*  Gradients evaluated, those included that were thrown away, and processor seconds; of sampling alone, and with
  warm-up.  What is compiled is counted apart.
- *Gates.*  R-hat, divergences, and errors against reference draws: differences of means and of mean squared deviations
  in units of their Monte Carlo standard error, both sides' errors combined.

All chains of a run take turns on one core, and start where those of every other sampler do.
"""

import os

# before numpy and JAX are imported: one thread each
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("MKL", "OMP", "OPENBLAS", "VECLIB_MAXIMUM")})
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import argparse
import gc
import json
import logging
import math
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import arviz_base
import arviz_stats
import fresh
import held_out
import posteriors
import samplers
import unseen

import pymc_symplectic as ps

__all__ = ["file_of", "of_set", "run_all", "score"]

RESULTS = Path(__file__).parent / "results"
SETS = {"held_out": held_out, "fresh": fresh, "unseen": unseen}
PACKAGES = ("blackjax", "jax", "numba", "numpy", "nutpie", "pymc", "pytensor")

Record = dict[str, Any]


def score(run: samplers.Run, posterior: posteriors.Posterior) -> Record:
    """What the draws of one run are worth, what they cost, and how far they are from the reference draws."""
    idata = arviz_base.from_dict({"posterior": run.draws})
    least = ps.min_ess(idata)
    r_hat = arviz_stats.rhat(idata["posterior"].to_dataset(), method="rank")
    return {
        "parameters": int(sum(values[0, 0].size for values in run.draws.values())),
        "gradients": dict(zip(("warmup", "sampling"), run.gradients, strict=True)),
        "seconds": {
            **dict(zip(("warmup", "sampling"), run.seconds, strict=True)),
            "compile": run.compile_seconds,
        },
        "ess": {kind: float(least.loc[kind, "ess"]) for kind in least.index},
        "least": {kind: least.loc[kind, "variable"] for kind in least.index},
        "r_hat": max(float(values.max(skipna=False)) for values in r_hat.data_vars.values()),
        "divergences": int(run.diverging.sum()),
        "step_size": [float(size) for size in run.step_size],
        "chosen": list(run.chosen),
        "z": posterior.z_scores(run.draws) if posterior.reference is not None else {},
    }


def file_of(folder: Path, posterior: str, sampler: str, seed: int) -> Path:
    """Where the result of one run is kept."""
    return folder / posterior / f"{sampler}@{seed}.json"


def run_all(
    names: Sequence[str],
    sampler_names: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    load: Callable[[str], posteriors.Posterior] = posteriors.load,
    measure: Callable[[samplers.Run, posteriors.Posterior], Record] = score,
    tell: Callable[[str], object] = print,
) -> int:
    """Make all runs that have no file yet; returns how many.

    What is kept of a run is what `measure` makes of it, which has the fields of `score` at least.

    Raises
    ------
    ValueError
        When a name is not known, or `folder` has results of another number of draws or chains.
    """
    prepares = {name: samplers.get(name) for name in sampler_names}
    plan = {"draws": draws, "tune": tune, "chains": chains}
    made = 0
    for name in names:
        missing = {
            sampler: [seed for seed in seeds if not _exists(file_of(folder, name, sampler, seed), plan)]
            for sampler in sampler_names
        }
        if not any(missing.values()):
            continue
        posterior = load(name)
        problem = samplers.Problem(posterior.model, [variable for variable, _ in posterior.index.values()])
        for sampler, its_seeds in missing.items():
            if not its_seeds:
                continue
            sample: samplers.Sample | None = None
            for seed in its_seeds:
                head = {"posterior": name, "sampler": sampler, "seed": seed, **plan, "dim": problem.target.dim}
                began = time.perf_counter()
                try:
                    sample = sample or prepares[sampler](problem)
                    body = measure(sample(draws=draws, tune=tune, chains=chains, seed=seed), posterior)
                except Exception as error:  # of any sampler, of any kind
                    body = {"error": f"{type(error).__name__}: {error}"[:2000], "traceback": traceback.format_exc()}
                record = {**head, **body, "wall_seconds": time.perf_counter() - began, "versions": _versions()}
                _write(file_of(folder, name, sampler, seed), record)
                tell(_line(record))
                made += 1
            sample = None
            gc.collect()
    return made


def _exists(file: Path, plan: Record) -> bool:
    """Whether a result is there already, and is of the same plan."""
    if not file.exists():
        return False
    record = json.loads(file.read_text(encoding="utf-8"))
    kept = {key: record[key] for key in plan}
    if kept != plan:
        raise ValueError(f"{file} is of {kept}, not of {plan}: choose another folder for the results")
    return True


def _write(file: Path, record: Record) -> None:
    """Write a whole file, or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(_plain(record), indent=1, allow_nan=False), encoding="utf-8")
    partial.replace(file)


def _plain(value: Any) -> Any:
    """The same without numbers that JSON lacks, which become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _versions() -> dict[str, str]:
    versions = {"pymc_symplectic": ps.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _line(record: Record) -> str:
    """One run in one line."""
    head = f"{record['posterior']:46s} {record['sampler']:18s} {record['seed']:3d} {record['wall_seconds']:6.1f} s  "
    if "error" in record:
        return head + record["error"].splitlines()[0]
    gradients, worst = (
        record["gradients"],
        max((abs(z) for pair in record["z"].values() for z in pair), default=math.nan),
    )
    ess = min(record["ess"].values())
    return head + (
        f"ESS {ess:6.0f}, {1000 * ess / gradients['sampling']:8.2f} per 1000 of {gradients['sampling']} gradients "
        f"(warm-up {gradients['warmup']}), R-hat {record['r_hat']:.3f}, {record['divergences']} divergences, "
        f"|z| {worst:.1f}"
    )


def of_set(name: str, posteriordb: Path | None) -> tuple[list[str], Callable[[str], posteriors.Posterior]]:
    """Names of the posteriors of a set, and what loads them."""
    if name in SETS:
        return SETS[name].names(), SETS[name].load
    return posteriors.names(), partial(posteriors.load, path=posteriordb)


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("tuning", *SETS), default="tuning", help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    parser.add_argument(
        "--samplers", nargs="+", default=list(samplers.SAMPLERS), metavar="NAME", help="default: %(default)s"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)), metavar="SEED", help="default: 0 to 9")
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=1000, help="draws of warm-up of each chain; default: 1000")
    parser.add_argument("--chains", type=int, default=4, help="default: 4")
    parser.add_argument(
        "--results", type=Path,
        help="folder of results; default: benchmarks/results, and for a set held out the folder of its name in it",
    )  # fmt: skip
    parser.add_argument("--posteriordb", type=Path, help=f"default: the environment variable {posteriors.VARIABLE}")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    names, load = of_set(chosen.set, chosen.posteriordb)
    folder = chosen.results or (RESULTS / chosen.set if chosen.set in SETS else RESULTS)
    made = run_all(
        chosen.posteriors or names, chosen.samplers, chosen.seeds, folder, draws=chosen.draws, tune=chosen.tune,
        chains=chosen.chains, load=load, tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"{made} runs made; results are in {folder}")


if __name__ == "__main__":
    main()
