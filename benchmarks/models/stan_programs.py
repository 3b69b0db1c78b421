"""posteriordb's own Stan programs as posteriors, whichever sampler is to draw from them.

A program is compiled to a library, once, by Stan's compiler ``stanc`` and a C++ compiler, together with the plain C
functions of ``stan_interface.cpp``.  The posterior's model is `pymc_symplectic.density` of one flat vector of all
unconstrained parameters, which machine code calls without Python in between; its own parameters are made of draws
afterwards.

``stanc``, headers and libraries are those in the wheel of `httpstan <https://pypi.org/project/httpstan/>`_, of any
version of Python, as nothing of it is imported: an installed one is found, or else the environment variable
``HTTPSTAN`` says where the folder ``httpstan`` lies that a wheel holds::

    pip download --no-deps httpstan && unzip httpstan-*.whl -d stan && export HTTPSTAN=$PWD/stan/httpstan

The variables ``CXX`` and ``CXXFLAGS`` are the usual ones: ``CXXFLAGS=-O1`` compiles in less time what runs slower.
"""

import ctypes
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np

import pymc_symplectic as ps
from benchmarks.models.posterior import Posterior
from benchmarks.models.posteriordb import Entry, posterior_database

__all__ = ["HTTPSTAN", "POSITION", "Compiler", "StanPosterior", "StanProgram", "load", "names", "posterior_of"]

HTTPSTAN = "HTTPSTAN"
POSITION = "position"
"""The variable of the models: all unconstrained parameters."""

_INTERFACE = Path(__file__).with_name("stan_interface.cpp")
_MODEL_HEADER = "#include <stan/model/model_header.hpp>\n"
_MACROS = "BOOST_DISABLE_ASSERTS BOOST_PHOENIX_NO_VARIADIC_EXPRESSION STAN_THREADS _REENTRANT _GLIBCXX_USE_CXX11_ABI=0"
_LIBRARIES = ("sundials_cvodes", "sundials_idas", "sundials_nvecserial", "tbb")
_HELP = (
    "`pip download --no-deps httpstan` fetches a wheel that holds it: unzip it, and set the environment variable "
    f"{HTTPSTAN} to its folder `httpstan`."
)
_TEXT = 2000  # bytes of a message
_TRIES = 1000
_PLACES, _CONSTANT = 8, 1e-9


# From a program to a library


class Compiler:
    """Stan's compiler and a C++ compiler.

    Parameters
    ----------
    cache : Path
        Where libraries are kept.
    home : path-like, optional
        The folder that holds ``stanc``, ``include/`` and ``lib/``.  By default the environment variable ``HTTPSTAN``
        says where it is, or that of an installed ``httpstan`` is taken.

    Raises
    ------
    FileNotFoundError
        When there is no such folder, or no C++ compiler.
    """

    def __init__(self, cache: Path, home: str | os.PathLike[str] | None = None) -> None:
        self.home = _home(home)
        self.command = shlex.split(os.environ.get("CXX", "g++"))
        if not shutil.which(self.command[0]):
            raise FileNotFoundError(f"There is no C++ compiler {self.command[0]!r}; CXX names another one.")
        self.flags = [
            *("-O2", "-std=c++17", "-fPIC", "-w", f"-I{self.home / 'include'}"),
            *(f"-D{macro}" for macro in _MACROS.split()),
            *shlex.split(os.environ.get("CXXFLAGS", "")),
        ]
        libraries = self.home / "lib"
        self.links = [f"-L{libraries}", f"-Wl,-rpath,{libraries}", *(f"-l{library}" for library in _LIBRARIES)]
        self.folder = cache.expanduser().resolve() / _digest(*self.command, *self.flags, _INTERFACE.read_text("utf-8"))
        self._failures: dict[Path, str] = {}

    def library(self, name: str, program: str) -> Path:
        """The library of a program, compiled unless it is there.

        Raises
        ------
        RuntimeError
            When it does not compile; with the end of what the compiler says.
        """
        made = self.folder / f"{name}-{_digest(program)}.so"
        if made in self._failures:
            raise RuntimeError(self._failures[made])
        if not made.exists():
            try:
                self._make(made, name, program)
            except RuntimeError as error:
                self._failures[made] = str(error)
                raise
        return made

    def _make(self, made: Path, name: str, program: str) -> None:
        interface = self._interface()
        source = made.with_suffix(".stan")
        source.write_text(program, encoding="utf-8")
        code = self._run(str(self.home / "stanc"), "--name", f"model_{name}", "--print-cpp", source.name)
        # the header that is compiled already has to come first
        code = '#include "header.hpp"\n' + code.replace(_MODEL_HEADER, "")
        made.with_suffix(".cpp").write_text(code, encoding="utf-8")
        partial = made.with_suffix(".partial")
        self._compile("-shared", made.with_suffix(".cpp").name, interface.name, "-o", partial.name, *self.links)
        partial.replace(made)

    def _interface(self) -> Path:
        """What all libraries have in common, compiled unless it is there."""
        made = self.folder / "interface.o"
        if not made.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "header.hpp").write_text(_MODEL_HEADER, encoding="utf-8")
            (self.folder / _INTERFACE.name).write_text(_INTERFACE.read_text("utf-8"), encoding="utf-8")
            self._compile("-x", "c++-header", "header.hpp")
            self._compile("-c", _INTERFACE.name, "-o", "interface.partial")
            (self.folder / "interface.partial").replace(made)
        return made

    def _compile(self, *arguments: str) -> None:
        self._run(*self.command, *self.flags, *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} fails: {done.stderr.strip()[-_TEXT:]}")
        return done.stdout


