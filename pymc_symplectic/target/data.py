"""Data of a model, exchanged for as long as a run lasts, and runs on several threads that take turns with them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
from pymc.exceptions import ShapeWarning
from pytensor.compile.sharedvalue import SharedVariable

__all__ = ["OtherData", "run_with"]


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

    def __init__(self, model: pm.Model, values: Mapping[str, Any], coords: Mapping[str, Any] | None = None) -> None:
        known = {str(variable.name): variable for variable in model.data_vars if isinstance(variable, SharedVariable)}
        if strangers := [name for name in values if name not in known]:
            there = f"it has {', '.join(known)}" if known else "make them by pm.Data, and they can be exchanged"
            raise ValueError(f"with_data: the model has no shared data {', '.join(map(repr, strangers))}; {there}")
        self.coords = {name: tuple(labels) for name, labels in (coords or {}).items()}
        if strangers := sorted(self.coords.keys() - model.coords.keys()):
            raise ValueError(f"with_data: the model has no dimension {', '.join(map(repr, strangers))}")
        self.values = {name: _checked(known[name], value) for name, value in values.items()}

    def joined(self, other: OtherData) -> OtherData:
        """These and others, which count where both have some."""
        both = object.__new__(OtherData)
        both.values, both.coords = self.values | other.values, self.coords | other.coords
        return both

    def put_into(self, model: pm.Model) -> None:
        """Make them the data of the model; as they were before, where one of them does not fit.

        Raises
        ------
        ValueError
        """
        before = OtherData.of(model, self.values, self.coords)
        try:
            self._set(model)
        except Exception as error:
            before._set(model)
            raise ValueError(f"with_data: {error}") from error

    @classmethod
    def of(cls, model: pm.Model, names: Mapping[str, Any], coords: Mapping[str, Any]) -> OtherData:
        """The data of a model as they are, of some names and dimensions."""
        now = object.__new__(cls)
        now.values = {name: model[name].get_value(borrow=True) for name in names}
        of_data = {dim for name in names for dim in model.named_vars_to_dims.get(name) or () if dim}
        now.coords = {dim: model.coords[dim] for dim in of_data | coords.keys() if model.coords.get(dim) is not None}
        return now

    def _set(self, model: pm.Model) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ShapeWarning)  # all that share a dimension are set one after another
            for name, value in self.values.items():
                dims = model.named_vars_to_dims.get(name) or ()
                own = {dim: labels for dim, labels in self.coords.items() if dim in dims}
                if own or model[name].get_value(borrow=True).shape != value.shape:
                    model.set_data(name, value, coords=own)
                else:
                    model[name].set_value(value)


def _checked(variable: Any, value: Any) -> np.ndarray:
    name, dtype = variable.name, np.dtype(variable.dtype)
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise TypeError(f"with_data: {name} must be an array of {dtype}, got {value!r} ({error})") from error
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.array_equal(array, np.floor(array)))
    if array.dtype.kind not in "biuf" or (dtype.kind in "biu" and not whole):
        raise TypeError(f"with_data: {name} must be an array of {dtype}, and has entries that are not")
    if array.ndim != variable.ndim:
        raise ValueError(f"with_data: {name} must have {variable.ndim} dimensions, as before, and has {array.ndim}")
    fixed = variable.type.shape
    if any(length not in (None, now) for length, now in zip(fixed, array.shape, strict=True)):
        raise ValueError(f"with_data: {name} must have shape {fixed}, and has {array.shape}")
    return array.astype(dtype)


class _Turns:
    """Runs with the same data go on at once; one with others waits until they are over."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._runs, self._data, self._before = 0, None, OtherData.__new__(OtherData)

    @contextmanager
    def taken(self, model: pm.Model, data: OtherData | None) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._runs or self._data is data)
            if not self._runs and data is not None:
                self._before = OtherData.of(model, data.values, data.coords)
                data.put_into(model)
            self._data, self._runs = data, self._runs + 1  # type: ignore[assignment]
        try:
            yield
        finally:
            with self._condition:
                self._runs -= 1
                if not self._runs:
                    if data is not None:
                        self._before.put_into(model)
                    self._condition.notify_all()


_turns: WeakKeyDictionary[pm.Model, _Turns] = WeakKeyDictionary()
_opening = threading.Lock()


@contextmanager
def run_with(model: pm.Model, data: OtherData | None) -> Iterator[None]:
    """While this lasts, a model has these data, or those that it has by itself; others wait for their turn."""
    with _opening:
        turns = _turns.setdefault(model, _Turns())
    with turns.taken(model, data):
        yield
