"""The problem that samplers are run on, and the run that each returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pymc as pm
import xarray as xr
from pymc.initial_point import make_initial_point_fn

import pymc_symplectic as ps
from benchmarks.models.posterior import Place, Posterior
from benchmarks.models.stan_programs import StanPosterior, StanProgram
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.target.families import location_scales

__all__ = ["Prepare", "Problem", "Run", "Sample"]

_TRIES = 100


@dataclass(frozen=True, eq=False)
class Run:
    """The draws of one sampler from one seed, and their cost.

    Attributes
    ----------
    draws : dict of str to np.ndarray
        Draws of each variable of the problem on its own, constrained scale, shape (chains, draws, ...).
    diverging : np.ndarray
        Which draws diverged, shape (chains, draws).
    gradients : tuple of int
        Gradients that were evaluated in warm-up and in sampling, by all chains, all that were thrown away among them.
    seconds : tuple of float
        Processor time of warm-up and of sampling.
    step_size : np.ndarray
        What warm-up has settled on, shape (chains,).
    compile_seconds : float
        Processor time of what is compiled for a problem.
    chosen : tuple of str
        What warm-up has chosen, where it had a choice: one text for each chain.
    call_seconds : float
        Processor time of calling the sampler at all, which is left out of `seconds`.
    values : tuple of int
        Log-densities that were evaluated without a gradient, in warm-up and in sampling.
    """

    draws: dict[str, np.ndarray]
    diverging: np.ndarray
    gradients: tuple[int, int]
    seconds: tuple[float, float]
    step_size: np.ndarray
    compile_seconds: float
    chosen: tuple[str, ...] = ()
    call_seconds: float = 0.0
    values: tuple[int, int] = (0, 0)

    @classmethod
    def of_result(
        cls,
        idata: xr.DataTree,
        names: Sequence[str],
        seconds: tuple[float, float],
        compile_seconds: float = 0.0,
        call_seconds: float = 0.0,
    ) -> Run:
        """The run that a result of PyMC's shape tells of, with the gradients of its warm-up."""
        spent, statistics = ps.gradients(idata), idata["sample_stats"]
        return cls(
            {name: idata["posterior"][name].values for name in names},
            statistics["diverging"].values,
            (int(spent.warmup), int(spent.sampling)),
            seconds,
            statistics["step_size_bar"].values[:, -1],
            compile_seconds,
            call_seconds=call_seconds,
        )


class Sample(Protocol):
    """A sampler, ready to run."""

    def __call__(self, draws: int, tune: int | None, chains: int, seed: int) -> Run:
        """Run it, with as many draws of warm-up as is its default if `tune` is None."""


class Problem:
    """A model, and what all samplers share of it.

    Parameters
    ----------
    model : pm.Model
        All of its free variables are continuous.
    extra : sequence of str, optional
        Deterministic variables that are kept besides the free ones.
    place : callable, optional
        Where a chain starts; by default near the model's initial point.
    program : StanProgram, optional
        The Stan program that the model calls, if it does.
    """

    def __init__(
        self,
        model: pm.Model,
        extra: Sequence[str] = (),
        place: Place | None = None,
        program: StanProgram | None = None,
    ) -> None:
        self.model = model
        self.program = program
        self._place = place
        self.names = list(dict.fromkeys([rv.name for rv in model.free_RVs] + list(extra)))
        began = time.process_time()
        self.target = LogDensity(model=model)
        self.compile_seconds = time.process_time() - began
        self._starts: dict[tuple[int, int], np.ndarray] = {}

    def target_for(self, settings: Settings) -> LogDensity:
        """The log-density for chains with such settings, which may move in other coordinates than the model's."""
        return self._reparametrized if settings.reparametrizes else self.target

    @cached_property
    def _reparametrized(self) -> LogDensity:
        return (
            self.target
            if not location_scales(self.model, self.model.value_vars)
            else LogDensity(model=self.model, reparametrized=True)
        )

    @classmethod
    def of(cls, posterior: Posterior) -> Problem:
        """The problem of a posterior, with the quantities that have reference draws."""
        program = posterior.program if isinstance(posterior, StanPosterior) else None
        return cls(posterior.model, [variable for variable, _ in posterior.index.values()], posterior.place, program)

    @cached_property
    def _constrained(self) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
        with self.model:
            outputs = self.model.replace_rvs_by_values([self.model[name] for name in self.names])
            return self.model.compile_fn(outputs, inputs=self.model.value_vars, on_unused_input="ignore")

    def point(self, position: np.ndarray) -> dict[str, np.ndarray]:
        """The values of all variables of the problem at one unconstrained position."""
        return dict(zip(self.names, self._constrained(self.target.to_point(position)), strict=True))

    def constrain(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """The values of all variables, (chains, draws, ...), at unconstrained positions (chains, draws, d)."""
        points = [self.point(position) for position in positions.reshape(-1, positions.shape[-1])]
        stacked = {name: np.stack([point[name] for point in points]) for name in self.names}
        return {name: values.reshape(*positions.shape[:2], *values.shape[1:]) for name, values in stacked.items()}

    def starts(self, chains: int, seed: int) -> np.ndarray:
        """Where chains start, (chains, d); by default the initial point moved by U(-1, 1) in unconstrained space."""
        if (chains, seed) not in self._starts:
            rng = np.random.default_rng([seed, chains])
            place = self._place or self._near()
            self._starts[chains, seed] = np.stack([place(rng) for _ in range(chains)])
        return self._starts[chains, seed].copy()

    def _near(self) -> Place:
        first = self.target.to_vector(make_initial_point_fn(model=self.model)(0))
        return lambda rng: self._finite(first, rng)

    def _finite(self, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for _ in range(_TRIES):
            position = first + rng.uniform(-1, 1, first.size)
            try:
                value, gradient = self.target(position)
            except (ArithmeticError, ValueError, np.linalg.LinAlgError):
                continue
            if np.isfinite(value) and np.all(np.isfinite(gradient)):
                return position
        raise RuntimeError(f"no start with a finite log-density found in {_TRIES} tries")


Prepare = Callable[[Problem], Sample]
