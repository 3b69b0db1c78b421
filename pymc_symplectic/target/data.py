"""Data of a model, exchanged for as long as a run lasts, and runs on several threads that take turns with them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
from pymc.exceptions import ShapeWarning
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.random.type import RandomGeneratorType

from .contents import variables_of

__all__ = ["OtherData", "SeenData", "run_with"]


class OtherData:
    """Values for shared data of a model, checked as far as that is possible one by one.

    Parameters
    ----------
    model : pymc.Model
    values : dict
        By the names of `pymc.Data`.
    coords : dict, optional
        Of dimensions that have another length with them.

    Raises
    ------
    ValueError
        When the model has no such data, or they have another number of dimensions, a fixed length, or a dimension whose
        coordinates do not fit.
    TypeError
        When they are not numbers of the kind that the data are.
    """

    def __init__(self, model: pm.Model, values: Mapping[str, Any], coords: Any = None) -> None:
        known = {str(variable.name): variable for variable in model.data_vars if isinstance(variable, SharedVariable)}
        if strangers := [name for name in values if name not in known]:
            there = f"it has {', '.join(known)}" if known else "make them by pm.Data, and they can be exchanged"
            raise ValueError(f"with_data: the model has no shared data {', '.join(map(repr, strangers))}; {there}")
        if not isinstance(coords, Mapping | None):
            raise TypeError(f"with_data: coords must be a dictionary of dimensions and their labels, got {coords!r}")
        own = {dim for name in values for dim in model.named_vars_to_dims.get(name) or ()}
        if strangers := [dim for dim in coords or {} if dim not in own]:
            raise ValueError(f"with_data: coords: none of the data given has the dimension {strangers[0]!r}")
        for dim, labels in (coords or {}).items():
            if isinstance(labels, str) or not isinstance(labels, Sequence | np.ndarray | range):
                raise TypeError(f"with_data: coords: the labels of {dim} must be a sequence, got {labels!r}")
        self.coords = {name: tuple(labels) for name, labels in (coords or {}).items()}
        self.values = {name: _checked(known[name], value) for name, value in values.items()}

    def joined(self, other: OtherData) -> OtherData:
        """These and others, which count where both have some."""
        both = object.__new__(OtherData)
        both.values, both.coords = self.values | other.values, self.coords | other.coords
        return both

    def put_into(self, model: pm.Model) -> None:
        """Make them the data of the model.

        Raises
        ------
        ValueError
            When one of them does not fit.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ShapeWarning)  # all that share a dimension are set one after another
                for name, value in self.values.items():
                    dims = model.named_vars_to_dims.get(name) or ()
                    own = {dim: labels for dim, labels in self.coords.items() if dim in dims}
                    if own or model[name].get_value(borrow=True).shape != value.shape:
                        model.set_data(name, value, coords=own)
                    else:
                        model[name].set_value(value)
        except Exception as error:
            raise ValueError(f"with_data: {error}") from error


def _checked(variable: Any, value: Any) -> np.ndarray:
    """A value as an array of the dtype of a shared variable, unless something of it would be lost."""
    name, dtype = variable.name, np.dtype(variable.dtype)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"with_data: {name} has entries that are masked; data that are exchanged have to be there")
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise TypeError(f"with_data: {name} must be an array of {dtype}, got {value!r} ({error})") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"with_data: {name} must be an array of {dtype}, got one of {array.dtype}")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        cast = array.astype(dtype)
        if dtype.kind in "biu" and not (cast.astype(array.dtype) == array).all():
            raise TypeError(f"with_data: {name} must be an array of {dtype}, and has entries that are not")
    if array.ndim != variable.ndim:
        raise ValueError(f"with_data: {name} must have {variable.ndim} dimensions, as before, and has {array.ndim}")
    fixed = variable.type.shape
    if any(length not in (None, now) for length, now in zip(fixed, array.shape, strict=True)):
        raise ValueError(f"with_data: {name} must have shape {fixed}, and has {array.shape}")
    return cast


