"""What a careless tuner falls for: six targets from fifty seeds each, what was chosen, and whether draws are biased.

Run ``python benchmarks/robustness.py``; ``--help`` lists the options.  The targets:

schools
    Eight schools, centered, of posteriordb: a funnel of which no sampler sees the neck.
funnel
    Neal's, of ten dimensions: v ~ N(0, 3²), and nine x ~ N(0, exp(v)).
mixture
    0.5 N(-2, 1²) + 0.5 N(2, 0.6²) in one dimension: two modes of different width, with a way from one to the other.
gaussian
    100 dimensions; the covariance has the condition number 10⁴ and random principal axes.
student
    Student t with 2 degrees of freedom in five independent dimensions: no variance.
poisson
    A Gaussian process with counts, of posteriordb (``gp_pois_regr``).

Each posterior, sampler and seed leaves a file, as with `suite.py`, whose protocol this is; started again, it goes on
where it stopped.  The tables:

1. How often chains chose which integrator and trajectory.
2. Worth: the least effective sample size per 1000 gradients after warm-up, the geometric mean over seeds; its ratio to
   that of the better of nutpie's two, with a bootstrap interval; the seed that fared worst, as a ratio to the same.
   Runs without an effective sample size are left out of these, and count as failures.
3. Failures: runs whose R-hat exceeds 1.05 or is not a number, or that ended with an error; divergences.
4. Bias: of each quantity, the mean, the mean squared deviation from the true mean, and the probabilities of being below
   the true 5 % and 95 % quantiles.  z is the average over runs less the truth, over the standard error that the spread
   between runs gives; it needs no effective sample size to be right.  Truth is known, or that of the reference draws,
   whose own error is added.  Shown are how many comparisons there are, how many exceed what chance alone would exceed,
   in all of a line, once in a hundred times (t law), and the worst.  The same for nutpie shows what is the target's
   fault.

Quantities are the parameters, or projections on the principal axes for the Gaussian.  Where squares have no variance,
or one so large that no run sees it, only probabilities are looked at: all of student's quantities, and the funnel's x.

Tables are of all results in the folder of the targets and samplers that are asked for; ``--seeds`` without a number
makes no runs.
"""

import suite  # isort: skip  # first: it sets how many threads numpy may use

import argparse
import json
import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hard_starts
import numpy as np
import pandas as pd
import posteriors
import pymc as pm
import report
import samplers
from arviz_stats.base import array_stats
from scipy import integrate, optimize, stats

__all__ = ["TARGETS", "Law", "Target", "biases", "choices", "estimates", "main", "run_all", "tables", "target"]

RESULTS = suite.RESULTS / "robustness"
SAMPLERS = ("ours", "nutpie-diagonal", "nutpie-low_rank")
LEVELS = (0.05, 0.95)
KINDS = ("mean", "squares", *(f"below {level:.0%}" for level in LEVELS))
CHANCE = report.CHANCE

