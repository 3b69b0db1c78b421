"""Values without gradients, and gradients by finite differences of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.graph.traversal import ancestors

from ..differences import Differences
from ..kernels.differences import by_differences, differences
from ..kernels.status import Status
from ..native.pytensor import with_replaced
from .addressed import CompiledGraph
from .indices import operations
from .records import SharedData
from .sharing import curable

__all__ = ["ByDifferences", "differences_of", "without_gradient"]


class ByDifferences:
    """A log-density with its gradient by finite differences: called as a `CompiledGraph` that has a gradient is.

    Parameters
    ----------
    how : Differences
    log_density : CompiledGraph
        Without a gradient.
    """

    def __init__(self, how: Differences, log_density: CompiledGraph) -> None:
        self.log_density, self._steps = log_density, how.steps(log_density.dim)
        self.address, self.native = by_differences().address, log_density.native
        self.linker, self.cells = log_density.linker, log_density.cells

    def shared_data(self) -> SharedData:
        """Another user's record of the shared data, which ends with where log-density and steps are."""
        return self.log_density.shared_data([self.log_density.address, self._steps.ctypes.data])

    def __call__(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient (d,) at a position (d,), through PyTensor's own function."""
        errors: list[Exception] = []

        def logp(_: Any, at: np.ndarray, __: Any, value: np.ndarray) -> int:
            try:
                (value[0],) = self.log_density(at)
            except Exception as error:
                errors.append(error)
                return Status.FAILED if curable(error) else Status.BROKEN
            return Status.OK

        at, value, gradient = np.array(position, dtype=float), np.empty(1), np.empty(len(position))
        if differences(logp, value, self._steps, at, gradient, value) != Status.OK:
            raise errors[-1]
        return float(value[0]), gradient


def differences_of(graph: Any) -> Differences | None:
    """What an operation of a graph says of how its gradient is taken; None where none does."""
    asked = (getattr(op, "differences", None) for op in operations([graph]))
    return next((found for found in asked if isinstance(found, Differences)), None)


def without_gradient(graph: Any) -> Any:
    """The same graph, where operations that give a value together with its gradient are replaced by the value alone.

    They have a method ``value_alone(*inputs)``, which makes it, or None.
    """
    for node in {variable.owner for variable in ancestors([graph])} - {None}:
        make = getattr(node.op, "value_alone", None)
        if make is not None and (alone := make(*node.inputs)) is not None:
            graph = with_replaced(graph, node.outputs[0], alone)
    return graph
