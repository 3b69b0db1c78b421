"""Motion in phase space: the same kernels that sample, or a method of the textbooks, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import xarray as xr

from ..checks import positive, whole
from ..integrators import AnyIntegrator, Integrator
from ..kernels.kinetic import kinetic_energy, velocity_of
from ..kernels.linear import DiagonalMap
from ..kernels.state import GRADIENTS, HamiltonianSystem, new_state
from ..kernels.status import Status
from ..kernels.trajectory import TrajectoryArrays, follow
from ..kinetic import KineticEnergy
from ..kinetic import get as get_kinetic
from ..names import choose
from .catalogue import ALIASES, CATALOGUE
from .methods import Method, Multistep, RungeKutta, Splitting
from .methods import get as get_method
from .stepping import states
from .systems import Potential, System, from_expression, from_model, vector

__all__ = ["Integration", "Trajectory", "integrate", "kinetic_record", "simulate", "system"]


def system(potential: Potential, dim: int | None = None) -> System:
    r"""
    A system to simulate and to measure methods on.

    What is not ready is compiled, which takes seconds: make the system once, and hand it on.

    Parameters
    ----------
    potential : str, callable, pymc.Model or System
        One of

        - the name of a ready system: a key of `SYSTEMS`, or an alias;
        - a callable that takes a symbolic vector q (d,) and returns U(q), a scalar PyTensor expression;
        - a model, for :math:`U(q) = -\log\pi(q)` of its unconstrained parameters, at temperature 1;
        - a system, which is returned as it is.
    dim : int, optional
        Number of coordinates d. A callable needs it; of all others it is known.

    Returns
    -------
    System

    Raises
    ------
    TypeError
        When `potential` is none of these, or the callable returns no PyTensor expression.
    ValueError
        When there is no such name, `dim` is missing or wrong, the expression is not scalar, or the model has discrete
        variables.

    Examples
    --------
    >>> system("pendulum")
    System('pendulum': dimension 1, U(q) = 1 - cos q)
    >>> quartic = system(lambda q: (q**4).sum() / 4, dim=2)
    >>> quartic.evaluate(np.array([1.0, 2.0]))
    (4.25, array([1., 8.]))
    """
    dim = None if dim is None else whole("dim", dim, least=1)
    if isinstance(potential, str):
        found = choose("system", potential, CATALOGUE, ALIASES)
    elif isinstance(potential, System):
        found = potential
    elif isinstance(potential, pm.Model):
        found = from_model(potential)
    elif callable(potential) and not isinstance(potential, type):
        if dim is None:
            raise ValueError(
                "dim is needed with a callable, the number of coordinates of its vector q: make it a system first, by "
                "mechanics.system(potential, dim)"
            )
        found = from_expression(potential, dim)
    else:
        raise TypeError(
            "potential must be the name of a system, a callable that builds a PyTensor expression U(q), a pymc.Model "
            f"or a System, got {potential!r}; the names are: {', '.join(CATALOGUE)}"
        )
    if dim is not None and dim != found.dim:
        raise ValueError(f"dim must be {found.dim}, the number of coordinates of {found.name}, or left out; got {dim}")
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """
    Where a motion went: n steps from a start.

    Attributes
    ----------
    system, kinetic, method : str
        Names of what moved, with what kinetic energy, by what method.
    step_size : float
        The time ε that a step takes.
    times : ndarray of shape (n + 1,)
    position, momentum : ndarray of shape (n + 1, d)
        NaN from the first state on that is not finite.
    potential_energy, kinetic_energy : ndarray of shape (n + 1,)
        U and K in nats, NaN likewise.
    gradients : int
        Gradients of U that the motion took, those of a solver included. What only the energies took is not counted.
    finite_steps : int
        How many steps led to a finite state; n when all did.
    labels : tuple of str
        Names of the coordinates.
    """

    system: str
    kinetic: str
    method: str
    step_size: float
    times: np.ndarray
    position: np.ndarray
    momentum: np.ndarray
    potential_energy: np.ndarray
    kinetic_energy: np.ndarray
    gradients: int
    finite_steps: int
    labels: tuple[str, ...]

    @property
    def energy(self) -> np.ndarray:
        """H = U + K at each state (n + 1,)."""
        return self.potential_energy + self.kinetic_energy

    @property
    def energy_error(self) -> np.ndarray:
        """H less its value at the start (n + 1,), which an exact motion keeps at zero."""
        return self.energy - self.energy[0]

    @property
    def steps(self) -> int:
        """How many steps were asked for, n."""
        return self.times.size - 1

    @property
    def finite(self) -> bool:
        """Whether every state is finite; otherwise the step was too long for the method, or the motion ran away."""
        return self.finite_steps == self.steps

    def to_dataset(self) -> xr.Dataset:
        """
        The trajectory as an xarray dataset, of dimensions ``time`` and ``coordinate``.

        Returns
        -------
        xarray.Dataset
            Variables ``position``, ``momentum``, ``potential_energy``, ``kinetic_energy`` and ``energy``; names, step
            size and counts as attributes.
        """
        moving = {name: (("time", "coordinate"), getattr(self, name)) for name in ("position", "momentum")}
        energies = {name: ("time", getattr(self, name)) for name in ("potential_energy", "kinetic_energy", "energy")}
        counts = ("system", "kinetic", "method", "step_size", "gradients", "finite_steps")
        return xr.Dataset(
            {**moving, **energies},
            coords={"time": self.times, "coordinate": list(self.labels)},
            attrs={name: getattr(self, name) for name in counts},
        )

    def __repr__(self) -> str:
        end = "" if self.finite else f", finite for {self.finite_steps}"
        gradients = "gradient" if self.gradients == 1 else "gradients"
        return (
            f"Trajectory({self.method} on {self.system}: {self.steps} steps of {self.step_size:g}{end}, "
            f"{self.gradients} {gradients})"
        )


def simulate(
    potential: Potential,
    kinetic: str | KineticEnergy = "gaussian",
    integrator: str | Method = "leapfrog",
    *,
    position: Any = None,
    momentum: Any = None,
    step_size: float,
    steps: int,
) -> Trajectory:
    r"""
    Follow a motion in phase space, on the kernels that sample.

    Parameters
    ----------
    potential : str, callable, pymc.Model or System
        U, as for `mechanics.system`.
    kinetic : str or KineticEnergy, optional
        K, as for sampling.
    integrator : str, Integrator, ImplicitMidpoint, RungeKutta, Multistep or Splitting, optional
        The method of integration: one that samples, or one of the textbooks. A harmonic drift
        (`Integrator.harmonic`) is the motion of an oscillator of frequency one about the origin.
    position, momentum : array_like of shape (d,), optional
        Where to start; a number stands for a vector of one. By default where the system suggests. The position of a
        model is unconstrained, by default its initial point. An expression needs both, and a model a momentum.
    step_size : float
        The time ε that a step takes.
    steps : int
        How many steps to make.

    Returns
    -------
    Trajectory
        Of as many rows as there are steps, and one for the start. A step beyond the limit of stability leads to
        infinity: from there on all is NaN, and ``finite_steps`` says how many steps went well.

    Raises
    ------
    TypeError
        When an argument is of the wrong kind.
    ValueError
        When there is no such name, a start has the wrong shape, is missing, or U or K is not finite there,
        `step_size` is not positive, or `steps` is below 1.
    RuntimeError
        When the potential raises an error that is not of arithmetic.

    Notes
    -----
    The motion solves Hamilton's equations of H(q, p) = U(q) + K(p),

    .. math:: \dot q = \nabla K(p), \qquad \dot p = -\nabla U(q),

    in the coordinates as they are: the metric is the identity, so that momentum and whitened momentum are the same.

    Examples
    --------
    >>> swing = simulate("pendulum", step_size=0.1, steps=1000)
    >>> swing
    Trajectory(leapfrog on pendulum: 1000 steps of 0.1, 1001 gradients)
    >>> bool(abs(swing.energy_error).max() < 3e-3)
    True

    Beyond the limit of stability of leapfrog on an oscillator of unit frequency, ε = 2:

    >>> simulate("harmonic_oscillator", step_size=3.0, steps=1000)
    Trajectory(leapfrog on harmonic_oscillator: 1000 steps of 3, finite for 184, 186 gradients)
    """
    method, chosen = get_method(integrator), get_kinetic(kinetic)
    eps, steps = positive("step_size", step_size), whole("steps", steps, least=1)
    dim = None
    if callable(potential) and not isinstance(potential, str | System | pm.Model | type):
        if position is None:
            raise ValueError("position is needed with an expression: the start, a vector of shape (d,)")
        dim = vector("position", position).size
    found = system(potential, dim)
    q, p = _start(found, position, momentum)
    result = integrate(found, kinetic_record(chosen, method, found.dim), method, q, p, eps, steps)
    if not result.rows:
        raise ValueError(
            f"position: the energy of {found.name} is not finite at the start, position {q} and momentum {p}, or its "
            "gradient raised an error of arithmetic; start elsewhere"
        )
    return Trajectory(
        system=found.name,
        kinetic=chosen.name,
        method=method.name,
        step_size=eps,
        times=eps * np.arange(steps + 1),
        position=result.trajectory.positions,
        momentum=result.trajectory.momenta,
        potential_energy=result.trajectory.potentials,
        kinetic_energy=result.trajectory.kinetics,
        gradients=result.gradients,
        finite_steps=result.rows - 1,
        labels=tuple(found.labels),
    )


def _start(found: System, position: Any, momentum: Any) -> tuple[np.ndarray, np.ndarray]:
    start = []
    for name, given in (("position", position), ("momentum", momentum)):
        value = getattr(found, name) if given is None else given
        if value is None:
            raise ValueError(f"{name} is needed, as {found.name} suggests none: a vector of shape ({found.dim},)")
        start.append(vector(name, value, found.dim))
    return start[0], start[1]


def kinetic_record(kinetic: str | KineticEnergy, method: Method, dim: int) -> Any:
    """The record of a kinetic energy in `dim` coordinates; a ValueError where the method does not go with it."""
    chosen = get_kinetic(kinetic)
    if isinstance(method, Integrator) and not method.split.suits(chosen):
        raise ValueError(
            method.split.refusal(method.name, chosen.name, "a method with the free drift, such as 'leapfrog'")
        )
    return chosen.record(dim)


class Integration(NamedTuple):
    """A trajectory, how many of its rows were reached, and the gradients taken."""

    trajectory: TrajectoryArrays
    rows: int
    gradients: int

    @property
    def end(self) -> np.ndarray:
        """The last state z = (q, r) of the trajectory, (2 d,)."""
        return np.concatenate([self.trajectory.positions[-1], self.trajectory.momenta[-1]])


def integrate(
    found: System, kinetic: Any, method: Method, position: np.ndarray, momentum: np.ndarray, eps: float, steps: int
) -> Integration:
    """Step from a start (d,); a complex start is stepped in plain Python, which takes complex numbers."""
    dim, dtype = found.dim, np.result_type(position, momentum)
    trajectory = TrajectoryArrays(*(np.full((steps + 1, *shape), np.nan, dtype) for shape in ((dim,), (dim,), (), ())))
    with np.errstate(all="ignore"):  # as compiled code has it; what comes of it shows in the trajectory
        if isinstance(method, RungeKutta | Multistep):
            return _run_textbook(found, kinetic, method, np.concatenate([position, momentum]), eps, trajectory)
        record = HamiltonianSystem(found.target, kinetic, DiagonalMap(np.ones(dim)), _flow(method, dim))
        state = new_state(dim)
        travel = follow
        if dtype.kind == "c":
            record, state, travel = _to_complex(record), _to_complex(state), follow.py_func  # type: ignore[attr-defined]
        state.moving.position[:], state.momentum[:] = position, momentum
        reached, status = travel(record, state, eps, trajectory)
    if status == Status.BROKEN:
        error = found.error
        if error is not None and not isinstance(error, Exception):
            raise error  # an interrupt
        raise RuntimeError(f"the potential of {found.name} raised {type(error).__name__}: {error}") from error
    return Integration(trajectory, reached, int(state.counters[GRADIENTS]))


def _flow(method: AnyIntegrator | Splitting, dim: int) -> Any:
    """The record of a method; a harmonic drift turns about the origin, at a frequency of one."""
    return method.record(dim) if isinstance(method, Splitting) else method.record(dim, method.split.standard(dim))


def _run_textbook(
    found: System,
    kinetic: Any,
    method: RungeKutta | Multistep,
    start: np.ndarray,
    eps: float,
    trajectory: TrajectoryArrays,
) -> Integration:
    dim, scratch, gradients = found.dim, np.empty(found.dim, start.dtype), 0

    def field(z: np.ndarray) -> np.ndarray:
        nonlocal gradients
        gradients += 1
        return np.concatenate([velocity_of(kinetic, z[dim:], scratch), -found.evaluate(z[:dim])[1]])

    z, onwards = start, states(method, field, start, eps)
    for row in range(len(trajectory.positions)):
        if row:
            z = next(onwards)
        potential, moving = found.evaluate(z[:dim])[0], kinetic_energy(kinetic, z[dim:])
        if not (np.isfinite(potential + moving) and np.isfinite(z).all()):
            return Integration(trajectory, row, gradients)
        trajectory.positions[row], trajectory.momenta[row] = z[:dim], z[dim:]
        trajectory.potentials[row], trajectory.kinetics[row] = potential, moving
    return Integration(trajectory, len(trajectory.positions), gradients)


def _to_complex(value: Any) -> Any:
    """The same named tuples, with complex arrays in place of real ones."""
    if isinstance(value, tuple):
        return type(value)(*map(_to_complex, value))
    return value.astype(complex) if getattr(value, "dtype", None) == np.float64 else value
