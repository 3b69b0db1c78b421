"""
Symplectic integrators as data: the coefficients of kicks and drifts, and a catalogue of them.

Hamilton's equations for H(q, r) = U(q) + K(r) have two halves that can be solved exactly. One moves the
momentum and leaves the position alone (a *kick*), the other the reverse (a *drift*)::

    kick   r += b ε Lᵀ ∇log π(q)
    drift  q += a ε L ∇K(r)

An explicit symplectic integrator is a sequence of the two, and is wholly described by the numbers b and a.
Adding one takes one entry in `CATALOGUE`; a user's own needs no entry at all, only `Integrator` itself.

The split may be another one: the same coefficients serve a *harmonic* drift, the exact motion of the Gaussian that
warm-up has fitted, with a kick by the force that is left over (`Integrator.harmonic`).
"""

from ..names import choose
from .auto import Auto
from .base import Integrator
from .catalogue import ALIASES, CATALOGUE, HARMONIC, IMPLICIT
from .midpoint import ImplicitMidpoint

__all__ = [
    "ALIASES",
    "CATALOGUE",
    "HARMONIC",
    "IMPLICIT",
    "AnyIntegrator",
    "Auto",
    "ImplicitMidpoint",
    "Integrator",
    "get",
]

type AnyIntegrator = Auto | Integrator | ImplicitMidpoint


def get(integrator: str | AnyIntegrator) -> AnyIntegrator:
    """
    Look an integrator up by name.

    Parameters
    ----------
    integrator : str, Integrator, ImplicitMidpoint or Auto
        ``"auto"``, or a name in `CATALOGUE`, `HARMONIC`, `IMPLICIT` or `ALIASES`; spaces, hyphens and case do not
        matter. An integrator is returned as it is.

    Returns
    -------
    Integrator, ImplicitMidpoint or Auto

    Raises
    ------
    ValueError
        When there is no such name. The message lists those there are.

    Examples
    --------
    >>> get("Velocity-Verlet")
    Integrator('leapfrog': order 2, 1 gradient per step, kick first)
    """
    if isinstance(integrator, Auto | Integrator | ImplicitMidpoint):
        return integrator
    choices: dict[str, AnyIntegrator] = {"auto": Auto(), **CATALOGUE, **HARMONIC, **IMPLICIT}
    return choose("integrator", integrator, choices, ALIASES)
