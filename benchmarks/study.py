"""How studies are run: cases that leave one JSON file each, and are left out where it is there.

So an interrupted study goes on where it stopped.  What a sampler fails at is recorded as its error; remove the file to
try again.
"""

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pymc_symplectic as ps
from benchmarks.models.posterior import Posterior
from benchmarks.models.posteriordb import VARIABLE
from benchmarks.samplers import Prepare, Problem, Run, Sample
from benchmarks.scores import Record, in_a_line, score

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
Plan = Mapping[str, int]
PLAN: Plan = {"draws": 1000, "tune": 1000, "chains": 4}
"""How many draws of sampling and of warm-up each chain makes, and how many chains there are."""
PACKAGES = (
    "blackjax", "httpstan", "jax", "numba", "numpy", "numpyro", "nutpie", "owalnuts", "pymc", "pytensor", "walnutpie",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """One measurement, which leaves one file.

    Attributes
    ----------
    file : Path
        Where its record is kept, in the folder of results.
    plan : dict
        Entries that a record on file has to have in common with this one.
    run : callable
        ``run(record, keep)`` adds what a record lacks, an empty one at first, and returns it; `keep` writes down a
        record that is not whole yet.
    whole : callable
        Whether a record lacks nothing.
    line : callable
        A whole record in one line.
    """

    file: Path
    plan: Record
    run: Callable[[Record, Callable[[Record], object]], Record]
    line: Callable[[Record], str]
    whole: Callable[[Record], bool] = bool


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def run_all(cases: Iterable[Case], folder: Path, tell: Callable[[str], object] = say) -> int:
    """Run all cases that are not on file yet; returns how many.

    Cases are asked for one by one, so that which one is next may depend on what the one before has left.

    Raises
    ------
    ValueError
        When `folder` has results of another plan, such as another number of draws.
    """
    made = 0
    for case in cases:
        file = folder / case.file
        record = _read(file, case.plan)
        if case.whole(record):
            continue
        record = case.run(record, lambda record, file=file: write(file, record))
        write(file, record)
        tell(case.line(record))
        made += 1
    return made


def _read(file: Path, plan: Record) -> Record:
    """The record on file, which has to be of the same plan."""
    if not file.exists():
        return {}
    record = json.loads(file.read_text(encoding="utf-8"))
    kept = {key: record[key] for key in plan}
    if kept != plan:
        raise ValueError(f"{file} is of {kept}, not of {plan}: choose another folder for the results")
    return record


def write(file: Path, record: Record) -> None:
    """Write a whole file, or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(_plain(record), indent=1, allow_nan=False), encoding="utf-8")
    partial.replace(file)


def _plain(value: Any) -> Any:
    """The same without numbers that JSON lacks, which become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(folder: Path, pattern: str = "*/*.json") -> list[Record]:
    """All records on file whose names match."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(pattern))]


def file_of(posterior: str, sampler: str, seed: int) -> Path:
    """Where the record of one run is kept, in the folder of results."""
    return Path(posterior) / f"{sampler}@{seed}.json"


class _Subject:
    """A posterior, which is loaded and compiled when the first run asks for it."""

    def __init__(self, name: str, load: Callable[[str], Posterior]) -> None:
        self.name = name
        self._load = load

    @cached_property
    def posterior(self) -> Posterior:
        return self._load(self.name)

    @cached_property
    def problem(self) -> Problem:
        return Problem.of(self.posterior)


@dataclass(eq=False)
class _Series:
    """Runs of one sampler on one posterior, for which it is prepared once."""

    subject: _Subject
    sampler: str
    prepare: Prepare
    measure: Callable[[Run, Posterior], Record]
    plan: Plan

    @cached_property
    def sample(self) -> Sample:
        return self.prepare(self.subject.problem)

    def run(self, seed: int, record: Record, keep: object) -> Record:
        """Run it; a record on file would have been whole."""
        head = {"posterior": self.subject.name, "sampler": self.sampler, "seed": seed, "dim": None, **self.plan}
        began = time.perf_counter()
        try:
            head["dim"] = self.subject.problem.target.dim
            body = self.measure(self.sample(**self.plan, seed=seed), self.subject.posterior)
        except Exception as error:  # of any sampler, of any kind
            body = {"error": f"{type(error).__name__}: {error}"[:2000], "traceback": traceback.format_exc()}
        return {**head, **body, "wall_seconds": time.perf_counter() - began, "versions": _versions()}


def runs(
    names: Sequence[str],
    samplers: Mapping[str, Prepare],
    seeds: Sequence[int],
    load: Callable[[str], Posterior],
    plan: Plan = PLAN,
    *,
    measure: Callable[[Run, Posterior], Record] = score,
    line: Callable[[Record], str] = in_a_line,
) -> Iterator[Case]:
    """A case for each posterior, sampler and seed: `measure` makes a record of the run, and `line` shows it."""

    def shown(record: Record) -> str:
        head = f"{record['posterior']:46s} {record['sampler']:18s} {record['seed']:3d} {record['wall_seconds']:6.1f} s"
        return f"{head}  {record['error'].splitlines()[0] if 'error' in record else line(record)}"

    for name in names:
        subject = _Subject(name, load)
        for sampler, prepare in samplers.items():
            series = _Series(subject, sampler, prepare, measure, plan)
            for seed in seeds:
                yield Case(file_of(name, sampler, seed), dict(plan), partial(series.run, seed), shown)
            gc.collect()


def _versions() -> dict[str, str]:
    versions = {"pymc_symplectic": ps.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def apart(study: str, arguments: Sequence[str]) -> Record:
    """Run a study in a process of its own, which prints its record as JSON in its last line."""
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", study, *arguments], stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


_OPTIONS: dict[str, dict[str, Any]] = {
    "samplers": {"nargs": "+", "metavar": "NAME", "help": "default: %(default)s"},
    "seeds": {"nargs": "+", "type": int, "metavar": "SEED", "help": "default: %(default)s"},
    "draws": {"type": int, "help": "of each chain, after warm-up; default: %(default)s"},
    "tune": {"type": int, "help": "draws of warm-up of each chain; default: %(default)s"},
    "chains": {"type": int, "help": "default: %(default)s"},
    "results": {"type": Path, "metavar": "FOLDER", "help": "folder of results; default: %(default)s"},
    "posteriordb": {"type": Path, "help": f"default: the environment variable {VARIABLE}"},
}
"""Options that several studies have."""


def parser(study: str, words: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """A parser of the options of a study: those that `defaults` name, and what the study adds to them."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks {study}",
        description=words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in defaults.items():
        made.add_argument(f"--{name}", default=default, **_OPTIONS[name])
    return made


def plan_of(chosen: argparse.Namespace) -> Plan:
    """How many draws and chains the options ask for."""
    return {name: getattr(chosen, name, default) for name, default in PLAN.items()}
