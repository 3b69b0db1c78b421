r"""Partly non-centered parametrizations of the variables of a model, as a change of variables in its graph.

A variable q with location μ and scale σ, both functions of other variables, becomes

.. math:: y = (q - \mu)\,\sigma^{w-1} + w\mu, \qquad q = \mu + \sigma^{1-w}(y - w\mu),

with a weight w of its own for each element: y is q, the variable as it is in the model, at w = 1 (centered), and at
w = 0 the standardised one (non-centered) [1]_ [2]_.  Chains move in y.  Their target has the Jacobian,

.. math:: \log\pi(y) = \log\pi(q(y)) + \sum_i (1 - w_i)\log\sigma_i,

and weights are data that compiled code finds by a pointer, so that others take no compilation.

References
----------
.. [1] O. Papaspiliopoulos, G. O. Roberts, M. Sköld (2007). A general framework for the parametrization of hierarchical
   models. Statistical Science 22(1), 59-73.
.. [2] M. I. Gorinova, D. Moore, M. D. Hoffman (2020). Automatic reparameterisation of probabilistic programs. ICML,
   PMLR 119, 3648-3657. arXiv:1906.03028.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import clone_get_equiv

from .families import location_scales
from .variables import value_variables

__all__ = ["Parametrization", "check_parametrization"]


class Parametrization:
    """The change of variables of one log-density, as graphs.

    Parameters
    ----------
    model : pymc.Model
    values : sequence of variables
        The value variables that are sampled, in the order of the flat vector.
    layout : dict
        Shape and dtype of each, by name.

    Attributes
    ----------
    places : dict
        For each value variable that can be reparametrised, by name, the slice of the flat vector that is its own.
    names : dict
        The name of that by the name of the variable.
    shapes : dict
        The shape of each, by the name of the value variable.
    levels : int
        How many of them depend on one another, at most.
    weights : shared variable
        One weight for each coordinate (d,), 1 where nothing is reparametrised; and, last, the temperature, by which the
        Jacobian is multiplied, as what is sampled is the density of the model to the power of its inverse.
    """

    def __init__(
        self, model: pm.Model, values: Sequence[Any], layout: Mapping[str, tuple[tuple[int, ...], Any]]
    ) -> None:
        ends = np.cumsum([int(np.prod(shape, dtype=int)) for shape, _ in layout.values()]).tolist()
        slices = dict(zip(layout, map(slice, [0, *ends[:-1]], ends), strict=True))
        self._values = list(values)
        found = [one for one in location_scales(model, values) if np.prod(layout[one.value.name][0], dtype=int)]
        self.places = {one.value.name: slices[one.value.name] for one in found}
        self.names = {model.values_to_rvs[one.value].name: one.value.name for one in found}
        self.shapes = {name: layout[name][0] for name in self.places}
        self.dim = ends[-1]
        self.weights = pytensor.shared(np.ones(self.dim + 1), "weights of the parametrization", shape=(self.dim + 1,))
        self._locations = {one.value: pt.broadcast_to(one.location, self.shapes[one.value.name]) for one in found}
        self._log_scales = {one.value: pt.broadcast_to(one.log_scale, self.shapes[one.value.name]) for one in found}
        self.levels = max((one.level for one in found), default=0)

    def __bool__(self) -> bool:
        """Whether there is anything to reparametrise."""
        return bool(self.places)

    def density(self, log_density: Any) -> Any:
        """The log-density that chains sample, of what stands for y, from that of the model, a function of q."""
        made: dict[Any, Any] = {}  # of graphs in q the same in y; each is made once, and shared
        log_jacobian: Any = pt.zeros((), dtype="float64")
        for value in self._locations:
            location, log_scale = _with([self._locations[value], self._log_scales[value]], made)
            weight = self.weights[self.places[value.name]].reshape(self.shapes[value.name])
            power = pt.switch(pt.eq(weight, 1), 0.0, (1 - weight) * log_scale)  # as in the model, even of a scale of 0
            stretch = pt.exp(power)
            made[value] = _like(value * stretch + location * (1 - weight * stretch), value)
            log_jacobian += power.sum()
        (changed,) = _with([log_density], made)
        return (changed + self.weights[-1] * log_jacobian).astype(log_density.dtype)

    def placing(self) -> list[Any]:
        """Graphs, of q, of locations and of logarithms of scales, each of all coordinates, raveled and joined (d,).

        Of what is not reparametrised, both are 0.
        """
        nothing = {value: pt.zeros(value.shape) for value in self._values}
        return [self._joined({**nothing, **part}) for part in (self._locations, self._log_scales)]

    def _joined(self, parts: Mapping[Any, Any]) -> Any:
        flat = [pt.as_tensor(parts[value], allow_xtensor_conversion=True).ravel() for value in self._values]
        return pt.concatenate(flat).astype("float64")

    def weights_of(self, wanted: str | Mapping[str, Any], temperature: float) -> np.ndarray:
        """Weights, and the temperature (d + 1,), by a name, or by those of variables.

        Raises
        ------
        ValueError
            When a weight has another shape than its variable.
        """
        weights = np.append(np.ones(self.dim), temperature)
        if wanted in ("auto", "noncentered"):
            for place in self.places.values():
                weights[place] = 0.0
        elif isinstance(wanted, Mapping):
            for name, given in wanted.items():
                value = self.names[name]
                shape = self.shapes[value]
                try:
                    weights[self.places[value]] = np.broadcast_to(np.asarray(given, dtype=float), shape).ravel()
                except ValueError:
                    raise ValueError(
                        f"parametrization: the weights of {name} have shape {np.shape(given)}, and the variable has "
                        f"shape {shape}"
                    ) from None
        return weights


def _with(graphs: list[Any], made: dict[Any, Any]) -> list[Any]:
    """Graphs in which variables are replaced by what there is for them, which grows by all that is made for these."""
    clone_get_equiv([], graphs, copy_inputs=False, copy_orphans=False, memo=made)
    return [made[graph] for graph in graphs]


def _like(expression: Any, value: Any) -> Any:
    """An expression of the type of a variable."""
    return pt.specify_shape(expression.astype(value.dtype), value.type.shape)


def check_parametrization(wanted: str | Mapping[str, Any], model: Any, vars: Any = None) -> None:
    """Raise a ValueError where weights are asked for of a variable that cannot be reparametrised.

    Parameters
    ----------
    wanted : str or dict
        As for `HMC`.
    model : pymc.Model
    vars : sequence of variables or names, optional
        Those that are sampled; all continuous ones by default.
    """
    if not isinstance(wanted, Mapping) or not wanted:
        return
    found = location_scales(model, value_variables(vars, model))
    known = [model.values_to_rvs[one.value].name for one in found]
    for name in wanted:
        if name in known:
            continue
        there = name in [rv.name for rv in model.free_RVs]
        near = difflib.get_close_matches(name, known, n=1)
        raise ValueError(
            f"parametrization: {name!r} "
            + ("cannot be reparametrised" if there else "is not a free variable of this model")
            + f"; those that can be are {', '.join(known) or 'none'}"
            + (f". Did you mean {near[0]!r}?" if near and not there else "")
        )
