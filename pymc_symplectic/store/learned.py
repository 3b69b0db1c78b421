"""What the chains of a stored run have learned, by their states."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from ..knowledge import Learned, LearnedChain
from .base import Store

__all__ = ["learned_of_store", "with_learned"]

_UNFIT = (AttributeError, KeyError, TypeError, ValueError)  # of states that are not ours


def learned_of_store(path: str | os.PathLike[str]) -> Learned:
    """What the chains of a stored run have learned, of those whose warm-up has ended.

    Raises
    ------
    FileNotFoundError, StoreError
        As `Store.open`.
    ValueError
        When no chain has ended its warm-up, or an earlier version has made the store.
    """
    store = Store.open(path)
    states, lost = store.states()
    if lost:
        raise lost[min(lost)]
    if "learned" not in store.description:
        raise ValueError(f"learned: {store.path} was made by an earlier version, which did not say of what variables")
    try:
        if found := _found(store, states):
            return _learned(store, list(found.values()))
    except _UNFIT as error:
        raise ValueError(f"learned: {store.path} has states that nothing can begin from: {error}") from error
    raise ValueError(f"learned: no chain of {store.path} has ended its warm-up yet")


def with_learned(tree: xr.DataTree, store: Store, states: Mapping[int, Mapping[str, Any]]) -> xr.DataTree:
    """The result of a stored run, with what chains of these states have learned, where that is known."""
    if "learned" not in store.description:  # of an earlier version
        return tree
    try:
        if found := _found(store, states):
            tree["learned"] = xr.DataTree(_learned(store, list(found.values())).to_dataset(list(found)))
    except _UNFIT as error:
        warnings.warn(f"{store.path} has states that nothing can begin from: {error}", UserWarning, stacklevel=3)
    return tree


def _found(store: Store, states: Mapping[int, Mapping[str, Any]]) -> dict[int, LearnedChain]:
    ended = {
        chain: state for chain, state in states.items() if "count" in state and state["count"] >= state.get("end", 1e9)
    }
    return {chain: LearnedChain.of(state) for chain, state in ended.items()}


def _learned(store: Store, chains: Sequence[LearnedChain]) -> Learned:
    described = store.description["learned"]
    return Learned(described["variables"], described["options"], chains)
