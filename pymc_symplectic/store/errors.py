"""Errors of stores, and damage to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Damage", "StoreError", "some"]


class StoreError(RuntimeError):
    """A store that cannot be written, gone on with, or read."""


class Damage(NamedTuple):
    """A block of draws that cannot be read, or is not what was written."""

    group: str
    variable: str
    chain: int
    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.group}/{self.variable}, chain {self.chain}, draws {self.first} to {self.end - 1}"


def some(found: Sequence[Any]) -> str:
    """The first few of them, in words."""
    shown = "; ".join(map(str, found[:3]))
    return shown if len(found) <= 3 else f"{shown}; and {len(found) - 3} more"
