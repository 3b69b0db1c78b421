"""Everything that a user chooses about a sampler, looked up and checked before any model is compiled."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypedDict, Unpack

import numpy as np

from . import differences, integrators, kinetic, metrics, refreshments, trajectories
from .checks import fraction, positive
from .differences import Differences
from .integrators import AnyIntegrator
from .kinetic import KineticEnergy
from .knowledge import Learned
from .knowledge.options import joined
from .metrics import Metric
from .names import choose
from .policy import Policy
from .refreshments import Full, Refreshment
from .trajectories import TrajectoryRule

__all__ = [
    "DEFAULTS",
    "OF_SAMPLE",
    "SHORTEST",
    "Options",
    "Settings",
    "check_names",
    "refuse_unlearned",
    "unadapted",
    "with_options",
]

SHORTEST = 10  # draws of warm-up that anything can be learned from

PARAMETRIZATIONS: Mapping[str, str] = MappingProxyType({name: name for name in ("auto", "model", "noncentered")})
"""Parametrizations that have a name, by itself."""

OF_SAMPLE = ("executor", "store", "thin", "until")
"""Arguments of `pymc_symplectic.sample` that `pymc.sample` does not have."""


class Options(TypedDict, total=False):
    """The options of a sampler, as `pymc_symplectic.HMC` describes them."""

    integrator: str | AnyIntegrator
    kinetic: str | KineticEnergy
    metric: str | Metric | np.ndarray
    trajectory: str | TrajectoryRule
    refreshment: Refreshment | None
    step_size: float | None
    target_accept: float | None
    max_energy_error: float
    temperature: float
    parametrization: str | Mapping[str, float | np.ndarray]
    gradient: str | Differences
    policy: Policy
    learned: Learned | None


DEFAULTS = Options(
    integrator="auto",
    kinetic="gaussian",
    metric="auto",
    trajectory="auto",
    refreshment=None,
    step_size=None,
    target_accept=None,
    max_energy_error=1000.0,
    temperature=1.0,
    parametrization="auto",
    gradient="exact",
    policy=Policy(),
    learned=None,
)
"""What each option is where it is not given."""


def with_options(signature: inspect.Signature) -> inspect.Signature:
    """A signature in which the options stand by name, with their defaults, in place of ``**options``.

    Parameters
    ----------
    signature : inspect.Signature

    Returns
    -------
    inspect.Signature
    """
    named = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=kind.__forward_arg__)
        for (name, value), kind in zip(DEFAULTS.items(), Options.__annotations__.values(), strict=True)
    ]
    others = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=[*others, *named])


@dataclass(frozen=True)
class Settings:
    """One configuration of the sampler.

    Made by `Settings.choose`, from names or objects.  `accept_given` says whether the target acceptance was asked for,
    and not left to the integrator; only then is it kept to, whatever warm-up chooses.  A `gradient` that is None is the
    model's own.
    """

    integrator: AnyIntegrator
    kinetic: KineticEnergy
    metric: Metric
    trajectory: TrajectoryRule
    refreshment: Refreshment
    step_size: float | None
    target_accept: float
    max_energy_error: float
    temperature: float
    accept_given: bool
    parametrization: str | Mapping[str, np.ndarray]
    gradient: Differences | None
    policy: Policy
    learned: Learned | None = field(repr=False)

    @classmethod
    def choose(cls, **options: Unpack[Options]) -> Settings:
        """Look names up in their catalogues and check numbers; see `pymc_symplectic.HMC` for their meaning."""
        check_names(options)
        learned = _learned(options.pop("learned", None))
        if learned is not None:
            options = Options(**joined(learned.options, options))  # type: ignore[typeddict-item]
        options = Options(**{**DEFAULTS, **options})
        scheme, energy = integrators.get(options["integrator"]), kinetic.get(options["kinetic"])
        _check_split(scheme, energy)
        refreshment = refreshments.get(options["refreshment"])
        trajectory = trajectories.get(options["trajectory"])
        step_size, target_accept = options["step_size"], options["target_accept"]
        if isinstance(trajectory, trajectories.Surrogate):
            _check_surrogate(scheme, energy, refreshment, {"step_size": step_size, "target_accept": target_accept})
        trajectory = _trajectory_for(refreshment, trajectory, energy)
        limit = positive("max_energy_error", options["max_energy_error"])
        _check_limit(trajectory, limit)
        return cls(
            integrator=scheme,
            kinetic=energy,
            metric=metrics.get(options["metric"]),
            trajectory=trajectory,
            refreshment=refreshment,
            step_size=None if step_size is None else positive("step_size", step_size),
            target_accept=scheme.target_accept if target_accept is None else fraction("target_accept", target_accept),
            max_energy_error=limit,
            temperature=positive("temperature", options["temperature"]),
            accept_given=target_accept is not None,
            parametrization=_parametrization(options["parametrization"]),
            gradient=differences.get(options["gradient"]),
            policy=_policy(options["policy"]),
            learned=learned,
        )

    @property
    def reparametrizes(self) -> bool:
        """Whether chains may move in other coordinates than those of the model.

        By themselves they do not where a metric is given, which is one of these.
        """
        return self.parametrization != "model" and (self.parametrization != "auto" or self.metric.adapts)

    @property
    def adapts_step_size(self) -> bool:
        """Whether warm-up tunes the step size."""
        return self.step_size is None

    def refreshment_of(self, trajectory: TrajectoryRule) -> Refreshment:
        """The refreshment of the momentum that a trajectory begins with."""
        return self.refreshment if trajectory.persistent else Full()


def refuse_unlearned(settings: Settings, tune: int) -> None:
    """Raise a ValueError where a surrogate is asked for that nobody could have learned.

    Parameters
    ----------
    settings : Settings
    tune : int
        Draws of warm-up.
    """
    if isinstance(settings.trajectory, trajectories.Surrogate) and settings.learned is None and tune < SHORTEST:
        raise ValueError(
            f"trajectory: a surrogate is learned in warm-up, to which tune={tune} leaves no draws; give tune=500, "
            "or learned=... of an earlier run"
        )


def unadapted(settings: Settings, tune: int) -> str | None:
    """The warning where warm-up is too short for all that it is to learn; None where it is not, or learns nothing.

    Parameters
    ----------
    settings : Settings
    tune : int
        Draws of warm-up.
    """
    parts = {
        "step size": settings.adapts_step_size,
        "metric": settings.metric.adapts,
        "kinetic energy": settings.kinetic.adapts,
    }
    learned = [name for name, adapts in parts.items() if adapts]
    if tune >= SHORTEST or not learned or settings.learned is not None:
        return None
    return (
        f"With tune={tune} nothing is adapted: the {' and the '.join(learned)} will be what the first gradient "
        "suggests, and draws may be of little use. Leave tune at 1000, or give a step_size and a metric."
    )


def check_names(
    given: Iterable[str], elsewhere: Mapping[str, str] = MappingProxyType({}), others: Iterable[str] = ()
) -> None:
    """Raise a TypeError unless all names that are given are those of options.

    Parameters
    ----------
    given : iterable of str
    elsewhere : mapping of str to str, optional
        Of arguments that belong to something else, what to do about them.
    others : iterable of str, optional
        What may have been meant besides options.
    """
    for name in given:
        if name in Options.__annotations__:
            continue
        if name in elsewhere:
            raise TypeError(f"there is no option {name!r} here; {elsewhere[name]}")
        near = difflib.get_close_matches(name, [*Options.__annotations__, *others], n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"unknown option {name!r}; the options are: {', '.join(Options.__annotations__)}{hint}")


def _parametrization(given: object) -> str | Mapping[str, np.ndarray]:
    """The name of a parametrization, or weights by names of variables, checked but for these."""
    if isinstance(given, str):
        return choose("parametrization", given, PARAMETRIZATIONS)
    if not isinstance(given, Mapping):
        raise TypeError(
            f"parametrization must be one of {', '.join(map(repr, PARAMETRIZATIONS))}, or a dictionary of names of "
            f"variables and weights, got {given!r}"
        )
    weights: dict[str, np.ndarray] = {}
    for key, weight in given.items():
        name = str(getattr(key, "name", key))
        try:
            if np.asarray(weight).dtype.kind not in "fiu" or np.ma.is_masked(weight):
                raise TypeError
            weights[name] = np.array(weight, dtype=float)
        except (TypeError, ValueError):
            raise TypeError(f"parametrization: the weights of {name} must be numbers, got {weight!r}") from None
        if not np.all((weights[name] >= 0) & (weights[name] <= 1)):
            raise ValueError(
                f"parametrization: the weights of {name} must lie between 0 (non-centered) and 1 (centered), "
                f"got {weight!r}"
            )
    return weights


def _policy(given: object) -> Policy:
    if not isinstance(given, Policy):
        raise TypeError(f"policy must be a pymc_symplectic.Policy, got {given!r}; dataclasses.replace makes others")
    return given


def _learned(given: object) -> Learned | None:
    if given is not None and not isinstance(given, Learned):
        raise TypeError(
            f"learned must be a pymc_symplectic.Learned, got a {type(given).__name__}; ps.learned(...) makes one of a "
            "result or a store, and ps.Learned.load(path) reads one"
        )
    return given


def _check_split(scheme: AnyIntegrator, energy: KineticEnergy) -> None:
    """Raise where one of the motions that H is split into is not exact with the kinetic energy."""
    if not scheme.split.suits(energy):
        plain = scheme.name.removeprefix(f"{scheme.split.name}_")
        other = (
            f"integrator={plain!r}"
            if plain in integrators.CATALOGUE
            else "an integrator with the free drift, such as 'leapfrog'"
        )
        raise ValueError(scheme.split.refusal(f"integrator={scheme.name!r}", energy.name, other))


def _check_surrogate(
    scheme: AnyIntegrator, energy: KineticEnergy, refreshment: Refreshment, numbers: Mapping[str, float | None]
) -> None:
    """Raise where something does not go with trajectories on a surrogate."""
    if not energy.quadratic:
        raise ValueError(
            f"trajectory='surrogate' goes with the Gaussian kinetic energy alone, got kinetic={energy.name!r}; choose "
            "kinetic='gaussian' with it, or leave trajectory out"
        )
    if isinstance(scheme, integrators.ImplicitMidpoint):
        raise ValueError(
            f"trajectory='surrogate' takes explicit steps, got integrator={scheme.name!r}; leave integrator out, or "
            "choose an explicit one such as 'leapfrog'"
        )
    if refreshment.keeps:
        raise ValueError(
            f"trajectory='surrogate' draws all of the momentum anew, as a test of several trajectories together asks "
            f"for, got refreshment={refreshment!r}; leave refreshment out"
        )
    for name, given in numbers.items():
        if given is not None:
            raise ValueError(
                f"trajectory='surrogate' takes steps on what it has learned, which cost nothing, so {name}={given!r} "
                f"would mean nothing; leave {name} out"
            )


def _check_limit(trajectory: TrajectoryRule, max_energy_error: float) -> None:
    """Raise where trajectories would end before any step of theirs is refined."""
    if isinstance(trajectory, trajectories.NoUTurn) and trajectory.refine:
        above = trajectory.refine_above
        if above >= max_energy_error:
            raise ValueError(
                f"trajectory: with refine_above={above:g} no step would be refined, as a trajectory ends where its "
                f"energy error exceeds max_energy_error={max_energy_error:g}; give refine_above a smaller value"
            )


def _trajectory_for(refreshment: Refreshment, trajectory: TrajectoryRule, energy: KineticEnergy) -> TrajectoryRule:
    """The trajectory to run with a refreshment; a ValueError where that, or the kinetic energy, does not go with it."""
    if not refreshment.suits(energy):
        raise ValueError(
            f"refreshment={refreshment!r} keeps to the momenta of the Gaussian kinetic energy alone, got "
            f"kinetic={energy.name!r}; choose kinetic='gaussian' with it, or leave refreshment out"
        )
    if not refreshment.keeps or trajectory.persistent:
        return trajectory
    if isinstance(trajectory, trajectories.Auto):
        return trajectories.FixedSteps(1)
    raise ValueError(
        f"refreshment={refreshment!r} keeps a momentum that trajectory={trajectory.name!r} has no use for; choose "
        "trajectory=ps.FixedSteps(1), or another fixed length, with it, or leave refreshment out"
    )
