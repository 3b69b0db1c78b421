"""Sampling a posterior: many chains, on threads or an executor, in memory or in a store."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, Unpack

import pymc as pm
import xarray as xr

from ..settings import Options, with_options
from ..target import Compilation
from .handle import Run, sampled, started
from .request import Request
from .until import Until

__all__ = ["sample", "start"]


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
    thin: int = 1,
    until: Until | None = None,
    callback: Callable[[Run], Any] | None = None,
    compile_kwargs: Mapping[str, Any] | None = None,
    model: pm.Model | Compilation | None = None,
    **options: Unpack[Options],
) -> xr.DataTree:
    """Sample a posterior by Hamiltonian Monte Carlo, on threads or any executor, in memory or in a store.

    The same draws as ``pymc.sample(step=HMC(...))`` from the same seed and starts, and with the same number for `tune`,
    without its cost for each draw.

    Parameters
    ----------
    draws : int, optional
        Draws of each chain, after warm-up; with `until`, the most that are made.
    tune : int, optional
        Draws of warm-up, in which step size, metric and kinetic energy adapt.  By default each chain ends its warm-up
        when there is nothing left to learn, often after 100 to 300 draws and after 1000 at the latest, and those that
        agree go on by what they have learned together; a number means that number, and each goes by its own.
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
        stored run goes on.  With `learned`, chains begin where those of that run have ended, unless this is given;
        ``{}`` begins as without it.
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
        Runs chains as tasks: a process pool, loky, MPI, or a Dask cluster by ``client.get_executor()``.
        `cores` does not count then.  With `store`, the path must be shared by all workers.
    thin : int, optional
        Of how many draws after warm-up one is kept: `draws` counts those that are, so that so many times more are made.
        It saves memory and disk where draws are correlated, and never effective draws.  Gradients, solver failures and
        divergences of a draw are those of all that are left out for it, too.
    until : Until, optional
        Goals of effective sample size and R-hat, or a time, at which the run ends before `draws` are made; the same
        draws are returned however and wherever chains run, but for a limit of time.
    callback : callable, optional
        Called with the `Run` after each block of draws, in the thread of the caller, while no chain draws; blocks are
        those of `Until`.  ``StopIteration`` ends the run with the draws so far, ``KeyboardInterrupt`` does what Ctrl-C
        does, and any other error ends it and is raised; what is stored stays.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler.
    model : pymc.Model or CompiledModel, optional
        By default the model of the context.  What is compiled for a model is kept until the model changes.
    **options
        Those of `HMC`: `integrator`, `kinetic`, `metric`, `trajectory`, `refreshment`, `step_size`, `target_accept`,
        `max_energy_error`, `temperature`, `parametrization`, `policy`, `learned`.

    Returns
    -------
    DataTree
        As `pymc.sample` returns it.  ``attrs["sampler"]`` of the posterior and of the statistics has, as JSON, the
        options, what each chain has adapted, and why there are no more draws.  The group ``learned``, which
        `pymc.sample` does not add, is what the function `learned` reads.  From a store, draws are read when they are
        looked at.

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
        made only in part; when the goals of `until` are not met, with an estimate of how many draws that would take;
        when warm-up is too short to adapt anything; and when the posterior is improper, has no
        maximum, or most draws diverge: the warning names the variables to blame.  Where convergence is checked, of a
        chain that is elsewhere than the others, or stuck (see `diagnose`).

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     idata = ps.sample(100, tune=200, chains=4, random_seed=1, progressbar=False, quiet=True)
    >>> dict(idata["posterior"].sizes)
    {'chain': 4, 'draw': 100}
    """
    given = dict(locals())  # all arguments, and nothing else yet
    return sampled(Request.of(given, given.pop("options")))


def start(draws: int = 1000, **arguments: Any) -> Run:
    """Begin to sample a posterior, and return at once; the arguments are those of `pymc_symplectic.sample`.

    They are checked first; the model is compiled, and chains are run, in the background.  The run is of the data that
    the model has now: others that are set before it has read them make it fail, and later ones change no draw.

    Parameters
    ----------
    draws : int, optional
    **arguments
        A `callback` is called in the thread of the run.  Bars of progress are shown by `Run.result` while it waits.

    Returns
    -------
    Run

    Raises
    ------
    TypeError, ValueError
        When an argument is not what it must be, or the model has discrete variables.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     run = ps.start(100, chains=2, random_seed=1, progressbar=False, quiet=True)
    >>> run.result()["posterior"].sizes["draw"]
    100
    >>> run.state
    'done'
    """
    bound = _TAKEN.bind(draws, **arguments)
    bound.apply_defaults()
    given = dict(bound.arguments)
    return started(Request.of(given, given.pop("options")))


_TAKEN = inspect.signature(sample)
"""What `sample` takes; what is shown of it has the options by name."""
sample.__signature__ = with_options(_TAKEN)  # type: ignore[attr-defined]
start.__signature__ = with_options(_TAKEN).replace(return_annotation="Run")  # type: ignore[attr-defined]
