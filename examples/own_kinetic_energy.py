"""
A kinetic energy of your own
============================

A kinetic energy made from a function φ of one number takes that function alone.  Its velocity and exact draws of
momenta are made from it, and it is tried before it is used.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_symplectic as ps

# %%
# From an expression
# ------------------
# K(r) = Σ φ(\|r_j\|), with φ(s) = 2 log(eˢ + e⁻ˢ): quadratic near zero, straight far out, so that no coordinate is
# faster than 2.

own = ps.kinetic_energy(lambda s: 2 * pt.logaddexp(s, -s))
ps.plots.kinetic_energies({"gaussian": "gaussian", "relativistic, c = 2": ps.kinetic.Relativistic(c=2.0), "mine": own})

# %%
# Is it one?
# ----------
# What a sampler relies on is tested, in as many dimensions as you like: draws that did not follow exp(-K) would change
# the posterior.

for finding in ps.check_kinetic(own, dim=10).findings:
    print("ok  " if finding.passed else "FAIL", finding.name, "-", finding.measured)

# %%
# As functions that numba compiles
# --------------------------------
# Faster to evaluate, and with parameters: another vector of them compiles nothing anew.

faster = ps.kinetic.Profile(
    lambda params, s: params[0] * np.logaddexp(s, -s),
    lambda params, s: params[0] * np.tanh(s),
    params=[2.0],
)

# %%
# A slope that is not the derivative is refused.

try:
    ps.kinetic.Profile(lambda params, s: s**2 / 2, lambda params, s: np.tanh(s))
except ValueError as error:
    print(error)

# %%
# Sampling with it
# ----------------
# The posterior is the same with any of them.  Here it is a gamma distribution, whose mean is known.

counts = np.array([3, 5, 1, 4, 2, 6, 3, 2])
with pm.Model() as model:
    rate = pm.Gamma("rate", 2, 1)
    pm.Poisson("counts", rate, observed=counts)
    runs = {
        name: pm.sample(
            2000,
            step=ps.HMC(kinetic=kinetic, trajectory="fixed_time"),
            initvals=ps.initial_points(chains=4, random_seed=1),
            chains=4,
            random_seed=1,
            progressbar=False,
        )
        for name, kinetic in {"gaussian": "gaussian", "mine": faster}.items()
    }

exact = (2 + counts.sum()) / (1 + counts.size)
for name, run in runs.items():
    print(f"{name:<9} mean of the rate {float(run.posterior['rate'].mean()):.3f}, exactly {exact:.3f}")

# %%

ps.plots.compare(runs)
plt.show()
