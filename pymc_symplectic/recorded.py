"""Variables of a model that are recorded at each draw, and the draws that are kept of chains of unequal lengths."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.exceptions import SamplingError

from .target import LogDensity, Values, curable, user_code, values_function

__all__ = ["SEED", "RecordedVariables", "check_var_names", "longest", "without_skipped"]

SEED = (0,)
"""Seed of random variables, where no other is given."""


class RecordedVariables:
    """Variables that are recorded at each draw, as functions of the unconstrained flat vector.

    Parameters
    ----------
    target : LogDensity
        Of all free variables of a model.
    names : sequence of str, optional
        Which free and deterministic variables; by default all, and free ones in unconstrained space too.

    Attributes
    ----------
    layout : dict
        Shape and dtype of each variable.
    random : frozenset of str
        Names of those that are not functions of the draw alone, such as a deterministic variable made from
        ``pm.Normal.dist()``.

    Raises
    ------
    ValueError
        When no variable is named, the model has no variable of such a name, or one of unknown shape cannot be computed
        at the model's initial point.

    Notes
    -----
    The function is the one that `pymc.sample` compiles, called for one draw at a time as there, so that the numbers
    are the same to the last bit.  Random variables are drawn from a stream of their own for each chain and each draw,
    so that they depend on nothing but a seed.
    """

    def __init__(self, target: LogDensity, names: Sequence[str] | None = None) -> None:
        if names is not None:
            check_var_names(target.model, names)
        self._target = target
        start = tuple(target.to_point(target.default_start).values())
        key = "values", None if names is None else frozenset(names)
        ours, self._function = target.once(key, lambda: _compiled(target.model, names, start))
        self.random = frozenset(name for name, is_random in zip(ours, self._function.random, strict=True) if is_random)
        self.layout: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        self._warned: set[str] = set()
        self._data = {one: one.get_value(borrow=True) for one in self._function.data}  # of the whole run
        with user_code:
            try:
                values = self._call(self._function, start, SEED, 0)
            except Exception:
                values = [self._alone(name, start, SEED, 0) for name in ours]
        self.layout = {
            name: (np.shape(value), np.asarray(value).dtype) for name, value in zip(ours, values, strict=True)
        }

    def new(self, *sizes: int) -> dict[str, np.ndarray]:
        """Arrays for draws, of shape (*sizes, ...)."""
        return {name: np.empty((*sizes, *shape), dtype) for name, (shape, dtype) in self.layout.items()}

    def fill(
        self, arrays: Mapping[str, np.ndarray], draws: np.ndarray, seed: Sequence[int] = SEED, first: int = 0
    ) -> None:
        """Write the variables at `draws` (n, d) to arrays of shape (n, ...).

        `seed` is of the chain, and `first` the number of the first of these draws in it, from the start of warm-up.
        Where a draw was not made, and is NaN, numbers are NaN too, and all else is zero.

        Raises
        ------
        SamplingError
            When a variable has another shape than at other draws, or cannot be computed, unless it can be NaN there.
        """
        columns = list(arrays.values())
        skipped = np.isnan(draws).all(axis=1) if draws.size else np.zeros(len(draws), bool)
        with user_code:  # a PyTensor function may have one storage for its inputs, too
            for i, position in enumerate(draws):
                if skipped[i]:
                    for array in columns:
                        array[i] = np.nan if array.dtype.kind == "f" else 0
                    continue
                for array, value in zip(columns, self._computed(position, seed, first + i), strict=True):
                    array[i] = value

    def _computed(self, position: np.ndarray, seed: Sequence[int], draw: int) -> Sequence[Any]:
        point = list(self._target.to_point(position).values())
        try:
            values = self._call(self._function, point, seed, draw)
        except Exception:
            values = [self._alone(name, point, seed, draw) for name in self.layout]
        for (name, (shape, _)), value in zip(self.layout.items(), values, strict=True):
            if np.shape(value) != shape:  # an assignment would spread it out
                raise SamplingError(
                    f"{name} has shape {np.shape(value)} at one draw and {shape} at another, and what is recorded "
                    "needs one shape for all; write it with pt.where instead of an index, or leave it out by var_names"
                )
        return values

    def _alone(self, name: str, point: Sequence[np.ndarray], seed: Sequence[int], draw: int) -> Any:
        """One variable, after all of them together have raised an error: NaN, with a warning, if it is to blame."""
        model = self._target.model
        [output] = [variable for variable in model.unobserved_value_vars if variable.name == name]
        shape, dtype = self.layout.get(name, (tuple(output.type.shape), np.dtype(output.dtype)))
        function = self._target.once(("value", name), lambda: values_function(model, [output], point))
        try:
            return self._call(function, point, seed, draw)[0]
        except Exception as error:
            raised = f"{type(error).__name__}: {str(error).rstrip('.')}"
            if not curable(error) or dtype.kind not in "fc" or None in shape:
                raise SamplingError(f"{name} raised {raised}. Mend it, or leave it out by var_names") from error
            if name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"{name} raised {raised}. It is NaN in such draws, which are kept.", UserWarning, stacklevel=2
                )
            return np.full(shape, np.nan, dtype)

    def _call(self, function: Values, point: Sequence[np.ndarray], seed: Sequence[int], draw: int) -> Sequence[Any]:
        generators = (
            np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(draw, stream))))
            for stream in function.streams
        )
        values: Sequence[Any] = function.call(*point, *(self._data[one] for one in function.data), *generators)
        return values

    def at(self, position: np.ndarray) -> dict[str, np.ndarray]:
        """The variables at one position (d,)."""
        arrays = self.new(1)
        self.fill(arrays, position[None])
        return {name: array[0] for name, array in arrays.items()}


def _compiled(model: pm.Model, names: Sequence[str] | None, start: Sequence[np.ndarray]) -> tuple[list[str], Values]:
    """The names of variables, all or some, and the function that computes them."""
    outputs = list(model.unobserved_value_vars)
    if names is not None:
        chosen = [variable for variable in model.unobserved_RVs if variable.name in names]
        outputs = model.replace_rvs_by_values(chosen)
        for variable, original in zip(outputs, chosen, strict=True):
            variable.name = original.name
    return [str(output.name) for output in outputs], values_function(model, outputs, start)


def check_var_names(model: pm.Model, names: Sequence[str]) -> None:
    """Raise a ValueError unless there are names, and each is of a free or deterministic variable of the model."""
    known = [variable.name for variable in model.unobserved_RVs]
    if not names:
        raise ValueError(f"var_names: name at least one variable; the model has {', '.join(known)}")
    if strangers := [name for name in names if name not in known]:
        raise ValueError(
            f"var_names: the model has no variable {', '.join(map(repr, strangers))}; it has {', '.join(known)}"
        )


def longest(counts: Sequence[int], tune: int) -> tuple[list[int], int]:
    """Choose which chains to keep, and how many draws of each, so that most draws are kept.

    Draws of warm-up are only counted where there are no others.

    Parameters
    ----------
    counts : sequence of int
        Number of draws that each chain has made, those of warm-up included.
    tune : int
        Draws of warm-up.

    Returns
    -------
    chains : list of int
        Numbers of the chains to keep.
    length : int
        Number of draws to keep of each, those of warm-up included.

    Examples
    --------
    >>> longest([1500, 1400, 1010], tune=1000)
    ([0, 1], 1400)
    >>> longest([20, 30], tune=1000)
    ([0, 1], 20)
    """
    beyond = [max(count - tune, 0) for count in counts]
    ranked = beyond if any(beyond) else list(counts)
    order = sorted(range(len(counts)), key=lambda chain: -ranked[chain])
    kept = max(range(1, len(order) + 1), key=lambda n: (n * ranked[order[n - 1]], n))
    chains = sorted(order[:kept])
    return chains, min(counts[chain] for chain in chains)


def without_skipped(idata: xr.DataTree, warmup: int) -> xr.DataTree:
    """A result with so many draws of warm-up: those beyond have been passed over by all chains, and are not numbers."""
    groups = {f"/{name}": group.to_dataset() for name, group in idata.children.items()}
    for name, data in groups.items():
        if name.startswith("/warmup_") and data.sizes["draw"] > warmup:
            groups[name] = data.isel(draw=slice(0, warmup))
        if "tuning_steps" in data.attrs:
            groups[name].attrs["tuning_steps"] = warmup
    return xr.DataTree.from_dict(groups)
