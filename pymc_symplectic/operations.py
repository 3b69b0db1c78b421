"""Functions of a vector that a user brings along, as operations of PyTensor's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from .differences import Differences
from .native.numba import is_dispatcher
from .native.pytensor import let_numba_call, let_numba_compile

__all__ = ["Jax", "number_of", "parts_of", "with_gradient", "without_gradient"]


class _OfAVector(Op, ABC):
    """A function of one vector of double precision."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @property
    def _means(self) -> tuple[Any, ...]:
        """What it is, beside its function."""
        return ()

    def __eq__(self, other: object) -> bool:  # by what it is, as not every function can be hashed
        return isinstance(other, _OfAVector) and (type(self), *self._same) == (type(other), *other._same)

    def __hash__(self) -> int:
        return hash((type(self), *self._same))

    @property
    def _same(self) -> tuple[Any, ...]:
        return id(self.function), *self._means

    def make_node(self, *inputs: Variable) -> Apply:
        """Make what it returns."""
        q = pt.as_tensor_variable(inputs[0]).astype("float64")
        return Apply(self, [q], self._outputs())

    @abstractmethod
    def _outputs(self) -> list[Variable]: ...


class _Density(_OfAVector):
    """A function that returns a number and its gradient; and perhaps another one that returns the number alone."""

    def __init__(self, function: Callable[..., Any], value: Callable[..., Any] | None = None) -> None:
        super().__init__(function)
        self.value = value

    @property
    def _means(self) -> tuple[Any, ...]:
        return (id(self.value),)

    def _outputs(self) -> list[Variable]:
        return [pt.dscalar(), pt.dvector()]

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        """Call the function."""
        value, gradient = parts_of(self.function(inputs[0].copy()), inputs[0].size)
        outputs[0][0], outputs[1][0] = np.asarray(value), gradient

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """The gradient of the value; that of the gradient is not known."""
        return [cotangents[0] * outputs[1]]

    def value_alone(self, q: Variable) -> Variable | None:
        """The same number by the function that returns it alone; None where there is none."""
        return None if self.value is None else without_gradient(self.value, q)


class _Value(_OfAVector):
    """A function that returns a number alone; `differences` say how gradients are taken of what is made of it."""

    def __init__(self, function: Callable[..., Any], differences: Differences | None = None) -> None:
        super().__init__(function)
        self.differences = differences

    @property
    def _means(self) -> tuple[Any, ...]:
        return (self.differences,)

    def _outputs(self) -> list[Variable]:
        return [pt.dscalar()]

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        """Call the function."""
        outputs[0][0] = np.asarray(number_of(self.function(inputs[0].copy())))


class _CompiledDensity(_Density):
    """The same, of a function that numba has compiled."""


class _CompiledValue(_Value):
    """The same, of a function that numba has compiled."""


def _density_called_by_numba(op: _CompiledDensity) -> Callable[..., Any]:
    function = op.function

    def call(q: Any) -> Any:
        value, gradient = function(q.copy())  # which may write to it
        return np.asarray(float(value)), np.ascontiguousarray(gradient).astype(np.float64)

    return call


def _value_called_by_numba(op: _CompiledValue) -> Callable[..., Any]:
    function = op.function

    def call(q: Any) -> Any:
        return np.asarray(float(function(q.copy())))

    return call


@cache
def _known_to_numba() -> None:
    let_numba_call(_Density)
    let_numba_call(_Value)
    let_numba_compile(_CompiledDensity, _density_called_by_numba)
    let_numba_compile(_CompiledValue, _value_called_by_numba)


def with_gradient(function: Callable[..., Any], q: Any, value: Callable[..., Any] | None = None) -> Any:
    """The number, as an expression, that a function returns together with its gradient; `value` returns it alone."""
    _known_to_numba()
    kind = _CompiledDensity if is_dispatcher(function) else _Density
    return kind(function, value).make_node(q).outputs[0]


def without_gradient(function: Callable[..., Any], q: Any, differences: Differences | None = None) -> Any:
    """The number, as an expression, that a function returns alone, and how its gradient is to be taken, if at all."""
    _known_to_numba()
    kind = _CompiledValue if is_dispatcher(function) else _Value
    return kind(function, differences).make_node(q).outputs[0]


class Jax:
    """A function that JAX compiles, and differentiates where it returns a number alone; in double precision."""

    def __init__(self, function: Callable[..., Any], alone: bool) -> None:
        self.function, self.alone = function, alone
        self._compiled: Any = None

    def __call__(self, q: np.ndarray) -> Any:
        """The number and its gradient."""
        import jax

        double = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
        with double(True):
            if self._compiled is None:
                self._compiled = jax.jit(jax.value_and_grad(self.function) if self.alone else self.function)
            value, gradient = self._compiled(q)
            return np.asarray(value), np.asarray(gradient)

    def __getstate__(self) -> dict[str, Any]:
        return {"function": self.function, "alone": self.alone, "_compiled": None}


# What functions return


def number_of(found: Any) -> float:
    """The number that a function has returned; a TypeError where it is none."""
    try:
        value = np.asarray(found)
        if value.size != 1 or value.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise TypeError(f"function must return the log-density as a number, got {found!r}") from None
    return float(value.reshape(()))


def parts_of(found: Any, dim: int) -> tuple[float, np.ndarray]:
    """The number and the gradient (d,) that a function has returned."""
    try:
        value, gradient = map(np.asarray, found)
        if "c" in (value.dtype.kind, gradient.dtype.kind):
            raise TypeError("complex numbers")
        value, gradient = value.astype(float), gradient.astype(float)  # a copy, as they may be written to again
    except (TypeError, ValueError) as error:
        raise TypeError(f"function must return the log-density and its gradient, got {found!r}") from error
    if value.size != 1 or gradient.shape != (dim,):
        raise TypeError(
            f"function must return a number and a gradient of shape ({dim},), got shapes {value.shape} and "
            f"{gradient.shape}"
        )
    return float(value.reshape(())), gradient
