"""What a run has learned as a dataset, which is a group of its result and goes wherever that does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..kernels.linear import map_of
from .chain import LearnedChain

__all__ = ["from_dataset", "to_dataset"]

_FORMAT = 1
_METRIC = "metric_"
_BY_PARAMETER = ("position", "mean", "weights")


def to_dataset(
    variables: Mapping[str, Sequence[int]],
    options: Mapping[str, Any],
    chains: Sequence[LearnedChain],
    labels: Sequence[str],
    numbers: Sequence[int],
) -> xr.Dataset:
    """Arrays with a dimension `chain`, and the rest as JSON in the attributes.

    Arrays of different shapes, such as those of low-rank metrics, are filled up with NaN; the attribute has the shapes.
    """
    parts = [_arrays(chain) for chain in chains]
    data: dict[str, Any] = {"step_size": ("chain", np.array([chain.step_size for chain in chains]))}
    for name in {name: None for part in parts for name in part}:
        arrays = [part.get(name) for part in parts]
        stacked = _stacked(arrays)
        if not stacked.size:  # its shape says it all
            continue
        if name in _BY_PARAMETER:
            dims = ["chain", "unconstrained"]
        else:
            dims = ["chain", *(f"{name}_dim_{i}" for i in range(stacked.ndim - 1))]
        data[name] = (dims, stacked)
    said = {
        str(number): {
            "choice": chain.choice,
            "state": chain.state,
            "shapes": {name: list(array.shape) for name, array in part.items()},
        }
        for number, chain, part in zip(numbers, chains, parts, strict=True)
    }
    described = {"variables": {name: list(shape) for name, shape in variables.items()}, "options": options}
    return xr.Dataset(
        data,
        {"chain": np.array(numbers), "unconstrained": list(labels)},
        {"format": _FORMAT, "learned": json.dumps({**described, "chains": said})},
    )


def from_dataset(data: xr.Dataset) -> tuple[dict[str, tuple[int, ...]], dict[str, Any], list[LearnedChain]]:
    """The arguments of `Learned`; a ValueError where the dataset is not one of `to_dataset`."""
    try:
        if data.attrs["format"] != _FORMAT:
            raise ValueError(f"it has format {data.attrs['format']}, and this version reads {_FORMAT}")
        described = json.loads(data.attrs["learned"])
        variables = {name: tuple(shape) for name, shape in described["variables"].items()}
        numbers = data["chain"].values.tolist()
        chains = [_chain(data.sel(chain=number), described["chains"][str(number)]) for number in numbers]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"learned: the group is not one of this package: {error}") from error
    return variables, described["options"], chains


def _arrays(chain: LearnedChain) -> dict[str, np.ndarray]:
    plain = {name: getattr(chain, name) for name in ("position", "mean", "weights", "kinetic", "density")}
    own = {name: array for name, array in plain.items() if array is not None}
    return own | {_METRIC + name: array for name, array in chain.metric._asdict().items()}


def _stacked(arrays: Sequence[np.ndarray | None]) -> np.ndarray:
    ndim = max(array.ndim for array in arrays if array is not None)
    shapes = [array.shape for array in arrays if array is not None and array.ndim == ndim]
    stacked = np.full((len(arrays), *np.max(shapes, axis=0, initial=0)), np.nan)
    for row, array in zip(stacked, arrays, strict=True):
        if array is not None:
            row[tuple(slice(size) for size in array.shape)] = array
    return stacked


def _chain(data: xr.Dataset, said: Mapping[str, Any]) -> LearnedChain:
    arrays = {}
    for name, shape in said["shapes"].items():
        if 0 in shape:
            arrays[name] = np.zeros(shape)
        else:
            values = data[name].values
            arrays[name] = np.array(values[tuple(slice(size) for size in shape)], dtype=float)
            if arrays[name].shape != tuple(shape):
                raise ValueError(f"{name} has shape {values.shape}, and must have {tuple(shape)}")
    metric = {name.removeprefix(_METRIC): array for name, array in arrays.items() if name.startswith(_METRIC)}
    return LearnedChain(
        position=arrays["position"],
        metric=map_of(metric),
        mean=arrays.get("mean"),
        step_size=float(data["step_size"]),
        kinetic=arrays["kinetic"],
        weights=arrays.get("weights"),
        choice=said["choice"],
        state=said["state"],
        density=arrays.get("density"),
    )
