"""
Phase space without sampling: motions followed step by step, and what a method of integration keeps of their geometry.

Hamilton's equations move a state (q, p) along the level sets of H(q, p) = U(q) + K(p), preserve volume and more (the
motion is symplectic), and run backwards as well as forwards. Whether a numerical method does likewise is measured here,
on the same kernels that sample, beside the methods of the textbooks:

>>> from pymc_symplectic import mechanics
>>> for name in ("explicit_euler", "leapfrog"):
...     swing = mechanics.simulate("pendulum", integrator=name, step_size=0.1, steps=1000)
...     print(f"{name}: off by {abs(swing.energy_error).max():.3f} at most")
explicit_euler: off by 5.007 at most
leapfrog: off by 0.003 at most

===============================  =====================================================================
`simulate`                       a trajectory of any potential, kinetic energy and method
`system`, `SYSTEMS`              ready potentials; and yours, from an expression or a PyMC model
`TEXTBOOK`                       methods of the textbooks as data
`table`                          all methods side by side
`symplecticity`, `order`, ...    single measurements
===============================  =====================================================================
"""

from .catalogue import CATALOGUE as SYSTEMS
from .comparison import table
from .measures import (
    EnergyDrift,
    energy_drift,
    gradients_per_step,
    jacobian,
    order,
    reversibility,
    symplecticity,
)
from .methods import TEXTBOOK, Method, Multistep, RungeKutta, Splitting
from .methods import get as method
from .motion import Trajectory, simulate, system
from .systems import System

__all__ = [
    "SYSTEMS",
    "TEXTBOOK",
    "EnergyDrift",
    "Method",
    "Multistep",
    "RungeKutta",
    "Splitting",
    "System",
    "Trajectory",
    "energy_drift",
    "gradients_per_step",
    "jacobian",
    "method",
    "order",
    "reversibility",
    "simulate",
    "symplecticity",
    "system",
    "table",
]
