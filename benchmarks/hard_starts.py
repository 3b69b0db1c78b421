"""Whether warm-up gets over a bad start: Gaussians whose chains begin far away, or do not know the scales.

Run ``python benchmarks/hard_starts.py``; ``--help`` lists the options.  The cases, with 4 chains of 1000 + 1000 draws:

(a) 20 independent standard normals, every coordinate started 10³ standard deviations off, on either side.
(b) 20 independent normals of scales from 10⁻³ to 10³, started at U(-1, 1), which is 10³ deviations off in the narrowest
    coordinate and nowhere near the edge of the widest; and 10³ deviations off in every coordinate.
(c) 100 normals whose covariance has the condition number 10⁶ and random principal axes, started at U(-1, 1); 10³
    deviations off along every principal axis; and 10³ deviations off in every coordinate, which is up to 10⁶ along the
    narrowest axis.  No diagonal metric helps with (c), of whichever sampler: trajectories would have to be of some
    thousand steps, a hundred times as many as with the others.  It is run from the first seed alone, to show what that
    costs.

Every sampler has the same starts, and draws by No-U-Turn trajectories and leapfrog steps.  The goal is an R-hat
(rank-normalized, the largest of all coordinates) of at most 1.01; worst over seeds.  The least effective sample size
over coordinates, and over bulk, tail and squares, is the median over seeds; gradients and processor seconds, of all
chains, are means over seeds; divergences are those after warm-up, of all seeds.  A sampler that fails is reported with
its error.
"""

import suite  # isort: skip  # first: it sets how many threads numpy may use

import argparse
import logging
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import posteriors
import pymc as pm
import samplers

__all__ = ["CASES", "Case", "cases", "main", "row"]

GOAL = 1.01  # R-hat
FAR = 1e3  # standard deviations
SAMPLERS = ("ours-diagonal", "ours-low_rank", "ours-dense", "ours-auto", "nutpie-diagonal", "nutpie-low_rank")

Place = Callable[[np.random.Generator], np.ndarray]


class Placed(samplers.Problem):
    """A problem whose chains start where `place` says."""

    def __init__(self, model: pm.Model, place: Place) -> None:
        super().__init__(model)
        self._place = place

    def starts(self, chains: int, seed: int) -> np.ndarray:
        """Where chains start, (chains, d)."""
        rng = np.random.default_rng([seed, chains])
        return np.stack([self._place(rng) for _ in range(chains)])


@dataclass(frozen=True, eq=False)
class Case:
    """A Gaussian and where its chains start.

    Attributes
    ----------
    title : str
    model : pm.Model
    place : callable
        The start of one chain, unconstrained.
    hopeless : tuple of str
        Samplers that are run from the first seed alone.
    """

    title: str
    model: pm.Model
    place: Place
    hopeless: tuple[str, ...] = ()


def independent(scales: np.ndarray) -> pm.Model:
    """Independent normals."""
    with pm.Model() as model:
        pm.Normal("x", 0, scales, shape=scales.size)
    return model


def rotated(scales: np.ndarray, axes: np.ndarray) -> pm.Model:
    """A Gaussian with these standard deviations along the columns of `axes`."""
    precision = (axes / scales**2) @ axes.T
    with pm.Model() as model:
        x = pm.Flat("x", shape=scales.size, initval=np.zeros(scales.size))
        pm.Potential("density", -0.5 * (x * (((precision + precision.T) / 2) @ x)).sum())
    return model


def near(dim: int) -> Place:
    """A point of unit scale."""
    return lambda rng: rng.uniform(-1, 1, dim)


def far(scales: np.ndarray, axes: np.ndarray | None = None) -> Place:
    """`FAR` standard deviations off, on either side, in every coordinate or along every one of `axes`."""

    def place(rng: np.random.Generator) -> np.ndarray:
        position = FAR * scales * rng.choice([-1.0, 1.0], scales.size)
        return position if axes is None else axes @ position

    return place


def _cases_abc(dim: int = 20, wide: int = 100) -> dict[str, Callable[[], Case]]:
    ones, spread = np.ones(dim), np.geomspace(1e-3, 1e3, dim)
    scales = np.geomspace(10**-1.5, 10**1.5, wide)  # the condition number is that of the covariance
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((wide, wide)))[0]
    marginal = np.sqrt(axes**2 @ scales**2)
    hopeless = ("ours-diagonal", "nutpie-diagonal")
    return {
        "a-far": lambda: Case("(a) standard, far", independent(ones), far(ones)),
        "b-near": lambda: Case("(b) scales, unit start", independent(spread), near(dim)),
        "b-far": lambda: Case("(b) scales, far", independent(spread), far(spread)),
        "c-near": lambda: Case("(c) rotated, unit start", rotated(scales, axes), near(wide), hopeless),
        "c-far": lambda: Case("(c) rotated, far by axis", rotated(scales, axes), far(scales, axes), hopeless),
        "c-farther": lambda: Case("(c) rotated, far by coord.", rotated(scales, axes), far(marginal), hopeless),
    }


CASES = tuple(_cases_abc())
"""Names of the cases."""


def cases(names: Sequence[str] = CASES) -> list[Case]:
    """Build cases by name."""
    rooms = _cases_abc()
    return [rooms[name]() for name in names]


def row(case: Case, sampler: str, seeds: Sequence[int], draws: int = 1000, tune: int = 1000, chains: int = 4) -> str:
    """Run one sampler on one case from all seeds, in one line of the table."""
    head = f"{case.title:27s} {sampler:16s}"
    seeds = seeds[:1] if sampler in case.hopeless else seeds
    problem, posterior = Placed(case.model, case.place), posteriors.Posterior(case.title, case.model, None, {})
    try:
        sample = samplers.get(sampler)(problem)
        scores = [suite.score(sample(draws=draws, tune=tune, chains=chains, seed=seed), posterior) for seed in seeds]
    except Exception as error:  # of any sampler, of any kind
        return f"{head} {type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}"
    r_hats = [math.inf if math.isnan(score["r_hat"]) else score["r_hat"] for score in scores]
    ess = [min(0.0 if math.isnan(value) else value for value in score["ess"].values()) for score in scores]
    warmup, sampling = (np.mean([score["gradients"][part] for score in scores]) for part in ("warmup", "sampling"))
    return (
        f"{head} {max(r_hats):8.3f} {sum(r_hat <= GOAL for r_hat in r_hats):3d}/{len(seeds):d} {np.median(ess):8.0f} "
        f"{warmup:10.0f} {sampling:10.0f} {sum(score['divergences'] for score in scores):6d} "
        f"{np.mean([score['seconds']['warmup'] + score['seconds']['sampling'] for score in scores]):7.2f}"
    )


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line, run, and print the table line by line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), metavar="NAME", help="default: %(default)s")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=1000, help="draws of warm-up of each chain; default: 1000")
    parser.add_argument("--chains", type=int, default=4, help="default: 4")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    titles = f"{'warm-up':>10s} {'sampling':>10s} {'div.':>6s} {'CPU s':>7s}"
    print(f"{'case':27s} {'sampler':16s} {'R-hat':>8s} {'<=1.01':>5s} {'min ESS':>8s} {titles}")
    for case in cases(chosen.cases):
        for sampler in chosen.samplers:
            print(row(case, sampler, chosen.seeds, chosen.draws, chosen.tune, chosen.chains), flush=True)


if __name__ == "__main__":
    main()