Draws = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Law:
    """What is true of one quantity.

    Attributes
    ----------
    center : float
        From which deviations are squared; the mean where there is one.
    quantiles : tuple of float
        Those of `LEVELS`.
    truth : dict of str to tuple of float
        The expected value of each statistic that is looked at, some of `KINDS`, and its standard error.
    """

    center: float
    quantiles: tuple[float, float]
    truth: dict[str, tuple[float, float]]

    @classmethod
    def known(cls, low: float, high: float, mean: float = 0.0, sd: float | None = None) -> "Law":
        """Of a law with these quantiles; without a standard deviation, moments are not looked at."""
        values = LEVELS if sd is None else (mean, sd**2, *LEVELS)
        kinds = KINDS[-len(values) :]
        return cls(mean, (low, high), {kind: (value, 0.0) for kind, value in zip(kinds, values, strict=True)})

    @classmethod
    def drawn(cls, reference: np.ndarray) -> "Law":
        """Of reference draws (chains, draws)."""
        law = cls(float(reference.mean()), tuple(np.quantile(reference, LEVELS)), dict.fromkeys(KINDS, (0.0, 0.0)))
        parts = law.parts(reference)
        return cls(
            law.center,
            law.quantiles,
            {kind: (float(part.mean()), float(array_stats.mcse(part))) for kind, part in parts.items()},
        )

    def parts(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """What is averaged over draws, by kind."""
        all_of_them = (draws, (draws - self.center) ** 2, *(1.0 * (draws < quantile) for quantile in self.quantiles))
        return {kind: part for kind, part in zip(KINDS, all_of_them, strict=True) if kind in self.truth}


@dataclass(frozen=True, eq=False)
class Target:
    """A posterior of which the truth is known.

    Attributes
    ----------
    posterior : Posterior
    quantities : callable
        From draws (chains, draws, ...) of the model's variables to those (chains, draws) of each quantity.
    laws : dict of str to Law
        By quantity.
    """

    posterior: posteriors.Posterior
    quantities: Callable[[Draws], dict[str, np.ndarray]]
    laws: dict[str, Law]


def _elements(draws: Draws) -> dict[str, np.ndarray]:
    """Every element of every variable."""
    found = {}
    for name, values in draws.items():
        if values.ndim == 2:
            found[name] = values
        else:
            found.update({f"{name}[{i}]": values[..., i] for i in range(values.shape[-1])})
    return found


def _real(name: str, path: Path | None) -> Target:
    posterior = posteriors.load(name, path)
    assert posterior.reference is not None
    return Target(posterior, posterior.draws, {key: Law.drawn(draws) for key, draws in posterior.reference.items()})


def _made_up(name: str, model: pm.Model, laws: dict[str, Law], quantities: Any = _elements) -> Target:
    return Target(posteriors.Posterior(name, model, None, {}), quantities, laws)


def _funnel(dim: int = 10, sd: float = 3.0) -> Target:
    with pm.Model() as model:
        v = pm.Normal("v", 0, sd)
        pm.Normal("x", 0, pm.math.exp(v / 2), shape=dim - 1)
    scale = stats.norm(0, sd)

    def below(x: float) -> float:  # integrated over v, ten deviations on either side
        return integrate.quad(
            lambda v: scale.pdf(v) * stats.norm.cdf(x * math.exp(-v / 2)), -10 * sd, 10 * sd, limit=500
        )[0]

    high = optimize.brentq(lambda x: below(x) - LEVELS[1], 1e-3, 1e3)
    laws = {"v": Law.known(*scale.ppf(LEVELS), 0.0, sd)}
    return _made_up("funnel", model, laws | {f"x[{i}]": Law.known(-high, high) for i in range(dim - 1)})


def _mixture() -> Target:
    weights, means, sds = np.array([0.5, 0.5]), np.array([-2.0, 2.0]), np.array([1.0, 0.6])
    with pm.Model() as model:
        pm.NormalMixture("x", weights, means, sigma=sds)
    low, high = (
        optimize.brentq(lambda x, level=level: weights @ stats.norm.cdf(x, means, sds) - level, -20, 20)
        for level in LEVELS
    )
    mean = float(weights @ means)
    sd = math.sqrt(weights @ (sds**2 + means**2) - mean**2)
    return _made_up("mixture", model, {"x": Law.known(low, high, mean, sd)})


def _gaussian(dim: int = 100, condition: float = 1e4) -> Target:
    sds = np.geomspace(1, math.sqrt(condition), dim)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    return _made_up(
        "gaussian",
        hard_starts.rotated(sds, axes),
        {f"axis[{i}]": Law.known(*stats.norm.ppf(LEVELS, 0, sd), 0.0, sd) for i, sd in enumerate(sds)},
        lambda draws: {f"axis[{i}]": projection for i, projection in enumerate(np.moveaxis(draws["x"] @ axes, -1, 0))},
    )


def _student(dim: int = 5, degrees: float = 2.0) -> Target:
    with pm.Model() as model:
        pm.StudentT("x", nu=degrees, mu=0, sigma=1, shape=dim)
    low, high = stats.t.ppf(LEVELS, degrees)
    return _made_up("student", model, {f"x[{i}]": Law.known(low, high) for i in range(dim)})


TARGETS: dict[str, Callable[[Path | None], Target]] = {
    "schools": lambda path: _real("eight_schools-eight_schools_centered", path),
    "funnel": lambda path: _funnel(),
    "mixture": lambda path: _mixture(),
    "gaussian": lambda path: _gaussian(),
    "student": lambda path: _student(),
    "poisson": lambda path: _real("gp_pois_regr-gp_pois_regr", path),
}
"""By name; the folder is posteriordb's."""


@cache
def target(name: str, path: Path | None = None) -> Target:
    """Build a target by name."""
    return TARGETS[name](path)


def estimates(run: samplers.Run, of: Target) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Averages over a run's draws, the truth and its standard error, by quantity and kind."""
    found = of.quantities(run.draws)
    return {
        name: {kind: (float(part.mean()), *law.truth[kind]) for kind, part in law.parts(found[name]).items()}
        for name, law in of.laws.items()
    }


def run_all(
    names: Sequence[str],
    sampler_names: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    *,
    path: Path | None = None,
    **options: Any,
) -> int:
    """Make all runs that have no file yet; returns how many.  `options` are those of `suite.run_all`."""
    made = 0
    for name in names:
        it = target(name, path)

        def measure(run: samplers.Run, posterior: posteriors.Posterior, it: Target = it) -> suite.Record:
            return suite.score(run, posterior) | {"estimates": estimates(run, it)}

        made += suite.run_all(
            [name], sampler_names, seeds, folder, load=lambda _, it=it: it.posterior, measure=measure, **options
        )
    return made


def _records(folder: Path, names: Sequence[str], sampler_names: Sequence[str]) -> dict[tuple[str, str], list[Any]]:
    """What is on file of these targets and samplers."""
    found: dict[tuple[str, str], list[Any]] = {}
    for name in names:
        for sampler in sampler_names:
            files = sorted(folder.glob(f"{name}/{sampler}@*.json"))
            if files:
                found[name, sampler] = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return found


def choices(records: Iterable[suite.Record]) -> Counter[str]:
    """How many chains chose which integrator and trajectory, whatever the length."""
    return Counter(text.split(" of ")[0] for record in records for text in record.get("chosen", []))


def biases(records: Iterable[suite.Record]) -> pd.DataFrame:
    """All comparisons with the truth, the worst first.

    Returns
    -------
    DataFrame
        By ``quantity`` and ``kind``: ``estimate``, the average over runs, ``truth``, ``error``, the standard error of
        their difference, and ``z``.  NaN where there are fewer than two runs, or one has no estimate.
    """
    values: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for record in records:
        for quantity, kinds in record.get("estimates", {}).items():
            for kind, triple in kinds.items():
                values.setdefault((quantity, kind), []).append(triple)
    rows = {}
    for key, triples in values.items():
        seen, truth, error = np.array(triples, dtype=float).T  # null becomes NaN
        spread = seen.std(ddof=1) / math.sqrt(seen.size) if seen.size > 1 else math.nan
        whole = np.hypot(spread, error[0])
        with np.errstate(divide="ignore", invalid="ignore"):  # all runs may agree, on what is wrong or right
            z = (seen.mean() - truth[0]) / whole
        rows[key] = {"estimate": seen.mean(), "truth": truth[0], "error": whole, "z": z}
    if not rows:
        return pd.DataFrame(columns=["estimate", "truth", "error", "z"])
    made = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["quantity", "kind"])
    return made.sort_values("z", key=np.abs, ascending=False)


