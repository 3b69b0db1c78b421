"""
A forecast that begins where last month's ended
===============================================

A forecast is made every month, of the same model with more data.  What its warm-up learns, where the posterior is and
how wide, step size and path, is little changed a month later.  So it is kept in a file, and the next run begins from
it.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# Visits by day
# -------------
# Two years of daily counts, simulated: growth, a year's course, a week's, and more scatter than a Poisson distribution
# has.

rng = np.random.default_rng(5)
DAYS, MONTH = 730, 30
day = np.arange(DAYS + MONTH)
week = np.array([0.15, 0.1, 0.1, 0.05, 0.2, -0.2, -0.4])
rate = np.exp(4 + 0.2 * day / 365 + 0.3 * np.sin(2 * np.pi * day / 365 + 1) + week[day % 7])
visits = rng.negative_binomial(20, 20 / (20 + rate))

# %%
# The model
# ---------
# Growth, three harmonics of the year, and seven days of the week.


def terms(day: np.ndarray) -> np.ndarray:
    """Growth and harmonics (n, 7), by which the logarithm of the rate is linear."""
    angles = 2 * np.pi * np.outer(day / 365, [1, 2, 3])
    return np.column_stack([day / 365 - 1, np.sin(angles), np.cos(angles)])


def until(end: int) -> dict[str, np.ndarray]:
    """The data of the model up to a day."""
    return {"terms": terms(day[:end]), "weekday": day[:end] % 7, "visits": visits[:end]}


with pm.Model() as model:
    data = {name: pm.Data(name, values) for name, values in until(DAYS - MONTH).items()}
    level = pm.Normal("level", 4, 2)
    slopes = pm.Normal("slopes", 0, 0.5, shape=7)
    weekdays = pm.ZeroSumNormal("weekdays", 0.5, shape=7)
    size = pm.Gamma("size", 2, 0.1)
    rates = pm.math.exp(level + data["terms"] @ slopes + weekdays[data["weekday"]])
    pm.NegativeBinomial("seen", rates, size, observed=data["visits"])

# %%
# Last month
# ----------
# The run ends when 400 effective draws are there, and what it has learned goes to a file: arrays and JSON.

compiled = ps.compile(model)
options = {"draws": 5000, "until": ps.Until(ess=400), "chains": 4, "discard_tuned_samples": False}
options |= {"progressbar": False, "quiet": True}
last = compiled.sample(random_seed=1, **options)
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "learned.npz"
ps.learned(last).save(file)
print(f"{file.stat().st_size / 1024:.0f} KiB")

# %%
# This month
# ----------
# The same compiled model, with thirty more days.  Cold is as if there had been no last month.

longer = compiled.with_data(until(DAYS))
learned = ps.Learned.load(file)
runs = {
    "cold": [longer.sample(random_seed=seed, **options) for seed in (2, 3, 4)],
    "learned": [longer.sample(random_seed=seed, learned=learned, **options) for seed in (2, 3, 4)],
}
for name, found in runs.items():
    for run in found:
        count = ps.gradients(run)
        draws = 4 * run["posterior"].sizes["draw"]
        print(f"{name:<8} gradients {count.warmup:5.0f} in warm-up, {count.sampling:5.0f} for {draws} draws")
totals = {name: np.mean([sum(ps.gradients(run)[:2]) for run in found]) for name, found in runs.items()}
print(f"learned takes {totals['learned'] / totals['cold']:.2f} of the gradients that cold takes")

# %%
# The forecast
# ------------
# The next thirty days, from the draws of the first run that was not cold; and what came then.

draws = runs["learned"][0]["posterior"].to_dataset().stack(sample=("chain", "draw"))
ahead = day[DAYS:]
rates = np.exp(draws["level"].values + terms(ahead) @ draws["slopes"].values + draws["weekdays"].values[ahead % 7])
sizes = draws["size"].values
new = rng.negative_binomial(sizes, sizes / (sizes + rates))
low, high = np.quantile(new, [0.05, 0.95], axis=1)
inside = (low <= visits[DAYS:]) & (visits[DAYS:] <= high)
print(f"within the intervals of 90 %: {inside.sum()} of {MONTH} days")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(3, 2))
left.plot(day[DAYS - 60 : DAYS], visits[DAYS - 60 : DAYS], color="0.4", lw=1, marker=".", label="until now")
for share in (0.9, 0.7, 0.5, 0.3, 0.1):
    band = np.quantile(new, [0.5 - share / 2, 0.5 + share / 2], axis=1)
    left.fill_between(ahead, *band, color=PALETTE["blue"], alpha=0.2, lw=0)
left.plot(ahead, visits[DAYS:], "o", color="black", ms=4, mfc="white", label="what came then")
left.set(xlabel="day", ylabel="visits", title="Thirty days ahead: 10, 30, 50, 70 and 90 % of what is predicted")
left.legend(frameon=False, loc="upper left")
labels = [f"{name} {i + 1}" for name, found in runs.items() for i in range(len(found))]
counts = np.array([ps.gradients(run)[1::-1] for found in runs.values() for run in found])  # warm-up first
right.barh(labels, counts[:, 0], color=PALETTE["orange"], label="warm-up")
right.barh(labels, counts[:, 1], left=counts[:, 0], color=PALETTE["sky"], label="draws")
right.invert_yaxis()
right.set(xlabel="gradients of four chains", title="To 400 effective draws", xlim=(0, 1.35 * counts.sum(axis=1).max()))
right.legend(frameon=False, loc="center right")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
folder.cleanup()
