"""Draws in arrays, as PyMC reads them."""

import numpy as np

from pymc_symplectic.run.multitrace import MultiTraceView


def test_draws_are_cut_as_pymc_cuts_it():
    values, stats = {"x": np.arange(10).reshape(2, 5)}, {"energy": np.arange(10.0).reshape(2, 5)}
    draws = MultiTraceView(values, stats, 2, 1.0)
    assert (draws.nchains, len(draws), draws.varnames, draws.stat_names) == (2, 5, ["x"], ["energy"])
    tail = draws[2:]
    assert len(tail) == 3 and tail["x"].tolist() == [[2, 3, 4], [7, 8, 9]]
    assert draws.report.n_draws == 3 and draws.report.n_tune == 2
