"""The objective: the negative log-density of a model, from a start that can be worked with to a point described."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pymc as pm
import xarray as xr
from pymc.pytensorf import compile as pm_compile
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors

from ..native.pymc import distribution_of, make_initial_point_fn
from ..starts import usual_start
from ..target import LogDensity, kept, user_code

__all__ = ["Objective", "check_model", "describe", "kept_objective", "start_of"]


class Objective(LogDensity):
    """The negative log-density, split into a smooth part and the Laplace priors that a proximal step treats exactly.

    Of `LogDensity` it keeps the layout of the vector, the compilation, and the words for what went wrong; what is
    compiled, and for whom, it replaces.
    """

    called_by_kernels = False

    def __init__(
        self, model: pm.Model, point: Mapping[str, Any], *, jacobian: bool, proximal: bool, compile_kwargs: Any
    ) -> None:
        self._jacobian = jacobian
        laplace, lasting = _laplace_priors(model) if proximal else ({}, True)
        if len(laplace) == len(model.basic_RVs) + len(model.potentials):
            laplace = {}  # nothing else to follow the gradient of
        self._terms = [v for v in (*model.basic_RVs, *model.potentials) if v.name not in laplace]
        super().__init__(model=model, initial_point=point, compile_kwargs=compile_kwargs)
        self.count = 0
        self.stochastic = any(isinstance(cell[0], np.random.Generator) for cell in self._full.cells)
        """Whether each evaluation draws a mini-batch."""
        self.keepable = lasting and not self.stochastic  # the streams of a generator belong to one descent
        where = {v.name: laplace.get(model.values_to_rvs[v].name, (0.0, np.inf)) for v in self.vars}
        location = {name: np.broadcast_to(at, np.shape(point[name])) for name, (at, _) in where.items()}
        scale = {name: np.broadcast_to(b, np.shape(point[name])) for name, (_, b) in where.items()}
        self._location, self._scale = self.to_vector(location), self.to_vector(scale)
        self._constant = float(np.log(2 * self._scale[np.isfinite(self._scale)]).sum())

    # Replaced: of the graph, which terms there are, and whether the Jacobian of the transforms is one of them.

    def _log_density(self) -> Any:
        return self.model.logp(self._terms, jacobian=self._jacobian)

    def again(self, model: pm.Model, point: Mapping[str, np.ndarray]) -> Self:
        """The same, which has evaluated nothing yet."""
        other = super().again(model, point)
        other.count = 0
        return other

    def smooth(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """The smooth part and its gradient; NaN where they cannot be computed."""
        self.count += 1
        with np.errstate(all="ignore"):
            value, gradient = self.try_at(position)
        return -value, -gradient

    def kinks(self, position: np.ndarray) -> float:
        """The part of the Laplace priors, which is not smooth: minus their log-density."""
        return float((abs(position - self._location) / self._scale).sum()) + self._constant

    def shrink(self, position: np.ndarray, rate: float) -> np.ndarray:
        """The proximal operator of ``rate * kinks``: soft thresholding."""
        away = position - self._location
        return self._location + np.sign(away) * np.maximum(abs(away) - rate / self._scale, 0)

    def check_start(self, position: np.ndarray) -> None:
        """Raise a ValueError unless loss and gradient are finite."""
        value, gradient = self.smooth(position)
        if not (np.isfinite(value) and np.all(np.isfinite(position))):
            raise ValueError(
                f"the log-density is not finite at the start: {self.blame(position)}; look for NaN in the data, or "
                "start elsewhere (initvals)"
            )
        if (bad := ~np.isfinite(gradient)).any():
            raise ValueError(
                f"the gradient with respect to {', '.join(self.names_of(bad))} is not finite at the start; start "
                "elsewhere (initvals), or look for a derivative that is 0/0 there"
            )


def kept_objective(
    model: pm.Model, *, jacobian: bool, proximal: bool, seed: int, compile_kwargs: Mapping[str, Any]
) -> Objective:
    """An `Objective`, with what has been compiled for the model before, while that is what it was then."""

    def make(point: Mapping[str, np.ndarray]) -> Objective:
        options = {**compile_kwargs, "random_seed": seed}
        return Objective(model, point, jacobian=jacobian, proximal=proximal, compile_kwargs=options)

    return kept(model, compile_kwargs, make, ("objective", jacobian, proximal))


def check_model(model: pm.Model, initvals: Mapping[Any, Any] | None) -> dict[Any, Any]:
    """The values that are given, by name, after a look at what cannot work."""
    if not model.free_RVs:
        raise ValueError("model: it has no free variable, so there is nothing to fit")
    discrete = [rv.name for rv in model.free_RVs if rv.dtype not in pm.vartypes.float_types]
    if discrete:
        raise TypeError(
            f"model: {', '.join(discrete)} is discrete, and gradient descent needs a gradient; fix it at a value, as "
            f"pm.observe(model, {{{discrete[0]!r}: value}}) does, or sum it out"
        )
    if not isinstance(initvals or {}, Mapping):
        raise TypeError(f"initvals must be a dictionary of names and values, got a {type(initvals).__name__}")
    given = {getattr(key, "name", key): value for key, value in (initvals or {}).items()}
    known = [rv.name for rv in model.free_RVs]
    for name in given:
        if name not in [*known, *(v.name for v in model.value_vars)]:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ValueError(
                f"initvals: {name} is not a free variable of this model; its free variables are {', '.join(known)}"
                + (f". Did you mean {near[0]!r}?" if near else "")
            )
    return given


def start_of(objective: Objective, given: Mapping[Any, Any], seed: int) -> np.ndarray:
    """The position (d,) at the start."""
    usual, _ = usual_start(objective)
    with user_code:
        point = make_initial_point_fn(model=objective.model, overrides=dict(given))(seed) if given else usual(seed)
    for name, value in objective.to_point(objective.default_start).items():
        if np.shape(point[name]) != np.shape(value):
            raise ValueError(f"initvals: {name} has shape {np.shape(point[name])}, and should have {np.shape(value)}")
    return objective.to_vector(point)


def _laplace_priors(model: pm.Model) -> tuple[dict[str, tuple[Any, Any]], bool]:
    """Location and scale of each free Laplace variable where they are constant and nothing is transformed.

    And whether they are for good: `pymc.set_data` changes those that are made from shared data.
    """
    found: dict[str, tuple[Any, Any]] = {}
    lasting = True
    for rv in model.free_RVs:
        name, parameters = distribution_of(rv)
        if name != "Laplace" or model.rvs_to_transforms[rv] is not None:
            continue
        made_from = set(ancestors(parameters))
        if not made_from & set(model.basic_RVs):
            lasting &= not any(isinstance(variable, SharedVariable) for variable in made_from)
            with user_code:
                location, scale = pm_compile([], parameters, mode="FAST_COMPILE")()
            found[rv.name] = (location, scale)
    return found, lasting


def describe(objective: Objective, position: np.ndarray) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """All variables at a position (d,), with coords; and the free ones."""
    model, point = objective.model, objective.to_point(position)
    variables = [*model.free_RVs, *model.deterministics]

    def compiled() -> Any:
        with model:
            graphs = model.replace_rvs_by_values(variables)
            return model.compile_fn(graphs, inputs=model.value_vars, mode="FAST_COMPILE")

    with user_code:
        found = objective.once("described", compiled)(point)
    values = {v.name: np.array(value) for v, value in zip(variables, found, strict=True)}
    data = {}
    for name, value in values.items():
        dims: Any = model.named_vars_to_dims.get(name) or [None] * value.ndim
        data[name] = ([dim or f"{name}_dim_{i}" for i, dim in enumerate(dims)], value)
    used = {dim for dims, _ in data.values() for dim in dims}
    coords = {dim: list(labels) for dim, labels in model.coords.items() if dim in used and labels is not None}
    return xr.Dataset(data, coords), {rv.name: values[rv.name] for rv in model.free_RVs}