def tables(folder: Path, names: Sequence[str] = tuple(TARGETS), sampler_names: Sequence[str] = SAMPLERS) -> str:
    """All tables, in Markdown."""
    records = _records(folder, names, sampler_names)
    results = report.load(folder)
    scored = results[results["ess"] > 0]
    chosen, worth, failures, bias = [], [], [], []
    for (name, sampler), its in records.items():
        counts = choices(its)
        for text, count in counts.most_common():
            chosen.append([name, sampler, text, f"{count} of {counts.total()}"])
        worth.append([name, sampler, *_worth(scored[scored["posterior"] == name], sampler, sampler_names)])
        failures.append([name, sampler, *_failures(results, name, sampler)])
        bias.append([name, sampler, *_bias(its)])
    head = ["target", "sampler"]
    parts = [
        "Chosen, over all chains and seeds",
        report.markdown([*head, "integrator and trajectory", "chains"], chosen),
        "Least ESS per 1000 gradients after warm-up",
        report.markdown([*head, "geometric mean", "to the better nutpie", "worst seed"], worth),
        "Failures, and draws that diverged",
        report.markdown([*head, "runs", f"R-hat > {report.R_HAT}", "worst R-hat", "errors", "divergent"], failures),
        "Bias: comparisons with the truth, and the worst of them",
        report.markdown([*head, "comparisons", "beyond chance", "worst abs(z)", "of", "estimate", "truth"], bias),
    ]
    return "\n\n".join(parts)


