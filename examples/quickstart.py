"""
First steps
===========

A model stays as it is: the sampler is one argument of `pymc.sample`.  Here a line is fitted to data with outliers, and
the draws are read with ArviZ.
"""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# A model
# -------
# Forty points about the line y = 1 + 2 x.  Noise of Student's t distribution makes outliers of a few.

rng = np.random.default_rng(1)
x = rng.uniform(0, 10, 40)
y = 1 + 2 * x + rng.standard_t(2, 40)

with pm.Model() as model:
    intercept = pm.Normal("intercept", 0, 10)
    slope = pm.Normal("slope", 0, 10)
    scale = pm.HalfNormal("scale", 5)
    pm.StudentT("y", nu=4, mu=intercept + slope * x, sigma=scale, observed=y)

# %%
# Sampling it
# -----------
# ``step=ps.HMC()`` is all there is to it.  PyMC starts every chain of a step that it is given at one point;
# `initial_points` lets them begin apart, so that R-hat can tell whether they have met.

with model:
    idata = pm.sample(
        step=ps.HMC(),
        initvals=ps.initial_points(chains=4, random_seed=1),
        chains=4,
        random_seed=1,
        progressbar=False,
    )

print(az.summary(idata).to_string())

# %%
# R-hat at 1.00 says that the chains agree, and the effective sample sizes (``ess_bulk``, ``ess_tail``) say how
# many independent draws would do as well.
#
# The posterior of a line is many lines.

draws = az.extract(idata)
grid = np.linspace(0, 10, 50)
lines = draws["intercept"].values + np.outer(grid, draws["slope"].values)

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.fill_between(grid, *np.quantile(lines, [0.05, 0.95], axis=1), color="#56B4E9", alpha=0.5, lw=0, label="90 %")
ax.plot(grid, lines.mean(axis=1), color="#0072B2", label="mean")
ax.plot(x, y, "o", color="black", ms=4, mfc="none", label="data")
ax.set(xlabel="x", ylabel="y", title="The line, given the data")
ax.legend(frameon=False)

# %%
# Another sampler
# ---------------
# Each part of the sampler is an option.  Here trajectories that end where they turn back, rather than what warm-up has
# found to be best.

with model:
    turning = pm.sample(
        step=ps.HMC(trajectory="no_u_turn"),
        initvals=ps.initial_points(chains=4, random_seed=1),
        chains=4,
        random_seed=1,
        progressbar=False,
    )

table = ps.compare({"chosen in warm-up": idata, "no_u_turn": turning})
columns = ["gradients", "divergences", "max_r_hat", "min_ess", "min_ess_per_1000_gradients"]
print(table[columns].round(2).to_string())

# %%
# The gradient of the log-density is what takes time, so the last column is the one to compare samplers by: the smallest
# effective sample size, of bulk, tails and squares over all parameters, for a thousand gradients.

ps.plots.compare(table)
plt.show()
