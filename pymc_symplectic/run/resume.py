"""Going on with a run that is stored: whether it is the same one, and whole, and the states of its chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from packaging.version import InvalidVersion, Version

from ..settings import Settings
from ..snapshots import generator_of
from ..store import Draws, Store, StoreError, StoreSink, some
from .conversion import Conversion
from .fingerprint import describe_model, differences, differences_at_last
from .task import Setup

__all__ = ["as_stored", "resumed"]


def as_stored(settings: Settings, store: Store) -> Settings:
    """Settings by which a run that says nothing of a parametrization goes on: in the model's own coordinates.

    It was begun by a version that had no others, or its model has none.
    """
    if settings.parametrization == "auto" and "parametrization" not in store.description["options"]:
        return replace(settings, parametrization="model")
    return settings


@contextmanager
def resumed(
    setup: Setup, conversion: Conversion, description: Mapping[str, Any], store: Store, held: bool = False
) -> Iterator[tuple[StoreSink, list[Mapping[str, Any]]]]:
    """A stored run as a sink, and the states from which its chains go on.

    The store is held for writing while there are draws to be made.

    Parameters
    ----------
    setup : Setup
    conversion : Conversion
    description : mapping
        Description of the run that this call would make, but for its model.
    store : Store
    held : bool, optional
        Whether to hold it anyway, where it is not known how many draws are to be made.

    Raises
    ------
    StoreError
        When the store is of another run or a later version, is damaged, or is in use.
    """
    unfinished = held or setup.draws > store.draws or min(store.counts()) < setup.total
    with store.locked() if unfinished else nullcontext():
        states = _checked_states(setup, description, store)
        conversion.template(setup.variables, np.asarray(states[0]["position"]))  # raises where none can be made
        if unfinished:
            store.sign(description["version"])
        yield StoreSink(store, setup.variables), states


def _checked_states(setup: Setup, description: Mapping[str, Any], store: Store) -> list[Mapping[str, Any]]:
    """The states that the chains go on from, or a StoreError unless the store is of the same run, and whole."""
    _check_version(store, description["version"])
    _check_same(store, _differences(setup, description, store))
    states: list[Mapping[str, Any]] = [store.state(chain) for chain in range(store.chains)]
    pattern = setup.chain({"rng": np.random.default_rng(0).bit_generator.state})
    for chain, state in enumerate(states):
        try:
            if "count" in state:
                states[chain] = pattern.check(state)
            else:
                generator_of(state["rng"])
        except ValueError as error:
            file = store.state_file(chain)
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be used: {error}") from error
    stored = Draws(store.path, store.description)
    if damage := [*stored.lost(), *stored.damage(dict(enumerate(states)))]:
        raise StoreError(
            f"store: {store.path} is damaged, so the run cannot go on: {some(damage)}. ps.open_run reads the rest"
        )
    last = [stored.values(state, chain) for chain, state in enumerate(states)]
    _check_same(store, differences_at_last(states, last, setup.target, setup.variables))
    return states


def _differences(setup: Setup, description: Mapping[str, Any], store: Store) -> list[str]:
    """Differences between the stored run and the one that this call would make, in words."""
    start = np.array(store.description["start"])
    if found := differences(store.description, {**description, "model": store.description["model"]}):
        return found
    if start.size != setup.target.dim:
        return [f"the model had {start.size} free parameters and has {setup.target.dim}"]
    model = describe_model(setup.target, setup.variables, start)
    return differences(store.description, {**description, "model": model})


def _check_same(store: Store, found: Sequence[str]) -> None:
    """Raise a StoreError where differences from the stored run were found."""
    if found:
        raise StoreError(
            f"store: {store.path} is of another run: {'; '.join(found)}. Give another name for a new run, or call with "
            "what made it"
        )


def _check_version(store: Store, version: str) -> None:
    """Raise a StoreError where a later version has made the store, which may draw in another way."""
    made = store.description["version"]
    try:
        later = Version(made) > Version(version)
    except InvalidVersion as error:
        raise StoreError(f"store: {store.path} was made by a version that is none: {error}") from error
    if later:
        raise StoreError(
            f"store: {store.path} was made by version {made} of pymc_symplectic, and this is {version}, which may draw "
            "in another way; install that version to go on, or give another name. ps.open_run reads it"
        )
