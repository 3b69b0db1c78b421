"""Kernels that are compiled before anybody waits for them."""

import subprocess
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic import precompile as ahead
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import chain as kernels
from pymc_symplectic.native.clock import compile_clock
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity


def test_a_chain_finds_what_was_compiled_without_a_model(monkeypatch):
    settings = Settings.choose(metric="diagonal")
    ahead.precompile(settings, 3)
    known = len(kernels.advance.signatures)

    def refuse(*_, **__):
        raise AssertionError("a kernel is compiled")

    with pm.Model() as model:
        pm.Normal("x", shape=3)
    target = LogDensity(model=model)
    monkeypatch.setattr("numba.core.dispatcher._FunctionCompiler.compile", refuse)
    chain = Chain(target, settings, np.random.default_rng(1), 300, True)
    chain.start(np.ones(3))
    chain.advance(400)
    assert len(kernels.advance.signatures) == known


def test_the_command_says_where_kernels_are(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(ahead, "precompile", lambda settings, dim: seen.append(dim))
    ahead.main([])
    assert len(seen) == 2 and ahead.cache_directory in capsys.readouterr().out
    ahead.main(["--small"])
    assert len(seen) == 3
    with pytest.raises(SystemExit):
        ahead.main(["--help"])
    assert "into the cache of this user" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and the commands of processes that would have been started."""
    started = []
    monkeypatch.setattr(ahead, "cache_directory", str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    return tmp_path, started


def test_a_first_start_is_told_and_begun_once(cache, caplog):
    folder, started = cache
    with caplog.at_level("INFO"):
        ahead.ahead_of_first_start()
        assert f"kept in {folder}" in caplog.text
        caplog.clear()
        ahead.ahead_of_first_start(quiet=True)
    assert not caplog.text and len(started) == 1
    assert started[0][1:] == ["-m", "pymc_symplectic.precompile", "--small"]


def test_later_starts_are_as_any(cache, caplog):
    folder, started = cache
    (folder / "kernels").mkdir()
    (folder / "kernels" / "chain.advance-1.py313.nbi").touch()
    with caplog.at_level("INFO"):
        ahead.ahead_of_first_start()
    assert not started and not caplog.text


def test_what_is_compiled_is_found_where_numba_has_put_it(monkeypatch, caplog):
    ahead.precompile(Settings.choose(metric="diagonal"), 3)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process is started"))
    with caplog.at_level("INFO"):
        ahead.ahead_of_first_start()
    assert not caplog.text


@pytest.mark.parametrize("why", ["one processor", "frozen", "no room", "no cache"])
def test_nothing_is_started_where_it_would_be_no_use(cache, monkeypatch, why):
    folder, started = cache
    if why == "one processor":
        monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    elif why == "frozen":
        monkeypatch.setattr("sys.frozen", True, raising=False)
    elif why == "no room":
        monkeypatch.setattr(ahead, "cache_directory", str(folder / "gone"))
    else:
        monkeypatch.setattr(ahead, "cache_directory", "")
    ahead.ahead_of_first_start()
    assert not started


def test_the_clock_counts_threads_once(monkeypatch):
    now = iter([1.0, 2.0, 5.0, 7.0, 11.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    before = compile_clock._seconds
    with compile_clock.running():  # from 1
        with compile_clock.running():
            pass
        assert compile_clock.seconds - before == 1.0  # at 2
    assert compile_clock.seconds - before == 4.0  # until 5


def test_no_compilation_is_time_of_sampling(monkeypatch):
    with pm.Model() as model:
        pm.Normal("x")
    few = {"draws": 10, "tune": 20, "chains": 1, "cores": 1, "random_seed": 1, "progressbar": False, "quiet": True}
    plain = ps.sample(model=model, compute_convergence_checks=False, **few)["posterior"].attrs["sampling_time"]
    start = Chain.start

    def slow(self, position):
        with compile_clock.running():
            import time

            time.sleep(1.0)
        start(self, position)

    monkeypatch.setattr(Chain, "start", slow)
    slowed = ps.sample(model=model, compute_convergence_checks=False, **few)["posterior"].attrs["sampling_time"]
    assert slowed < plain + 0.7


def test_the_cache_is_where_kernels_are():
    assert not ahead.cache_directory or Path(ahead.cache_directory).is_dir()
