"""
Phase space: Euler against a symplectic method
==============================================

A sampler follows a motion and relies on its geometry: volume is kept, the way back is the way there, and the energy
stays near what it was.  Here it is seen on a pendulum, without sampling.  `pymc_symplectic.mechanics` runs the kernels
that sample, and the methods of the textbooks beside them.
"""

import matplotlib.pyplot as plt
import numpy as np

import pymc_symplectic as ps

# %%
# A portrait
# ----------
# Exact motion follows the level curves of H(q, p) = 1 - cos q + p²/2.  Within the separatrix the pendulum swings,
# beyond it goes round.  Explicit Euler steps along the tangent, and so outwards, to ever higher energies.  Symplectic
# Euler, which differs from it in that it uses the new momentum to move the position, stays.

ps.plots.phase_portrait(
    "pendulum", ["explicit_euler", "symplectic_euler"], starts=[[1.0, 0.0]], step_size=0.2, steps=60
)

# %%
# Methods side by side
# --------------------
# One motion, many steps.  Order is not what makes the difference: the classical Runge-Kutta method is of order 4, far
# more accurate than leapfrog at first, and loses energy all the time.

ps.plots.integrators_on(
    "pendulum", ["explicit_euler", "backward_euler", "rk4", "symplectic_euler", "leapfrog", "yoshida4"]
)

# %%
# The energy, for long
# --------------------

ps.plots.energy_error("pendulum", ["explicit_euler", "rk4", "leapfrog", "yoshida4"], step_size=0.3, steps=3000)

# %%
# Measured
# --------
# Whether a map is symplectic is a property of its derivative J: :math:`J^\top \Omega J = \Omega`.  Whether it is
# reversible shows when it is run there and back.  Both are measured, to rounding.

table = ps.mechanics.table(["explicit_euler", "rk4", "symplectic_euler", "leapfrog", "yoshida4", "implicit_midpoint"])
columns = ["symplectic", "reversible", "energy_bounded", "claimed_order", "measured_order", "gradients_per_step"]
print(table[columns].round(2).to_string())

# %%
# Only methods that are symplectic and reversible are offered for sampling.  Symplectic Euler is not reversible, so the
# acceptance test would be wrong with it; `Splitting` is for looking at such schemes, `Integrator` for sampling.
#
# An area in phase space
# ----------------------
# A disc of starts, seen by sixty points of its rim.  A symplectic map may bend and stretch it, but neither shrink nor
# enlarge it.

angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
disc = np.column_stack([1 + 0.3 * np.cos(angles), 0.3 * np.sin(angles)])


def area(points: np.ndarray) -> float:
    """Of the polygon with these corners."""
    x, y = points.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


fig, axes = plt.subplots(1, 2, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
for ax, name in zip(axes, ("explicit_euler", "leapfrog"), strict=True):
    paths = [
        ps.mechanics.simulate("pendulum", integrator=name, position=q, momentum=p, step_size=0.2, steps=30)
        for q, p in disc
    ]
    for count, colour in zip((0, 10, 20, 30), ("0.4", "#56B4E9", "#0072B2", "#D55E00"), strict=True):
        corners = np.array([[path.position[count, 0], path.momentum[count, 0]] for path in paths])
        ax.fill(*corners.T, color=colour, alpha=0.4)
        ax.annotate(f"{area(corners) / area(disc):.2f}", corners.mean(axis=0), ha="center", va="center")
    ax.set(title=name, xlabel="q", aspect="equal")
axes[0].set_ylabel("p")
fig.suptitle("Area of a disc after 0, 10, 20 and 30 steps of 0.2, over its area at first")
plt.show()
