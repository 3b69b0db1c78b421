"""Checksums of the draws that are committed, block by block.

They are of the draws, and not of the files: the last file of a variable is written again at every commit, and a process
that is killed in between leaves one with more draws than the state of the chain counts.  So those draws are checked
that the state counts, whatever follows them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

__all__ = ["Checksums", "checksum"]


def checksum(values: np.ndarray, before: int = 0) -> int:
    """Of an array, given that of what came before it."""
    content = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return zlib.crc32(content.reshape(-1).view(np.uint8), before)


class Checksums:
    """Of all variables of one chain: for each of their blocks, that of the draws in it so far.

    Parameters
    ----------
    blocks : dict
        Draws in a block of each variable, by its path in the store.
    found : dict, optional
        Those of the draws that are committed already, as `table` has them.
    """

    def __init__(self, blocks: Mapping[str, int], found: Mapping[str, list[int]] | None = None) -> None:
        self._blocks = blocks
        self.table: dict[str, list[int]] = {path: list(sums) for path, sums in (found or {}).items()}

    def append(self, path: str, first: int, values: np.ndarray) -> None:
        """Take in the draws (n, ...) of a variable from number `first` on."""
        size, sums = self._blocks[path], self.table.setdefault(path, [])
        end = first + len(values)
        while first < end:
            block, stop = first // size, min(end, (first // size + 1) * size)
            if block == len(sums):
                sums.append(0)
            sums[block] = checksum(values[len(values) - (end - first) : len(values) - (end - stop)], sums[block])
            first = stop
