"""Stan's own no-U-turn sampler, of Stan programs."""

import numpy as np

from benchmarks.samplers.problem import Problem, Run, Sample

__all__ = ["prepare"]

_TUNE = 1000


def prepare(problem: Problem) -> Sample:
    """Stan's sampler with its defaults: a diagonal metric, warm-up of 1000 draws, a target acceptance of 0.8.

    It is compiled from Stan's headers together with the program.  Gradients are ``n_leapfrog__``: the one that each
    transition evaluates once more where it starts, and those by which the first step size is found, are not counted.

    Raises
    ------
    RuntimeError
        When the model does not call a Stan program.
    """
    program = problem.program
    if program is None:
        raise RuntimeError("Stan samples Stan programs alone, and this model is none")

    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        tune = _TUNE if tune is None else tune
        starts = enumerate(problem.starts(chains, seed), start=1)
        parts = [program.sample(start, draws, tune, seed, chain) for chain, start in starts]
        positions, statistics, seconds = (np.stack(part) for part in zip(*parts, strict=True))
        steps, diverging, step_size = np.moveaxis(statistics, -1, 0)
        return Run(
            problem.constrain(positions),
            diverging[:, tune:] > 0,
            (int(steps[:, :tune].sum()), int(steps[:, tune:].sum())),
            (float(seconds[:, 0].sum()), float(seconds[:, 1].sum())),
            step_size[:, -1],
            0.0,
        )

    return sample
