"""Places that are too narrow for the steps that suit the rest: divided steps beside a higher acceptance.

Posteriors with such places are sampled by no-U-turn trajectories, plain, at a higher acceptance, and with steps that
are divided where the energy is off; and by the default, which divides them after divergences.  Eight schools, centered,
and Neal's funnel keep the coordinates of the model.

The table has means over seeds:

- ESS/1000: the least effective sample size per 1000 gradients, those of warm-up counted (the geometric mean).  Whoever
  never goes to a narrow place does not know what is missing, and has a large one.
- by truth: the same of all seeds together, where the truth is known: the variance of an indicator of being below a true
  5 % or 95 % quantile over the mean squared error of its estimate, the least of all quantities, per 1000 gradients of a
  run.  It needs a dozen seeds.
- gradients; how many draws diverged; the largest R-hat of any seed; the longest stay at one place, in draws, of any
  chain.
- below 5 %: how often a scale was below its true 5 % quantile, with the standard error of the spread between seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
from scipy import integrate, optimize, stats

import pymc_symplectic as ps
from benchmarks import report, study
from benchmarks.models import held_out, known_laws, posteriordb, stationary
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run, ours
from benchmarks.scores import Record, least_ess, score
from benchmarks.studies.robustness import estimates
from pymc_symplectic.adaptation.efficiency import longest_stay

RESULTS = study.RESULTS / "narrow"
SCALES = {"schools": "tau", "funnel": "v"}
"""Targets whose scale has a neck, and its name."""
KNOWN = (*SCALES, "banana", "poisson")
"""Of which the truth is known."""
OTHERS = {
    "growth_curves": "simulated-growth_curves",
    "horseshoe": "breast_cancer-logistic_horseshoe",
    "lotka_volterra": "hudson_lynx_hare-lotka_volterra",
    "counts": "GLMM_Poisson_data-GLMM_Poisson_model",
}
"""Others, and their names in the set that they are of."""
_DIVIDED = ps.NoUTurn(refine=6)
SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "never divided": {"policy": replace(ps.Policy(), divisions=0)},
    "no_u_turn": {"trajectory": ps.NoUTurn()},
    "accept 0.9": {"trajectory": ps.NoUTurn(), "target_accept": 0.9},
    "divided": {"trajectory": _DIVIDED},
    "divided, accept 0.9": {"trajectory": _DIVIDED, "target_accept": 0.9},
    "divided above 1": {"trajectory": replace(_DIVIDED, refine_above=1.0)},
    "divided above 2": {"trajectory": replace(_DIVIDED, refine_above=2.0)},
    "divided above 10": {"trajectory": replace(_DIVIDED, refine_above=10.0)},
    "divided by 1024": {"trajectory": replace(_DIVIDED, refine=10)},
}
"""Options, by a name."""


@cache
def banana() -> known_laws.Target:
    """A normal x₀ of standard deviation 2, and x₁ about a parabola of it."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=2, initval=np.zeros(2))
        pm.Potential("density", stationary.MADE_UP["banana"]().density(x))
    wide = stats.norm(0, 2)

    def below(height: float) -> float:
        return integrate.quad(lambda x: wide.pdf(x) * stats.norm.cdf(height - 2 + 0.5 * x**2), -20, 20, limit=500)[0]

    across = wide.ppf(known_laws.LEVELS)
    along = [optimize.brentq(lambda height, level=level: below(height) - level, -50, 10) for level in known_laws.LEVELS]
    laws = {f"x[{i}]": known_laws.Law.known(*quantiles) for i, quantiles in enumerate((across, along))}
    return known_laws.Target(
        Posterior("banana", model), lambda draws: {f"x[{i}]": draws["x"][..., i] for i in range(2)}, laws
    )


def target(name: str, path: Path | None = None) -> known_laws.Target:
    """One of `KNOWN`; `path` is posteriordb's."""
    return banana() if name == "banana" else known_laws.load(name, path)


