"""The statistics of a draw, by PyMC's names and dtypes, so that every tool that reads those of NUTS reads ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from .kernels import statistics as column

__all__ = ["COLUMNS", "DTYPES", "RENAMED", "table"]

COLUMNS: Mapping[str, tuple[int, Any]] = MappingProxyType(
    {
        "energy": (column.ENERGY, np.float64),
        "energy_error": (column.ENERGY_ERROR, np.float64),
        "max_energy_error": (column.MAX_ENERGY_ERROR, np.float64),
        "model_logp": (column.MODEL_LOGP, np.float64),
        "mean_tree_accept": (column.MEAN_TREE_ACCEPT, np.float64),
        "step_size": (column.STEP_SIZE, np.float64),
        "step_size_bar": (column.STEP_SIZE_BAR, np.float64),
        "tree_size": (column.TREE_SIZE, np.float64),
        "n_gradients": (column.N_GRADIENTS, int),
        "n_values": (column.N_VALUES, int),
        "diverging": (column.DIVERGING, bool),
        "depth": (column.DEPTH, np.int64),
        "reached_max_treedepth": (column.REACHED_MAX_TREEDEPTH, bool),
        "index_in_trajectory": (column.INDEX_IN_TRAJECTORY, np.int64),
        "solver_failures": (column.SOLVER_FAILURES, int),
        "velocity_norm": (column.VELOCITY_NORM, np.float64),
        "speed_limit": (column.SPEED_LIMIT, np.float64),
        "kinetic_gain": (column.KINETIC_GAIN, np.float64),
    }
)
"""Of each statistic, its column in what kernels report, and its dtype.

The same name needs the same dtype object in every step of a compound, so these are the ones that PyMC's steps declare.
"""

DTYPES: Mapping[str, Any] = MappingProxyType(
    {**{name: dtype for name, (_, dtype) in COLUMNS.items()}, "divergences": int}
)
"""Of each statistic that is stored."""

RENAMED: Mapping[str, str] = MappingProxyType(
    {"model_logp": "lp", "mean_tree_accept": "acceptance_rate", "depth": "tree_depth", "tree_size": "n_steps"}
)
"""Statistics that `pymc.to_inference_data` gives another name."""


def table(rows: np.ndarray, tuning: bool, divergences: int) -> dict[str, np.ndarray]:
    """Statistics of successive draws, each of shape (n,).

    Parameters
    ----------
    rows : ndarray of shape (n, N_COLUMNS)
        What kernels report.
    tuning : bool
        Whether these draws are of warm-up, whose divergences are not counted.
    divergences : int
        How many there were before, since the end of warm-up.
    """
    stats = {name: rows[:, place].astype(dtype) for name, (place, dtype) in COLUMNS.items()}
    count = np.zeros(len(rows), int) if tuning else np.cumsum(stats["diverging"], dtype=int)
    return {**stats, "divergences": divergences + count}
