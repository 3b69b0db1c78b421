"""Effective draws per gradient with partial momentum refreshment, beside full refreshment and the default.

Effective samples per thousand gradients, those of warm-up left out, of the worst parameter by bulk, tails and squares,
on six posteriors: with the default; with a new momentum for each trajectory of one to three steps; and with a part of
it kept, the best of the angles for each number of steps.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import pymc as pm

import pymc_symplectic as ps
from benchmarks.studies import same_draws

MODELS = ("normal", "correlated", "schools", "logistic", "hierarchy", "wide")
ANGLES = (0.4, 0.8, 1.2)
STEPS = (1, 2, 3)


def efficiency(model: pm.Model, draws: int, seed: int, **options: Any) -> float:
    """Effective samples per thousand gradients."""
    run = ps.sample(draws, tune=1000, chains=4, cores=1, random_seed=seed, model=model, progressbar=False, quiet=True,
                    compute_convergence_checks=False, **options)  # fmt: skip
    return float(ps.compare({"run": run})["min_ess_per_1000_gradients"].iloc[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks refreshment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--draws", type=int, default=2000, help="of each chain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--target-accept", type=float, default=None, help="of partial refreshment")
    options = parser.parse_args(arguments)
    columns = [*(f"full, {n}" for n in STEPS), *(f"partial, {n}" for n in STEPS)]
    print(f"{'':12s}{'default':>12s}" + "".join(f"{column:>16s}" for column in columns))
    for name in options.models:
        model = getattr(same_draws, name)()

        def of(model: pm.Model = model, **parts: Any) -> float:
            return efficiency(model, options.draws, options.seed, **parts)

        line = f"{name:12s}{of():12.1f}"
        for n in STEPS:
            line += f"{of(trajectory=ps.FixedSteps(n)):16.1f}"
        for n in STEPS:
            parts = {"trajectory": ps.FixedSteps(n), "target_accept": options.target_accept}
            found = {angle: of(refreshment=ps.Partial(angle), **parts) for angle in ANGLES}
            best = max(found, key=found.__getitem__)
            line += f"{found[best]:10.1f} ({best:.2f})"
        print(line, flush=True)
