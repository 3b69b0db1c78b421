"""What chains might have learned, made by hand: nothing is compiled."""

import numpy as np

from pymc_symplectic.adaptation.energy import EnergyTrial
from pymc_symplectic.adaptation.tuner import Tuner
from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.knowledge import Learned, LearnedChain
from pymc_symplectic.knowledge.options import of_settings
from pymc_symplectic.settings import Settings

COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, 0.1], [0.0, 0.1, 3.0]])


def new_chain(factor=1.0, shift=0.0, **more):
    """A chain on a normal of three dimensions, whose metric is so many times as wide, and whose mean is shifted."""
    settings = Settings.choose()
    parts = {
        "position": np.array([0.5, -0.2, 1.0]) + shift,
        "metric": DenseMap(factor * np.linalg.cholesky(COVARIANCE)),
        "mean": np.array([0.1, 0.0, -0.3]) + shift,
        "step_size": 0.7,
        "kinetic": np.zeros(0),
        "weights": None,
        "choice": {"integrator": "leapfrog", "trajectory": "no_u_turn", "metric": "dense", "step_size": 0.7},
        "state": {"tuner": Tuner(settings, 3).snapshot(), "energy": EnergyTrial(settings, 3).snapshot()},
    }
    return LearnedChain(**{**parts, **more})


def new_learned(*chains, options=None):
    return Learned({"a": (), "b_log__": (2,)}, of_settings(options or Settings.choose()), chains)


def on_a_path(time, step_size=1.0, **more):
    """A chain whose tuner has found the harmonic drift and a path of this time."""
    plain = new_chain(step_size=step_size, **more)
    found = ["harmonic_leapfrog", step_size, 0.9, time, 0.3, 0.9, 1]
    words = {"integrator": "harmonic_leapfrog", "trajectory": "fixed_time", "time": time, "jitter": 0.3, "repeats": 1}
    return LearnedChain(
        **{
            **vars(plain),
            "choice": {**plain.choice, **words, "predicted": 0.9},
            "state": {**plain.state, "tuner": {**plain.state["tuner"], "found": found}},
        }
    )
