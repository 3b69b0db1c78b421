"""One Markov chain: where it is, what it draws by, and `advance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pymc.exceptions import SamplingError

from .adaptation.efficiency import compile_scores
from .adaptation.gathering import Gathering, Verdict
from .adaptation.lab import BrokenError, Lab
from .adaptation.plan import Plan
from .adaptation.warmup import WarmUp
from .coordinates import Coordinates
from .kernels import chain as kernels
from .kernels import statistics as column
from .kernels.adapt import (
    LEARNS,
    LOG_MEAN_STEP,
    TARGET_ACCEPT,
    TUNES_STEP,
    forget,
    new_learning,
    restart_step_size,
)
from .kernels.compile import bind, layouts
from .kernels.delayed import SurrogateRule
from .kernels.kinetic import draws as draw_momenta
from .kernels.random import generator_record
from .kernels.state import DUE, GRADIENTS, KEPT, SEEN, STRIDE, VALUES, new_state
from .kernels.status import Status
from .knowledge import LearnedChain
from .propriety import Watch
from .settings import Settings, unadapted
from .snapshots import check_snapshot, upgraded
from .statistics import COLUMNS
from .target import LogDensity
from .threads import one_thread
from .window import Window

__all__ = ["Chain"]

_NUMBERS = [place for place, dtype in COLUMNS.values() if dtype is np.float64]  # statistics that may be NaN


class Chain:
    """One chain on one log-density.

    Parameters
    ----------
    target : LogDensity
        Shared by all chains of a model.
    settings : Settings
    rng : numpy.random.Generator
        All randomness of the chain.  Its bit generator is advanced in place.
    tune : int, optional
        Draws of warm-up, in which step size and metric adapt.
    open_ended : bool, optional
        Whether warm-up ends as soon as nothing is left to learn.  What it leaves of `tune` draws is not a number.
    thin : int, optional
        After warm-up, how many transitions make a draw; counts are of draws.
    waits : bool, optional
        Whether it waits at the end of its warm-up until something is said of it.

    Notes
    -----
    ``advance(a)`` then ``advance(b)`` makes the same draws as ``advance(a + b)``, unless the chain waits in between.
    """

    def __init__(
        self,
        target: LogDensity,
        settings: Settings,
        rng: np.random.Generator,
        tune: int = 0,
        open_ended: bool = False,
        thin: int = 1,
        waits: bool = False,
    ) -> None:
        self.target, self.settings, self.rng, self.tune = target, settings, rng, tune
        self.count, self._open_ended, self._thin = 0, open_ended, thin
        self._random = generator_record(rng)
        self._gathering = Gathering(target.dim, waits)
        self._warmup = self._new_warmup()
        self._state = new_state(target.dim, self._warmup.trail)
        step_size = settings.step_size or 1.0
        self._learning = new_learning(target.dim, self._warmup.memory, step_size, settings.target_accept)
        self._coordinates = Coordinates(target, settings, self._warmup.approaching)
        self._watch = self._new_watch()
        self._kernels = target.kernels_of(settings)
        self._use(self._warmup.outline())
        self._started = False
        self._watched = 0  # draws that have been watched

    def _new_warmup(self) -> WarmUp:
        settings = self.settings
        if self._gathering.waits:
            settings = replace(settings, policy=settings.policy.sharing())
        return WarmUp(settings, self.target.dim, self.tune, self._open_ended)

    def _new_watch(self) -> Watch:
        return Watch(self.target, self.settings.max_energy_error, not unadapted(self.settings, self.tune))

    def _use(self, plan: Plan) -> None:
        """Draw by this plan from now on."""
        kinetic, tuning = self._warmup.energy, self._learning.tuning
        self._plan = plan = self._with_values(plan)
        self._speed_limit, self._gain = kinetic.speed_limit(plan.kinetic), kinetic.gain(plan.kinetic)
        target = self._coordinates.target._replace(inverse_temperature=1.0 / self.settings.temperature)
        self._system = plan.system(target)
        self._lab = Lab(self._system.target, self._state, self.rng, self.settings.max_energy_error)
        self._advance = self._bind(plan)
        tuning[TARGET_ACCEPT], tuning[TUNES_STEP], tuning[LEARNS] = plan.target_accept, plan.tunes_step, plan.learns
        if plan.restart is not None:
            restart_step_size(self._learning.step, *plan.restart)
        self._next_event = self._warmup.next_event(self.count)
        trail = self._state.trail.counters
        trail[STRIDE], trail[DUE] = self._warmup.stride, self._warmup.due
        self._take_value()

    def _take_value(self) -> None:
        """Where draws go by values, take that of the current one, which differs from that with a gradient by rounding.

        So a chain that is restored goes on with the same number.  Where draws have gone so, the gradient is NaN.
        """
        rule = self._plan.rule
        if isinstance(rule, SurrogateRule) and not rule.exact and not np.isnan(self._state.current.gradient).all():
            kernels.value_alone(rule.values, self._state)

    def _with_values(self, plan: Plan) -> Plan:
        """The same plan, and where it draws by values of the log-density, with these, and that of the current draw."""
        if not isinstance(plan.rule, SurrogateRule):
            return plan
        target = self._coordinates.target if plan.rule.exact else self._coordinates.values
        values = target._replace(inverse_temperature=1.0 / self.settings.temperature)
        return replace(plan, rule=plan.rule._replace(values=values))

    def _bind(self, plan: Plan) -> Callable[..., tuple[int, int]]:
        # Looking at the types of all arguments takes as long as dozens of draws; only a metric's arrays, which linear
        # algebra has made, may be laid out in another way than before.
        key = (*plan.kinds, layouts(plan.metric))
        if key not in self._kernels.bound:
            draws, rows = np.empty((0, self.target.dim)), np.empty((0, column.N_COLUMNS))
            system = plan.system(self._system.target)
            arguments = (system, plan.rule, self._state, self._learning, self._random, draws, rows)
            self._kernels.bound[key] = bind(kernels.advance, *arguments)
        return self._kernels.bound[key]

    def compile(self, *, all_foreseen: bool = False) -> None:
        """Load or compile the kernels by which this chain begins, without drawing.

        With `all_foreseen`, those too that it is likely to come to in warm-up, which half of all models never need:
        for chains in processes that are forked from this one, and would each compile their own.
        """
        known = self._kernels.compiled
        if not known:
            self._lab.compile(self._plan.system(self._system.target), tests=False, outings=False)
            known.add("first")
        if "foreseen" in known or not all_foreseen:
            return
        tests = self._warmup.tests_trajectories
        for plan, outings in self._warmup.foreseen(self._plan):
            self._bind(plan)
            self._lab.compile(plan.system(self._system.target), tests=tests, outings=outings)
        if tests:
            compile_scores()
        known.add("foreseen")

    @property
    def position(self) -> np.ndarray:
        """The current draw, unconstrained (d,); a copy."""
        (position,), _ = self._coordinates.outward(self._state.current.position[None].copy())
        return position

    @property
    def step_size(self) -> float:
        """The step size that sampling uses: what warm-up has settled on so far."""
        return float(np.exp(self._learning.step[LOG_MEAN_STEP]))

    @property
    def plan(self) -> Plan:
        """The current plan."""
        return self._plan

    @property
    def metric(self) -> Any:
        """The linear map in use."""
        return self._plan.metric

    @property
    def kinetic(self) -> Any:
        """The record of the kinetic energy in use."""
        return self._plan.kinetic

    @property
    def mean(self) -> np.ndarray | None:
        """The mean (d,) of the Gaussian whose motion a harmonic drift is, a copy; None where the drift is free."""
        return self._warmup.turns_about(self._plan)

    @property
    def choice(self) -> dict[str, Any]:
        """Integrator, trajectory and metric in use, and how they were chosen, as words and numbers."""
        found = {**self._warmup.choice(self._plan.metric), "step_size": self.step_size}
        told = {"centered": self._coordinates.centered, "moved": self._gathering.moved}
        return {**found, **{name: value for name, value in told.items() if value}}

    def move_to(self, position: np.ndarray) -> None:
        """Go on from another position, or from the same one on a log-density that has changed.

        Raises
        ------
        SamplingError
            When the log-density or its gradient is not finite there; it names the variable.
        """
        self.target.check_process()
        self._move_in(self._coordinates.inward(position), position)

    def _move_in(self, coordinates: np.ndarray, position: np.ndarray) -> None:
        """Go on from coordinates, which are those of a position in the model's."""
        self._state.current.position[:] = coordinates
        if kernels.evaluate_start(self._system.target, self._state) == Status.BROKEN:
            self.target.raise_error()
        if not np.isfinite(self._state.current.value[0]):
            failure = f" ({type(self.target.error).__name__}: {self.target.error})" if self.target.error else ""
            message = (
                f"The log-density, or its gradient, is not finite at the start: {self.target.blame(position)}{failure}."
            )
            raise SamplingError(message) from self.target.error
        self._take_value()

    def start(self, position: np.ndarray) -> None:
        """Begin at a position: the first metric, and the first step size; or from what another run has learned."""
        known = None if self.settings.learned is None else self.settings.learned.of(position)
        if known is not None:
            self._coordinates.take(known.weights)
        self.move_to(position)
        plan = self._measured(lambda: self._warmup.begin(self._lab, known))
        if self.settings.refreshment.keeps:
            # no metric, and no trajectory that draws momenta of its own, changes what this is a draw from
            draw_momenta(plan.kinetic, self._random, self._state.kept[None])
        self._started = True

    def _measured(self, plan_of: Callable[[], Plan]) -> Plan:
        """Draw by a plan that takes measurements to make, with one thread of BLAS: sums by several may differ."""
        try:
            with one_thread(), np.errstate(over="ignore", invalid="ignore"):  # of draws without end
                plan = plan_of()
        except BrokenError:
            self.target.raise_error()
        self._use(plan)
        return plan

    def advance(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Make `count` draws; fewer where the chain waits at the end of its warm-up.

        Returns
        -------
        draws : ndarray of shape (n, d)
            Unconstrained positions; NaN where warm-up had ended by itself.
        rows : ndarray of shape (n, N_COLUMNS)
            Their statistics, by the columns of `kernels.statistics`.

        Raises
        ------
        SamplingError
            When the log-density raised an error that is not of arithmetic.
        """
        if not self._started:
            raise RuntimeError("start the chain before it advances")
        draws, rows = np.empty((count, self.target.dim)), np.zeros((count, column.N_COLUMNS))
        made, trail = 0, self._state.trail.counters
        while made < count and not self.waiting:
            if skipped := self._skip(draws[made:], rows[made:]):
                made += skipped
                continue
            stop = min(count, made + self._next_event - self.count)
            drawn = self._draw(draws[made:stop], rows[made:stop])
            made += drawn
            if self.count == self._next_event or trail[KEPT] >= trail[DUE]:
                self._end_window()
        return draws[:made], rows[:made]

    def _draw(self, draws: np.ndarray, rows: np.ndarray) -> int:
        """Make draws, as many as there is room for unless something is to be learned before; returns how many."""
        if self._thin > 1 and self.count >= self.tune:
            return self._draw_thinned(draws, rows)
        drawn = self._transitions(draws, rows)
        self.count += drawn
        if self.count > self.tune:
            self._watch.after_draws(rows[:drawn], self._system, self._state)
        return drawn

    def _draw_thinned(self, draws: np.ndarray, rows: np.ndarray) -> int:
        """Make draws of several transitions each, which learn nothing.

        Evaluations and failures are those of all these transitions, and so are divergences, so that none is left out.
        """
        thin = self._thin
        every = np.empty((thin * len(draws), draws.shape[1])), np.zeros((thin * len(draws), column.N_COLUMNS))
        self._transitions(*every)
        self._watch.after_draws(every[1], self._system, self._state)
        draws[:], rows[:] = (array[thin - 1 :: thin] for array in every)
        grouped = every[1].reshape(-1, thin, column.N_COLUMNS)
        for place in (column.N_GRADIENTS, column.N_VALUES, column.SOLVER_FAILURES):
            rows[:, place] = grouped[:, :, place].sum(axis=1)
        rows[:, column.DIVERGING] = grouped[:, :, column.DIVERGING].max(axis=1)
        self.count += len(draws)
        return len(draws)

    def _transitions(self, draws: np.ndarray, rows: np.ndarray) -> int:
        """Make transitions, and write where they came to; returns how many."""
        drawn, status = self._advance(
            self._system, self._plan.rule, self._state, self._learning, self._random, draws, rows
        )
        rows[:drawn, column.N_VALUES] += self.target.values_a_gradient * rows[:drawn, column.N_GRADIENTS]
        rows[:drawn, [column.SPEED_LIMIT, column.KINETIC_GAIN]] = self._speed_limit, self._gain
        self._in_the_models(draws[:drawn], rows[:drawn])
        if status == Status.BROKEN:
            self.target.raise_error()
        self.target.warn_of_errors()
        return int(drawn)

    def _in_the_models(self, draws: np.ndarray, rows: np.ndarray) -> None:
        """Put draws, and their log-densities, into the coordinates of the model, in place."""
        if self._coordinates.weights is not None:
            draws[:], log_jacobian = self._coordinates.outward(draws)
            rows[:, column.MODEL_LOGP] -= self.settings.temperature * log_jacobian

    def _end_window(self) -> None:
        """Learn from the window of warm-up that has ended; or, at the end of warm-up, no more."""
        if self._coordinates.learns and self._warmup.may_begin_anew(self.count) and self._reparametrized():
            return
        window, system = Window.of(self._learning, self.count), self._system
        learned = self._warmup.learns
        self._measured(lambda: self._warmup.after(window, self._plan, self._lab))
        if learned:
            last = not self._warmup.learns
            fresh = window if last else window.last(self.count - self._watched)
            if last or fresh.count >= self._watch.fewest:
                self._watched = self.count
                self._watch.after_window(fresh, system, self._state, last)
        if self._gathering.waits and self._warmup.end <= self.count and len(window.draws):
            latest, policy = window.last(self.settings.policy.stranded_draws), self.settings.policy
            _, stretched = self._coordinates.outward(latest.draws.copy())
            if self._gathering.arrive(latest, stretched, self.metric, self.position, policy):
                self._gathering.known = LearnedChain.of(self.snapshot())
        if not self._plan.goes_on:
            forget(self._learning)

    def _reparametrized(self) -> bool:
        """Whether other coordinates are better, by the points of trajectories, and warm-up has begun anew in them."""
        position = self.position
        try:
            other = self._coordinates.learn(Window.of_trail(self._state.trail), lambda at: self._lab.evaluate(at).value)
        except BrokenError:
            self.target.raise_error()
        if not other:
            return False
        self._begin_anew(position)
        return True

    def _begin_anew(self, position: np.ndarray) -> None:
        """Warm up from here, with what is left of the draws for it, as if nothing had been learned but coordinates."""
        trail = self._state.trail.counters
        trail[SEEN], trail[KEPT] = 0, 0
        forget(self._learning)
        self._warmup = self._new_warmup()
        self._use(self._warmup.outline())  # by gradients, which a surrogate does without
        self.move_to(position)
        self._measured(lambda: self._warmup.begin(self._lab))

    @property
    def waiting(self) -> bool:
        """Whether it stands at the end of its warm-up, and draws no more before something is said of it."""
        return self._gathering.waiting

    @property
    def gathering(self) -> dict[str, Any]:
        """The ends of warm-up that it has come to, as of the snapshot of a `Gathering`."""
        return self._gathering.snapshot()

    def hear(self, verdict: Verdict) -> None:
        """Go on from the end of warm-up; or begin it anew elsewhere, where there are draws left for it."""
        heard = self._gathering.hear(verdict)
        if heard is None:
            return
        if heard.known is not None:
            self._use(self._warmup.agreed(heard.known, self._plan, self.count))
        if heard.position is not None and self._warmup.leaves_time(self.count):
            self._gathering.moved += 1
            # what was seen, warned of, and chosen is of a place that is left
            self._coordinates = Coordinates(self.target, self.settings, True)
            self._watch, self._watched = self._new_watch(), self.count
            self._begin_anew(heard.position)

    def _skip(self, draws: np.ndarray, rows: np.ndarray) -> int:
        """Pass over draws of warm-up that are not needed any more, which are no numbers; returns how many."""
        if not self._warmup.end <= self.count < self.tune:
            return 0
        skipped = min(len(draws), self.tune - self.count)
        draws[:skipped], rows[:skipped, _NUMBERS] = np.nan, np.nan
        rows[:skipped, [column.STEP_SIZE, column.STEP_SIZE_BAR]] = self.step_size
        self.count += skipped
        self._next_event = self._warmup.next_event(self.count)
        return skipped

    def snapshot(self) -> dict[str, Any]:
        """Everything the chain is, as arrays and numbers: restored, it goes on with the same draws."""
        plan = self._plan
        return {
            "count": self.count,
            "position": self.position,
            "log_density": self._log_density(),
            "coordinates": self._coordinates.snapshot(self._state.current.position),
            "metric": _copy(plan.metric),
            "kinetic": plan.kinetic.params.copy(),
            "mean": None if plan.mean is None else plan.mean.copy(),
            "momentum": self._state.kept.copy() if self.settings.refreshment.keeps else None,
            "learning": _copy(self._learning),
            "trail": _copy(self._state.trail) if self._warmup.remembers else None,
            "skipped": self._warmup.end < self.count <= self.tune,
            "pending_gradients": int(self._state.counters[GRADIENTS]),
            "pending_values": int(self._state.counters[VALUES]),
            "rng": self.rng.bit_generator.state,
            "choice": self.choice,
            "gathering": self.gathering,
            **self._warmup.snapshot(),
        }

    def _log_density(self) -> float:
        """Of the model, where the chain is."""
        _, (log_jacobian,) = self._coordinates.outward(self._state.current.position[None])
        return (float(self._state.current.value[0]) - float(log_jacobian)) * self.settings.temperature

    def check(self, snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
        """`snapshot` as this version makes them; a ValueError unless a chain with such settings can be like that."""
        try:
            snapshot = upgraded(snapshot, self.settings, self.tune)
            check_snapshot(snapshot, self.settings, self.tune, self._learning, self._state.trail)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"the state of the chain lacks something: {type(error).__name__}: {error}") from error
        return snapshot

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes, of a chain with the same target, settings and warm-up.

        Raises
        ------
        ValueError
            When no such chain can be like that.
        """
        snapshot = self.check(snapshot)
        self.target.check_process()
        self._move_in(self._coordinates.restore(snapshot["coordinates"], snapshot["position"]), snapshot["position"])
        self.count, self._started = snapshot["count"], True
        self._gathering.restore(snapshot["gathering"])
        self._use(self._warmup.restore(snapshot))
        for memory, name in ((self._learning, "learning"), (self._state.trail, "trail")):
            for field, array in (snapshot[name] or {}).items():
                getattr(memory, field)[...] = array
        if self.settings.refreshment.keeps:
            self._state.kept[:] = snapshot["momentum"]
        self._state.counters[GRADIENTS] = snapshot["pending_gradients"]
        self._state.counters[VALUES] = snapshot["pending_values"]
        self.rng.bit_generator.state = snapshot["rng"]


def _copy(record: Any) -> dict[str, np.ndarray]:
    """The arrays of a record, by name."""
    return {name: array.copy() for name, array in record._asdict().items()}
