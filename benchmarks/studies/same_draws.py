"""Whether two versions of this package make the same draws, to the last bit.

A version records a digest of the draws, the statistics and the stored states of some thirty configurations, and
another one compares its own with them.  This file needs nothing of the other benchmarks, so that it can be run by its
path with a version that has none of them:

    git worktree add /tmp/before main~1
    PYTHONPATH=/tmp/before python benchmarks/studies/same_draws.py record before.json
    python -m benchmarks same_draws compare before.json

Only the same machine, with the same libraries, can be expected to round in the same way.  Names of statistics may
change between versions, so those are compared that both have.
"""

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_symplectic as ps
from pymc_symplectic.store import Store

SEED = 20261127
RUN = {"draws": 150, "tune": 400, "chains": 2, "random_seed": SEED, "progressbar": False, "quiet": True}
STATE = ("count", "position", "log_density", "metric", "mean", "rng")
"""The entries of a stored state that are compared."""


def normal() -> pm.Model:
    with pm.Model() as model:
        pm.Normal("x", 0.0, np.array([0.1, 1.0, 10.0]))
    return model


def correlated() -> pm.Model:
    factor = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0] * np.geomspace(0.1, 10, 20)
    with pm.Model() as model:
        pm.MvNormal("x", np.zeros(20), cov=factor @ factor.T)
    return model


def schools() -> pm.Model:
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", 0, 1, shape=8)
        errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
        pm.Normal("y", mu + tau * theta, errors, observed=np.array([28.0, 8, -3, 7, -1, 1, 18, 12]))
    return model


def logistic() -> pm.Model:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((200, 10))
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=10)
        pm.Bernoulli("y", logit_p=X @ beta, observed=rng.random(200) < 1 / (1 + np.exp(-X @ np.linspace(-1, 1, 10))))
    return model


def funnel() -> pm.Model:
    with pm.Model() as model:
        v = pm.Normal("v", 0, 3)
        pm.Normal("x", 0, pt.exp(v / 2), shape=5)
    return model


def student() -> pm.Model:
    with pm.Model() as model:
        pm.StudentT("x", nu=3, shape=4)
    return model


def mixture() -> pm.Model:
    with pm.Model() as model:
        pm.NormalMixture("x", w=[0.3, 0.7], mu=[-3.0, 3.0], sigma=[0.7, 1.0])
        pm.Normal("z", 0, 1, shape=3)
    return model


def hierarchy() -> pm.Model:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(15), 8)
    with pm.Model() as model:
        mu, tau, sigma = pm.Normal("mu", 0, 3), pm.HalfNormal("tau", 2), pm.HalfNormal("sigma", 2)
        effect = pm.Normal("effect", mu, tau, shape=15)
        y = rng.normal(1.0, 1.0, 15)[group] + rng.standard_normal(120)
        pm.Normal("y", effect[group], sigma, observed=y)
    return model


def counts() -> pm.Model:
    rng = np.random.default_rng(4)
    X = rng.standard_normal((100, 4))
    with pm.Model() as model:
        beta, alpha = pm.Normal("beta", 0, 1, shape=4), pm.Exponential("alpha", 1)
        pm.NegativeBinomial("y", mu=pt.exp(X @ beta), alpha=alpha, observed=rng.poisson(2.0, 100))
    return model


def simplex() -> pm.Model:
    with pm.Model() as model:
        p = pm.Dirichlet("p", np.full(5, 0.7))
        pm.Multinomial("y", 40, p, observed=np.array([1, 4, 20, 12, 3]))
    return model


def wide() -> pm.Model:
    with pm.Model() as model:
        pm.GaussianRandomWalk("x", sigma=0.3, init_dist=pm.Normal.dist(0, 1), shape=150)
    return model