class _Before:
    """The data and the dimensions of a model as they are, to be put back whatever has become of them."""

    def __init__(self, model: pm.Model, data: OtherData) -> None:
        lengths = [length for length in model.dim_lengths.values() if isinstance(length, SharedVariable)]
        shared = [*(model[name] for name in data.values), *lengths]
        self.values = [(variable, variable.get_value(borrow=True)) for variable in shared]
        self._model, self._coords = model, dict(model.coords)

    def put_back(self) -> None:
        """Put them back."""
        for variable, value in self.values:
            variable.set_value(value, borrow=True)
        self._model.coords.clear()
        self._model.coords.update(self._coords)


class _Turns:
    """Runs with the same data go on at once; one with others waits until they are over.

    Data belong to shared variables, which several models may have, so there is one of these for all.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._runs: dict[Any, tuple[OtherData | None, int]] = {}  # of each shared variable: its data, and how many runs
        self._before: dict[int, _Before] = {}

    @contextmanager
    def taken(self, model: pm.Model, data: OtherData | None) -> Iterator[None]:
        """Run with data, once nobody runs with others."""
        shared = list(dict.fromkeys([*_shared_by(model), *(model[name] for name in (data.values if data else ()))]))
        with self._condition:
            self._condition.wait_for(lambda: all(self._runs.get(one, (data, 0))[0] is data for one in shared))
            first = data is not None and not any(one in self._runs for one in shared)
            if first:
                self._exchange(model, data)
            for one in shared:
                self._runs[one] = data, self._runs.get(one, (data, 0))[1] + 1
        try:
            yield
        finally:
            with self._condition:
                for one in shared:
                    _, runs = self._runs.pop(one)
                    if runs > 1:
                        self._runs[one] = data, runs - 1
                try:
                    if data is not None and not any(one in self._runs for one in shared):
                        self._before.pop(id(data)).put_back()
                finally:
                    self._condition.notify_all()

    def own_values(self, variables: Sequence[Any]) -> list[Any]:
        """The values of shared variables, without those that runs have exchanged for theirs."""
        with self._condition:
            before = {variable: value for one in self._before.values() for variable, value in one.values}
            return [before.get(one, one.get_value(borrow=True)) for one in variables]

    def _exchange(self, model: pm.Model, data: OtherData | None) -> None:
        assert data is not None
        before = _Before(model, data)
        try:
            data.put_into(model)
        except BaseException:
            before.put_back()
            raise
        self._before[id(data)] = before


def _shared_by(model: pm.Model) -> list[Any]:
    return [variable for variable in graph_inputs(variables_of(model)) if isinstance(variable, SharedVariable)]


_turns = _Turns()


class SeenData:
    """The data that a model has at some time, to notice when others have taken their place.

    Parameters
    ----------
    model : pymc.Model
    own : bool
        Whether those are meant that it has by itself, where a run has exchanged them for others.
    """

    def __init__(self, model: pm.Model, own: bool) -> None:
        lengths = set(model.dim_lengths.values())
        self._variables = [one for one in _shared_by(model) if one not in lengths and _is_data(one)]
        now = [one.get_value(borrow=True) for one in self._variables]
        self._values = _turns.own_values(self._variables) if own else now

    def replaced(self) -> list[str]:
        """Names of those that are others now."""
        return [
            str(variable.name)
            for variable, before in zip(self._variables, self._values, strict=True)
            if (now := variable.get_value(borrow=True)) is not before and not np.array_equal(now, before)
        ]


def _is_data(variable: Any) -> bool:
    return not isinstance(variable.type, RandomGeneratorType)


@contextmanager
def run_with(model: pm.Model, data: OtherData | None) -> Iterator[None]:
    """While this lasts, a model has these data, or those that it has by itself; others wait for their turn."""
    with _turns.taken(model, data):
        yield
