"""A graph that PyTensor has compiled, behind a function address."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from pymc.pytensorf import compile as pm_compile
from pytensor.tensor.type import TensorType

from ..kernels.address import LOGP, AddressedFunction
from ..kernels.status import Status
from ..native.numba import NumbaError, compile_for
from ..native.pytensor import interprets, linker_of, machine_code, shared_storage, storage_of, user_code
from .checks import Fork
from .compiled import alone, array_type, mode_for, native, through_python
from .records import SharedData, offsets_of, with_weights_of
from .sharing import ARITHMETIC, Errors, curable

__all__ = ["CompiledGraph", "wrong_length"]

_log = logging.getLogger(__name__)
_SHAREABLE = "biuf"  # kinds of NumPy dtypes that a compiled function can read through a pointer
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)


class CompiledGraph:
    """A log-density, or that and its gradient, as a function of one flat vector, called by its address or from Python.

    Parameters
    ----------
    vector : variable
        Of length `dim`.
    outputs : sequence of variables
        The log-density; and its gradient (d,), if it is wanted.  Without it the function of signature `LOGP` leaves the
        memory for the gradient as it is.
    dim : int
    compile_kwargs : dict
        Handed to PyTensor's compiler.
    errors : Errors
        Where errors are kept that come up while compiled code calls this through Python.
    weights : shared variable, optional
        One of which each caller may have its own value (d + 1,).
    called_by_kernels : bool, optional
        Whether compiled code calls it, so that it needs an address.

    Attributes
    ----------
    function : pytensor function
    address : int
    native : bool
        Whether kernels call machine code, or back into Python.
    cells : list of list
        The values of shared variables, as `shared_storage` finds them.
    """

    def __init__(
        self,
        vector: Any,
        outputs: Sequence[Any],
        dim: int,
        compile_kwargs: Mapping[str, Any],
        errors: Errors,
        weights: Any = None,
        *,
        called_by_kernels: bool = True,
    ) -> None:
        self.dim, self._errors, self._slopes = dim, errors, len(outputs) > 1
        mode = mode_for(outputs[:1], compile_kwargs.get("mode"))
        with user_code:
            self.function = pm_compile([vector], outputs, **{**compile_kwargs, "mode": mode})
        self.function.trust_input = True
        self.linker = linker_of(self.function)
        self._fork = Fork(outputs, self.linker)
        self._dtype = vector.dtype
        types, self.cells = shared_storage(self.function, given=1)
        self._offsets = offsets_of(types)
        cell = None if weights is None else storage_of(weights)
        self._weights_at = next((i for i, other in enumerate(self.cells) if other is cell), None)
        self.address, self.native = 0, False
        if called_by_kernels:
            self._addressed, self.native = self._make_addressed(types)
            self.address = self._addressed.address

    def shared_data(self, more: Sequence[int] = ()) -> SharedData:
        """Another user's record of the shared data, by which compiled code finds them, filled, and something more."""
        data = SharedData(self.cells, self._offsets, self.native, self._weights_at, more)
        data.refresh()
        return data

    def __call__(self, position: np.ndarray) -> list[np.ndarray]:
        """The outputs at a position (d,), through PyTensor's own function."""
        self._fork.check()
        with user_code:
            return [np.asarray(found, float) for found in self.function(np.array(position, dtype=self._dtype))]

    def _make_addressed(self, types: Sequence[Any]) -> tuple[AddressedFunction, bool]:
        raw = machine_code(self.function)
        shareable = all(isinstance(t, TensorType) and np.dtype(t.dtype).kind in _SHAREABLE for t in types)
        # What an operation raises in the interpreter would stay pending, unseen, while compiled code went on.
        if raw is not None and shareable and not interprets(raw):
            try:
                arguments = array_type(self._dtype, 1), *(array_type(t.dtype, t.ndim) for t in types)
                with alone(raw, lambda function: compile_for(function, arguments)) as raw:
                    function, placed = native(raw, self._dtype, types, self._offsets, self._slopes)
                    return AddressedFunction(function, LOGP, placed=placed), True
            except NumbaError as error:
                _log.info("The log-density is called through Python, because numba could not compile it: %s", error)
        self._doubles = ctypes.c_double * self.dim
        self._callback = _CALLBACK(self._call_back)
        return AddressedFunction(through_python(self._callback), LOGP), False

    def _call_back(self, data: int, position: int, gradient: int, value: int) -> int:
        errors = self._errors
        with user_code:
            try:
                at = np.frombuffer(self._doubles.from_address(position))
                with np.errstate(all="ignore"), self._weights_of(data):  # what comes of it shows in the values
                    found = self(at)
                if self._slopes:
                    if found[1].shape != (self.dim,):
                        raise TypeError(wrong_length(self.dim, found[1].shape))
                    np.frombuffer(self._doubles.from_address(gradient))[:] = found[1]
                ctypes.c_double.from_address(value).value = float(found[0])
            except BaseException as error:  # interrupts too: nothing may unwind through compiled code
                errors.last = error
                if not curable(error):
                    return Status.BROKEN
                if not isinstance(error, ARITHMETIC):
                    errors.note(error)
                return Status.FAILED
            if errors.last is not None and curable(errors.last):
                errors.last = None  # of another point; an error that broke a chain stays until the chain has raised it
            return Status.OK

    def _weights_of(self, record: int) -> AbstractContextManager[None]:
        if self._weights_at is None:
            return nullcontext()
        at = self._weights_at
        return with_weights_of(record, self.cells[at], self._offsets[at], self.dim + 1)


def wrong_length(dim: int, shape: tuple[int, ...] | None = None) -> str:
    """The message of a gradient that is not of length `dim`."""
    found = "another one" if shape is None else str(shape)
    return f"the gradient must have shape ({dim},), and has {found}; look at the gradients of operations of your own"
