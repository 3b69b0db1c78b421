"""Hamiltonian Monte Carlo for PyMC, with every part of it to choose: integrator, kinetic energy, metric, trajectory."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for whoever reads types; Python comes to each name, and to what it needs, when it is asked for
    from . import integrators, kinetic, mechanics, metrics, plots, refreshments, splits, trajectories
    from .densities import density
    from .diagnosis import diagnose
    from .diagnostics import compare, gradients, min_ess
    from .differences import Differences
    from .expressions import kinetic_energy
    from .integrators import ImplicitMidpoint, Integrator
    from .kinetic import check_kinetic
    from .knowledge import Learned, LearnedChain
    from .metrics import Dense, Diagonal, Identity, LowRank
    from .optimize import Descent, gradient_descent
    from .policy import Policy
    from .refreshments import Full, Partial
    from .run.compiled import CompiledModel, compile
    from .run.handle import Run
    from .run.learned import learned
    from .run.sample import sample, start
    from .run.until import Until
    from .starts import initial_points
    from .stein import gradient_tests
    from .step import HMC
    from .store import StoreError, open_run
    from .surrogates import LearnedDensity
    from .trajectories import FixedSteps, FixedTime, NoUTurn, Surrogate

__all__ = [
    "HMC",
    "CompiledModel",
    "Dense",
    "Descent",
    "Diagonal",
    "Differences",
    "FixedSteps",
    "FixedTime",
    "Full",
    "Identity",
    "ImplicitMidpoint",
    "Integrator",
    "Learned",
    "LearnedChain",
    "LearnedDensity",
    "LowRank",
    "NoUTurn",
    "Partial",
    "Policy",
    "Run",
    "StoreError",
    "Surrogate",
    "Until",
    "check_kinetic",
    "compare",
    "compile",
    "density",
    "diagnose",
    "gradient_descent",
    "gradient_tests",
    "gradients",
    "initial_points",
    "integrators",
    "kinetic",
    "kinetic_energy",
    "learned",
    "mechanics",
    "metrics",
    "min_ess",
    "open_run",
    "plots",
    "refreshments",
    "sample",
    "splits",
    "start",
    "trajectories",
]

__version__ = "0.2.0"

# As PyMC has it: a run says what it does wherever the program has not arranged its logging otherwise.
_log = logging.getLogger(__name__)
if not (logging.root.handlers or _log.level or _log.handlers):
    _log.setLevel(logging.INFO)
    _log.addHandler(logging.StreamHandler())

_PLACES = {
    "densities": ("density",),
    "diagnosis": ("diagnose",),
    "diagnostics": ("compare", "gradients", "min_ess"),
    "differences": ("Differences",),
    "expressions": ("kinetic_energy",),
    "integrators": ("ImplicitMidpoint", "Integrator"),
    "kinetic": ("check_kinetic",),
    "knowledge": ("Learned", "LearnedChain"),
    "metrics": ("Dense", "Diagonal", "Identity", "LowRank"),
    "optimize": ("Descent", "gradient_descent"),
    "policy": ("Policy",),
    "refreshments": ("Full", "Partial"),
    "run.compiled": ("CompiledModel", "compile"),
    "run.handle": ("Run",),
    "run.learned": ("learned",),
    "run.sample": ("sample", "start"),
    "run.until": ("Until",),
    "starts": ("initial_points",),
    "stein": ("gradient_tests",),
    "step": ("HMC",),
    "store": ("StoreError", "open_run"),
    "surrogates": ("LearnedDensity",),
    "trajectories": ("FixedSteps", "FixedTime", "NoUTurn", "Surrogate"),
}
"""The modules that names are in; all other names are those of modules."""
_PLACE_OF = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    """What a name stands for, imported when it is first asked for."""
    if name in _PLACE_OF:
        found = getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)
        globals()[name] = found
        return found
    if not name.startswith("_"):
        try:
            return import_module(f".{name}", __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
