"""The figures of the page on sample statistics, from runs that the build makes.

Each function draws one, on runs that all of them share: of a model as it should be, and of two that are hard.
"""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import xarray as xr
from matplotlib.axes import Axes

import pymc_symplectic as ps
from pymc_symplectic.plots.style import GOOD, PALETTE, POOR

__all__ = ["acceptance", "costs", "energies", "energy_errors", "log_densities", "speeds", "step_sizes"]

EFFECT, ERROR = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
RUN = {"chains": 4, "random_seed": 1, "progressbar": False, "quiet": True, "compute_convergence_checks": False}
NO_U_TURN = {"integrator": "leapfrog", "trajectory": "no_u_turn"}


@cache
def regression() -> xr.DataTree:
    """A posterior that is nearly normal, with the draws of warm-up."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3))
    y = x @ [1.0, -1.0, 0.5] + rng.normal(size=60)
    with pm.Model():
        slope = pm.Normal("slope", shape=3)
        noise = pm.HalfNormal("noise")
        pm.Normal("y", x @ slope, noise, observed=y)
        return ps.sample(tune=1000, discard_tuned_samples=False, **NO_U_TURN, **RUN)


@cache
def funnel() -> xr.DataTree:
    """Eight schools, centered and as written: the neck is too narrow for steps that suit the rest."""
    with pm.Model():
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        school = pm.Normal("school", mu, tau, shape=8)
        pm.Normal("observed", school, ERROR, observed=EFFECT)
        return ps.sample(tune=1000, parametrization="model", **NO_U_TURN, **RUN)


@cache
def heavy_tails() -> xr.DataTree:
    """Five parameters with tails of Cauchy's."""
    with pm.Model():
        pm.Cauchy("x", 0, 1, shape=5)
        return ps.sample(tune=1000, **NO_U_TURN, **RUN)


@cache
def lost() -> xr.DataTree:
    """A frequency: one of four chains stays at another one."""
    t = np.linspace(0, 10, 60)
    seen = np.cos(1.5 * t) + 0.1 * np.random.default_rng(0).normal(size=60)
    with pm.Model():
        c, s = pm.HalfNormal("c", 3), pm.HalfNormal("s", 1)
        pm.Normal("y", pm.math.cos(c * t), s, observed=seen)
        return ps.sample(500, **RUN | {"random_seed": 3})


@cache
def limited() -> xr.DataTree:
    """The normal in five dimensions, with a relativistic kinetic energy."""
    with pm.Model():
        pm.Normal("x", shape=5)
        return ps.sample(tune=1000, kinetic=ps.kinetic.Relativistic(c=2.0), **NO_U_TURN, **RUN)


def panels(*titles: str) -> list[Axes]:
    """Panels side by side, under these titles."""
    _, axes = plt.subplots(1, len(titles), figsize=(8, 2.9), layout="constrained", squeeze=False)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    return list(axes[0])


def energies() -> None:
    """How far the energy changes from draw to draw, beside how far it is spread."""
    runs = {"healthy: a regression": regression(), "not: tails of Cauchy's": heavy_tails()}
    for ax, idata in zip(panels(*runs), runs.values(), strict=True):
        energy = idata["sample_stats"]["energy"].values
        both = [energy - energy.mean(), np.diff(energy, axis=1)]
        reach = np.quantile(np.abs(both[0]), 0.995)
        for values, label, color in zip(both, ("energy", "from draw to draw"), (GOOD, POOR), strict=True):
            bins = np.linspace(-reach, reach, 50)
            ax.hist(values.ravel(), bins, density=True, histtype="step", lw=1.5, color=color, label=label)
        bfmi = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
        ax.text(0.02, 0.95, f"BFMI {bfmi.min():.2f}", transform=ax.transAxes, va="top")
        ax.set(xlabel="nats, less the mean", yticks=[], ylabel="density")
        ax.legend(frameon=False, fontsize="small", loc="upper right")


