"""
Mixing with discrete variables
==============================

Hamiltonian Monte Carlo needs gradients, and discrete variables have none.  So the step is given the continuous
variables, and another one, such as `pymc.Metropolis`, the rest; PyMC lets them take turns.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
from scipy.special import gammaln

import pymc_symplectic as ps

# %%
# A change at an unknown time
# ---------------------------
# Counts of eighty years, whose rate falls at some time: simulated here, from 3.0 to 1.5 at year 45.

rng = np.random.default_rng(5)
years = np.arange(80)
counts = rng.poisson(np.where(years < 45, 3.0, 1.5))

with pm.Model() as model:
    change = pm.DiscreteUniform("change", 1, 79)
    early = pm.Exponential("early", 1)
    late = pm.Exponential("late", 1)
    pm.Poisson("counts", pm.math.where(years < change, early, late), observed=counts)

# %%
# Two steps that take turns
# -------------------------
# `HMC` is given the rates.  When the other step has moved ``change``, the log-density of the rates is another one: the
# chain notices, and evaluates it anew.  For variables of a few unordered values `pymc.CategoricalGibbsMetropolis` takes
# the place of ``Metropolis``.  A variable that no step is given gets one from PyMC.

with model:
    steps = [ps.HMC([early, late]), pm.Metropolis([change])]
    idata = pm.sample(
        4000,
        tune=1000,
        step=steps,
        initvals=ps.initial_points(chains=4, random_seed=1),
        chains=4,
        random_seed=1,
        progressbar=False,
    )

print(ps.min_ess(idata).round(0).to_string())

# %%
# ``change`` limits the effective sample size: its random walk moves slowly.  The rates are drawn well whenever it has
# moved.
#
# Is it right?
# ------------
# Rates with exponential priors can be integrated out by hand, so the posterior of the change is known exactly: with n
# years and a sum of counts s on one side, that side contributes s! / (n + 1)^(s + 1).

before = np.cumsum(counts)[:-1]
n = np.arange(1, 80)
log_exact = sum(
    gammaln(s + 1) - (s + 1) * np.log(m + 1) for s, m in ((before, n), (counts.sum() - before, counts.size - n))
)
exact = np.exp(log_exact - log_exact.max())
exact /= exact.sum()
sampled = np.bincount(idata.posterior["change"].values.ravel(), minlength=80)[1:80] / idata.posterior["change"].size

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(3, 2))
left.bar(years, counts, color="0.8")
rates = idata.posterior.mean(("chain", "draw"))
middle = float(idata.posterior["change"].median())
left.step([0, middle, 80], [float(rates["early"]), float(rates["late"]), float(rates["late"])], where="post", lw=2)
left.set(xlabel="year", ylabel="count", title="Counts, and the mean rates on both sides of the median change")
right.bar(n, sampled, color="#56B4E9", label="sampled")
right.plot(n, exact, "o", color="black", label="exact")
right.set(xlabel="year of the change", ylabel="probability", title="Posterior of the change", xlim=(37.5, 52.5))
right.legend(frameon=False)
plt.show()
