r"""Partly non-centered parametrizations of the variables of a model, as a change of variables in its graph.

A variable x with location μ and scale σ, both functions of other variables, becomes

.. math:: y = (x - \mu)\,\sigma^{w-1} + w\mu, \qquad x = \mu + \sigma^{1-w}(y - w\mu),

with a weight w of its own for each element: y is x at w = 1 (centered), and at w = 0 the standardised variable
(non-centered) [1]_ [2]_.  The variable q of the model is one of these two: x, with a weight b of 1, or, where
:math:`x = \mu + \sigma z` is written by hand, z, with one of 0.  In both cases

.. math:: y = (q - b\mu)\,\sigma^{w-b} + w\mu, \qquad q = b\mu + \sigma^{b-w}(y - w\mu).

Chains move in y.  Their target has the Jacobian,

.. math:: \log\pi(y) = \log\pi(q(y)) + \sum_i (b_i - w_i)\log\sigma_i,

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

from ..native.pytensor import with_replaced
from .families import LocationScale, location_scales
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
    found : dict
        What each is, by the name of the value variable.
    sweeps : int
        How often locations and scales have to be computed, at most, until those of the last elements are there.
    as_written : ndarray (d,)
        The weights b by which y is q.
    weights : shared variable
        One weight for each coordinate (d,), at first as written; and, last, the temperature, by which the
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
        self.as_written = np.ones(self.dim)
        for one in found:
            self.as_written[slices[one.value.name]] = one.weight
        first = np.append(self.as_written, 1.0)  # so that by itself the density is that of the model
        self.weights = pytensor.shared(first, "weights of the parametrization", shape=first.shape)
        self.found = {one.value.name: one._replace(**self._broadcast(one)) for one in found}
        by_level: dict[int, int] = {}
        for one in found:
            by_level[one.level] = max(one.sweeps, by_level.get(one.level, 0))
        self.sweeps = sum(by_level.values())

    def _broadcast(self, one: LocationScale) -> dict[str, Any]:
        shape = self.shapes[one.value.name]
        return {part: pt.broadcast_to(getattr(one, part), shape) for part in ("location", "log_scale")}

    def __bool__(self) -> bool:
        """Whether there is anything to reparametrise."""
        return bool(self.places)

    def density(self, log_density: Any) -> Any:
        """The log-density that chains sample, of what stands for y, from that of the model, a function of q."""
        made: dict[Any, Any] = {}  # of graphs in q the same in y; each is made once, and shared
        log_jacobian: Any = pt.zeros((), dtype="float64")
        for name, one in self.found.items():
            value = one.value
            known = dict(made) if one.own else made  # its scales are made from y, and all that comes later from q
            location, log_scale = _with([one.location, one.log_scale], known)
            weight = self.weights[self.places[name]].reshape(self.shapes[name])
            power = pt.switch(pt.eq(weight, one.weight), 0.0, (one.weight - weight) * log_scale)  # even of a scale of 0
            stretch = pt.exp(power)
            found = _like(value * stretch + location * (one.weight - weight * stretch), value)
            for _ in range(one.sweeps - 1):  # of elements of y, more and more become those of q
                again = with_replaced(location, value, found)
                found = _like(value * stretch + again * (one.weight - weight * stretch), value)
            made[value] = found
            log_jacobian += power.sum()
        (changed,) = _with([log_density], made)
        return (changed + self.weights[-1] * log_jacobian).astype(log_density.dtype)

    def placing(self) -> list[Any]:
        """Graphs, of q, of locations and of logarithms of scales, each of all coordinates, raveled and joined (d,).

        Of what is not reparametrised, both are 0.
        """
        nothing = {value: pt.zeros(value.shape) for value in self._values}
        parts = [{one.value: getattr(one, part) for one in self.found.values()} for part in ("location", "log_scale")]
        return [self._joined({**nothing, **part}) for part in parts]

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
        weights = np.append(self.as_written, temperature)
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
