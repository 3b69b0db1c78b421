"""The zarr hierarchy of a store: made without draws, and enlarged for more of them.

The length of the draw dimension stands in the metadata of each variable and, once more, in what zarr consolidates at
the root.  These files are written here, and not by zarr, so that what will be in each is known before any is replaced.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..files import digest
from .errors import StoreError
from .places import check_names
from .validation import SAMPLED, sampled_groups

__all__ = ["STATE_FOLDER", "chunk_file", "lay_out", "open_group", "resized", "static_files", "zarr_module"]

STATE_FOLDER = ".run"
_METADATA = "zarr.json"
_CHUNK_BYTES, _CHUNK_DRAWS = 2**20, 10_000
_INDEX = np.dtype("<i8")


def zarr_module() -> Any:
    """The module zarr, or an ImportError that says what to install."""
    try:
        import filelock  # noqa: F401
        import zarr
    except ImportError as error:
        raise ImportError(f"store= needs zarr and filelock: pip install 'pymc-symplectic[store]' ({error})") from error
    return zarr


def lay_out(path: Path, description: dict[str, Any], template: xr.DataTree, most: int) -> None:
    """Write all groups, those with draws empty, and add to `description` their names and the digests of their files.

    Blocks are long enough for the `most` draws of each chain that there may come to be.

    Raises
    ------
    StoreError
        When a name or a value cannot be stored; the message says which.
    """
    zarr_module().open_group(path, mode="a", zarr_format=3)
    kept = {
        name: group.to_dataset()
        for name, group in template.children.items()
        if name not in SAMPLED or name in sampled_groups(description)
    }
    description["groups"], description["arrays"] = list(kept), {}
    for name, data in kept.items():
        check_names("variable", map(str, data.data_vars))
        check_names("coordinate", map(str, {**data.coords, **data.sizes}))
        static = data
        if name in SAMPLED:
            length = description["tune"] if SAMPLED[name] else description["draws"]
            static = data.coords.to_dataset().drop_vars(["chain", "draw"], errors="ignore").assign_attrs(data.attrs)
            longest = length if SAMPLED[name] else max(length, most)
            description["arrays"][name] = {str(key): _block(values, longest) for key, values in data.data_vars.items()}
        _write(path, name, static)
        if name in SAMPLED:
            _write_arrays(path, description, name, length, data)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        warnings.filterwarnings("ignore", f"Object at {re.escape(STATE_FOLDER)} is not", UserWarning)
        zarr_module().consolidate_metadata(str(path), zarr_format=3)
    for file, content in resized(path, description, description["draws"]).items():
        (path / file).write_bytes(content)
    description["files"] = {file: digest((path / file).read_bytes()) for file in _found(path)}


def _write(path: Path, group: str, data: xr.Dataset) -> None:
    """Write coordinates and data, and see that they are read as they were written."""
    for name, values in data.variables.items():
        try:
            xr.Dataset({name: values}).to_zarr(_memory(), zarr_format=3, consolidated=False)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise StoreError(_unfit(group, name, values, str(error))) from error
    data.to_zarr(path, group=group, mode="a", zarr_format=3, consolidated=False)
    with xr.open_dataset(path, group=group, engine="zarr", consolidated=False) as found:
        for name, values in data.variables.items():
            if name not in found.variables or not _alike(values, found.variables[name]):
                raise StoreError(_unfit(group, name, values, "they would be read as others"))


def _memory() -> Any:
    return zarr_module().storage.MemoryStore()


def _alike(one: xr.Variable, other: xr.Variable) -> bool:
    """Whether two variables are equal: dates of any unit, but no text in place of another object."""
    if one.dims != other.dims or one.shape != other.shape:
        return False
    if one.dtype.kind == "O":
        return bool(
            all(isinstance(a, str) and str(b) == a for a, b in zip(one.values.flat, other.values.flat, strict=True))
        )
    texts = "UT"  # as numpy has had them, and as it has them now
    same_kind = one.dtype.kind == other.dtype.kind or {one.dtype.kind, other.dtype.kind} <= set(texts)
    return bool(same_kind and one.equals(other.astype(one.dtype) if one.dtype.kind in texts else other))


def _unfit(group: str, name: Any, values: xr.Variable, why: str) -> str:
    kinds = ", ".join(sorted({type(value).__name__ for value in values.values.flat}))
    what = "coordinate" if group in SAMPLED or name in values.dims else "variable"
    return (
        f"store: the values of the {what} {name!r} ({kinds}) cannot be stored: {why}; make all of them numbers, texts, "
        "or dates of numpy, or leave store= out"
    )


def _block(values: xr.DataArray, length: int) -> int:
    """How many draws of a variable go to a file."""
    size = values.dtype.itemsize * int(np.prod(values.shape[2:], dtype=int))
    return int(np.clip(_CHUNK_BYTES // max(size, 1), 1, min(_CHUNK_DRAWS, length)))


def _write_arrays(path: Path, description: Mapping[str, Any], name: str, length: int, data: xr.Dataset) -> None:
    """Make the variables of a group, without draws, and number its chains and draws."""
    zarr = zarr_module()
    group = zarr.open_group(path / name, mode="r+")
    for key, variable in data.data_vars.items():
        event = variable.shape[2:]
        group.create_array(
            str(key),
            shape=(description["chains"], length, *event),
            chunks=(1, description["arrays"][name][key], *(max(n, 1) for n in event)),
            dtype=variable.dtype,
            fill_value=np.nan if variable.dtype.kind == "f" else 0,
            compressors=[zarr.codecs.ZstdCodec(level=1, checksum=True)],
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=dict(variable.attrs),
        )
    for key, size in (("chain", description["chains"]), ("draw", length)):
        block = min(size, _CHUNK_DRAWS)
        group.create_array(key, shape=(size,), chunks=(block,), dtype=_INDEX, compressors=None, dimension_names=[key])
        for file, content in _numbers(f"{name}/{key}", block, size).items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_bytes(content)


def _numbers(array: str, block: int, size: int) -> dict[str, bytes]:
    """The files of an array that counts from 0; the last goes on to its end, so that none changes when it grows."""
    return {
        f"{array}/c/{place}": np.arange(place * block, (place + 1) * block).astype(_INDEX).tobytes()
        for place in range(-(-size // block))
    }


def resized(path: Path, description: Mapping[str, Any], draws: int) -> dict[str, bytes]:
    """The files that make room for so many draws of each chain, and their contents."""
    files: dict[str, bytes] = {}
    root = _read(path / _METADATA)
    members = root["consolidated_metadata"]["metadata"]
    for group in sampled_groups(description):
        if SAMPLED[group]:
            continue
        for name in ("draw", *description["arrays"][group]):
            array = f"{group}/{name}"
            metadata = _read(path / array / _METADATA)
            for found in (metadata, members[array]):
                found["shape"][0 if name == "draw" else 1] = draws
            if name == "draw":
                files |= _numbers(array, metadata["chunk_grid"]["configuration"]["chunk_shape"][0], draws)
            files[f"{array}/{_METADATA}"] = _text(metadata)
    return {**files, _METADATA: _text(root)}


def _read(file: Path) -> Any:
    return json.loads(file.read_bytes())


def _text(metadata: Any) -> bytes:
    return json.dumps(metadata, indent=2).encode()


def _found(path: Path) -> Iterator[str]:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if name.parts[0] != STATE_FOLDER and file.is_file():
            yield name.as_posix()


def static_files(path: Path, description: Mapping[str, Any]) -> dict[str, str]:
    """Files besides those of draws and states that are not as they were written, and what is wrong with each."""
    wrong: dict[str, str] = {}
    if description["format"] == 1:  # which has no digests
        return wrong
    later = description.get("extending", {"files": {}})["files"]
    for name, written in description["files"].items():
        try:
            found = digest((path / name).read_bytes())
        except OSError as error:
            wrong[name] = f"it cannot be read: {error.strerror or error}"
            continue
        if found not in (written, later.get(name)):
            wrong[name] = "its content does not match its digest"
    return wrong


def open_group(path: Path, group: str, mode: str = "r+") -> Any:
    """A group of a store, by zarr."""
    return zarr_module().open_group(path / group, mode=mode)


def chunk_file(path: Path, array: str, chain: int, block: int, ndim: int) -> Path:
    """The file with the draws of a block."""
    return path.joinpath(array, "c", str(chain), str(block), *["0"] * (ndim - 2))
