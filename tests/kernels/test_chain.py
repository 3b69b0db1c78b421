"""`advance`: compiled code against the same code in plain Python, blocks, threads, statuses, statistics."""

import threading
import time

import numpy as np
import pytest
from laws.systems import DIM, INTEGRATORS, KINETIC, METRICS, POPULATIONS
from numba.core.runtime import _nrt_python, rtsys

from pymc_symplectic import trajectories
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.address import LOGP, AddressedFunction
from pymc_symplectic.kernels.chain import evaluate_start
from pymc_symplectic.kernels.status import Status
from pymc_symplectic.trajectories import FixedSteps, NoUTurn

from .runs import Run

OK, FAILED, BROKEN = (int(status) for status in Status)

TRAJECTORIES = [*trajectories.CATALOGUE, NoUTurn(refine=3, refine_above=0.05)]

# Everything there is, one thing exchanged at a time.
PARTS = [{"flow": name} for name in (*INTEGRATORS, "harmonic_leapfrog")]
PARTS += [{"metric": name} for name in METRICS]
PARTS += [{"kinetic": name} for name in KINETIC]
PARTS += [{"trajectory": chosen} for chosen in TRAJECTORIES]

every_part = pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "".join(map(str, parts.values())))
every_trajectory = pytest.mark.parametrize("trajectory", TRAJECTORIES, ids=str)


def assert_same(a, b, **tolerance):
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(left, right, **tolerance)


# Compiled code and Python.


@every_part
def test_compiled_code_does_what_python_does(parts):
    # a few draws, and fewer remembered: what processors round differently grows about tenfold from one to the next
    options = {"memory": 4, "learns": True, "tunes": True} | parts
    compiled, python = Run(**options), Run(**options, python=True)
    a, b = compiled.advance(6), python.advance(6)
    assert a.outcome == b.outcome == (6, OK)
    np.testing.assert_allclose(a.draws, b.draws, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(a.rows, b.rows, rtol=1e-10, atol=1e-10)
    assert_same(compiled.learning, python.learning, rtol=1e-10, atol=1e-10)
    assert compiled.rng.bit_generator.state == python.rng.bit_generator.state
    assert len(np.unique(a.draws[:, 0])) > 2


# Blocks and threads.


@every_trajectory
def test_blocks_are_one_run(trajectory):
    options = {"trajectory": trajectory, "memory": 30, "learns": True, "tunes": True}
    whole, parts = Run(**options), Run(**options)
    blocks = [parts.advance(count) for count in (1, 0, 10, 19)]
    at_once = whole.advance(30)
    np.testing.assert_array_equal(np.concatenate([block.draws for block in blocks]), at_once.draws)
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), at_once.rows)
    assert_same(whole.learning, parts.learning, rtol=0, atol=0)


