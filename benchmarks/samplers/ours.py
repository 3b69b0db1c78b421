"""Samplers of this package, named after the options of `pymc_symplectic.HMC`.

``ours``, and then, between hyphens, names of a metric, an integrator, a kinetic energy, a trajectory, and numbers such
as ``target_accept=0.9``, of the sampler or of one of these: ``ours-dense-bcss2``,
``ours-low_rank-fixed_time-time=2-jitter=0.3``.
"""

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
from threadpoolctl import threadpool_limits

import pymc_symplectic as ps
from benchmarks.samplers.problem import Problem, Run, Sample
from pymc_symplectic.adaptation.gathering import Verdict, verdicts
from pymc_symplectic.adaptation.words import in_words
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.settings import Options, Settings

__all__ = ["Part", "advance", "options_of", "prepare"]


def options_of(words: Sequence[str]) -> Options:
    """The options of `pymc_symplectic.HMC` that the words of a name stand for."""
    if not words:
        return {}
    options: dict[str, Any] = {"trajectory": ps.NoUTurn()}
    if all(word.startswith("parametrization=") for word in words):
        options = {}
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


def _value(word: str) -> Any:
    """A number, or a word like ``separable``."""
    try:
        return ast.literal_eval(word)
    except ValueError:
        return word


def _look_up(room: Any, word: str) -> Any:
    try:
        return room.get(word)
    except ValueError:
        return None


def _fields(chosen: Any) -> list[str]:
    return [field.name for field in fields(chosen)] if is_dataclass(chosen) else []


class Part(NamedTuple):
    """Warm-up or sampling of one chain: positions, statistics and processor seconds."""

    positions: np.ndarray
    rows: np.ndarray
    seconds: float

    @classmethod
    def of(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        positions, rows, seconds = zip(*parts, strict=True)
        return cls(np.concatenate(positions), np.concatenate(rows), sum(seconds))

    @property
    def gradients(self) -> int:
        """How many were evaluated."""
        return int(self.rows[:, column.N_GRADIENTS].sum())

    @property
    def values(self) -> int:
        """How many log-densities were evaluated without a gradient."""
        return int(self.rows[:, column.N_VALUES].sum())


def advance(
    problem: Problem, settings: Settings, draws: int, tune: int | None, chains: int, seed: int
) -> Iterator[tuple[Chain, Part, Part]]:
    """Run one chain after another: the warm-ups, and the sampling.

    Where `tune` is None, warm-up ends by itself, and chains that are stranded then begin anew, until all go on by what
    they have learned together, as in `pymc_symplectic.sample`.
    """
    most = settings.policy.most_draws if tune is None else tune
    seeds = np.random.SeedSequence(seed).spawn(chains)
    made: list[Chain] = []
    warmups: list[list[Part]] = [[] for _ in range(chains)]

    def take(number: int, step: Callable[[Chain], tuple[np.ndarray, np.ndarray]]) -> Part:
        began = time.process_time()
        drawn = step(made[number])
        return Part(*drawn, time.process_time() - began)

    for number, (start, child) in enumerate(zip(problem.starts(chains, seed), seeds, strict=True)):
        ends, gathers = tune is None, tune is None and chains > 1
        target, rng = problem.target_for(settings), np.random.default_rng(child)
        made.append(Chain(target, settings, rng, most, ends, waits=gathers))
        warmups[number].append(take(number, partial(_begun, start, most)))
    while said := verdicts(dict(enumerate(chain.gathering for chain in made)), settings.policy):
        moved = {number: verdict for number, verdict in said.items() if verdict.position is not None}
        for number, verdict in (moved or said).items():
            warmups[number].append(take(number, partial(_told, verdict)))
    for number, chain in enumerate(made):
        yield chain, Part.of(warmups[number]), take(number, lambda chain: chain.advance(draws))


def _begun(start: np.ndarray, most: int, chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    chain.start(start)
    return chain.advance(most)


def _told(verdict: Verdict, chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    chain.hear(verdict)
    return chain.advance(chain.tune - chain.count)


def prepare(problem: Problem, options: Options) -> Sample:
    """Compile what chains with these options need."""
    settings = Settings.choose(**options)
    began = time.process_time()
    first = Chain(problem.target_for(settings), settings, np.random.default_rng(0), 20)
    first.compile(all_foreseen=True)
    first.start(problem.starts(1, 0)[0])
    first.advance(25)  # whatever is compiled only now
    compile_seconds = problem.compile_seconds + time.process_time() - began

    @threadpool_limits.wrap(1)  # as in pymc_symplectic.sample: what is waited for by other threads is no work
    def sample(draws: int, tune: int | None, chains: int, seed: int) -> Run:
        positions, diverging, steps, chosen = [], [], [], []
        gradients, values, seconds = np.zeros(2, int), np.zeros(2, int), np.zeros(2)
        for chain, *parts in advance(problem, settings, draws, tune, chains, seed):
            gradients += [part.gradients for part in parts]
            values += [part.values for part in parts]
            seconds += [part.seconds for part in parts]
            positions.append(parts[1].positions)
            diverging.append(parts[1].rows[:, column.DIVERGING] > 0)
            steps.append(chain.step_size)
            chosen.append(in_words({key: value for key, value in chain.choice.items() if key != "reason"}))
        return Run(
            problem.constrain(np.stack(positions)),
            np.stack(diverging),
            (int(gradients[0]), int(gradients[1])),
            (float(seconds[0]), float(seconds[1])),
            np.array(steps),
            compile_seconds,
            tuple(chosen),
            values=(int(values[0]), int(values[1])),
        )

    return sample