MODELS = [normal, correlated, schools, logistic, funnel, student, mixture, hierarchy, counts, simplex, wide]
PARTS: dict[str, dict[str, Any]] = {
    **{f"integrator {name}": {"integrator": name} for name in ("leapfrog", "yoshida4", "bcss2", "harmonic_leapfrog")},
    "implicit midpoint": {"integrator": ps.ImplicitMidpoint(), "trajectory": ps.FixedTime(2.0)},
    "velocity first": {"integrator": "forest_ruth", "trajectory": ps.FixedSteps(5)},
    **{f"kinetic {name}": {"kinetic": name} for name in ("relativistic", "adaptive", "power", "student_t")},
    **{f"metric {name}": {"metric": name} for name in ("identity", "diagonal", "dense", "low_rank")},
    "trajectory fixed_steps": {"trajectory": ps.FixedSteps(7)},
    "trajectory fixed_time": {"trajectory": ps.FixedTime(1.5, repeats=2)},
    "trajectory no_u_turn": {"trajectory": "no_u_turn"},
    "acceptance": {"target_accept": 0.9},
    "step size": {"step_size": 0.3},
    "temperature": {"temperature": 2.0},
}


def digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def of_idata(idata: Any) -> dict[str, str]:
    """A digest of every variable of every group of draws and statistics."""
    found = {}
    for name, group in idata.children.items():
        if name.removeprefix("warmup_") in ("posterior", "sample_stats"):
            found |= {f"{name}/{key}": digest(group[key].to_numpy()) for key in group.data_vars}
    return {key: value for key, value in found.items() if "perf" not in key and "process_time" not in key}


def of_state(state: Any) -> str:
    """A digest of the parts of a stored state that every version has."""
    return json.dumps({name: _plain(state[name]) for name in STATE}, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return digest(value) if isinstance(value, np.ndarray) else value


def in_memory(model: pm.Model, **options: Any) -> dict[str, str]:
    return of_idata(ps.sample(model=model, cores=1, discard_tuned_samples=False, **RUN, **options))


def by_pymc(model: pm.Model, **options: Any) -> dict[str, str]:
    with model:
        return of_idata(pm.sample(step=ps.HMC(**options), cores=1, discard_tuned_samples=False, **RUN))


def resumed(model: pm.Model, **options: Any) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.zarr"
        ps.sample(model=model, cores=1, store=path, **{**RUN, "draws": 70}, **options)
        found = {f"state {i}": of_state(Store.open(path).state(i)) for i in range(RUN["chains"])}
        return found | of_idata(ps.sample(model=model, cores=1, store=path, **RUN, **options))


@cache
def made(model: Callable[[], pm.Model]) -> pm.Model:
    return model()


def cases() -> Iterator[tuple[str, Callable[[], dict[str, str]]]]:
    """Names of configurations, and what runs each."""
    for model in MODELS:
        yield f"defaults, {model.__name__}", lambda model=model: in_memory(made(model))
    for name, options in PARTS.items():
        yield f"{name}, logistic", lambda options=options: in_memory(made(logistic), **options)
    for model in (schools, correlated):
        yield f"pm.sample, {model.__name__}", lambda model=model: by_pymc(made(model))
        yield f"stored and resumed, {model.__name__}", lambda model=model: resumed(made(model))
    yield "pm.sample, parts", lambda: by_pymc(made(schools), integrator="yoshida4", kinetic="relativistic")
    yield "stored and resumed, parts", lambda: resumed(made(funnel), kinetic="adaptive", metric="low_rank")


def main(options: Sequence[str] | None = None) -> None:
    """Read the command line, and record or compare."""
    parser = argparse.ArgumentParser(
        prog="same_draws", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default="", help="configurations whose names contain this")
    arguments = parser.parse_args(options)
    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    print(f"pymc_symplectic of {Path(ps.__file__).parent.parent}")
    before = json.loads(arguments.file.read_text()) if arguments.task == "compare" else {}
    found, other = {}, 0
    for name, run in cases():
        if arguments.only not in name or (before and name not in before):
            continue
        found[name] = run()
        if before:
            common = before[name].keys() & found[name].keys()
            differing = sorted(key for key in common if before[name][key] != found[name][key])
            other += bool(differing)
            missing = sorted(before[name].keys() ^ found[name].keys())
            verdict = f"DIFFERS in {', '.join(differing)[:120]}" if differing else f"same, {len(common)} arrays"
            print(f"{name:42s} {verdict}{f'; of one version alone: {missing}' if missing else ''}", flush=True)
    if before:
        print(f"{len(found)} configurations, {other} differ")
        sys.exit(bool(other))
    arguments.file.write_text(json.dumps(found, indent=1, sort_keys=True))
    print(f"{len(found)} configurations recorded")


if __name__ == "__main__":
    main()
