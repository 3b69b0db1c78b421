"""Where chains begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pymc as pm
from pymc.exceptions import SamplingError
from pymc.initial_point import make_initial_point_fn

from .checks import at_least, whole
from .target import LogDensity

__all__ = ["initial_points", "positions"]


def initial_points(
    model: pm.Model | None = None,
    chains: int = 4,
    *,
    jitter: float = 1.0,
    random_seed: int | np.random.Generator | None = None,
    max_tries: int = 100,
) -> list[dict[str, np.ndarray]]:
    """Make a different start for each chain, to hand to ``pymc.sample(initvals=...)``.

    PyMC starts all chains of a step that it was given at one and the same point, where R-hat cannot tell whether they
    have found different modes, or have not moved at all.

    Parameters
    ----------
    model : pymc.Model, optional
        By default the model of the context.
    chains : int, optional
        How many starts to make, at least 1.
    jitter : float, optional
        Each continuous variable is moved from the model's initial point by a uniform amount up to this, either way, in
        unconstrained space.  Discrete variables stay.
    random_seed : int or numpy.random.Generator, optional
    max_tries : int, optional
        How often to try for a start where log-density and gradient are finite.

    Returns
    -------
    list of dict
        One dictionary per chain: the name of each free variable and its value, in its own (constrained) space.

    Raises
    ------
    ValueError
        When `chains` or `max_tries` is below 1, or `jitter` is negative or not finite.
    SamplingError
        When no finite start was found; the message names the variables to blame.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     sigma = pm.HalfNormal("sigma")
    >>> starts = initial_points(model, chains=2, random_seed=1)
    >>> len(starts), list(starts[0])
    (2, ['sigma'])
    """
    model = pm.modelcontext(model)
    chains, max_tries = whole("chains", chains, least=1), whole("max_tries", max_tries, least=1)
    jitter = at_least("jitter", jitter, 0)
    rng = np.random.default_rng(random_seed)
    target = LogDensity(model=model)
    with model:
        constrained = model.compile_fn(model.replace_rvs_by_values(model.free_RVs), inputs=model.value_vars)
    first = make_initial_point_fn(model=model)
    starts = []
    for chain in range(chains):
        point = _near(target, first, jitter, rng, chain, max_tries)
        values = constrained(point)
        starts.append({rv.name: np.asarray(value) for rv, value in zip(model.free_RVs, values, strict=True)})
    return starts


def positions(
    target: LogDensity, initvals: Any, rngs: Sequence[np.random.Generator], max_tries: int = 100
) -> list[np.ndarray]:
    """Where chains begin, each (d,), in unconstrained space.

    Parameters
    ----------
    target : LogDensity
    initvals : dict, sequence of dict, or None
        As for `pymc.sample`: values or strategies for all chains, or for each of them.  Variables that are named begin
        exactly there; all others are moved by a uniform amount up to 1, either way.
    rngs : sequence of numpy.random.Generator
        One for each chain.
    max_tries : int, optional
        How often to try for a start where log-density and gradient are finite.

    Raises
    ------
    ValueError
        When `initvals` names what the model does not have, has another shape, is not finite, or has an entry too many
        or too few.
    SamplingError
        When no finite start was found; the message names the variables to blame.
    """
    chosen = list(initvals) if isinstance(initvals, list | tuple | np.ndarray) else [initvals] * len(rngs)
    if len(chosen) != len(rngs):
        raise ValueError(f"initvals: there are {len(chosen)} entries for {len(rngs)} chains; give one for each")
    functions: dict[int, tuple[Callable[[int], Any], np.ndarray]] = {}
    starts = []
    for chain, (given, rng) in enumerate(zip(chosen, rngs, strict=True)):
        if id(given) not in functions:
            functions[id(given)] = _first(target, given or {})
        first, moved = functions[id(given)]
        point = _near(target, first, moved, rng, chain, max_tries if moved.any() else 1)
        starts.append(target.to_vector(point))
    return starts


def _first(target: LogDensity, given: Mapping[Any, Any]) -> tuple[Callable[[int], Any], np.ndarray]:
    """What makes a start by a seed, and which coordinates of it (d,) are to be moved."""
    model = target.model
    if not isinstance(given, Mapping):
        raise TypeError(f"initvals must be a dictionary of names and values, or one for each chain, got {given!r}")
    values = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    variables = {value.name: value for value in model.value_vars}
    named = {str(getattr(key, "name", key)): value for key, value in given.items()}
    if strangers := [name for name in named if name not in values and name not in variables]:
        raise ValueError(
            f"initvals: the model has no free variable {', '.join(map(repr, strangers))}; it has {', '.join(values)}"
        )
    for name, value in named.items():
        if isinstance(value, Number | np.ndarray | list | tuple) and not np.all(np.isfinite(np.asarray(value, float))):
            raise ValueError(f"initvals: {name} must be finite, got {value!r}")
    try:
        first = make_initial_point_fn(model=model, overrides=dict(given))
        made = first(0)
    except (TypeError, ValueError) as error:
        raise ValueError(f"initvals: {', '.join(named)} cannot be what the model begins at: {error}") from error
    point = target.to_point(target.default_start)
    for name, value in made.items():
        if np.shape(value) != np.shape(point[name]):
            raise ValueError(
                f"initvals: {name} would have shape {np.shape(value)}, and must have {np.shape(point[name])}"
            )
    moved = np.concatenate(
        [np.full(target.sizes[values[rv]], not {rv, values[rv]} & named.keys()) for rv in values],
        dtype=bool,
        casting="unsafe",
    )
    return first, moved


def _near(
    target: LogDensity, first: Callable[[int], Any], jitter: Any, rng: np.random.Generator, chain: int, max_tries: int
) -> dict[str, np.ndarray]:
    """A point near what `first` makes, where log-density and gradient are finite."""
    for _ in range(max_tries):
        point = dict(first(int(rng.integers(2**30))))
        target.hold(point)
        target.refresh()
        position = target.to_vector(point)
        position += jitter * rng.uniform(-1, 1, position.size)
        value, gradient = target.try_at(position)
        if np.isfinite(value) and np.all(np.isfinite(gradient)):
            return point | target.to_point(position)
    raise SamplingError(f"No finite start was found for chain {chain} in {max_tries} tries: {target.blame(position)}.")
