"""One chain from its start to its last draw, block by block: on a thread of ours, or as a task of an executor."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cloudpickle
import numpy as np
from pymc.exceptions import SamplingError
from threadpoolctl import threadpool_limits

from .chain import Chain
from .kernels import statistics as column
from .settings import Settings
from .snapshots import generator_of
from .store import Store, StoreError, Writer
from .target import LogDensity, user_code
from .trace import Variables

__all__ = ["Job", "Outcome", "Progress", "advance_to", "begin", "packed", "run_task"]

_BLOCK_SECONDS = 0.03
_BLOCK_BYTES = 2**22
_GROWTH = 8  # of a block over the one before it, at most


@dataclass(frozen=True)
class Job:
    """What tells one chain from the others of its run: its number, and where its randomness and its way begin."""

    index: int
    state: Mapping[str, Any]
    """A `Chain.snapshot`, or ``{"rng": ..., "position": ...}`` of a chain that has not begun."""


@dataclass(frozen=True)
class Progress:
    """How far a chain has come, after the latest of its blocks."""

    count: int
    divergences: int
    step_size: float
    gradients: float
    """Per draw."""


@dataclass(frozen=True)
class Outcome:
    """What a task brings back: arrays, and the error that ended it, if one did."""

    draws: np.ndarray
    rows: np.ndarray
    count: int
    snapshot: Mapping[str, Any]
    error: SamplingError | StoreError | None


def begin(target: LogDensity, settings: Settings, tune: int, job: Job) -> Chain:
    """A chain as its state describes it, ready to go on."""
    chain = Chain(target, settings, generator_of(job.state["rng"]), tune)
    if "count" in job.state:
        chain.restore(job.state)
    else:
        chain.start(np.asarray(job.state["position"], dtype=float))
    return chain


def advance_to(
    chain: Chain,
    total: int,
    write: Callable[[np.ndarray, np.ndarray], None],
    report: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> None:
    """Draw until the chain has made `total` draws or is stopped, in blocks of tens of milliseconds.

    Blocks are of warm-up or of sampling, never of both; their length makes no difference to the draws.
    """
    length, divergences = 1, 0
    most = max(1, _BLOCK_BYTES // (8 * (chain.target.dim + column.N_COLUMNS)))
    while chain.count < total and not stopped():
        tuning = chain.count < chain.tune
        length = min(length, (chain.tune if tuning else total) - chain.count)
        began = time.perf_counter()
        with guard(chain.target):
            draws, rows = chain.advance(length)
        taken = time.perf_counter() - began
        write(draws, rows)
        divergences += 0 if tuning else int(rows[:, column.DIVERGING].sum())
        gradients = float(rows[:, column.N_GRADIENTS].mean())
        report(Progress(chain.count, divergences, float(rows[-1, column.STEP_SIZE]), gradients))
        length = max(1, min(int(length * _BLOCK_SECONDS / max(taken, 1e-9)), _GROWTH * length, most))


def guard(target: LogDensity) -> AbstractContextManager[Any]:
    """What a thread holds while it calls the log-density: a lock, where that goes through Python.

    It is held over a whole block, so that what is raised in it is known to be of this chain.
    """
    return nullcontext() if target.native else user_code


def packed(target: LogDensity, settings: Settings, var_names: Any) -> bytes:
    """What every task needs of a run, once for all chains.

    Raises
    ------
    TypeError
        When part of the model cannot be pickled; the message says which.
    """
    try:
        return cloudpickle.dumps((target, settings, var_names))
    except Exception as error:
        raise TypeError(
            f"{target.unpicklable()} cannot be pickled ({type(error).__name__}: {error}), so the model cannot be sent "
            "to an executor; take that object out of the model, or leave executor= out, which samples on threads"
        ) from error


_unpacking = threading.Lock()


@lru_cache(maxsize=2)
def _compiled(payload: bytes) -> tuple[LogDensity, Settings, Any]:
    return pickle.loads(payload)


def run_task(payload: bytes, job: Job, tune: int, total: int, store: tuple[str, str] | None) -> Outcome:
    """Run one chain to its end, in whatever process: what an executor is given.

    `store` is the path of a store, and the token of the call that holds it.  An error of the chain comes back by its
    message, since not every error can be pickled.
    """
    with _unpacking:  # threads of one worker share what is compiled
        target, settings, var_names = _compiled(payload)
    draws, rows = [np.empty((0, target.dim))], [np.empty((0, column.N_COLUMNS))]

    def keep(block: np.ndarray, of: np.ndarray) -> None:
        draws.append(block)
        rows.append(of)

    count, snapshot, failure = 0, {}, None
    with threadpool_limits(1):
        try:
            stored = None if store is None else Store.open(store[0])
            if stored is not None:  # a retry goes on where the lost worker was
                job = replace(job, state=stored.state(job.index))
            with guard(target):
                chain = begin(target, settings, tune, job)
            if stored is None or store is None:
                advance_to(chain, total, keep, _ignore, _never)
            else:
                with Writer(stored, job.index, chain, Variables(target, var_names), store[1]) as writer:
                    advance_to(chain, total, writer.write, _ignore, _never)
            count, snapshot = chain.count, chain.snapshot()
        except StoreError as error:
            failure = StoreError(str(error))
        except Exception as error:
            failure = SamplingError(
                str(error) if isinstance(error, SamplingError) else f"{type(error).__name__}: {error}"
            )
    return Outcome(np.concatenate(draws), np.concatenate(rows), count, snapshot, failure)


def _ignore(_: Progress) -> None:
    """Nobody is there to tell."""


def _never() -> bool:
    return False
