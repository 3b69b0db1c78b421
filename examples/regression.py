"""
Bayesian linear regression
==========================

How does a disease progress over a year, given ten measurements of a patient?  The data are the 442 diabetes patients
that come with scikit-learn; the model is a linear regression with standard normal priors, everything standardised.

Measurements of the same blood are strongly correlated (a condition number near 500), which makes the posterior a
narrow, tilted ellipsoid: easy to write down, and long to walk through for a sampler that stretches axes but does not
turn them.  Six samplers draw from it, each one choice away from the one before:

- PyMC's NUTS, which has a diagonal metric unless told otherwise,
- PyMC's NUTS with a dense metric,
- the same thing in this package: leapfrog, a dense metric, trajectories that stop at the U-turn,
- trajectories of a fixed time in their place,
- with these, two other integrators: Yoshida's of order 4, and a two-stage scheme of order 2.

Printed are

- ArviZ's summary of one of them,
- a table of what each run cost and what its draws are worth: gradients of the log-density, the smallest effective
  sample size (of bulk, tails and squares, over all parameters), and the one divided by the other,
- whether all of them agree: how far the posterior mean of a coefficient is from that of NUTS, at most, in units of the
  Monte Carlo standard error of the difference.

The picture shows the same: on the left one posterior, found by six samplers; on the right what it cost.
"""

import argparse
import logging
import warnings
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
from sklearn.datasets import load_diabetes

import pymc_symplectic as ps

FEATURES = {
    "age": "age",
    "sex": "sex",
    "bmi": "body mass index",
    "bp": "blood pressure",
    "s1": "total cholesterol",
    "s2": "LDL cholesterol",
    "s3": "HDL cholesterol",
    "s4": "total / HDL",
    "s5": "log triglycerides",
    "s6": "blood sugar",
}
REFERENCE = "PyMC NUTS, diagonal"
SUMMARISED = "bcss2, fixed_time"
AGREEMENT = 4.0  # combined Monte Carlo standard errors
LEVEL = 0.9  # of the intervals in the picture

# From the palette of Okabe and Ito, which stays apart for all kinds of colour vision.
COLOURS = {
    "PyMC NUTS, diagonal": "#999999",
    "PyMC NUTS, dense": "#CC79A7",
    "leapfrog, no_u_turn": "#56B4E9",
    "leapfrog, fixed_time": "#0072B2",
    "yoshida4, fixed_time": "#D55E00",
    "bcss2, fixed_time": "#009E73",
}


# %%
# Data and model
# --------------


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Features (442, 10) and response (442,), each with mean 0 and standard deviation 1."""
    data = load_diabetes(scaled=False)
    return tuple((a - a.mean(axis=0)) / a.std(axis=0) for a in (data.data, data.target))


def build_model(features: np.ndarray, response: np.ndarray) -> pm.Model:
    """A linear regression whose coefficients are named."""
    with pm.Model(coords={"feature": list(FEATURES.values())}) as model:
        intercept = pm.Normal("intercept", 0, 1)
        beta = pm.Normal("beta", 0, 1, dims="feature")
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("progression", intercept + features @ beta, sigma, observed=response)
    return model


def least_squares(features: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The coefficients (10,) that a regression without priors would report."""
    return np.linalg.lstsq(features, response)[0]


# %%
# Sampling
# --------
# What distinguishes the samplers is what `pymc.sample` is told about each.


def choose_samplers(model: pm.Model) -> dict[str, dict]:
    """For each sampler, the arguments of `pymc.sample` that choose it."""

    def dense(integrator: str, trajectory: str) -> dict:
        return {"step": ps.HMC(integrator=integrator, trajectory=trajectory, metric="dense", model=model)}

    return {
        "PyMC NUTS, diagonal": {"nuts_sampler": "pymc"},
        "PyMC NUTS, dense": {"nuts_sampler": "pymc", "init": "jitter+adapt_full"},
        "leapfrog, no_u_turn": dense("leapfrog", "no_u_turn"),
        "leapfrog, fixed_time": dense("leapfrog", "fixed_time"),
        "yoshida4, fixed_time": dense("yoshida4", "fixed_time"),
        "bcss2, fixed_time": dense("bcss2", "fixed_time"),
    }


def sample_all(model: pm.Model, draws: int, tune: int, chains: int, seed: int) -> dict:
    """One run of each sampler, with its warm-up, from the same starts."""
    starts = ps.initial_points(model, chains, random_seed=seed)
    runs = {}
    for name, choice in choose_samplers(model).items():
        print(f"sampling with {name} ...", flush=True)
        with model, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* is an experimental feature")  # PyMC's dense metric
            runs[name] = pm.sample(
                draws,
                tune=tune,
                chains=chains,
                random_seed=seed,
                initvals=starts,
                progressbar=False,
                discard_tuned_samples=False,
                **choice,
            )
    return runs


# %%
# Comparing
# ---------


def largest_disagreement(run, reference) -> float:
    """How far the posterior means of a coefficient are apart, at most, in combined Monte Carlo standard errors."""
    ours, theirs = run.posterior["beta"], reference.posterior["beta"]
    error = np.hypot(az.mcse(ours), az.mcse(theirs))
    return float((abs(ours.mean(("chain", "draw")) - theirs.mean(("chain", "draw"))) / error).max())


