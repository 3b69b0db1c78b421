"""Sampling a posterior: many chains, on threads or an executor, in memory or in a store."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import pymc as pm
import xarray as xr

from ..checks import whole
from ..native.clock import compile_clock
from ..native.pymc import get_random_generator
from ..precompile import ahead_of_first_start
from ..settings import Options, Settings, unadapted
from ..starts import positions
from ..store import Store, StoreSink, is_free, local_path
from ..target import Compilation, check_parametrization, kept_log_density, opened, run_with
from .arguments import check_executor, check_model, check_options, names_of, processors
from .conversion import Conversion
from .fingerprint import describe_model, describe_settings, digest, library_version
from .in_memory import MemorySink
from .progress import Bars
from .results import result_of
from .resume import as_stored, resumed
from .runner import Runner
from .sink import Sink
from .task import Setup
from .warn import warn

__all__ = ["sample"]


def sample(
    draws: int = 1000,
    *,
    tune: int | None = None,
    chains: int | None = None,
    cores: int | None = None,
    random_seed: Any = None,
    progressbar: Any = True,
    progressbar_theme: Any = None,
    quiet: bool = False,
    initvals: Any = None,
    var_names: Sequence[str] | None = None,
    discard_tuned_samples: bool = True,
    idata_kwargs: Mapping[str, Any] | None = None,
    compute_convergence_checks: bool = True,
    store: str | os.PathLike[str] | None = None,
    executor: futures.Executor | None = None,
    compile_kwargs: Mapping[str, Any] | None = None,
    model: pm.Model | Compilation | None = None,
    **options: Unpack[Options],
) -> xr.DataTree:
    """Sample a posterior by Hamiltonian Monte Carlo, on threads or any executor, in memory or in a store.

    The same draws as ``pymc.sample(step=HMC(...))`` from the same seed and starts, without its cost for each draw.

    Parameters
    ----------
    draws : int, optional
        Draws of each chain, after warm-up.
    tune : int, optional
        Draws of warm-up, in which step size, metric and kinetic energy adapt.  By default each chain ends its warm-up
        when there is nothing left to learn, often after 100 to 300 draws and after 1000 at the latest; a number means
        that number.
    chains : int, optional
        By default as many as `cores`, but at least 2.
    cores : int, optional
        How many threads run chains; by default as many as there are processors, but at most 4.
    random_seed : int, sequence of int or numpy.random.Generator, optional
        The same seed makes the same draws on any number of threads, with any executor, and after a resume.
    progressbar, progressbar_theme, quiet : optional
        As for `pymc.sample`.
    initvals : dict or sequence of dict, optional
        Where chains begin, as for `pymc.sample`, by the names of free variables; also what `pymc.find_MAP` returns,
        whose deterministic variables are not looked at.  Variables that are not named begin at the model's initial
        point, moved by a uniform amount up to 1, either way, in unconstrained space.  They are not looked at where a
        stored run goes on.
    var_names : sequence of str, optional
        Which variables to keep; by default all free and deterministic ones.
    discard_tuned_samples : bool, optional
        Whether to leave the draws of warm-up out of the result.
    idata_kwargs : dict, optional
        As for `pymc.sample`: `coords`, `dims`, `log_likelihood`, ... of `pymc.to_inference_data`.
    compute_convergence_checks : bool, optional
        Whether to warn of divergences, large R-hat and small effective sample sizes.  Of runs too large for memory,
        draws at equal distances are checked.
    store : path, optional
        A directory, by custom with the suffix ``.zarr``, to which draws, statistics and the states of the chains are
        written as they come.  Called again with the same model and options, a run that was interrupted goes on, to the
        same draws as without the interruption; with more `draws`, one that was finished does.  It takes the extra
        ``pymc-symplectic[store]``.
    executor : concurrent.futures.Executor, optional
        Runs each chain as one task: a process pool, loky, MPI, or a Dask cluster by ``client.get_executor()``.
        `cores` does not count then.  With `store`, the path must be shared by all workers.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler.
    model : pymc.Model or CompiledModel, optional
        By default the model of the context.  What is compiled for a model is kept until the model changes.
    **options
        Those of `HMC`: `integrator`, `kinetic`, `metric`, `trajectory`, `refreshment`, `step_size`, `target_accept`,
        `max_energy_error`, `temperature`, `parametrization`, `policy`.

    Returns
    -------
    DataTree
        As `pymc.sample` returns it.  ``attrs["sampler"]`` of the posterior and of the statistics has, as JSON, the
        options, and what each chain has adapted.  From a store, draws are read when they are looked at.

    Raises
    ------
    TypeError, ValueError
        When an argument is not what it must be, or the model has discrete variables.
    SamplingError
        When no chain could draw.  Where only some fail, a warning names them, and the others are returned.
    StoreError
        When the store cannot be written, is in use, is damaged, or is of another run: the message says what differs.

    Warns
    -----
    UserWarning
        When sampling was interrupted (what has been drawn is returned), or chains have failed; when a result could be
        made only in part; when warm-up is too short to adapt anything; and when the posterior is improper, has no
        maximum, or most draws diverge: the warning names the variables to blame.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     idata = ps.sample(100, tune=200, chains=4, random_seed=1, progressbar=False, quiet=True)
    >>> dict(idata["posterior"].sizes)
    {'chain': 4, 'draw': 100}
    """
    check_options(options, inspect.signature(sample).parameters)
    compilation = opened(model, compile_kwargs)
    model, compile_kwargs = compilation.model, compilation.compile_kwargs
    check_model(model)
    draws = whole("draws", draws, least=1)
    settings, open_ended = Settings.choose(**options), tune is None
    tune = settings.policy.most_draws if tune is None else whole("tune", tune, least=0)
    cores = min(4, processors()) if cores is None else whole("cores", cores, least=1)
    chains = max(2, cores) if chains is None else whole("chains", chains, least=1)
    check_parametrization(settings.parametrization, model)
    names = names_of(var_names, model)
    conversion = Conversion(model, idata_kwargs, names)
    seeds = Seeds.spawn(random_seed, chains)
    check_executor(executor)
    Bars(chains, draws, tune, progressbar)  # so that a wrong one is refused before anything is compiled
    if short := unadapted(settings, tune):
        warn(short)
    path = None if store is None else local_path(store)
    existing = None if path is None or is_free(path) else Store.open(path)
    if existing is not None:
        settings = as_stored(settings, existing)

    options_in_words = describe_settings(settings)
    description = {
        "version": library_version(),
        "chains": chains,
        "tune": tune,
        "open_ended": open_ended,
        "draws": draws,
        "keep_warmup": not discard_tuned_samples,
        "var_names": None if names is None else sorted(names),
        "options": options_in_words,
        "seeds": None if random_seed is None else [digest(repr(rng.bit_generator.state)) for rng in seeds.chains],
        "value_seeds": seeds.values,
    }
    ahead_of_first_start(quiet)
    with ExitStack() as stack:
        stack.enter_context(run_with(model, compilation.data))
        target = kept_log_density(model, compile_kwargs, reparametrized=settings.reparametrizes)
        if target.parametrization is None:  # there is nothing to choose
            options_in_words.pop("parametrization", None)
        setup = Setup(target, settings, names, tune, draws, open_ended)
        if existing is None:
            opening = _begun(setup, conversion, description, path, seeds, initvals)
        else:
            opening = resumed(setup, conversion, description, existing)
        sink, states = stack.enter_context(opening)
        runner = Runner(setup, sink, states)
        if runner.jobs and not setup.target.kernels_of(settings).compiled:
            setup.chain(states[0]).compile()
        began, compiled = time.perf_counter(), compile_clock.seconds
        with Bars(chains, draws, tune, False if quiet else progressbar, progressbar_theme, runner.counts) as bars:
            if executor is None:
                runner.on_threads(cores, bars)
            else:
                runner.on_executor(executor, bars)
        seconds = time.perf_counter() - began - (compile_clock.seconds - compiled)
        return result_of(runner, seconds, conversion, compute_convergence_checks, quiet)


@dataclass(frozen=True)
class Seeds:
    """All randomness of a run, chain by chain, as `pymc.sample` makes it from the same seed."""

    chains: list[np.random.Generator]
    """Generators of all that the chains draw."""
    starts: list[np.random.Generator]
    """Generators of the places where the chains begin."""
    values: list[list[int]]
    """Seeds of the deterministic variables that are random."""

    @classmethod
    def spawn(cls, random_seed: Any, chains: int) -> Self:
        """Make the generators and seeds of so many chains from one seed."""
        if isinstance(random_seed, int | np.integer) and random_seed < 0:
            raise ValueError(
                f"random_seed must not be negative, got {random_seed}; leave it out for a new seed each time"
            )
        try:
            generators = get_random_generator(random_seed).spawn(chains)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"random_seed must be an integer of at least 0, a sequence of them, or a numpy.random.Generator, got "
                f"{random_seed!r} ({error})"
            ) from error
        # pymc.sample takes one such number from each generator, too
        starts = [np.random.default_rng(int(rng.integers(2**30))) for rng in generators]
        return cls(generators, starts, [_value_seed(rng) for rng in generators])


def _value_seed(rng: np.random.Generator) -> list[int]:
    """A seed made from a generator, whose own stream is left as it is."""
    sequence: Any = rng.bit_generator.seed_seq
    [child] = sequence.spawn(1)
    return [int(word) for word in child.generate_state(4)]


@contextmanager
def _begun(
    setup: Setup,
    conversion: Conversion,
    description: Mapping[str, Any],
    path: Path | None,
    seeds: Seeds,
    initvals: Any,
) -> Iterator[tuple[Sink, list[Mapping[str, Any]]]]:
    """The sink of a new run, in memory or at a path, and the states that its chains begin from."""
    starts = positions(setup.target, initvals, seeds.starts)
    states: list[Mapping[str, Any]] = [
        {"rng": rng.bit_generator.state, "position": start} for rng, start in zip(seeds.chains, starts, strict=True)
    ]
    if path is None:
        conversion.check(setup.target, setup.variables, starts[0])
        sizes = len(states), setup.tune, setup.draws
        yield MemorySink(setup.variables, conversion, *sizes, description["keep_warmup"], seeds.values), states
        return
    template = conversion.template(setup.variables, starts[0])
    model = describe_model(setup.target, setup.variables, starts[0])
    store = Store.create(path, {**description, "model": model, "start": starts[0].tolist()}, template, states)
    with store.locked():
        yield StoreSink(store, setup.variables), states
