"""
A Hamiltonian neural network
============================

A network that learns the energy of a system, rather than where its state goes next, has a motion that conserves energy
by construction [1]_.  Here one learns a pendulum from noisy observations.  Its energy goes to
`pymc_symplectic.mechanics` like any other, and is followed by the integrators that sample.

.. [1] Greydanus, Dzamba and Yosinski (2019). Hamiltonian neural networks. Advances in Neural Information Processing
   Systems 32. arXiv:1906.01563.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.integrate import solve_ivp

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# Observed motion
# ---------------
# Twenty-five short motions, seen 31 times each, with errors of 0.03 in position and momentum.  Velocities are central
# differences of these, so their errors are much larger.

TIME, ERROR = 0.1, 0.03
rng = np.random.default_rng(4)
starts = [at for at in rng.uniform(-2.2, 2.2, (100, 2)) if 1 - np.cos(at[0]) + at[1] ** 2 / 2 < 1.7][:25]
true = [
    ps.mechanics.simulate("pendulum", integrator="yoshida4", position=q, momentum=p, step_size=TIME, steps=30)
    for q, p in starts
]
seen = np.array([np.hstack([path.position, path.momentum]) for path in true])
seen += rng.normal(0, ERROR, seen.shape)
state = seen[:, 1:-1].reshape(-1, 2)
velocity = (seen[:, 2:] - seen[:, :-2]).reshape(-1, 2) / (2 * TIME)

# %%
# Two networks
# ------------
# Both have one hidden layer, and are fitted to the same velocities.  One has the velocities as its outputs.  The other
# has H(q, p) = U(q) + K(p), and velocities by Hamilton's equations, q' = K'(p) and p' = -U'(q), through PyTensor's
# gradients: U is a network, and K a log cosh, as that is even and convex, which a kinetic energy has to be.

q, p = pt.as_tensor(state[:, 0]), pt.as_tensor(state[:, 1])


def potential(q, w, b, v):
    """U of positions (n,)."""
    return pt.tanh(q[:, None] * w + b) @ v


def kinetic(s, height, rate):
    """K of speeds, height log cosh(rate s)."""
    return height * (pt.logaddexp(rate * s, -rate * s) - np.log(2))


with pm.Model() as hamiltonian:
    w, b, v = (pm.Normal(name, 0, 1, shape=24) for name in "wbv")
    height, rate, error = (pm.HalfNormal(name, scale) for name, scale in (("height", 10), ("rate", 1), ("error", 1)))
    speed = pt.grad(kinetic(p, height, rate).sum(), p)
    force = -pt.grad(potential(q, w, b, v).sum(), q)
    pm.Normal("velocity", pt.stack([speed, force], axis=1), error, observed=velocity)

with pm.Model() as plain:
    w = pm.Normal("w", 0, 1, shape=(2, 24))
    b, v = pm.Normal("b", 0, 1, shape=24), pm.Normal("v", 0, 1, shape=(24, 2))
    error = pm.HalfNormal("error", 1)
    pm.Normal("velocity", pt.tanh(state @ w + b) @ v, error, observed=velocity)


def fitted(model: pm.Model) -> dict[str, np.ndarray]:
    """The best values of a model's variables, from weights that are not all the same."""
    start = {rv.name: rng.normal(0, 0.5, rv.type.shape) for rv in model.free_RVs if rv.ndim}
    found = ps.gradient_descent(model, "lbfgs", initvals=start, tolerance=1e-5, progressbar=False)
    print(f"{found.reason} after {found.iterations} steps; error of a velocity {float(found.optimum['error']):.3f}")
    return {name: value.values for name, value in found.optimum.items()}


energy, field = fitted(hamiltonian), fitted(plain)

# %%
# Both fit equally well: what is left is the error of central differences, 0.03 / (0.1 √2) = 0.21.
#
# Let go
# ------
# Two hundred units of time.  The learned U and K become a system and a kinetic energy of this
# package, and the motion is followed by a symplectic integrator of order four.  That of the plain network is solved to
# nine digits, so that what it does is its own doing.

names = "wbv"
well = ps.mechanics.system(lambda q: potential(q, *(energy[name] for name in names)).sum(), dim=1)
moving = ps.kinetic_energy(lambda s: kinetic(s, energy["height"], energy["rate"]))
begin, step = [2.0, 0.0], 0.1
swing = ps.mechanics.simulate(
    well, moving, "yoshida4", position=begin[0], momentum=begin[1], step_size=step, steps=2000
)
drift = solve_ivp(
    lambda t, y: np.tanh(y @ field["w"] + field["b"]) @ field["v"],
    (0, 200),
    begin,
    t_eval=swing.times,
    rtol=1e-9,
    atol=1e-9,
)
paths = {"Hamiltonian network": np.hstack([swing.position, swing.momentum]).T, "plain network": drift.y}


def true_energy(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    return 1 - np.cos(q) + p**2 / 2


print(f"learned energy, along its own motion: kept to {abs(swing.energy_error).max():.0e}")
energies = {name: true_energy(*path) for name, path in paths.items()}
for name, values in energies.items():
    print(f"true energy of the {name}: {values[0]:.2f} at first, {values[-1]:.2f} at the end")

# %%
# Of the Hamiltonian network, energy is off by the errors of what was learned, there and back in every swing.  The plain
# network has no energy: small errors of the field add up, and its pendulum comes to a smaller swing than it began with.

axis = np.linspace(-2.4, 2.4, 121)
u = np.tanh(axis[:, None] * energy["w"] + energy["b"]) @ energy["v"]
k = energy["height"] * np.log(np.cosh(energy["rate"] * axis))
learned = u + k[:, None] - u[60]  # rows are momenta; 0 where the pendulum hangs
levels = [0.1, 0.4, 0.8, 1.2, 1.6]

blue, vermilion, grey = PALETTE["blue"], PALETTE["vermilion"], PALETTE["grey"]
colours = {"Hamiltonian network": blue, "plain network": vermilion}
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained", width_ratios=(4, 4, 5))
left.plot(*state.T, ".", ms=3, mew=0, color="0.75")
left.contour(axis, axis, learned, levels, colors=blue, linewidths=2)
left.contour(axis, axis, true_energy(axis, axis[:, None]), levels, colors="black", linewidths=1, linestyles="--")
left.plot([], color=blue, lw=2, label="learned")
left.plot([], color="black", lw=1, ls="--", label="true")
left.set(title="Level curves of the energy")
for name, path in reversed(paths.items()):
    middle.plot(*path, color=colours[name], lw=0.8)
    right.plot(swing.times, energies[name], color=colours[name], lw=1.2, label=name)
middle.plot(*begin, "o", color="black", ms=5)
middle.set(title="Where both networks go")
for ax in (left, middle):
    ax.set(xlabel="position q", ylabel="momentum p", aspect="equal", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4))
right.axhline(true_energy(*begin), color="black", lw=1, ls="--", label="exact")
right.set(title="True energy along these motions", xlabel="time", ylabel="H", xlim=(0, 200), ylim=(1.0, 1.5))
left.legend(frameon=False, loc="upper center", ncols=2)
right.legend(frameon=False, loc="lower left")
plt.show()