def energy_errors() -> None:
    """Errors of the energy, and where trajectories diverge."""
    left, right = panels("energy_error of draws", "diverging: in the neck of a funnel")
    for idata, label, color in ((regression(), "a regression", GOOD), (funnel(), "a funnel", POOR)):
        errors = idata["sample_stats"]["energy_error"].values.ravel()
        left.hist(errors, np.linspace(-2, 2, 80), density=True, histtype="step", lw=1.5, color=color, label=label)
    left.set(xlabel="nats", yticks=[], ylabel="density")
    left.legend(frameon=False, fontsize="small")
    draws, diverging = funnel()["posterior"], funnel()["sample_stats"]["diverging"].values.ravel()
    x, y = draws["school"].values[..., 0].ravel(), np.log(draws["tau"].values.ravel())
    right.plot(x[~diverging], y[~diverging], ".", ms=2, color="0.7", label="draws")
    right.plot(x[diverging], y[diverging], "x", ms=5, color=POOR, label=f"{diverging.sum()} that diverge")
    right.set(xlabel="school[0]", ylabel="log tau")
    right.legend(frameon=False, fontsize="small", loc="lower right")


def step_sizes() -> None:
    """Step sizes and acceptances of one chain, from its first draw on."""
    left, right = panels("step_size of four chains", "acceptance_rate, means of 25 draws")
    idata = regression()
    for name, ax in (("step_size", left), ("acceptance_rate", right)):
        values = np.concatenate([idata[f"{part}sample_stats"][name].values for part in ("warmup_", "")], axis=1)
        ax.axvline(idata["warmup_sample_stats"].sizes["draw"], color="0.6", lw=1, ls=":")
        for chain, color in zip(values, PALETTE.values(), strict=False):
            step = 1 if name == "step_size" else 25
            shown = chain[: len(chain) // step * step].reshape(-1, step).mean(axis=1)
            ax.plot(np.arange(len(shown)) * step, shown, lw=1, color=color)
        ax.set(xlabel="draw; warm-up ends at the dotted line", ylim=(0, None))


def acceptance() -> None:
    """Acceptances of draws, healthy and not."""
    left, right = panels("acceptance_rate: a regression", "acceptance_rate: a funnel")
    for ax, idata, color in ((left, regression(), GOOD), (right, funnel(), POOR)):
        ax.hist(idata["sample_stats"]["acceptance_rate"].values.ravel(), np.linspace(0, 1, 41), color=color)
        ax.set(xlabel="probability", ylabel="draws")


def costs() -> None:
    """Steps of a draw, and how deep trees are."""
    left, right = panels("n_steps: a regression", "n_steps: tails of Cauchy's")
    for ax, idata, color in ((left, regression(), GOOD), (right, heavy_tails(), POOR)):
        steps = idata["sample_stats"]["n_steps"].values.ravel()
        ax.hist(np.log2(steps + 1), np.arange(0.75, 11.5, 0.5), color=color)
        ticks = np.arange(1, 11, 3)
        ax.set_xticks(ticks, [str(2**k - 1) for k in ticks], fontsize="small")
        ax.set(xlabel="steps, on a scale of doublings", ylabel="draws", yscale="log")


def log_densities() -> None:
    """The log-density of draws, chain by chain."""
    left, right = panels("lp: four chains that agree", "lp: one chain is elsewhere")
    for ax, idata in ((left, regression()), (right, lost())):
        for chain, color in zip(idata["sample_stats"]["lp"].values, PALETTE.values(), strict=False):
            ax.plot(chain[:500], lw=0.6, color=color)
        ax.set(xlabel="draw", ylabel="nats")


def speeds() -> None:
    """Speeds that trajectories begin with."""
    left, right = panels("velocity_norm: Gaussian", "velocity_norm: relativistic, with speed_limit")
    for ax, idata in ((left, regression()), (right, limited())):
        stats = idata["sample_stats"]
        ax.hist(stats["velocity_norm"].values.ravel(), 40, color=GOOD)
        if np.isfinite(limit := float(stats["speed_limit"].values.max())):
            ax.axvline(limit, color=POOR, lw=1.5)
        ax.set(xlabel="speed", ylabel="draws", xlim=(0, None))
