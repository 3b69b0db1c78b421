"""A gradient by finite differences, behind an address of its own."""

from collections.abc import Callable
from functools import cache

import numpy as np

from .address import LOGP, AddressedFunction, array_at, logp_at
from .compile import helper
from .status import Status

__all__ = ["by_differences", "differences"]

_OK, _BROKEN = int(Status.OK), int(Status.BROKEN)
_ROUNDING = 2.0**-26  # of a coordinate: half of its digits are left for the step


@helper
def differences(
    logp: Callable, data: np.ndarray, steps: np.ndarray, position: np.ndarray, gradient: np.ndarray, value: np.ndarray
) -> int:
    """Write the log-density and its forward differences by `steps` (d,), zero where these are not finite.

    `logp` has the signature `LOGP`, and writes no gradient.  The position is moved, and put back.
    """
    for j in range(position.size):
        gradient[j] = 0.0
    status = logp(data, position, gradient, value)
    here = value[0]
    if status != _OK or not abs(here) < np.inf:
        return status
    for j in range(position.size):
        at = position[j]
        position[j] = at + max(steps[j], _ROUNDING * abs(at))
        step = position[j] - at
        status = logp(data, position, gradient, value)
        position[j] = at
        if status == _BROKEN:
            return status
        if status == _OK and abs(value[0]) < np.inf:
            gradient[j] = (value[0] - here) / step
    value[0] = here
    return _OK


def _addressed(data: np.ndarray, position: np.ndarray, gradient: np.ndarray, value: np.ndarray) -> int:
    """The same as a function of signature `LOGP`: `data` ends with the addresses of `logp` and of `steps`."""
    steps = array_at(data[data.size - 1], (position.size,), np.float64)
    return differences(logp_at(data[data.size - 2]), data, steps, position, gradient, value)


@cache
def by_differences() -> AddressedFunction:
    """The function behind an address."""
    return AddressedFunction(_addressed, LOGP, cached=True)
