"""Parts from outside the package: what is kept of them on disk, and when it is not believed any more."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pymc_symplectic.kernels import compile, sources

KERNELS = Path(compile.__file__).parent

ENTRY = """
from typing import NamedTuple
from .compile import helper, kernel, specialise

class Inner(NamedTuple):
    x: float

@helper
def inner(part):
    return part.x

cases = {Inner: inner}

def answer(part):
    return cases[type(part)](part)

specialise(answer, cases)

@kernel
def ask(part):
    return answer(part)
"""
OWN = """
from typing import NamedTuple
from copied.kernels.compile import register
from copied.kernels.entry import answer
from numba import njit
from own_helper import factor
import own_constants

class Own(NamedTuple):
    x: float

def mine(part):
    return part.x * factor() + own_constants.SHIFT

register(Own, {answer: mine})
"""
HELPER = """
from numba import njit

@njit
def factor():
    return {}
"""
SCRIPT = """
from copied.kernels.entry import Inner, ask
from own import Own
print(ask(Own(2.0)), sum(ask.stats.cache_hits.values()), ask(Inner(5.0)), sum(ask.stats.cache_hits.values()))
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(KERNELS, tmp_path / "copied" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        KERNELS.parent / "native", tmp_path / "copied" / "native", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "copied" / "__init__.py").write_text("")
    (tmp_path / "copied" / "kernels" / "entry.py").write_text(ENTRY)
    write(tmp_path)
    return tmp_path


def write(folder, own=OWN, factor=3.0, shift=1.0):
    (folder / "own.py").write_text(own)
    (folder / "own_helper.py").write_text(HELPER.format(factor))
    (folder / "own_constants.py").write_text(f"SHIFT = {shift}\n")


def python(folder, code):
    environment = {
        "PYTHONPATH": str(folder),
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_part_of_ones_own_is_kept_until_what_it_is_made_from_changes(folder):
    assert python(folder, SCRIPT) == "7.0 0 5.0 0"
    assert python(folder, SCRIPT) == "7.0 1 5.0 2"
    write(folder, factor=4.0)  # of a function that it calls
    assert python(folder, SCRIPT) == "9.0 0 5.0 1"  # what does not take it is still there
    write(folder, factor=4.0, shift=2.0)  # of a module that it reads from
    assert python(folder, SCRIPT) == "10.0 0 5.0 1"
    write(folder, own=OWN.replace("part.x *", "10 * part.x *"))
    assert python(folder, SCRIPT) == "61.0 0 5.0 1"
    write(folder)
    assert python(folder, SCRIPT) == "7.0 1 5.0 2"


def test_what_stands_in_a_script_is_not_kept(folder):
    script = OWN + "\nfrom copied.kernels.entry import ask\nprint(ask(Own(2.0)), sum(ask.stats.cache_hits.values()))\n"
    for _ in range(2):
        assert python(folder, script) == "7.0 0"
    assert not list((folder / "cache").rglob("with_*"))


# Digests of parts


class Part(NamedTuple):
    x: float


def plain(part):
    return part.x


def with_default(part, factor=2.0):
    return part.x * factor


LOOSE = object()


def with_an_object(part):
    return LOOSE


def made(factor):
    def function(part):
        return part.x * factor

    return function


def test_numbers_that_a_function_holds_count():
    digests = [sources.digest_of(Part, [function]) for function in (plain, with_default, made(1.0), made(2.0))]
    assert None not in digests and len(set(digests)) == 4
    assert sources.digest_of(Part, [made(2.0)]) == digests[3]
    assert sources.digest_of(Part, [made(np.ones(2))]) != sources.digest_of(Part, [made(np.zeros(2))])


def test_what_is_not_known_is_not_kept():
    assert sources.digest_of(Part, [with_an_object]) is None
    assert sources.digest_of(Part, [made({})]) is None
    names = {}
    exec("def homeless(part): return part.x", names)
    assert sources.digest_of(Part, [names["homeless"]]) is None


def test_few_directories_of_others_are_kept(tmp_path):
    for i in range(12):
        (tmp_path / f"with_{i}").mkdir()
        os.utime(tmp_path / f"with_{i}", (i, i))
    (tmp_path / "kernels").mkdir()
    sources._prune(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"kernels", *(f"with_{i}" for i in range(5, 12))}
