"""Fingerprints of runs: options in words, and the model by names, digests of data, and values at a point."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .. import trajectories
from ..kernels.kinetic import kinetic_energy
from ..native.pymc import find_constants, find_observations
from ..policy import Policy
from ..recorded import RecordedVariables
from ..settings import Settings
from ..target import LogDensity

__all__ = ["describe_model", "describe_settings", "differences", "differences_at_last", "digest", "library_version"]

_PROBE = np.array([[0.1, -0.2], [1.0, 0.5], [-2.5, 4.0]])  # momenta
_TOLERANCE = 1e-9  # between machines, which do not sum in the same order
_TOLERANCE_SINGLE = 1e-4  # of numbers of single precision


def describe_settings(settings: Settings) -> dict[str, str]:
    """Each option in words, the same in every process."""
    words = {field.name: _text(getattr(settings, field.name)) for field in fields(settings) if field.name != "learned"}
    del words["accept_given"]
    # of what runs did not say that were stored before there was a choice, only what is not usual
    del words["policy"]
    if not settings.refreshment.keeps:
        del words["refreshment"]
    if settings.gradient is None:
        del words["gradient"]
    if not settings.reparametrizes:
        del words["parametrization"]
    if settings.learned is not None:
        words["learned"] = settings.learned.digest
    usual = Policy()
    for field in fields(Policy):
        if (value := getattr(settings.policy, field.name)) != getattr(usual, field.name):
            words[f"policy.{field.name}"] = _text(value)
    # an acceptance that is given makes other draws than the same one by default only where warm-up may choose another
    plain = settings.target_accept == settings.integrator.target_accept
    if settings.accept_given and plain and isinstance(settings.trajectory, trajectories.Auto):
        words["target_accept"] += ", given"
    kinetic: Any = settings.kinetic
    if any(callable(getattr(kinetic, field.name)) for field in fields(kinetic)):
        # functions are distinguished by what they compute
        record = kinetic.record(_PROBE.shape[1])
        words["kinetic"] += " of energies " + ", ".join(f"{kinetic_energy(record, r):.12g}" for r in _PROBE)
    return words


def _text(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.repr and field.name != "reference"]  # a citation
        inside = ", ".join(f"{name}={_text(getattr(value, name))}" for name in names)
        return f"{type(value).__name__}({inside})"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(entry)}" for name, entry in sorted(value.items()))
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return f"{value:g}"
    if isinstance(value, np.ndarray):
        return f"array{value.shape}:{digest(value)}"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__


def digest(array: Any) -> str:
    """A short hash of an array of any dtype, or of a text."""
    array = np.asarray(array)
    content = repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + content).hexdigest()[:16]


def describe_model(target: LogDensity, variables: RecordedVariables, position: np.ndarray) -> dict[str, Any]:
    """A model by the names of its variables, the digests of its data, and its values at one position (d,)."""
    model = target.model
    free = {
        rv.name: f"{value.dtype}{np.shape(target.to_point(position)[value.name])} {type(transform).__name__}"
        for rv, value in model.rvs_to_values.items()
        if rv in model.free_RVs
        for transform in [model.rvs_to_transforms[rv]]
    }
    value, gradient = target(position)
    return {
        "variables": free,
        "data": {name: digest(data) for name, data in {**find_observations(model), **find_constants(model)}.items()},
        "log_density": _weighed([value, *gradient]),
        "at": value,
        "values": {
            name: f"random {array.dtype}{array.shape}" if name in variables.random else _weighed(array)
            for name, array in variables.at(position).items()
        },
    }


def _weighed(array: Any) -> list[float]:
    """Two numbers for an array: a sum that depends on the order of its entries too, and their norm."""
    flat = np.asarray(array, dtype=float).ravel()
    return [float(flat @ np.cos(np.arange(flat.size))), float(np.linalg.norm(flat))]


def _same(old: Any, new: Any) -> bool:
    """Whether two arrays, described by `_weighed`, are equal but for rounding; random ones, whether of one shape."""
    if isinstance(old, str) or isinstance(new, str):
        return bool(old == new)
    return _close(old, new, _TOLERANCE, old[1])


def _close(old: Any, new: Any, tolerance: float, size: float) -> bool:
    """Whether numbers are equal but for rounding, given the size of what was summed."""
    least = tolerance * abs(size) if np.isfinite(size) else 0.0
    return bool(np.allclose(old, new, rtol=tolerance, atol=least, equal_nan=True))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Differences between two descriptions of a run, in words."""
    found = [
        f"{name} was {old[name]!r} and is {new[name]!r}"
        for name in ("chains", "tune", "keep_warmup", "var_names")
        if old[name] != new[name]
    ]
    thinned = [run.get("thin", 1) for run in (old, new)]  # runs that were stored before there was a choice have none
    if thinned[0] != thinned[1]:
        found.append(f"thin was {thinned[0]} and is {thinned[1]}")
    ends = [None if run.get("open_ended", False) else run["tune"] for run in (old, new)]
    if ends[0] != ends[1] and old["tune"] == new["tune"]:
        found.append(f"tune was {ends[0]!r} and is {ends[1]!r}")
    found += _by_name("", old["options"], new["options"])
    if new.get("seeds") is not None and old["seeds"] != new["seeds"]:
        found.append("random_seed is another (leave it out, to go on)")
    before, now = old["model"], new["model"]
    found += _by_name("the variable ", before["variables"], now["variables"])
    data = _by_name("data ", before["data"], now["data"], with_values=False)
    found += data
    close = _same(before["log_density"], now["log_density"])
    if not (close or data or before["variables"] != now["variables"]):
        found.append(
            f"the log-density of the model was {before['at']:.12g} at a point where it is {now['at']:.12g}: a prior or "
            "the likelihood has changed"
        )
    if before["values"].keys() != now["values"].keys():
        found += [f"the stored variables were {', '.join(before['values'])} and are {', '.join(now['values'])}"]
    elif close:
        found += [
            f"the deterministic variable {name} is computed in another way"
            for name, value in before["values"].items()
            if not _same(value, now["values"][name])
        ]
    return found


