"""Methods of the textbooks as data: what symplectic integrators are compared with.

A method advances z = (q, r) along the field f(z) = (∇K(r), -∇U(q)).  Three kinds are offered, each a frozen value that
says all there is to know of a method: a `RungeKutta` is its Butcher tableau, a `Multistep` its weights, a `Splitting`
its kicks and drifts.  The integrators that sample (`integrators.CATALOGUE`) are methods too, and `get` knows both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .. import integrators
from ..checks import whole
from ..integrators import AnyIntegrator, ImplicitMidpoint, Integrator
from ..kernels.flow import Composition
from ..names import choose

__all__ = ["ALIASES", "TEXTBOOK", "Method", "Multistep", "RungeKutta", "Splitting", "get", "is_explicit"]

_SUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class RungeKutta:
    r"""
    A Runge-Kutta method, explicit or implicit: its Butcher tableau.

    Parameters
    ----------
    a : sequence of sequences of float
        The matrix (s, s) of s stages, row by row.
    b : sequence of float
        The weights (s,). They sum to one.
    name : str, optional
        What to call it.
    order : int, optional
        The order p, taken at its word: the error after a fixed time is O(εᵖ).
    reference : str, optional
        Where it was published.

    Raises
    ------
    TypeError
        When `a` or `b` is not made of numbers.
    ValueError
        When they do not fit together, are not finite, or the weights do not sum to one.

    Notes
    -----
    One step is

    .. math:: k_i = f\Big(z + \varepsilon \sum_j a_{ij} k_j\Big), \qquad z' = z + \varepsilon \sum_i b_i k_i .

    The field does not depend on time, so the nodes :math:`c_i = \sum_j a_{ij}` are not needed. Implicit stages are
    solved by Newton's method.

    Examples
    --------
    >>> midpoint = RungeKutta(a=((0, 0), (0.5, 0)), b=(0, 1), name="explicit_midpoint", order=2)
    >>> midpoint.explicit, midpoint.stages, midpoint.canonical
    (True, 2, False)
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    name: str = "custom"
    order: int = 1
    reference: str = ""

    def __post_init__(self) -> None:
        try:
            rows = tuple(self.a)
        except TypeError:
            raise TypeError(f"a must be the rows of a matrix, such as ((0, 0), (0.5, 0)), got {self.a!r}") from None
        # A frozen dataclass can be written to in this way only.  Whatever sequences came in, tuples are kept.
        object.__setattr__(self, "a", tuple(_numbers(f"a[{i}]", row) for i, row in enumerate(rows)))
        object.__setattr__(self, "b", _consistent("b", self.b))
        lengths = [len(row) for row in self.a]
        if lengths != [len(self.b)] * len(self.b):
            raise ValueError(
                f"a must have as many rows and columns as there are weights b, which are {len(self.b)}; got rows of "
                f"lengths {lengths}; fill the tableau up with zeros"
            )
        object.__setattr__(self, "order", whole("order", self.order, least=1))

    @property
    def stages(self) -> int:
        """How many stages there are, s."""
        return len(self.b)

    @property
    def explicit(self) -> bool:
        """Whether each stage follows from those before it: a is strictly lower triangular."""
        return not any(row[j] for i, row in enumerate(self.a) for j in range(i, self.stages))

    @property
    def canonical(self) -> bool:
        r"""
        Whether the coefficients make every step symplectic, for any Hamiltonian.

        Those that do satisfy :math:`b_i a_{ij} + b_j a_{ji} = b_i b_j` for all i and j [1]_; no explicit method does.

        References
        ----------
        .. [1] J. M. Sanz-Serna (1988). Runge-Kutta schemes for Hamiltonian systems. BIT 28, 877-883.
        """
        a, b = np.array(self.a), np.array(self.b)
        weighted = b[:, None] * a
        return bool(np.abs(weighted + weighted.T - np.outer(b, b)).max() < _SUM_TOLERANCE)


@dataclass(frozen=True)
class Multistep:
    r"""
    An explicit linear multistep method of Adams's kind: weights of the latest slopes.

    Parameters
    ----------
    weights : sequence of float
        Of the slope at the latest state, of the one before it, and so on. They sum to one.
    name, order, reference
        As for `RungeKutta`.

    Raises
    ------
    TypeError
        When the weights are not numbers.
    ValueError
        When they are not finite, or do not sum to one.

    Notes
    -----
    .. math:: z_{n+1} = z_n + \varepsilon \sum_j w_j f(z_{n-j}).

    The first steps, for want of a past, are made by the classical Runge-Kutta method of order 4.

    Examples
    --------
    >>> Multistep((1.5, -0.5), name="adams_bashforth2", order=2).memory
    2
    """

    weights: tuple[float, ...]
    name: str = "custom"
    order: int = 1
    reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _consistent("weights", self.weights))
        object.__setattr__(self, "order", whole("order", self.order, least=1))

    @property
    def memory(self) -> int:
        """How many slopes a step looks back on."""
        return len(self.weights)


