"""What a run saves that begins from the last one: the same model with a tenth more data, from cold and from `Learned`.

Each model is fitted to nine tenths of its data, by default options.  Then it has all of them, and is fitted anew: from
a cold start; from what was learned, with a warm-up that ends by itself; and from what was learned, without warm-up.  A
run has come to its answer as in the study ``cold_start``: an effective sample size of 400, the least over bulk, tails
and squares of all variables, and an R-hat of at most 1.01.  Its cost is all gradients of its chains up to there, the
warm-up's among them.  The first run is not counted.

The table has the median over seeds of costs and of draws of warm-up, how many runs came to their answer, and the ratio
of the cost from cold to that from what was learned; and below, the geometric mean of that ratio.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_symplectic as ps
from benchmarks import report, study
from benchmarks.samplers import Run
from benchmarks.studies import cold_start

SILENT = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
FEWER = 0.9  # of the data, in the first run


def regression(share: float) -> pm.Model:
    """Ten correlated coefficients, an intercept and a scale (12 parameters), of 200 data."""
    rng = np.random.default_rng(2)
    design = rng.standard_normal((200, 10)) + rng.standard_normal((200, 1))
    y = design @ np.linspace(-1, 1, 10) + rng.standard_normal(200)
    some = slice(round(share * 200))
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0, 5)
        beta = pm.Normal("beta", 0, 2, shape=10)
        sigma = pm.HalfNormal("sigma", 2)
        pm.Normal("obs", intercept + design[some] @ beta, sigma, observed=y[some])
    return model


def logistic(share: float) -> pm.Model:
    """A logistic regression with as many columns as its data hardly tell apart (26 parameters), of 300 data."""
    rng = np.random.default_rng(3)
    design = rng.standard_normal((300, 25)) + 1.5 * rng.standard_normal((300, 1))
    y = (design @ rng.normal(0, 0.3, 25) + rng.logistic(size=300) > 0).astype(int)
    some = slice(round(share * 300))
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=25)
        pm.Bernoulli("obs", logit_p=intercept + design[some] @ beta, observed=y[some])
    return model


def houses(share: float) -> pm.Model:
    """Intercepts of 85 counties and a slope, centered (89 parameters), of 919 data."""
    rng = np.random.default_rng(1)
    county, floor = rng.integers(85, size=919), rng.integers(2, size=919)
    measured = 1.5 + 0.3 * rng.standard_normal(85)[county] - 0.7 * floor + 0.7 * rng.standard_normal(919)
    some = slice(round(share * 919))
    with pm.Model() as model:
        mean = pm.Normal("mean", 0, 5)
        spread = pm.HalfNormal("spread", 1)
        slope = pm.Normal("slope", 0, 5)
        sigma = pm.HalfNormal("sigma", 1)
        intercept = pm.Normal("intercept", mean, spread, shape=85)
        pm.Normal("obs", intercept[county[some]] + slope * floor[some], sigma, observed=measured[some])
    return model


def counts(share: float) -> pm.Model:
    """A Poisson regression with an effect of each of 30 groups (34 parameters), of 240 data."""
    rng = np.random.default_rng(4)
    group, x = rng.integers(30, size=240), rng.standard_normal((240, 2))
    y = rng.poisson(np.exp(0.5 + 0.6 * rng.standard_normal(30)[group] + x @ [0.3, -0.2]))
    some = slice(round(share * 240))
    with pm.Model() as model:
        mean = pm.Normal("mean", 0, 2)
        spread = pm.HalfNormal("spread", 1)
        beta = pm.Normal("beta", 0, 1, shape=2)
        effect = pm.Normal("effect", mean, spread, shape=30)
        pm.Poisson("obs", mu=pt.exp(effect[group[some]] + x[some] @ beta), observed=y[some])
    return model


def student(share: float) -> pm.Model:
    """A robust curve, with a number of degrees of freedom that is little known (6 parameters), of 150 data."""
    rng = np.random.default_rng(5)
    x = np.linspace(-1, 1, 150)
    rng.shuffle(x)
    y = 1 + np.sin(2 * x) + 0.3 * rng.standard_t(4, 150)
    some = slice(round(share * 150))
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 2, shape=4)
        sigma = pm.HalfNormal("sigma", 1)
        nu = pm.Gamma("nu", 2, 0.1)
        mean = sum(beta[k] * x[some] ** k for k in range(4))
        pm.StudentT("obs", nu=nu, mu=mean, sigma=sigma, observed=y[some])
    return model


MODELS: dict[str, Callable[[float], pm.Model]] = {
    model.__name__: model for model in (regression, logistic, houses, counts, student)
}
WAYS = ("cold", "learned", "learned, no warm-up")


def cost(model: pm.Model, draws: int, chains: int, **arguments: Any) -> dict[str, Any]:
    """A run, and what it cost up to its answer."""
    idata = ps.sample(draws, chains=chains, cores=1, model=model, discard_tuned_samples=False, **SILENT, **arguments)
    run = Run.of_result(idata, [rv.name for rv in model.free_RVs], (0.0, 0.0))
    measured = cold_start.measure(run, None)  # type: ignore[arg-type]  # which it does not look at
    return {**measured, "warmup_draws": int(idata["posterior"].attrs["tuning_steps"]), "idata": idata}


def compared(name: str, seeds: Sequence[int], draws: int, chains: int) -> dict[str, list[dict[str, Any]]]:
    """Runs of one model in all ways, from several seeds."""
    fewer, whole = MODELS[name](FEWER), MODELS[name](1.0)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for seed in seeds:
        learned = ps.learned(cost(fewer, 500, chains, random_seed=[seed, 0])["idata"])
        for way in WAYS:
            more: dict[str, Any] = {} if way == "cold" else {"learned": learned}
            tune = 0 if way.endswith("no warm-up") else None
            found[way].append(cost(whole, draws, chains, tune=tune, random_seed=[seed, 1], **more))
    return found


def row(name: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[list[str], dict[str, float]]:
    """A line of the table, and the ratio of each way to the cold start."""
    medians = {way: float(np.median([_cost(run) for run in runs])) for way, runs in found.items()}
    ratios = {way: medians["cold"] / median for way, median in medians.items()}
    cells = [name]
    for way, runs in found.items():
        reached = sum(run["draws_needed"] is not None for run in runs)
        warmup = float(np.median([run["warmup_draws"] for run in runs]))
        cells.append(f"{medians[way]:.0f}, {warmup:.0f} draws, {reached} of {len(runs)}")
    return [*cells, *(f"{ratios[way]:.2f}" for way in WAYS[1:])], ratios


def _cost(run: Mapping[str, Any]) -> float:
    gradients = run["gradients"]
    return float(gradients) if gradients is not None and math.isfinite(gradients) else math.inf


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, and print the table."""
    options = study.parser("learned", __doc__, seeds=list(range(5)), draws=1000, chains=4)
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    chosen = options.parse_args(arguments)
    rows, ratios = [], []
    for name in chosen.models:
        cells, found = row(name, compared(name, chosen.seeds, chosen.draws, chosen.chains))
        study.say("  ".join(cells))
        rows.append(cells)
        ratios.append(found)
    for way in WAYS[1:]:
        mean = math.exp(float(np.mean([math.log(found[way]) for found in ratios])))
        study.say(f"geometric mean, {way}: {mean:.2f}")
    head = ["posterior", *WAYS, *(f"cold over {way}" for way in WAYS[1:])]
    study.say("\n" + report.markdown(head, rows))
