"""
A neural network: fitted by Adam, then sampled
==============================================

Gradient descent finds one network that fits.  Sampling finds many that fit about as well: they agree where there are
data, and part where there are none.  What that is worth is measured on data that neither has seen.
"""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
from scipy.special import logsumexp
from scipy.stats import norm

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# Data with a gap
# ---------------
# A curve seen at sixty points, none of them between -1 and 1.  Six hundred more, from everywhere, are kept for the
# judgement.

rng = np.random.default_rng(3)


def observed(x: np.ndarray) -> np.ndarray:
    return np.cos(2 * x) + 0.3 * x + rng.normal(0, 0.15, x.size)


x = rng.uniform(1, 3, 60) * rng.choice([-1, 1], 60)
x_test = np.sort(rng.uniform(-3, 3, 600))
y, y_test = observed(x), observed(x_test)
in_gap = abs(x_test) < 1

# %%
# One model for both
# ------------------
# One hidden layer of ten units.  The prior of the weights is what weight decay is to a network that is only fitted.

UNITS = 10


def network(x, slopes, shifts, heights):
    """Outputs (n,) for inputs (n,)."""
    return pm.math.tanh(x[:, None] * slopes + shifts) @ heights


grid = np.linspace(-4, 4, 161)
with pm.Model(coords={"x": grid, "x_test": x_test}) as model:
    weights = (
        pm.Normal("slopes", 0, 2, shape=UNITS),
        pm.Normal("shifts", 0, 2, shape=UNITS),
        pm.Normal("heights", shape=UNITS),
    )
    noise = pm.HalfNormal("noise", 0.5)
    pm.Deterministic("curve", network(grid, *weights), dims="x")
    pm.Deterministic("at_test", network(x_test, *weights), dims="x_test")
    pm.Normal("y", network(x, *weights), noise, observed=y)

# %%
# Adam is PyMC's.  It has to begin where units differ, as those that begin alike stay alike.

start = {rv.name: rng.normal(0, 1, UNITS) for rv in model.free_RVs if rv.ndim}
fit = ps.gradient_descent(
    model, "adam", learning_rate=0.05, schedule="cosine", tolerance=1e-3, initvals=start, progressbar=False
)
print(f"Adam: {fit.reason} after {fit.iterations} steps, with noise of {float(fit.optimum['noise']):.3f}")

# %%
# Units can change places, and signs, without changing the network.  So R-hat of single weights tells nothing, and that
# of what the network says is looked at instead.

idata = ps.sample(
    250, tune=300, chains=4, random_seed=1, model=model, compute_convergence_checks=False, progressbar=False, quiet=True
)
summary = az.summary(idata, var_names=["curve", "noise"], round_to="none")
print(f"curve and noise: R-hat at most {summary['r_hat'].max():.3f}, ESS at least {summary['ess_bulk'].min():.0f}")

# %%
# What it is worth
# ----------------
# Both predict a new point: by the one best curve and its noise, or by all draws of both.  Predicted well is what gets a
# high log-density, and what is within intervals of 90 % in 90 % of all cases.

best, noise = fit.optimum["at_test"].values, float(fit.optimum["noise"])
draws = az.extract(idata)
curves, noises = draws["at_test"].values, draws["noise"].values
low, high = np.quantile(curves + rng.normal(size=curves.shape) * noises, [0.05, 0.95], axis=1)
predictions = {
    "fitted": (norm.logpdf(y_test, best, noise), abs(y_test - best) < norm.ppf(0.95) * noise),
    "sampled": (
        logsumexp(norm.logpdf(y_test[:, None], curves, noises), axis=1) - np.log(noises.size),
        (low < y_test) & (y_test < high),
    ),
}
for place, where in (("where there are data", ~in_gap), ("in the gap", in_gap)):
    for name, (score, covered) in predictions.items():
        print(f"{place:<21} {name:<8} log-density {score[where].mean():7.2f}, {covered[where].mean():4.0%} within 90 %")

# %%
# Near the data the one best network does.  In the gap it is as sure of itself as elsewhere, and here it is wrong.
# Another curve could have gone through the gap as it guesses, and it would have been the better one there: nothing in
# the data says, and only the draws say so.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
best, curves = fit.optimum["curve"].values, draws["curve"].values
low, high = np.quantile(curves + rng.normal(size=curves.shape) * noises, [0.05, 0.95], axis=1)
bands = {
    "Adam: one network": (best - norm.ppf(0.95) * noise, best + norm.ppf(0.95) * noise),
    "Sampled: many": (low, high),
}
for ax, (title, band) in zip(axes, bands.items(), strict=True):
    ax.axvspan(-1, 1, color="0.95", lw=0)
    ax.fill_between(grid, *band, color=PALETTE["sky"], alpha=0.35, lw=0, label="90 % of new points")
    ax.plot(x_test[::4], y_test[::4], ".", color="0.5", ms=5, mew=0, label="held out")
    ax.plot(x, y, "o", color="black", ms=4, mfc="none", label="data")
    ax.set(title=title, xlabel="x", xlim=(-4, 4), ylim=(-3.2, 3.2))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].plot(grid, best, color=PALETTE["blue"], lw=2)
axes[1].plot(grid, curves[:, ::40], color=PALETTE["blue"], lw=0.6, alpha=0.6)
axes[0].set_ylabel("y")
axes[0].legend(frameon=False, loc="upper left")
plt.show()
