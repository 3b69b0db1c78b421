"""The step method that `pymc.sample` runs."""

from __future__ import annotations

import inspect
import io
import logging
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import field
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Unpack

import cloudpickle
import numpy as np
import pymc as pm

from .adaptation.words import in_words
from .chain import Chain
from .checks import truth
from .native.pymc import (
    Competence,
    PointType,
    RandomGenerator,
    StatsType,
    Step,
    StepMethodState,
    dataclass_state,
    get_random_generator,
    in_second_worker,
)
from .precompile import ahead_of_first_start
from .settings import OF_SAMPLE, Options, Settings, check_names, refuse_unlearned, unadapted, with_options
from .snapshots import check_learned
from .statistics import COLUMNS, DTYPES
from .target import Compilation, check_parametrization, kept_log_density, opened, run_with, value_variables

__all__ = ["HMC"]

_log = logging.getLogger(__name__)

_NAMES = tuple(COLUMNS)
_pick = itemgetter(*(place for place, _ in COLUMNS.values()))
_WHOLE = [(name, bool if dtype is bool else int) for name, (_, dtype) in COLUMNS.items() if dtype is not np.float64]
_PROGRESS = (
    ("divergences", "Divergences", ""),
    ("step_size", "Step size", ":0.3f"),
    ("mean_tree_accept", "Acceptance", ":0.2f"),
    ("n_gradients", "Grad evals", ""),
)


_ELSEWHERE = {
    **{
        name: f"it goes to pm.sample, beside the step: pm.sample(step=ps.HMC(...), {name}=...)"
        for name in inspect.signature(pm.sample).parameters
    },
    **{name: f"it goes to ps.sample, with the options beside it: ps.sample({name}=...)" for name in OF_SAMPLE},
    "step": "HMC is the step: pm.sample(step=ps.HMC(...))",
}
"""Of arguments that belong to what runs the step, where to give them."""


@dataclass_state
class HMCState(StepMethodState):
    """The state of a step that PyMC keeps between chains."""

    tune: bool
    warmup: int
    divergences: int
    # last, because the chain that it is restored to is made from the others
    chain_snapshot: dict[str, Any] | None = field(default=None)


