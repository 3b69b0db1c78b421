"""An explicit symplectic integrator: the coefficients of its kicks and drifts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from .. import splits
from ..kernels.flow import Composition
from ..names import choose
from ..splits import Split

__all__ = ["Integrator"]

SUM_TOLERANCE = 1e-12
PALINDROME_TOLERANCE = 1e-13


@dataclass(frozen=True, repr=False)
class Integrator:
    r"""
    One step of a symplectic integrator: its kicks and its drifts.

    The sequences are those of one whole step, in the order in which they are applied; they alternate, and
    the longer one comes first and last. A user's own scheme is made in the same way as those of the
    catalogue. Usually only the leading coefficients are free and the others follow from symmetry:
    see `Integrator.symmetric` and `Integrator.composed`.

    Parameters
    ----------
    kicks : sequence of float
        The b of each kick, ``r += b ε Lᵀ ∇log π(q)``. They sum to one.
    drifts : sequence of float
        The a of each drift, ``q += a ε L ∇K(r)``. They sum to one. Either one fewer than the kicks, and
        the step begins and ends with a kick, or one more, and it begins and ends with a drift.
    name : str, optional
        What to call it.
    order : int, optional
        The order of accuracy p, a positive even number: the error after a fixed time is O(εᵖ). It is
        taken at its word, and tells which acceptance to aim for.
    reference : str, optional
        Where the coefficients were published.
    drift : {"free", "harmonic"} or Split, optional
        How H is split into kicks and drifts: a free particle moves between kicks, or one in the harmonic well that
        warm-up has fitted to the target, see `Integrator.harmonic`; or a split of your own.

    Attributes
    ----------
    split : Split
        What `drift` stands for.
    kick_first : bool
        Whether the step begins and ends with a kick.
    stages : int
        Gradient evaluations per step.
    target_accept : float
        The acceptance probability to aim for when the step size is tuned.

    See Also
    --------
    get : look an integrator up by name.

    Notes
    -----
    A kick-first step with s stages is

    .. math::

        \Psi_\varepsilon = B_{b_{s+1}\varepsilon} \circ A_{a_s\varepsilon} \circ \cdots \circ
        B_{b_2\varepsilon} \circ A_{a_1\varepsilon} \circ B_{b_1\varepsilon}, \qquad
        B_t(q, r) = (q,\; r + t L^\top \nabla\log\pi(q)), \qquad
        A_t(q, r) = (q + t L \nabla K(r),\; r),

    and a drift-first step the same with the letters exchanged. Both maps are shears and exact flows, so
    every such :math:`\Psi_\varepsilon` preserves volume, and is symplectic in the whitened coordinates
    :math:`(L^{-1}q, r)` [1]_. What else is asked for is checked:

    - each flow sums to one, or the step would not approximate the dynamics for a time ε (consistency);
    - each reads the same backwards, so that a step, then a flip of the momentum, then a step leads back
      (reversibility). Without it the acceptance probability of Hamiltonian Monte Carlo would be wrong.
      A palindrome has even order [1]_.

    All orders in the catalogue hold for any kinetic energy, not the Gaussian one alone. The two flows play
    the same part in the order conditions, so kicks and drifts may be exchanged without losing order.

    References
    ----------
    .. [1] E. Hairer, C. Lubich, G. Wanner (2006). Geometric Numerical Integration, 2nd edition. Springer.

    Examples
    --------
    The whole sequences, as in a paper's table:

    >>> Integrator(kicks=(0.5, 0.5), drifts=(1.0,), name="leapfrog")
    Integrator('leapfrog': order 2, 1 gradient per step, kick first)

    The free coefficients alone; here those of Sexton and Weingarten (1992):

    >>> scheme = Integrator.symmetric(kicks=(1 / 6,), name="sexton_weingarten")
    >>> scheme.drifts, scheme.stages
    ((0.5, 0.5), 2)
    """

    kicks: tuple[float, ...]
    drifts: tuple[float, ...]
    name: str = "custom"
    order: int = 2
    reference: str = ""
    drift: Literal["free", "harmonic"] | Split = "free"

    def __post_init__(self) -> None:
        # A frozen dataclass can be written to in this way only. Whatever sequence came in, tuples are kept.
        object.__setattr__(self, "kicks", _numbers("kicks", self.kicks))
        object.__setattr__(self, "drifts", _numbers("drifts", self.drifts))
        if abs(len(self.kicks) - len(self.drifts)) != 1:
            raise ValueError(
                "kicks and drifts must be alternating, so one of them must be longer by exactly one, "
                f"got {len(self.kicks)} kicks and {len(self.drifts)} drifts; give those of one whole step, "
                "or the free ones to Integrator.symmetric"
            )
        _check_flow("kicks", self.kicks)
        _check_flow("drifts", self.drifts)
        if not isinstance(self.order, int | np.integer) or self.order < 2 or self.order % 2:
            raise ValueError(
                f"order must be a positive even integer (a palindromic scheme has even order), got {self.order!r}"
            )
        object.__setattr__(self, "order", int(self.order))
        chosen = self.drift if isinstance(self.drift, Split) else choose("drift", self.drift, splits.CATALOGUE)
        # what has a name goes by it, in descriptions of runs too
        known = splits.CATALOGUE.get(chosen.name) == chosen
        object.__setattr__(self, "drift", chosen.name if known else chosen)

    @property
    def split(self) -> Split:
        """How H is split into the energies that kicks and drifts are the motions of."""
        return self.drift if isinstance(self.drift, Split) else splits.CATALOGUE[self.drift]

    @property
    def kick_first(self) -> bool:
        """Whether the step begins and ends with a kick; otherwise with a drift."""
        return len(self.kicks) > len(self.drifts)

    @property
    def stages(self) -> int:
        """
        Gradient evaluations per step.

        Each kick costs one, but the kick that ends a step is at the position where the next one begins:
        that gradient is computed once.
        """
        return len(self.kicks) - 1 if self.kick_first else len(self.kicks)

    @property
    def target_accept(self) -> float:
        """
        The acceptance probability to aim for when the step size is tuned.

        In high dimension the energy error is normal with a standard deviation that grows like εᵖ, and the
        mean acceptance is 2 Φ(-εᵖ/2) in suitable units. Distance per gradient, ε times acceptance, is
        largest at 0.65, 0.80, 0.86 and 0.89 for p = 2, 4, 6 and 8 [1]_. Real posteriors reward caution,
        as a step that is too long does more harm than one that is too short: 0.8 is customary for leapfrog.

        The others need more of it. Whether by high order or by coefficients that all but cancel the error's
        leading term, almost everything is accepted until ε nears the limit of stability, beyond which
        nothing is. Where the posterior is narrower than on average that limit is lower, so the best step
        lies well below it: at an acceptance of 0.92 for the multi-stage schemes of order 2, and of 0.95 from
        order 4 on. A scheme that only repeats leapfrog has stages too, and is better tuned to 0.8.

        References
        ----------
        .. [1] A. Beskos, N. Pillai, G. Roberts, J. M. Sanz-Serna, A. Stuart (2013). Optimal tuning of the
           hybrid Monte Carlo algorithm. Bernoulli 19, 1501-1534 (for p = 2).
        """
        if self.order == 2:
            return 0.8 if self.stages == 1 else 0.92
        return 0.95

    @classmethod
    def symmetric(
        cls,
        kicks: Iterable[float] = (),
        drifts: Iterable[float] = (),
        *,
        first: Literal["kick", "drift"] = "kick",
        name: str = "custom",
        order: int = 2,
        reference: str = "",
    ) -> Self:
        """
        Complete a scheme from its free coefficients.

        A palindrome is known from its first half, and the coefficient in the middle from the sum. What is
        left free are the leading coefficients, one fewer in all than the scheme has stages.

        Parameters
        ----------
        kicks, drifts : sequence of float, optional
            The free coefficients, from the outermost inwards. There are as many of the flow that comes
            first as of the other, or one more.
        first : {"kick", "drift"}, optional
            Which flow begins and ends the step.
        name, order, reference
            As for `Integrator`.

        Returns
        -------
        Integrator
            The scheme with ``1 + len(kicks) + len(drifts)`` stages.

        Examples
        --------
        >>> Integrator.symmetric().kicks
        (0.5, 0.5)
        >>> Integrator.symmetric(kicks=(0.2,)).kicks
        (0.2, 0.6, 0.2)
        >>> Integrator.symmetric(kicks=(0.125,), drifts=(0.25,)).drifts
        (0.25, 0.5, 0.25)
        """
        free_kicks, free_drifts = _numbers("kicks", kicks), _numbers("drifts", drifts)
        kick_first = _kick_first(first)
        outer, inner = (free_kicks, free_drifts) if kick_first else (free_drifts, free_kicks)
        if len(outer) - len(inner) not in (0, 1):
            raise ValueError(
                f"with first={first!r} there must be as many free {first}s as of the other flow, or one more, "
                f"got kicks={free_kicks} and drifts={free_drifts}; leave out those that follow from symmetry"
            )
        # The whole outer sequence is the longer by one, so one of the two has a middle and the other none.
        middle_is_outer = len(outer) > len(inner)
        outer, inner = _mirror(outer, middle=middle_is_outer), _mirror(inner, middle=not middle_is_outer)
        whole_kicks, whole_drifts = (outer, inner) if kick_first else (inner, outer)
        return cls(whole_kicks, whole_drifts, name=name, order=order, reference=reference)

    @classmethod
    def composed(
        cls,
        weights: Iterable[float],
        *,
        first: Literal["kick", "drift"] = "kick",
        name: str = "custom",
        order: int = 2,
        reference: str = "",
    ) -> Self:
        """
        Compose leapfrog steps of lengths ``w ε`` symmetrically.

        Parameters
        ----------
        weights : sequence of float
            The free weights, from the outermost inwards. The one in the middle is what they leave of one,
            and the others follow from symmetry.
        first : {"kick", "drift"}, optional
            Whether the leapfrog steps are kick-drift-kick or drift-kick-drift.
        name, order, reference
            As for `Integrator`.

        Returns
        -------
        Integrator
            The scheme with ``1 + 2 * len(weights)`` stages.

        Notes
        -----
        Half a kick at the end of one leapfrog step and half a kick at the beginning of the next are one
        kick with :math:`b = (w_i + w_{i+1})/2`.

        Examples
        --------
        >>> Integrator.composed((0.25,)).kicks
        (0.125, 0.375, 0.375, 0.125)
        """
        inner = _mirror(_numbers("weights", weights), middle=True)
        outer = tuple((w + v) / 2 for w, v in zip((0.0, *inner), (*inner, 0.0), strict=True))
        kicks, drifts = (outer, inner) if _kick_first(first) else (inner, outer)
        return cls(kicks, drifts, name=name, order=order, reference=reference)

    def harmonic(self, name: str | None = None, reference: str | None = None) -> Self:
        r"""
        The same coefficients with the harmonic drift: the exact motion of the Gaussian that warm-up has fitted.

        Parameters
        ----------
        name : str, optional
            What to call it; by default its own name after ``harmonic_``.
        reference : str, optional
            Where it was published.

        Returns
        -------
        Integrator

        Notes
        -----
        With μ and :math:`M^{-1} = L L^\top` the mean and the covariance of that Gaussian, and
        :math:`z = L^{-1}(q - \mu)`, the Hamiltonian is split otherwise than into potential and kinetic energy,

        .. math:: H = \left[\tfrac12|z|^2 + \tfrac12|r|^2\right] + \left[U(q) - \tfrac12|z|^2\right],

        whose flows are a rotation and a kick by the force that is left over [1]_ [2]_,

        .. math::

            A_t(z, r) = (\cos t\, z + \sin t\, r,\; \cos t\, r - \sin t\, z), \qquad
            B_t(q, r) = (q,\; r + t\,(L^\top \nabla\log\pi(q) + z)).

        Both are exact flows, so steps are as symplectic and as reversible as with the free drift, of the same
        order, and accepted by the true energy: the target is left invariant whatever μ and L are, and a poor
        fit costs acceptance only. The error of the energy is proportional to what the target differs from the
        Gaussian by, in place of the energy itself, and is zero for the Gaussian.

        *Stability.* Along a direction in which the target has variance :math:`1/(1 + \delta)` for each unit of
        variance of the fit, kick-rotate-kick is stable for :math:`\varepsilon < \pi` with

        .. math:: \delta\, \varepsilon \tan(\varepsilon/2) < 2,

        where leapfrog asks for :math:`(1 + \delta)\, \varepsilon^2 < 4`: for every ε up to half a turn, π, where
        the target is the wider (:math:`\delta \le 0`), and like leapfrog where it is much the narrower. Half a turn
        leads to the point opposite whatever the momentum, so a tuned step turns by 0.9 π at most. It is half of
        that, about the quarter turn that exchanges positions and momenta, where the length of a trajectory goes
        with that of its steps: for one step of `NoUTurn`, and for all steps of `FixedSteps` together. Schemes with
        negative drifts are held to as much less as they go back and forth. A step size that is given is kept.

        A *kick* should come first. Rotate-kick-rotate has half the error, but one gradient more for each state
        that is looked at, and trajectories in a harmonic well take few steps.

        Only the Gaussian kinetic energy has this drift; with another one it is refused. The mean is
        :math:`\mu = \bar q + L L^\top \bar g`, from the means of draws and gradients in a window of warm-up,
        which makes the mean square of the force that is left over least. Until it is known, from the fourth window
        on, and without a warm-up, the drift is free.

        References
        ----------
        .. [1] B. Shahbaba, S. Lan, W. O. Johnson, R. M. Neal (2014). Split Hamiltonian Monte Carlo. Statistics and
           Computing 24, 339-349.
        .. [2] A. Beskos, F. J. Pinski, J. M. Sanz-Serna, A. M. Stuart (2011). Hybrid Monte Carlo on Hilbert spaces.
           Stochastic Processes and their Applications 121, 2201-2230.

        Examples
        --------
        >>> Integrator.symmetric(kicks=(1 / 6,), name="mine").harmonic()
        Integrator('harmonic_mine': order 2, 2 gradients per step, kick first, harmonic drift)
        """
        return self.with_split(splits.HARMONIC, name, reference)

    def with_split(self, split: Split, name: str | None = None, reference: str | None = None) -> Self:
        """
        The same coefficients with another split of H.

        Parameters
        ----------
        split : Split
        name : str, optional
            What to call it; by default its own name after that of the split.
        reference : str, optional
            Where it was published.

        Returns
        -------
        Integrator
        """
        if name is None:
            name = self.name if split == self.split else f"{split.name}_{self.name}"
        return replace(self, name=name, reference=self.reference if reference is None else reference, drift=split)

    @property
    def longest(self) -> float:
        """The longest step that is tuned to, as the split has it; infinite with the free drift."""
        return self.split.longest(self.drifts)

    def record(self, dim: int, fitted: np.ndarray | None = None) -> Composition:
        """The record that kernels run in `dim` coordinates, given what the split has fitted to the target."""
        split = self.split.record(dim, fitted, self.drifts)
        return Composition(np.array(self.kicks), np.array(self.drifts), split)

    def __repr__(self) -> str:
        gradients = "gradient" if self.stages == 1 else "gradients"
        first = "kick" if self.kick_first else "drift"
        drift = "" if self.split == splits.FREE else f", {self.split.name} drift"
        return (
            f"Integrator({self.name!r}: order {self.order}, {self.stages} {gradients} per step, {first} first{drift})"
        )


def _numbers(field: str, values: Iterable[float]) -> tuple[float, ...]:
    """Return ``values`` as a tuple of finite floats."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"{field} must be a sequence of numbers, such as (0.5, 0.5), got {values!r}") from None
    for i, number in enumerate(numbers):
        if not math.isfinite(number):
            raise ValueError(f"{field} must be finite numbers, got {field}[{i}] = {number}")
    return numbers


