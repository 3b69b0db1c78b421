"""Ten thousand parameters, and what a gradient of a chain costs: time and memory against nutpie's.

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

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm

import pymc_symplectic as ps
from benchmarks import study, timing
from benchmarks.models import posteriordb
from benchmarks.models.gaussians import normals
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem, Run, nutpie, ours
from benchmarks.scores import Record, least_ess, score
from pymc_symplectic.settings import Settings

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

Advance = Callable[[int, int, int, int], Record]
"""``advance(draws, tune, chains, seed)``: gradients and processor time of warm-up and of sampling; wall-clock time."""


def spread(dim: int) -> pm.Model:
    """Normals of scales over three decades."""
    return normals(np.geomspace(10**-1.5, 10**1.5, dim), dim)


def prepare(problem: Problem, name: str) -> Advance:
    """Compile a sampler for a problem; it is ours or nutpie's."""
    library, *words = name.split("-")
    return _nutpie(problem, words[0]) if library == "nutpie" else _ours(problem, words)


def _ours(problem: Problem, words: Sequence[str]) -> Advance:
    settings = Settings.choose(**ours.options_of(words))

    def advance(draws: int, tune: int, chains: int, seed: int) -> Record:
        whole = time.perf_counter()
        parts = [parts for _, *parts in ours.advance(problem, settings, draws, tune, chains, seed)]
        return {
            "gradients": np.array([[part.gradients for part in pair] for pair in parts]).sum(axis=0),
            "cpu": np.array([[part.seconds for part in pair] for pair in parts]).sum(axis=0),
            "wall": time.perf_counter() - whole,
            "draws": [sampling.positions for _, sampling in parts],
            "warmup": [warmup.positions for warmup, _ in parts],
        }

    advance(1, 40, 1, 0)  # compiles
    return advance


def _nutpie(problem: Problem, metric: str) -> Advance:
    call = nutpie.caller(problem, metric)

    def timed(draws: int, tune: int, chains: int, seed: int) -> tuple[Any, np.ndarray]:
        began = np.array([time.process_time(), time.perf_counter()])
        idata = call(draws, tune, chains, seed)
        return idata, np.array([time.process_time(), time.perf_counter()]) - began

    def advance(draws: int, tune: int, chains: int, seed: int) -> Record:
        _, (warmup, _) = timed(1, tune, chains, seed)
        idata, (cpu, wall) = timed(draws, tune, chains, seed)
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
    """One sampler on `spread`, in this process."""
    problem = Problem(spread(dim))
    advance = prepare(problem, name)
    before = _memory(reset=True)
    run = advance(draws, tune, chains, seed)
    peak = _memory()
    shown = np.linspace(0, dim - 1, min(SHOWN, dim)).astype(int)
    by_chain = run["draws"] if isinstance(run["draws"], list) else run["draws"]["x"].values
    seen = np.stack([positions[:, shown] for positions in by_chain])
    scores = score(Run({"x": seen}, np.zeros(1), (1, 1), (1, 1), np.ones(1), 0), Posterior("normals", problem.model))
    return {
        "memory": peak - before,
        "gradients": run["gradients"].tolist(),
        "cpu": run["cpu"].tolist(),
        "wall": run["wall"],
        "r_hat": scores["r_hat"],
        "ess": least_ess(scores),
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


def costs(
    model: pm.Model, names: Sequence[str], rounds: int = 3, seconds: float = 1.0, tune: int = 300, least: int = 200
) -> dict[str, tuple[float, float, float]]:
    """Nanoseconds a gradient, its median ratio to that of the last sampler, and gradients a draw, in sampling.

    The number of draws is such that the sampling of the first sampler takes about `seconds`.
    """
    problem = Problem(model)
    prepared = {name: prepare(problem, name) for name in names}
    trial = prepared[names[0]](least, tune, 1, 0)
    draws = int(np.clip(least * seconds / trial["cpu"][1], least, 40_000))
    lengths = {}

    def way(name: str) -> Callable[[], float]:
        def run() -> float:
            made = prepared[name](draws, tune, 1, 0)
            lengths[name] = made["gradients"][1] / draws
            return made["cpu"][1] / made["gradients"][1]

        return run

    taken = timing.interleaved({name: way(name) for name in names}, rounds, names[-1])
    return {name: (*one, lengths[name]) for name, one in taken.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the tables line by line."""
    parser = study.parser("large", __doc__, draws=1000, tune=300, chains=2, posteriordb=None)
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS), metavar="NAME", help="of the first part")
    parser.add_argument("--dim", type=int, default=10_000, help="parameters; default: 10000")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--posteriors", nargs="*", default=list(POSTERIORS), metavar="NAME", help="of the second part")
    parser.add_argument("--rounds", type=int, default=3, help="of the second part; default: 3")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sampling in a round; default: 1")
    parser.add_argument("--one", metavar="NAME", help="only this sampler, in this process; prints JSON")
    chosen = parser.parse_args(arguments)
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
        record = study.apart("large", ["--one", name, *plan])
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
        posterior = posteriordb.load(name, chosen.posteriordb)
        ours, theirs = costs(posterior.model, names, chosen.rounds, chosen.seconds).values()
        ratios.append(ours[1])
        print(f"{name:52s}{ours[0]:8.0f}{theirs[0]:8.0f}{ours[1]:8.2f}{ours[2]:9.1f}{theirs[2]:9.1f}", flush=True)
    print(f"{'geometric mean':52s}{'':16s}{np.exp(np.mean(np.log(ratios))):8.2f}")
