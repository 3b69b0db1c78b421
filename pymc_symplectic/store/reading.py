"""Opening what a run has stored, finished or not, whole or damaged."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..trace import longest
from .base import Damage, Store, StoreError

__all__ = ["open_run", "some"]


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
        When what is there is not a store, or not a whole one, or of another version, or has no draws yet.

    Warns
    -----
    UserWarning
        When blocks are damaged.  The warning says which, and their draws are NaN, or 0 where they are integers.
    """
    store = Store.open(path)
    chains, length = longest(store.counts(), store.tune)
    if not length or (length <= store.tune and not store.about["keep_warmup"]):
        raise StoreError(f"store: {store.path} holds no draws yet")
    tree = store.tree(chains, length)
    damage = store.damage()
    if damage:
        warnings.warn(
            f"{len(damage)} blocks of {store.path} cannot be read, and are NaN (or 0): {some(damage)}",
            UserWarning,
            stacklevel=2,
        )
        tree = _mended(tree, store, damage)
    return tree


def _mended(tree: xr.DataTree, store: Store, damage: Sequence[Damage]) -> xr.DataTree:
    """The tree, where the arrays with damaged blocks are read already, block by block."""
    spoilt = {(block.group, block.variable) for block in damage}
    bad = set(damage)
    groups = {f"/{name}": group.to_dataset() for name, group in tree.children.items()}
    for group, variable in spoilt:
        if f"/{group}" not in groups:
            continue
        data = groups[f"/{group}"]
        array = data[variable]
        blank = np.nan if array.dtype.kind == "f" else 0
        filled = np.full(array.shape, blank, array.dtype)
        for block, stored in store.blocks():
            chain = np.flatnonzero(data["chain"].values == block.chain)
            if (block.group, block.variable) == (group, variable) and block not in bad and chain.size:
                end = min(block.end, filled.shape[1])
                filled[chain[0], block.first : end] = stored[block.chain, block.first : end]
        groups[f"/{group}"] = data.assign({variable: (array.dims, filled, array.attrs)})
    return xr.DataTree.from_dict(groups)


def some(damage: Sequence[Damage]) -> str:
    """The first few, in words."""
    shown = "; ".join(map(str, damage[:3]))
    return shown if len(damage) <= 3 else f"{shown}; and {len(damage) - 3} more"