def compare(runs: dict) -> pd.DataFrame:
    """Cost and worth of each run, and its disagreement with the reference."""
    table = ps.compare(runs)
    return pd.DataFrame(
        {
            "gradients": table["gradients"],
            "in warm-up": table["warmup_gradients"],
            "min-ESS": table["min_ess"],
            "per 1000 gradients": table["min_ess_per_1000_gradients"],
            "with warm-up": table["min_ess_per_1000_gradients_with_warmup"],
            "from NUTS (MCSE)": [largest_disagreement(run, runs[REFERENCE]) for run in runs.values()],
        },
    )


def report(runs: dict, table: pd.DataFrame, shown: str) -> None:
    """Print one summary, the table, and the verdict."""
    print(f"\n{shown}:\n{az.summary(runs[shown])}\n")
    digits = [".0f", ".0f", ".0f", ".1f", ".1f", ".2f"]
    print(table.to_string(formatters=[f"{{:{d}}}".format for d in digits], index_names=False))
    largest = table["from NUTS (MCSE)"].max()
    print(
        f"\nEvery sampler agrees with NUTS on every coefficient within {AGREEMENT:.0f} combined MCSE: "
        f"{'yes' if largest < AGREEMENT else 'NO'} (largest: {largest:.2f})"
    )


# %%
# The picture
# -----------


def plot_coefficients(ax, runs: dict, fitted: np.ndarray) -> None:
    """Posterior means and intervals of the coefficients, the samplers side by side."""
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    rows = np.arange(len(FEATURES))
    shifts = np.linspace(-0.3, 0.3, len(runs))
    ax.axvline(0, color="0.8", lw=1, zorder=0)
    for row in rows[::2]:
        ax.axhspan(row - 0.5, row + 0.5, color="0.96", lw=0, zorder=-1)
    for shift, (name, run) in zip(shifts, runs.items(), strict=True):
        beta = run.posterior["beta"]
        low, high = beta.quantile(tails, ("chain", "draw"))
        ax.hlines(rows + shift, low, high, color=COLOURS[name], lw=1.5)
        ax.plot(beta.mean(("chain", "draw")), rows + shift, "o", color=COLOURS[name], ms=3.5)
    ax.plot(fitted, rows, "|", color="black", ms=23, mew=1.3, label="least squares")
    ax.set(yticks=rows, yticklabels=FEATURES.values(), ylim=(len(rows) - 0.5, -0.5))
    ax.set_xlabel("coefficient (sd of progression per sd of feature)")
    ax.set_title(f"The same posterior: means and {LEVEL:.0%} intervals", loc="left")
    ax.legend(loc="upper right", frameon=False, handletextpad=0)


def plot_efficiency(ax, table: pd.DataFrame) -> None:
    """What a thousand gradients are worth, without and with the gradients of warm-up."""
    rows, colours = np.arange(len(table)), [COLOURS[name] for name in table.index]
    plain, whole = table["per 1000 gradients"], table["with warm-up"]
    bars = ax.barh(rows - 0.19, plain, height=0.36, color=colours)
    ax.bar_label(bars, [f"{value:.0f}" for value in plain], padding=4, fontsize="small")
    bars = ax.barh(rows + 0.19, whole, height=0.36, color=colours, alpha=0.4)
    ax.bar_label(bars, [f"{value:.0f} with warm-up" for value in whole], padding=4, fontsize="small")
    ax.set(yticks=rows, yticklabels=[name.replace(", ", "\n") for name in table.index], ylim=(len(rows) - 0.5, -0.5))
    ax.margins(x=0.12)
    ax.set_xlabel("smallest effective sample size")
    ax.set_title("What 1000 gradients are worth", loc="left")


def plot(runs: dict, table: pd.DataFrame, fitted: np.ndarray):
    """Both panels."""
    style = {"font.size": 11, "axes.titlesize": 12, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 5), width_ratios=(3, 2), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
        plot_coefficients(left, runs, fitted)
        plot_efficiency(right, table)
        for ax in (left, right):
            ax.tick_params(axis="y", length=0)
    return figure


# %%
# Running it
# ----------


def parse_arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Bayesian linear regression with six samplers.")
    parser.add_argument("--draws", type=int, default=1000, help="draws of each chain (default: %(default)s)")
    parser.add_argument("--tune", type=int, default=1000, help="warm-up draws of each chain (default: %(default)s)")
    parser.add_argument("--chains", type=int, default=4, help="chains of each sampler (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("examples", "output", "regression.png"),
        help="where to save the picture (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Sample, compare, draw."""
    arguments = parse_arguments()
    logging.getLogger("pymc").setLevel(logging.WARNING)
    features, response = load_data()
    model = build_model(features, response)
    runs = sample_all(model, arguments.draws, arguments.tune, arguments.chains, arguments.seed)
    table = compare(runs)
    report(runs, table, shown=SUMMARISED)
    figure = plot(runs, table, least_squares(features, response))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=160)
    print(f"picture: {arguments.output}")


if __name__ == "__main__":
    main()
