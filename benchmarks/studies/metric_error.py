r"""How soon the metric is known: its error against gradients, on a normal of which the covariance is known.

A metric with factor L is right where :math:`L^{-1} \Sigma L^{-\top}` is the identity.  Its error is the root mean
square of the logarithms of that matrix's eigenvalues: 0 where it is right, and 2 where all variances are off by a
factor of 7.  Gradients are all that a chain has paid for, those of its way down and of probes among them.  Drawn is the
median over seeds, for the default, for parts of it off, and for a metric that is learned from draws alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import figures, study
from benchmarks.models.gaussians import random_axes, rotated
from benchmarks.samplers import Problem
from pymc_symplectic import Policy
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.metrics import Dense
from pymc_symplectic.settings import Settings

_USUAL = Policy()
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "the default": {},
    "without probes": {"policy": replace(_USUAL, probes=0)},
    "without the way down": {"policy": replace(_USUAL, descent=0)},
    "without either": {"policy": replace(_USUAL, probes=0, descent=0)},
    "from draws alone": {"metric": Dense(fit_to="draws"), "policy": replace(_USUAL, probes=0, descent=0)},
}
"""Options of the sampler, by what a line is called."""


def error(factor: np.ndarray, covariance: np.ndarray) -> float:
    """The error of a metric with this factor (d, d)."""
    half = np.linalg.solve(factor, np.linalg.cholesky(covariance))
    return float(np.sqrt(np.mean(np.log(np.linalg.svd(half, compute_uv=False) ** 2) ** 2)))


def line(
    problem: Problem, covariance: np.ndarray, options: Mapping[str, Any], seed: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients so far, and the error of the metric, after each draw of a chain until there are so many."""
    chain = Chain(problem.target, Settings.choose(**options), np.random.default_rng(seed), 1000, open_ended=True)
    chain.start(problem.starts(1, seed)[0])
    gradients, errors = [0], [error(np.eye(len(covariance)), covariance)]
    while gradients[-1] < most and chain.count < 1000:
        _, rows = chain.advance(1)
        if not np.isfinite(rows[0, column.N_GRADIENTS]):
            break
        gradients.append(gradients[-1] + int(rows[0, column.N_GRADIENTS]))
        errors.append(error(chain.metric.factor, covariance))
    return np.array(gradients), np.array(errors)


def median(lines: Sequence[tuple[np.ndarray, np.ndarray]], at: np.ndarray) -> np.ndarray:
    """The median error over chains, at numbers of gradients."""
    return np.median([errors[np.searchsorted(gradients, at, side="right") - 1] for gradients, errors in lines], axis=0)


def draw(found: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], file: Path, most: int) -> None:
    """Draw errors against gradients, and save the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.subplots()
    at = np.geomspace(10, most, 300)
    for (name, lines), (colour, _) in zip(found.items(), figures.looks(found).values(), strict=True):
        axes.plot(at, median(lines, at), color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="gradients of a chain", ylabel="error of its metric")
    axes.set(xlim=(10, most), ylim=(0.01, 10))
    for axis in (axes.xaxis, axes.yaxis):
        figures.plain_numbers(axis, (1, 3))
    figures.bare(axes)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and draw the figure."""
    parser = study.parser("metric_error", __doc__, seeds=list(range(8)))
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--condition", type=float, default=1e4, help="of the covariance; default: %(default)s")
    parser.add_argument("--most", type=int, default=3000, help="gradients of a chain; default: %(default)s")
    parser.add_argument("--figure", type=Path, default=study.RESULTS / "metric.png", help="default: %(default)s")
    chosen = parser.parse_args(arguments)
    scales, axes = np.geomspace(chosen.condition**-0.25, chosen.condition**0.25, chosen.dim), random_axes(chosen.dim)
    covariance, problem = (axes * scales**2) @ axes.T, Problem(rotated(scales, axes))
    found = {
        name: [line(problem, covariance, options, seed, chosen.most) for seed in chosen.seeds]
        for name, options in VARIANTS.items()
    }
    chosen.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(found, chosen.figure, chosen.most)
    for name, lines in found.items():
        shown = ", ".join(f"{value:.2f} after {at}" for at, value in zip(*_shown(lines, chosen.most), strict=True))
        print(f"{name}: {shown}")


def _shown(lines: Sequence[tuple[np.ndarray, np.ndarray]], most: int) -> tuple[list[int], np.ndarray]:
    at = [number for number in (30, 100, 200, 300, 1000, 3000) if number <= most]
    return at, median(lines, np.array(at))
