"""
A learned force, for expensive models
=====================================

Of a trajectory all but the end is thrown away, and each of its steps takes a gradient.  Where gradients are dear, a
cheap log-density can be learned from those that warm-up has paid for [1]_, and trajectories follow its force; a neural
network may learn the force itself [2]_.  Ends are accepted by the model's own log-density [3]_, so the posterior stays
what it is.  Here an epidemic and a Gaussian process are sampled both ways, and the learned force is put beside the true
one.

.. [1] Zhang, Shahbaba and Zhao (2017). Hamiltonian Monte Carlo acceleration using surrogate functions with random
   bases. Statistics and Computing 27, 1473-1490.
.. [2] Li, Holbrook, Shahbaba and Baldi (2019). Neural network gradient Hamiltonian Monte Carlo. Computational
   Statistics 34, 281-299.
.. [3] Christen and Fox (2005). Markov chain Monte Carlo using an approximation. Journal of Computational and Graphical
   Statistics 14, 795-810.
"""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
from scipy.special import logit

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# An epidemic
# -----------
# In a town of a thousand the infected infect others, and recover, after five days or so.  New cases are counted daily,
# and not all of them are noticed.  The equations are solved by the method of Runge and Kutta, eight steps to a day, by
# the same function for data and model.

TOWN, DAYS, STEPS = 1000, 70, 8
rng = np.random.default_rng(3)


def step(susceptible, infected, infection, recovery):
    """An eighth of a day, of numbers, arrays and expressions alike."""

    def slopes(s, i):
        new = infection * s * i / TOWN
        return -new, new - recovery * i

    at, total = (susceptible, infected), [0, 0]
    for weight, ahead in ((1, 0.5), (2, 0.5), (2, 1), (1, 0)):
        found = slopes(*at)
        total = [one + weight / 6 / STEPS * slope for one, slope in zip(total, found, strict=True)]
        at = [one + ahead / STEPS * slope for one, slope in zip((susceptible, infected), found, strict=True)]
    return susceptible + total[0], infected + total[1]


def daily_cases(infection, recovery, first):
    """New cases of each day, (DAYS, ...), from so many who were infected at first."""
    susceptible, infected = [TOWN - first], first
    for _ in range(DAYS):
        now = susceptible[-1]
        for _ in range(STEPS):
            now, infected = step(now, infected, infection, recovery)
        susceptible.append(now)
    return -np.diff(susceptible, axis=0)


truth = {"infection": 0.5, "recovery": 0.2, "first": 3.0, "noticed": 0.6, "size": 12.0}
mean = truth["noticed"] * daily_cases(truth["infection"], truth["recovery"], truth["first"])
counted = rng.negative_binomial(truth["size"], truth["size"] / (truth["size"] + mean))

with pm.Model() as epidemic:
    infection = pm.LogNormal("infection", np.log(0.5), 0.5)
    recovery = pm.LogNormal("recovery", np.log(0.2), 0.15)
    first = pm.LogNormal("first", np.log(5), 0.7)
    noticed = pm.Beta("noticed", 4, 4)
    size = pm.LogNormal("size", 2.5, 0.7)
    susceptible, _ = pytensor.scan(
        step,
        outputs_info=[TOWN - first, first],
        non_sequences=[infection, recovery],
        n_steps=DAYS * STEPS,
        return_updates=False,
    )
    susceptible = pt.concatenate([(TOWN - first)[None], susceptible[STEPS - 1 :: STEPS]])
    pm.NegativeBinomial("counted", noticed * (susceptible[:-1] - susceptible[1:]) + 1e-6, size, observed=counted)

# %%
# A Gaussian process
# ------------------
# Eight years of a monthly series: a slow course, a cycle of a year, and noise.  Heights and lengths of the first two,
# and the noise, are five parameters, and each log-density takes a Cholesky factor of 96 × 96.

MONTHS = 96
years = np.arange(MONTHS) / 12
series = 0.8 * np.sin(0.9 * years) + 0.15 * years + 0.7 * np.exp(np.sin(2 * np.pi * years) - 1)
series = series - series.mean() + 0.15 * rng.normal(size=MONTHS)


def covariance(one, other, slow, length, cycle, bend, lib=np):
    """Of the series without its noise, at times (n,) and (m,)."""
    apart = one[:, None] - other
    course = slow**2 * lib.exp(-0.5 * (apart / length) ** 2)
    return course + cycle**2 * lib.exp(-2 * np.sin(np.pi * apart) ** 2 / bend**2)


with pm.Model() as process:
    slow = pm.HalfNormal("slow", 2)
    length = pm.InverseGamma("length", 4, 8)
    cycle = pm.HalfNormal("cycle", 1)
    bend = pm.InverseGamma("bend", 4, 4)
    noise = pm.HalfNormal("noise", 0.5)
    cov = covariance(years, years, slow, length, cycle, bend, pt) + noise**2 * np.eye(MONTHS)
    pm.MvNormal("series", np.zeros(MONTHS), cov=cov, observed=series)

