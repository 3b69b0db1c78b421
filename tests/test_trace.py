"""Draws in memory, and which of them are kept."""

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.statistics import COLUMNS, DTYPES, table
from pymc_symplectic.target import LogDensity
from pymc_symplectic.trace import Memory, Trace, Variables, longest


@pytest.fixture(scope="module")
def variables():
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        s = pm.HalfNormal("s")
        pm.Deterministic("product", s * x)
        pm.Deterministic("sign", x.sum() > 0)
    return Variables(LogDensity(model=model))


@pytest.mark.parametrize(
    ("counts", "tune", "expected"),
    [
        ([30, 30, 30], 10, ([0, 1, 2], 30)),
        ([1500, 1400, 1010], 1000, ([0, 1], 1400)),
        ([1010, 1500, 1400], 1000, ([1, 2], 1400)),
        ([20, 30], 1000, ([0, 1], 20)),
        ([20, 0, 30], 1000, ([0, 2], 20)),
        ([0, 0, 0], 5, ([0, 1, 2], 0)),
        ([5], 5, ([0], 5)),
        ([5, 6], 5, ([1], 6)),
        ([100, 4, 4], 0, ([0], 100)),
        ([10, 5], 0, ([0, 1], 5)),  # as many draws of more chains are better
        ([0, 7], 0, ([1], 7)),
    ],
)
def test_longest_keeps_most_draws(counts, tune, expected):
    assert longest(counts, tune) == expected


def test_longest_is_best_of_all_choices():
    import itertools

    rng = np.random.default_rng(1)
    for _ in range(200):
        tune = int(rng.integers(0, 6))
        counts = rng.integers(0, 12, rng.integers(1, 6)).tolist()
        chains, length = longest(counts, tune)
        assert chains == sorted(set(chains)) and all(counts[chain] >= length for chain in chains)
        warm = not any(count > tune for count in counts)
        value = len(chains) * (length if warm else length - tune)
        for size in range(1, len(counts) + 1):
            for some in itertools.combinations(counts, size):
                assert size * (min(some) - (0 if warm else tune)) <= value


def rows(n, start=0, diverging=()):
    made = np.zeros((n, column.N_COLUMNS))
    made[:, column.ENERGY] = np.arange(start, start + n)
    made[[i for i in range(n) if start + i in diverging], column.DIVERGING] = 1
    return made


def positions(n, start=0):
    return np.arange(start, start + n)[:, None] * np.array([1.0, -2.0, 0.01])


@pytest.mark.parametrize("keep", [False, True])
def test_memory_has_what_was_written_in_blocks_of_any_length(keep, variables):
    memory = Memory(variables, 2, 4, 6, keep)
    for chain, blocks in ((0, [4, 6]), (1, [1, 2, 1, 3, 1, 2])):
        at = 0
        for n in blocks:
            memory.write(chain, positions(n, at), rows(n, at, diverging={1, 5, 8}))
            at += n
    assert memory.counts == [10, 10]
    trace = memory.trace([0, 1], 10, 1.5)
    skipped = 0 if keep else 4
    assert len(trace) == 10 - skipped
    at = np.arange(skipped, 10)
    for chain in (0, 1):
        np.testing.assert_array_equal(trace.get_sampler_stats("energy")[chain], at)
        np.testing.assert_array_equal(trace["x"][chain], positions(10)[at, :2])
        np.testing.assert_allclose(trace["s"][chain], np.exp(0.01 * at))
        np.testing.assert_array_equal(trace["product"][chain], trace["s"][chain][:, None] * trace["x"][chain])
        np.testing.assert_array_equal(
            trace.get_sampler_stats("divergences")[chain], np.array([0] * 5 + [1] * 3 + [2] * 2)[at]
        )
    assert trace["sign"].dtype == bool
    assert trace.report.n_tune == 4 and trace.report.n_draws == 6 and trace.report.t_sampling == 1.5


