"""A simulation without gradients: evaluations to 400 effective draws, and whether draws agree with a fine grid.

The simulation is that of `benchmarks.models.black_box`, which counts its calls.  Ours takes its gradients by
differences, with a surrogate and without.  Beside it is what PyMC has for such a model: slice sampling, which it
chooses by itself, differential evolution, and sequential Monte Carlo.  PyMC's Metropolis steps evaluate both ends of a
proposal, so that each draw costs two calls.

- evaluations: those of warm-up, and of sampling in proportion to 400 over the least effective sample size (bulk, tails
  and squares).  Of sequential Monte Carlo all count in proportion, as fewer particles cost less.
- by errors: the same with effective draws from the errors of means and of probabilities of being below the true 5 % and
  95 % quantiles, over all seeds: the variance of one draw over the mean squared error.  It believes no effective sample
  size, and needs a dozen seeds.
- worst z: of the same averages against the grid, by the spread between seeds, as in `robustness`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pymc as pm

import pymc_symplectic as ps
from benchmarks import report, study
from benchmarks.models.black_box import Biomass, fishery
from benchmarks.models.known_laws import Target
from benchmarks.samplers import Run
from benchmarks.scores import Record, geometric_mean, least_ess, score
from benchmarks.studies.robustness import biases, estimates

RESULTS = study.RESULTS / "black_box"
ENOUGH = 400.0


class _Plan(NamedTuple):
    """Draws of each chain, and those of warm-up; None where it ends by itself."""

    draws: int
    tune: int | None


def _ours(plan: _Plan, model: pm.Model, **options: Any) -> Any:
    return ps.sample(
        plan.draws, tune=plan.tune, model=model, gradient="differences", discard_tuned_samples=False, quiet=True,
        **options,
    )  # fmt: skip


def _step(make: Callable[[], Any]) -> Callable[..., Any]:
    def run(plan: _Plan, model: pm.Model, **options: Any) -> Any:
        with model:
            return pm.sample(
                plan.draws, tune=plan.tune, step=make(), discard_tuned_samples=False, compute_convergence_checks=False,
                **options,
            )  # fmt: skip

    return run


def _smc(plan: _Plan, model: pm.Model, **options: Any) -> Any:
    return pm.sample_smc(plan.draws, model=model, compute_convergence_checks=False, **options)


SAMPLERS: dict[str, tuple[Callable[..., Any], _Plan]] = {
    "ours-surrogate": (partial(_ours, trajectory="surrogate"), _Plan(1000, None)),
    "ours": (_ours, _Plan(1000, None)),
    "slice": (_step(pm.Slice), _Plan(1000, 300)),
    "demetropolis": (_step(pm.DEMetropolis), _Plan(4000, 1000)),
    "demetropolis_z": (_step(pm.DEMetropolisZ), _Plan(4000, 1000)),
    "smc": (_smc, _Plan(1000, 0)),
}
"""What samples, with draws enough for a few hundred effective ones."""


def _shares(idata: Any, plan: _Plan) -> tuple[float, float]:
    """The parts of all evaluations that are warm-up's and sampling's."""
    groups = [idata[name] for name in ("warmup_sample_stats", "sample_stats") if name in idata.children]
    if any("n_values" in group for group in groups):
        spent = [float(group["n_values"].sum()) for group in groups]
    else:  # as many for each draw
        spent = [float(plan.tune or 0), float(plan.draws)]
    return spent[0] / sum(spent), spent[1] / sum(spent)


def one(sampler: str, chains: int, seed: int, *, plan: _Plan | None = None, target: Target | None = None) -> Record:
    """Effective draws, evaluations and averages of one run."""
    run, usual = SAMPLERS[sampler]
    plan, target = plan or usual, target or fishery()
    before = Biomass.calls
    idata = run(plan, target.posterior.model, chains=chains, cores=1, random_seed=seed, progressbar=False)
    calls = Biomass.calls - before
    draws = {name: idata["posterior"][name].values for name in target.laws}
    warmup, sampling = (round(share * calls) for share in _shares(idata, plan))
    nothing = np.zeros(chains)
    made = Run(draws, nothing[:, None], (warmup, sampling), (0.0, 0.0), nothing, 0.0)
    return {**score(made, target.posterior), "estimates": estimates(made, target)}


def cases(samplers: Sequence[str], seeds: Sequence[int], chains: int) -> Iterator[study.Case]:
    """All runs; what one fails at is recorded as its error."""
    for sampler in samplers:
        for seed in seeds:

            def run(record: Record, keep: object, sampler: str = sampler, seed: int = seed) -> Record:
                head = {"sampler": sampler, "seed": seed, "chains": chains}
                try:
                    return {**head, **one(sampler, chains, seed)}
                except Exception as error:  # of any sampler, of any kind
                    return {**head, "error": f"{type(error).__name__}: {error}"[:2000]}

            yield study.Case(study.file_of("simulated-fishery", sampler, seed), {"chains": chains}, run, line)


def evaluations(record: Record) -> float:
    """How many bring 400 effective draws, by effective sample sizes."""
    return record["gradients"]["warmup"] + record["gradients"]["sampling"] * ENOUGH / least_ess(record)


def line(record: Record) -> str:
    """A record in a line."""
    head = f"{record['sampler']:16s} {record['seed']:3d}"
    if "error" in record:
        return f"{head}  {record['error'].splitlines()[0]}"
    spent = record["gradients"]
    return (
        f"{head}  ESS {least_ess(record):.0f} of {spent['warmup']} + {spent['sampling']} evaluations, "
        f"R-hat {record['r_hat']:.3f}"
    )


def by_errors(records: Sequence[Record], target: Target) -> float:
    """How many evaluations bring averages that are as near the truth as those of 400 independent draws."""
    squares = []
    for record in records:
        for name, kinds in record["estimates"].items():
            truth = target.laws[name].truth
            for kind, (seen, expected, _) in kinds.items():
                if kind != "squares":  # whose variance is not known
                    of_one = truth["squares"][0] if kind == "mean" else expected * (1 - expected)
                    squares.append((seen - expected) ** 2 / of_one)
    warmup, sampling = (np.mean([record["gradients"][part] for record in records]) for part in ("warmup", "sampling"))
    return float(warmup + sampling * ENOUGH * np.mean(squares))


def table(records: Sequence[Record], target: Target) -> str:
    """All samplers, in Markdown."""
    by_sampler: dict[str, list[Record]] = {}
    for record in records:
        by_sampler.setdefault(record["sampler"], []).append(record)
    rows = []
    for sampler, its in by_sampler.items():
        made = [record for record in its if "error" not in record]
        if not made:
            rows.append([sampler, "error", *[""] * 5])
            continue
        costs = [evaluations(record) for record in made]
        worst = biases(made)["z"].abs().max()
        rows.append(
            [
                sampler,
                f"{geometric_mean(costs):.0f}",
                f"{max(costs):.0f}",
                f"{by_errors(made, target):.0f}",
                "-" if math.isnan(worst) else f"{worst:.1f}",
                f"{max(record['r_hat'] for record in made):.3f}",
                f"{len(made)} of {len(its)}",
            ]
        )
    head = ["sampler", "evaluations", "of the worst seed", "by errors", "worst z", "R-hat", "runs"]
    return report.markdown(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing, and print the table."""
    parser = study.parser(
        "black_box", __doc__, samplers=list(SAMPLERS), seeds=list(range(10)), chains=4, results=RESULTS
    )
    chosen = parser.parse_args(arguments)
    study.run_all(cases(chosen.samplers, chosen.seeds, chosen.chains), chosen.results)
    records = [
        record
        for sampler in chosen.samplers
        for record in study.load(chosen.results, f"simulated-fishery/{sampler}@*.json")
    ]
    print("\n" + table(records, fishery()))
