"""PyMC's own sampler."""

import time
from typing import Any

import numpy as np
import pymc as pm

from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["prepare"]

_TUNE = 1000


def prepare(problem: Problem) -> Sample:
    """PyMC's own No-U-Turn sampler; it compiles when it runs.  Its warm-up has 1000 draws by default."""

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        free = [rv.name for rv in problem.model.free_RVs]
        starts = [
            {name: value for name, value in problem.point(start).items() if name in free}
            for start in problem.starts(chains, seed)
        ]
        seconds, last = np.zeros(2), 0.0

        def tick(trace: Any, draw: Any) -> None:
            nonlocal last
            now = time.process_time()
            if draw.draw_idx > 0:  # what comes before a chain's first draw is not its work, or not for the most part
                seconds[0 if draw.tuning else 1] += now - last
            last = now

        began = time.process_time()
        idata = pm.sample(
            draws=draws, tune=_TUNE if tune is None else tune, chains=chains, cores=1, random_seed=seed,
            model=problem.model, initvals=starts, init="adapt_diag", nuts_sampler="pymc", callback=tick,
            discard_tuned_samples=False, progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
        whole = time.process_time() - began
        return Run.of_result(idata, problem.names, (float(seconds[0]), float(seconds[1])), float(whole - seconds.sum()))

    return sample
