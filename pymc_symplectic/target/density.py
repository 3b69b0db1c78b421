"""The log-density of a model and its gradient, behind a function address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.exceptions import SamplingError
from pymc.pytensorf import compile as pm_compile
from pymc.pytensorf import join_nonshared_inputs

from ..differences import Differences
from ..kernels.state import Target
from ..native.pymc import rewrite_pregrad
from ..native.pytensor import user_code
from .addressed import CompiledGraph, wrong_length
from .blame import infinite_terms, undefined_gradient, unpicklable_part
from .checks import Fork, gradients_of, refuse_random, refuse_wrong_lengths, refuse_wrong_outputs
from .compiled import mode_for
from .forces import ByDifferences, differences_of, without_gradient
from .indices import IndexCheck, guarded, has_dims
from .layout import Layout
from .parametrization import Parametrization
from .records import SharedData
from .sharing import Errors, Kernels, Memo, curable
from .variables import value_variables

__all__ = ["LogDensity"]

_PICKLED = (
    "model", "vars", "default_start", "parametrization", "differences", "dim", "sizes", "layout", "lossless", "_layout",
    "_held", "_graph", "_compile_kwargs", "_example", "_indices", "_placing",
)  # fmt: skip


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
    differences : Differences, optional
        By which gradients are taken; without them, as the model has them, unless an operation asks for differences, by
        an attribute `differences`.

    Attributes
    ----------
    dim : int
        Number of unconstrained parameters, `d`.
    sizes, layout : dict
        The number of elements, and the shape, of each variable that is sampled, unconstrained, by name, in the order of
        the flat vector.
    lossless : bool
        Whether a vector comes back from `to_point` and `to_vector` as it was, not rounded.
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
        When there is nothing to sample, the log-density is random, a gradient has the wrong shape, or there are too
        many parameters for differences.
    TypeError
        When one of `vars` is discrete.
    NotImplementedError
        When an operation has no gradient, and it is not taken by differences.
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
        differences: Differences | None = None,
    ) -> None:
        self.model, self.differences = pm.modelcontext(model), differences
        self.vars = value_variables(vars, self.model)
        point = dict(initial_point or {})
        if any(var.name not in point for var in self.model.value_vars):
            with user_code:
                point = {**self.model.initial_point(), **point}
        self._layout = layout = Layout({var.name: (np.shape(point[var.name]), var.dtype) for var in self.vars})
        self.dim, self.sizes, self.layout, self.lossless = layout.dim, layout.sizes, layout.shapes, layout.lossless
        self._held = {
            var.name: pytensor.shared(
                np.array(point[var.name], dtype=var.dtype), f"{var.name}_held", shape=np.shape(point[var.name])
            )
            for var in self.model.value_vars
            if var not in self.vars
        }
        self._compile_kwargs = dict(compile_kwargs or {})
        self._placing: tuple[Any, list[Any]] | None = None
        found = Parametrization(self.model, self.vars, self._layout.variables) if reparametrized else None
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
            self.differences = self.differences or differences_of(cost)
            held = {var: self._held[var.name] for var in self.model.value_vars if var.name in self._held}

            def joined(outputs: list[Any]) -> tuple[Any, list[Any]]:
                found, vector = join_nonshared_inputs(
                    point=point, outputs=outputs, inputs=self.vars, shared_inputs=held
                )
                return vector, found

            if self.parametrization is not None:
                placing = [rewrite_pregrad(graph) for graph in self.parametrization.placing()]
                self._placing = joined(guarded(placing, values))
            if self.differences is not None:
                self.differences.steps(self.dim)  # so that too many parameters are refused before all else
                with user_code:
                    refuse_wrong_outputs([cost], values, self._example, steady=True)
                return joined([cost]), indices
            with user_code:
                refuse_wrong_lengths(cost, values, self._example)
            gradients = gradients_of(cost, self.vars, self.model)
            with user_code:
                refuse_wrong_outputs([cost, *gradients], values, self._example, steady=True)
            flat = [pt.as_tensor(g, allow_xtensor_conversion=True).ravel() for g in gradients]
            return joined([cost, pt.concatenate(flat)]), indices

    called_by_kernels = True
    """Whether compiled code calls it; otherwise none of the time is spent that an address takes."""

    def _compile(self) -> None:
        """Everything that belongs to this process alone."""
        self._errors, self._memo = Errors(), Memo()
        compiled = self._compiled(self._graph[1], self.called_by_kernels)
        self._full = compiled if self.differences is None else ByDifferences(self.differences, compiled)
        self.native = self._full.native
        if self._placing is not None:
            vector, parts = self._placing
            options = {**self._compile_kwargs, "mode": mode_for(parts, self._compile_kwargs.get("mode"))}
            with user_code:
                self._place = pm_compile([vector], parts, on_unused_input="ignore", trust_input=True, **options)
        # what PyMC computes of each draw is evaluated in the same processes
        self._fork = Fork([*self._graph[1], *self.model.deterministics], self._full.linker)
        self._read_data()

    def _compiled(self, outputs: Sequence[Any], called_by_kernels: bool = True) -> CompiledGraph:
        weights = None if self.parametrization is None else self.parametrization.weights
        where = self._graph[0], outputs, self.dim, self._compile_kwargs, self._errors, weights
        return CompiledGraph(*where, called_by_kernels=called_by_kernels)

    def _compiled_values(self) -> CompiledGraph:
        """The log-density alone; with its gradient, where only that can be had as machine code, which has no errors."""
        if isinstance(self._full, ByDifferences):
            return self._full.log_density
        alone = self._compiled([without_gradient(self._graph[1][0])])
        return self._full if self.native and not alone.native else alone

    def _read_data(self) -> None:
        """Make a record of the shared data, by which compiled code finds them, and fill it."""
        self._shared = self._full.shared_data()
        self._alone: SharedData | None = None  # of the function of values alone
        self.target = Target(self._full.address, self._shared.record)
        self.refresh()

    def target_by(self, weights: np.ndarray) -> Target:
        """The log-density in the coordinates that weights (d + 1,) of the parametrization lead to.

        They are read where they are at every call, and have to live as long.
        """
        return Target(self._full.address, self._shared.record_with(weights))

    @property
    def values(self) -> Target:
        """`target` without its gradient, whose memory nobody may read; compiled when it is first asked for."""
        return self.values_by(None)

    def values_by(self, weights: np.ndarray | None) -> Target:
        """The same in the coordinates that weights (d + 1,) lead to, as of `target_by`; None stands for the model's."""
        with user_code:  # threads that ask at once would all compile it
            compiled = self.once("values", self._compiled_values)
            if self._alone is None:
                self._alone = compiled.shared_data()
            record = self._alone.record if weights is None else self._alone.record_with(weights)
            return Target(compiled.address, record)

    def place(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Locations and logarithms of scales (d,) at an unconstrained vector of the model.

        They are those of `Parametrization.placing`.
        """
        with user_code:
            location, log_scale = self._place(np.array(position, dtype=self._graph[0].dtype))
            return np.array(location), np.array(log_scale)  # a PyTensor function may have one storage for its results

    def fits(self, point: Mapping[str, np.ndarray]) -> bool:
        """Whether the variables of `point` have the shapes that this was compiled for."""
        return self._layout.fits(point)

    def forget_model(self) -> None:
        """Let go of the model, and of its data: this is kept to make others by `again`."""
        del self.model, self._shared, self._alone

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

    @property
    def values_a_gradient(self) -> int:
        """How many values of the log-density a gradient takes, where it is by differences; otherwise 0."""
        return 0 if self.differences is None else self.dim + 1

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
        return {name: self.__dict__[name] for name in _PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()

    def take_error(self) -> BaseException:
        """The error that has broken a chain; it is forgotten here."""
        error, self.error = self.error, None
        return error or TypeError(wrong_length(self.dim))  # the one thing that breaks compiled code

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
        value, gradient = self._full(position)
        return float(value), gradient

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
        if self._alone is not None:
            self._alone.refresh()
        with user_code:
            for check in self._indices:
                check(self._example)
        return changed

    def check(self, point: Mapping[str, np.ndarray]) -> None:
        """Raise a ValueError unless every variable of `point` has the shape that it was compiled for."""
        held = {name: shared.type.shape for name, shared in self._held.items()}
        for name, shape in {**self.layout, **held}.items():
            if np.shape(point[name]) != shape:
                raise ValueError(
                    f"{name} has shape {np.shape(point[name])}, and had shape {shape} when the step was made; after a "
                    "change of dimensions make a new step"
                )

    def to_vector(self, point: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sampled variables of `point`, raveled and joined, as floats (d,)."""
        return self._layout.to_vector(point)

    def to_point(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `to_vector`: arrays of each variable's shape and dtype; views of `vector`, where possible."""
        return self._layout.to_point(vector)

    def names_of(self, coordinates: np.ndarray) -> list[str]:
        """Names, as the user gave them, of the variables that the given coordinates of the flat vector belong to."""
        return [self.model.values_to_rvs[self.vars[i]].name for i in self._layout.owners(coordinates)]

    def unpicklable(self) -> str:
        """Say which part of the model cannot be pickled."""
        return unpicklable_part(self.model, self._graph[1])

    def blame(self, position: np.ndarray) -> str:
        """Say which variables make the log-density at `position` infinite or undefined."""
        held = {name: shared.get_value() for name, shared in self._held.items()}
        if not np.all(np.isfinite(position)):
            return f"the start of {', '.join(self.names_of(~np.isfinite(position)))} is not finite"
        value, gradient = self.try_at(position)
        if np.isfinite(value) and not np.all(np.isfinite(gradient)):
            return undefined_gradient(self.names_of(~np.isfinite(gradient)))
        return infinite_terms(self.model, {**held, **self.to_point(np.asarray(position))})