def _check_flow(field: str, numbers: tuple[float, ...]) -> None:
    """Raise unless the coefficients of one flow are consistent and a palindrome."""
    if not numbers:
        raise ValueError(f"{field} must not be empty; a step takes at least one kick and one drift")
    total = math.fsum(numbers)
    if abs(total - 1) > SUM_TOLERANCE:
        raise ValueError(
            f"{field} must sum to one, got {numbers}, which sum to {total!r}; correct them, or give the free "
            "ones to Integrator.symmetric and let the others follow"
        )
    for i, (number, mirrored) in enumerate(zip(numbers, reversed(numbers), strict=True)):
        if abs(number - mirrored) > PALINDROME_TOLERANCE:
            raise ValueError(
                f"{field} must read the same backwards (be palindromic), or the integrator is not reversible, "
                f"got {field}[{i}] = {number!r} and {field}[{len(numbers) - 1 - i}] = {mirrored!r}; make them equal"
            )


def _mirror(free: tuple[float, ...], *, middle: bool) -> tuple[float, ...]:
    """Return the palindrome that begins with ``free`` and sums to one: with a middle coefficient or without."""
    if middle:
        return (*free, 1 - 2 * math.fsum(free), *reversed(free))
    half = (*free, 0.5 - math.fsum(free))
    return half + half[::-1]


def _kick_first(first: str) -> bool:
    return choose("first flow", first, {"kick": True, "drift": False})