class HMC(Step, state=HMCState):
    r"""Hamiltonian Monte Carlo with a choice of integrator, kinetic energy, metric and trajectory, for `pymc.sample`.

    Parameters
    ----------
    vars : sequence of variables or names, optional
        What to sample; all continuous free variables by default.
    integrator : str, Integrator or ImplicitMidpoint, optional
        ``"auto"``, the default, which lets warm-up choose together with the trajectory and is leapfrog with one that is
        given; a name in `pymc_symplectic.integrators.CATALOGUE` (``"leapfrog"``, ``"yoshida4"``, ``"bcss3"``, ...) or
        your own coefficients; or in `pymc_symplectic.integrators.HARMONIC` (``"harmonic_leapfrog"``, ...), with
        the Gaussian kinetic energy alone.
    kinetic : str or KineticEnergy, optional
        A name in `pymc_symplectic.kinetic.CATALOGUE` (``"gaussian"``, the default, ``"relativistic"``, ...), or one
        with parameters of your own.
    metric : str, Metric or array, optional
        A name in `pymc_symplectic.metrics.CATALOGUE` (``"auto"``, the default, ``"diagonal"``, ``"dense"``, ...), to be
        learned in warm-up; or a vector of variances, or a covariance matrix, of the unconstrained parameters.
    trajectory : str or TrajectoryRule, optional
        ``"auto"``, the default, `NoUTurn`, `FixedTime` or `FixedSteps`; during warm-up, `NoUTurn` until the metric is
        known.  ``"auto"`` measures late in warm-up the efficiency of fixed path lengths, and takes the best where it is
        clearly better than `NoUTurn` and safe.  ``FixedSteps(1)`` is MALA.
    refreshment : Refreshment, optional
        What becomes of the momentum between trajectories: `Full`, the default, draws all of it anew, and `Partial`
        keeps a part, as Langevin dynamics does, with the Gaussian kinetic energy and a fixed length.  The trajectory
        ``"auto"`` is a single step then.
    step_size : float, optional
        The size ε of one integrator step; by default tuned in warm-up, given it stays as it is.
    target_accept : float, optional
        The acceptance probability that tuning aims for, by default what suits the integrator
        (`Integrator.target_accept`), and at least 0.9 where warm-up stays with no-U-turn because the target is far from
        a Gaussian (`Policy.far_accept`).
    max_energy_error : float, optional
        A trajectory whose energy error exceeds this is a divergence.
    temperature : float, optional
        T of the target :math:`\pi^{1/T}`, where π is the density on unconstrained space; 1 by default.
    parametrization : str or dict, optional
        The coordinates in which a variable of a hierarchy is moved, whose location μ or scale σ depends on others:
        :math:`y = (q - \mu)\sigma^{w-1} + w\mu`, centered at w = 1, and non-centered at w = 0.  ``"auto"``, the
        default, begins at 0, and warm-up learns a weight for each variable, or each element; with a metric that is
        given, or without warm-up, it is ``"model"``, as the model is written.  ``"noncentered"`` is 0 for all, and a
        dictionary has weights by names of variables, numbers or arrays; others are as written.  All that is seen of
        draws is in the model's variables.
    gradient : str or Differences, optional
        ``"exact"``, the default, is that of the model.  ``"differences"``, or a `Differences` with a step of one's own,
        takes it by finite differences of the log-density, for models of up to 12 parameters that have no gradient, as
        simulators, or a dear one.  Draws are from the density itself whatever their error.
    policy : Policy, optional
        The constants by which warm-up decides, for whoever studies it; nobody who samples has to know them.
    learned : Learned, optional
        What another run of the same model has learned, by `pymc_symplectic.learned`, perhaps with other data.  Without
        warm-up (``tune=0``) nothing adapts then; with it, chains begin by what was learned, while it holds.  Other
        options are those of that run: integrator, kinetic energy, metric, trajectory, refreshment, parametrization
        and temperature.
    model : pymc.Model or CompiledModel, optional
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
        When a name is not known (the message lists the choices), a number is out of range, one of `vars` is not a free
        variable of the model, an integrator or a refreshment does not go with the kinetic energy or the trajectory, or
        what was learned is of another model, or of a run with other options.

    Notes
    -----
    One draw samples a momentum, follows Hamilton's equations for
    :math:`H(q, r) = -\tfrac1T \log\pi(q) + K(r)` by the integrator, and accepts the end with probability
    :math:`\min(1, e^{-\Delta H})`, which leaves π invariant [1]_.  All of it is one call of compiled code.

    Statistics describe the draw that is stored: ``energy`` and ``energy_error`` (0 where the proposal was refused),
    ``max_energy_error`` of the whole trajectory, ``model_logp``, ``mean_tree_accept`` (the acceptance probability,
    which ArviZ calls acceptance_rate), ``step_size``, ``step_size_bar``, ``tree_size`` (integrator steps, which ArviZ
    calls n_steps), ``n_gradients`` (evaluations of the gradient, those of step-size searches too), ``n_values``
    (evaluations of the log-density without its gradient, of which most samplers need none), ``diverging``,
    ``divergences`` (so far, without warm-up's), ``velocity_norm`` (of the momentum that was drawn, in whitened
    coordinates) and ``speed_limit`` (what it cannot exceed, infinite for most kinetic energies),
    ``kinetic_gain`` (what a learned kinetic energy expects of a gradient, over what the Gaussian one makes of it),
    ``index_in_trajectory``, and of `NoUTurn` ``depth`` (doublings, which
    ArviZ calls tree_depth) and ``reached_max_treedepth``.

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
    stats_dtypes_shapes: ClassVar[dict[str, tuple[Any, list[int]]]] = {
        name: (dtype, []) for name, dtype in DTYPES.items()
    }
    progress_columns = _PROGRESS
    _snapshot: dict[str, Any] | None
    _bytes: bytes | None
    """The position that the chain stands at, as `point` would give it; None before the first draw."""

    def __new__(cls, vars: Any = None, **kwargs: Any) -> Any:
        """Make the step; with ``blocked=False``, one for each of `vars`, in a `CompoundStep`."""
        # Settled here because PyMC takes None for all variables, discrete ones too, and remembers that for unpickling.
        compilation = _opened(kwargs.get("model"), kwargs.get("compile_kwargs"))
        kwargs |= {"model": compilation.model, "compile_kwargs": compilation.compile_kwargs}
        return super().__new__(cls, value_variables(vars, compilation.model), **kwargs)

    def __init__(
        self,
        vars: Any = None,
        *,
        model: pm.Model | Compilation | None = None,
        rng: RandomGenerator = None,
        initial_point: PointType | None = None,
        compile_kwargs: Mapping[str, Any] | None = None,
        blocked: bool = True,
        **options: Unpack[Options],
    ) -> None:
        check_names(options, _ELSEWHERE)
        self.settings = Settings.choose(**options)
        compilation = _opened(model, compile_kwargs)
        check_parametrization(self.settings.parametrization, compilation.model, vars)
        ahead_of_first_start()
        with run_with(compilation.model, None):
            self.target = kept_log_density(
                compilation.model,
                compilation.compile_kwargs,
                vars=vars,
                initial_point=initial_point,
                reparametrized=self.settings.reparametrizes,
                differences=self.settings.gradient or compilation.differences,
            )
        if self.settings.learned is not None:
            check_learned(self.settings.learned, self.settings, self.target)
        self.vars = self.target.vars
        self.blocked = truth("blocked", blocked)
        self._made_of = _terms_of(self.target.model)
        self._last_start: bytes | None = None
        self._noticed = False
        # Compiles everything now, so that forked workers inherit it.
        self.setup_chain(get_random_generator(rng), 0, 0)
        self._chain.compile(all_foreseen=True)

    # what help() shows
    __new__.__signature__ = __init__.__signature__ = with_options(inspect.signature(__init__))  # type: ignore[attr-defined]

    def setup_chain(self, rng: RandomGenerator, tune: int, draws: int) -> None:
        """Begin a new chain; PyMC calls it once per chain."""
        super().setup_chain(rng, tune, draws)
        self.tune, self.warmup, self.divergences = tune > 0, tune, 0
        self.chain_snapshot = None

    def reset_tuning(self) -> None:
        """Nothing to do: `setup_chain` has begun anew, in parallel sampling as well."""

    def step(self, point: PointType) -> tuple[PointType, StatsType]:
        """Make one draw from `point`, a dictionary of all value variables."""
        target = self.target
        if self._bytes is None:
            self._check_model()
            target.check(point)
        held = target.hold(point)
        changed = target.refresh() or held
        position = target.to_vector(point)
        if self._bytes is None:
            self._begin(position)
        elif changed or position.tobytes() != self._bytes:
            self._chain.move_to(position)
        draws, rows = self._chain.advance(1)
        if self._chain.count == self.warmup:
            _log.info("Chosen in warm-up: %s.", in_words(self._chain.choice))
        # in the order of `point`, by which PyMC's trace reads the values
        new = {**point, **target.to_point(draws[0])}
        self._bytes = draws.tobytes() if target.lossless else target.to_vector(new).tobytes()
        return new, [self._statistics(rows[0])]

    def _check_model(self) -> None:
        """Raise a ValueError if the model has terms that the log-density of this step is without, or the reverse."""
        terms = _terms_of(self.target.model)
        if len(terms) != len(self._made_of) or any(a is not b for a, b in zip(terms, self._made_of, strict=True)):
            known = {id(term) for term in self._made_of}
            new = [str(term.name) for term in terms if id(term) not in known]
            raise ValueError(
                f"the model has changed since the step was made ({', '.join(new) or 'some variables'}), which would "
                "sample the old one; make the step after all variables of the model"
            )

    def _begin(self, position: np.ndarray) -> None:
        """Start the chain; or, from a snapshot, go on, and from `position` if that is another point by now."""
        if self._snapshot is None:
            self._notice_equal_starts(position)
            refuse_unlearned(self.settings, self.warmup)
            if warning := unadapted(self.settings, self.warmup):
                warnings.warn(warning, UserWarning, skip_file_prefixes=(str(Path(__file__).parent),))
            self._chain.start(position)
            return
        self._chain.restore(self._snapshot)
        self._snapshot = None
        was = self.target.to_vector(self.target.to_point(self._chain.position))
        if not np.array_equal(position, was):
            self._chain.move_to(position)

    def _notice_equal_starts(self, position: np.ndarray) -> None:
        """Say once that chains begin at one point: where they run in turn, or in PyMC's second worker process."""
        start = position.tobytes()
        in_turn = start == self._last_start
        elsewhere = in_second_worker() and np.array_equal(position, self.target.default_start)
        if (in_turn or elsewhere) and not self._noticed:
            self._noticed = True
            _log.warning(
                "All chains begin at the same point, so R-hat cannot tell whether they have found the same mode. "
                "To let them begin apart: pm.sample(initvals=ps.initial_points(model, chains), ...)"
            )
        self._last_start = start

    def _statistics(self, row: np.ndarray) -> dict[str, Any]:
        stats = dict(zip(_NAMES, _pick(row.tolist()), strict=True))
        for name, kind in _WHOLE:
            stats[name] = kind(stats[name])
        if stats["diverging"] and not self.tune:
            self.divergences += 1
        stats["divergences"] = self.divergences
        return stats

    @property
    def kinetic(self) -> Any:
        """The record of the kinetic energy that the last chain of this process came to use."""
        return self._chain.kinetic

    @property
    def chain_snapshot(self) -> dict[str, Any] | None:
        """State of the chain that is running, for `sampling_state`; None before its first draw."""
        return self._snapshot if self._bytes is None else self._chain.snapshot()

    @chain_snapshot.setter
    def chain_snapshot(self, snapshot: dict[str, Any] | None) -> None:
        # Restored at the next draw, when shared data and the other variables are as they will be: between two runs
        # they may have changed so that the log-density is not even defined where the old chain stands.
        self._chain = Chain(self.target, self.settings, self.rng, self.warmup)
        self._snapshot, self._bytes = snapshot, None

    @staticmethod
    def competence(var: Any, has_grad: bool) -> Competence:
        """Serves continuous variables; PyMC never assigns it unasked."""
        return Competence.COMPATIBLE if has_grad else Competence.INCOMPATIBLE

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is compiled: it is compiled anew where the step is unpickled."""
        self._check_model()
        state = {name: getattr(self, name) for name in ("settings", "target", "blocked", "sampling_state")}
        try:
            cloudpickle.dump((self.__getnewargs_ex__(), state), _Nowhere())
        except Exception as error:
            message = (
                f"{self.target.unpicklable()} cannot be pickled ({type(error).__name__}: {error}), so the step cannot "
                "be sent to other processes; sample with cores=1 or mp_ctx='fork', or take that object out of the model"
            )
            _log.warning(message)  # PyMC goes on with one process, and does not say why
            raise pickle.PicklingError(message) from error
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.settings, self.target, self.blocked = state["settings"], state["target"], state["blocked"]
        self.vars = self.target.vars
        self._last_start, self._noticed, self._made_of = None, False, _terms_of(self.target.model)
        self.setup_chain(None, 0, 0)
        self.sampling_state = state["sampling_state"]


def _terms_of(model: pm.Model) -> list[Any]:
    """Variables that have a part in the log-density of a model."""
    return [*model.basic_RVs, *model.potentials]


def _opened(model: Any, compile_kwargs: Mapping[str, Any] | None) -> Compilation:
    """A model as a compilation; a ValueError where it has data that are not the model's own."""
    compilation = opened(model, compile_kwargs)
    if compilation.data is not None:
        raise ValueError(
            "model: a step of pm.sample has the data of the model, and not those of with_data; give the model other "
            "data by pm.set_data, or sample by compiled.with_data(...).sample()"
        )
    return compilation


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)
