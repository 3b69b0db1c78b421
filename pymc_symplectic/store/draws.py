"""The groups of a store: read as a DataTree, and checked block by block for damage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .checksums import checksum
from .errors import Damage, StoreError, some
from .layout import chunk_file, static_files, zarr_module
from .validation import SAMPLED, check_array, sampled_groups

__all__ = ["Draws"]

_METADATA = "zarr.json"
_NUMBERED = ("chain", "draw")


class Draws:
    """The groups of a store, for reading.

    Metadata stand in each group and once more at the root, so that either may be damaged.

    Parameters
    ----------
    path : Path
    description : dict
        Content of ``run.json``.
    faults : dict, optional
        Files besides those of draws and states that are not as they were written, and what is wrong with each; by
        default all of them are read, to find out.

    Raises
    ------
    StoreError
        When metadata are damaged in both places.
    """

    def __init__(self, path: Path, description: Mapping[str, Any], faults: Mapping[str, str] | None = None) -> None:
        self.path, self._description = path, description
        self.faults = static_files(path, description) if faults is None else faults
        self._arrays: dict[str, Any] = {}
        self._root: Any = None
        self._consolidated = _METADATA not in self.faults
        bad = [f"{path / file} ({why})" for file, why in self.faults.items() if file.endswith(_METADATA)]
        if not self._consolidated and len(bad) > 1:
            raise StoreError(f"store: {path} is damaged: {some(bad)}")

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, so many with those of warm-up, of some chains; read when they are looked at.

        Coordinates and data of damaged files are left out.
        """
        description, parts = self._description, {}
        for name in self._groups():
            data = self._open(name)
            if name in SAMPLED:
                kept = min(length, description["tune"]) if SAMPLED[name] else length - description["tune"]
                if kept <= 0:
                    continue
                data = data.isel(chain=list(chains)) if list(chains) != list(range(description["chains"])) else data
                data = data.isel(draw=slice(0, kept))
                data = data.assign_coords(chain=np.asarray(chains), draw=np.arange(kept))
                data.attrs |= {"sampling_time": description.get("seconds", 0.0), "tuning_steps": description["tune"]}
            parts[f"/{name}"] = data
        return xr.DataTree.from_dict(parts)

    def _groups(self) -> list[str]:
        names = self._description.get("groups")  # which the first format does not have
        return names or sorted(file.parent.name for file in self.path.glob(f"*/{_METADATA}"))

    def _open(self, group: str) -> xr.Dataset:
        lost = [file.split("/")[1] for file in self.faults if file.startswith(f"{group}/") and "/c/" in file]
        numbered = _NUMBERED if group in SAMPLED else ()
        try:
            return xr.open_dataset(
                self.path,
                group=group,
                engine="zarr",
                chunks=None,
                consolidated=self._consolidated,
                drop_variables=[*lost, *numbered],
            )
        except Exception as error:  # what metadata that make no sense come to is anybody's guess
            raise StoreError(f"store: {self.path / group} cannot be read ({type(error).__name__}: {error})") from error

    def lost(self) -> list[str]:
        """Damaged files, and what is left out for it, in words."""
        return [
            f"{file}: {why}"
            + (
                ""
                if file.endswith(_METADATA) or file.split("/")[1] in _NUMBERED
                else f", so {file.split('/')[1]} is left out"
            )
            for file, why in self.faults.items()
        ]

    def blocks(self, states: Mapping[int, Mapping[str, Any]]) -> Iterator[tuple[Damage, Any]]:
        """All blocks that hold draws of the chains with these states, and the arrays that they are of."""
        description = self._description
        for group in sampled_groups(description):
            length = description["tune"] if SAMPLED[group] else description["draws"]
            for name in description["arrays"][group]:
                array = self._array(group, name, length)
                if not array.size:
                    continue
                for chain, state in states.items():
                    count = state.get("count", 0)
                    kept = min(count, description["tune"]) if SAMPLED[group] else count - description["tune"]
                    for first in range(0, kept, array.chunks[1]):
                        yield Damage(group, name, chain, first, min(first + array.chunks[1], kept)), array

    def _array(self, group: str, name: str, length: int) -> Any:
        path = f"{group}/{name}"
        if path in self._arrays:
            return self._arrays[path]
        file = self.path / (_METADATA if self._consolidated else f"{path}/{_METADATA}")
        try:
            if not self._consolidated:
                array = zarr_module().open_array(self.path / path, mode="r")
            else:
                self._root = self._root or zarr_module().open_group(self.path, mode="r", use_consolidated=True)
                array = self._root[path]
            if self._description["format"] != 1:
                check_array(array, self._description, group, name, length)
        except Exception as error:  # what metadata that make no sense come to is anybody's guess
            raise StoreError(f"store: {file} is damaged, of {path}: {error}") from error
        self._arrays[path] = array
        return array

    def damage(self, states: Mapping[int, Mapping[str, Any]]) -> list[Damage]:
        """Blocks that cannot be read, or are not what was written; all of them are read, to find out."""
        bad = []
        for block, array in self.blocks(states):
            path, place = f"{block.group}/{block.variable}", block.first // array.chunks[1]
            try:
                if not chunk_file(self.path, path, block.chain, place, array.ndim).exists():
                    raise FileNotFoundError(path)  # which zarr would take for zeros
                found = np.asarray(array[block.chain, block.first : block.end])
                sealed = self._description["format"] != 1
                if sealed and checksum(found) != states[block.chain]["checksums"][path][place]:
                    raise ValueError("its draws do not match their checksum")
            except Exception:  # what a codec raises of bytes that make no sense is anybody's guess
                bad.append(block)
        return bad

    def values(self, state: Mapping[str, Any], chain: int) -> dict[str, np.ndarray]:
        """The variables at the last draw of a chain, where it is stored."""
        last, tune = state.get("count", 0) - 1, self._description["tune"]
        group = "posterior" if last >= tune else "warmup_posterior"
        if last < 0 or group not in sampled_groups(self._description):
            return {}
        length = tune if SAMPLED[group] else self._description["draws"]
        place = last if SAMPLED[group] else last - tune
        return {
            name: np.asarray(self._array(group, name, length)[chain, place])
            for name in self._description["arrays"][group]
        }
