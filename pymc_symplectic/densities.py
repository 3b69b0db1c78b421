"""A log-density of one's own as a model: a function that numba compiles, or any in Python, JAX or PyTensor."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions import transforms as pymc_transforms
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from .names import choose
from .native.numba import is_dispatcher
from .native.pytensor import let_numba_call, let_numba_compile

__all__ = ["density"]

type _Call = Callable[[np.ndarray], tuple[float, np.ndarray]]

_TRANSFORMS: Mapping[str, tuple[Any, Callable[[tuple[int, ...]], np.ndarray]]] = {
    "log": (pymc_transforms.log, np.ones),
    "log_exp_m1": (pymc_transforms.log_exp_m1, lambda shape: np.full(shape, math.log(2))),
    "logodds": (pymc_transforms.logodds, lambda shape: np.full(shape, 0.5)),
    "circular": (pymc_transforms.circular, np.zeros),
    "ordered": (pymc_transforms.ordered, lambda shape: np.zeros(shape) + np.linspace(-1, 1, shape[-1])),
    "simplex": (pymc_transforms.simplex, lambda shape: np.full(shape, 1 / shape[-1])),
}
"""Transforms, with what chains begin at: zero in unconstrained space, or near it."""
_OF_VECTORS = "ordered", "simplex"
_FEW = 20  # parameters that are checked one by one


def density(
    function: Callable[..., Any],
    variables: Mapping[str, int | Sequence[int]],
    *,
    coords: Mapping[str, Sequence[Any]] | None = None,
    dims: Mapping[str, str | Sequence[str]] | None = None,
    transforms: Mapping[str, Any] | None = None,
    initvals: Mapping[str, Any] | None = None,
    name: str = "log_density",
    check: bool = True,
) -> pm.Model:
    r"""Make a model of a log-density of one's own, to go wherever a model goes.

    Parameters
    ----------
    function : callable
        Takes the variables, raveled and joined in their order, as one vector q (d,), and returns log π(q), up to a
        constant, with its gradient (d,); or log π(q) alone, if JAX or PyTensor can differentiate it.

        - What ``numba.njit`` has compiled is called by compiled code.
        - Other functions are called back, in double precision where JAX computes them, at tens of microseconds a call.
        - A function of a PyTensor vector that returns an expression becomes part of the compiled model.
    variables : dict
        The shape of each variable, by its name.
    coords, dims : dict, optional
        Coordinates of dimensions, as of `pymc.Model`, and the dimensions of variables, by their names.
    transforms : dict, optional
        Of variables that are not free to be any number: ``"log"`` or ``"log_exp_m1"`` (positive), ``"logodds"``
        (between 0 and 1), ``"circular"``, ``"ordered"``, ``"simplex"``, or a transform of PyMC's with `initvals`.  The
        density is that of the variables themselves; its Jacobian in unconstrained space is added.
    initvals : dict, optional
        Where chains begin, before they are moved apart; by default at 0, and in the middle of what a transform allows.
    name : str, optional
        Of the density, as a potential of the model.
    check : bool, optional
        Whether to compare the gradient with finite differences at one point, at the price of ten evaluations, and two
        for each of up to 20 parameters.

    Returns
    -------
    pymc.Model

    Raises
    ------
    TypeError
        When `function` does not return what it must, or nobody can differentiate it.
    ValueError
        When a name is not that of a variable, shapes do not fit, log-density or gradient is not finite where chains
        begin, or the gradient is not that of the log-density: the message says along which parameter.

    Examples
    --------
    >>> import numba, numpy as np, pymc_symplectic as ps
    >>> @numba.njit
    ... def normal(q):
    ...     return -0.5 * (q**2).sum(), -q
    >>> model = ps.density(normal, {"x": 3, "y": ()})
    >>> idata = ps.sample(100, chains=2, random_seed=1, model=model, progressbar=False, quiet=True)
    >>> dict(idata["posterior"]["x"].sizes)
    {'chain': 2, 'draw': 100, 'x_dim_0': 3}
    """
    model = pm.Model(coords=dict(coords or {}), model=None)
    layout = _layout(variables, coords or {}, dims or {}, name)
    for what, given in (("dims", dims), ("transforms", transforms), ("initvals", initvals)):
        if strangers := [other for other in given or {} if other not in layout]:
            raise ValueError(f"{what}: there is no variable {strangers[0]!r}; there are {', '.join(layout)}")
    starts = {}
    with model:
        parts = []
        for variable, shape in layout.items():
            transform, start = _begin(variable, shape, (transforms or {}).get(variable), (initvals or {}).get(variable))
            starts[variable] = start
            own = (dims or {}).get(variable)
            place: dict[str, Any] = {"shape": shape} if own is None else {"dims": own}
            parts.append(pm.Flat(variable, default_transform=transform, initval=start, **place).ravel())
        q = pt.concatenate(parts)
        labels = [
            f"{variable}{list(index) or ''}".replace(" ", "")
            for variable, shape in layout.items()
            for index in np.ndindex(shape)
        ]
        start = np.concatenate([np.ravel(start) for start in starts.values()])
        expression = _expression(function, q, start, labels if check else None)
        pm.Potential(name, expression)
    return model


def _layout(
    variables: Any, coords: Mapping[str, Sequence[Any]], dims: Mapping[str, Any], name: str
) -> dict[str, tuple[int, ...]]:
    """The shape of each variable."""
    if not isinstance(variables, Mapping) or not variables:
        raise TypeError(f"variables must be a dictionary of names and shapes, got {variables!r}")
    layout = {}
    for variable, given in variables.items():
        shape = (given,) if isinstance(given, int | np.integer) else given
        whole = isinstance(shape, Sequence) and all(isinstance(n, int | np.integer) and n >= 0 for n in shape)
        if not isinstance(variable, str) or not whole:
            raise TypeError(f"variables: {variable!r} must be a name, and its shape whole numbers, got {given!r}")
        layout[variable] = tuple(int(n) for n in shape)
        own = dims.get(variable, ())
        lengths = [len(coords[dim]) for dim in ((own,) if isinstance(own, str) else own) if dim in coords]
        if variable in dims and lengths != list(layout[variable]):
            raise ValueError(
                f"dims: {variable} has shape {layout[variable]}, and its dimensions {own!r}, by coords, {lengths}"
            )
    if name in layout:
        raise ValueError(f"name: a variable is called {name!r}; call the density otherwise")
    if not any(math.prod(shape) for shape in layout.values()):
        raise ValueError("variables: all of them are of size zero, so there is nothing to sample")
    return layout


def _begin(variable: str, shape: tuple[int, ...], transform: Any, initval: Any) -> tuple[Any, np.ndarray]:
    """The transform of a variable, and what it begins at."""
    start = np.zeros(shape)
    if isinstance(transform, str):
        chosen = choose(f"transforms: {variable}", transform, {known: known for known in _TRANSFORMS})
        if chosen in _OF_VECTORS and not shape:
            raise ValueError(f"transforms: {variable} is a number, and {chosen} is for vectors")
        transform, make = _TRANSFORMS[chosen]
        start = make(shape)
    elif transform is not None and initval is None:
        raise ValueError(f"initvals: {variable} has a transform of its own, so say where it begins")
    if initval is not None:
        try:
            start = np.broadcast_to(np.asarray(initval, dtype=float), shape)
        except (TypeError, ValueError) as error:
            raise ValueError(f"initvals: {variable} must be numbers of shape {shape}, got {initval!r}") from error
    return transform, start


# From a function to an expression


class _Density(Op):
    """A function of a vector that returns a number and its gradient."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:  # by what it is, as not every function can be hashed
        return type(self) is type(other) and self.function is other.function

    def __hash__(self) -> int:
        return hash((type(self), id(self.function)))

    def make_node(self, *inputs: Variable) -> Apply:
        """Make the value, a scalar, and the gradient."""
        q = pt.as_tensor_variable(inputs[0]).astype("float64")
        return Apply(self, [q], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        """Call the function."""
        value, gradient = _parts(self.function(inputs[0].copy()), inputs[0].size)
        outputs[0][0], outputs[1][0] = np.asarray(value), gradient

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """The gradient of the value; that of the gradient is not known."""
        return [cotangents[0] * outputs[1]]


class _CompiledDensity(_Density):
    """The same, of a function that numba has compiled."""


def _called_by_numba(op: _CompiledDensity) -> Callable[..., Any]:
    function = op.function

    def call(q: Any) -> Any:
        value, gradient = function(q.copy())  # which may write to it
        return np.asarray(float(value)), np.ascontiguousarray(gradient).astype(np.float64)

    return call


@cache
def _known_to_numba() -> None:
    let_numba_call(_Density)
    let_numba_compile(_CompiledDensity, _called_by_numba)


class _Jax:
    """A function that JAX compiles, and differentiates where it returns a number alone; in double precision."""

    def __init__(self, function: Callable[..., Any], alone: bool) -> None:
        self.function, self.alone = function, alone
        self._compiled: Any = None

    def __call__(self, q: np.ndarray) -> Any:
        import jax

        double = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
        with double(True):
            if self._compiled is None:
                self._compiled = jax.jit(jax.value_and_grad(self.function) if self.alone else self.function)
            value, gradient = self._compiled(q)
            return np.asarray(value), np.asarray(gradient)

    def __getstate__(self) -> dict[str, Any]:
        return {"function": self.function, "alone": self.alone, "_compiled": None}


def _expression(function: Callable[..., Any], q: Any, start: np.ndarray, labels: Sequence[str] | None) -> Any:
    """The log-density as an expression of q; checked where there are `labels` of parameters."""
    if not callable(function):
        raise TypeError(f"function must be callable, got {function!r}")
    try:
        found: Any = function(start.copy())
    except Exception as error:  # one of PyTensor's may not take numbers
        expression = _of_pytensor(function, q)
        if expression is None:
            raise ValueError(
                f"function raised {type(error).__name__} where chains begin, at {start}: {error}; begin elsewhere "
                "(initvals), or mend it"
            ) from error
        return expression
    if isinstance(found, Variable):
        expression = _of_pytensor(function, q)
        if expression is None:
            raise TypeError(f"function must return a number, got an expression of PyTensor's that is none: {found!r}")
        return expression
    pair = isinstance(found, tuple | list) and len(found) == 2
    of_jax = "jax" in sys.modules and any(
        type(part).__module__.startswith("jax") for part in (found if pair else [found])
    )
    if of_jax:
        function = _Jax(function, not pair)
    elif not pair:
        expression = None if is_dispatcher(function) else _traced(function, q, start)
        if expression is None:
            raise TypeError(
                f"function must return the log-density and its gradient, got {found!r}; of a function that returns the "
                "log-density alone, JAX or PyTensor can find the gradient, if it is written with jax.numpy or "
                "pytensor.tensor"
            )
        return expression
    value, gradient = _parts(function(start.copy()), start.size)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise ValueError(
            f"function is not finite where chains begin: the log-density is {value}, its gradient {gradient}; begin "
            "elsewhere (initvals)"
        )
    if labels is not None:
        _check_gradient(lambda at: _parts(function(at.copy()), start.size), start, labels)
    _known_to_numba()
    kind = _CompiledDensity if is_dispatcher(function) else _Density
    return kind(function).make_node(q).outputs[0]


def _of_pytensor(function: Callable[..., Any], q: Any) -> Any:
    """What the function makes of a symbolic vector, if that is an expression for a number; otherwise None."""
    try:
        expression: Any = function(q)
    except Exception:
        return None
    if not isinstance(expression, Variable) or getattr(expression, "ndim", None) != 0:
        return None
    return expression


def _traced(function: Callable[..., Any], q: Any, start: np.ndarray) -> Any:
    """The same of a function that returns numbers too, unless it is another one for symbols than for numbers."""
    expression = _of_pytensor(function, q)
    if expression is None:
        return None
    symbol = pt.dvector()
    compiled = pytensor.function([symbol], function(symbol), mode="FAST_COMPILE", on_unused_input="ignore")
    for at in (start, start + np.linspace(0.1, 0.3, start.size)):
        number, traced = np.asarray(function(at.copy()), dtype=float), compiled(at)
        if not np.allclose(number, traced, rtol=1e-8, equal_nan=True):
            raise ValueError(
                f"function: at {at} it is {number}, and {traced} as an expression of PyTensor's: write it with "
                "pytensor.tensor alone, or let it return the gradient too"
            )
    return expression


def _parts(found: Any, dim: int) -> tuple[float, np.ndarray]:
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


class _Precision(NamedTuple):
    """Of finite differences: their step, how near they come, and the rounding of values."""

    step: float
    near: float
    rounding: float


_DOUBLE, _SINGLE = _Precision(6e-6, 1e-4, 1e-14), _Precision(3e-3, 1e-2, 5e-6)


def _check_gradient(call: _Call, start: np.ndarray, labels: Sequence[str]) -> None:
    """Raise a ValueError unless the gradient is that of the value, by finite differences near the start."""
    rng, dim = np.random.default_rng(0), start.size
    size = np.where(start == 0, 1.0, np.minimum(np.abs(start), 1.0))
    at = start + 0.3 * size * rng.uniform(-1, 1, dim)  # at the start itself, all gradients may be zero
    if not all(np.isfinite(part).all() for part in call(at)):
        at = start
    value, gradient = call(at)

    directions = rng.standard_normal((3, dim)) / math.sqrt(dim)
    values = np.array([value, *(call(at + 0.01 * along)[0] for along in directions)])
    values = values[np.isfinite(values)]
    known = _SINGLE if np.array_equal(values, values.astype(np.float32)) else _DOUBLE

    def difference(along: np.ndarray) -> float:
        """The slope along a direction."""
        h = known.step * np.max(np.maximum(np.abs(at), 1) * np.abs(along))
        with np.errstate(all="ignore"):
            return float((call(at + h * along)[0] - call(at - h * along)[0]) / (2 * h))

    def wrong(along: np.ndarray) -> bool:
        """Whether the gradient says otherwise; where that cannot be told, it does not."""
        slope, found = float(gradient @ along), difference(along)
        allowed = known.near * max(abs(slope), abs(found), 1e-3) + known.rounding * abs(value) / known.step
        return bool(abs(found - slope) > allowed)

    suspicious = any(map(wrong, directions))
    for j in range(dim) if suspicious or dim <= _FEW else ():
        axis = np.eye(1, dim, j)[0]
        if wrong(axis):
            raise ValueError(
                f"function: its gradient is not that of the log-density. Along {labels[j]} it is {gradient[j]:g}, and "
                f"by finite differences {difference(axis):g}, at {at}; check=False leaves this check out"
            )
    if suspicious:
        raise ValueError("function: its gradient is not that of the log-density; check=False leaves this check out")
