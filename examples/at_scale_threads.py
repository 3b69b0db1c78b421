"""
Chains on threads
=================

`sample` is called instead of `pymc.sample`.  It makes the same draws without the cost that PyMC has for each draw, and
runs chains on threads of one process: nothing is copied, and the model is compiled once.
"""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# A model with some work to do
# ----------------------------
# Four thousand yes-or-no answers and five predictors (simulated).  Most of the time goes into the gradient.

rng = np.random.default_rng(1)
predictors = rng.normal(size=(4_000, 5))
effect = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
answers = rng.random(4_000) < 1 / (1 + np.exp(-predictors @ effect))

with pm.Model(coords={"predictor": list("ABCDE")}) as model:
    beta = pm.Normal("beta", 0, 2, dims="predictor")
    pm.Bernoulli("answer", logit_p=predictors @ beta, observed=answers.astype(int))

# %%
# Sampling
# --------
# There is no step to make: the options of `HMC` are options of `sample`.  Chains begin apart by default.

options = {"draws": 300, "tune": 300, "chains": 4, "random_seed": 1, "progressbar": False}
with model:
    idata = ps.sample(trajectory="fixed_time", **options)

print(az.summary(idata).to_string())

# %%
# The same draws
# --------------
# The numbers depend on the seed, not on who draws them: one thread, two, or `pymc.sample`.  For `pymc.sample` to begin
# at the same points, all three are given them.

options["initvals"] = ps.initial_points(model, chains=4, random_seed=1)
runs = {}
with model:
    for name, sampler, extra in (
        ("pm.sample, 1 process", pm.sample, {"step": ps.HMC(trajectory="fixed_time"), "cores": 1}),
        ("ps.sample, 1 thread", ps.sample, {"trajectory": "fixed_time", "cores": 1}),
        ("ps.sample, 2 threads", ps.sample, {"trajectory": "fixed_time", "cores": 2}),
    ):
        runs[name] = sampler(**options, **extra)

first, *others = (run.posterior["beta"].values for run in runs.values())
print("equal to the last bit:", all(np.array_equal(first, other) for other in others))

# %%
# The time
# --------
# ``sampling_time`` is that of the chains, without compilation; here on the machine that built this page.  With two
# processors free, two threads take about half as long as one.

seconds = {name: run.posterior.attrs["sampling_time"] for name, run in runs.items()}

fig, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
bars = ax.barh(list(seconds), list(seconds.values()), color=["0.7", "#56B4E9", "#0072B2"])
ax.bar_label(bars, fmt="%.1f s", padding=4)
ax.set(xlabel="seconds", xlim=(0, 1.15 * max(seconds.values())), title="4 chains of 300 + 300 draws")
ax.invert_yaxis()
ax.spines[["top", "right"]].set_visible(False)
plt.show()