# %%
# Both ways
# ---------
# A value is the log-density alone, as a draw by the surrogate takes it; a gradient is the value and all derivatives.
# Both are counted as one evaluation, though a gradient takes as long as several values.

models = {"epidemic": epidemic, "process": process}
options = {"chains": 4, "random_seed": 1, "discard_tuned_samples": False, "progressbar": False, "quiet": True}
runs = {}
for name, model in models.items():
    compiled = ps.compile(model)
    runs[name, "usual"] = compiled.sample(1000, **options)
    runs[name, "surrogate"] = compiled.sample(1000, trajectory="surrogate", **options)

table = pd.concat({name: ps.compare({way: runs[name, way] for way in ("usual", "surrogate")}) for name in models})
kinds = ["warmup_gradients", "warmup_values", "gradients", "values"]
table["per 1000"] = 1000 * table["min_ess"] / table[kinds].sum(axis=1)
print(table[[*kinds, "max_r_hat", "min_ess", "per 1000"]].round(2).to_string())

# %%
# Both agree, in means and standard deviations.


def moments(run):
    """Means and standard deviations, and their Monte Carlo standard errors."""
    found = az.summary(run, round_to="none")
    return found[["mean", "sd"]].to_numpy(), found[["mcse_mean", "mcse_sd"]].to_numpy()


for name in models:
    (usual, error), (other, other_error) = (moments(runs[name, way]) for way in ("usual", "surrogate"))
    distance = abs(usual - other) / np.hypot(error, other_error)
    print(f"{name:<8}  farthest apart: {distance.max():.1f} standard errors")
    assert distance.max() < 4

# %%
# The learned force
# -----------------
# What chains have learned is part of the result.  The first chain of each model is looked at, in whitened coordinates
# z = L⁻¹(q - μ), in which its posterior is about a standard normal: in a plane through the middle, at draws, and at
# draws moved up to three times as far out.  The true log-density is that of `pymc_symplectic.mechanics.system`.

SCALES = {"noticed": logit}  # what chains move in: of all others, which are positive, the logarithm


def whitened(name, learned):
    """Draws as z, (n, d)."""
    draws = az.extract(runs[name, "surrogate"], num_samples=500, random_seed=1)
    names = [rv.name for rv in models[name].free_RVs]
    q = np.stack([SCALES.get(one, np.log)(draws[one]) for one in names])
    return np.linalg.solve(learned.factor, q - learned.mean[:, None]).T


def plane(axis, dim):
    """Points z of a grid, (n², d), in the plane of the first two coordinates."""
    z = np.zeros((axis.size**2, dim))
    z[:, :2] = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return z


def compared(truth, learned, z):
    """Errors of the learned log-density at z, (n,), and both forces, the true one and the learned one, (n, d)."""
    q = learned.mean + z @ learned.factor.T
    energies, slopes = map(np.array, zip(*map(truth.evaluate, q), strict=True))
    values, forces = learned.at(q)
    return abs(values + energies), -slopes @ learned.factor, forces @ learned.factor


blue, vermilion, orange = (PALETTE[name] for name in ("blue", "vermilion", "orange"))
fig, rows = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
for (left, middle, right), name in zip(rows, models, strict=True):
    learned = ps.learned(runs[name, "surrogate"]).chains[0].surrogate
    truth, reach = ps.mechanics.system(models[name]), learned.limits[0]
    accepted = float(runs[name, "surrogate"]["sample_stats"]["acceptance_rate"].mean())
    print(f"{name:<8}  {learned}, to |z| = {reach:.1f}; {accepted:.0%} of ends accepted")

    axis = np.linspace(-1.3 * reach, 1.3 * reach, 41)
    error, *_ = compared(truth, learned, plane(axis, learned.dim))
    levels = np.arange(-3, 3.1, 0.5)
    filled = left.contourf(axis, axis, np.log10(error).reshape(41, 41), levels, cmap="Greys", extend="both")
    at = plane(np.linspace(-1.2 * reach, 1.2 * reach, 11), learned.dim)
    _, *forces = compared(truth, learned, at)
    for force, colour, width in zip(forces, ("black", vermilion), (0.01, 0.005), strict=True):
        along = force[:, :2] / np.linalg.norm(force[:, :2], axis=1, keepdims=True)
        left.quiver(*at[:, :2].T, *along.T, color=colour, width=width, scale=13, pivot="mid")
    left.add_patch(plt.Circle((0, 0), reach, fill=False, ls="--", color=blue))
    left.set(aspect="equal", ylabel=f"{name}: second coordinate")

    z = whitened(name, learned)
    far = z * rng.uniform(1, 3, (len(z), 1))
    for points, colour, label in ((far, orange, "moved out"), (z, blue, "draws")):
        error, force, found = compared(truth, learned, points)
        middle.plot(force.ravel(), found.ravel(), ".", ms=3, mew=0, color=colour)
        right.plot(np.linalg.norm(points, axis=1), error, ".", ms=4, mew=0, color=colour, label=label)
    assert np.median(error) < 0.1  # at draws
    middle.axline((0, 0), slope=1, color="black", lw=0.8)
    middle.set(xlim=(-12, 12), ylim=(-12, 12), aspect="equal", ylabel="learned")
    right.axvline(reach, color=blue, ls="--")
    right.set(yscale="log", xlim=(0, 3 * reach), ylim=(1e-5, 1e4), ylabel="nats")
