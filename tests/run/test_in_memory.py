"""Draws in memory: what was written, in whatever blocks, is what is read."""

import numpy as np
import pytest

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.recorded import longest
from pymc_symplectic.run.in_memory import MemorySink

from . import assert_same_draws, run


def rows(n, start=0, diverging=()):
    made = np.zeros((n, column.N_COLUMNS))
    made[:, column.ENERGY] = np.arange(start, start + n)
    made[[i for i in range(n) if start + i in diverging], column.DIVERGING] = 1
    return made


def positions(n, start=0):
    return np.arange(start, start + n)[:, None] * np.array([1.0, -2.0, 0.01])


@pytest.mark.parametrize("keep", [False, True])
def test_has_what_was_written_in_blocks_of_any_length(keep, recorded):
    sink = MemorySink(recorded, None, 2, 4, 6, keep)
    for chain, blocks in ((0, [4, 6]), (1, [1, 2, 1, 3, 1, 2])):
        at = 0
        for n in blocks:
            sink.write(chain, positions(n, at), rows(n, at, diverging={1, 5, 8}))
            at += n
    assert sink.counts() == [10, 10]
    sink.add_seconds(1.5)
    draws = sink.multitrace([0, 1], 10)
    skipped = 0 if keep else 4
    assert len(draws) == 10 - skipped
    at = np.arange(skipped, 10)
    for chain in (0, 1):
        np.testing.assert_array_equal(draws.get_sampler_stats("energy")[chain], at)
        np.testing.assert_array_equal(draws["x"][chain], positions(10)[at, :2])
        np.testing.assert_allclose(draws["s"][chain], np.exp(0.01 * at))
        np.testing.assert_array_equal(draws["product"][chain], draws["s"][chain][:, None] * draws["x"][chain])
        np.testing.assert_array_equal(
            draws.get_sampler_stats("divergences")[chain], np.array([0] * 5 + [1] * 3 + [2] * 2)[at]
        )
    assert draws["sign"].dtype == bool
    assert draws.report.n_tune == 4 and draws.report.n_draws == 6 and draws.report.t_sampling == 1.5


@pytest.mark.parametrize("keep", [False, True])
def test_of_a_run_cut_in_warmup(keep, recorded):
    sink = MemorySink(recorded, None, 3, 8, 5, keep)
    for chain, n in ((0, 3), (2, 5)):
        sink.write(chain, positions(n - 1), rows(n - 1))
        sink.write(chain, positions(1, n - 1), rows(1, n - 1))
    chains, length = longest(sink.counts(), 8)
    draws = sink.multitrace(chains, length)
    assert (chains, length, len(draws)) == ([0, 2], 3, 3)
    np.testing.assert_array_equal(draws["x"], np.stack([positions(3)[:, :2]] * 2))
    assert draws.report.n_tune == 3 and draws.report.n_draws == 0


def test_of_a_run_cut_in_sampling(recorded):
    sink = MemorySink(recorded, None, 3, 2, 5, False)
    for chain, n in ((0, 2), (1, 6), (2, 5)):
        sink.write(chain, positions(2), rows(2))
        if n > 2:
            sink.write(chain, positions(n - 2, 2), rows(n - 2, 2))
    draws = sink.multitrace(*longest(sink.counts(), 2))
    np.testing.assert_array_equal(draws["x"], np.stack([positions(3, 2)[:, :2]] * 2))


def test_draws_that_a_task_sends_back_are_those_of_a_thread(recorded):
    written, received = (MemorySink(recorded, None, 1, 4, 6, True) for _ in range(2))
    for first, end in ((0, 3), (3, 4), (4, 10)):
        written.write(0, positions(end - first, first), rows(end - first, first, diverging={2, 7}))
    received.receive(0, (positions(10), rows(10, diverging={2, 7})))
    one, other = (sink.multitrace([0], 10) for sink in (written, received))
    for name in one.varnames:
        np.testing.assert_array_equal(one[name], other[name])
    for name in one.stat_names:
        np.testing.assert_array_equal(one.get_sampler_stats(name), other.get_sampler_stats(name))


def test_no_room_for_the_draws(recorded, monkeypatch):
    monkeypatch.setattr(recorded, "new", lambda *_: np.empty(2**62))
    words = r"draws: there is no room in memory for 50 draws of 2 chains \(.*\); ask for fewer, .*\(store\)"
    with pytest.raises(MemoryError, match=words):
        MemorySink(recorded, None, 2, 10, 50, keep_warmup=False)


def test_no_room_for_more_draws_keeps_those_that_there_are(rich_model, monkeypatch):
    expected = run(rich_model, draws=100)
    reserve = MemorySink.reserve

    def limited(sink, draws):
        if draws > 100:
            raise MemoryError("too many")
        reserve(sink, draws)

    monkeypatch.setattr(MemorySink, "reserve", limited)
    with pytest.warns(UserWarning, match="There is no room for more draws: too many. The first 100 draws of each"):
        idata = run(rich_model, draws=400, callback=lambda _: None)
    assert_same_draws(idata, expected)
