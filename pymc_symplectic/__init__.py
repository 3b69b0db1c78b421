"""Hamiltonian Monte Carlo for PyMC, with every part of it to choose: integrator, kinetic energy, metric, trajectory."""

from . import integrators, kinetic, metrics, trajectories
from .integrators import Integrator
from .metrics import Dense, Diagonal, Identity
from .step import HMC
from .trajectories import FixedSteps, FixedTime, NoUTurn

__all__ = [
    "HMC",
    "Dense",
    "Diagonal",
    "FixedSteps",
    "FixedTime",
    "Identity",
    "Integrator",
    "NoUTurn",
    "integrators",
    "kinetic",
    "metrics",
    "trajectories",
]

__version__ = "0.1.0"
