"""A run ready to go: the model compiled, a sink for its draws, and the states that its chains go on from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from ..knowledge.options import of_settings
from ..precompile import ahead_of_first_start
from ..snapshots import check_learned
from ..starts import positions
from ..store import Store, StoreSink
from ..target import SeenData, kept_log_density, run_with
from .control import Control
from .fingerprint import describe_model
from .in_memory import MemorySink
from .request import Request
from .resume import resumed
from .runner import Runner
from .sink import Sink
from .task import Setup
from .until import Watcher, variables_of

__all__ = ["opening"]

_Opened = AbstractContextManager[tuple[Sink, list[Mapping[str, Any]]]]


@contextmanager
def opening(request: Request, control: Control | None = None) -> Iterator[Runner]:
    """Compile the model, and hold its data and the store, while chains run.

    Parameters
    ----------
    request : Request
    control : Control, optional
        By which the run is stopped.
    """
    compilation, settings, sizes = request.compilation, request.settings, request.sizes
    description = request.description()
    ahead_of_first_start(request.quiet)
    with run_with(compilation.model, compilation.data):
        if compilation.data is not None:
            request.conversion.seen = SeenData(compilation.model, own=False)
        seen = request.conversion.seen
        _refuse_other_data(seen)
        target = kept_log_density(
            compilation.model,
            compilation.compile_kwargs,
            reparametrized=settings.reparametrizes,
            differences=settings.gradient or compilation.differences,
        )
        if target.parametrization is None:  # there is nothing to choose
            description["options"].pop("parametrization", None)
        if settings.learned is not None:
            check_learned(settings.learned, settings, target)
        asked = settings.policy.shares or math.isfinite(settings.policy.stranded_gap)
        gathers = sizes.open_ended and sizes.chains > 1 and asked
        setup = Setup(target, settings, request.names, sizes.tune, sizes.draws, sizes.open_ended, sizes.thin, gathers)
        with _states(setup, request, description) as (sink, states):
            sink.reserve(request.blocks[0])
            names = variables_of(compilation.model, request.names)
            watcher = None if request.until is None else Watcher(request.until, names)
            runner = Runner(setup, sink, states, control, watcher)
            if runner.jobs() and not target.kernels_of(settings).compiled:
                setup.chain(states[0]).compile()
            _refuse_other_data(seen)  # again, as all data have been read only now
            yield runner


def _refuse_other_data(seen: SeenData) -> None:
    """Raise a RuntimeError where the data of the model are others than when the run was asked for."""
    if others := seen.replaced():
        raise RuntimeError(
            f"the data {', '.join(others)} of the model were replaced before the run could begin; let each run have "
            "its own: ps.compile(model).with_data(...).start()"
        )


def _states(setup: Setup, request: Request, description: Mapping[str, Any]) -> _Opened:
    if request.existing is None:
        return _begun(setup, request, description)
    return resumed(setup, request.conversion, description, request.existing, held=len(request.blocks) > 1)


@contextmanager
def _begun(
    setup: Setup, request: Request, description: Mapping[str, Any]
) -> Iterator[tuple[Sink, list[Mapping[str, Any]]]]:
    """The sink of a new run, in memory or at a path, and the states that its chains begin from."""
    seeds, conversion = request.seeds, request.conversion
    starts = _starts(setup, request)
    states: list[Mapping[str, Any]] = [
        {"rng": rng.bit_generator.state, "position": start} for rng, start in zip(seeds.chains, starts, strict=True)
    ]
    if request.path is None:
        conversion.check(setup.target, setup.variables, starts[0])
        sizes = len(states), setup.tune, description["draws"]
        yield MemorySink(setup.variables, conversion, *sizes, description["keep_warmup"], seeds.values), states
        return
    template = conversion.template(setup.variables, starts[0])
    model = describe_model(setup.target, setup.variables, starts[0])
    whose = {"variables": setup.target.layout, "options": of_settings(setup.settings)}
    described = {**description, "model": model, "start": starts[0].tolist(), "learned": whose}
    store = Store.create(request.path, described, template, states, most=setup.draws)
    with store.locked():
        yield StoreSink(store, setup.variables), states


def _starts(setup: Setup, request: Request) -> list[np.ndarray]:
    """Where chains begin (d,): as is said, or at the last draws of another run, or near the model's initial point."""
    learned, initvals = setup.settings.learned, request.given["initvals"]
    if learned is None or initvals is not None:
        return positions(setup.target, initvals, request.seeds.starts)
    return [learned.start(chain) for chain in range(len(request.seeds.chains))]
