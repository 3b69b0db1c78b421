"""
A hierarchy as it is written, before and after
==============================================

A hierarchy with few data has a funnel in its posterior, which no step size suits, and the usual advice is to write it
another way.  Here it stays as it is written, and the chains choose what they move in.  The scale of the effects has a
posterior in closed form, so it can be seen who is right.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
from scipy.stats import multivariate_normal, norm

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# Twelve clinics
# --------------
# Three patients in each, and an effect of each clinic.  How much do clinics differ?

CLINICS = 12
rng = np.random.default_rng(7)
effects, noise = rng.normal(0, 0.3, CLINICS), rng.normal(0, 1, CLINICS)


def means(patients: int) -> dict[str, np.ndarray]:
    """The mean of each clinic, and its standard error, with so many patients in each."""
    error = np.full(CLINICS, patients**-0.5)
    return {"mean": effects + error * noise, "error": error}


with pm.Model() as model:
    data = {name: pm.Data(name, values) for name, values in means(3).items()}
    mu = pm.Normal("mu", 0, 5)
    tau = pm.HalfNormal("tau", 2)
    theta = pm.Normal("theta", mu, tau, shape=CLINICS)
    pm.Normal("seen", theta, data["error"], observed=data["mean"])

# %%
# As written, and as the chains choose
# ------------------------------------
# ``parametrization="model"`` moves in θ itself.  ``"auto"``, the default, moves in what lies between θ and
# (θ - μ) / τ, by a weight that warm-up learns: 1 is θ, centred, and 0 the standardised effect.

compiled = ps.compile(model)
options = {"chains": 4, "random_seed": 1, "compute_convergence_checks": False, "progressbar": False, "quiet": True}
runs = {
    name: compiled.sample(2000, parametrization=name, discard_tuned_samples=False, **options)
    for name in ("model", "auto")
}
table = ps.compare(runs)
columns = ["gradients", "warmup_gradients", "divergences", "max_r_hat", "min_bfmi", "min_ess"]
print(table[columns].round(2).to_string())

# %%
# The funnel
# ----------
# On the left and in the middle is θ of the first clinic by τ.  As written, chains turn back where the funnel gets
# narrow, and stay where they are for long.  On the right are the draws of the middle, in what the chains move in.

blue, vermilion = PALETTE["blue"], PALETTE["vermilion"]
draws = {name: run["posterior"].to_dataset().stack(sample=("chain", "draw")) for name, run in runs.items()}
after = draws["auto"]
panels = {
    'as written, "model"': (draws["model"]["theta"][0], draws["model"]["tau"], "θ"),
    '"auto", the same variables': (after["theta"][0], after["tau"], "θ"),
    '"auto", as the chains see it': ((after["theta"][0] - after["mu"]) / after["tau"], after["tau"], "(θ - μ) / τ"),
}
fig, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True, layout="constrained")
for ax, (title, (across, up, label)) in zip(axes, panels.items(), strict=True):
    lost = runs["model" if title.startswith("as") else "auto"]["sample_stats"]["diverging"].values.ravel()
    ax.plot(across, up, ".", ms=3, mew=0, color=blue, alpha=0.35)
    ax.plot(across[lost], up[lost], "o", ms=5, mew=0, color=vermilion, label="divergences")
    ax.set(title=title, xlabel=label, yscale="log", ylim=(1e-3, 3))
axes[0].set(ylabel="τ")
axes[0].legend(frameon=False, loc="lower left")

# %%
# Who is right?
# -------------
# Without the effects, the means of the clinics are normal, so the posterior of τ is an integral over one variable.

grid = np.geomspace(1e-4, 10, 2000)
shown = means(3)
evidence = [
    multivariate_normal.logpdf(shown["mean"], cov=np.diag(shown["error"] ** 2 + scale**2) + 25) for scale in grid
]
exact = np.exp(np.array(evidence) - max(evidence)) * norm.pdf(grid, 0, 2) * grid  # over the logarithm of τ
exact = np.cumsum(exact) / exact.sum()
print(f"5 % of τ lies below {np.interp(0.05, exact, grid):.3f}; of the draws:")
for name, found in draws.items():
    print(f"  {name:<6} below {np.quantile(found['tau'], 0.05):.3f}")

# %%
# The weights
# -----------
# What was chosen is part of what a run has learned.  With six hundred patients in each clinic the same model, which is
# not compiled again, has another answer.

rich = compiled.with_data(means(600)).sample(500, **options)
for patients, run in ((3, runs["auto"]), (600, rich)):
    learned = ps.learned(run)
    print(f"{patients} patients in each clinic, weights by chain:", *learned.table["centered"].unique())

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name, colour in (("model", vermilion), ("auto", blue)):
    values = np.sort(draws[name]["tau"])
    ax.plot(values, np.linspace(0, 1, values.size), color=colour, lw=2, label=f'"{name}"')
ax.plot(grid, exact, color="black", lw=1, ls="--", label="exact")
ax.set(xscale="log", xlim=(1e-3, 2), ylim=(0, 1), xlabel="τ", ylabel="probability of less", title="Posterior of τ")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
