"""Indices into arrays, checked: compiled code reads and writes beyond the end of an array without a word.

PyTensor's numba backend checks an index that is a number, but none that is an array, ``z[group]``.  An index that is
constant, or shared data, is checked once, and again when the data change.  One that depends on the variables of the
model is checked in the graph, at every evaluation.  One within a loop (`pytensor.scan`) or another inner graph cannot
be known beforehand: such a graph is compiled by a backend that checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import ancestors, graph_inputs, io_toposort

from ..native.pymc import MinibatchOp
from ..native.pytensor import (
    CheckAndRaise,
    HasInnerGraph,
    Shape,
    Shape_i,
    index_places,
    is_indexing,
    is_of_dims,
    is_of_tensors,
    user_code,
    within_blocks,
)

__all__ = ["ONCE", "IndexCheck", "guarded", "has_dims", "hidden", "name_of", "operations"]

ONCE = Mode("py", RewriteDatabaseQuery(include=("canonicalize",)))
"""For what is evaluated once, where compiling does not pay; it looks for no compiler, and no BLAS either."""


class _Access(NamedTuple):
    """An array, what indexes it along an axis (integers, or a mask), and the place of that among a node's inputs."""

    array: Any
    index: Any
    axis: int
    place: int

    @property
    def name(self) -> str:
        return f"{name_of(self.array, 'an array')}[{', ' * self.axis}{name_of(self.index, '...')}]"


def name_of(variable: Any, otherwise: str) -> str:
    """The variable by its name, or by those of what it is made of."""
    if variable.name:
        return str(variable.name)
    names = dict.fromkeys(str(v.name) for v in ancestors([variable]) if v.name and not isinstance(v, Constant))
    return f"a function of {', '.join(names)}" if names else otherwise


def operations(outputs: Sequence[Variable]) -> Iterator[Any]:
    """Each operation that `outputs` are computed by, with those of loops and other inner graphs."""
    for node in {variable.owner for variable in ancestors(outputs)} - {None}:
        op = within_blocks(node.op)
        yield op
        if isinstance(op, HasInnerGraph):
            yield from operations(op.inner_outputs)


def has_dims(outputs: Sequence[Variable]) -> bool:
    """Whether there are operations of `pymc.dims`, which index by names of dimensions until they are rewritten."""
    return any(map(is_of_dims, operations(outputs)))


def hidden(outputs: Sequence[Variable]) -> bool:
    """Whether an inner graph of a user's own indexes by arrays, where nothing of it can be checked from outside."""
    for node in {variable.owner for variable in ancestors(outputs)} - {None}:
        if isinstance(node.op, HasInnerGraph) and not _in_range_by_itself(node.op):
            inner = node.op.inner_outputs
            within = {variable.owner for variable in ancestors(inner)} - {None}
            if any(is_indexing(other.op) for other in within) or hidden(inner):
                return True
    return False


def _in_range_by_itself(op: Any) -> bool:
    """Whether an inner graph is PyTensor's own (a padding, a diagonal matrix), or takes a mini-batch."""
    return isinstance(op, MinibatchOp) or is_of_tensors(op)


def _accesses(node: Apply) -> Iterator[_Access]:
    """The arrays that a node indexes by arrays of integers or masks."""
    if not is_indexing(node.op):
        return
    axis = 0
    for place in index_places(node):
        if isinstance(place, slice):
            axis += 1
            continue
        access = _Access(node.inputs[0], node.inputs[place], axis, place)
        yield access
        axis += access.index.type.ndim if _is_mask(access.index) else 1


def _is_mask(index: Any) -> bool:
    return bool(index.type.dtype == "bool")


def _depends(index: Variable, values: set[Variable]) -> bool:
    """Whether an index depends on the values, not the shapes alone, of some variables."""
    seen, queue = set(), [index]
    while queue:
        variable = queue.pop()
        if variable in values:
            return True
        if variable in seen or variable.owner is None or isinstance(variable.owner.op, Shape | Shape_i):
            continue
        seen.add(variable)
        queue.extend(variable.owner.inputs)
    return False


