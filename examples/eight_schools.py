"""
Eight schools, with NUTS beside it
==================================

Rubin's eight schools [1]_: a hierarchy with few data, and the example that most people know.  It is sampled by PyMC's
own NUTS and by this package, from the same starts.  Whatever reads the results of one reads those of the other.

.. [1] Rubin (1981). Estimation in parallel randomized experiments. Journal of Educational Statistics 6, 377-401.
"""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm

import pymc_symplectic as ps

# %%
# In each school a course was held before a test.  Known are the estimated effect on the score, and its standard error.
# The effects of the schools are μ + τ z, with standard normal z: the form without a centre, whose posterior has no
# funnel.

effect = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
error = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
    mu = pm.Normal("mu", 0, 5)
    tau = pm.HalfCauchy("tau", 5)
    z = pm.Normal("z", dims="school")
    theta = pm.Deterministic("theta", mu + tau * z, dims="school")
    pm.Normal("observed", theta, error, observed=effect, dims="school")

# %%
# Three samplers
# --------------
# PyMC's NUTS; the same idea as this package has it, leapfrog with no-U-turn trajectories; and trajectories of a fixed
# time, with an integrator of two stages.
#
# Where τ is small the posterior of z is wide, where it is large narrow, and a step that suits the one is too long for
# the other.  So all three aim for an acceptance of 0.95, by shorter steps.
#
# ``discard_tuned_samples=False`` keeps warm-up, so that its cost is known too.

options = {
    "initvals": ps.initial_points(model, chains=4, random_seed=1),
    "chains": 4,
    "random_seed": 1,
    "progressbar": False,
    "discard_tuned_samples": False,
}
with model:
    runs = {
        "PyMC NUTS": pm.sample(nuts_sampler="pymc", target_accept=0.95, **options),
        "no_u_turn": pm.sample(step=ps.HMC(trajectory="no_u_turn", target_accept=0.95), **options),
        "fixed_time": pm.sample(
            step=ps.HMC(integrator="minimal_error2", trajectory="fixed_time", target_accept=0.95), **options
        ),
    }

print(az.summary(runs["no_u_turn"], var_names=["mu", "tau"]).to_string())

# %%
# The same posterior
# ------------------
# Two samplers of one posterior differ by their Monte Carlo errors.  The largest of eight such distances is seldom above
# 3 standard errors.

means = {name: run.posterior["theta"].mean(("chain", "draw")) for name, run in runs.items()}
errors = {name: az.mcse(run, var_names="theta")["theta"] for name, run in runs.items()}
for name in ("no_u_turn", "fixed_time"):
    distance = abs(means[name] - means["PyMC NUTS"]) / np.hypot(errors[name], errors["PyMC NUTS"])
    print(f"{name}: means of theta within {float(distance.max()):.1f} standard errors of NUTS's")

# %%
# ArviZ draws all of them in one picture.

forest = az.plot_forest(runs, var_names=["mu", "theta"], combined=True, figure_kwargs={"figsize": (9, 6)})
forest.add_legend("model")

# %%
# What they cost
# --------------

table = ps.compare(runs, var_names=["mu", "tau", "z"])
columns = ["gradients", "warmup_gradients", "divergences", "min_ess", "min_ess_per_1000_gradients"]
print(table[columns].round(1).to_string())

# %%
# A step of leapfrog takes one gradient, one of ``minimal_error2`` takes two.  On the right the hollow circles show how
# far each gradient leads.

ps.plots.acceptance({name: runs[name] for name in ("no_u_turn", "fixed_time")})
plt.show()
