"""The log-density of a model and its gradient, behind a function address."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn, Self

import cloudpickle
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.exceptions import SamplingError
from pymc.pytensorf import compile as pm_compile
from pymc.pytensorf import join_nonshared_inputs
from pytensor.graph.traversal import ancestors
from pytensor.tensor.type import TensorType

from ..kernels.address import LOGP, AddressedFunction
from ..kernels.state import Target
from ..kernels.status import Status
from ..native.numba import NumbaError, compile_for
from ..native.pymc import rewrite_pregrad
from ..native.pytensor import interprets, linker_of, machine_code, shared_storage, storage_of
from .checks import Fork, gradients_of, refuse_random, refuse_wrong_lengths
from .compiled import alone, array_type, mode_for, native, through_python, user_code
from .indices import IndexCheck, guarded, has_dims
from .parametrization import Parametrization
from .records import SharedData, offsets_of, with_weights_of
from .sharing import ARITHMETIC, Errors, Kernels, Memo, curable
from .variables import value_variables

__all__ = ["LogDensity"]

_log = logging.getLogger(__name__)
_SHAREABLE = "biuf"  # kinds of NumPy dtypes that a compiled function can read through a pointer
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)


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
    reparametrized : bool, optional
        Whether what is compiled can be called in other coordinates too, by `target_by`.

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
    `pymc.set_data`, `refresh` is all it takes.  No exception leaves the address: it is a status, and where another
    point may be better off, as with errors of arithmetic or of a solver, it counts as a log-density of -inf.

    Raises
    ------
    ValueError
        When there is nothing to sample, the log-density is random, or a gradient has the wrong shape.
    TypeError
        When one of `vars` is discrete.
    NotImplementedError
        When an operation has no gradient.
    IndexError
        When data index an array beyond its range.
    """

    def __init__(
        self,
        vars: Sequence[Any] | None = None,
        *,
        model: pm.Model | None = None,
        initial_point: Mapping[str, np.ndarray] | None = None,
        compile_kwargs: Mapping[str, Any] | None = None,
        reparametrized: bool = False,
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
        self._compile_kwargs = dict(compile_kwargs or {})
        self._placing: tuple[Any, list[Any]] | None = None
        found = Parametrization(self.model, self.vars, self._layout) if reparametrized else None
        self.parametrization = found or None
        """The change of variables, where there is one to make."""
        self._example = [np.asarray(point[var.name], dtype=var.dtype) for var in self.model.value_vars]
        self._graph, self._indices = self._join(point)
        self._compile()
        self.default_start = self.to_vector(point)

    keepable = True
    """Whether all of it stays true when data are replaced, so that `again` makes another one."""

    def _log_density(self) -> Any:
        """The graph that is sampled."""
        cost = self.model.logp()
        refuse_random(self.model, cost)
        return cost

    def _join(self, point: Mapping[str, np.ndarray]) -> tuple[tuple[Any, list[Any]], list[IndexCheck]]:
        """The graphs of log-density and gradient, the one vector that they are functions of, and their indices."""
        with self.model:
            graph, values = self._log_density(), self.model.value_vars
            derived = self.model.replace_rvs_by_values(self.model.deterministics)
            indices = [IndexCheck([graph, *derived], values)]  # as they were written, since some become slices
            of_dims = has_dims([graph, *derived])
            if self.parametrization is not None:
                graph = self.parametrization.density(graph)
            plain = rewrite_pregrad(graph)  # in place
            if of_dims:
                indices.append(IndexCheck([plain, *(rewrite_pregrad(derived) if derived else [])], values))
            (cost,) = guarded([plain], values)
            with user_code:
                refuse_wrong_lengths(cost, values, self._example)
            gradients = gradients_of(cost, self.vars, self.model)
            flat = [pt.as_tensor(g, allow_xtensor_conversion=True).ravel() for g in gradients]
            held = {var: self._held[var.name] for var in self.model.value_vars if var.name in self._held}

            def joined(outputs: list[Any]) -> tuple[Any, list[Any]]:
                found, vector = join_nonshared_inputs(
                    point=point, outputs=outputs, inputs=self.vars, shared_inputs=held
                )
                return vector, found

            if self.parametrization is not None:
                placing = [rewrite_pregrad(graph) for graph in self.parametrization.placing()]
                self._placing = joined(guarded(placing, values))
            return joined([cost, pt.concatenate(flat)]), indices

    def _compile(self) -> None:
        """Everything that belongs to this process alone."""
        self._errors = Errors()
        self._memo = Memo()
        joined, outputs = self._graph
        options = {**self._compile_kwargs, "mode": mode_for(outputs[:1], self._compile_kwargs.get("mode"))}
        self._function = pm_compile([joined], outputs, **options)
        if self._placing is not None:
            vector, parts = self._placing
            options["mode"] = mode_for(parts, self._compile_kwargs.get("mode"))
            self._place = pm_compile([vector], parts, on_unused_input="ignore", trust_input=True, **options)
        # what PyMC computes of each draw is evaluated in the same processes
        self._fork = Fork([*outputs, *self.model.deterministics], linker_of(self._function))
        self._function.trust_input = True
        self._dtype = joined.dtype
        types, self._cells = shared_storage(self._function, given=1)
        self._offsets = offsets_of(types)
        weights = None if self.parametrization is None else storage_of(self.parametrization.weights)
        self._weights_at = next((i for i, cell in enumerate(self._cells) if cell is weights), None)
        self._addressed, self.native = self._make_addressed(types)
        self._read_data()
        self._names = tuple(self._layout)
        ends = np.cumsum(list(self.sizes.values())).tolist()
        self._slices = [
            (name, end - self.sizes[name], end, None if len(shape) == 1 else shape, dtype)
            for end, (name, (shape, dtype)) in zip(ends, self._layout.items(), strict=True)
        ]
        self.lossless = all(dtype == "float64" for _, dtype in self._layout.values())
        """Whether a vector comes back from `to_point` and `to_vector` as it was, not rounded."""

    def _read_data(self) -> None:
        """Make a record of the shared data, by which compiled code finds them, and fill it."""
        self._shared = SharedData(self._cells, self._offsets, self.native, self._weights_at)
        self.target = Target(self._addressed.address, self._shared.record)
        self.refresh()

    def target_by(self, weights: np.ndarray) -> Target:
        """The log-density in the coordinates that weights (d + 1,) of the parametrization lead to.

        They are read where they are at every call, and have to live as long.
        """
        return Target(self._addressed.address, self._shared.record_with(weights))

    def place(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Locations and logarithms of scales (d,) at an unconstrained vector of the model.

        They are those of `Parametrization.placing`.
        """
        with user_code:
            location, log_scale = self._place(np.array(position, dtype=self._dtype))
            return np.array(location), np.array(log_scale)  # a PyTensor function may have one storage for its results

    def fits(self, point: Mapping[str, np.ndarray]) -> bool:
        """Whether the variables of `point` have the shapes that this was compiled for."""
        return all(np.shape(point[name]) == shape for name, (shape, _) in self._layout.items())

    def forget_model(self) -> None:
        """Let go of the model, and of its data: this is kept to make others by `again`."""
        del self.model, self._shared

    def again(self, model: pm.Model, point: Mapping[str, np.ndarray]) -> Self:
        """The same log-density of its model, with nothing compiled: it reads data, and keeps errors, by itself.

        Parameters
        ----------
        model : pymc.Model
        point : dict
            The initial point, which data may have changed.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.model = model
        if self.native:  # otherwise calls come back to the first one of them
            other._errors = Errors()
        else:
            self._errors.forget()
        other._indices = [check.again() for check in self._indices]
        other._example = [np.asarray(point[var.name], dtype=var.dtype) for var in model.value_vars]
        other.default_start = other.to_vector(point)
        other._read_data()
        return other

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` makes, and is as good for all log-densities that share machine code with this one.

        It must not hold the model.
        """
        return self._memo.once(key, make)

    def kernels_of(self, settings: Any) -> Kernels:
        """Kernels that chains with such settings share on this log-density."""
        return self.once(("kernels", repr(settings)), lambda: Kernels(settings))

    @property
    def error(self) -> BaseException | None:
        """The error that a call back into Python raised last, if any."""
        return self._errors.last

    @error.setter
    def error(self, error: BaseException | None) -> None:
        self._errors.last = error

    def __getstate__(self) -> dict[str, Any]:
        """Graphs, not the model alone: of a model, not every log-density can be derived in another process."""
        kept = ["model", "vars", "sizes", "dim", "default_start", "_layout", "_held", "_graph", "_compile_kwargs"]
        kept += ["_example", "_indices", "parametrization", "_placing"]
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    def _make_addressed(self, types: Sequence[Any]) -> tuple[AddressedFunction, bool]:
        raw = machine_code(self._function)
        shareable = all(isinstance(t, TensorType) and np.dtype(t.dtype).kind in _SHAREABLE for t in types)
        # What an operation raises in the interpreter would stay pending, unseen, while compiled code went on.
        if raw is not None and shareable and not interprets(raw):
            try:
                arguments = array_type(self._dtype, 1), *(array_type(t.dtype, t.ndim) for t in types)
                with alone(raw, lambda function: compile_for(function, arguments)) as raw:
                    function, placed = native(raw, self._dtype, types, self._offsets)
                    return AddressedFunction(function, LOGP, placed=placed), True
            except NumbaError as error:
                _log.info("The log-density is called through Python, because numba could not compile it: %s", error)
        self._doubles = ctypes.c_double * self.dim
        self._callback = _CALLBACK(self._call_back)
        return AddressedFunction(through_python(self._callback), LOGP), False

    def _call_back(self, data: int, position: int, gradient: int, value: int) -> int:
        with user_code:
            try:
                at = np.frombuffer(self._doubles.from_address(position))
                with np.errstate(all="ignore"), self._weights_of(data):  # what comes of it shows in the values
                    result, slope = self(at)
                if slope.shape != (self.dim,):
                    raise TypeError(_wrong_length(self.dim, slope.shape))
                np.frombuffer(self._doubles.from_address(gradient))[:] = slope
                ctypes.c_double.from_address(value).value = result
            except BaseException as error:  # interrupts too: nothing may unwind through compiled code
                self.error = error
                if not curable(error):
                    return Status.BROKEN
                if not isinstance(error, ARITHMETIC):
                    self._errors.note(error)
                return Status.FAILED
            if self.error is not None and curable(self.error):
                self.error = None  # of another point; an error that broke a chain stays until the chain has raised it
            return Status.OK

    def _weights_of(self, record: int) -> AbstractContextManager[None]:
        if self._weights_at is None:
            return nullcontext()
        at = self._weights_at
        return with_weights_of(record, self._cells[at], self._offsets[at], self.dim + 1)

    def take_error(self) -> BaseException:
        """The error that has broken a chain; it is forgotten here."""
        error, self.error = self.error, None
        return error or TypeError(_wrong_length(self.dim))  # the one thing that breaks compiled code

    def raise_error(self) -> NoReturn:
        """Raise what has broken a chain: a `SamplingError` of it, or itself where it is no error of the model's.

        Raises
        ------
        SamplingError
        """
        error = self.take_error()
        if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: not ours to handle
            raise error
        raise SamplingError(f"The log-density raised {type(error).__name__}: {error}") from error

    def warn_of_errors(self) -> None:
        """Warn, once for each kind of error, that the log-density has raised one which counts as a divergence."""
        self._errors.warn(stacklevel=3)

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient (d,) at an unconstrained `position` (d,), through PyTensor's own function."""
        self.check_process()
        with user_code:
            value, gradient = self._function(np.array(position, dtype=self._dtype))
            return float(value), np.asarray(gradient, dtype=float)

    def check_process(self) -> None:
        """Raise a ForkError where the model calls JAX in a process that was forked from one that had done so."""
        self._fork.check()

    def try_at(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """The same, but NaN where an error is raised that another point may cure."""
        try:
            return self(position)
        except Exception as error:
            if not curable(error):
                raise
            return np.nan, np.full(self.dim, np.nan)

    def hold(self, point: Mapping[str, np.ndarray]) -> bool:
        """Fix the variables that are not sampled at their values in `point`; returns whether any of them changed."""
        changed = False
        for name, shared in self._held.items():
            if not np.array_equal(shared.get_value(borrow=True), point[name]):
                shared.set_value(np.array(point[name], dtype=shared.dtype))
                changed = True
        return changed

    def refresh(self) -> bool:
        """Point the compiled function at the current shared data; returns whether any of it was replaced.

        Raises
        ------
        IndexError
            When data that index an array are out of its range now.
        """
        changed = self._shared.refresh()
        with user_code:
            for check in self._indices:
                check(self._example)
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

    @property
    def layout(self) -> dict[str, tuple[int, ...]]:
        """The shape of each variable that is sampled, unconstrained, by name, in the order of the flat vector."""
        return {name: shape for name, (shape, _) in self._layout.items()}

    def names_of(self, coordinates: np.ndarray) -> list[str]:
        """Names, as the user gave them, of the variables that the given coordinates of the flat vector belong to."""
        owners = np.repeat(np.arange(len(self.sizes)), list(self.sizes.values()))
        names = [self.model.values_to_rvs[value].name for value in self.vars]
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
        value, gradient = self.try_at(position)
        if np.isfinite(value) and not np.all(np.isfinite(gradient)):
            names = ", ".join(self.names_of(~np.isfinite(gradient)))
            return (
                f"the gradient with respect to {names} is not finite, where the log-density itself is; start elsewhere "
                "(initvals), or look for a derivative that is 0/0 there"
            )
        try:
            with user_code:
                terms = self.model.point_logps(point, round_vals=10)
        except Exception as error:
            return f"evaluating the model's terms raised {type(error).__name__}: {error}"
        bad = {name: float(value) for name, value in terms.items() if not np.isfinite(value)}
        if bad:
            return "; ".join(f"{name} has log-density {value}" for name, value in bad.items())
        return f"no single variable stands out; the model's terms are {terms}"


def _wrong_length(dim: int, shape: tuple[int, ...] | None = None) -> str:
    found = "another one" if shape is None else str(shape)
    return f"the gradient must have shape ({dim},), and has {found}; look at the gradients of operations of your own"
