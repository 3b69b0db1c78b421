"""Checks that the files of a store agree with each other, made before any of them is used.

A file that does not match its digest is refused where it is read.  The checks here are passed by every file that this
package writes, so that one which somebody else has written, digest and all, can neither be run nor read beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .places import check_names

__all__ = ["SAMPLED", "blocks_of", "check_array", "check_count", "check_description", "check_state", "sampled_groups"]

SAMPLED: Mapping[str, bool] = {
    "posterior": False,
    "sample_stats": False,
    "warmup_posterior": True,
    "warmup_sample_stats": True,
}
"""Groups with a draw dimension, and whether their draws are of warm-up."""
_SEED_WORDS = 4
_NEEDED: Mapping[str, type | tuple[type, ...]] = {
    "version": str,
    "chains": int,
    "tune": int,
    "draws": int,
    "keep_warmup": bool,
    "var_names": (list, type(None)),
    "options": dict,
    "seeds": (list, type(None)),
    "model": dict,
    "start": list,
    "arrays": dict,
}
_NEEDED_SINCE_2: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "value_seeds": list,
    "groups": list,
    "files": dict,
}


def sampled_groups(description: Mapping[str, Any]) -> list[str]:
    """Names of the groups of a run that have draws."""
    return [
        name for name, warmup in SAMPLED.items() if not warmup or (description["keep_warmup"] and description["tune"])
    ]


def check_description(description: Mapping[str, Any]) -> None:
    """Raise a ValueError unless this can be the content of a ``run.json``."""
    first_format = description["format"] == 1
    needed = _NEEDED if first_format else {**_NEEDED, **_NEEDED_SINCE_2}
    if lacking := [name for name in needed if name not in description]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    for name, kind in needed.items():
        if not isinstance(description[name], kind) or (kind is int and isinstance(description[name], bool)):
            raise ValueError(f"{name} is {_short(description[name])}")
    for name, least in (("chains", 1), ("tune", 0), ("draws", 1)):
        if description[name] < least:
            raise ValueError(f"{name} is {description[name]}")
    if not _whole(description.get("thin", 1), 1):
        raise ValueError(f"thin is {_short(description['thin'])}")
    if not _texts(description["var_names"] or []) or not _texts(description["options"].values()):
        raise ValueError("its options are not in words")
    if not all(_number(value) for value in description["start"]):
        raise ValueError("start is not a list of finite numbers")
    seconds = description.get("seconds", 0.0)
    if not _number(seconds) or seconds < 0:
        raise ValueError(f"seconds is {_short(seconds)}")
    groups = sampled_groups(description)
    for group in groups:
        if group not in description["arrays"]:
            raise ValueError(f"it has no variables in {group}")
        check_names("variable", description["arrays"][group])
    _check_model(description["model"])
    if not first_format:
        _check_second(description, groups)


def _check_second(description: Mapping[str, Any], groups: Iterable[str]) -> None:
    seeds = description["value_seeds"]
    if len(seeds) != description["chains"] or not all(_seed(seed) for seed in seeds):
        raise ValueError(f"it has {len(seeds)} seeds for the values of {description['chains']} chains")
    if description["seeds"] is not None and (
        len(description["seeds"]) != description["chains"] or not _texts(description["seeds"])
    ):
        raise ValueError(f"it has {len(description['seeds'])} seeds of {description['chains']} chains")
    check_names("group", description["groups"])
    for group in groups:
        blocks = description["arrays"][group]
        if not isinstance(blocks, dict) or not all(_whole(size, 1) for size in blocks.values()):
            raise ValueError(f"the blocks of {group} have no length")
        if group not in description["groups"]:
            raise ValueError(f"there is no group {group}")
    for files in (description["files"], description.get("extending", {"files": {}})["files"]):
        if not _texts(files.values()):
            raise ValueError("files have no digests")
        for file in files:
            check_names("file", (part for part in file.split("/") if part != "zarr.json"))
    if "extending" in description and not _whole(description["extending"]["draws"], 1):
        raise ValueError("it was to have another number of draws, and does not say which")


def _check_model(model: Mapping[str, Any]) -> None:
    for name, kind in (("variables", dict), ("data", dict), ("log_density", list), ("values", dict), ("at", float)):
        if not isinstance(model.get(name), kind):
            raise ValueError(f"of the model, {name} is {_short(model.get(name))}")
    for values in (model["log_density"], *model["values"].values()):
        paired = isinstance(values, list) and len(values) == 2 and all(isinstance(n, int | float) for n in values)
        if not paired and not isinstance(values, str):
            raise ValueError(f"of the model, values are {_short(values)}")
    if not _texts(model["variables"].values()) or not _texts(model["data"].values()):
        raise ValueError("the model has no variables or data in words")


def check_array(array: Any, description: Mapping[str, Any], group: str, name: str, length: int) -> None:
    """Raise a ValueError unless a zarr array can hold the draws of a variable."""
    chains, event, block = description["chains"], array.shape[2:], description["arrays"][group][name]
    lengths = {length} if SAMPLED[group] else {length, description.get("extending", {}).get("draws", length)}
    if array.ndim < 2 or tuple(array.metadata.dimension_names[:2]) != ("chain", "draw"):
        raise ValueError(f"its dimensions are {array.metadata.dimension_names}, and begin with chain and draw")
    if array.shape[0] != chains or array.shape[1] not in lengths:
        raise ValueError(f"its shape is {array.shape}, and there are {chains} chains of {length} draws")
    if array.chunks != (1, block, *(max(size, 1) for size in event)):
        raise ValueError(f"its blocks are of shape {array.chunks}, and hold {block} draws of one chain")


def check_state(state: Any, chain: int, description: Mapping[str, Any], paths: Mapping[str, int]) -> None:
    """Raise a ValueError unless this can be the state of a chain; checks that need the model are left to `Chain`."""
    if state.get("store") != description["id"] or state.get("chain") != chain:
        raise ValueError(f"it is of chain {state.get('chain')!r} of another run, or of another chain")
    position = state.get("position")
    if (
        not isinstance(position, np.ndarray)
        or position.dtype != float
        or position.shape != (len(description["start"]),)
    ):
        raise ValueError(f"position is {_short(position)}, and must be {len(description['start'])} numbers")
    if not np.all(np.isfinite(position)):
        raise ValueError("position is not finite")
    if not isinstance(state.get("rng"), dict) or not isinstance(state["rng"].get("bit_generator"), str):
        raise ValueError(f"rng is {_short(state.get('rng'))}")
    check_count(state, description)
    if "count" not in state:
        return
    count, tune = state["count"], description["tune"]
    if not _whole(state.get("divergences"), 0) or state["divergences"] > max(count - tune, 0):
        raise ValueError(f"divergences is {_short(state.get('divergences'))} after {count} draws")
    sums = state.get("checksums")
    if not isinstance(sums, dict):
        raise ValueError(f"checksums are {_short(sums)}")
    for path, size in paths.items():
        needed = blocks_of(count, tune, path, size)
        found = sums.get(path, [])
        if not isinstance(found, list) or len(found) != needed or not all(_whole(entry, 0) for entry in found):
            raise ValueError(f"there are not {needed} checksums of {path}")


def check_count(state: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Raise a ValueError unless a chain can have made so many draws as its state says."""
    count = state.get("count", 0)
    if not _whole(count, 0) or count > description["tune"] + description["draws"]:
        raise ValueError(
            f"count is {_short(count)}, and must be from 0 to {description['tune']} + {description['draws']}"
        )


def blocks_of(count: int, tune: int, path: str, size: int) -> int:
    """How many blocks of a variable hold draws of a chain that has made `count`."""
    kept = min(count, tune) if path.startswith("warmup_") else max(count - tune, 0)
    return -(-kept // size)


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _seed(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == _SEED_WORDS
        and all(_whole(word, 0) and word < 2**32 for word in value)
    )


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    return str(repr(value))[:60]