def _worth(rows: pd.DataFrame, sampler: str, sampler_names: Sequence[str]) -> tuple[str, str, str]:
    """The mean, its ratio to the better of nutpie's, and the worst seed's."""
    means = np.exp(np.log(rows["gradients"]).groupby(rows["sampler"]).mean())
    if sampler not in means:
        return "-", "-", "-"
    theirs = [name for name in sampler_names if name.startswith("nutpie") and name in means]
    if not theirs:
        return report._number(means[sampler]), "-", "-"
    best = max(theirs, key=lambda name: means[name])
    each, _ = report.ratios(rows, best)
    worst = rows.loc[rows["sampler"] == sampler, "gradients"].min() / means[best]
    ratio = report._ratio(each.loc[rows["posterior"].iloc[0], sampler])
    return report._number(means[sampler]), ratio, report._number(worst)


def _failures(results: pd.DataFrame, name: str, sampler: str) -> tuple[str, str, str, str, str]:
    rows = results[(results["posterior"] == name) & (results["sampler"] == sampler)]
    errors = int(rows["error"].notna().sum())
    whole = rows[rows["error"].isna()]
    bad = int((~(whole["r_hat"] <= report.R_HAT)).sum())
    worst = whole["r_hat"].max(skipna=False) if len(whole) else math.nan
    return str(len(rows)), str(bad), f"{worst:.3f}", str(errors), f"{whole['divergences'].sum():.0f}"


def _bias(records: Sequence[suite.Record]) -> tuple[str, str, str, str, str, str]:
    found = biases(records)
    z = found["z"].dropna().abs()
    if not len(z):
        return str(len(found)), "-", "-", "-", "-", "-"
    runs = sum("estimates" in record for record in records)
    limit = stats.t.isf(CHANCE / len(found) / 2, runs - 1)
    quantity, kind = z.index[0]
    worst = found.loc[(quantity, kind)]
    cells = [f"{worst[key]:.3g}" for key in ("estimate", "truth")]
    return str(len(found)), str(int((z > limit).sum())), f"{z.iloc[0]:.1f}", f"{quantity} {kind}", *cells


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), help="default: all")
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--seeds", nargs="*", type=int, default=list(range(50)), metavar="SEED", help="default: 0 to 49; none: tables"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after warm-up; default: 1000")
    parser.add_argument("--tune", type=int, default=1000, help="draws of warm-up of each chain; default: 1000")
    parser.add_argument("--chains", type=int, default=4, help="default: 4")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder; default: benchmarks/results/robustness")
    parser.add_argument("--posteriordb", type=Path, help=f"default: the environment variable {posteriors.VARIABLE}")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    if chosen.seeds:
        run_all(
            chosen.targets, chosen.samplers, chosen.seeds, chosen.results, path=chosen.posteriordb, draws=chosen.draws,
            tune=chosen.tune, chains=chosen.chains, tell=lambda line: print(line, flush=True),
        )  # fmt: skip
    print("\n" + tables(chosen.results, chosen.targets, chosen.samplers))


if __name__ == "__main__":
    main()
