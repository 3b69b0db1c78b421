"""
An energy-based model: a network trained by sampling it
=======================================================

A network gives each point of the plane an energy E(x); points are as probable as exp(-E) says, up to a constant that
nobody knows.  To train it, its energy is lowered at data and raised at its own samples.  So there is a sampler in every
step of the training, and each run begins where the last one has ended: contrastive divergence with persistent chains
[1]_.

.. [1] Tieleman (2008). Training restricted Boltzmann machines using approximations to the likelihood gradient.
   Proceedings of the 25th International Conference on Machine Learning, 1064-1071.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from scipy.spatial.distance import cdist
from scipy.stats import gaussian_kde, multivariate_normal
from sklearn.datasets import make_moons

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# Two moons
# ---------
# Two thousand points to learn from, and a thousand that the network never sees.

rng = np.random.default_rng(1)
points = make_moons(3000, noise=0.15, random_state=1)[0]
points = (points - points.mean(axis=0)) / points.std(axis=0)
data, held_out = points[:2000], points[2000:]

# %%
# The energy as a model
# ---------------------
# Sixty-four hidden units, in a wide bowl that keeps the density proper.  All weights are one vector, shared data of the
# model: what changes them in training changes what is sampled, and nothing is compiled again.

UNITS = 64


def energy(x, weights):
    """E (...,) at points x (..., 2)."""
    slopes, shifts, heights = weights[: 2 * UNITS].reshape((2, UNITS)), weights[2 * UNITS : 3 * UNITS], weights[-UNITS:]
    return pt.tanh(x @ slopes + shifts) @ heights + (x**2).sum(axis=-1) / 8


begin = np.concatenate([rng.normal(0, 3, 2 * UNITS), rng.uniform(-6, 6, UNITS), np.zeros(UNITS)])
with pm.Model() as model:
    weights = pm.Data("weights", begin)
    x = pm.Flat("x", shape=2, initval=np.zeros(2))
    pm.Potential("minus_energy", -energy(x, weights))

# %%
# Training
# --------
# One step of Adam follows the gradient of the likelihood, of mean energies of data less those of samples.  Then eight
# chains move on, from their last draws, by the step sizes and metrics that they have learned so far.

at = pt.dmatrix("at")
real, drawn = pt.dmatrix("real"), pt.dmatrix("drawn")
rate = pytensor.shared(0.0)
loss = energy(real, weights).mean() - energy(drawn, weights).mean()
train = pytensor.function([real, drawn], loss, updates=pm.adam(loss, [weights], learning_rate=rate, beta1=0.5))
energies = pytensor.function([at], energy(at, weights))

axis = np.linspace(-3.5, 3.5, 141)
grid = np.stack(np.meshgrid(axis, axis), axis=-1)


def log_density(where: np.ndarray) -> np.ndarray:
    """Log-densities (n,) of points (n, 2), normalised by quadrature, which in the plane is at hand."""
    constant = np.log(np.exp(-energies(grid.reshape(-1, 2))).sum() * (axis[1] - axis[0]) ** 2)
    return -energies(where) - constant


ROUNDS, options = 100, {"model": model, "progressbar": False, "quiet": True, "compute_convergence_checks": False}
idata = ps.sample(60, chains=8, random_seed=1, **options)
scores, surfaces = [log_density(held_out).mean()], {}
for count in range(1, ROUNDS + 1):
    samples = idata["posterior"]["x"].values.reshape(-1, 2)
    rate.set_value(0.06 * min(1, 2 * (1 - count / (ROUNDS + 1))))  # falls in the second half
    for _ in range(2):
        train(data, samples)
    idata = ps.sample(60, chains=8, random_seed=count, learned=ps.learned(idata), **options)
    scores.append(log_density(held_out).mean())
    if count in (10, 30, ROUNDS):
        surface = log_density(grid.reshape(-1, 2)).reshape(axis.size, -1)
        surfaces[count] = surface, idata["posterior"]["x"].values.reshape(-1, 2)

fig, axes = plt.subplots(1, 3, figsize=(11, 3.9), sharex=True, sharey=True, layout="constrained")
for ax, (count, (surface, samples)) in zip(axes, surfaces.items(), strict=True):
    shown = ax.contourf(axis, axis, surface, np.arange(-7, -0.9, 0.5), cmap="Blues", extend="min")
    ax.plot(*samples.T, ".", ms=3.5, mew=0, color=PALETTE["orange"])
    ax.set(title=f"after {count} rounds", aspect="equal", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[])
fig.colorbar(shown, ax=axes, label="log-density of the network", shrink=0.85)
fig.suptitle("The energy that is learned, and the draws that it is learned from")

# %%
# Against data that it has not seen
# ---------------------------------
# The log-density of held-out points, in nats for each, is what a density is judged by.  The energy distance [2]_
# compares samples instead, and needs no constant: two sets of points from one distribution have a small one, as the
# data that were learned from and those held out show.
#
# .. [2] Székely and Rizzo (2013). Energy statistics: a class of statistics based on distances. Journal of Statistical
#    Planning and Inference 143, 1249-1272.


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean())


final = ps.sample(500, chains=8, random_seed=0, learned=ps.learned(idata), **options)
draws = rng.permutation(final["posterior"]["x"].values.reshape(-1, 2))[:2000]
normal = multivariate_normal(data.mean(axis=0), np.cov(data.T))
others = {
    "normal distribution": normal.logpdf(held_out).mean(),
    "kernel density estimate": gaussian_kde(data.T, 0.12).logpdf(held_out.T).mean(),
}
for name, score in {**others, "network": scores[-1]}.items():
    print(f"log-density of held-out data, by the {name}: {score:.2f}")
for name, sample in {"normal distribution": normal.rvs(2000, random_state=1), "network": draws, "data": data}.items():
    print(f"energy distance of held-out data from the {name}: {energy_distance(sample, held_out):.4f}")

# %%
# The width of the kernel, 0.12 standard deviations, is about the best for these very points.

fig, (left, *clouds) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", width_ratios=(5, 4, 4))
left.plot(scores, color=PALETTE["blue"], lw=1.5)
for name, score in others.items():
    left.axhline(score, color="0.5", ls="--", lw=1)
    left.annotate(name, (ROUNDS, score), (-3, 2), textcoords="offset points", ha="right", size="small")
left.set(xlabel="round", ylabel="nats", title="Log-density of held-out data", xlim=(0, ROUNDS), ylim=(-3.2, -2.1))
left.spines[["top", "right"]].set_visible(False)
for ax, title, cloud in zip(clouds, ("Held out", "Drawn from the network"), (held_out, draws[:1000]), strict=True):
    ax.plot(*cloud.T, ".", ms=4, mew=0, color=PALETTE["grey"] if cloud is held_out else PALETTE["orange"])
    ax.set(title=title, aspect="equal", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[])
plt.show()