def load(name: str, path: Path | None = None) -> Posterior:
    """A posterior by its name; `path` is posteriordb's."""
    if name in KNOWN:
        return target(name, path).posterior
    there = OTHERS[name] in held_out.names()
    return held_out.load(OTHERS[name]) if there else posteriordb.load(OTHERS[name], path)


def measure(run: Run, posterior: Posterior, name: str, path: Path | None) -> Record:
    """A score, with the longest stay of any chain, and what is known of a scale."""
    together = [values.reshape(*values.shape[:2], -1) for values in run.draws.values()]
    record = score(run, posterior) | {"stay": max(map(longest_stay, np.concatenate(together, axis=-1)))}
    if name in KNOWN:
        record["estimates"] = estimates(run, target(name, path))
    return record


def table(records: Sequence[Record]) -> str:
    """All results, in Markdown."""
    rows = []
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record["posterior"], record["sampler"]), []).append(record)
    for (name, sampler), its in found.items():
        made = [record for record in its if "error" not in record]
        if not made:
            rows.append([name, sampler, "error", *[""] * 6])
            continue
        spent = [sum(record["gradients"].values()) for record in made]
        worth = [1000 * least_ess(record) / cost for record, cost in zip(made, spent, strict=True)]
        mean = math.exp(np.mean(np.log(worth))) if all(value > 0 for value in worth) else 0.0
        rows.append(
            [
                name,
                sampler,
                f"{mean:.3g}",
                _by_truth(made, float(np.mean(spent))),
                f"{np.mean(spent) / 1000:.0f}k",
                f"{np.mean([record['divergences'] for record in made]):.1f}",
                f"{max(record['r_hat'] for record in made):.3f}",
                str(max(record["stay"] for record in made)),
                _below(made, name),
            ]
        )
    head = [
        "posterior",
        "sampler",
        "ESS/1000",
        "by truth",
        "gradients",
        "divergences",
        "R-hat",
        "longest stay",
        "below 5 %",
    ]
    return report.markdown(head, rows)


def _by_truth(records: Sequence[Record], gradients: float) -> str:
    """Effective draws by the errors of probabilities, per 1000 gradients."""
    if "estimates" not in records[0] or len(records) < 2:
        return ""
    worth = []
    for quantity, kinds in records[0]["estimates"].items():
        for kind in kinds:
            if kind.startswith("below"):
                seen = np.array([record["estimates"][quantity][kind] for record in records])[:, :2]
                truth = seen[0, 1]
                worth.append(truth * (1 - truth) / np.mean((seen[:, 0] - truth) ** 2))
    return f"{1000 * min(worth) / gradients:.3g}"


def _below(records: Sequence[Record], name: str) -> str:
    if name not in SCALES:
        return ""
    shares = np.array([record["estimates"][SCALES[name]]["below 5%"] for record in records])[:, :2]
    error = shares[:, 0].std(ddof=1) / math.sqrt(len(shares)) if len(shares) > 1 else math.nan
    return f"{shares[:, 0].mean():.3f} ± {error:.3f} of {shares[0, 1]:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what is missing and print the table."""
    parser = study.parser(
        "narrow", __doc__, samplers=list(SAMPLERS), seeds=[0, 1, 2], draws=1000, tune=1000, chains=4, results=RESULTS,
        posteriordb=None,
    )  # fmt: skip
    parser.add_argument(
        "--posteriors", nargs="+", metavar="NAME", default=[*KNOWN, *OTHERS], help="default: %(default)s"
    )
    chosen = parser.parse_args(arguments)
    for name in chosen.posteriors:
        own = {"parametrization": "model"} if name in SCALES else {}
        samplers = {key: partial(ours.prepare, options={**SAMPLERS[key], **own}) for key in chosen.samplers}
        cases = study.runs(
            [name], samplers, chosen.seeds, lambda name: load(name, chosen.posteriordb), study.plan_of(chosen),
            measure=partial(measure, name=name, path=chosen.posteriordb),
        )  # fmt: skip
        study.run_all(cases, chosen.results)
    print(table(study.load(chosen.results)))
