"""The statistics of draws, by PyMC's names and dtypes."""

import numpy as np

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.statistics import COLUMNS, DTYPES, table


def rows(n, diverging=()):
    made = np.zeros((n, column.N_COLUMNS))
    made[list(diverging), column.DIVERGING] = 1
    return made


def test_table_counts_divergences_from_the_end_of_warmup():
    assert table(rows(4, diverging={0, 2}), True, 0)["divergences"].tolist() == [0, 0, 0, 0]
    assert table(rows(4, diverging={0, 2}), False, 3)["divergences"].tolist() == [4, 4, 5, 5]
    made = table(rows(2), False, 0)
    assert set(made) == set(DTYPES) == {*COLUMNS, "divergences"}
    assert all(made[name].dtype == np.dtype(dtype) for name, dtype in DTYPES.items())
