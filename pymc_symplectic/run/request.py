"""What a call asks for: the arguments of `sample`, checked before anything is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pymc as pm

from ..checks import truth, whole
from ..settings import Settings, refuse_unlearned, unadapted
from ..store import Store, is_free, local_path
from ..target import Compilation, check_parametrization, opened
from .arguments import check_callback, check_executor, check_model, check_options, names_of, processors
from .blocks import blocks
from .conversion import Conversion
from .fingerprint import describe_settings, digest, library_version
from .progress import Bars
from .resume import as_stored
from .seeds import Seeds
from .until import Until, check_until
from .warn import warn

__all__ = ["Request", "Sizes"]

_MOST_CHAINS = 10**5  # more take minutes before the first draw
_MOST_THIN = 10**6  # so many draws are held to keep one of them


@dataclass(frozen=True)
class Sizes:
    """How many chains there are, and how many draws of each."""

    chains: int
    tune: int
    """Draws of warm-up, at most."""
    draws: int
    """Draws after warm-up, at most."""
    open_ended: bool
    """Whether warm-up ends by itself."""
    thin: int
    """Of how many draws after warm-up one is kept, which is counted."""


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of one call of `sample`, each what it must be."""

    given: Mapping[str, Any]
    """The arguments as they were given."""
    compilation: Compilation
    settings: Settings
    sizes: Sizes
    cores: int
    names: list[str] | None
    """Variables that are recorded; None for all."""
    conversion: Conversion
    seeds: Seeds
    path: Path | None
    """Where draws are stored; None for memory."""
    existing: Store | None
    """The store that is there already."""

    @classmethod
    def of(cls, given: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Check what was given.

        Parameters
        ----------
        given : mapping
            All arguments of `sample` but the options of the sampler, by name.
        options : mapping
            Options of the sampler.

        Raises
        ------
        TypeError, ValueError
            When an argument is not what it must be, or the model has discrete variables.
        StoreError
            When there is a store that cannot be opened.
        """
        check_options(options, [*given, "options"])
        draws, tune, cores, chains = (given[name] for name in ("draws", "tune", "cores", "chains"))
        if isinstance(draws, pm.Model | Compilation):
            raise TypeError("draws must be a number, got a model; give that by its name: ps.sample(model=...)")
        draws = whole("draws", draws, least=1)
        compilation = opened(given["model"], given["compile_kwargs"])
        model = compilation.model
        check_model(model)
        settings, open_ended = Settings.choose(**options), tune is None
        tune = settings.policy.most_draws if tune is None else whole("tune", tune, least=0)
        cores = min(4, processors()) if cores is None else whole("cores", cores, least=1)
        chains = max(2, cores) if chains is None else whole("chains", chains, least=1, most=_MOST_CHAINS)
        check_parametrization(settings.parametrization, model)
        names = names_of(given["var_names"], model)
        conversion = Conversion(model, given["idata_kwargs"], names)
        seeds = Seeds.spawn(given["random_seed"], chains)
        check_executor(given["executor"])
        check_until(given["until"], model, names, chains)
        check_callback(given["callback"])
        for name in ("quiet", "discard_tuned_samples", "compute_convergence_checks"):
            truth(name, given[name])
        Bars(chains, draws, tune, given["progressbar"])  # so that a wrong one is refused before anything is compiled
        refuse_unlearned(settings, tune)
        if short := unadapted(settings, tune):
            warn(short)
        path = None if given["store"] is None else local_path(given["store"])
        existing = None if path is None or is_free(path) else Store.open(path)
        if existing is not None:
            settings = as_stored(settings, existing)
        sizes = Sizes(chains, tune, draws, open_ended, whole("thin", given["thin"], least=1, most=_MOST_THIN))
        return cls(given, compilation, settings, sizes, cores, names, conversion, seeds, path, existing)

    @property
    def executor(self) -> futures.Executor | None:
        """What runs the chains; None for threads."""
        executor: futures.Executor | None = self.given["executor"]
        return executor

    @property
    def until(self) -> Until | None:
        """When to end before all draws are made."""
        until: Until | None = self.given["until"]
        return until

    @property
    def callback(self) -> Callable[[Any], Any] | None:
        """What is called between blocks."""
        callback: Callable[[Any], Any] | None = self.given["callback"]
        return callback

    @property
    def quiet(self) -> bool:
        """Whether to show and log nothing."""
        return bool(self.given["quiet"])

    @property
    def blocks(self) -> Sequence[int]:
        """Draws after warm-up at which all chains wait for each other: at the end alone, if nobody looks before."""
        looked_at = self.until is not None or self.callback is not None
        return list(blocks(self.sizes.draws)) if looked_at else [self.sizes.draws]

    def bars(self, begun: Sequence[int]) -> Bars:
        """Bars that show how far chains have come, which had made so many draws before."""
        sizes, shown = self.sizes, False if self.quiet else self.given["progressbar"]
        return Bars(sizes.chains, sizes.draws, sizes.tune, shown, self.given["progressbar_theme"], begun)

    def description(self) -> dict[str, Any]:
        """What a store has to know of the run, but for its model."""
        sizes, seeds = self.sizes, self.seeds
        told = self.given["random_seed"] is not None
        return {
            "version": library_version(),
            "chains": sizes.chains,
            "tune": sizes.tune,
            "open_ended": sizes.open_ended,
            "draws": self.blocks[0],
            "thin": sizes.thin,
            "keep_warmup": not self.given["discard_tuned_samples"],
            "var_names": None if self.names is None else sorted(self.names),
            "options": describe_settings(self.settings),
            "seeds": [digest(repr(rng.bit_generator.state)) for rng in seeds.chains] if told else None,
            "value_seeds": seeds.values,
        }
