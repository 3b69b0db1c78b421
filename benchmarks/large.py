"""Ten thousand parameters, and what a gradient of a chain costs: time and memory against nutpie's.

Run ``python benchmarks/large.py``; ``--help`` lists the options.

1. Independent normals of scales from 10^-1.5 to 10^1.5, in as many dimensions as asked for.  Each sampler has a process
   of its own, its chains one after another on one core.  A chain of ours is advanced in blocks, without PyMC around it;
   all draws are kept, those of warm-up too, as nutpie does.  Nanoseconds are processor time of sampling over its
   gradients: nutpie's are those of a whole run less those of one that stops after warm-up, from the same seed, and have
   in them what it takes to hand the draws over.  Memory is the peak while the run is made, less what the process held
   when all had been compiled and had run once (Linux; elsewhere, the growth of the peak of the whole process).  R-hat
   and the least effective sample size are those of some coordinates, evenly spread.
2. Nanoseconds of sampling over its gradients, on posteriors of posteriordb, one chain each, diagonal metrics.  The
   samplers take turns; the ratio is the median over rounds.  Trajectories differ in length, so that what a draw costs
   beside its gradients is shared out among more or fewer of them; both are given.
"""

import suite  # isort: skip  # first: it sets how many threads numpy may use

import argparse
import json
import logging
import re
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import posteriors
import pymc as pm
import samplers

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.settings import Settings

__all__ = ["Advance", "costs", "main", "normals", "one", "prepare"]

SAMPLERS = ("ours-diagonal", "ours-low_rank", "nutpie-diagonal", "nutpie-low_rank")
POSTERIORS = (
    "eight_schools-eight_schools_noncentered",
    "arK-arK",
    "nes2000-nes",
    "mesquite-mesquite",
    "wells_data-wells_dist100ars_model",
    "radon_mn-radon_hierarchical_intercept_centered",
    "radon_mn-radon_hierarchical_intercept_noncentered",
    "irt_2pl-irt_2pl",
    "diamonds-diamonds",
)
SHOWN = 200  # coordinates whose R-hat and effective sample size are looked at

Record = dict[str, Any]
Advance = Callable[[int, int, int, int], Record]
"""``advance(draws, tune, chains, seed)``: gradients and processor time of warm-up and of sampling; wall-clock time."""


def normals(dim: int) -> pm.Model:
    with pm.Model() as model:
        pm.Normal("x", 0, np.geomspace(10**-1.5, 10**1.5, dim), shape=dim)
    return model


def prepare(problem: samplers.Problem, name: str) -> Advance:
    """Compile a sampler for a problem; it is ours or nutpie's."""
    library, *words = name.split("-")
    return _nutpie(problem, words[0]) if library == "nutpie" else _ours(problem, words)


def _ours(problem: samplers.Problem, words: Sequence[str]) -> Advance:
    settings = Settings.choose(**samplers._options(words))

    def advance(draws: int, tune: int, chains: int, seed: int) -> Record:
        kept, counts, cpu, whole = [], np.zeros(2, int), np.zeros(2), time.perf_counter()
        for start, child in zip(problem.starts(chains, seed), np.random.SeedSequence(seed).spawn(chains), strict=True):
            chain = Chain(problem.target, settings, np.random.default_rng(child), tune)
            for part, count in enumerate((tune, draws)):
                began = time.process_time()
                if part == 0:
                    chain.start(start)
                positions, rows = chain.advance(count)
                cpu[part] += time.process_time() - began
                counts[part] += rows[:, column.N_GRADIENTS].sum()
                kept.append(positions)
        wall = time.perf_counter() - whole
        return {"gradients": counts, "cpu": cpu, "wall": wall, "draws": kept[1::2], "warmup": kept[::2]}

    advance(1, 40, 1, 0)  # compiles
    return advance


def _nutpie(problem: samplers.Problem, metric: str) -> Advance:
    import nutpie

    compiled = nutpie.compile_pymc_model(problem.model)
    order = [problem.model.rvs_to_values[rv].name for rv in problem.model.free_RVs]
    adaptation = {"diagonal": "diag"}.get(metric, metric)

    def call(draws: int, tune: int, chains: int, seed: int) -> tuple[Any, np.ndarray]:
        points = (problem.target.to_point(start) for start in problem.starts(chains, seed))

        def start(_: Any) -> np.ndarray:  # is called for one chain after another
            point = next(points)
            return np.concatenate([np.ravel(point[name]) for name in order])

        began = np.array([time.process_time(), time.perf_counter()])
        idata = nutpie.sample(
            replace(compiled, initial_point_func=start), draws=draws, tune=tune, chains=chains, cores=1, seed=seed,
            adaptation=adaptation, progress_bar=False,
        )  # fmt: skip
        return idata, np.array([time.process_time(), time.perf_counter()]) - began

    def advance(draws: int, tune: int, chains: int, seed: int) -> Record:
        _, (warmup, _) = call(1, tune, chains, seed)
        idata, (cpu, wall) = call(draws, tune, chains, seed)
        counts = ps.gradients(idata)
        return {
            "gradients": np.array([counts.warmup, counts.sampling]).astype(int),
            "cpu": np.array([warmup, cpu - warmup]),
            "wall": wall,
            "draws": idata["posterior"],
        }

    call(1, 10, 1, 0)  # compiles
    return advance


