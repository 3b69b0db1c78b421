"""From a PyMC model to a log-density that kernels can call: the only room that knows how PyTensor compiles."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from unittest.mock import patch

import cloudpickle
import numba
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.core.typing import Context
from numba.np.numpy_support import from_dtype
from pymc.pytensorf import compile as pm_compile
from pymc.pytensorf import join_nonshared_inputs, rewrite_pregrad
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors, graph_inputs
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.type import TensorType

from .kernels.address import LOGP, AddressedFunction, array_at
from .kernels.state import Target
from .kernels.status import Status

__all__ = ["LogDensity", "Values", "value_variables", "values_function"]

_log = logging.getLogger(__name__)
_SHAREABLE = "biuf"  # kinds of NumPy dtypes that a compiled function can read through a pointer
_INTERPRETED = "Numba will use object mode"  # how PyTensor warns of an operation that it can only interpret
_ARITHMETIC = (ArithmeticError, ValueError, np.linalg.LinAlgError)  # what another point may cure
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class LogDensity:
    r"""The log-density of a model and its gradient, as a function of one flat vector, behind a function address.

    Parameters
    ----------
    vars : sequence of variables, optional
        Random or value variables to be sampled; all continuous ones by default.  The model's other variables are
        held at the values last given to `hold`.
    model : pymc.Model, optional
        By default the model of the context.
    initial_point : dict, optional
        Gives the shape of every variable; by default ``model.initial_point()``.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler, e.g. ``{"mode": "FAST_COMPILE"}``.

    Attributes
    ----------
    dim : int
        Number of unconstrained parameters, `d`.
    native : bool
        Whether kernels call machine code.  Where PyTensor compiles with another backend than numba (or with an
        operation that numba lacks), they call back into Python instead: slower, with the same numbers.

    Notes
    -----
    The density is of the *unconstrained* value variables, with the Jacobian of their transforms, as PyMC defines it:
    :math:`\log\pi(q) = \log p(x(q), y) + \log|\partial x/\partial q|`.

    Shared data (`pymc.Data`, and the variables held fixed) are read through pointers at every call: after
    `pymc.set_data`, `refresh` is all it takes.  No exception leaves the address: an arithmetic error is a status, and
    counts as a log-density of -inf.
    """

    def __init__(
        self,
        vars: Sequence[Any] | None = None,
        *,
        model: pm.Model | None = None,
        initial_point: Mapping[str, np.ndarray] | None = None,
        compile_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = pm.modelcontext(model)
        self.vars = value_variables(vars, self.model)
        point = dict(initial_point or {})
        if any(var.name not in point for var in self.model.value_vars):
            point = {**self.model.initial_point(), **point}
        self._layout = {var.name: (np.shape(point[var.name]), var.dtype) for var in self.vars}
        self.sizes = {name: int(np.prod(shape, dtype=int)) for name, (shape, _) in self._layout.items()}
        self.dim = sum(self.sizes.values())
        self._held = {
            var.name: pytensor.shared(
                np.array(point[var.name], dtype=var.dtype), f"{var.name}_held", shape=np.shape(point[var.name])
            )
            for var in self.model.value_vars
            if var not in self.vars
        }
        self._graph = self._join(point)
        self._compile_kwargs = dict(compile_kwargs or {})
        self._compile()
        self.default_start = self.to_vector(point)

    def _join(self, point: Mapping[str, np.ndarray]) -> tuple[Any, list[Any]]:
        """The graphs of log-density and gradient, and the one vector that they are functions of."""
        with self.model:
            cost = rewrite_pregrad(self.model.logp())
            gradients: Any = pytensor.grad(cost, self.vars, disconnected_inputs="ignore")
            flat = [pt.as_tensor(g, allow_xtensor_conversion=True).ravel() for g in gradients]
            held = {var: self._held[var.name] for var in self.model.value_vars if var.name in self._held}
            outputs, joined = join_nonshared_inputs(
                point=point, outputs=[cost, pt.concatenate(flat)], inputs=self.vars, shared_inputs=held
            )
        return joined, outputs

    def _compile(self) -> None:
        """Everything that belongs to this process alone."""
        self.error: BaseException | None = None
        """What a call back into Python raised last, if anything."""

        joined, outputs = self._graph
        with warnings.catch_warnings(record=True) as heard:
            warnings.filterwarnings("always", _INTERPRETED, UserWarning)
            self._function = pm_compile([joined], outputs, **self._compile_kwargs)
        for told in heard:
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
        interpreted = any(re.match(_INTERPRETED, str(told.message)) for told in heard)
        self._function.trust_input = True
        self._dtype = joined.dtype
        self._cells = self._function.input_storage[1:]
        self._seen: list[Any] = [None] * len(self._cells)
        self._pinned: list[Any] = [None] * len(self._cells)
        types = [variable.type for variable in self._function.maker.fgraph.inputs[1:]]
        self._offsets = np.cumsum([0] + [1 + getattr(t, "ndim", 0) for t in types]).tolist()
        self._data = np.zeros(max(1, self._offsets[-1]), np.int64)
        self._addressed, self.native = self._make_addressed(types, interpreted)
        self.refresh()
        self.target = Target(self._addressed.address, self._data)
        self._kernels: dict[int, tuple[Any, dict[Any, Any]]] = {}
        self._names = tuple(self._layout)
        ends = np.cumsum(list(self.sizes.values())).tolist()
        self._slices = [
            (name, end - self.sizes[name], end, None if len(shape) == 1 else shape, dtype)
            for end, (name, (shape, dtype)) in zip(ends, self._layout.items(), strict=True)
        ]
        self.lossless = all(dtype == "float64" for _, dtype in self._layout.values())
        """Whether a vector comes back from `to_point` and `to_vector` as it was, not rounded."""

    def kernels_of(self, settings: Any) -> dict[Any, Any]:
        """What chains of the same settings have compiled or loaded to run on this log-density, for them to share."""
        return self._kernels.setdefault(id(settings), (settings, {}))[1]  # kept, so that its id stays its own

    def __getstate__(self) -> dict[str, Any]:
        """Graphs, not the model alone: of a model, not every log-density can be derived in another process."""
        kept = ("model", "vars", "_layout", "sizes", "dim", "_held", "_graph", "_compile_kwargs", "default_start")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    def _make_addressed(self, types: Sequence[Any], interpreted: bool) -> tuple[AddressedFunction, bool]:
        raw = getattr(self._function.vm, "jit_fn", None)
        shareable = all(isinstance(t, TensorType) and np.dtype(t.dtype).kind in _SHAREABLE for t in types)
        # What an operation raises in the interpreter would stay pending, unseen, while compiled code went on.
        if isinstance(raw, numba.core.dispatcher.Dispatcher) and shareable and not interpreted:
            try:
                arguments = _array_type(self._dtype, 1), *(_array_type(t.dtype, t.ndim) for t in types)
                with _alone(raw, lambda function: function.get_call_template(arguments, {})) as raw:
                    return AddressedFunction(_native(raw, self._dtype, types, self._offsets), LOGP), True
            except NumbaError as error:
                _log.info("The log-density is called through Python, because numba could not compile it: %s", error)
        self._doubles = ctypes.c_double * self.dim
        self._callback = _CALLBACK(self._call_back)
        return AddressedFunction(_through_python(self._callback), LOGP), False

    def _call_back(self, position: int, gradient: int, value: int) -> int:
        try:
            with np.errstate(all="ignore"):  # as compiled code has it; what comes of it shows in the values
                result, slope = self(np.frombuffer(self._doubles.from_address(position)))
            np.frombuffer(self._doubles.from_address(gradient))[:] = slope
            ctypes.c_double.from_address(value).value = result
        except _ARITHMETIC as error:
            self.error = error
            return Status.FAILED
        except BaseException as error:  # interrupts too: nothing may unwind through compiled code
            self.error = error
            return Status.BROKEN
        if isinstance(self.error, _ARITHMETIC):
            self.error = None  # of another point; an error that broke a chain stays until the chain has told it
        return Status.OK

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient (d,) at an unconstrained `position` (d,), through PyTensor's own function."""
        value, gradient = self._function(np.array(position, dtype=self._dtype))
        return float(value), np.asarray(gradient, dtype=float)

    def hold(self, point: Mapping[str, np.ndarray]) -> bool:
        """Fix the variables that are not sampled at their values in `point`; returns whether any of them changed."""
        changed = False
        for name, shared in self._held.items():
            if not np.array_equal(shared.get_value(borrow=True), point[name]):
                shared.set_value(np.array(point[name], dtype=shared.dtype))
                changed = True
        return changed

    def refresh(self) -> bool:
        """Point the compiled function at the current shared data; returns whether any of it was replaced."""
        changed = False
        for i, cell in enumerate(self._cells):
            value = cell.storage[0]
            if value is self._seen[i]:
                continue
            changed = True
            self._seen[i] = value
            if self.native:
                self._pinned[i] = np.require(value, requirements=["C", "A"])
                record = [self._pinned[i].ctypes.data, *self._pinned[i].shape]
                self._data[self._offsets[i] : self._offsets[i] + len(record)] = record
        return changed

    def check(self, point: Mapping[str, np.ndarray]) -> None:
        """Raise a ValueError unless every variable of `point` has the shape that it was compiled for."""
        shapes = {name: shape for name, (shape, _) in self._layout.items()}
        shapes |= {name: shared.type.shape for name, shared in self._held.items()}
        for name, shape in shapes.items():
            if np.shape(point[name]) != shape:
                raise ValueError(
                    f"{name} has shape {np.shape(point[name])}, and had shape {shape} when the step was made; after a "
                    "change of dimensions make a new step"
                )

    def to_vector(self, point: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sampled variables of `point`, raveled and joined, as floats (d,)."""
        return np.concatenate([point[name] for name in self._names], axis=None, dtype=float)

    def to_point(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `to_vector`: arrays of each variable's shape and dtype; views of `vector`, where possible."""
        point = {}
        for name, start, stop, shape, dtype in self._slices:
            part = vector[start:stop] if shape is None else vector[start:stop].reshape(shape)
            point[name] = part if self.lossless else part.astype(dtype, copy=False)
        return point

    def names_of(self, coordinates: np.ndarray) -> list[str]:
        """Names of the variables that the given coordinates of the flat vector belong to."""
        owners = np.repeat(np.arange(len(self.sizes)), list(self.sizes.values()))
        names = list(self.sizes)
        return [names[i] for i in np.unique(owners[coordinates])]

    def unpicklable(self) -> str:
        """Say which part of the model cannot be pickled."""
        graphs = {f"variable {name}": [variable] for name, variable in self.model.named_vars.items()}
        for where, outputs in {**graphs, "the gradient": self._graph[1]}.items():
            for variable in ancestors(outputs):
                part = getattr(variable.owner, "op", variable)
                try:
                    cloudpickle.dumps(part)
                except Exception:
                    return f"{part} in {where}"
        return "the model, or an argument of the step,"

    def blame(self, position: np.ndarray) -> str:
        """Say which variables make the log-density at `position` infinite or undefined."""
        point = {name: shared.get_value() for name, shared in self._held.items()}
        point.update(self.to_point(np.asarray(position)))
        if not np.all(np.isfinite(position)):
            return f"the start of {', '.join(self.names_of(~np.isfinite(position)))} is not finite"
        try:
            terms = self.model.point_logps(point, round_vals=10)
        except Exception as error:
            return f"evaluating the model's terms raised {type(error).__name__}: {error}"
        bad = {name: float(value) for name, value in terms.items() if not np.isfinite(value)}
        if bad:
            return "; ".join(f"{name} has log-density {value}" for name, value in bad.items())
        return f"no single variable stands out; the model's terms are {terms}"


def value_variables(vars: Any, model: pm.Model) -> list[Any]:
    """The value variables that a user means by `vars`, checked: of this model, and continuous.

    Parameters
    ----------
    vars : variable, name, iterable of those, or None
        Random or value variables; None stands for all that are continuous.
    model : pymc.Model

    Raises
    ------
    TypeError
        When one of `vars` is discrete, or no variable at all.
    ValueError
        When one of them is not a free variable of the model, or there is none.
    """
    if vars is None:
        chosen = [v for v in model.value_vars if v.dtype in pm.vartypes.float_types]
        if not chosen:
            found = ", ".join(rv.name for rv in model.free_RVs) or "none"
            raise ValueError(
                f"vars: this model has no free continuous variable to sample; its free variables are: {found}"
            )
        return chosen
    if isinstance(vars, Variable | str) or not isinstance(vars, Iterable):
        vars = [vars]
    known = {v: v for v in model.value_vars} | {rv: model.rvs_to_values[rv] for rv in model.free_RVs}
    by_name = {v.name: v for v in [*model.value_vars, *model.basic_RVs]}
    chosen, strangers = [], []
    for v in vars:
        if not isinstance(v, Variable | str):
            raise TypeError(f"vars must be variables of the model or their names, got {v!r}")
        variable = by_name.get(v, v) if isinstance(v, str) else v
        if variable in known:
            chosen.append(known[variable])
        else:
            strangers.append(str(getattr(v, "name", v)))
    if strangers:
        names = ", ".join(rv.name for rv in model.free_RVs)
        raise ValueError(
            f"vars: {', '.join(strangers)} is not a free variable of this model; its free variables are {names}"
        )
    chosen = list(dict.fromkeys(chosen))
    discrete = [model.values_to_rvs[v].name for v in chosen if v.dtype not in pm.vartypes.float_types]
    if discrete:
        raise TypeError(
            f"vars: {', '.join(discrete)} is discrete, and Hamiltonian Monte Carlo needs a gradient; sample it with "
            "another step of pm.sample(step=[...]), and give HMC the continuous variables by vars=[...]"
        )
    if not chosen:
        raise ValueError("vars: there is no variable to sample in an empty list; leave it out for all")
    return chosen


class Values(NamedTuple):
    """What computes variables of a model from its value variables, and from random numbers where some are random."""

    call: Callable[..., Any]
    """Takes the values, in their order, and then one generator for each of `streams`, which it uses up."""
    streams: tuple[int, ...]
    """Which of all generators of the model, by their number."""
    random: tuple[bool, ...]
    """Of each variable, whether it is no function of the values alone."""


def values_function(model: pm.Model, outputs: Sequence[Any], example: Sequence[np.ndarray]) -> Values:
    """What computes `outputs` from the value variables of a model: the same code as PyMC's.

    It is called without what PyTensor wraps machine code in, which takes longer than the code; with shared variables,
    or without machine code, with it.  Generators of random numbers, which PyMC shares among all functions of a model,
    are arguments here.
    """
    generators = {rng: rng.type() for rng in _generators(outputs)}
    random = tuple(bool(_generators([output])) for output in outputs)
    streams: tuple[int, ...] = ()
    if generators:
        every = _generators(model.unobserved_value_vars)  # so that a stream is the same, whatever else is computed
        streams = tuple(every.index(rng) for rng in generators)
        outputs = clone_replace(outputs, generators)
    function = model.compile_fn(
        outs=[pytensor.Out(output, borrow=True) for output in outputs],
        inputs=[
            *(pytensor.In(value, borrow=True) for value in model.value_vars),
            *(pytensor.In(rng, borrow=True, mutable=True) for rng in generators.values()),
        ],
        point_fn=False,
        on_unused_input="ignore",
        trust_input=True,
    )
    machine_code = getattr(function.vm, "jit_fn", None)
    shared = len(function.input_storage) > len(model.value_vars) + len(generators)
    if shared or not isinstance(machine_code, numba.core.dispatcher.Dispatcher):
        return Values(function, streams, random)
    arguments = *example, *(np.random.default_rng(0) for _ in generators)
    with _alone(machine_code, lambda function: function(*arguments)) as alone:
        return Values(alone, streams, random)


def _generators(outputs: Sequence[Any]) -> list[Any]:
    """The generators of random numbers that variables are made from, in an order that depends on nothing else."""
    return [variable for variable in graph_inputs(outputs) if isinstance(variable.type, RandomGeneratorType)]


def _array_type(dtype: Any, ndim: int) -> Any:
    return numba.types.Array(from_dtype(np.dtype(dtype)), ndim, "C")


@contextmanager
def _alone(raw: Any, prime: Callable[[Any], Any]) -> Iterator[Any]:
    """Machine code as it comes from the disk cache, and nothing else; what calls it is compiled in this context.

    A process that has compiled a function has compiled its parts as well, and runs these instead of the copies that are
    optimised together with the whole.  They round differently now and then, so the first run of a model would not be
    the same, to the last bit, as one that is resumed, or made by another process.  In a context of its own the function
    knows nothing of the parts.  Numba has no public way to make one.

    All threads share the context in use, so none of them may compile meanwhile: what it compiles would be unknown to
    all that is compiled later.

    `prime` makes a function compile for the arguments that it will have.
    """
    prime(raw)  # writes it to disk, where it is not yet there
    typing = Context()
    own = {"_toplevel_typing_context": typing, "_toplevel_target_context": CPUContext(typing)}
    with global_compiler_lock, patch.multiple(cpu_target, **own):
        alone = numba.jit(**raw.targetoptions, cache=raw.stats.cache_path is not None)(raw.py_func)
        with suppress(NumbaError, NotImplementedError):
            prime(alone)
        if alone.stats.cache_hits:
            yield alone
            return
    yield raw  # there is no disk cache, and what any process compiles is the same


def _native(raw: Any, dtype: str, types: Sequence[Any], offsets: Sequence[int]) -> Any:
    """A Python function of signature `LOGP` that reads shared data from the record and calls `raw`."""
    names: dict[str, Any] = {"raw": raw, "array_at": array_at, "OK": int(Status.OK), "FAILED": int(Status.FAILED)}
    shared = []
    for i, (typ, offset) in enumerate(zip(types, offsets, strict=False)):
        names[f"dtype{i}"] = np.dtype(typ.dtype)
        shape = ", ".join(f"data[{offset + 1 + axis}]" for axis in range(typ.ndim))
        shared.append(f"array_at(data[{offset}], ({shape}{',' if typ.ndim == 1 else ''}), dtype{i})")
    position = "position" if dtype == "float64" else f"position.astype('{dtype}')"
    source = f"""
def logp(data, position, gradient, value):
    try:
        result, slope = raw({", ".join([position, *shared])})
        value[0] = result.item()
        for j in range(gradient.size):  # a slice would test for overlap, at several times the price
            gradient[j] = slope[j]
        return OK
    except Exception:
        return FAILED
"""
    exec(compile(source, "<log-density>", "exec"), names)
    return names["logp"]


def _through_python(callback: Any) -> Any:
    """A Python function of signature `LOGP` that calls back into the interpreter."""

    def logp(data: Any, position: Any, gradient: Any, value: Any) -> Any:
        return callback(position.ctypes, gradient.ctypes, value.ctypes)

    return logp