def guarded(outputs: Sequence[Variable], values: Sequence[Variable]) -> list[Any]:
    """The same graphs, where an index that depends on `values` raises an IndexError when it is out of range."""
    among = set(values)
    nodes = io_toposort([], outputs)
    if not any(_depends(access.index, among) for node in nodes for access in _accesses(node)):
        return list(outputs)
    new: dict[Any, Any] = {}
    for node in nodes:
        inputs = [new.get(variable, variable) for variable in node.inputs]
        for access in _accesses(node):
            if not _is_mask(access.index) and _depends(access.index, among):
                index, length = inputs[access.place], inputs[0].shape[access.axis]
                inside = pt.all((index >= -length) & (index < length))
                inputs[access.place] = CheckAndRaise(IndexError, f"{access.name}: an index is out of range")(
                    index, inside
                )
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new.update(zip(node.outputs, node.clone_with_new_inputs(inputs).outputs, strict=True))
    return [new.get(output, output) for output in outputs]


class IndexCheck:
    """Checks the indices in some graphs that do not depend on the values of variables, and the shapes of masks.

    Parameters
    ----------
    outputs : sequence of Variable
    values : sequence of Variable
        The variables, which decide how long an array is at most.
    """

    def __init__(self, outputs: Sequence[Variable], values: Sequence[Variable]) -> None:
        among = set(values)
        self._constant: list[_Access] = []
        self._shared: list[_Access] = []
        for node in io_toposort([], outputs):
            for access in _accesses(node):
                if isinstance(access.index, Constant) and access.array.type.shape[access.axis] is not None:
                    self._constant.append(access)
                elif _is_mask(access.index) or not _depends(access.index, among):
                    self._shared.append(access)
        self._values = list(values)
        self._graphs = [part for access in self._shared for part in (access.index, access.array.shape)]
        self._data = [variable for variable in graph_inputs(self._graphs) if isinstance(variable, SharedVariable)]
        self._function: Any = None
        self._seen: list[Any] | None = None  # the data that have been checked

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_function": None, "_seen": None}

    def again(self) -> IndexCheck:
        """The same check, of data that may have been written to since."""
        other = object.__new__(IndexCheck)
        other.__dict__.update(self.__dict__)
        other._seen = None
        return other

    def __call__(self, point: Sequence[np.ndarray]) -> None:
        """Raise an IndexError if an index is out of range with the current data, at `point`, one value a variable.

        What has been found in range is looked at again when data have been replaced.
        """
        data = [variable.get_value(borrow=True) for variable in self._data]
        if self._seen is not None and all(a is b for a, b in zip(data, self._seen, strict=True)):
            return
        for access in self._constant:
            _refuse_outside(access, access.index.data, access.array.type.shape)
        if self._graphs:
            if self._function is None:
                with user_code:
                    self._function = pytensor.function(self._values, self._graphs, mode=ONCE, on_unused_input="ignore")
            try:
                found = self._function(*point)
            except IndexError:
                raise
            except Exception:  # of data that do not fit together, which the log-density itself will tell
                return
            for access, index, shape in zip(self._shared, found[::2], found[1::2], strict=True):
                _refuse_outside(access, index, shape)
        self._seen = data


def _refuse_outside(access: _Access, index: Any, shape: Sequence[int]) -> None:
    index, length = np.asarray(index), int(shape[access.axis])
    if index.dtype == bool:
        mask, of = index.shape, tuple(map(int, shape[access.axis : access.axis + index.ndim]))
        if mask != of:
            raise IndexError(f"{access.name}: the mask has shape {mask}, and what it selects from has shape {of}")
        return
    bad = (index < -length) | (index >= length)
    if bad.any():
        where = np.argwhere(bad)[0]
        at = f" (at position {', '.join(map(str, where))} of the index)" if index.ndim else ""
        raise IndexError(
            f"{access.name}: the index {index[bad][0]} is out of range{at}, as there are {length} entries, 0 to "
            f"{length - 1}; compiled code would read beyond them, and give numbers without a meaning. Check the values "
            "of the index, or make the array longer"
        )
