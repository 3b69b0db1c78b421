"""The wait for an answer: a first start on a machine, a later process, repeated calls, a study by simulation.

1. *First start*: from the start of a process to its result, with empty caches; and 2. *a later process*, which finds
   them.  Default options, four chains; the median of so many pairs, nutpie's process beside ours, in seconds of wall
   clock, as ours uses two processors where there are two.
3. *Repeated calls* in one process, in processor time on one core, 4 x (1000 + 1000) draws: on a model that has not
   changed, on a compiled model with other data, and nutpie's ``with_data`` and sampling.  *Beside* is what a call takes
   that is neither sampling nor the making of the result.
4. *Calibration by simulation* of a hierarchy: so many data sets drawn from the prior, each sampled by
   ``compiled.with_data(...).sample(...)``, and the ranks of what they were drawn from.
5. *A log-density of one's own*: microseconds a draw of one and the same Gaussian as a model, in numba, and in Python.

Without nutpie, ours alone is measured.
"""

import inspect
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pymc as pm
from scipy.stats import chisquare

import pymc_symplectic as ps
from benchmarks import study
from pymc_symplectic.run import session
from pymc_symplectic.run.runner import Runner

ONE_CORE = {"chains": 4, "cores": 1}
SILENT = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}


def schools() -> pm.Model:
    """Effects of coaching, non-centered (10 parameters)."""
    errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model(coords={"school": range(8)}) as model:
        y = pm.Data("y", np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), dims="school")
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        eta = pm.Normal("eta", dims="school")
        theta = pm.Deterministic("theta", mu + tau * eta, dims="school")
        pm.Normal("obs", theta, errors, observed=y, dims="school")
    return model


def houses() -> pm.Model:
    """A slope and 85 intercepts of 919 houses, non-centered (89 parameters)."""
    rng = np.random.default_rng(1)
    county, floor = rng.integers(85, size=919), rng.integers(2, size=919)
    measured = 1.5 + 0.3 * rng.standard_normal(85)[county] - 0.7 * floor + 0.7 * rng.standard_normal(919)
    with pm.Model(coords={"county": range(85)}) as model:
        y = pm.Data("y", measured)
        mean = pm.Normal("mean", 0, 5)
        spread = pm.HalfNormal("spread", 1)
        slope = pm.Normal("slope", 0, 5)
        sigma = pm.HalfNormal("sigma", 1)
        offset = pm.Normal("offset", dims="county")
        pm.Normal("obs", (mean + spread * offset)[county] + slope * floor, sigma, observed=y)
    return model


def regression() -> pm.Model:
    """Ten coefficients, an intercept and a scale (12 parameters)."""
    rng = np.random.default_rng(2)
    design = rng.standard_normal((200, 10))
    with pm.Model() as model:
        y = pm.Data("y", design @ np.linspace(-1, 1, 10) + rng.standard_normal(200))
        intercept = pm.Normal("intercept", 0, 5)
        beta = pm.Normal("beta", 0, 2, shape=10)
        sigma = pm.HalfNormal("sigma", 2)
        pm.Normal("obs", intercept + design @ beta, sigma, observed=y)
    return model


MODELS: dict[str, Callable[[], pm.Model]] = {model.__name__: model for model in (schools, houses, regression)}
PROCESSES = {
    "ours": "import pymc_symplectic as ps\nps.sample(chains=4, random_seed=1, progressbar=False, model={}())",
    "nutpie": "import nutpie\nnutpie.sample(nutpie.compile_pymc_model({}()), chains=4, seed=1, progress_bar=False)",
}


def process(name: str, sampler: str, cache: Path) -> float:
    """Seconds from the start of a process to its result."""
    source = (
        f"import numpy as np\nimport pymc as pm\n\n{inspect.getsource(MODELS[name])}\n{PROCESSES[sampler].format(name)}"
    )
    own = {"XDG_CACHE_HOME": str(cache), "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}"}
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(study.ROOT)]))
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{source}\nimport time; print(time.time())"], check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **own, "PYTHONPATH": path},
    )  # fmt: skip
    return float(done.stdout.split()[-1]) - began


def processes(name: str, samplers: Sequence[str], pairs: int) -> None:
    """A first start and a later process, in pairs."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(pairs):
        for sampler in samplers:
            with tempfile.TemporaryDirectory() as cache:
                for start in ("first start", "later process"):
                    seconds.setdefault((start, sampler), []).append(process(name, sampler, Path(cache)))
                    time.sleep(20 if start == "first start" and sampler == "ours" else 0)  # until its helper is done
    for start in ("first start", "later process"):
        tell(start, name, {sampler: seconds[start, sampler] for sampler in samplers})


def tell(what: str, name: str, measured: dict[str, list[float]], unit: str = "s") -> None:
    """One line: the medians of what was measured, and the median of ratios to nutpie's."""
    words = "  ".join(f"{sampler} {np.median(values):8.3f} {unit}" for sampler, values in measured.items())
    if "nutpie" in measured:
        ratios = {
            sampler: np.median(np.array(values) / measured["nutpie"])
            for sampler, values in measured.items()
            if sampler != "nutpie"
        }
        words += "  ratio " + ", ".join(f"{sampler} {ratio:.2f}" for sampler, ratio in ratios.items())
    study.say(f"{what:16s}{name:12s}{words}")