def one(name: str, dim: int, draws: int, tune: int, chains: int, seed: int) -> Record:
    """One sampler on `normals`, in this process."""
    problem = samplers.Problem(normals(dim))
    advance = prepare(problem, name)
    before = _memory(reset=True)
    run = advance(draws, tune, chains, seed)
    peak = _memory()
    shown = np.linspace(0, dim - 1, min(SHOWN, dim)).astype(int)
    by_chain = run["draws"] if isinstance(run["draws"], list) else run["draws"]["x"].values
    seen = np.stack([positions[:, shown] for positions in by_chain])
    made = samplers.Run({"x": seen}, np.zeros(1), (1, 1), (1, 1), np.ones(1), 0)
    scores = suite.score(made, posteriors.Posterior("normals", problem.model, None, {}))
    return {
        "memory": peak - before,
        "gradients": run["gradients"].tolist(),
        "cpu": run["cpu"].tolist(),
        "wall": run["wall"],
        "r_hat": scores["r_hat"],
        "ess": min(scores["ess"].values()),
    }


def _memory(*, reset: bool = False) -> float:
    """Peak memory of this process in MB; what it holds now where the peak can be, and is to be, forgotten."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii"))
    return int(found[1]) / 2**10 if found else float("nan")


def apart(name: str, arguments: Sequence[str]) -> Record:
    """`one` in a process of its own."""
    command = [sys.executable, __file__, "--one", name, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def costs(
    model: pm.Model, names: Sequence[str], rounds: int = 3, seconds: float = 1.0, tune: int = 300, least: int = 200
) -> dict[str, tuple[float, float, float]]:
    """Nanoseconds a gradient, its median ratio to that of the last sampler, and gradients a draw, in sampling.

    The number of draws is such that the sampling of the first sampler takes about `seconds`.
    """
    problem = samplers.Problem(model)
    ways = {name: prepare(problem, name) for name in names}
    trial = ways[names[0]](least, tune, 1, 0)
    draws = int(np.clip(least * seconds / trial["cpu"][1], least, 40_000))
    taken: dict[str, list[float]] = {name: [] for name in names}
    lengths = {}
    for _ in range(rounds):
        for name, way in ways.items():
            run = way(draws, tune, 1, 0)
            taken[name].append(run["cpu"][1] / run["gradients"][1])
            lengths[name] = run["gradients"][1] / draws
    last = np.array(taken[names[-1]])
    return {
        name: (1e9 * float(np.median(times)), float(np.median(np.array(times) / last)), lengths[name])
        for name, times in taken.items()
    }


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line, run, and print the tables line by line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS), metavar="NAME", help="of the first part")
    parser.add_argument("--dim", type=int, default=10_000, help="parameters; default: 10000")
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=300, help="draws of warm-up of each chain; default: 300")
    parser.add_argument("--chains", type=int, default=2, help="default: 2")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--posteriors", nargs="*", default=list(POSTERIORS), metavar="NAME", help="of the second part")
    parser.add_argument("--rounds", type=int, default=3, help="of the second part; default: 3")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sampling in a round; default: 1")
    parser.add_argument("--posteriordb", type=Path, help=f"default: the environment variable {posteriors.VARIABLE}")
    parser.add_argument("--one", metavar="NAME", help="only this sampler, in this process; prints JSON")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if chosen.one:
        print(json.dumps(one(chosen.one, chosen.dim, chosen.draws, chosen.tune, chosen.chains, chosen.seed)))
        return
    plan = [f"--{key}={getattr(chosen, key)}" for key in ("dim", "draws", "tune", "chains", "seed")]
    if chosen.samplers:
        print(f"{chosen.dim} normals, {chosen.chains} chains x ({chosen.tune} + {chosen.draws})")
        print(f"{'':18s}{'CPU seconds':>18s}{'wall':>9s}{'gradients':>20s}{'ns a':>9s}{'peak':>8s}")
        print(f"{'sampler':18s}{'warm-up':>9s}{'sampling':>9s}{'seconds':>9s}{'warm-up':>10s}{'sampling':>10s}"
              f"{'gradient':>9s}{'MB':>8s}{'R-hat':>8s}{'min ESS':>9s}")  # fmt: skip
    for name in chosen.samplers:
        record = apart(name, plan)
        (warmup, sampling), nanoseconds = record["gradients"], 1e9 * record["cpu"][1] / record["gradients"][1]
        times = "".join(f"{taken:9.2f}" for taken in (*record["cpu"], record["wall"]))
        print(f"{name:18s}{times}{warmup:10d}{sampling:10d}{nanoseconds:9.0f}{record['memory']:8.0f}"
              f"{record['r_hat']:8.3f}{record['ess']:9.0f}", flush=True)  # fmt: skip
    if not chosen.posteriors:
        return
    names, ratios = ("ours-diagonal", "nutpie-diagonal"), []
    print(f"\n{'':52s}{'ns a gradient':>16s}{'':8s}{'gradients a draw':>18s}")
    print(f"{'posterior':52s}{'ours':>8s}{'nutpie':>8s}{'ratio':>8s}{'ours':>9s}{'nutpie':>9s}")
    for name in chosen.posteriors:
        posterior = posteriors.load(name, chosen.posteriordb)
        ours, theirs = costs(posterior.model, names, chosen.rounds, chosen.seconds).values()
        ratios.append(ours[1])
        print(f"{name:52s}{ours[0]:8.0f}{theirs[0]:8.0f}{ours[1]:8.2f}{ours[2]:9.1f}{theirs[2]:9.1f}", flush=True)
    print(f"{'geometric mean':52s}{'':16s}{np.exp(np.mean(np.log(ratios))):8.2f}")


if __name__ == "__main__":
    main()
