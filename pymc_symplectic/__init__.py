"""Hamiltonian Monte Carlo for PyMC, with every part of it to choose: integrator, kinetic energy, metric, trajectory."""

from . import integrators, kinetic, mechanics, metrics, plots, refreshments, splits, trajectories
from .densities import density
from .diagnostics import compare, gradients, min_ess
from .expressions import kinetic_energy
from .integrators import ImplicitMidpoint, Integrator
from .kinetic import check_kinetic
from .metrics import Dense, Diagonal, Identity, LowRank
from .optimize import Descent, gradient_descent
from .policy import Policy
from .refreshments import Full, Partial
from .run.compiled import CompiledModel, compile
from .run.sample import sample
from .starts import initial_points
from .step import HMC
from .store import StoreError, open_run
from .trajectories import FixedSteps, FixedTime, NoUTurn

__all__ = [
    "HMC",
    "CompiledModel",
    "Dense",
    "Descent",
    "Diagonal",
    "FixedSteps",
    "FixedTime",
    "Full",
    "Identity",
    "ImplicitMidpoint",
    "Integrator",
    "LowRank",
    "NoUTurn",
    "Partial",
    "Policy",
    "StoreError",
    "check_kinetic",
    "compare",
    "compile",
    "density",
    "gradient_descent",
    "gradients",
    "initial_points",
    "integrators",
    "kinetic",
    "kinetic_energy",
    "mechanics",
    "metrics",
    "min_ess",
    "open_run",
    "plots",
    "refreshments",
    "sample",
    "splits",
    "trajectories",
]

__version__ = "0.1.0"