fig.colorbar(filled, ax=rows[:, 0], location="left", label="error of the log-density, log₁₀ of nats", shrink=0.7)
rows[0, 0].set(title="Directions of the force, black: true")
rows[0, 1].set(title="Coordinates of the force")
rows[0, 2].set(title="Error of the log-density")
rows[1, 0].set(xlabel="first coordinate")
rows[1, 1].set(xlabel="true")
rows[1, 2].set(xlabel="distance |z|")
rows[0, 2].legend(frameon=False, loc="lower right", markerscale=3)

# %%
# Dashed is how far the points reached that it was learned from.  Where there were many, errors are hundredths of a nat
# and less.  Beyond, the learned force leads back, and has little else to do with the true one.  Ends out there are
# refused, as they should be.  A chain that is out there itself may rest for long, which R-hat and effective sample
# sizes tell of.
#
# The posteriors
# --------------

fig, rows = plt.subplots(2, 5, figsize=(12, 4.6), layout="constrained")
for row, (name, model) in zip(rows, models.items(), strict=True):
    for ax, rv in zip(row, model.free_RVs, strict=True):
        usual, other = (runs[name, way]["posterior"][rv.name].values.ravel() for way in ("usual", "surrogate"))
        bins = np.linspace(*np.quantile(usual, [0.002, 0.99]), 40)
        ax.hist(usual, bins, density=True, color="0.8", label="usual")
        ax.hist(other, bins, density=True, color=blue, histtype="step", lw=1.5, label="surrogate")
        ax.set(xlabel=rv.name, yticks=[])
        ax.spines[["top", "right", "left"]].set_visible(False)
    row[0].set(ylabel=name)
rows[0, 4].legend(frameon=False)

# %%
# What they predict
# -----------------
# Counts of another epidemic of the same kind, and the series two years on, by the draws of the surrogate.

draws = {name: az.extract(runs[name, "surrogate"], num_samples=400, random_seed=2) for name in models}
found = {name: values.values for name, values in draws["epidemic"].data_vars.items()}
means = found["noticed"] * daily_cases(found["infection"], found["recovery"], found["first"]) + 1e-6
counts = rng.negative_binomial(found["size"], found["size"] / (found["size"] + means))

ahead = np.arange(MONTHS + 24) / 12
later = np.empty((ahead.size, 400))
found = {name: values.values for name, values in draws["process"].data_vars.items()}
for i in range(400):
    *kernel, noise = (found[rv.name][i] for rv in process.free_RVs)
    seen, between = covariance(years, years, *kernel), covariance(ahead, years, *kernel)
    weights = np.linalg.solve(seen + noise**2 * np.eye(MONTHS), between.T)
    spread = covariance(ahead, ahead, *kernel) - between @ weights + noise**2 * np.eye(ahead.size)
    later[:, i] = weights.T @ series + np.linalg.cholesky(spread) @ rng.normal(size=ahead.size)

fig, axes = plt.subplots(1, 2, figsize=(12, 3.8), layout="constrained")
panels = ((np.arange(1, DAYS + 1), counts, np.arange(1, DAYS + 1), counted), (ahead, later, years, series))
for ax, (times, new, when, observed) in zip(axes, panels, strict=True):
    for share in (0.9, 0.5):
        band = np.quantile(new, [0.5 - share / 2, 0.5 + share / 2], axis=1)
        ax.fill_between(times, *band, color=blue, alpha=0.25, lw=0, label=f"{100 * share:.0f} % of what is predicted")
    ax.plot(when, observed, "o", color="black", ms=3, mfc="white", label="observed")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(title="The epidemic", xlabel="day", ylabel="new cases noticed")
axes[1].set(title="The series, and two years ahead", xlabel="year", ylabel="value")
axes[1].axvline(years[-1], color="0.5", lw=1, ls=":")
axes[0].legend(frameon=False)
plt.show()
