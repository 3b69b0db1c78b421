"""Kernels compiled before anybody waits for them.

``python -m pymc_symplectic.precompile`` compiles what default options need, for small models and for large ones, into
the cache of this user and machine: for images of containers, continuous integration, and clusters with a common home.
What is compiled of a model itself is not known before there is one.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .chain import Chain
from .kernels.compile import cache_directory
from .kernels.state import Target
from .native.clock import compile_clock
from .settings import Settings
from .target.sharing import Kernels

__all__ = ["ahead_of_first_start", "main", "precompile"]

_log = logging.getLogger(__name__)
_SMALL, _LARGE = 2, 301  # parameters: with a dense metric, and with a low-rank one
_BEGUN = "first-start"  # a file in the cache
_helpers: list[subprocess.Popen[bytes]] = []  # held, as one that is let go of while it runs is warned of


class _NoTarget:
    """What a chain asks of a log-density before it calls it."""

    def __init__(self, dim: int) -> None:
        self.dim, self.target, self.sizes = dim, Target(0, np.zeros(1, np.int64)), {"q": dim}
        self.parametrization, self.values_a_gradient = None, 0

    def kernels_of(self, settings: Any) -> Kernels:
        """None that is shared."""
        return Kernels(settings)


def precompile(settings: Settings, dim: int) -> None:
    """Compile, or find in the cache, the kernels that chains with these settings may need for `dim` parameters.

    Those come first that every chain needs.

    Parameters
    ----------
    settings : Settings
    dim : int
    """
    nowhere: Any = _NoTarget(dim)
    chain = Chain(nowhere, settings, np.random.default_rng(0), settings.policy.most_draws, True)
    chain.compile(all_foreseen=True)


def ahead_of_first_start(quiet: bool = False) -> None:
    """Where nothing is in the cache, say so, and have another process begin with kernels while this one has a model.

    Parameters
    ----------
    quiet : bool, optional
        Whether to say nothing.
    """
    if not cache_directory or any(Path(cache_directory).rglob("*.nbi")):
        return
    if not quiet:
        _log.info(
            "The first start on this machine takes some ten seconds more: kernels are compiled, and kept in %s.",
            cache_directory,
        )
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if processors > 1 and sys.executable and not getattr(sys, "frozen", False):
        with suppress(OSError):  # another process has begun, or this one may not
            Path(cache_directory, _BEGUN).open("x").close()
            command, nothing = [sys.executable, "-m", __name__, "--small"], subprocess.DEVNULL
            _helpers.append(
                subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
            )


def main(arguments: list[str] | None = None) -> None:
    """Compile kernels, and say where they are."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--small", action="store_true", help="only those for models of up to 300 parameters")
    small = parser.parse_args(arguments).small
    began = time.perf_counter()
    for dim in (_SMALL,) if small else (_SMALL, _LARGE):
        precompile(Settings.choose(), dim)
    print(
        f"Kernels are in {cache_directory or 'no cache, as there is no directory for one'}; compiling them, or loading "
        f"those that were there, took {compile_clock.seconds:.1f} of {time.perf_counter() - began:.1f} seconds."
    )


if __name__ == "__main__":
    main()
