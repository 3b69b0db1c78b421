"""A bare chain: what `advance` takes, put together for tests."""

from types import SimpleNamespace

import numpy as np
from laws.systems import DIM, KINETIC, POPULATIONS, flow_of, map_for, system

from pymc_symplectic import trajectories
from pymc_symplectic.kernels.adapt import LEARNS, TUNES_STEP, new_learning
from pymc_symplectic.kernels.chain import advance, evaluate_start
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.state import GRADIENTS, new_state
from pymc_symplectic.kernels.statistics import N_COLUMNS


class Run:
    """A chain from the origin on the Gumbel population, by names of what it is made from.

    In plain Python instead of compiled code where `python` is true.
    """

    def __init__(
        self,
        *,
        flow="leapfrog",
        kinetic="gaussian",
        metric="diagonal",
        trajectory="fixed_steps",
        logp=POPULATIONS["gumbel"].logp,
        data=None,
        eps=0.4,
        max_energy_error=1000.0,
        memory=0,
        learns=False,
        tunes=False,
        seed=1,
        python=False,
    ):
        self.system = system(logp, KINETIC[kinetic], map_for("gumbel", metric), flow_of(flow))
        if data is not None:
            self.system = self.system._replace(target=self.system.target._replace(data=data))
        if isinstance(trajectory, str):
            trajectory = trajectories.CATALOGUE[trajectory]()
        self.rule = trajectory.record(DIM, max_energy_error)
        self.state = new_state(DIM)
        self.learning = new_learning(DIM, memory, eps, 0.8)
        self.learning.tuning[LEARNS], self.learning.tuning[TUNES_STEP] = learns, tunes
        self.rng = np.random.default_rng(seed)
        self.random = self.rng if python else generator_record(self.rng)
        self._advance = advance.py_func if python else advance
        start = evaluate_start.py_func if python else evaluate_start
        self.start_status = start(self.system.target, self.state)
        self.state.counters[GRADIENTS] = 0

    def advance(self, count):
        """Draws, statistics, how many were made, and the status."""
        draws, rows = np.zeros((count, DIM)), np.zeros((count, N_COLUMNS))
        everything = self.system, self.rule, self.state, self.learning, self.random, draws, rows
        with np.errstate(all="ignore"):  # as in compiled code
            outcome = self._advance(*everything)
        return SimpleNamespace(draws=draws, rows=rows, outcome=outcome)
