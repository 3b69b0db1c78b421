"""Files of arrays and JSON that are replaced as a whole: at any moment either the old one or the new one."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_state", "replace_file", "write_state"]


def replace_file(file: Path, content: bytes) -> None:
    """Write a file under another name, and move it into place."""
    scratch = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        scratch.write_bytes(content)
        scratch.replace(file)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def write_state(file: Path, state: Mapping[str, Any]) -> None:
    """Write a nest of dictionaries and lists of arrays, numbers and strings."""
    arrays: dict[str, np.ndarray] = {}
    tree = _pack(state, arrays)
    arrays["json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    replace_file(file, buffer.getvalue())


def read_state(file: Path, arrays: bool = True) -> dict[str, Any]:
    """What `write_state` has written; of arrays, only their keys unless they are wanted."""
    with np.load(file, allow_pickle=False) as found:
        tree = json.loads(found["json"].tobytes())
        return _unpack(tree, found) if arrays else tree


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON of a nest of dictionaries, in which arrays are replaced by their keys in `arrays`."""
    if isinstance(value, np.ndarray):
        key = f"array-{len(arrays)}"
        arrays[key] = value
        return {"@array": key}
    if isinstance(value, Mapping):
        return {key: _pack(entry, arrays) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(entry, arrays) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"@array"}:
            return arrays[value["@array"]]
        return {key: _unpack(entry, arrays) for key, entry in value.items()}
    return [_unpack(entry, arrays) for entry in value] if isinstance(value, list) else value
