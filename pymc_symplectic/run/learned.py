"""What a run has learned, of its result, its store, or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import xarray as xr

from ..knowledge import Learned
from ..store import learned_of_store
from .handle import Run

__all__ = ["learned"]

_GROUP = "learned"


def learned(source: xr.DataTree | Run | str | os.PathLike[str]) -> Learned:
    """What the warm-up of a run has learned, and where its chains have come to.

    Parameters
    ----------
    source : DataTree, Run or path
        What `sample` has returned, also after it was written to a file and read again; a `Run`, between its blocks of
        draws; the store of a run, finished or not; or a file that `Learned.save` has written.

    Returns
    -------
    Learned
        Of those chains whose warm-up has ended.

    Raises
    ------
    FileNotFoundError
        When there is nothing at the path.
    TypeError
        When `source` is none of these.
    RuntimeError
        When a `Run` has no draws yet.
    ValueError
        When a result has no group ``learned``, as those of `pymc.sample` have none, or no chain has ended its warm-up.
    StoreError
        When what is at the path is not a store, or is damaged.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x", sigma=3.0)
    ...     idata = ps.sample(100, chains=2, progressbar=False, quiet=True, random_seed=1)
    >>> ps.learned(idata).table.loc["pooled", "integrator"]
    'harmonic_leapfrog'
    """
    if isinstance(source, Run):
        source = source.draws()
    if isinstance(source, xr.DataTree):
        if _GROUP not in source.children:
            made = source["posterior"].attrs.get("inference_library") if "posterior" in source.children else None
            raise ValueError(
                "learned: the result has no group 'learned', which ps.sample adds to what chains draw after their "
                f"warm-up{'' if made is None else f'; it was made by {made}'}"
            )
        return Learned.from_dataset(source[_GROUP].to_dataset())
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"learned: a result or the path of a store is needed, got a {type(source).__name__}")
    path: Any = Path(source)
    return Learned.load(path) if path.is_file() else learned_of_store(path)
