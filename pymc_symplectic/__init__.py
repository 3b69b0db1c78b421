"""Hamiltonian Monte Carlo for PyMC, with every part of it to choose: integrator, kinetic energy, metric, trajectory."""

from . import integrators, kinetic, metrics, trajectories
from .diagnostics import compare, gradients, min_ess
from .integrators import ImplicitMidpoint, Integrator
from .metrics import Dense, Diagonal, Identity, LowRank
from .starts import initial_points
from .step import HMC
from .trajectories import FixedSteps, FixedTime, NoUTurn

__all__ = [
    "HMC",
    "Dense",
    "Diagonal",
    "FixedSteps",
    "FixedTime",
    "Identity",
    "ImplicitMidpoint",
    "Integrator",
    "LowRank",
    "NoUTurn",
    "compare",
    "gradients",
    "initial_points",
    "integrators",
    "kinetic",
    "metrics",
    "min_ess",
    "trajectories",
]

__version__ = "0.1.0"
