"""What has been compiled for a model, kept for as long as the model lives, and until it changes."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors

from ..native.pymc import make_initial_point_fn
from ..native.pytensor import HasInnerGraph, within_blocks
from .checks import is_foreign
from .density import LogDensity
from .variables import value_variables

__all__ = ["kept_log_density"]

_MOST = 4  # log-densities of one model: for other shapes, and other arguments of the compiler
_OPTIONS = (
    "floatX", "mode", "linker", "optimizer", "optimizer_including", "optimizer_excluding", "cast_policy", "cxx",
    "gcc__cxxflags", "numba__cache", "numba__fastmath", "numba__vectorize_target", "blas__ldflags",
)  # fmt: skip
_PLAIN = str, int, float, bool, type(None)


class _Same:
    """Something that equals nothing but itself; it is held, so that no other one comes to its place in memory."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    __hash__ = None  # type: ignore[assignment]


class _Entry(NamedTuple):
    """A log-density without its model; what the model was when it was compiled, and what makes its start."""

    target: LogDensity
    state: tuple[Any, ...]
    insides: _Insides
    first: Callable[[int], Mapping[str, np.ndarray]]


class _Kept:
    """The log-densities of a model."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.entries: list[_Entry] = []


_models: WeakKeyDictionary[pm.Model, _Kept] = WeakKeyDictionary()
_opening = threading.Lock()


def kept_log_density(
    model: pm.Model,
    compile_kwargs: Mapping[str, Any] | None = None,
    *,
    vars: Sequence[Any] | None = None,
    initial_point: Mapping[str, np.ndarray] | None = None,
) -> LogDensity:
    """A `LogDensity`: one that was made before, while the model is what it was then, or a new one.

    Parameters
    ----------
    model : pymc.Model
    compile_kwargs : dict, optional
    vars : sequence of variables, optional
    initial_point : dict, optional
        Where these two are not those of the model itself, nothing is kept: variables that are held belong to one step.

    Notes
    -----
    A model has changed when it has another variable, value variable, transform, initial value or potential than then,
    or one that is another object, or other numbers in one of its arrays; and with other options of PyTensor's.  Data
    that have been replaced by `pymc.set_data` are no change, unless a free variable has another shape by them.

    Each call gives a log-density of its own, which shares machine code, and nothing else, with others.  What is kept
    does not hold the model, and is freed with it.
    """
    if initial_point is not None or value_variables(vars, model) != model.value_vars:
        return LogDensity(vars, model=model, initial_point=initial_point, compile_kwargs=compile_kwargs)
    with _opening:
        own = _models.setdefault(model, _Kept())
    with own.lock:
        state = _state(model, compile_kwargs or {})
        for entry in own.entries:
            if entry.state == state and entry.insides.unchanged():
                point = entry.first(0)
                if entry.target.fits(point):
                    return entry.target.again(model, point)
        first = make_initial_point_fn(model=model)
        target = LogDensity(vars, model=model, initial_point=first(0), compile_kwargs=compile_kwargs)
        own.entries = [_Entry(target.again(None), state, _Insides(model), first), *own.entries][:_MOST]
        return target


def _variables(model: pm.Model) -> list[Any]:
    """All variables of a model, in their order."""
    return [*model.basic_RVs, *model.deterministics, *model.potentials, *model.rvs_to_values.values()]


def _state(model: pm.Model, compile_kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Everything that a log-density is compiled from, beside what is inside of variables."""
    variables = _variables(model)
    beside = [of.get(rv) for of in (model.rvs_to_transforms, model.rvs_to_initial_values) for rv in model.basic_RVs]
    names = tuple(variable.name for variable in variables)
    options = tuple(str(getattr(pytensor.config, name, None)) for name in _OPTIONS)
    given = tuple((name, _by_value(value)) for name, value in compile_kwargs.items())
    counts = len(model.free_RVs), len(model.observed_RVs), len(model.deterministics), len(model.potentials)
    return counts, names, tuple(map(_Same, [*variables, *beside])), options, given


def _by_value(value: Any) -> Any:
    return value if isinstance(value, _PLAIN) else _Same(value)


class _Insides:
    """What may change within variables while these remain: arrays, which somebody may write to; a user's operations."""

    def __init__(self, model: pm.Model) -> None:
        self._inputs: list[tuple[Apply, tuple[Any, ...]]] = []
        self._arrays = [value for value in model.rvs_to_initial_values.values() if isinstance(value, np.ndarray)]
        self._operations: list[Any] = []
        for variable in _everything(_variables(model)):
            if isinstance(variable, Constant) and isinstance(variable.data, np.ndarray):
                self._arrays.append(variable.data)
            elif (node := variable.owner) is not None:
                self._inputs.append((node, tuple(node.inputs)))
                if is_foreign(node.op):
                    self._operations.append(node.op)
        self._was = self._now()

    def unchanged(self) -> bool:
        """Whether all is as it was."""
        return self._was == self._now() and all(
            a is b for node, inputs in self._inputs for a, b in zip(node.inputs, inputs, strict=True)
        )

    def _now(self) -> tuple[list[int], list[Any]]:
        attributes = [(name, value) for op in self._operations for name, value in sorted(vars(op).items())]
        arrays = [*self._arrays, *(value for _, value in attributes if isinstance(value, np.ndarray))]
        return [_sum_of(array) for array in arrays], [(name, _by_value(value)) for name, value in attributes]


def _everything(outputs: Sequence[Variable]) -> Iterator[Variable]:
    """All that some variables are made from, in the graphs within operations too."""
    for variable in ancestors(outputs):
        yield variable
        op = within_blocks(getattr(variable.owner, "op", None))
        if isinstance(op, HasInnerGraph):
            yield from _everything(op.inner_outputs)


def _sum_of(array: np.ndarray) -> int:
    """A checksum; 0 of what has no bytes of its own."""
    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8)) if array.dtype.kind in "biufc" else 0
