"""The disk cache of kernels, and the choice of code by type."""

import os
import pickle
import stat
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest
from laws.systems import DIM
from numba.core.errors import TypingError

from pymc_symplectic.kernels import chain, compile, linear
from pymc_symplectic.kernels.address import ENERGY, AddressedFunction, energy_at
from pymc_symplectic.kernels.linear import DiagonalMap


@pytest.fixture
def sources(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "a.py").write_text("one")
    (folder / "b.py").write_text("two")
    return folder


def test_any_edit_of_any_source_starts_a_fresh_cache(sources):
    directories = [compile._make_cache_directory(sources)]
    (sources / "b.py").write_text("two, edited")
    directories.append(compile._make_cache_directory(sources))
    (sources / "b.py").rename(sources / "c.py")
    directories.append(compile._make_cache_directory(sources))
    (sources / "d.py").write_text("")
    directories.append(compile._make_cache_directory(sources))
    assert len(set(directories)) == 4


def test_the_same_sources_share_a_cache(sources):
    assert compile._make_cache_directory(sources) == compile._make_cache_directory(sources)


def test_few_old_caches_are_kept(sources):
    for i in range(10):
        (sources / "a.py").write_text(str(i))
        last = compile._make_cache_directory(sources)
    home = sources.parent / "cache" / "pymc_symplectic"
    assert len(list(home.iterdir())) == compile._KEPT_CACHES + 1
    assert last in map(str, home.iterdir())


@pytest.mark.skipif(not compile.cache_directory, reason="there is no place for a cache here")
def test_entry_points_are_cached_there():
    for entry in (chain.advance, chain.evaluate_start, chain.search_step_size):
        assert entry.stats.cache_path.startswith(compile.cache_directory)


# Where nothing can be kept, or not safely


def caches_in(base, monkeypatch, sources):
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    return compile._make_cache_directory(sources)


def test_the_cache_is_closed_to_others(sources, tmp_path, monkeypatch):
    directory = Path(caches_in(tmp_path / "not" / "yet", monkeypatch, sources))
    assert directory.parent == tmp_path / "not" / "yet" / "pymc_symplectic"
    for made in (directory, *directory.parents[:3]):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o722])
def test_no_cache_where_others_can_put_files(mode, sources, tmp_path, monkeypatch, caplog):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    assert caches_in(shared, monkeypatch, sources) == ""
    assert f"{shared} can be written by other users" in caplog.text
    assert "XDG_CACHE_HOME" in caplog.text
    assert not list(shared.iterdir())


def test_no_cache_beneath_a_file(sources, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    assert caches_in(tmp_path / "file" / "home", monkeypatch, sources) == ""
    assert "not kept on disk" in caplog.text


def test_no_cache_without_a_home(sources, monkeypatch, caplog):
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert compile._make_cache_directory(sources) == ""
    assert "home" in caplog.text


def test_no_cache_on_a_disk_that_takes_no_files(sources, monkeypatch, caplog):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compile.tempfile, "TemporaryFile", full)
    assert compile._make_cache_directory(sources) == ""
    assert "No space left" in caplog.text


def doubled(x):
    return 2.0 * x


@compile.kernel
def energy_of_one(address, momentum):
    return energy_at(address)(momentum, momentum)


def test_without_a_cache_everything_is_compiled_in_memory(monkeypatch):
    monkeypatch.setattr(compile, "cache_directory", "")
    names = {}
    exec("double = lambda x: 2.0 * x\nfirst = lambda params, momentum: 3.0 * momentum[0]", names)
    with pytest.raises(RuntimeError, match="no locator"):  # numba finds no place for these by itself
        numba.njit(names["double"], cache=True)
    entry = compile.kernel(names["double"])
    assert entry(2.0) == 4.0
    assert entry.stats.cache_path is None
    energy = AddressedFunction(names["first"], ENERGY, cached=True)
    assert energy_of_one(energy.address, np.ones(1)) == 3.0


class Harm:
    def __reduce__(self):
        return os.mkdir, (str(self.sign),)


def test_what_another_has_planted_is_not_loaded(sources, tmp_path, monkeypatch):
    """numba reads its index as a pickle: the same file does harm where it is read, and none in a place that is open."""
    sign = tmp_path / "harm"
    Harm.sign = sign

    def plant(base):
        monkeypatch.setattr(compile, "cache_directory", str(base))
        compile.kernel(doubled)(1.0)
        (index,) = base.rglob("*.nbi")
        with index.open("rb") as file:
            version = pickle.load(file)
        index.write_bytes(pickle.dumps(version) + pickle.dumps(Harm()))

    plant(tmp_path / "own")
    with pytest.raises(Exception):  # noqa: B017 - whatever numba makes of it
        compile.kernel(doubled)(1.0)
    assert sign.exists()
    sign.rmdir()

    shared = tmp_path / "shared"
    directory = Path(caches_in(shared, monkeypatch, sources))
    plant(directory)
    shared.chmod(0o777)
    monkeypatch.setattr(compile, "cache_directory", compile._make_cache_directory(sources))
    assert compile.kernel(doubled)(1.0) == 2.0
    assert not sign.exists()


# The choice of code


@compile.kernel
def drift_by(metric, velocity, position):
    linear.drift(metric, 1.0, velocity, position)


class NotAMap(NamedTuple):
    scale: np.ndarray


def test_code_is_chosen_by_the_type_of_the_first_argument():
    position = np.zeros(DIM)
    drift_by(DiagonalMap(np.arange(DIM) + 1.0), np.ones(DIM), position)
    np.testing.assert_array_equal(position, np.arange(DIM) + 1.0)
    with pytest.raises(TypingError):
        drift_by(NotAMap(np.ones(DIM)), np.ones(DIM), position)
