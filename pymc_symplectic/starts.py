"""Where chains begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
from pymc.exceptions import SamplingError
from pymc.initial_point import make_initial_point_fn

from .checks import at_least, whole
from .target import LogDensity

__all__ = ["initial_points"]


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
        for _ in range(max_tries):
            point = dict(first(int(rng.integers(2**30))))
            target.hold(point)
            target.refresh()
            position = target.to_vector(point)
            position += jitter * rng.uniform(-1, 1, position.size)
            value, gradient = _evaluate(target, position)
            if np.isfinite(value) and np.all(np.isfinite(gradient)):
                break
        else:
            raise SamplingError(
                f"No finite start was found for chain {chain} in {max_tries} tries: {target.blame(position)}."
            )
        point.update(target.to_point(position))
        values = constrained(point)
        starts.append({rv.name: np.asarray(value) for rv, value in zip(model.free_RVs, values, strict=True)})
    return starts


def _evaluate(target: LogDensity, position: np.ndarray) -> tuple[float, Any]:
    try:
        return target(position)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return np.nan, np.nan
