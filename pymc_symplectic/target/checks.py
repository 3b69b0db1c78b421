"""Checks that a log-density can be sampled, made before anything is compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.type import TensorType

from ..differences import MOST_PARAMETERS
from ..native.jax import has_started
from ..native.pymc import MinibatchOp, SimulatorRV
from ..native.pytensor import FromFunctionOp, NullTypeGradError, RNGConsumerOp, float_dtypes, is_of_jax
from .indices import ONCE, name_of, operations

__all__ = [
    "LIBRARIES",
    "Fork",
    "ForkError",
    "gradients_of",
    "is_foreign",
    "refuse_random",
    "refuse_wrong_lengths",
    "refuse_wrong_outputs",
]

LIBRARIES = "pytensor", "pymc", "pymc_extras"
"""Of what is from them, operations have gradients of the right length, and are no user's."""


def refuse_random(model: pm.Model, cost: Variable) -> None:
    """Raise a ValueError if the log-density `cost` of a model is another one at each call.

    Metropolis tests compare values at two points, so what differs by chance between two calls is no density at all.
    """
    found = [op for op in operations([cost]) if isinstance(op, RNGConsumerOp | MinibatchOp)]
    if not found:
        return
    variables = [*model.free_RVs, *model.observed_RVs, *model.potentials]
    terms = model.logp(sum=False)
    names = [
        str(variable.name)
        for variable, term in zip(variables, terms, strict=True)
        if any(isinstance(op, RNGConsumerOp | MinibatchOp) for op in operations([term]))
    ]
    what = f"The log-density of {', '.join(names)} is random"
    if any(isinstance(op, SimulatorRV) for op in found):
        why = "pm.Simulator draws it anew at each call; sample such a model by pm.sample_smc()"
    elif any(isinstance(op, MinibatchOp) for op in found):
        why = "pm.Minibatch takes other data at each call, which is for pm.fit(); give the model all data"
    else:
        why = (
            f"it depends on draws ({', '.join(sorted({str(op) for op in found}))}) that are made anew at each call; "
            "make them variables of the model, or constants"
        )
    raise ValueError(f"{what}, and cannot be sampled: {why}")


def gradients_of(cost: Any, variables: Sequence[Any], model: pm.Model) -> list[Any]:
    """The gradient of `cost` with respect to each of some value variables.

    Raises
    ------
    NotImplementedError
        When an operation has no gradient; the message names it, and the variables that it keeps from being sampled.
    """
    try:
        gradients: Any = pytensor.grad(cost, list(variables), disconnected_inputs="ignore")
        return list(gradients)
    except (NotImplementedError, NullTypeGradError) as error:
        without = [variable for variable in variables if not _has_gradient(cost, variable)]
        names = [model.values_to_rvs[variable].name for variable in without]
        others = [model.values_to_rvs[v].name for v in variables if v not in without]
        with_others = f" and ps.HMC([{', '.join(map(repr, others))}])" if others else ""
        raise NotImplementedError(
            f"The log-density has no gradient with respect to {', '.join(names)}, and Hamiltonian Monte Carlo needs "
            f"one: {str(error).strip()}. Give the operation a gradient; or let it be taken by finite differences, of "
            f"up to {MOST_PARAMETERS} parameters, by the option gradient='differences'; or leave {', '.join(names)} to "
            f"a step without: pm.Slice([{', '.join(map(repr, names))}]){with_others} in pm.sample(step=[...]), which "
            "is what pm.sample() would do"
        ) from error


def _has_gradient(cost: Any, variable: Any) -> bool:
    try:
        pytensor.grad(cost, variable, disconnected_inputs="ignore")
    except (NotImplementedError, NullTypeGradError):
        return False
    return True


def is_foreign(op: Any) -> bool:
    """Whether a user has brought an operation along."""
    return type(op).__module__.partition(".")[0] not in LIBRARIES or isinstance(op, FromFunctionOp)


