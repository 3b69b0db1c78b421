"""Whether the snapshot of a chain, which may come from a file, is one that its kernels can go on from.

Compiled code reads arrays by the sizes that they should have, and believes every number in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .adaptation.tuner import Tuner
from .kernels.adapt import Learning
from .kernels.linear import DenseMap, DiagonalMap, LowRankMap, map_of
from .settings import Settings

__all__ = ["check_snapshot", "generator_of"]


_ROUNDING = 1e-6  # of tables that another machine has made
_PLACES = {"pos": "key", "buffer_pos": "buffer"}  # fields of bit generators that point into others


def generator_of(state: Any) -> np.random.Generator:
    """The generator that has this state.

    Raises
    ------
    ValueError
        When there is none.
    """
    try:
        made = getattr(np.random, str(state["bit_generator"]))
        if not issubclass(made, np.random.BitGenerator):
            raise TypeError(f"numpy.random.{state['bit_generator']} is no bit generator")
        generator = np.random.Generator(made())
        own = generator.bit_generator.state
        _check_alike("rng", state, own)
        generator.bit_generator.state = state
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"rng is not the state of a generator of numpy: {error}") from error
    return generator


def _check_alike(name: str, value: Any, own: Any) -> None:
    """Raise a ValueError unless the state of a bit generator is built like another one of the same kind."""
    if isinstance(own, Mapping):
        if not isinstance(value, Mapping) or value.keys() != own.keys():
            raise ValueError(f"{name} is {value!r}, and must have {', '.join(own)}")
        for key, entry in own.items():
            _check_alike(f"{name}, {key}", value[key], entry)
            if key in _PLACES and not 0 <= value[key] <= len(own[_PLACES[key]]):
                raise ValueError(f"{name}, {key} is {value[key]}")
    elif isinstance(own, np.ndarray):
        _check_array(name, value, own.shape, own.dtype)
    elif isinstance(own, str):
        if value != own:
            raise ValueError(f"{name} is {value!r}, and must be {own!r}")
    elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")


def check_snapshot(
    snapshot: Mapping[str, Any], settings: Settings, tune: int, windows: Sequence[int], learning: Learning
) -> None:
    """Raise a ValueError unless a chain with these settings, windows of warm-up, and memory can have been like this.

    Parameters
    ----------
    snapshot : dict
        As `Chain.snapshot` makes it.
    settings : Settings
    tune : int
        Draws of warm-up.
    windows : sequence of int
        Ends of the windows that the chain begins with.
    learning : Learning
        Of the chain.
    """
    dim = learning.means.shape[1]
    _check_array("position", snapshot["position"], (dim,), float)
    if not np.all(np.isfinite(snapshot["position"])):
        raise ValueError("position is not finite")
    for name in ("count", "pending_gradients"):
        if not _whole(snapshot[name]):
            raise ValueError(f"{name} is {snapshot[name]!r}, and must be an integer of at least 0")
    if not isinstance(snapshot["far"], bool):
        raise ValueError(f"far is {snapshot['far']!r}, and must be true or false")
    ends = snapshot["windows"]
    if not isinstance(ends, list) or not all(map(_whole, ends)) or bool(ends) != bool(windows):
        raise ValueError(f"windows are {ends!r}, and were {list(windows)} at first")
    if ends != sorted(set(ends)) or not all(0 < end <= tune for end in ends):
        raise ValueError(f"windows are {ends!r}, and must follow each other in {tune} draws")
    if snapshot["mean"] is not None:
        _check_array("mean", snapshot["mean"], (dim,), float)
        if not np.all(np.isfinite(snapshot["mean"])):
            raise ValueError("mean is not finite")
    if settings.refreshment.keeps:
        _check_array("momentum", snapshot["momentum"], (dim,), float)
        if not np.all(np.isfinite(snapshot["momentum"])):
            raise ValueError("momentum is not finite")
    _check_metric(snapshot["metric"], dim)
    _check_kinetic(snapshot["kinetic"], settings, dim)
    _check_learning(snapshot["learning"], learning, snapshot["count"])
    _check_tuner(snapshot["tuner"], settings, dim)
    generator_of(snapshot["rng"])


def _check_metric(arrays: Any, dim: int) -> None:
    metric = map_of(arrays)
    if isinstance(metric, DenseMap):
        _check_array("the factor of the metric", metric.factor, (dim, dim), float)
        scale, others = np.diag(metric.factor), [metric.factor]
    elif not isinstance(metric, DiagonalMap | LowRankMap):  # of somebody's own, who knows what it may become
        scale, others = np.ones(0), list(metric)
    else:
        _check_array("the scale of the metric", metric.scale, (dim,), float)
        scale, others = metric.scale, []
    if isinstance(metric, LowRankMap):
        rank = np.size(metric.stretch)
        _check_array("the stretch of the metric", metric.stretch, (rank,), float)
        _check_array("the directions of the metric", metric.directions, (rank, dim), float)
        scale, others = np.concatenate([scale, metric.stretch]), [metric.directions]
    if not all(np.all(np.isfinite(array)) for array in (scale, *others)) or not np.all(scale > 0):
        raise ValueError("the metric is not positive and finite")


def _check_kinetic(params: Any, settings: Settings, dim: int) -> None:
    kinetic = settings.kinetic
    fresh = kinetic.record(dim).params
    if not kinetic.adapts:
        due = fresh
    elif hasattr(kinetic, "made_from"):
        table = int(fresh[0])
        _check_array("the kinetic energy", params, np.shape(params)[:1], float)
        if params.size < table or params[0] != table or params[1] != fresh[1]:
            raise ValueError("the kinetic energy is of another kind")
        due = kinetic.made_from(tuple(params[1:table]), dim).params
    else:  # of somebody's own, who knows what it may become
        due = np.asarray(params)
    _check_array("the kinetic energy", params, due.shape, float)
    if not np.allclose(params, due, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
        raise ValueError("the kinetic energy is another one")


def _check_learning(arrays: Any, own: Learning, count: int) -> None:
    if set(arrays) != set(own._fields):
        raise ValueError(f"what the chain has learned is {', '.join(map(str, arrays))}")
    for name, array in own._asdict().items():
        # earlier versions did not say how strongly the step size moves
        sizes = [array.shape, (5,)] if name == "step" else [array.shape]
        shape = np.shape(arrays[name])
        _check_array(f"learning, {name}", arrays[name], shape if shape in sizes else array.shape, array.dtype)
    for name in ("step", "tuning"):
        if not np.all(np.isfinite(arrays[name])):
            raise ValueError(f"learning, {name} is not finite")
    if np.any(arrays["counters"] < 0) or np.any(arrays["counters"] > count):
        raise ValueError(f"learning, counters are {arrays['counters']} after {count} draws")


def _check_tuner(told: Any, settings: Settings, dim: int) -> None:
    try:
        tuner = Tuner(settings, dim)
        tuner.restore(told)
        tuner.choice  # noqa: B018
        found = tuner.found
        if found is not None:
            numbers = found.step_size, found.value, found.time, found.jitter, found.accept
            usual = np.all(np.isfinite(numbers)) and found.step_size > 0 and found.time > 0
            if not (usual and _whole(found.repeats) and found.repeats > 0 and found.integrator in told["schemes"]):
                raise ValueError(f"it has found {found}")
            tuner.trajectory.record(dim, settings.max_energy_error)
        if not np.all(np.isfinite(told["floor"])):
            raise ValueError(f"its floor is {told['floor']}")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the tuner cannot have been like this: {type(error).__name__}: {error}") from error


def _check_array(name: str, array: Any, shape: Sequence[int], dtype: Any) -> None:
    if not isinstance(array, np.ndarray) or array.shape != tuple(shape) or array.dtype != dtype:
        found = f"{array.dtype}{array.shape}" if isinstance(array, np.ndarray) else repr(array)[:60]
        raise ValueError(f"{name} is {found}, and must be {np.dtype(dtype)}{tuple(shape)}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
