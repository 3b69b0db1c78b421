"""What has been compiled for a model, kept for as long as the model lives, and until it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
import pytensor

from ..differences import Differences
from ..native.pymc import make_initial_point_fn
from ..native.pytensor import user_code
from .contents import Contents, Same, variables_of
from .density import LogDensity
from .variables import value_variables

__all__ = ["kept", "kept_log_density"]

_MOST = 8  # log-densities and objectives of one model: for other shapes, and other arguments of the compiler
_OPTIONS = (  # of PyTensor's, that its functions are made by; to ask for others takes a compiler, or a BLAS
    "floatX", "mode", "linker", "optimizer", "optimizer_including", "optimizer_excluding", "cast_policy",
    "numba__cache", "numba__fastmath",
)  # fmt: skip
_PLAIN = str, int, float, bool, type(None)


class _Entry(NamedTuple):
    """A log-density without its model; what the model was when it was compiled, and what makes its start."""

    target: Any
    state: tuple[Any, ...]
    contents: Contents
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
    reparametrized: bool = True,
    differences: Differences | None = None,
) -> LogDensity:
    """A `LogDensity`: one that was made before, while the model is what it was then, or a new one.

    Parameters
    ----------
    model : pymc.Model
    compile_kwargs : dict, optional
    vars : sequence of variables, optional
    initial_point : dict, optional
        Where these two are not those of the model itself, nothing is kept: variables that are held belong to one step.
    reparametrized : bool, optional
        Whether chains may move in other coordinates than those of the model, where it is a hierarchy.
    differences : Differences, optional
        By which gradients are taken; without them, as the model has them.

    Notes
    -----
    A model has changed when it has another variable, value variable, transform, initial value or potential than then,
    or one that is another object, or other numbers in one of its arrays; and with other options of PyTensor's.  Data
    that have been replaced by `pymc.set_data` are no change, unless a free variable has another shape by them.

    Each call gives a log-density of its own, which shares machine code, and nothing else, with others.  What is kept
    does not hold the model, and is freed with it.
    """

    def make(point: Mapping[str, np.ndarray] | None) -> LogDensity:
        return LogDensity(
            vars,
            model=model,
            initial_point=point,
            compile_kwargs=compile_kwargs,
            reparametrized=reparametrized,
            differences=differences,
        )

    if initial_point is not None or value_variables(vars, model) != model.value_vars:
        return make(initial_point)
    return kept(model, compile_kwargs or {}, make, ("log-density", reparametrized, differences))


def kept[T: LogDensity](
    model: pm.Model,
    compile_kwargs: Mapping[str, Any],
    make: Callable[[Mapping[str, np.ndarray]], T],
    kind: tuple[Any, ...] = (),
) -> T:
    """What `make` makes of the initial point of a model, or made before, as `kept_log_density` says.

    Parameters
    ----------
    model : pymc.Model
    compile_kwargs : dict
    make : callable
    kind : tuple, optional
        What it is, other than the log-density that is sampled: by this it is found again.
    """
    with _opening:
        own = _models.setdefault(model, _Kept())
    with own.lock:
        state = kind, *_state(model, compile_kwargs)
        for entry in own.entries:
            if entry.state == state and entry.contents.unchanged():
                point = entry.first(0)
                if entry.target.fits(point):
                    return entry.target.again(model, point)
        with user_code:
            first = make_initial_point_fn(model=model)
        point = first(0)
        target = make(point)
        if not target.keepable:
            return target
        found = target.again(model, point)
        target.forget_model()  # which compiled code that goes back to Python would hold by it
        own.entries = [_Entry(target, state, Contents(model), first), *own.entries][:_MOST]
        return found


def _state(model: pm.Model, compile_kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Everything that a log-density is compiled from, beside what is inside of variables."""
    variables = variables_of(model)
    beside = [of.get(rv) for of in (model.rvs_to_transforms, model.rvs_to_initial_values) for rv in model.basic_RVs]
    names = tuple(variable.name for variable in variables)
    options = tuple(str(getattr(pytensor.config, name, None)) for name in _OPTIONS)
    given = tuple((name, _by_value(value)) for name, value in compile_kwargs.items())
    counts = len(model.free_RVs), len(model.observed_RVs), len(model.deterministics), len(model.potentials)
    return counts, names, tuple(map(Same, [*variables, *beside])), options, given


def _by_value(value: Any) -> Any:
    return value if isinstance(value, _PLAIN) else Same(value)