def _home(given: str | os.PathLike[str] | None) -> Path:
    given = given if given is not None else os.environ.get(HTTPSTAN)
    if not given:
        found = importlib.util.find_spec("httpstan")
        if found is None or found.origin is None:
            raise FileNotFoundError(f"Nothing says where Stan's compiler is. {_HELP}")
        given = Path(found.origin).parent
    folder = Path(given).expanduser().resolve()
    missing = [name for name in ("stanc", "include", "lib") if not (folder / name).exists()]
    if missing:
        raise FileNotFoundError(f"{str(folder)!r} does not hold {' and '.join(f'`{n}`' for n in missing)}. {_HELP}")
    (folder / "stanc").chmod(0o755)  # which not everything that unzips keeps
    return folder


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


# From a library to a posterior


class StanProgram:
    """A compiled Stan program with its data.

    Parameters
    ----------
    library : Path
        As `Compiler.library` makes it.
    data : str
        As JSON.

    Raises
    ------
    ValueError
        When Stan refuses the data; with its message.
    """

    def __init__(self, library: Path, data: str) -> None:
        self._library = _declared(ctypes.CDLL(str(library)))
        error = ctypes.create_string_buffer(_TEXT)
        self._handle = self._library.stan_new(data.encode(), error, _TEXT)
        if not self._handle:
            raise ValueError(f"Stan refuses the data: {_message(error)}")
        self.dim: int = self._library.stan_dim(self._handle)
        self.parameters = self._names(transformed=False)
        self.names = self._names(transformed=True)

    def _names(self, transformed: bool) -> list[str]:
        """Names of elements as posteriordb writes them, ``x[1,2]``; Stan writes ``x.1.2``."""
        size = self._library.stan_names(self._handle, transformed, None, 0) + 1
        text = ctypes.create_string_buffer(size)
        self._library.stan_names(self._handle, transformed, text, size)
        parts = (line.split(".") for line in _message(text).split())
        return [first + (f"[{','.join(rest)}]" if rest else "") for first, *rest in parts]

    @cached_property
    def log_density(self) -> numba.core.dispatcher.Dispatcher:
        """Compiled: the log-density at an unconstrained position (d,), and its gradient (d,)."""
        call, handle, dim = self._library.stan_log_density, self._handle, self.dim

        @numba.njit
        def log_density(position):  # type: ignore[no-untyped-def]
            value, gradient = np.empty(1), np.zeros(dim)
            if call(handle, position.ctypes, value.ctypes, gradient.ctypes) != 0:
                value[0] = -np.inf
            return value[0], gradient

        return log_density

    def constrain(self, positions: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        """Elements of these names, (chains, draws) each, at unconstrained positions (chains, draws, d)."""
        flat = np.ascontiguousarray(positions, dtype=float).reshape(-1, self.dim)
        places = [self.names.index(name) for name in names]
        chosen, values = np.full((len(flat), len(names)), np.nan), np.empty(len(self.names))
        for position, row in zip(flat, chosen, strict=True):
            if not self._library.stan_constrain(self._handle, position.ctypes.data, values.ctypes.data):
                row[:] = values[places]
        return {name: column.reshape(positions.shape[:2]) for name, column in zip(names, chosen.T, strict=True)}

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """The first position of U(-1, 1), in unconstrained space, where log-density and gradient are finite.

        Raises
        ------
        RuntimeError
            When there is none among a thousand.
        """
        for _ in range(_TRIES):
            position = rng.uniform(-1, 1, self.dim)
            if np.isfinite(np.hstack(self.log_density(position))).all():
                return position
        raise RuntimeError(f"no start with a finite log-density found in {_TRIES} tries")

    def sample(
        self, start: np.ndarray, draws: int, tune: int, seed: int, chain: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One chain of Stan's own sampler, with Stan's defaults.

        Returns
        -------
        positions : np.ndarray
            Unconstrained, (draws, d).
        statistics : np.ndarray
            ``n_leapfrog__``, ``divergent__`` and ``stepsize__`` of each draw of warm-up and of sampling,
            (tune + draws, 3).
        seconds : np.ndarray
            Processor time of warm-up and of sampling, (2,).
        """
        start = np.ascontiguousarray(start, dtype=float)
        out = np.empty((draws, self.dim)), np.empty((tune + draws, 3)), np.empty(2)
        error = ctypes.create_string_buffer(_TEXT)
        if self._library.stan_sample(
            self._handle, start.ctypes.data, seed, chain, tune, draws, *(array.ctypes.data for array in out), error,
            _TEXT,
        ):  # fmt: skip
            raise RuntimeError(f"Stan's sampler fails: {_message(error)}")
        return out


def _message(text: ctypes.Array[ctypes.c_char]) -> str:
    return text.value.decode(errors="replace")


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Say what the functions of ``stan_interface.cpp`` take and return."""
    handle, number, unsigned, pointer, text = (
        ctypes.c_longlong, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p, ctypes.c_char_p,
    )  # fmt: skip
    library.stan_new.restype = handle
    library.stan_new.argtypes = [text, text, number]
    library.stan_dim.argtypes = [handle]
    library.stan_names.argtypes = [handle, number, text, number]
    library.stan_log_density.argtypes = [handle, pointer, pointer, pointer]
    library.stan_constrain.argtypes = [handle, pointer, pointer]
    library.stan_sample.argtypes = [
        handle, pointer, unsigned, unsigned, number, number, pointer, pointer, pointer, text, number,
    ]  # fmt: skip
    return library


@dataclass(frozen=True, eq=False, kw_only=True)
class StanPosterior(Posterior):
    """A posterior whose model has unconstrained parameters alone, and the program that knows its own.

    Attributes
    ----------
    program : StanProgram
        The program.
    quantities : list of str
        All its parameters that vary, and the quantities that have reference draws.
    """

    program: StanProgram
    quantities: list[str]

    def draws(self, samples: Any) -> dict[str, np.ndarray]:
        """Select the quantities that have reference draws from those that `constrain` has made."""
        return {name: np.asarray(samples[name]) for name in self.reference or {}}

    def constrain(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Draws (chains, draws) of each quantity, at unconstrained positions (chains, draws, d)."""
        return self.program.constrain(positions, self.quantities)


def names(path: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of all posteriors of posteriordb that have a Stan program; `path` is that of `posterior_database`."""
    listed = sorted(file.stem for file in (posterior_database(path) / "posteriors").glob("*.json"))
    return [name for name in listed if Entry(name, path).program.exists()]


def load(name: str, compiler: Compiler, path: str | os.PathLike[str] | None = None) -> StanPosterior:
    """Compile a posterior of posteriordb; `path` is that of `posterior_database`.

    Raises
    ------
    FileNotFoundError
        When posteriordb lacks the posterior, its program or its data.
    RuntimeError
        When the program does not compile, or no start is found.
    ValueError
        When Stan refuses the data.
    """
    entry = Entry(name, path)
    library = compiler.library(entry.model, entry.program.read_text(encoding="utf-8"))
    return posterior_of(name, StanProgram(library, entry.data()), entry.reference())


def posterior_of(name: str, program: StanProgram, reference: Mapping[str, np.ndarray] | None) -> StanPosterior:
    """The posterior of a program; what is a constant, such as the diagonal of a correlation matrix, is left out."""
    rng = np.random.default_rng(0)
    places = np.stack([program.start(rng) for _ in range(_PLACES)])
    known = {key: draws for key, draws in (reference or {}).items() if key in program.names}
    wanted = list(dict.fromkeys([*program.parameters, *known]))
    quantities = [key for key, values in program.constrain(places[None], wanted).items() if np.ptp(values) > _CONSTANT]
    return StanPosterior(
        name,
        # the gradient is Stan's own, so that it is not compared with finite differences
        ps.density(program.log_density, {POSITION: program.dim}, initvals={POSITION: places[0]}, check=False),
        None if reference is None else {key: known[key] for key in quantities if key in known},
        place=program.start,
        program=program,
        quantities=quantities,
    )
