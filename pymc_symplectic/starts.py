"""Where chains begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
from pymc.exceptions import SamplingError
from pymc.pytensorf import inputvars

from .checks import at_least, seeded, whole
from .target import Compilation, GivenStart, LogDensity, kept_log_density, opened, run_with, user_code

__all__ = ["initial_points", "positions", "usual_start"]

_QUICK_TO_COMPILE = "FAST_COMPILE"
_SUPPORTS = {
    "log": "it must be positive",
    "log_exp_m1": "it must be positive",
    "logodds": "it must lie strictly between 0 and 1",
    "interval": "it must lie strictly between the bounds",
    "circular": "it must lie between -π and π",
    "simplex": "its entries must be positive and sum to 1 along the last axis",
    "sumto1": "its entries must sum to 1 along the last axis",
    "ordered": "its entries must increase along the last axis",
    "zerosum": "its entries must sum to 0 along the last axes",
    "cholesky-cov-packed": "the diagonal of the Cholesky factor must be positive",
    "cholesky_corr": "it must be a correlation matrix",
}
"""The test that a value of a variable has to pass, by the name of its transform."""
_OTHER = "its transform has no finite value for it"


def initial_points(
    model: pm.Model | Compilation | None = None,
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
    model : pymc.Model or CompiledModel, optional
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
    compilation = opened(model, None)
    of = compilation.model
    chains, max_tries = whole("chains", chains, least=1), whole("max_tries", max_tries, least=1)
    jitter = at_least("jitter", jitter, 0)
    rng = seeded("random_seed", random_seed, np.random.default_rng)

    def compiled() -> Any:
        with of, user_code:
            return of.compile_fn(of.replace_rvs_by_values(of.free_RVs), inputs=of.value_vars)

    starts = []
    with run_with(of, compilation.data):
        target = kept_log_density(of, compilation.compile_kwargs, differences=compilation.differences)
        constrained = target.once("constrained", compiled)
        first, _ = usual_start(target)
        for chain in range(chains):
            with user_code:
                point = _near(target, first, jitter, rng, chain, max_tries)
                values = constrained(point)
            starts.append({rv.name: np.asarray(value) for rv, value in zip(of.free_RVs, values, strict=True)})
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
        exactly there; all others are moved by a uniform amount up to 1, either way.  A variable may be named in its own
        space, in unconstrained space, or, if the two agree, in both, as by `pymc.find_MAP`; then the latter counts.
        What is given of deterministic variables is not looked at.
    rngs : sequence of numpy.random.Generator
        One for each chain.
    max_tries : int, optional
        How often to try for a start where log-density and gradient are finite.

    Raises
    ------
    ValueError
        When `initvals` names what the model does not have, has another shape, is not finite, is outside the support of
        its variable, or has an entry too many or too few.
    SamplingError
        When no finite start was found; the message names the variables to blame.
    """
    chosen = list(initvals) if isinstance(initvals, list | tuple | np.ndarray) else [initvals] * len(rngs)
    if len(chosen) != len(rngs):
        raise ValueError(f"initvals: there are {len(chosen)} entries for {len(rngs)} chains; give one for each")
    functions: dict[int, tuple[Callable[[int], Any], np.ndarray]] = {}
    starts = []
    for chain, (given, rng) in enumerate(zip(chosen, rngs, strict=True)):
        with user_code:
            if id(given) not in functions:
                functions[id(given)] = usual_start(target) if _is_empty(given) else _first(target, given)
            first, moved = functions[id(given)]
            try:
                point = _near(target, first, moved, rng, chain, max_tries if moved.any() else 1)
            except SamplingError:
                if _is_empty(given):  # data may have changed since it was checked, and say more of why there is none
                    _first(target, {})
                raise
        starts.append(target.to_vector(point))
    return starts


def _is_empty(given: Any) -> bool:
    """Whether no variable is given a start."""
    return given is None or (isinstance(given, Mapping) and not given)


def usual_start(target: LogDensity) -> tuple[Callable[[int], Any], np.ndarray]:
    """What makes the start of a chain where none is given, and which coordinates (d,) are moved from there."""
    with user_code:
        made: tuple[Callable[[int], Any], np.ndarray] = target.once("start", lambda: _first(target, {}))
        return made


def _first(target: LogDensity, given: Mapping[Any, Any]) -> tuple[Callable[[int], Any], np.ndarray]:
    """A function that makes a start by a seed, and which coordinates of it (d,) are to be moved."""
    model = target.model
    values = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    named = _named(model, given)
    numbers = {name: array for name, value in named.items() if (array := _as_numbers(value)) is not None}
    for name, array in numbers.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"initvals: {name} must be finite, got {named[name]!r}")
    twice = {name for name, value in values.items() if name != value and {name, value} <= named.keys()}
    given_once = {name: value for name, value in named.items() if name not in twice}
    try:
        key = GivenStart.key(model, given_once, numbers)
        make = partial(GivenStart, model, given_once, numbers)
        beginning = make() if key is None else target.once(key, make)
        made, inside = beginning.at(numbers, 0), beginning.at(numbers, 0, inside=True)
    except (NotImplementedError, TypeError, ValueError) as error:  # the first of what can be no tensor
        raise ValueError(f"initvals: {', '.join(named)} cannot be what the model begins at: {error}") from error
    point = target.to_point(target.default_start)  # discrete variables are not in it
    for name, value in made.items():
        if name in point and np.shape(value) != np.shape(point[name]):
            raise ValueError(
                f"initvals: {name} would have shape {np.shape(value)}, and must have {np.shape(point[name])}"
            )
    for name in twice & numbers.keys():
        if not _alike(inside[name], numbers[name]):
            raise ValueError(
                f"initvals: {name} = {_text(numbers[name])} and {values[name]} = {_text(named[values[name]])} are "
                f"different starts of one variable, of which the second makes {_text(inside[name])}; give one of them"
            )
    for name, value in values.items():
        if name != value and value in numbers and not np.all(np.isfinite(inside[name])):
            raise ValueError(f"initvals: {value} = {_text(numbers[value])} makes {_text(inside[name])} of {name}")
    _check_support(target, named, numbers, made, inside)
    # close to a bound, numbers in unconstrained space tell apart what those in the variable's own space cannot, and
    # they are the start wherever bounds are moved to
    exact = {
        value: numbers[value].astype(made[value].dtype)
        for name, value in values.items()
        if name != value and value in numbers
    }
    moved = np.concatenate(
        [
            np.full(target.sizes[value], not {rv, value} & named.keys())
            for rv, value in values.items()
            if value in point
        ],
        dtype=bool,
        casting="unsafe",
    )
    return (lambda seed: {**beginning.at(numbers, seed), **exact}), moved


