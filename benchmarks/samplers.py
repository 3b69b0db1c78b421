"""The samplers that the suite compares, behind one interface.

A sampler is prepared for a problem once, which compiles what it can, and then run from one seed after another:

>>> prepare = get("ours-diagonal")
>>> sample = prepare(Problem(model))  # doctest: +SKIP
>>> run = sample(draws=1000, tune=1000, chains=4, seed=0)  # doctest: +SKIP

Every sampler starts its chains at the same points, runs them one after another, and is timed by the processor time that
it takes, so that neither other processes nor the number of cores matter much.

This package's samplers are named after the options of `pymc_symplectic.HMC`: ``ours``, and then, between hyphens, names
of a metric, an integrator, a kinetic energy, a trajectory, and numbers such as ``target_accept=0.9``, of the sampler or
of one of these: ``ours-dense-bcss2``, ``ours-low_rank-fixed_time-time=2-jitter=0.3``.
"""

import ast
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pymc as pm
from pymc.initial_point import make_initial_point_fn
from threadpoolctl import threadpool_limits

import pymc_symplectic as ps
from pymc_symplectic.adaptation.tuner import in_words
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.settings import Options, Settings
from pymc_symplectic.target import LogDensity

__all__ = ["SAMPLERS", "Problem", "Run", "get"]

_TRIES = 100
_LONG = 5.0  # seconds of a run that is not repeated


@dataclass(frozen=True, eq=False)
class Run:
    """What one sampler made of one seed.

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
        Processor time of what is compiled for a problem, and of calling the sampler at all.
    chosen : tuple of str
        What warm-up has chosen, where it had a choice: one text for each chain.
    """

    draws: dict[str, np.ndarray]
    diverging: np.ndarray
    gradients: tuple[int, int]
    seconds: tuple[float, float]
    step_size: np.ndarray
    compile_seconds: float
    chosen: tuple[str, ...] = ()


class Sample(Protocol):
    """A sampler, ready to run."""

    def __call__(self, draws: int, tune: int, chains: int, seed: int) -> Run:
        """Run it."""