@dataclass(frozen=True)
class Splitting:
    """
    Kicks and drifts like those of an `Integrator`, except that they need not read the same backwards.

    Such a scheme is symplectic, and not reversible, so it may be looked at and not sampled with. It runs on the same
    kernels as those that may.

    Parameters
    ----------
    kicks, drifts : sequence of float
        The b and the a of one step. Each sum to one; they alternate, and the longer of the two begins and ends. A
        zero stands for a kick or drift that is left out.
    name, order, reference
        As for `RungeKutta`.

    Raises
    ------
    TypeError
        When they are not numbers.
    ValueError
        When they are not finite, do not sum to one, or do not alternate.

    Examples
    --------
    >>> Splitting(kicks=(1, 0), drifts=(1,), name="kick_then_drift").order
    1
    """

    kicks: tuple[float, ...]
    drifts: tuple[float, ...]
    name: str = "custom"
    order: int = 1
    reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kicks", _consistent("kicks", self.kicks))
        object.__setattr__(self, "drifts", _consistent("drifts", self.drifts))
        if abs(len(self.kicks) - len(self.drifts)) != 1:
            raise ValueError(
                "kicks and drifts must be alternating, so one of them must be longer by exactly one, got "
                f"{len(self.kicks)} kicks and {len(self.drifts)} drifts; put a zero for what is left out"
            )
        object.__setattr__(self, "order", whole("order", self.order, least=1))

    def record(self, dim: int) -> Composition:
        """The record that kernels run in `dim` coordinates."""
        return Composition(np.array(self.kicks), np.array(self.drifts))


type Method = AnyIntegrator | RungeKutta | Multistep | Splitting


def _numbers(field: str, values: Iterable[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"{field} must be a sequence of numbers, such as (0.5, 0.5), got {values!r}") from None
    for i, number in enumerate(numbers):
        if not math.isfinite(number):
            raise ValueError(f"{field} must be finite numbers, got {field}[{i}] = {number}")
    return numbers


def _consistent(field: str, values: Iterable[float]) -> tuple[float, ...]:
    """Numbers that sum to one, as they have to if a step is to approximate the motion at all."""
    numbers = _numbers(field, values)
    total = math.fsum(numbers)
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"{field} must sum to one, or a step is not one of length ε; got {numbers}, which sum to {total!r}"
        )
    return numbers


_ROOT = math.sqrt(3) / 6
_EULER = "Euler (1768), Institutiones calculi integralis"
_BUTCHER = "Butcher (1964), Math. Comput. 18, 50-64"

_ENTRIES: tuple[RungeKutta | Multistep | Splitting, ...] = (
    RungeKutta(a=((0,),), b=(1,), name="explicit_euler", order=1, reference=_EULER),
    Splitting(
        kicks=(1,),
        drifts=(1, 0),
        name="symplectic_euler",
        order=1,
        reference="de Vogelaere (1956), Report 4, University of Notre Dame",
    ),
    RungeKutta(
        a=((0, 0), (1, 0)),
        b=(1 / 2, 1 / 2),
        name="heun2",
        order=2,
        reference="Heun (1900), Z. Math. Phys. 45, 23-38",
    ),
    RungeKutta(
        a=((0, 0, 0), (1 / 2, 0, 0), (-1, 2, 0)),
        b=(1 / 6, 2 / 3, 1 / 6),
        name="kutta3",
        order=3,
        reference="Kutta (1901), Z. Math. Phys. 46, 435-453",
    ),
    RungeKutta(
        a=((0, 0, 0, 0), (1 / 2, 0, 0, 0), (0, 1 / 2, 0, 0), (0, 0, 1, 0)),
        b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
        name="rk4",
        order=4,
        reference="Kutta (1901), Z. Math. Phys. 46, 435-453",
    ),
    Multistep(
        weights=(55 / 24, -59 / 24, 37 / 24, -9 / 24),
        name="adams_bashforth4",
        order=4,
        reference="Bashforth, Adams (1883), An attempt to test the theories of capillary action",
    ),
    RungeKutta(a=((1,),), b=(1,), name="backward_euler", order=1, reference=_EULER),
    # The one-stage Gauss method is the implicit midpoint rule.
    RungeKutta(a=((1 / 2,),), b=(1,), name="gauss_legendre2", order=2, reference=_BUTCHER),
    RungeKutta(
        a=((1 / 4, 1 / 4 - _ROOT), (1 / 4 + _ROOT, 1 / 4)),
        b=(1 / 2, 1 / 2),
        name="gauss_legendre4",
        order=4,
        reference=_BUTCHER,
    ),
)

TEXTBOOK: Mapping[str, RungeKutta | Multistep | Splitting] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""The textbook methods that can be chosen by name."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        **integrators.ALIASES,
        "euler": "explicit_euler",
        "forward_euler": "explicit_euler",
        "semi_implicit_euler": "symplectic_euler",
        "heun": "heun2",
        "rk2": "heun2",
        "rk3": "kutta3",
        "runge_kutta4": "rk4",
        "ab4": "adams_bashforth4",
        "implicit_euler": "backward_euler",
        "gauss2": "gauss_legendre2",
        "gauss4": "gauss_legendre4",
    }
)
"""Other names in use, each with the name that it stands for."""


def get(method: str | Method) -> Method:
    """
    Look a method up by name.

    Parameters
    ----------
    method : str, RungeKutta, Multistep, Splitting, Integrator or ImplicitMidpoint
        A name in `TEXTBOOK`, in the catalogues of `integrators`, or an alias of either. A value is returned as it is.

    Returns
    -------
    RungeKutta, Multistep, Splitting, Integrator or ImplicitMidpoint

    Raises
    ------
    TypeError
        When it is neither a name nor a method.
    ValueError
        When there is no such name. The message lists those there are.

    Examples
    --------
    >>> get("forward Euler").name
    'explicit_euler'
    >>> get("leapfrog")
    Integrator('leapfrog': order 2, 1 gradient per step, kick first)
    """
    if isinstance(method, RungeKutta | Multistep | Splitting | Integrator | ImplicitMidpoint):
        return method
    table: dict[str, Method] = {
        **TEXTBOOK,
        **integrators.CATALOGUE,
        **integrators.HARMONIC,
        **integrators.IMPLICIT,
    }
    return choose("method", method, table, ALIASES)


def is_explicit(method: Method) -> bool:
    """Whether a step is made without solving an equation."""
    return method.explicit if isinstance(method, RungeKutta) else not isinstance(method, ImplicitMidpoint)