def repeated(name: str, with_nutpie: bool, calls: int) -> None:
    """Repeated calls, one of each kind after the other."""
    model = MODELS[name]()
    compiled, rng = ps.compile(model), np.random.default_rng(3)
    base = model["y"].get_value()
    kinds: dict[str, Callable[[np.ndarray, int], Any]] = {
        "unchanged": lambda _, seed: ps.sample(1000, tune=1000, random_seed=seed, model=model, **ONE_CORE, **SILENT),
        "with_data": lambda y, seed: compiled.with_data(y=y).sample(
            1000, tune=1000, random_seed=seed, **ONE_CORE, **SILENT
        ),
    }
    if with_nutpie:
        import nutpie

        other = nutpie.compile_pymc_model(model)
        kinds["nutpie"] = lambda y, seed: nutpie.sample(
            other.with_data(y=y), draws=1000, tune=1000, seed=seed, progress_bar=False, **ONE_CORE
        )
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    beside = []
    for call in range(calls + 1):
        y = base + 0.1 * rng.standard_normal(base.shape)
        for kind, run in kinds.items():
            with _Within() as within:
                began = time.process_time()
                run(y, call)
                seconds[kind].append(time.process_time() - began)
            if kind == "with_data":
                beside.append(1000 * (seconds[kind][-1] - within.seconds))
    tell("repeated call", name, {kind: values[1:] for kind, values in seconds.items()})
    tell("beside", name, {"with_data": beside[1:]}, "ms")


class _Within:
    """Processor time of sampling and of making results, while this lasts."""

    def __enter__(self) -> "_Within":
        self.seconds = 0.0
        self._were = Runner.on_threads, session.result_of
        Runner.on_threads = self._timed(Runner.on_threads)  # type: ignore[method-assign]
        session.result_of = self._timed(session.result_of)  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        Runner.on_threads, session.result_of = self._were  # type: ignore[method-assign, attr-defined]

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - began

        return call


def calibration(replications: int) -> None:
    """Ranks of the truth among draws, over data sets from the prior, which have to be uniform."""
    rng, errors = np.random.default_rng(4), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model(coords={"school": range(8)}) as model:
        y = pm.Data("y", np.zeros(8), dims="school")
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfNormal("tau", 5)
        eta = pm.Normal("eta", dims="school")
        pm.Normal("obs", mu + tau * eta, errors, observed=y, dims="school")
    compiled = ps.compile(model)
    ranks: dict[str, list[int]] = {"mu": [], "tau": []}
    began = time.perf_counter(), time.process_time()
    for replication in range(replications):
        truth = {"mu": 5 * rng.standard_normal(), "tau": abs(5 * rng.standard_normal())}
        data = truth["mu"] + truth["tau"] * rng.standard_normal(8) + errors * rng.standard_normal(8)
        idata = compiled.with_data(y=data).sample(250, chains=2, cores=1, random_seed=replication, **SILENT)
        for name, values in ranks.items():
            thinned = idata["posterior"][name].values[:, ::5].ravel()[:99]
            values.append(int((thinned < truth[name]).sum()))
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    fits = {name: chisquare(np.histogram(values, 10, (0, 100))[0]).pvalue for name, values in ranks.items()}
    each, uniform = 1000 * wall / replications, ", ".join(f"{p:.2f} ({name})" for name, p in fits.items())
    study.say(
        f"calibration     {replications} data sets in {wall:.1f} s ({cpu:.1f} s of processors), {each:.0f} ms each; "
        f"ranks uniform, p = {uniform}"
    )


@numba.njit
def _compiled(q: np.ndarray) -> tuple[float, np.ndarray]:
    return -0.5 * (q**2).sum(), -q


def _python(q: np.ndarray) -> tuple[float, np.ndarray]:
    return -0.5 * float(q @ q), -q


def own_densities(dim: int = 10) -> None:
    """The same Gaussian in several ways."""
    with pm.Model() as plain:
        pm.Normal("x", shape=dim)
    ways = {"model": plain, "numba": ps.density(_compiled, {"x": dim}), "python": ps.density(_python, {"x": dim})}
    words = []
    for way, model in ways.items():
        compiled = ps.compile(model)
        costs = []
        for seed in range(4):
            began = time.process_time()
            compiled.sample(
                2000,
                tune=500,
                chains=2,
                cores=1,
                random_seed=seed,
                step_size=0.5,
                trajectory=ps.FixedSteps(4),
                **SILENT,
            )
            costs.append(time.process_time() - began)
        words.append(f"{way} {1e6 * np.median(costs[1:]) / (2 * 2500 * 4):.2f} µs")
    study.say(f"own density     a gradient, with all that a call takes: {', '.join(words)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    options = study.parser("answers", __doc__)
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    options.add_argument("--pairs", type=int, default=5, help="default: %(default)s")
    options.add_argument("--replications", type=int, default=300, help="of the calibration; default: %(default)s")
    chosen = options.parse_args(arguments)
    with_nutpie = find_spec("nutpie") is not None
    for name in chosen.models:
        if "processes" in chosen.parts:
            processes(name, ["ours", "nutpie"] if with_nutpie else ["ours"], chosen.pairs)
        if "repeated" in chosen.parts:
            repeated(name, with_nutpie, chosen.pairs)
    if "calibration" in chosen.parts:
        calibration(chosen.replications)
    if "density" in chosen.parts:
        own_densities()


PARTS = "processes", "repeated", "calibration", "density"
