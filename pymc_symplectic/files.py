"""Files that are replaced as a whole, and that carry a digest of what is in them.

At any moment there is either the old one or the new one, and what was changed by anything else is noticed before any of
it is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["digest", "read_json", "read_state", "read_tree", "replace_file", "write_json", "write_state"]

_DIGEST = 64  # characters
_UNPARSABLE = (ValueError, TypeError, KeyError, RecursionError)  # what json raises, and looking into what it returns


def digest(content: bytes) -> str:
    """The SHA-256 of a content, 64 characters."""
    return hashlib.sha256(content).hexdigest()


def replace_file(file: Path, content: bytes) -> None:
    """Write a file under another name, and move it into place once it is on the disk."""
    scratch = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with scratch.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        scratch.replace(file)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a dictionary, and its digest."""
    replace_file(file, json.dumps({**content, "digest": _digest_of(content)}, indent=1).encode())


def read_json(file: Path, sealed: bool = True) -> dict[str, Any]:
    """Read a dictionary that `write_json` has written; without `sealed`, whatever dictionary there is.

    Raises
    ------
    ValueError
        When the content is not what was written.
    """
    try:
        content = json.loads(file.read_bytes())
        written = content.pop("digest", None)
    except (*_UNPARSABLE, AttributeError) as error:
        raise ValueError(str(error)) from error
    if sealed and written != _digest_of(content):
        raise ValueError("its content does not match its digest")
    return content


def _digest_of(content: Mapping[str, Any]) -> str:
    return digest(json.dumps(content, sort_keys=True).encode())


def write_state(file: Path, state: Mapping[str, Any]) -> None:
    """Write a nest of dictionaries and lists of arrays, numbers and strings, and the digest of the file.

    The digest is the comment of the archive, and of all that stands before it.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = _pack(state, arrays)
    arrays["json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()[:-2] + _DIGEST.to_bytes(2, "little")  # an archive ends in the length of its comment
    replace_file(file, content + digest(content).encode())


def read_state(file: Path, sealed: bool = True) -> dict[str, Any]:
    """Read a state that `write_state` has written; without `sealed`, whatever archive of its form there is.

    Raises
    ------
    ValueError
        When the content is not what was written.
    """
    content = file.read_bytes()
    if sealed and content[-_DIGEST:] != digest(content[:-_DIGEST]).encode():
        raise ValueError("its content does not match its digest")
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return _unpack(json.loads(found["json"].tobytes()), found)


def read_tree(file: Path) -> dict[str, Any]:
    """The numbers and strings of a state alone, as they are."""
    with np.load(file, allow_pickle=False) as found:
        return dict(json.loads(found["json"].tobytes()))


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
