"""What a run has learned as one file of arrays and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import read_state, write_state
from ..kernels.linear import map_of
from .chain import LearnedChain

__all__ = ["read", "write"]

_KIND, _FORMAT = "learned by pymc_symplectic", 1
_PARTS = ("position", "mean", "step_size", "kinetic", "weights", "choice", "state", "density")


def write(file: Path, variables: Mapping[str, Any], options: Mapping[str, Any], chains: Sequence[LearnedChain]) -> None:
    """Write it as a whole, or not at all."""
    parts = [{"metric": chain.metric._asdict(), **{name: getattr(chain, name) for name in _PARTS}} for chain in chains]
    write_state(
        file,
        {"kind": _KIND, "format": _FORMAT, "variables": dict(variables), "options": dict(options), "chains": parts},
    )


def read(file: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, Any], list[LearnedChain]]:
    """The arguments of `Learned`; a ValueError where they are not what was written."""
    try:
        found = read_state(file)
        if found["kind"] != _KIND or found["format"] != _FORMAT:
            raise ValueError(f"it is {found['kind']}, of format {found['format']}")
        variables = {name: tuple(shape) for name, shape in found["variables"].items()}
        chains = [
            LearnedChain(metric=map_of(part["metric"]), **{name: part[name] for name in _PARTS if name in part})
            for part in found["chains"]
        ]
    except OSError:
        raise
    except Exception as error:  # of bytes that make no sense anything may come
        raise ValueError(f"learned: {file} is not what Learned.save has written: {error}") from error
    return variables, found["options"], chains
