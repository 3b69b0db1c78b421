"""Scores of one run: effective draws, their cost, and their distance from reference draws.

- *Effective draws.*  The least effective sample size over all elements of all free variables and of all quantities
  with reference draws, on their own, constrained scale, and over bulk, tail (5 % and 95 % quantiles) and squares
  (`pymc_symplectic.min_ess`).  Bulk alone rewards draws that are antithetic.
- *Cost.*  Gradients evaluated, those included that were thrown away, and processor seconds; of sampling alone, and with
  warm-up.  What is compiled is counted apart.
- *Gates.*  R-hat, divergences, and errors against reference draws: differences of means and of mean squared deviations
  in units of their Monte Carlo standard error, both sides' errors combined.
"""

import math
from collections.abc import Iterable
from typing import Any

import arviz_base
import arviz_stats
import numpy as np

import pymc_symplectic as ps
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run

__all__ = ["Record", "geometric_mean", "in_a_line", "least_ess", "score"]

Record = dict[str, Any]
"""A record of results, which is written to a file as JSON."""


def score(run: Run, posterior: Posterior) -> Record:
    """Effective draws, cost and gates of a run."""
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


def least_ess(record: Record) -> float:
    """The least effective sample size of a record, NaN where one is not known."""
    values = [math.nan if value is None else value for value in record["ess"].values()]
    return math.nan if any(map(math.isnan, values)) else min(values)


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean of those that are positive, NaN where none is."""
    known = [value for value in values if value > 0]
    return math.exp(float(np.log(known).mean())) if known else math.nan


def in_a_line(record: Record) -> str:
    """The result of `score`, in one line."""
    gradients, ess = record["gradients"], min(record["ess"].values())
    worst = max((abs(z) for pair in record["z"].values() for z in pair), default=math.nan)
    return (
        f"ESS {ess:6.0f}, {1000 * ess / gradients['sampling']:8.2f} per 1000 of {gradients['sampling']} gradients "
        f"(warm-up {gradients['warmup']}), R-hat {record['r_hat']:.3f}, {record['divergences']} divergences, "
        f"|z| {worst:.1f}"
    )
