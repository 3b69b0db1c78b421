"""Two packages that refine steps within an orbit: walnutpie and oWALNUTS.

Both call the log-density back through Python, which counts its gradients; their times are those of such calls.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["prepare_owalnuts", "prepare_walnutpie"]


class _Counted:
    """A log-density and its gradient, and how often it was called; -inf where either is not finite."""

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        self.calls += 1
        value, gradient = self._function(np.array(position))
        if np.isfinite(value) and np.isfinite(gradient).all():
            return float(value), np.array(gradient)
        return -np.inf, np.zeros(position.size)


def prepare_walnutpie(problem: Problem) -> Sample:
    """Walnutpie, whose warm-up ends by itself, after at most 1000 draws.

    Gradients of warm-up are those of a second run from the same seed that makes one draw: chains of one run wait for
    each other by the clock, so that it is much the same warm-up rather than the same.  It does not report divergences.
    """
    try:
        import walnutpie
    except ImportError as error:
        raise RuntimeError(f"walnutpie is not installed: {error}") from error

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        lengths = {} if tune is None else {"min_warmup_iter": tune, "max_warmup_iter": tune}
        starts = problem.starts(chains, seed)

        def run(count: int) -> tuple[list[Any], int, float]:
            target, began = _Counted(problem.target), time.process_time()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Setting 'seed'")
                found = walnutpie.walnuts_pyfunc(
                    target, inits=starts, num_chains=chains, seed=seed, min_sampling_iter=count,
                    max_sampling_iter=count, **lengths,
                )  # fmt: skip
            return found, target.calls, time.process_time() - began

        _, warmup, warmup_seconds = run(1)
        found, calls, seconds = run(draws)
        return Run(
            problem.constrain(np.stack([np.asarray(chain) for chain in found])),
            np.zeros((chains, draws), dtype=bool),
            (warmup, max(calls - warmup, 1)),
            (warmup_seconds, max(seconds - warmup_seconds, 0.0)),
            np.array([float(chain.warmup.stepsize) for chain in found]),
            0.0,
        )

    return sample


def prepare_owalnuts(problem: Problem) -> Sample:
    """Sample with oWALNUTS at its defaults but for the starts; times are parted as gradients are."""
    try:
        import owalnuts
    except ImportError as error:
        raise RuntimeError(f"owalnuts is not installed: {error}") from error

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        lengths = {} if tune is None else {"warmup": tune}
        target, began = _Counted(problem.target), time.process_time()
        found = owalnuts.sample(
            target, problem.target.dim, init=problem.starts(chains, seed), chains=chains, draws=draws, seed=seed,
            **lengths,
        )  # fmt: skip
        seconds = time.process_time() - began
        sampling = int(sum(np.sum(chain["target_evaluations"][-draws:]) for chain in found.chains))
        share = sampling / target.calls
        return Run(
            problem.constrain(found.samples),
            np.asarray(found.divergent)[:, -draws:],
            (target.calls - sampling, sampling),
            ((1 - share) * seconds, share * seconds),
            np.asarray(found.final_step_size, dtype=float),
            0.0,
        )

    return sample
