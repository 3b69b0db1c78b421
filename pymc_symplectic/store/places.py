"""Paths and names that a store can have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .errors import StoreError

__all__ = ["check_names", "local_path"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+:/")  # of a path the second slash is gone; one letter is a drive
_LONGEST = 200  # bytes of a name, as most file systems take 255, and files are written under a longer one first


def local_path(path: str | os.PathLike[str]) -> Path:
    """A path of this file system, as a user gives it.

    Raises
    ------
    TypeError
        When it is no path.
    StoreError
        When it is a URL, or empty, or the file system does not take it.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(text := os.fspath(path), str):
        raise TypeError(f"store must be the path of a directory, got {path!r}")
    if _URL.match(text):
        raise StoreError(
            f"store: {text!r} is a URL, and only local paths work; give one, and copy the directory when the run is "
            "finished"
        )
    if not text or "\0" in text:
        raise StoreError(f"store: {text!r} is no path; give the name of a directory, such as 'run.zarr'")
    try:
        Path(path).absolute().exists()
    except OSError as error:
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        raise StoreError(f"store: {shown!r} cannot be a path here ({error.strerror}); give another name") from error
    return Path(path)


def check_names(kind: str, names: Iterable[str]) -> None:
    """Raise a StoreError unless each of these can be the name of a directory, on any system."""
    for name in names:
        if not name or name in (".", "..", "zarr.json"):
            why = "which zarr keeps for itself"
        elif bad := [mark for mark in ("/", "\\", "\0") if mark in name]:
            why = f"which has {bad[0]!r} in it"
        elif not _encodable(name):
            why = "which cannot be written in UTF-8"
        elif len(name.encode()) > _LONGEST:
            why = f"which has {len(name.encode())} bytes, and there is room for {_LONGEST}"
        else:
            continue
        raise StoreError(
            f"store: the {kind} {name!r} cannot be stored under its name, {why}; give it another name, or leave store= "
            "out"
        )


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
