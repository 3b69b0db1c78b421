"""What a log-density is compiled from beside the variables of its model, as something to compare with later.

The variables of a model tell most of it, as they are not changed but exchanged.  What may change while they stay the
same are arrays that somebody writes to, and objects of a user's own, with what these hold: operations, transforms, and
functions such as the ``logp`` of `pymc.CustomDist`.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pymc as pm
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors

from ..native.pymc import logprob_of
from ..native.pytensor import HasInnerGraph, within_blocks
from .checks import LIBRARIES

__all__ = ["Contents", "Same", "variables_of"]

_PLAIN = str, bytes, int, float, complex, bool, type(None), np.generic
_DEEP = 4  # objects within objects that are looked into


class Same:
    """Something that equals nothing but itself; it is held, so that no other one comes to its place in memory."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    __hash__ = None  # type: ignore[assignment]


class Contents:
    """What may change within the variables of a model while these remain.

    Parameters
    ----------
    model : pymc.Model
    """

    def __init__(self, model: pm.Model) -> None:
        self._inputs: list[tuple[Apply, tuple[Any, ...]]] = []
        self._things: list[Any] = [*model.rvs_to_initial_values.values()]
        self._things += [transform for transform in model.rvs_to_transforms.values() if transform is not None]
        for variable in _everything(variables_of(model)):
            if isinstance(variable, Constant):
                self._things.append(variable.data)
            elif (node := variable.owner) is not None:
                self._inputs.append((node, tuple(node.inputs)))
                self._things += [op for op in _within(node.op) if _is_of_user(type(op))]
        functions = [logprob_of(rv.owner.op) for rv in model.basic_RVs if rv.owner is not None]
        self._things += [function for function in functions if getattr(function, "__closure__", None)]
        self._was = self._now()

    def unchanged(self) -> bool:
        """Whether all is as it was."""
        return self._was == self._now() and all(
            a is b for node, inputs in self._inputs for a, b in zip(node.inputs, inputs, strict=True)
        )

    def _now(self) -> list[Any]:
        return [_of(thing, _DEEP) for thing in self._things]


def variables_of(model: pm.Model) -> list[Any]:
    """All variables of a model, in their order."""
    return [*model.basic_RVs, *model.deterministics, *model.potentials, *model.rvs_to_values.values()]


def _everything(outputs: Sequence[Variable]) -> Iterator[Variable]:
    """All that some variables are made from, in the graphs within operations too."""
    for variable in ancestors(outputs):
        yield variable
        for op in _within(getattr(variable.owner, "op", None)):
            if isinstance(op, HasInnerGraph):
                yield from _everything(op.inner_outputs)


def _within(op: Any) -> Iterator[Any]:
    """An operation, and that which it applies to each block or each element."""
    while op is not None:
        yield op
        inner = within_blocks(op)
        op = getattr(op, "scalar_op", None) if inner is op else inner


def _of(thing: Any, depth: int) -> Any:
    """Something that is equal for the same thing with the same contents."""
    if isinstance(thing, _PLAIN):
        return type(thing), thing if thing == thing else "nan"  # noqa: PLR0124
    if isinstance(thing, np.ndarray):
        return Same(thing), _sum_of(thing)
    if not depth:
        return Same(thing)
    if isinstance(thing, list | tuple | set | frozenset):
        return [_of(part, depth - 1) for part in thing]
    if isinstance(thing, Mapping):
        return [(_of(key, depth - 1), _of(part, depth - 1)) for key, part in thing.items()]
    if isinstance(thing, FunctionType):
        return Same(thing), [_of(part, depth - 1) for part in _held_by(thing)]
    if isinstance(thing, type | ModuleType | Variable):
        return Same(thing)
    own = [(name, _of(part, depth - 1)) for name, part in sorted(getattr(thing, "__dict__", {}).items())]
    common = [
        (name, _of(part, depth - 1))
        for kind in type(thing).__mro__
        if _is_of_user(kind)
        for name, part in vars(kind).items()
        if not (name.startswith("__") or callable(part) or isinstance(part, classmethod | staticmethod | property))
    ]
    return Same(thing), own, common


def _is_of_user(thing: Any) -> bool:
    """Whether a class or a function is from outside: of a library they change with its version alone.

    What `pymc_symplectic.density` makes an operation of is called as it is, or compiled for good.
    """
    root = (getattr(thing, "__module__", None) or "").partition(".")[0]
    return root not in {*LIBRARIES, "builtins", "numpy", "scipy", __name__.partition(".")[0]}


def _held_by(function: FunctionType) -> Iterator[Any]:
    """The objects that a function finds outside of itself; of a library's functions, those in its closure alone."""
    yield function.__defaults__
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty yet
            continue
    if _is_of_user(function):
        try:
            found = inspect.getclosurevars(function).globals
        except (TypeError, ValueError):
            return
        yield {name: part for name, part in found.items() if not isinstance(part, ModuleType)}


def _sum_of(array: np.ndarray) -> Any:
    """A checksum of what has bytes of its own."""
    if array.dtype.kind not in "biufcSU":
        return None
    return array.dtype.str, array.shape, zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
