"""A system: a potential energy U(q) that kernels can call, and what is known of the motion in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pymc as pm

from ..checks import whole
from ..kernels.address import LOGP, AddressedFunction
from ..kernels.state import Target
from ..target import LogDensity

__all__ = ["Potential", "System", "from_expression", "from_model", "vector"]

_ARITHMETIC = (ArithmeticError, ValueError, np.linalg.LinAlgError)
_NO_DATA = np.zeros(1, np.int64)

type Invariant = Callable[[np.ndarray, np.ndarray], np.ndarray]
type Solution = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
type Potential = str | System | pm.Model | Callable[[Any], Any]


@dataclass(frozen=True, eq=False, repr=False)
class System:
    r"""
    A potential energy, and what is known of the motion in it of unit masses, :math:`H = U(q) + \tfrac12 |p|^2`.

    Usually it comes from a name, a PyTensor expression or a PyMC model, by `mechanics.system`.

    Parameters
    ----------
    name : str
        What to call it.
    dim : int
        Number of coordinates, d.
    density : callable or LogDensity
        -U and its gradient: ``density(data, position, gradient, value)`` in the subset of Python that numba compiles,
        which writes the gradient (d,) of -U to `gradient` and -U to ``value[0]`` and returns 0 (`data` is not used).
        In plain Python it has to take complex numbers as well, for derivatives.
    equation : str, optional
        U(q), for people.
    reference : str, optional
        Where to read about it.
    position, momentum : sequence of float, optional
        Where to start (d,), unless another start is given.
    labels : sequence of str, optional
        Names of the coordinates.
    invariants : mapping of str to callable, optional
        What the motion conserves besides the energy, as functions of positions and momenta (..., d).
    solution : callable, optional
        ``solution(times, position, momentum)``: exact positions and momenta (n, d) at `times` (n,), from a start (d,).
    period : callable, optional
        ``period(position, momentum)``: the time after which the motion from a start (d,) repeats itself.

    Raises
    ------
    TypeError
        When a start is not made of numbers.
    ValueError
        When `dim` is not a positive integer, or a start has another shape than (d,) or is not finite.

    Examples
    --------
    A quartic well of one's own, without PyTensor:

    >>> def quartic(data, position, gradient, value):
    ...     value[0] = -(position[0] ** 4) / 4
    ...     gradient[0] = -(position[0] ** 3)
    ...     return 0
    >>> System("quartic", 1, quartic).evaluate(np.array([2.0]))
    (4.0, array([8.]))
    """

    name: str
    dim: int
    density: Callable[..., int] | LogDensity
    equation: str = ""
    reference: str = ""
    position: Sequence[float] | np.ndarray | None = None
    momentum: Sequence[float] | np.ndarray | None = None
    labels: Sequence[str] = ()
    invariants: Mapping[str, Invariant] = field(default_factory=lambda: MappingProxyType({}))
    solution: Solution | None = None
    period: Callable[[np.ndarray, np.ndarray], float] | None = None

    def __post_init__(self) -> None:
        # A frozen dataclass can be written to in this way only.
        object.__setattr__(self, "dim", whole("dim", self.dim, least=1))
        object.__setattr__(self, "labels", tuple(self.labels) or tuple(f"q[{j}]" for j in range(self.dim)))
        for name in ("position", "momentum"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, vector(name, getattr(self, name), self.dim))

    @property
    def analytic(self) -> bool:
        """Whether `evaluate` takes complex numbers too."""
        return not isinstance(self.density, LogDensity)

    @property
    def target(self) -> Target:
        """The record that kernels run."""
        if isinstance(self.density, LogDensity):
            return self.density.target
        return Target(_compiled(self.density).address, _NO_DATA)

    @property
    def error(self) -> BaseException | None:
        """The error that the potential raised last when it was called from kernels, if any."""
        return self.density.error if isinstance(self.density, LogDensity) else None

    def evaluate(self, position: np.ndarray) -> tuple[Any, np.ndarray]:
        """
        U and its gradient at a position, in plain Python.

        Parameters
        ----------
        position : ndarray of shape (d,)
            Complex where the system is `analytic`.

        Returns
        -------
        potential_energy : float or complex
        gradient : ndarray of shape (d,)
            Both are NaN where the potential raises an error of arithmetic.

        Raises
        ------
        RuntimeError
            When it raises another one.
        """
        if isinstance(self.density, LogDensity):
            try:
                logp, slope = self.density(position)
            except _ARITHMETIC:
                return np.nan, np.full(self.dim, np.nan)
            except Exception as error:
                raise RuntimeError(f"the potential of {self.name} raised {type(error).__name__}: {error}") from error
            return -logp, -slope
        value, gradient = np.empty(1, position.dtype), np.empty(self.dim, position.dtype)
        self.density(_NO_DATA, position, gradient, value)
        return -value[0].item(), -gradient

    def __repr__(self) -> str:
        equation = f", U(q) = {self.equation}" if self.equation else ""
        return f"System({self.name!r}: dimension {self.dim}{equation})"


@cache
def _compiled(density: Callable[..., int]) -> AddressedFunction:
    return AddressedFunction(density, LOGP)


def vector(name: str, values: Any, dim: int | None = None) -> np.ndarray:
    """`values` as a finite vector of `dim` floats, a number standing for a vector of one; errors name the argument."""
    try:
        array = np.atleast_1d(np.asarray(values))
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a vector of numbers, got {values!r}")
    if array.ndim != 1 or not array.size or (dim is not None and array.size != dim):
        wanted = "(d,)" if dim is None else f"({dim},)"
        raise ValueError(f"{name} must be a vector of shape {wanted}, one entry per coordinate, got {np.shape(values)}")
    if not np.isfinite(array).all():
        bad = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} must be finite, got {name}[{bad}] = {array[bad]}")
    return array.astype(float)


def from_expression(potential: Callable[[Any], Any], dim: int) -> System:
    """The system of a callable that builds U(q), a scalar PyTensor expression, from a symbolic vector q (d,)."""
    name = getattr(potential, "__name__", type(potential).__name__)
    with pm.Model(model=None) as model:  # stands by itself, even where the caller is in the context of a model
        q = pm.Flat("q", shape=dim)
        energy = potential(q)
        if not isinstance(energy, type(q)):
            raise TypeError(
                f"potential: {name}(q) must return a scalar PyTensor expression of the vector q, got {energy!r}; build "
                "it from q with operators and pytensor.tensor"
            )
        if energy.ndim:
            raise ValueError(
                f"potential: {name}(q) must be a scalar, the energy in all, got an expression of {energy.ndim} "
                f"dimension{'s' if energy.ndim > 1 else ''}; sum it, as by .sum()"
            )
        pm.Potential("minus_U", -energy)
    return System(name, dim, LogDensity(model=model))


def from_model(model: pm.Model) -> System:
    """The system of a PyMC model: U(q) = -log π(q) of its unconstrained parameters q, starting at its initial point."""
    discrete = [rv.name for rv in model.free_RVs if rv.dtype not in pm.vartypes.float_types]
    if discrete:
        raise ValueError(
            f"potential: {', '.join(discrete)} of the model is discrete, and there is no motion without a gradient; "
            "observe it, or marginalise it out"
        )
    density = LogDensity(model=model)
    if not density.dim:
        raise ValueError("potential: the model's free variables are all of size zero, so nothing can move")
    labels = [name if size == 1 else f"{name}[{i}]" for name, size in density.sizes.items() for i in range(size)]
    return System(
        model.name or "model",
        density.dim,
        density,
        equation="-log π(q)",
        position=density.default_start,
        labels=labels,
    )