class Problem:
    """A model, and what all samplers share of it.

    Parameters
    ----------
    model : pm.Model
        All of its free variables are continuous.
    extra : sequence of str, optional
        Deterministic variables that are kept besides the free ones.
    """

    def __init__(self, model: pm.Model, extra: Sequence[str] = ()) -> None:
        self.model = model
        self.names = list(dict.fromkeys([rv.name for rv in model.free_RVs] + list(extra)))
        began = time.process_time()
        self.target = LogDensity(model=model)
        self.compile_seconds = time.process_time() - began
        self._starts: dict[tuple[int, int], np.ndarray] = {}

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
        """Where chains start, (chains, d): the model's initial point moved by U(-1, 1) in unconstrained space."""
        if (chains, seed) not in self._starts:
            rng = np.random.default_rng([seed, chains])
            first = self.target.to_vector(make_initial_point_fn(model=self.model)(0))
            self._starts[chains, seed] = np.stack([self._start(first, rng) for _ in range(chains)])
        return self._starts[chains, seed].copy()

    def _start(self, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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


def get(name: str) -> Prepare:
    """Look a sampler up by name.

    Raises
    ------
    ValueError
        When there is no such sampler; the message lists those there are.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    first, *words = name.split("-")
    if first == "ours":
        options = _options(words)
        return lambda problem: _prepare_ours(problem, options)
    raise ValueError(f"No sampler {name!r}; there are {', '.join(SAMPLERS)}, and ours-OPTION-OPTION...")


def _value(word: str) -> Any:
    """A number, or a word like ``separable``."""
    try:
        return ast.literal_eval(word)
    except ValueError:
        return word


def _options(words: Sequence[str]) -> Options:
    """The options of `pymc_symplectic.HMC` that the words of a name stand for."""
    if not words:
        return {}
    options: dict[str, Any] = {"trajectory": ps.NoUTurn()}
    kinds = {"metric": ps.metrics, "integrator": ps.integrators, "kinetic": ps.kinetic, "trajectory": ps.trajectories}
    for word in words:
        key, _, number = word.partition("=")
        if not number:
            found = {kind: chosen for kind, room in kinds.items() if (chosen := _look_up(room, word)) is not None}
            if word == "auto":  # the others are what "ours" alone stands for
                found = {"metric": found["metric"]}
            if len(found) != 1:
                raise ValueError(f"{word!r} names {' and '.join(found) or 'no option'}")
            options.update(found)
        elif key in Options.__annotations__:
            options[key] = _value(number)
        else:
            owners = [kind for kind, chosen in options.items() if key in _fields(chosen)]
            if len(owners) != 1:
                raise ValueError(f"{key!r} is a number of {' and '.join(owners) or 'nothing chosen before'}")
            options[owners[0]] = replace(options[owners[0]], **{key: _value(number)})
    return options  # type: ignore[return-value]


def _look_up(room: Any, word: str) -> Any:
    try:
        return room.get(word)
    except ValueError:
        return None


def _fields(chosen: Any) -> list[str]:
    return [field.name for field in fields(chosen)] if is_dataclass(chosen) else []


def _prepare_ours(problem: Problem, options: Options) -> Sample:
    settings = Settings.choose(**options)
    began = time.process_time()
    first = Chain(problem.target, settings, np.random.default_rng(0), 20)
    first.compile()
    first.start(problem.starts(1, 0)[0])
    first.advance(25)  # whatever is compiled only now
    compile_seconds = problem.compile_seconds + time.process_time() - began

    @threadpool_limits.wrap(1)  # as in pymc_symplectic.sample: what is waited for by other threads is no work
    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        positions, rows, steps, clock, chosen = [], [], [], [0.0, 0.0], []
        seeds = np.random.SeedSequence(seed).spawn(chains)
        for start, child in zip(problem.starts(chains, seed), seeds, strict=True):
            chain = Chain(problem.target, settings, np.random.default_rng(child), tune)
            began = time.process_time()
            chain.start(start)
            _, warmup = chain.advance(tune)
            middle = time.process_time()
            drawn, sampling = chain.advance(draws)
            clock[0] += middle - began
            clock[1] += time.process_time() - middle
            positions.append(drawn)
            rows.append((warmup[:, column.N_GRADIENTS].sum(), sampling[:, column.N_GRADIENTS].sum(), sampling))
            steps.append(chain.step_size)
            choice = chain.choice
            chosen.append(in_words({key: choice[key] for key in choice if key != "reason"}))
        return Run(
            problem.constrain(np.stack(positions)),
            np.stack([sampling[:, column.DIVERGING] > 0 for *_, sampling in rows]),
            (int(sum(row[0] for row in rows)), int(sum(row[1] for row in rows))),
            (clock[0], clock[1]),
            np.array(steps),
            compile_seconds,
            tuple(chosen),
        )

    return sample


def _prepare_nutpie(problem: Problem, adaptation: str) -> Sample:
    import nutpie

    began = time.process_time()
    compiled = nutpie.compile_pymc_model(problem.model)
    compile_seconds = time.process_time() - began
    order = [problem.model.rvs_to_values[rv].name for rv in problem.model.free_RVs]

    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        starts = problem.starts(chains, seed)

        def timed(draws: int, tune: int) -> tuple[Any, float]:
            points = (problem.target.to_point(start) for start in starts)

            def start(_: Any) -> np.ndarray:  # is called for one chain after another
                point = next(points)
                return np.concatenate([np.ravel(point[name]) for name in order])

            model = replace(compiled, initial_point_func=start)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Found chain dimension to be longer")
                began = time.process_time()
                idata = nutpie.sample(
                    model, draws=draws, tune=tune, chains=chains, cores=1, seed=seed, adaptation=adaptation,
                    progress_bar=False,
                )  # fmt: skip
                return idata, time.process_time() - began

        # What even the shortest run costs is the price of a call, not of draws.  The same seed has the same warm-up,
        # so that it can be timed alone; of a long run, the time is that of gradients.
        _, call = timed(1, 1)
        idata, whole = timed(draws, tune)
        counts = ps.gradients(idata)
        if whole < _LONG:
            warmup = timed(1, tune)[1] - call
        else:
            warmup = (whole - call) * counts.warmup / (counts.warmup + counts.sampling)
        return Run(
            {name: idata["posterior"][name].values for name in problem.names},
            idata["sample_stats"]["diverging"].values,
            (int(counts.warmup), int(counts.sampling)),
            (max(warmup, 0.0), max(whole - call - warmup, 0.0)),
            idata["sample_stats"]["step_size_bar"].values[:, -1],
            compile_seconds,
        )

    return sample


def _prepare_pymc(problem: Problem) -> Sample:
    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        free = [rv.name for rv in problem.model.free_RVs]
        starts = [
            {name: value for name, value in problem.point(start).items() if name in free}
            for start in problem.starts(chains, seed)
        ]
        seconds, last = np.zeros(2), 0.0

        def tick(trace: Any, draw: Any) -> None:
            nonlocal last
            now = time.process_time()
            if draw.draw_idx > 0:  # what comes before a chain's first draw is not its work, or not for the most part
                seconds[0 if draw.tuning else 1] += now - last
            last = now

        began = time.process_time()
        idata = pm.sample(
            draws=draws, tune=tune, chains=chains, cores=1, random_seed=seed, model=problem.model, initvals=starts,
            init="adapt_diag", nuts_sampler="pymc", callback=tick, discard_tuned_samples=False, progressbar=False,
            compute_convergence_checks=False,
        )  # fmt: skip
        whole = time.process_time() - began
        counts = ps.gradients(idata)
        return Run(
            {name: idata["posterior"][name].values for name in problem.names},
            idata["sample_stats"]["diverging"].values,
            (int(counts.warmup), int(counts.sampling)),
            (float(seconds[0]), float(seconds[1])),
            idata["sample_stats"]["step_size_bar"].values[:, -1],
            float(whole - seconds.sum()),
        )

    return sample


def _prepare_blackjax(problem: Problem) -> Sample:
    try:
        import blackjax
        import jax
        import jax.numpy as jnp
        from pymc.sampling.jax import get_jaxified_graph
    except ImportError as error:
        raise RuntimeError(f"BlackJAX or JAX is not installed: {error}") from error

    values = problem.target.vars
    graph = get_jaxified_graph(inputs=values, outputs=[problem.model.logp()])
    shapes = [value.shape for value in problem.target.to_point(np.zeros(problem.target.dim)).values()]
    cuts = np.cumsum([int(np.prod(shape, dtype=int)) for shape in shapes])[:-1]
    compiled: dict[tuple[int, int], tuple[Any, Any, float]] = {}

    def logp(position: Any) -> Any:
        parts = jnp.split(position, cuts)
        return graph(*[part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])[0]

    def compile_for(draws: int, tune: int, *args: Any) -> tuple[Any, Any, float]:
        began = time.process_time()

        def warm_up(key: Any, position: Any) -> Any:
            adaptation = blackjax.window_adaptation(
                blackjax.nuts, logp, adaptation_info_fn=lambda state, info, _: info.num_integration_steps
            )
            (state, parameters), steps = adaptation.run(key, position, num_steps=tune)
            return state, parameters["step_size"], parameters["inverse_mass_matrix"], steps.sum()

        def draw(key: Any, state: Any, step_size: Any, inverse_mass_matrix: Any) -> Any:
            step = blackjax.nuts(logp, step_size=step_size, inverse_mass_matrix=inverse_mass_matrix).step

            def one(state: Any, key: Any) -> Any:
                state, info = step(key, state)
                return state, (state.position, info.is_divergent, info.num_integration_steps)

            return jax.lax.scan(one, state, jax.random.split(key, draws))[1]

        first = jax.jit(warm_up).lower(*args).compile()
        shapes = jax.eval_shape(warm_up, *args)
        second = jax.jit(draw).lower(args[0], *shapes[:3]).compile()
        return first, second, time.process_time() - began

    def sample(draws: int, tune: int, chains: int, seed: int) -> Run:
        starts = jnp.asarray(problem.starts(chains, seed))
        keys = jax.random.split(jax.random.key(seed), (chains, 2))
        if (draws, tune) not in compiled:
            compiled[draws, tune] = compile_for(draws, tune, keys[0, 0], starts[0])
        first, second, compile_seconds = compiled[draws, tune]
        clock, counts, results, step_sizes = np.zeros(2), np.zeros(2), [], []
        for key, start in zip(keys, starts, strict=True):
            began = time.process_time()
            *learned, steps = jax.block_until_ready(first(key[0], start))
            middle = time.process_time()
            results.append(jax.block_until_ready(second(key[1], *learned)))
            clock += middle - began, time.process_time() - middle
            counts += 1 + int(steps), int(results[-1][2].sum())
            step_sizes.append(float(learned[1]))
        positions, diverging, _ = (
            np.stack([np.asarray(part) for part in parts]) for parts in zip(*results, strict=True)
        )
        return Run(
            problem.constrain(positions),
            diverging,
            (int(counts[0]), int(counts[1])),
            (float(clock[0]), float(clock[1])),
            np.array(step_sizes),
            compile_seconds,
        )

    return sample


SAMPLERS: dict[str, Prepare] = {
    **{
        f"ours-{metric}": lambda problem, metric=metric: _prepare_ours(problem, _options([metric]))
        for metric in ("diagonal", "low_rank", "dense", "auto")
    },
    "nutpie-diagonal": lambda problem: _prepare_nutpie(problem, "diag"),
    "nutpie-low_rank": lambda problem: _prepare_nutpie(problem, "low_rank"),
    "pymc": _prepare_pymc,
    "blackjax": _prepare_blackjax,
}
"""How each sampler is prepared for a problem, by name; `get` knows more of ours."""