def differences_at_last(
    states: Sequence[Mapping[str, Any]],
    last: Sequence[Mapping[str, np.ndarray]],
    target: LogDensity,
    variables: RecordedVariables,
) -> list[str]:
    """Differences between the model and the one that made the last draws, in words.

    Two models that are equal where the chains begin may differ elsewhere.

    Parameters
    ----------
    states : sequence of dict
        Snapshot of each chain, by `Chain.snapshot`; those of chains without draws are passed over.
    last : sequence of dict
        Recorded variables of each chain at its last draw, as they were stored.
    target : LogDensity
    variables : RecordedVariables
    """
    tolerance = _TOLERANCE if target.lossless else _TOLERANCE_SINGLE
    for chain, (state, stored) in enumerate(zip(states, last, strict=True)):
        if "log_density" not in state or state.get("skipped", False):
            continue
        where = f"at the last draw of chain {chain}"
        try:
            value, gradient = target(state["position"])
        except Exception as error:
            return [f"the log-density of the model {where} raises {type(error).__name__}: {error}"]
        size = float(np.linalg.norm([value, *gradient]))
        if not _close(state["log_density"], value, tolerance, size):
            return [
                f"the log-density of the model was {state['log_density']:.12g} {where}, where it is {value:.12g}: a "
                "prior or the likelihood has changed"
            ]
        now = variables.at(state["position"])
        for name in stored.keys() & now.keys() - variables.random:
            if not _close(stored[name], now[name], tolerance, float(np.linalg.norm(stored[name].astype(float)))):
                return [f"the variable {name} is computed in another way, {where}"]
    return []


def _by_name(kind: str, old: Mapping[str, str], new: Mapping[str, str], with_values: bool = True) -> list[str]:
    found = [f"{kind}{name} is new" for name in new if name not in old]
    found += [f"{kind}{name} is gone" for name in old if name not in new]
    for name in old:
        if name in new and old[name] != new[name]:
            found.append(f"{kind}{name} was {old[name]} and is {new[name]}" if with_values else f"{kind}{name} differs")
    return found


def library_version() -> str:
    """Version of this package."""
    from .. import __version__

    return __version__
