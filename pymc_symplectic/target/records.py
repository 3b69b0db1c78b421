"""Records of shared data: where compiled code finds the arrays that a function of PyTensor's reads."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import numpy as np

__all__ = ["SharedData", "offsets_of", "with_weights_of"]


def offsets_of(types: Sequence[Any]) -> list[int]:
    """Where the entries of each shared variable begin in a record, and where the record ends.

    They are the address of its array, and the array's lengths.
    """
    return list(accumulate((1 + getattr(typ, "ndim", 0) for typ in types), initial=0))


class SharedData:
    """The shared variables of one compiled function, as one user of it sees them.

    Parameters
    ----------
    cells : list of list
        The value of each, as the one entry of a list.
    offsets : list of int
        By `offsets_of`.
    native : bool
        Whether compiled code reads them; otherwise PyTensor's function does, by itself.
    own : int, optional
        The number of the cell of an array of which a record may have its own.
    more : sequence of int, optional
        What records have behind the shared data.

    Attributes
    ----------
    record : ndarray of int
        Of the values that the cells have.
    """

    def __init__(
        self, cells: list[list[Any]], offsets: list[int], native: bool, own: int | None = None, more: Sequence[int] = ()
    ) -> None:
        self._cells, self._offsets, self._native, self._own = cells, offsets, native, own
        self._seen: list[Any] = [None] * len(cells)
        self._pinned: list[Any] = [None] * len(cells)
        self._others: list[weakref.ref[np.ndarray]] = []
        self.record = np.zeros(max(1, offsets[-1] + len(more)), np.int64)
        self.record[len(self.record) - len(more) :] = more

    def refresh(self) -> bool:
        """Write down where values are that have been replaced, in all records; returns whether there are any."""
        changed = False
        for i, cell in enumerate(self._cells):
            if cell[0] is self._seen[i]:
                continue
            changed = True
            self._seen[i] = cell[0]
            if self._native:
                self._pinned[i] = np.require(cell[0], requirements=["C", "A"])
                others = [] if i == self._own else [other() for other in self._others]
                for record in [self.record, *(record for record in others if record is not None)]:
                    self._write(record, i, self._pinned[i])
        return changed

    def _write(self, record: np.ndarray, cell: int, array: np.ndarray) -> None:
        record[self._offsets[cell] : self._offsets[cell + 1]] = array.ctypes.data, *array.shape

    def record_with(self, array: np.ndarray) -> np.ndarray:
        """Another record, with an array of its own, which is read where it is, and has to live as long."""
        assert self._own is not None
        record = self.record.copy()
        self._write(record, self._own, array)
        self._others.append(weakref.ref(record, self._others.remove))
        return record


@contextmanager
def with_weights_of(record: int, cell: list[Any], offset: int, size: int) -> Iterator[None]:
    """While this lasts, have a cell hold the array of so many numbers that the record at an address leads to."""
    address = ctypes.c_int64.from_address(record + ctypes.sizeof(ctypes.c_int64) * offset).value
    if not address:
        yield
        return
    before = cell[0]
    cell[0] = np.frombuffer((ctypes.c_double * size).from_address(address))
    try:
        yield
    finally:
        cell[0] = before
