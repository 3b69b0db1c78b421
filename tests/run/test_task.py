"""The data that are sent to a task of an executor, and those that come back."""

import pickle

import numpy as np

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.run.in_memory import MemorySink
from pymc_symplectic.run.task import Job, Setup, packed, run_chain, run_task
from pymc_symplectic.settings import Settings


def test_a_setup_is_sent_without_what_is_compiled(recorded):
    setup = Setup(recorded._target, Settings.choose(), ["x"], 3, 4)
    assert set(setup.variables.layout) == {"x"}
    sent = pickle.loads(packed(setup))
    assert "variables" not in vars(sent)
    assert (sent.settings, sent.var_names, sent.total) == (setup.settings, ["x"], 7)


def test_a_task_makes_the_draws_of_a_thread(recorded):
    setup = Setup(recorded._target, Settings.choose(), None, 12, 8)
    job = Job(0, {"rng": np.random.default_rng(1).bit_generator.state, "position": np.array([0.1, -0.2, 0.3])})
    here, elsewhere = (MemorySink(recorded, None, 1, 12, 8, True) for _ in range(2))
    seen = []
    run_chain(setup, job, here, seen.append, lambda: False)
    outcome = run_task(packed(setup), job, elsewhere.open_in_task())
    draws, rows = outcome.sent
    assert outcome.error is None and draws.shape == (20, 3)
    assert outcome.progress.count == seen[-1].count == outcome.snapshot["count"] == 20
    assert outcome.progress.divergences == rows[12:, column.DIVERGING].sum()
    elsewhere.receive(0, outcome.sent)
    one, other = (sink.multitrace([0], 20) for sink in (here, elsewhere))
    for name in one.varnames:
        np.testing.assert_array_equal(one[name], other[name])


def test_an_error_comes_back_by_its_message(recorded):
    setup = Setup(recorded._target, Settings.choose(), None, 0, 5)
    job = Job(0, {"rng": np.random.default_rng(1).bit_generator.state, "position": np.full(3, np.nan)})
    outcome = run_task(packed(setup), job, MemorySink(recorded, None, 1, 0, 5, True).open_in_task())
    assert "not finite at the start" in str(outcome.error)
    assert (outcome.sent, outcome.snapshot, outcome.progress.count) == (None, {}, 0)
