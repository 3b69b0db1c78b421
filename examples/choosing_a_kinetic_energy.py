"""
Choosing a kinetic energy
=========================

The kinetic energy says how fast a momentum carries the chain.  Any choice samples the same distribution, as momenta are
drawn from what belongs to it.  What changes is how large the errors of the integrator are, and what becomes of a motion
that goes wrong.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# Energies and velocities
# -----------------------
# With the Gaussian energy, the velocity is the momentum.  The others level out: that of special relativity at a speed
# limit c, a power of the momentum at no limit, but slowly.  Student's t turns back, which is for study.

kinetics = {
    "gaussian": ps.kinetic.Gaussian(),
    "relativistic, c = 2": ps.kinetic.Relativistic(c=2.0),
    "power, β = 4/3": ps.kinetic.Power(beta=4 / 3),
    "student_t, ν = 5": ps.kinetic.StudentT(nu=5.0),
}
ps.plots.kinetic_energies(kinetics)

# %%
# Their efficiency
# ----------------
# A logistic regression with 25 coefficients.  The relativistic energy learns its speed limit in warm-up.  ``adaptive``
# begins as the Gaussian energy, and learns the whole curve of the velocity, from the gradients that warm-up meets.

rng = np.random.default_rng(1)
features = rng.normal(size=(200, 25))
chance = 1 / (1 + np.exp(-features @ rng.normal(0, 0.5, 25)))
with pm.Model() as model:
    weights = pm.Normal("weights", 0, 1, shape=25)
    pm.Bernoulli("outcome", logit_p=features @ weights, observed=rng.random(200) < chance)

steps, runs = {}, {}
for name in ("gaussian", "relativistic", "power", "adaptive"):
    with model:
        steps[name] = ps.HMC(kinetic=name, trajectory="fixed_time")
        runs[name] = pm.sample(
            step=steps[name],
            initvals=ps.initial_points(chains=4, random_seed=1),
            chains=4,
            random_seed=1,
            progressbar=False,
        )

ps.plots.compare(runs)

# %%
# Of the four choices (metric, trajectory, integrator, kinetic energy) this is the one to make last.  Differences of a
# fifth may be noise: repeat with other seeds before you believe them.
#
# All sample the same distribution:

reference = runs["gaussian"].posterior["weights"].mean(("chain", "draw"))
for name, run in runs.items():
    spread = run.posterior["weights"].std(("chain", "draw"))
    distance = abs(run.posterior["weights"].mean(("chain", "draw")) - reference) / spread
    print(f"{name:<12} means within {float(distance.max()):.3f} posterior standard deviations of the first row's")

# %%
# What was learned
# ----------------
# A step knows the kinetic energy that its last chain came to use.  Knots of the learned velocity are dots.

ps.plots.kinetic_energies(
    {"gaussian": "gaussian", "relativistic, learned": steps["relativistic"], "adaptive, learned": steps["adaptive"]},
    dim=25,
)

# %%
# Where steps are too long
# ------------------------
# A start far out, where the potential q⁴ is steep, and a step that is too long for it.  With the Gaussian energy each
# kick is larger than the last, and the motion runs away.  A relativistic particle moves by at most c ε a step, whatever
# the gradient: its energy is wrong as well, but it stays where it can come back.

steep = ps.mechanics.system(lambda q: (q**4).sum(), dim=1)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, colour in (("gaussian", "#0072B2"), ("relativistic, c = 2", "#D55E00")):
    fall = ps.mechanics.simulate(steep, kinetics[name], position=5.0, momentum=0.0, step_size=0.15, steps=40)
    ax.plot(fall.times, fall.position, "o-", ms=3, color=colour, label=name)
    print(f"{name:<20} finite for {fall.finite_steps} of {fall.steps} steps")
ax.set(xlabel="time", ylabel="position", ylim=(-8, 8), title="From q = 5 in U = q⁴, by leapfrog with ε = 0.15")
ax.legend(frameon=False, loc="lower right")
plt.show()
