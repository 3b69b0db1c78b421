"""One Markov chain: where it is, what it has learned, and `advance`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pymc.exceptions import SamplingError

from .adaptation import propriety
from .adaptation.schedule import doubling, window_ends
from .adaptation.trials import BrokenError, empty_outings, empty_probes
from .adaptation.tuner import MEMORY, Tuner
from .adaptation.worth import Memory, compile_scores
from .integrators import get as get_integrator
from .kernels import chain as kernels
from .kernels import statistics as column
from .kernels.adapt import GAMMA, SETTLED, new_learning, restart_step_size
from .kernels.compile import bind, kinds, layouts
from .kernels.kinetic import draws as draw_momenta
from .kernels.linear import map_of
from .kernels.probe import probe, venture
from .kernels.random import generator_record
from .kernels.state import System, new_state
from .kernels.status import Status
from .metrics.estimate import remembered, whitened
from .refreshments import Full
from .settings import Settings, unadapted
from .snapshots import check_snapshot
from .splits import FREE, HARMONIC
from .target import LogDensity
from .trajectories import FixedTime, NoUTurn, Trajectory

__all__ = ["Chain"]

_FIRST_DEPTH = 5  # doublings at most in the first window; one more in each that follows
_WARMUP_LIMIT = 1000.0  # of the energy error
_FAR = 100.0  # times the squared gradient of a standard normal in its typical set
_LONGEST_AFAR = 80  # draws of a window that begins there
_EXPLORES = 10  # draws of warm-up at least, for the step size to explore more than its neighbourhood
_RESTARTS = 3  # windows after which the step size is searched for anew, and more is learned than the metric
_TARGET_ACCEPT, _TUNES_STEP, _LEARNS_METRIC = range(3)  # entries of Learning.tuning


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

    Notes
    -----
    ``advance(a)`` then ``advance(b)`` makes the same draws as ``advance(a + b)``.
    """

    def __init__(self, target: LogDensity, settings: Settings, rng: np.random.Generator, tune: int = 0) -> None:
        self._metric = settings.metric.resolve(target.dim)
        self._metric.check(target.dim)
        self.target, self.settings, self.rng, self.tune = target, settings, rng, tune
        self.count = 0
        self._random = generator_record(rng)
        self._state = new_state(target.dim)
        kinetic = settings.kinetic
        self._mean: np.ndarray | None = None  # of the Gaussian whose motion a harmonic drift is
        self._tuner = Tuner(settings, target.dim)
        learns = self._metric.adapts or kinetic.adapts or settings.integrator.split.adapts or self._tuner.active
        self._windows = window_ends(tune) if learns and target.dim else []
        longest = int(max(np.diff([0, *self._windows]), default=0))
        asked = self._metric.memory, kinetic.memory if kinetic.adapts else 0, MEMORY if self._tuner.active else 0
        memory = min(longest, max(asked))
        self._kinetic = kinetic.record(target.dim)
        self._learning = new_learning(target.dim, memory, settings.step_size or 1.0, settings.target_accept)
        self._bound: dict[Any, Callable[..., tuple[int, int]]] = target.kernels_of(settings)
        self._use(self._metric.start(np.ones(target.dim)))
        self._started = self._warned = self._far = False
        self._watch, self._elsewhere = propriety.Watch(), new_state(target.dim)

    def _use(self, metric: Any) -> None:
        """Draw with this metric from now on, by the trajectory that is due."""
        settings, dim = self.settings, self.target.dim
        limit = settings.max_energy_error
        # in warm-up, falling from a bad start matters more than an exact limit
        limit = max(limit, _WARMUP_LIMIT) if self.count < self.tune else limit
        self._speed_limit = settings.kinetic.speed_limit(self._kinetic)
        self._gain = settings.kinetic.gain(self._kinetic)
        trajectory = self._trajectory_at(self.count)
        self._rule = trajectory.record(dim, limit)
        target = self.target.target._replace(inverse_temperature=1.0 / settings.temperature)
        flow = self._tuner.integrator.record(dim, self._mean)
        self._system = System(target, self._kinetic, metric, flow, self._refreshment_of(trajectory))
        self._advance = self._bind(self._rule, self._system)
        self._next_event = min((end for end in (*self._windows, self.tune) if end > self.count), default=sys.maxsize)

    def _bind(self, rule: Any, system: System) -> Callable[..., tuple[int, int]]:
        # Looking at the types of all arguments takes as long as dozens of draws; only a metric's arrays, which linear
        # algebra has made, may be laid out in another way than before.
        key = type(rule), kinds(system.flow), type(system.refreshment), type(system.metric), layouts(system.metric)
        if key not in self._bound:
            draws, rows = np.empty((0, self.target.dim)), np.empty((0, column.N_COLUMNS))
            arguments = (system, rule, self._state, self._learning, self._random, draws, rows)
            self._bound[key] = bind(kernels.advance, *arguments)
        return self._bound[key]

    def _trajectory_at(self, count: int) -> Trajectory:
        """The trajectory of the draw after `count` draws.

        A trajectory of fixed length is helpless, and costly, until the metric is known: in all windows but the last it
        gives way to one that finds its own length.  The first windows allow few doublings, as pairs of position and
        gradient tell the scales however near they are to each other.
        """
        window = sum(end <= count for end in self._windows)
        chosen = self._tuner.trajectory
        if window >= len(self._windows) - 1 or self._tuner.found is not None:
            return chosen
        depth = _FIRST_DEPTH + window
        return NoUTurn(min(depth, chosen.max_depth) if isinstance(chosen, NoUTurn) else min(depth, 10))

    def _refreshment_of(self, trajectory: Trajectory) -> Any:
        """What kernels run of the refreshment that a trajectory begins with."""
        return (self.settings.refreshment if trajectory.persistent else Full()).record()

    def compile(self) -> None:
        """Load or compile the kernels that this chain will run, without drawing.

        Not those for a metric that turns dense, which few posteriors ask for, and which take as long again.
        """
        settings, dim = self.settings, self.target.dim
        if self._tuner.active:
            compile_scores()
        pinned, tuned = [settings.trajectory, NoUTurn()], [FixedTime()] if self._tuner.active else []
        plans = [(self._system, [*pinned, *tuned])]
        own = settings.integrator.split.adapts
        if own or self._tuner.harmonic:
            scheme = settings.integrator if own else get_integrator("harmonic_leapfrog")
            fitted = self._system._replace(flow=scheme.record(dim, scheme.split.standard(dim)))
            if not own:
                bind(venture, self._system, self._state, empty_outings(dim), settings.max_energy_error)
            plans.append((fitted, [*(pinned if own else []), *tuned]))
        for system, trajectories in plans:
            for trajectory in trajectories:
                renewed = system._replace(refreshment=self._refreshment_of(trajectory))
                self._bind(trajectory.record(dim, settings.max_energy_error), renewed)
            if self._tuner.active:
                bind(probe, system, self._state, empty_probes(dim), settings.max_energy_error)
            bind(kernels.evaluate_start, system, self._state)
            bind(kernels.search_step_size, system, self._state, 1.0, self._random)
            bind(kernels.steepness, system, self._state)

    @property
    def position(self) -> np.ndarray:
        """The current draw, unconstrained (d,); a copy."""
        return self._state.current.position.copy()

    @property
    def step_size(self) -> float:
        """The step size that sampling uses: what warm-up has settled on so far."""
        return float(np.exp(self._learning.step[1]))

    @property
    def metric(self) -> Any:
        """The linear map in use."""
        return self._system.metric

    @property
    def kinetic(self) -> Any:
        """The record of the kinetic energy in use."""
        return self._kinetic

    @property
    def mean(self) -> np.ndarray | None:
        """The mean (d,) of the Gaussian whose motion a harmonic drift is, a copy; None where the drift is free."""
        return None if self._mean is None or self._tuner.integrator.split == FREE else self._mean.copy()

    @property
    def choice(self) -> dict[str, Any]:
        """Integrator, trajectory and metric in use, and how they were chosen, as words and numbers."""
        metric = self.settings.metric.kind(self._system.metric)
        return {**self._tuner.choice, "metric": metric, "step_size": self.step_size}

    def move_to(self, position: np.ndarray) -> None:
        """Go on from another position, or from the same one on a log-density that has changed.

        Raises
        ------
        SamplingError
            When the log-density or its gradient is not finite there; it names the variable.
        """
        self.target.check_process()
        self._state.current.position[:] = position
        status = kernels.evaluate_start(self._system, self._state)
        self._raise_if_broken(status)
        if not np.isfinite(self._state.current.value[0]):
            failure = f" ({type(self.target.error).__name__}: {self.target.error})" if self.target.error else ""
            message = (
                f"The log-density, or its gradient, is not finite at the start: {self.target.blame(position)}{failure}."
            )
            raise SamplingError(message) from self.target.error

    def start(self, position: np.ndarray) -> None:
        """Begin at a position: the first metric, and the first step size."""
        self.move_to(position)
        self._use(self._metric.start(self._state.current.gradient))
        self._learning.tuning[_LEARNS_METRIC] = float(bool(self._windows))
        if self.settings.adapts_step_size:
            self._search_step_size(1.0)
            self._learning.tuning[_TUNES_STEP] = float(self.tune > 0)
        if self.settings.refreshment.keeps:
            # no metric, and no trajectory that draws momenta of its own, changes what this is a draw from
            draw_momenta(self._kinetic, self._random, self._state.kept[None])
        self._started = True

    def advance(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Make `count` draws.

        Returns
        -------
        draws : ndarray of shape (count, d)
            Unconstrained positions.
        rows : ndarray of shape (count, N_COLUMNS)
            Their statistics, by the columns of `kernels.statistics`.

        Raises
        ------
        SamplingError
            When the log-density raised an error that is not of arithmetic.
        """
        if not self._started:
            raise RuntimeError("start the chain before it advances")
        draws, rows = np.empty((count, self.target.dim)), np.zeros((count, column.N_COLUMNS))
        made = 0
        while made < count:
            stop = min(count, made + self._next_event - self.count)
            block = draws[made:stop], rows[made:stop]
            drawn, status = self._advance(self._system, self._rule, self._state, self._learning, self._random, *block)
            rows[made : made + drawn, column.SPEED_LIMIT] = self._speed_limit
            rows[made : made + drawn, column.KINETIC_GAIN] = self._gain
            self.count += drawn
            made += drawn
            self._raise_if_broken(status)
            self.target.warn_of_errors()
            if self.count > self.tune:
                self._warn_of_divergences(rows[made - drawn : made])
            if self.count == self._next_event:
                self._after_window()
        return draws, rows

    def _after_window(self) -> None:
        """Refit at the end of a window, and freeze everything at the end of warm-up."""
        if self.count == self.tune:
            self._learning.tuning[[_TUNES_STEP, _LEARNS_METRIC]] = 0.0
            self._use(self._system.metric)
            return
        self._warn_of_parameters()
        before = self._kinds()
        metric = self._metric.fit(self._system.metric, self._learning)
        learned = self._learn_kinetic(metric)
        self._learn_mean(metric)
        self._use(metric)
        was_far, self._far = self._far, self._fall_from_afar()
        if self._far:
            self._refit_soon()
        renewed = self._tune(type(metric) is before[0])
        self._forget()
        if self.count == self._windows[-1]:
            self._learning.tuning[_LEARNS_METRIC] = 0.0
        # Dual averaging is only begun anew where the old step size means nothing any more: each restart costs accuracy.
        early = self._windows.index(self.count) < _RESTARTS
        unlike = early or was_far or self._far or learned or self._kinds() != before
        if renewed is not None and self.settings.adapts_step_size:
            step_size, gamma = renewed
            restart_step_size(self._learning.step, step_size, 1.0, gamma)
        elif self.settings.adapts_step_size and unlike:
            self._search_step_size(self.step_size)

    def _kinds(self) -> tuple[type, type, tuple]:
        """Of metric, trajectory and integrator."""
        return type(self._system.metric), type(self._rule), kinds(self._system.flow)

    def _learn_kinetic(self, metric: Any) -> bool:
        """Fit the kinetic energy to draws and gradients as this metric whitens them; whether it is another one now."""
        before, kinetic = self._kinetic, self.settings.kinetic
        if kinetic.adapts and self._windows.index(self.count) >= _RESTARTS:
            self._kinetic = kinetic.fit(before, *whitened(metric, *remembered(self._learning)))
        return self._kinetic is not before

    def _learn_mean(self, metric: Any) -> None:
        """Fit the split: of a harmonic drift, the mean of the Gaussian with this metric's covariance."""
        split = HARMONIC if self._tuner.harmonic else self.settings.integrator.split
        if split.adapts and self._windows.index(self.count) >= _RESTARTS:
            self._mean = split.fit(metric, self._learning)

    def _fall_from_afar(self) -> bool:
        """Far from the typical set, take the metric of the gradient here again, if it lets the chain fall faster.

        On the way down, draws tell more of the way than of the target, and a metric fitted to them may hold the chain
        where it is.  A step of ε lowers the potential energy by ½ ε² |Lᵀ g|², so this is what the two are compared by.
        """
        fitted = self._system.metric
        if not kernels.steepness(self._system, self._state) > _FAR * self.target.dim:
            return False
        self._mean = None  # whatever was fitted on the way, the target is not there
        falls = []
        for metric in (fitted, self._metric.start(self._state.current.gradient)):
            self._use(metric)
            eps = kernels.search_step_size(self._system, self._state, 1.0, self._random)
            if np.isnan(eps):
                self._raise_if_broken(Status.BROKEN)
            falls.append(eps**2 * kernels.steepness(self._system, self._state))
        if not falls[1] > falls[0]:
            self._use(fitted)
        return True

    def _refit_soon(self) -> None:
        """Far from the typical set a long window would be spent on the way down: begin again from a short one."""
        due = [end for end in self._windows if end > self.count]
        if due and due[0] - self.count > _LONGEST_AFAR:
            done = [end for end in self._windows if end <= self.count]
            self._windows = done + doubling(self.count, due[-1], _LONGEST_AFAR)
            self._use(self._system.metric)

    def _tune(self, alike: bool) -> tuple[float, float] | None:
        """Let measurements choose integrator and trajectory; step size and gain to begin anew with, None to go on.

        `alike` says whether the metric is of the kind that the window was drawn with.
        """
        left = len(self._windows) - 1 - self._windows.index(self.count)
        try:
            memory = Memory.of(self._learning)
            found = self._tuner.consider(
                self._system, self._state, self._random, self._mean, memory, self.step_size, left, self._far, alike
            )
            wary = None if self._far else self._tuner.beware(memory, found or self.step_size, left)
        except BrokenError:
            self._raise_if_broken(Status.BROKEN)
        self._learning.tuning[_TARGET_ACCEPT] = self._tuner.target_accept
        if wary is not None:
            anew = wary, GAMMA  # free to fall far and fast, in the narrow places that there is to be wary of
        elif found is not None:
            anew = found, SETTLED
        else:
            return None
        self._use(self._system.metric)
        return anew

    def _warn_of_parameters(self) -> None:
        """Say once which parameters the log-density leaves free, and which cannot move.

        The latter have kept one value for a whole last window, while others changed.
        """
        if self._warned:
            return
        last = self.count == self._windows[-1]
        position, sizes = self._state.current.position, list(self.target.sizes.values())
        if found := self._watch.look(self._learning, position, sizes, self._log_density, last):
            self._warn(*found)
            return
        moved = self._learning.squares[0] > 0
        still = ~moved & moved.any() & last
        if still.any():
            self._warn(still, propriety.NARROW)

    def _log_density(self, position: np.ndarray) -> float:
        """What is sampled, at another position; NaN where the log-density raised an error."""
        elsewhere = self._elsewhere
        elsewhere.current.position[:] = position
        status = kernels.evaluate_start(self._system, elsewhere)
        self._state.counters[0] += elsewhere.counters[0]
        elsewhere.counters[:] = 0
        if status == Status.BROKEN:
            if not isinstance(self.target.error, Exception):
                self._raise_if_broken(status)
            self.target.error = None  # of a place where no draw is
            return np.nan
        return float(elsewhere.current.value[0])

    def _warn_of_divergences(self, rows: np.ndarray) -> None:
        """Where most of the first draws that count diverge, say so once, and which parameters are to blame."""
        found = self._watch.count(rows[:, column.DIVERGING])
        if self._warned or found is None or unadapted(self.settings, self.tune):
            return

        def scale(j: int) -> float:
            self._elsewhere.current.gradient[:] = np.arange(self.target.dim) == j
            return float(np.sqrt(kernels.steepness(self._system, self._elsewhere)))

        position, sizes = self._state.current.position, list(self.target.sizes.values())
        limit = self.settings.max_energy_error
        blamed = propriety.steepest(self._log_density, position, sizes, scale, limit)
        self._warn(blamed, propriety.DIVERGE.format(diverged=found[0], drawn=found[1]))

    def _warn(self, which: np.ndarray, message: str) -> None:
        self._warned = True
        warnings.warn(message.format(", ".join(self.target.names_of(which))), UserWarning, stacklevel=2)

    def _forget(self) -> None:
        self._learning.counters[:] = 0
        self._learning.means[:] = 0.0
        self._learning.squares[:] = 0.0

    def _search_step_size(self, guess: float) -> None:
        found = kernels.search_step_size(self._system, self._state, guess, self._random)
        if np.isnan(found):
            self._raise_if_broken(Status.BROKEN)
        # dual averaging that may explore far takes some draws to come back
        restart_step_size(self._learning.step, found, 10.0 if self.tune >= _EXPLORES else 1.0)

    def _raise_if_broken(self, status: int) -> None:
        if status == Status.BROKEN:
            error = self.target.take_error()
            if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not the chain's to handle
                raise error
            raise SamplingError(f"The log-density raised {type(error).__name__}: {error}") from error

    def snapshot(self) -> dict[str, Any]:
        """Everything the chain is, as arrays and numbers: restored, it goes on with the same draws."""
        return {
            "count": self.count,
            "far": self._far,
            "windows": list(self._windows),
            "position": self._state.current.position.copy(),
            "log_density": float(self._state.current.value[0]) * self.settings.temperature,
            "metric": {name: array.copy() for name, array in self._system.metric._asdict().items()},
            "kinetic": self._kinetic.params.copy(),
            "mean": None if self._mean is None else self._mean.copy(),
            "momentum": self._state.kept.copy() if self.settings.refreshment.keeps else None,
            "learning": {name: array.copy() for name, array in self._learning._asdict().items()},
            "pending_gradients": int(self._state.counters[0]),
            "tuner": self._tuner.snapshot(),
            "rng": self.rng.bit_generator.state,
        }

    def check(self, snapshot: Mapping[str, Any]) -> None:
        """Raise a ValueError unless `snapshot` is of a chain with such a target, settings and warm-up."""
        try:
            check_snapshot(snapshot, self.settings, self.tune, self._windows, self._learning)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"the state of the chain lacks something: {type(error).__name__}: {error}") from error

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` describes, of a chain with the same target, settings and warm-up.

        Raises
        ------
        ValueError
            When no such chain can be like that.
        """
        self.check(snapshot)
        self.move_to(snapshot["position"])
        self.count, self._started = snapshot["count"], True
        self._far, self._windows = snapshot["far"], list(snapshot["windows"])
        self._tuner.restore(snapshot["tuner"])
        self._kinetic = self._kinetic._replace(params=snapshot["kinetic"].copy())
        self._mean = None if snapshot["mean"] is None else snapshot["mean"].copy()
        self._use(map_of({name: array.copy() for name, array in snapshot["metric"].items()}))
        learning = dict(snapshot["learning"])
        # earlier versions, which always moved the step size by `GAMMA`, did not say so
        learning["step"] = np.append(learning["step"], GAMMA)[: self._learning.step.size]
        for name, array in learning.items():
            getattr(self._learning, name)[...] = array
        if self.settings.refreshment.keeps:
            self._state.kept[:] = snapshot["momentum"]
        self._state.counters[0] = snapshot["pending_gradients"]
        self.rng.bit_generator.state = snapshot["rng"]
