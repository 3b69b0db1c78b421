"""The options of a sampler as JSON, from which they can be made again, and those of the next run beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np

from .. import integrators, kinetic, metrics, refreshments, trajectories

__all__ = ["PARTS", "joined", "of_settings"]


_REFRESHMENTS: Mapping[str, Any] = MappingProxyType({"Full": refreshments.Full, "Partial": refreshments.Partial})
_CLASSES: Mapping[str, Mapping[str, type]] = MappingProxyType(
    {
        "kinetic": kinetic.CATALOGUE,
        "metric": metrics.CATALOGUE,
        "trajectory": trajectories.CATALOGUE,
        "refreshment": _REFRESHMENTS,
    }
)
_LOOK_UP: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "integrator": integrators.get,
        "kinetic": kinetic.get,
        "metric": metrics.get,
        "trajectory": trajectories.get,
        "refreshment": refreshments.get,
    }
)
PARTS = (*_LOOK_UP, "parametrization", "temperature")
"""Options that what is learned hangs on."""
_PLAIN = str | int | float | bool | None


def encoded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options, looked up, as JSON; of what has functions or arrays, or is somebody's own, the name of its class alone.

    Parameters
    ----------
    options : mapping
        Of each of `PARTS`, the object that it stands for.
    """
    return {name: _encoded(name, options[name]) for name in PARTS}


def _encoded(name: str, value: Any) -> Any:
    if name == "temperature":
        return float(value)
    if name == "parametrization":
        if isinstance(value, str):
            return value
        return {str(getattr(key, "name", key)): np.asarray(one).tolist() for key, one in value.items()}
    if name == "integrator":
        try:
            known = integrators.get(value.name) == value
        except ValueError:
            known = False
        return {"name": value.name} if known else {"own": type(value).__name__}
    known = next((key for key, kind in _CLASSES[name].items() if kind is type(value)), None)
    inside = {field.name: getattr(value, field.name) for field in fields(value)} if known else {}
    inside = {key: one.item() if isinstance(one, np.generic) else one for key, one in inside.items()}
    if known is None or not all(isinstance(one, _PLAIN) for one in inside.values()):
        return {"own": type(value).__name__}
    return {"name": known, **({"fields": inside} if inside else {})}


def _made(name: str, spec: Any) -> Any:
    """The option that JSON of it stands for; a ValueError where it does not say."""
    if name in ("temperature", "parametrization"):
        return spec
    if "own" in spec:
        raise ValueError(
            f"learned: the run had {name}={spec['own']}(...), which is not saved with what was learned; give the same "
            f"{name}=... again"
        )
    if name == "integrator":
        return integrators.get(spec["name"])
    return _CLASSES[name][spec["name"]](**spec.get("fields", {}))


def of_settings(settings: Any) -> dict[str, Any]:
    """The options of `Settings` that what is learned hangs on, as JSON."""
    return encoded({name: getattr(settings, name) for name in PARTS})


def joined(learned: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the next run: those that are given, and, of the parts that are not, those of the last one.

    Raises
    ------
    ValueError
        When a part that is given is another one than what was learned hangs on.
    """
    options = dict(given)
    for name in PARTS:
        if name not in given:
            try:
                options[name] = _made(name, learned[name])
            except (AttributeError, KeyError, TypeError) as error:
                raise ValueError(f"learned: {name}={learned[name]!r} is none of this version: {error}") from error
            continue
        value = _LOOK_UP[name](given[name]) if name in _LOOK_UP else given[name]
        try:
            asked = _encoded(name, value)
        except (AttributeError, TypeError, ValueError):  # of something that is no option: what looks it up says so
            continue
        if asked != learned[name]:
            raise ValueError(
                f"learned: what was learned is of a run with {name}={_words(learned[name])}, and {name}="
                f"{_words(asked)} is asked for; leave {name} out, or leave learned out and let warm-up begin anew"
            )
    return options


def _words(spec: Any) -> str:
    if not isinstance(spec, Mapping) or not {"name", "own"} & spec.keys():
        return repr(spec)
    if "own" in spec:
        return f"{spec['own']}(...)"
    kind = next((kinds[spec["name"]] for kinds in _CLASSES.values() if spec["name"] in kinds), None)
    usual = {} if kind is None else {field.name: field.default for field in fields(kind)}
    inside = [f"{name}={value!r}" for name, value in spec.get("fields", {}).items() if value != usual[name]]
    return repr(spec["name"]) + (f" ({', '.join(inside)})" if inside else "")