@pytest.mark.parametrize("keep", [False, True])
def test_memory_of_a_run_cut_in_warmup(keep, variables):
    memory = Memory(variables, 3, 8, 5, keep)
    for chain, n in ((0, 3), (2, 5)):
        memory.write(chain, positions(n - 1), rows(n - 1))
        memory.write(chain, positions(1, n - 1), rows(1, n - 1))
    chains, length = longest(memory.counts, 8)
    trace = memory.trace(chains, length, 0.0)
    assert (chains, length, len(trace)) == ([0, 2], 3, 3)
    np.testing.assert_array_equal(trace["x"], np.stack([positions(3)[:, :2]] * 2))
    assert trace.report.n_tune == 3 and trace.report.n_draws == 0


def test_memory_of_a_run_cut_in_sampling(variables):
    memory = Memory(variables, 3, 2, 5, False)
    for chain, n in ((0, 2), (1, 6), (2, 5)):
        memory.write(chain, positions(2), rows(2))
        if n > 2:
            memory.write(chain, positions(n - 2, 2), rows(n - 2, 2))
    trace = memory.trace(*longest(memory.counts, 2), 0.0)
    np.testing.assert_array_equal(trace["x"], np.stack([positions(3, 2)[:, :2]] * 2))


def test_variables_by_name(variables):
    target = variables._target
    assert set(Variables(target, ["product", "s"]).layout) == {"product", "s"}
    assert set(Variables(target, "s").layout) == {"s"}
    with pytest.raises(ValueError, match=r"var_names: the model has no variable 'a', 'b'; it has x, s, product, sign"):
        Variables(target, ["a", "s", "b"])


def test_variables_keep_shapes_and_dtypes(variables):
    assert {name: (shape, dtype.kind) for name, (shape, dtype) in variables.layout.items()} == {
        "x": ((2,), "f"),
        "s_log__": ((), "f"),
        "s": ((), "f"),
        "product": ((2,), "f"),
        "sign": ((), "b"),
    }
    made = variables.new(3, 4)
    assert made["x"].shape == (3, 4, 2) and made["sign"].dtype == bool
    at = variables.at(np.array([1.0, 2.0, 0.0]))
    assert at["s"] == 1.0 and at["sign"] and at["product"].tolist() == [1.0, 2.0]


def test_variables_may_be_computed_on_many_threads(variables):
    from concurrent.futures import ThreadPoolExecutor

    def fill(seed):
        draws = np.random.default_rng(seed).normal(size=(300, 3))
        made = variables.new(300)
        variables.fill(made, draws)
        np.testing.assert_array_equal(made["x"], draws[:, :2])
        return made["product"]

    with ThreadPoolExecutor(4) as executor:
        np.testing.assert_array_equal(list(executor.map(fill, range(12))), list(map(fill, range(12))))


def test_trace_is_cut_as_pymc_cuts_it():
    values, stats = {"x": np.arange(10).reshape(2, 5)}, {"energy": np.arange(10.0).reshape(2, 5)}
    trace = Trace(values, stats, 2, 1.0)
    assert (trace.nchains, len(trace), trace.varnames, trace.stat_names) == (2, 5, ["x"], ["energy"])
    tail = trace[2:]
    assert len(tail) == 3 and tail["x"].tolist() == [[2, 3, 4], [7, 8, 9]]
    assert trace.report.n_draws == 3 and trace.report.n_tune == 2


def test_table_counts_divergences_from_the_end_of_warmup():
    assert table(rows(4, diverging={0, 2}), True, 0)["divergences"].tolist() == [0, 0, 0, 0]
    assert table(rows(4, diverging={0, 2}), False, 3)["divergences"].tolist() == [4, 4, 5, 5]
    made = table(rows(2), False, 0)
    assert set(made) == set(DTYPES) == {*COLUMNS, "divergences"}
    assert all(made[name].dtype == np.dtype(dtype) for name, dtype in DTYPES.items())
