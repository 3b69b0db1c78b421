"""Functions that compute the variables of a model that are stored from those that are sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.random.type import RandomGeneratorType

from ..native.numba import NumbaError
from ..native.pytensor import machine_code, user_code
from .checks import refuse_wrong_outputs
from .compiled import alone, mode_for
from .indices import guarded

__all__ = ["Values", "values_function"]


class Values(NamedTuple):
    """A function from value variables of a model to others, and from random numbers where some are random."""

    call: Callable[..., Any]
    """Takes the values, in their order, those of `data`, and one generator for each of `streams`, which it uses up."""
    data: tuple[Any, ...]
    """Shared variables, whose values are arguments, so that nobody can replace them between two calls."""
    streams: tuple[int, ...]
    """Which of all generators of the model, by their number."""
    random: tuple[bool, ...]
    """Of each variable, whether it is no function of the values alone."""


def values_function(model: pm.Model, outputs: Sequence[Any], example: Sequence[np.ndarray]) -> Values:
    """A function that computes `outputs` from the value variables of a model: the same code as PyMC's.

    It is called without what PyTensor wraps machine code in, which takes longer than the code; with data, or without
    machine code, with it.  Data and generators of random numbers, which PyMC shares among all functions of a model, are
    arguments here.
    """
    values = model.value_vars
    with user_code:
        refuse_wrong_outputs(outputs, values, example, steady=False)
    outputs = guarded(outputs, values)
    generators = {rng: rng.type() for rng in _generators(outputs)}
    random = tuple(bool(_generators([output])) for output in outputs)
    streams: tuple[int, ...] = ()
    if generators:
        every = _generators(model.unobserved_value_vars)  # so that a stream is the same, whatever else is computed
        streams = tuple(every.index(rng) for rng in generators)
        outputs = clone_replace(outputs, generators)
    data: dict[Any, Any] = {one: one.type() for one in graph_inputs(outputs) if isinstance(one, SharedVariable)}
    if data:
        outputs = clone_replace(outputs, data)
    with user_code:
        function = model.compile_fn(
            outs=[pytensor.Out(output, borrow=True) for output in outputs],
            inputs=[
                *(pytensor.In(value, borrow=True) for value in (*values, *data.values())),
                *(pytensor.In(rng, borrow=True, mutable=True) for rng in generators.values()),
            ],
            mode=mode_for(outputs),
            point_fn=False,
            on_unused_input="ignore",
            trust_input=True,
        )
    raw = machine_code(function)
    if data or raw is None:
        return Values(function, tuple(data), streams, random)
    arguments = *example, *(np.random.default_rng(0) for _ in generators)

    def compile(function: Any) -> None:
        try:
            function(*arguments)
        except (NumbaError, NotImplementedError):
            raise
        except Exception:  # what it computes may be an error there, and none elsewhere
            pass

    with alone(raw, compile) as function:
        return Values(function, (), streams, random)


def _generators(outputs: Sequence[Any]) -> list[Any]:
    """The generators of random numbers that variables are made from, in an order that depends on nothing else."""
    return [variable for variable in graph_inputs(outputs) if isinstance(variable.type, RandomGeneratorType)]
