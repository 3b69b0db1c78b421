"""Executors that are shut down, lose workers, or cannot be sent the model."""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pymc as pm
import pytest
from pymc.exceptions import SamplingError

import pymc_symplectic as ps
from pymc_symplectic.store import Store

from . import assert_same_draws, run


def test_shut_down(rich_model):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(
        RuntimeError, match=r"executor: .* takes no tasks \(cannot schedule new futures after shutdown\)"
    ):
        run(rich_model, executor=executor)


class Cancelling(ThreadPoolExecutor):
    """It cancels the tasks of all chains but the first."""

    begun = False

    def submit(self, *task):
        if not self.begun:
            self.begun = True
            return super().submit(*task)
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_tasks_that_are_cancelled_cost_their_chains(rich_model):
    words = "Chain 1 failed after 0 draws, and is left out: the executor has cancelled its task"
    with Cancelling(1) as executor, pytest.warns(UserWarning, match=words):
        idata = run(rich_model, chains=2, executor=executor)
    assert idata["posterior"]["chain"].values.tolist() == [0]


@pytest.mark.parametrize("executor", [4, "processes", ProcessPoolExecutor], ids=["4", "text", "class"])
def test_not_an_executor(executor, rich_model):
    with pytest.raises(TypeError, match=r"executor must be a concurrent\.futures\.Executor"):
        run(rich_model, executor=executor)


def test_dask_client_is_distinguished_from_its_executor(rich_model, dask_cluster):
    with pytest.raises(TypeError, match="get_executor"):
        run(rich_model, executor=dask_cluster)


def test_what_cannot_be_pickled_is_named(python_model, threads):
    lock = threading.Lock()

    def trouble(x):
        with lock:
            pass

    with pytest.raises(
        TypeError, match=r"PythonNormal.* in .*cannot be pickled.*lock.*take that object out of the model"
    ):
        run(python_model(trouble), executor=threads)


def test_more_chains_than_workers(rich_model, threads):
    assert_same_draws(run(rich_model, chains=9, executor=threads), run(rich_model, chains=9))


def test_executor_stays_the_callers(rich_model, threads):
    run(rich_model, executor=threads)
    assert threads.submit(int, 3).result() == 3


def test_numbers_of_threads_are_restored(rich_model, threads):
    import threadpoolctl

    run(rich_model, cores=2)  # loads all libraries
    before = threadpoolctl.threadpool_info()
    run(rich_model, executor=threads)
    run(rich_model, cores=2)
    assert threadpoolctl.threadpool_info() == before


def test_pool_that_loses_a_worker(python_model, tmp_path):
    """A pool of processes breaks as a whole: what is stored stays, and the same call goes on."""
    path, loaded = tmp_path / "r", tmp_path / "loaded"

    def stored():
        try:
            return all(Store.open(path).counts())
        except (FileNotFoundError, ps.StoreError):
            return False

    def trouble(x):
        """While `loaded` is there: so slow that no chain can end, and deadly once all have stored something."""
        if loaded.exists():
            time.sleep(0.003)
            if stored():
                loaded.unlink(missing_ok=True)
                os.kill(os.getpid(), signal.SIGKILL)

    model, arguments = python_model(trouble), {"draws": 4000, "chains": 2, "step_size": 0.5, "tune": 0}
    loaded.touch()
    with warnings.catch_warnings(), ProcessPoolExecutor(2) as executor:
        warnings.simplefilter("ignore")
        with pytest.raises(SamplingError, match=r"process pool|terminated abruptly"):
            run(model, executor=executor, store=path, **arguments)
    assert not loaded.exists()
    assert 0 < ps.open_run(path).posterior.sizes["draw"] < 4000
    assert_same_draws(run(model, store=path, **arguments), run(model, **arguments))


def test_dask_worker_that_is_killed_is_replaced(rich_model, starts, dask_cluster, tmp_path):
    arguments = {"draws": 25_000, "chains": 2, "initvals": starts[:2], "var_names": ["slope"]}
    path = tmp_path / "r"

    pids = dask_cluster.run(os.getpid)

    def kill():
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                if any(Store.open(path).counts()):
                    break
            except (FileNotFoundError, ps.StoreError):
                pass
            time.sleep(0.01)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    stored = run(rich_model, executor=dask_cluster.get_executor(), store=path, **arguments)
    killer.join()
    assert_same_draws(stored, run(rich_model, cores=2, **arguments))


def test_failure_of_one_task_is_reported_and_the_others_are_returned(python_model, threads):
    def trouble(x):
        if 40 < x[0] < 49:  # on the way down from where chain 1 begins
            raise OSError("the disk of the data is gone")

    starts = [{"x": np.zeros(2)}, {"x": np.array([50.0, 0.0])}, {"x": np.ones(2)}]
    arguments = {"chains": 3, "initvals": starts, "step_size": 0.5, "tune": 0}
    with pytest.warns(UserWarning, match="Chain 1 failed.*disk of the data is gone"):
        idata = run(python_model(trouble), executor=threads, **arguments)
    assert idata.posterior["chain"].values.tolist() == [0, 2]


def test_model_of_any_data_may_be_sent(pool):
    with pm.Model(coords={"row": ["a", "b"]}) as model:
        x = pm.Data("x", np.array([1, 2]), dims="row")
        pm.CustomDist("z", 1.0, logp=lambda value, mu: -0.5 * (value - mu) ** 2, initval=0.3)
        pm.Deterministic("w", model["z"] * x, dims="row")
    assert_same_draws(run(model, executor=pool, chains=2), run(model, chains=2))
