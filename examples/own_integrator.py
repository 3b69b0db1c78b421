"""
An integrator of your own
=========================

An integrator is the coefficients of its kicks and drifts.  Those that are free are all there is to write; the rest
follows from symmetry, and nothing is compiled or registered.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# One free number
# ---------------
# A scheme with two gradients a step, kick-drift-kick-drift-kick, has one free coefficient, that of the outer kicks.
# Sexton and Weingarten (1992) chose 1/6.

scheme = ps.Integrator.symmetric(kicks=(1 / 6,), name="sexton_weingarten")
print(scheme)
print("kicks ", scheme.kicks)
print("drifts", scheme.drifts)

# %%
# Is there a better one?
# ----------------------
# The error of the energy on one motion, as the coefficient varies.  At 1/4 the scheme is two steps of leapfrog.

outer = np.linspace(0.1, 0.3, 81)
errors = []
for b in outer:
    one = ps.Integrator.symmetric(kicks=(b,))
    motion = ps.mechanics.simulate("henon_heiles", integrator=one, step_size=0.5, steps=400)
    errors.append(abs(motion.energy_error).max())

fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
ax.semilogy(outer, errors, color="black")
known = {"Sexton-Weingarten": 1 / 6, "minimal_error2": ps.integrators.get("minimal_error2").kicks[0], "leapfrog": 1 / 4}
for (name, b), colour in zip(known.items(), ("#D55E00", "#0072B2", "#009E73"), strict=True):
    ax.axvline(b, color=colour, lw=1.2, ls="--", label=f"{name}: {b:.4f}")
ax.set(xlabel="outer kick", ylabel="largest error of the energy", title="Hénon and Heiles's star, ε = 0.5, 400 steps")
fig.legend(loc="outside lower center", ncols=3, frameon=False)

# %%
# Coefficients that would give wrong draws are refused, with the reason.

try:
    ps.Integrator(kicks=(0.2, 0.5, 0.3), drifts=(0.5, 0.5))
except ValueError as error:
    print(error)

# %%
# Sampling with it
# ----------------
# It goes where a name goes, with any metric, trajectory and kinetic energy.

with pm.Model():
    pm.StudentT("x", nu=10, shape=100)
    runs = {
        name: pm.sample(
            500,
            tune=500,
            step=ps.HMC(integrator=integrator, trajectory="fixed_time"),
            initvals=ps.initial_points(chains=4, random_seed=1),
            chains=4,
            random_seed=1,
            progressbar=False,
        )
        for name, integrator in {"leapfrog": "leapfrog", "mine": scheme, "minimal_error2": "minimal_error2"}.items()
    }

ps.plots.compare(runs)
plt.show()
