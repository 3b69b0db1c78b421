"""Numbers that a user gives, checked by name."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

_MOST = 10**12  # draws or steps that anybody lives to see

__all__ = ["at_least", "fraction", "like", "number", "positive", "seeded", "truth", "whole"]


def number(name: str, value: Any) -> float:
    """`value` as a float; a TypeError unless it is a number."""
    # float() would also take "0.1", True, or the one entry of an array, none of which is likely to be meant
    if not isinstance(value, str | bytes | bool | np.bool) and np.ndim(value) == 0:
        with suppress(TypeError, ValueError):
            try:
                return float(value)
            except OverflowError:  # an integer of hundreds of digits
                return math.inf if value > 0 else -math.inf
    raise TypeError(f"{name} must be a number, got {value!r}")


def positive(name: str, value: Any) -> float:
    """`value` as a positive and finite float."""
    result = number(name, value)
    if not 0 < result < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return result


def fraction(name: str, value: Any, *, closed: bool = False) -> float:
    """`value` as a float between 0 and 1, which are allowed if the interval is closed."""
    result = number(name, value)
    if not (0 <= result <= 1 if closed else 0 < result < 1):
        where = "must be in [0, 1]" if closed else "must lie strictly between 0 and 1"
        raise ValueError(f"{name} {where}, got {value!r}")
    return result


def at_least(name: str, value: Any, least: float) -> float:
    """`value` as a finite float of no less than `least`."""
    result = number(name, value)
    if not least <= result < math.inf:
        raise ValueError(f"{name} must be finite and at least {least:g}, got {value!r}")
    return result


def whole(name: str, value: Any, least: int, most: int = _MOST) -> int:
    """`value` as an integer from `least` to `most`."""
    result = number(name, value)
    if least <= result <= most and result == int(result):
        return int(result)
    kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
    if most < 1000:
        kind = f"an integer from {least} to {most}"
    elif result > most:
        kind = f"at most {most}"
    raise ValueError(f"{name} must be {kind}, got {value!r}")


def seeded[T](name: str, value: Any, make: Callable[[Any], T]) -> T:
    """What `make` makes of a seed; an error that says what can be one, where it raises one."""
    try:
        return make(value)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} must be an integer of at least 0, a sequence of them, or a numpy.random.Generator, got {value!r} "
            f"({error})"
        ) from error


def truth(name: str, value: Any) -> bool:
    """`value` as a bool; a TypeError unless it is one."""
    # "no" and "False" are true, and None is not
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def like(name: str, value: Any, usual: Any) -> None:
    """Raise an error unless a value is of the kind that the usual one is."""
    if isinstance(usual, bool):
        truth(name, value)
    elif isinstance(usual, int):
        if number(name, value) < 0 or not (isinstance(value, int | np.integer) or value == math.inf):
            raise TypeError(f"{name} must be an integer of at least 0, or infinite, got {value!r}")
    elif isinstance(usual, float):
        if math.isnan(number(name, value)):
            raise ValueError(f"{name} must be a number, got {value!r}")
    elif not isinstance(value, type(usual)):
        raise TypeError(f"{name} must be a {type(usual).__name__} such as {usual!r}, got {value!r}")
    elif isinstance(usual, tuple):
        for one, its in zip(value, usual if len(value) == len(usual) else usual[:1] * len(value), strict=True):
            like(name, one, its)
