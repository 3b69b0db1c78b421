"""A log-density of one's own as a model: a function that numba compiles, or any in Python, JAX or PyTensor."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions import transforms as pymc_transforms
from pytensor.graph.basic import Variable

from . import differences
from .differences import Differences
from .names import choose
from .native.numba import is_dispatcher
from .native.pytensor import user_code
from .operations import Jax, number_of, parts_of, with_gradient, without_gradient

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
    value: Callable[..., Any] | None = None,
    gradient: str | Differences = "exact",
) -> pm.Model:
    r"""Make a model of a log-density of one's own, to go wherever a model goes.

    Parameters
    ----------
    function : callable
        Takes the variables, raveled and joined in their order, as one vector q (d,), and returns log π(q), up to a
        constant, with its gradient (d,); or log π(q) alone, if JAX or PyTensor can differentiate it, or its `gradient`
        is to be by differences.

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

    value : callable, optional
        Returns log π(q) alone, the same number as `function`, where that is cheaper than with the gradient: what needs
        values alone, whose statistic is ``n_values``, calls this.
    gradient : str or Differences, optional
        ``"differences"``, or a `Differences` with an error or scale of one's own, where `function` returns log π(q)
        alone, and nobody can differentiate it: a simulator, say, of up to 12 parameters.  Gradients are finite
        differences then, and draws are from the density itself all the same.

    Returns
    -------
    pymc.Model

    Raises
    ------
    TypeError
        When `function` does not return what it must, or nobody can differentiate it, or it needs no differences.
    ValueError
        When a name is not that of a variable, shapes do not fit, log-density or gradient is not finite where chains
        begin, there are too many parameters for differences, `value` is another one than that of `function`, or the
        gradient is not that of the log-density: the message says along which parameter.

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
        how = differences.get(gradient)
        if how is None:
            expression = _expression(function, q, start, labels if check else None, value)
        elif value is None:
            expression = _by_differences(function, q, start, how)
        else:
            raise TypeError("value: with a gradient by differences function itself returns the value; leave value out")
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


def _called(name: str, function: Any, start: np.ndarray) -> Any:
    """What a function returns where chains begin."""
    if not callable(function):
        raise TypeError(f"{name} must be callable, got {function!r}")
    try:
        return function(start.copy())
    except Exception as error:
        raise ValueError(
            f"{name} raised {type(error).__name__} where chains begin, at {start}: {error}; begin elsewhere "
            "(initvals), or mend it"
        ) from error


def _expression(
    function: Callable[..., Any], q: Any, start: np.ndarray, labels: Sequence[str] | None, value_alone: Any
) -> Any:
    """The log-density as an expression of q; checked where there are `labels` of parameters."""
    try:
        found = _called("function", function, start)
    except ValueError:  # one of PyTensor's may not take numbers
        expression = _of_pytensor(function, q)
        if expression is None:
            raise
        return _only("value", value_alone, expression)
    if isinstance(found, Variable):
        expression = _of_pytensor(function, q)
        if expression is None:
            raise TypeError(f"function must return a number, got an expression of PyTensor's that is none: {found!r}")
        return _only("value", value_alone, expression)
    pair = isinstance(found, tuple | list) and len(found) == 2
    of_jax = "jax" in sys.modules and any(
        type(part).__module__.startswith("jax") for part in (found if pair else [found])
    )
    if of_jax:
        function = Jax(function, not pair)
    elif not pair:
        expression = None if is_dispatcher(function) else _traced(function, q, start)
        if expression is None:
            raise TypeError(
                f"function must return the log-density and its gradient, got {found!r}; of a function that returns the "
                "log-density alone, JAX or PyTensor can find the gradient, if it is written with jax.numpy or "
                "pytensor.tensor; of any other, gradient='differences' takes finite differences"
            )
        return _only("value", value_alone, expression)
    value, gradient = parts_of(function(start.copy()), start.size)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise ValueError(
            f"function is not finite where chains begin: the log-density is {value}, its gradient {gradient}; begin "
            "elsewhere (initvals)"
        )
    if labels is not None:
        _check_gradient(lambda at: parts_of(function(at.copy()), start.size), start, labels)
    if value_alone is not None:
        _check_value(value_alone, lambda at: parts_of(function(at.copy()), start.size)[0], start)
    return with_gradient(function, q, value_alone)


def _by_differences(function: Any, q: Any, start: np.ndarray, how: Differences) -> Any:
    """The log-density as an expression of q, of a function that returns nothing else."""
    how.steps(start.size)
    found = _called("function", function, start)
    if isinstance(found, Variable) or type(found).__module__.startswith("jax"):
        library = "PyTensor" if isinstance(found, Variable) else "JAX"
        raise TypeError(f"gradient: {library} can differentiate the function, so leave gradient={how!r} out")
    if isinstance(found, tuple | list) and len(found) == 2:
        raise TypeError(f"gradient: function returns its gradient too, so leave gradient={how!r} out")
    value = number_of(found)
    if not np.isfinite(value):
        raise ValueError(
            f"function is not finite where chains begin: the log-density is {value}; begin elsewhere (initvals)"
        )
    rounding = float(np.finfo(np.result_type(np.asarray(found), np.float16)).eps) * abs(value)
    if rounding > how.error and np.asarray(found).dtype != float:
        raise ValueError(
            f"gradient: function returns {np.asarray(found).dtype}, which is rounded by about {rounding:.1g} there, "
            f"and differences expect an error of {how.error:g}; compute in double precision, or give "
            f"gradient=ps.Differences(error={rounding:.1g})"
        )
    return without_gradient(function, q, how)


def _only(name: str, given: Any, expression: Any) -> Any:
    """An expression that PyTensor differentiates, of which nothing else may have been given."""
    if given is not None:
        raise TypeError(f"{name}: PyTensor takes values alone of the function itself; leave {name} out")
    return expression


def _check_value(value: Any, full: Callable[[np.ndarray], float], start: np.ndarray) -> None:
    """Raise a ValueError unless a function returns the value of another one, where chains begin and near there."""
    number_of(_called("value", value, start))
    for along in (0.0, 0.1, 0.3):
        at = start + along * np.linspace(0.5, 1.0, start.size)
        alone, together = number_of(value(at.copy())), full(at)
        if not np.isclose(alone, together, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise ValueError(
                f"value: at {at} it is {alone:g}, and function says {together:g}; both must be the same number, with "
                "the same constant"
            )


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
    with user_code:
        compiled = pytensor.function([symbol], function(symbol), mode="FAST_COMPILE", on_unused_input="ignore")
    for at in (start, start + np.linspace(0.1, 0.3, start.size)):
        number, traced = np.asarray(function(at.copy()), dtype=float), compiled(at)
        if not np.allclose(number, traced, rtol=1e-8, equal_nan=True):
            raise ValueError(
                f"function: at {at} it is {number}, and {traced} as an expression of PyTensor's: write it with "
                "pytensor.tensor alone, or let it return the gradient too"
            )
    return expression


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