def _named(model: pm.Model, given: Mapping[Any, Any]) -> dict[str, Any]:
    """The given value of each free variable, by its name, or that of its unconstrained one."""
    if not isinstance(given, Mapping):
        raise TypeError(f"initvals must be a dictionary of names and values, or one for each chain, got {given!r}")
    free = [rv.name for rv in model.free_RVs]
    known = {*free, *(model.rvs_to_values[rv].name for rv in model.free_RVs)}
    derived = {variable.name for variable in model.deterministics}
    named = {str(getattr(key, "name", key)): value for key, value in given.items()}
    if strangers := [name for name in named if name not in known | derived]:
        raise ValueError(
            f"initvals: the model has no free variable {', '.join(map(repr, strangers))}; it has {', '.join(free)}"
        )
    return {name: value for name, value in named.items() if name in known}


def _check_support(
    target: LogDensity,
    named: Mapping[str, Any],
    numbers: Mapping[str, np.ndarray],
    made: Mapping[str, np.ndarray],
    inside: Mapping[str, np.ndarray],
) -> None:
    """Raise a ValueError where a number that is given is not one that its variable can have.

    `made` and `inside` are the start in unconstrained space, and in that of each variable.  Outside of its support,
    what a transform makes of a number is not finite, or does not come back as the same; without one the log-density is
    -inf.
    """
    model, plain = target.model, []
    for rv in model.free_RVs:
        value, transform = model.rvs_to_values[rv], model.rvs_to_transforms[rv]
        who, number = ("initvals", numbers.get(rv.name)) if rv.name in named else ("initval", None)
        if who == "initval":
            number = _as_numbers(model.rvs_to_initial_values[rv])
        if number is None or (value is not rv and rv.name != value.name and value.name in named):
            continue
        if transform is None:
            plain.append((rv, who, number))
            continue
        lost = ~np.isfinite(made[value.name])
        if lost.any() or not _alike(inside[rv.name], number):
            raise ValueError(f"{who}: {_outside(rv, number, lost)}: {_SUPPORTS.get(transform.name, _OTHER)}")
    fixed = {model.rvs_to_values[rv].name for rv in model.free_RVs if rv.name in numbers}
    for rv, who, number in plain:
        asked, density = target.once(("density", rv.name), partial(_density, model, rv))
        if asked <= fixed:  # what others move, they may move out of the way
            lost = np.isneginf(density(dict(made))[0])
            if np.any(lost):
                raise ValueError(f"{who}: {_outside(rv, number, lost)}: its log-density there is -inf")


def _density(model: pm.Model, rv: Any) -> tuple[set[str], Callable[[dict[str, Any]], Any]]:
    """The value variables that the log-density of a variable depends on, and what computes it, entry by entry."""
    terms = model.logp(vars=[rv], sum=False)
    compiled = model.compile_fn(terms, inputs=model.value_vars, on_unused_input="ignore", mode=_QUICK_TO_COMPILE)
    return {value.name for value in inputvars(terms)}, compiled


def _outside(rv: Any, number: np.ndarray, lost: np.ndarray) -> str:
    """That a number is outside the support of a variable; of an array the first entry that is, where that is known."""
    name, shown = rv.name, number
    if lost.any() and lost.shape == number.shape != ():
        place = tuple(map(int, np.argwhere(lost)[0]))
        name, shown = f"{name}[{', '.join(map(str, place))}]", number[place]
    try:
        prior = " " + rv.str_repr().split(" ~ ", 1)[1]
    except Exception:  # how a distribution prints is its own affair
        prior = ""
    return f"{name} = {_text(shown)} is outside the support of its prior{prior}"


def _as_numbers(value: Any) -> np.ndarray | None:
    """A start as an array; None where it is a strategy or an expression."""
    if value is None or isinstance(value, str):
        return None
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None


def _alike(a: Any, b: np.ndarray) -> bool:
    """Whether two arrays are the same but for rounding."""
    a = np.asarray(a)
    close = 10 * float(np.sqrt(np.finfo(a.dtype if a.dtype.kind == "f" else float).eps))
    return bool(np.allclose(a, b, rtol=close, atol=close * float(np.max(np.abs(b), initial=0.0))))


def _text(value: Any) -> str:
    with np.printoptions(threshold=8, edgeitems=3, formatter={"float_kind": lambda number: f"{number:g}"}):
        return np.array2string(np.asarray(value), separator=", ")


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
    raise SamplingError(
        f"No finite start was found for chain {chain} in {max_tries} tries: {target.blame(position)}. Give a start "
        "that is finite by initvals; if there is none, data or constants of the model are not what its densities allow"
    )
