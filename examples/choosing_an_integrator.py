"""
Choosing an integrator
======================

All integrators sample the same distribution.  They differ in how far a gradient leads, and that depends on the number
of parameters: in few dimensions leapfrog is hard to beat, in many the schemes with smaller errors pass it.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# Work and precision
# ------------------
# Each step costs gradients, and each makes an error.  Here is one motion, through the potential of Hénon and Heiles,
# followed at the same cost by several methods.  The order of a method is the slope of its line; what it costs to reach
# a moderate accuracy is another matter.

ps.plots.work_precision("henon_heiles", ["leapfrog", "minimal_error2", "yoshida4", "vefrl", "blanes_moan6"])

# %%
# For computing an orbit to ten digits, high order wins.  Sampling is at the other end: an error of the energy of about
# one nat is good enough, as the acceptance test corrects for it.  What counts there is the long step that is just
# accurate enough.
#
# Sampling
# --------
# The errors of all parameters add up, so the more there are, the more accurate each has to be.  The target is made of
# independent variables of scales from 0.1 to 10, whose densities are logistic, not normal.  The metric is given, so
# that integrators are all that differs.


def logistic(dim: int) -> tuple[pm.Model, np.ndarray]:
    """So many logistic variables, and their variances."""
    scales = np.geomspace(0.1, 10, dim)
    with pm.Model() as model:
        pm.Logistic("x", 0, scales, shape=dim)
    return model, scales**2 * np.pi**2 / 3


def compare(dim: int, integrators: list[str]) -> dict:
    """One run of each integrator, with trajectories of a fixed time."""
    model, variances = logistic(dim)
    runs = {}
    for name in integrators:
        with model:
            runs[name] = pm.sample(
                500,
                tune=300,
                step=ps.HMC(integrator=name, metric=variances, trajectory="fixed_time"),
                initvals=ps.initial_points(chains=4, random_seed=1),
                chains=4,
                random_seed=1,
                progressbar=False,
            )
    return runs


names = ["leapfrog", "minimal_error2", "bcss2", "minimal_error3", "bcss3", "yoshida4"]
few, many = compare(10, names), compare(1000, names)

# %%
# The numbers are the smallest effective sample size for a thousand gradients.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for ax, runs, dim in zip(axes, (few, many), (10, 1000), strict=True):
    ps.plots.compare(runs, ax=ax)
    ax.set_title(f"{dim} parameters", loc="left", pad=24)

# %%
# What warm-up has chosen
# -----------------------
# Warm-up aims for the acceptance that suits each integrator, and finds the step size that gives it.  On the right, the
# hollow circles are step size for a gradient.

ps.plots.acceptance(many)
plt.show()
