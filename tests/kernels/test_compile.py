"""The disk cache of kernels, and the choice of code by type."""

from typing import NamedTuple

import numpy as np
import pytest
from laws.systems import DIM
from numba.core.errors import TypingError

from pymc_symplectic.kernels import chain, compile, linear
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


def test_entry_points_are_cached_there():
    for entry in (chain.advance, chain.evaluate_start, chain.search_step_size):
        assert entry.stats.cache_path.startswith(compile.cache_directory)


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