def refuse_wrong_lengths(cost: Any, values: Sequence[Any], point: Sequence[np.ndarray]) -> None:
    """Raise a ValueError if an operation of a user's own gives a gradient of another shape than its input has.

    Looked at is what each operation gives, at one `point`: in a sum, an array of length 1 would be spread over the
    others.  An operation that fails there, or has no gradient, is left to what comes next.
    """
    looked_at, graphs = [], []
    for node in {variable.owner for variable in ancestors([cost])} - {None}:
        if not is_foreign(node.op):
            continue
        try:
            slopes = node.op.pullback(node.inputs, node.outputs, [output.ones_like() for output in node.outputs])
        except Exception:
            continue
        for variable, slope in zip(node.inputs, slopes, strict=False):
            if isinstance(getattr(slope, "type", None), TensorType) and variable.type.dtype in float_dtypes:
                looked_at.append((node.op, variable))
                graphs += [slope.shape, variable.shape]
    if not graphs:
        return
    try:
        found = pytensor.function(list(values), graphs, mode=ONCE, on_unused_input="ignore")(*point)
    except Exception:
        return
    for (op, variable), has, wanted in zip(looked_at, found[::2], found[1::2], strict=True):
        if tuple(has) != tuple(wanted):
            raise ValueError(
                f"The gradient that {op} gives with respect to {name_of(variable, 'its input')} has shape "
                f"{tuple(map(int, has))}, and must have {tuple(map(int, wanted))}"
            )


def refuse_wrong_outputs(
    outputs: Sequence[Any], values: Sequence[Any], point: Sequence[np.ndarray], *, steady: bool
) -> None:
    """Raise an error if an operation of a user's own returns what it does not declare.

    Looked at is what each operation returns at one `point`: compiled code would read the bytes of an integer, or of
    None, as those of a float.  An operation that fails there is left to what comes next.

    Raises
    ------
    TypeError
        When an output has another dtype or number of dimensions.
    ValueError
        When it has to be `steady`, and two calls differ.
    """
    nodes = {variable.owner for variable in ancestors(outputs)} - {None}
    looked_at = [
        variable
        for node in nodes
        if is_foreign(node.op)
        for variable in node.outputs
        if isinstance(variable.type, TensorType)
    ]
    if not looked_at:
        return
    try:
        function = pytensor.function(list(values), looked_at, mode=ONCE, on_unused_input="ignore")
        first = [np.array(found) for found in function(*point)]
        second = [np.array(found) for found in function(*point)] if steady else first
    except Exception:
        return
    for variable, found, again in zip(looked_at, first, second, strict=True):
        op, declared = variable.owner.op, (variable.type.dtype, variable.type.ndim)
        if (str(found.dtype), found.ndim) != declared:
            raise TypeError(
                f"{op} returns an array of {found.dtype} with {found.ndim} dimensions, and declares {declared[0]} with "
                f"{declared[1]}; let it return np.asarray(..., dtype={declared[0]!r}) of that shape"
            )
        if found.dtype.kind in "fc" and not np.allclose(found, again, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise ValueError(
                f"{op} returns another result at each call, {found} and then {again} at the same point, so there is no "
                "density to sample; let it draw its random numbers once, outside"
            )


class ForkError(RuntimeError):
    """A process was forked where it must not be."""


class Fork:
    """Refuses to go on in a process that was forked from one where JAX had been at work, where it would wait forever.

    Parameters
    ----------
    outputs : sequence of Variable
        The graphs that are going to be evaluated.
    linker : object
        What they are compiled by.
    """

    jax_before = False
    """Whether JAX was there in a process that this one was forked from."""
    _about_to = False  # the same, of the next fork: asked before it, as no lock may be waited for after it

    def __init__(self, outputs: Sequence[Variable], linker: Any) -> None:
        # what an operation of a user's own calls cannot be seen
        self.dangerous = is_of_jax(linker) or any(is_of_jax(op) or is_foreign(op) for op in operations(outputs))

    def check(self) -> None:
        """Raise a ForkError in such a process."""
        if self.dangerous and Fork.jax_before:
            raise ForkError(
                "The model calls JAX, or an operation that may, and this process was forked from one that had used "
                "JAX: it would wait forever. Start processes in another way, by pm.sample(mp_ctx='forkserver'), or run "
                "chains in turn, by cores=1, or on threads, by ps.sample()"
            )


def _before_fork() -> None:
    Fork._about_to = Fork.jax_before or has_started()


def _in_child() -> None:
    Fork.jax_before = Fork._about_to


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
