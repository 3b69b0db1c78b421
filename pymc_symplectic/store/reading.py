"""Opening the store of a run, finished or not, whole or damaged."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..recorded import longest, without_skipped
from .base import FORMAT, Store
from .draws import Draws
from .errors import Damage, StoreError, some
from .learned import with_learned

__all__ = ["open_run"]

_READABLE = (1, FORMAT)  # the first has no digests
_TRIES = 3


def open_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open what a run has stored, finished or not.

    Parameters
    ----------
    path : path
        What was given to `sample` as ``store``.

    Returns
    -------
    DataTree
        As `sample` returns it, of the draws made so far; they are read when they are looked at.  Where chains have come
        differently far, those chains and so many draws of each are kept that most draws are.

    Raises
    ------
    FileNotFoundError
        When there is nothing at `path`.
    StoreError
        When what is there is not a store, or of another version, or so damaged that nothing can be read, or has no
        draws yet.

    Warns
    -----
    UserWarning
        When part of it is damaged.  The warning says what: chains without a state are left out, and so are coordinates
        and data of damaged files; draws of damaged blocks are NaN, or 0 where they are integers.
    """
    store, draws = _opened(path)
    states, lost = store.states()
    chains, length = longest([states[n].get("count", 0) if n in states else 0 for n in range(store.chains)], store.tune)
    if not length and lost:
        raise StoreError(f"store: {store.path} cannot be read: {some(list(lost.values()))}")
    if not length or (length <= store.tune and not store.description["keep_warmup"]):
        raise StoreError(f"store: {store.path} holds no draws yet")
    tree, open_ended = draws.tree(chains, length), store.description.get("open_ended", False)
    damage = draws.damage(states)
    if damage:
        tree = _mended(tree, draws, states, damage)
    faulty = [f"{len(damage)} blocks cannot be read, and are NaN (or 0): {some(damage)}"] if damage else []
    faulty += [f"{error}, so the chain is left out" for error in lost.values()][:3]
    if faults := draws.lost():
        faulty.append(some(faults))
    if faulty:
        warnings.warn(f"{store.path} is damaged. {'; '.join(faulty)}", UserWarning, stacklevel=2)
    if open_ended and length > store.tune:
        tree = without_skipped(tree, max((states[n]["end"] for n in chains if n in states), default=store.tune))
    return with_learned(tree, store, {chain: states[chain] for chain in chains if chain in states})


def _opened(path: str | os.PathLike[str]) -> tuple[Store, Draws]:
    """A store, and its draws by the metadata that were its own at one moment, as a run may be extending it."""
    for _ in range(_TRIES):
        store = Store.open(path, _READABLE)
        draws = Draws(store.path, store.description)
        if not draws.faults or Store.open(path, _READABLE).description == store.description:
            break
    return store, draws


def _mended(
    tree: xr.DataTree, draws: Draws, states: Mapping[int, Mapping[str, Any]], damage: Sequence[Damage]
) -> xr.DataTree:
    """The tree, where the arrays with damaged blocks are read already, block by block."""
    spoilt = {(block.group, block.variable) for block in damage}
    bad = set(damage)
    groups = {f"/{name}": group.to_dataset() for name, group in tree.children.items()}
    filled = {
        (group, variable): _blank(groups[f"/{group}"][variable]) for group, variable in spoilt if f"/{group}" in groups
    }
    for block, stored in draws.blocks(states):
        values = filled.get((block.group, block.variable))
        if values is None or block in bad:
            continue
        chain = np.flatnonzero(groups[f"/{block.group}"]["chain"].values == block.chain)
        if chain.size:
            end = min(block.end, values.shape[1])
            values[chain[0], block.first : end] = stored[block.chain, block.first : end]
    for (group, variable), values in filled.items():
        array = groups[f"/{group}"][variable]
        groups[f"/{group}"] = groups[f"/{group}"].assign({variable: (array.dims, values, array.attrs)})
    return xr.DataTree.from_dict(groups)


def _blank(array: xr.DataArray) -> np.ndarray:
    return np.full(array.shape, np.nan if array.dtype.kind == "f" else 0, array.dtype)
