"""
A model written as a formula
============================

Bambi writes PyMC models from formulas.  What it builds is a model like any other, so our step samples it; Bambi's own
``fit`` hands the step on.
"""

import arviz as az
import bambi as bmb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pymc_symplectic as ps

# %%
# Reaction times of eighteen people over ten days, each with a level and a slope of their own (simulated).

rng = np.random.default_rng(1)
people, days = 18, np.arange(10)
level, slope = rng.normal(250, 25, people), rng.normal(10, 6, people)
data = pd.DataFrame(
    {
        "person": np.repeat([f"P{i:02}" for i in range(people)], days.size),
        "day": np.tile(days, people),
        "reaction": (level[:, None] + slope[:, None] * days + rng.normal(0, 25, (people, days.size))).ravel(),
    }
)
model = bmb.Model("reaction ~ day + (day | person)", data)
model.build()
print(model)

# %%
# Sampling
# --------
# The PyMC model is ``model.backend.model``, and the step is made for that.  What ``fit`` does not know it hands on to
# `pymc.sample`.
#
# Do not call `pymc.sample` yourself here: Bambi centres the predictors, and it is ``fit`` that turns the intercept back
# afterwards.  Draws that have gone round it have the intercept of centred predictors under the same name.

pymc_model = model.backend.model
idata = model.fit(
    step=ps.HMC(model=pymc_model, target_accept=0.9),
    initvals=ps.initial_points(pymc_model, chains=4, jitter=0.5, random_seed=1),
    chains=4,
    random_seed=1,
    progressbar=False,
)

names = ["Intercept", "day", "1|person_sigma", "day|person_sigma", "sigma"]
print(az.summary(idata, var_names=names).to_string())

# %%
# And on with Bambi
# -----------------
# ``predict`` adds the mean of each observation to the draws.  The first eight people, with 90 % bands:

model.predict(idata, kind="response_params")
mean = az.extract(idata, var_names="mu")
low, middle, high = np.quantile(mean, [0.05, 0.5, 0.95], axis=-1)

fig, axes = plt.subplots(2, 4, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
for ax, (person, rows) in zip(axes.flat, data.groupby("person"), strict=False):
    ax.fill_between(rows["day"], low[rows.index], high[rows.index], color="#56B4E9", alpha=0.5, lw=0)
    ax.plot(rows["day"], middle[rows.index], color="#0072B2")
    ax.plot(rows["day"], rows["reaction"], "o", color="black", ms=3, mfc="none")
    ax.set_title(person)
fig.supxlabel("day")
fig.supylabel("reaction time (ms)")
plt.show()
