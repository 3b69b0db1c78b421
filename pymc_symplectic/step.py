"""The step method that `pymc.sample` runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, Unpack

import numpy as np
import pymc as pm
from pymc.blocking import PointType, StatsType
from pymc.step_methods.compound import BlockedStep, Competence, StepMethodState
from pymc.step_methods.state import dataclass_state
from pymc.util import RandomGenerator, get_random_generator
from rich.progress import TextColumn
from rich.table import Column

from .chain import Chain
from .kernels import statistics as column
from .settings import Options, Settings
from .target import LogDensity

__all__ = ["HMC"]

# PyMC's own names and dtypes, so that steps can be mixed and every tool that reads NUTS reads these.
_STATISTICS: Mapping[str, tuple[int, Any]] = {
    "energy": (column.ENERGY, np.float64),
    "energy_error": (column.ENERGY_ERROR, np.float64),
    "max_energy_error": (column.MAX_ENERGY_ERROR, np.float64),
    "model_logp": (column.MODEL_LOGP, np.float64),
    "mean_tree_accept": (column.MEAN_TREE_ACCEPT, np.float64),
    "step_size": (column.STEP_SIZE, np.float64),
    "step_size_bar": (column.STEP_SIZE_BAR, np.float64),
    "tree_size": (column.TREE_SIZE, np.float64),
    "n_gradients": (column.N_GRADIENTS, int),
    "diverging": (column.DIVERGING, bool),
    "depth": (column.DEPTH, np.int64),
    "reached_max_treedepth": (column.REACHED_MAX_TREEDEPTH, bool),
    "index_in_trajectory": (column.INDEX_IN_TRAJECTORY, np.int64),
}


_WHOLE = [name for name, (_, dtype) in _STATISTICS.items() if dtype in (int, np.int64)]
_PROGRESS = (
    ("divergences", "Divergences", ""),
    ("step_size", "Step size", ":0.3f"),
    ("mean_tree_accept", "Acceptance", ":0.2f"),
    ("n_gradients", "Grad evals", ""),
)


@dataclass_state
class HMCState(StepMethodState):
    """What PyMC keeps of a step between chains."""

    tune: bool
    chain_snapshot: dict[str, Any] | None = field(default=None)


class HMC(BlockedStep):
    r"""Hamiltonian Monte Carlo with a choice of integrator, kinetic energy, metric and trajectory, for `pymc.sample`.

    Parameters
    ----------
    vars : sequence of variables, optional
        What to sample; all continuous free variables by default.
    integrator : str or Integrator, optional
        A name in `pymc_symplectic.integrators.CATALOGUE` (``"leapfrog"``, ``"yoshida4"``, ``"bcss3"``, ...) or your own
        coefficients.
    kinetic : str or KineticEnergy, optional
        The kinetic energy; ``"gaussian"`` by default.
    metric : str, Metric or array, optional
        ``"identity"``, ``"diagonal"`` or ``"dense"``, the latter two learned in warm-up; or a vector of variances, or a
        covariance matrix, of the unconstrained parameters.
    trajectory : str or Trajectory, optional
        `NoUTurn`, the default, `FixedTime` or `FixedSteps`; during warm-up, `NoUTurn` until the metric is known.
    step_size : float, optional
        The size ε of one integrator step; by default tuned in warm-up, given it stays as it is.
    target_accept : float, optional
        The acceptance probability that tuning aims for, by default what suits the integrator
        (`Integrator.target_accept`).
    max_energy_error : float, optional
        A trajectory whose energy error exceeds this is a divergence.
    model : pymc.Model, optional
        By default the model of the context.
    rng : optional
        Seed or generator, for use outside of `pymc.sample`, which brings its own.
    initial_point : dict, optional
        Shapes of the variables, where they differ from those of ``model.initial_point()``.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler.
    blocked : bool, optional
        Whether to sample all variables together, or each by its own chain.

    Raises
    ------
    TypeError
        When one of `vars` is discrete.
    ValueError
        When a name is not known (the message lists the choices), a number is out of range, or one of `vars` is not a
        free variable of the model.

    Notes
    -----
    One draw samples a momentum, follows Hamilton's equations for
    :math:`H(q, r) = -\log\pi(q) + K(r)` by the integrator, and accepts the end with probability
    :math:`\min(1, e^{-\Delta H})`, which leaves π invariant [1]_.  All of it is one call of compiled code.

    Statistics describe the draw that is stored: ``energy`` and ``energy_error`` (0 where the proposal was refused),
    ``max_energy_error`` of the whole trajectory, ``model_logp``, ``mean_tree_accept`` (the acceptance probability, which
    ArviZ calls acceptance_rate), ``step_size``, ``step_size_bar``, ``tree_size`` (integrator steps, which ArviZ calls
    n_steps), ``n_gradients`` (evaluations of the gradient, those of step-size searches too), ``diverging``,
    ``divergences`` (so far, without warm-up's) and ``index_in_trajectory``.

    References
    ----------
    .. [1] R. M. Neal (2011). MCMC using Hamiltonian dynamics. Handbook of Markov Chain Monte Carlo, chapter 5.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x", shape=3)
    ...     step = ps.HMC(integrator="yoshida4")
    >>> step.settings.integrator.stages
    3
    """

    name = "symplectic_hmc"
    default_blocked = True
    stats_dtypes_shapes: ClassVar = {
        **{name: (dtype, []) for name, (_, dtype) in _STATISTICS.items()},
        "divergences": (int, []),
    }
    _state_class = HMCState

    def __init__(
        self,
        vars: Sequence[Any] | None = None,
        *,
        model: pm.Model | None = None,
        rng: RandomGenerator = None,
        initial_point: PointType | None = None,
        compile_kwargs: Mapping[str, Any] | None = None,
        blocked: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self.settings = Settings.choose(**options)
        self.target = LogDensity(vars, model=model, initial_point=initial_point, compile_kwargs=compile_kwargs)
        self.vars = self.target.vars
        self.blocked = blocked
        self.tune = True
        # Compiles everything now, so that forked workers inherit it.
        self.setup_chain(get_random_generator(rng), 0, 0)
        self._chain.compile()

    def setup_chain(self, rng: RandomGenerator, tune: int, draws: int) -> None:
        """Begin a new chain; PyMC calls it once per chain."""
        super().setup_chain(rng, tune, draws)
        self._chain = Chain(self.target, self.settings, self.rng, tune)
        self._position: np.ndarray | None = None
        self._divergences = 0
        self.tune = tune > 0

    def reset_tuning(self) -> None:
        """Nothing to do: `setup_chain` has begun anew, in parallel sampling as well."""

    def step(self, point: PointType) -> tuple[PointType, StatsType]:
        """Make one draw from `point`, a dictionary of all value variables."""
        held = self.target.hold(point)
        changed = self.target.refresh() or held
        position = self.target.to_vector(point)
        if self._position is None:
            self._chain.start(position)
        elif changed or not np.array_equal(position, self._position):
            self._chain.move_to(position)
        draws, rows = self._chain.advance(1)
        new = self.target.to_point(draws[0])
        self._position = self.target.to_vector(new)
        return {**point, **new}, [self._statistics(rows[0])]

    def _statistics(self, row: np.ndarray) -> dict[str, Any]:
        values = row.tolist()
        stats = {name: values[i] for name, (i, _) in _STATISTICS.items()}
        for name in _WHOLE:
            stats[name] = int(stats[name])
        stats["diverging"] = diverging = bool(stats["diverging"])
        if diverging and not self.tune:
            self._divergences += 1
        stats["divergences"] = self._divergences
        return stats

    @property
    def chain_snapshot(self) -> dict[str, Any] | None:
        """State of the chain that is running, for `sampling_state`; None before its first draw."""
        return None if self._position is None else self._chain.snapshot()

    @chain_snapshot.setter
    def chain_snapshot(self, snapshot: dict[str, Any] | None) -> None:
        if snapshot is not None:
            self._chain.restore(snapshot)
            self._position = self._chain.position
        else:
            self._position = None

    @staticmethod
    def competence(var: Any, has_grad: bool) -> Competence:
        """Serves continuous variables; PyMC never assigns it unasked."""
        return Competence.COMPATIBLE if has_grad else Competence.INCOMPATIBLE

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is compiled: it is built anew from the arguments, where the step is unpickled."""
        return {"sampling_state": self.sampling_state, "kwargs": self.__getnewargs_ex__()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        args, kwargs = state["kwargs"]
        self.__init__(*args, **kwargs)  # type: ignore[misc]
        self.sampling_state = state["sampling_state"]

    @staticmethod
    def _progressbar_config(n_chains: int = 1) -> tuple[list[TextColumn], dict[str, list[Any]]]:
        columns = [
            TextColumn(f"{{task.fields[{name}]{style}}}", table_column=Column(title, ratio=1))
            for name, title, style in _PROGRESS
        ]
        return columns, {name: [0] * n_chains for name, _, _ in _PROGRESS}

    @staticmethod
    def _make_progressbar_update_functions() -> tuple[Callable[[dict[str, Any]], dict[str, Any]]]:
        def update(stats: dict[str, Any]) -> dict[str, Any]:
            return {name: stats[name] for name, _, _ in _PROGRESS} | {"failing": stats["divergences"] > 0}

        return (update,)