@every_trajectory
def test_threads_do_not_disturb_each_other(trajectory):
    seeds = range(4)
    expected = [Run(trajectory=trajectory, seed=seed).advance(2000) for seed in seeds]
    made = {}
    threads = [
        threading.Thread(target=lambda s=seed: made.update({s: Run(trajectory=trajectory, seed=s).advance(2000)}))
        for seed in seeds
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in seeds:
        np.testing.assert_array_equal(made[seed].draws, expected[seed].draws)
        np.testing.assert_array_equal(made[seed].rows, expected[seed].rows)


def test_other_threads_run_meanwhile():
    run = Run(trajectory=FixedSteps(100))
    started = time.perf_counter()
    run.advance(1000)
    count = int(1000 * 0.5 / (time.perf_counter() - started))  # takes about half a second
    thread = threading.Thread(target=run.advance, args=(count,))
    woken = 0
    thread.start()
    while thread.is_alive():
        time.sleep(0.005)
        woken += 1
    assert woken > 10  # one, if the interpreter's lock were held


@every_trajectory
def test_nothing_is_allocated_for_a_draw(trajectory):
    run = Run(trajectory=trajectory, memory=100, learns=True, tunes=True)
    was_on = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    try:
        allocated = []
        for count in (1, 1, 1000):
            before = rtsys.get_allocation_stats()
            run.advance(count)
            after = rtsys.get_allocation_stats()
            allocated.append((after.alloc - before.alloc, after.mi_alloc - before.mi_alloc))
    finally:
        if not was_on:
            _nrt_python.memsys_disable_stats()
    assert allocated[1] == allocated[2]


# What a log-density may do.


def _breaks(data, position, gradient, value):
    """A standard normal that breaks when its budget of evaluations is spent."""
    value[0] = 0.0
    for j in range(position.size):
        gradient[j] = -position[j]
        value[0] -= 0.5 * position[j] ** 2
    data[0] -= 1
    return OK if data[0] >= 0 else BROKEN


BREAKS = AddressedFunction(_breaks, LOGP)


@every_trajectory
@pytest.mark.parametrize("flow", ["leapfrog", "pefrl"])
def test_a_broken_log_density_ends_the_block(flow, trajectory):
    options = {"flow": flow, "trajectory": trajectory, "logp": BREAKS}
    expected = Run(data=np.full(1, 10**6), **options).advance(20)
    spent = np.cumsum(expected.rows[:, column.N_GRADIENTS])
    for budget in (0, int(spent[7]), int(spent[12]) + 1):
        run = Run(data=np.array([budget + 1]), **options)  # one for the start
        result = run.advance(20)
        made = int((spent <= budget).sum())
        assert result.outcome == (made, BROKEN)
        np.testing.assert_array_equal(result.draws[:made], expected.draws[:made])


@every_trajectory
def test_a_chain_stays_at_its_last_draw_when_the_log_density_breaks(trajectory):
    for budget in range(10, 40, 3):
        run = Run(trajectory=trajectory, logp=BREAKS, data=np.array([budget]))
        result = run.advance(40)
        made, status = result.outcome
        assert status == BROKEN
        kept = result.draws[made - 1] if made else np.zeros(DIM)
        np.testing.assert_array_equal(run.state.current.position, kept)


def test_a_broken_log_density_is_noticed_at_the_start():
    assert Run(logp=BREAKS, data=np.zeros(1, np.int64)).start_status == BROKEN


@every_part
def test_every_gradient_is_counted(parts):
    budget = np.full(1, 10**6)
    run = Run(**parts, logp=BREAKS, data=budget)
    spent_at_start = 10**6 - budget[0]
    rows = run.advance(10).rows
    assert rows[:, column.N_GRADIENTS].sum() == 10**6 - budget[0] - spent_at_start


def _walled(data, position, gradient, value):
    """A standard normal that has no density beyond a wall, and says so in one way or another."""
    value[0] = 0.0
    for j in range(position.size):
        gradient[j] = -position[j]
        value[0] -= 0.5 * position[j] ** 2
    if position[0] <= 0.7:
        return OK
    if data[0] == 0:
        value[0] = -np.inf
    elif data[0] == 1:
        value[0] = np.nan
    elif data[0] == 2:
        value[0] = np.inf
    elif data[0] == 3:
        gradient[0] = np.nan
    else:
        return FAILED
    return OK


WALLED = AddressedFunction(_walled, LOGP)
WAYS = {"minus infinity": 0, "nan": 1, "infinity": 2, "nan gradient": 3, "failed": 4}


@every_trajectory
@pytest.mark.parametrize("flow", ["leapfrog", "pefrl"])
def test_every_way_to_have_no_density_is_one(flow, trajectory):
    # A scheme that ends with a drift does not look at the gradient where it ends.
    ways = [number for way, number in WAYS.items() if flow == "leapfrog" or way != "nan gradient"]
    runs = [Run(flow=flow, trajectory=trajectory, logp=WALLED, data=np.array([way])) for way in ways]
    results = [run.advance(500) for run in runs]
    for result in results:
        assert result.outcome == (500, OK)
        np.testing.assert_array_equal(result.draws, results[0].draws)
    draws, rows = results[0].draws, results[0].rows
    assert draws[:, 0].max() <= 0.7
    assert 0 < rows[:, column.DIVERGING].sum() < 500
    described = [column.ENERGY, column.ENERGY_ERROR, column.MODEL_LOGP, column.MEAN_TREE_ACCEPT]
    assert np.isfinite(rows[:, described]).all()


def test_a_start_without_density_has_none():
    run = Run(logp=WALLED, data=np.array([4]))
    run.state.current.position[0] = 1.0
    assert evaluate_start(run.system.target, run.state) == FAILED
    assert run.state.current.value[0] == -np.inf


# Statistics.


def test_columns_are_numbered_without_gaps():
    numbers = [value for name, value in vars(column).items() if name.isupper() and name != "N_COLUMNS"]
    assert sorted(numbers) == list(range(column.N_COLUMNS))


@every_part
def test_statistics_describe_the_stored_draw(parts):
    run = Run(**parts, eps=0.8)
    result = run.advance(50)
    gradient, value = np.empty(DIM), np.empty(1)
    for draw, row in zip(result.draws, result.rows, strict=True):
        POPULATIONS["gumbel"].logp.python(np.zeros(1, np.int64), draw, gradient, value)
        assert row[column.MODEL_LOGP] == pytest.approx(value[0], abs=1e-10)
        assert row[column.STEP_SIZE] == row[column.STEP_SIZE_BAR] == pytest.approx(0.8)
        assert 0 <= row[column.MEAN_TREE_ACCEPT] <= 1
    stayed = np.all(np.diff(result.draws, axis=0) == 0, axis=1)
    rows = result.rows[1:]
    assert (rows[stayed, column.ENERGY_ERROR] == 0).all()
    assert (rows[stayed, column.INDEX_IN_TRAJECTORY] == 0).all()
    assert (rows[~stayed, column.INDEX_IN_TRAJECTORY] != 0).all()
