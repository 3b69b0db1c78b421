"""nutpie's samplers."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import pymc_symplectic as ps
from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["METRICS", "SETTINGS", "caller", "prepare"]

SETTINGS = {
    "diagonal": {"adaptation": "diag"},
    "low_rank": {"adaptation": "low_rank"},
    "low_rank_exact_normal": {"adaptation": "low_rank", "trajectory_kind": "ExactNormal"},
}
"""What nutpie calls them: the metrics, and the trajectories that are exact where the posterior is normal."""
METRICS = ("diagonal", "low_rank")
"""Those of usual trajectories."""
_LONG = 5.0  # seconds of a run that is not repeated


def caller(problem: Problem, setting: str) -> Callable[..., Any]:
    """Compile a problem; returns ``call(draws, tune, chains, seed)``, which gives nutpie's result."""
    import nutpie

    compiled = nutpie.compile_pymc_model(problem.model)
    order = [problem.model.rvs_to_values[rv].name for rv in problem.model.free_RVs]

    def call(draws: int, tune: int | None, chains: int, seed: int) -> Any:
        points = (problem.target.to_point(start) for start in problem.starts(chains, seed))

        def start(_: Any) -> np.ndarray:  # is called for one chain after another
            point = next(points)
            return np.concatenate([np.ravel(point[name]) for name in order])

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found chain dimension to be longer")
            return nutpie.sample(
                replace(compiled, initial_point_func=start), draws=draws, tune=tune, chains=chains, cores=1, seed=seed,
                progress_bar=False, **SETTINGS[setting],
            )  # fmt: skip

    return call


def prepare(problem: Problem, setting: str) -> Sample:
    """Compile a problem for one of `SETTINGS`."""
    import nutpie  # noqa: F401  # which takes seconds that are not timed

    began = time.process_time()
    call = caller(problem, setting)
    compile_seconds = time.process_time() - began

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        def timed(draws: int, tune: int | None) -> tuple[Any, float]:
            began = time.process_time()
            idata = call(draws, tune, chains, seed)
            return idata, time.process_time() - began

        # What even the shortest run costs is the price of a call, not of draws.  The same seed has the same warm-up,
        # so that it can be timed alone; of a long run, the time is that of gradients.
        _, price = timed(1, 1)
        idata, whole = timed(draws, tune)
        counts = ps.gradients(idata)
        if whole < _LONG:
            warmup = timed(1, tune)[1] - price
        else:
            warmup = (whole - price) * counts.warmup / (counts.warmup + counts.sampling)
        seconds = max(warmup, 0.0), max(whole - price - warmup, 0.0)
        return Run.of_result(idata, problem.names, seconds, compile_seconds, call_seconds=price)

    return sample
