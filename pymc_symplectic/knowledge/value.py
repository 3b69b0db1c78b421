"""What a run has learned: of each chain, and of all together where they agree."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from .chain import LearnedChain
from .dataset import from_dataset, to_dataset
from .file import read, write
from .options import PARTS
from .pooling import differ, together

__all__ = ["Learned"]

_SHOWN = 20  # rows of the table that is printed


@dataclass(frozen=True, eq=False, repr=False)
class Learned:
    r"""What the warm-up of a run has learned, and where its chains have come to.

    `pymc_symplectic.learned` makes it of a result or a store; ``sample(learned=...)`` and ``HMC(learned=...)`` begin
    from it.

    Attributes
    ----------
    variables : dict of str to tuple of int
        Names and shapes of the unconstrained variables, in the order of the vector that chains move in.
    options : dict
        Those of the run that what is learned hangs on, as JSON: integrator, kinetic energy, metric, trajectory,
        refreshment, parametrization and temperature.
    chains : tuple of LearnedChain
        Metric, mean, step size, path, momenta, weights of the parametrization and last draw of each chain.

    Raises
    ------
    ValueError
        When something is not finite, a metric is not positive, or arrays are not of the shapes of the variables.

    Notes
    -----
    Where chains agree, what they have learned is pooled (`pooled`): covariances and means are averaged, the path is
    that of most of them, and the logarithms of its step sizes and times of travel are averaged.  They agree where they
    move in the same coordinates, and none has a standard deviation that is 4 times that of the first chain, or a
    quarter of it, along any direction (with low-rank metrics, of any parameter), or a mean that is 3 of them away.
    Otherwise `disagreement` says in what they differ, and each new chain goes by what one of them has learned: the one
    whose last draw is nearest to where it begins.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", sigma=[1.0, 10.0])
    ...     quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
    ...     idata = ps.sample(100, chains=2, random_seed=1, **quiet)
    ...     learned = ps.learned(idata)
    ...     more = ps.sample(100, tune=0, chains=2, random_seed=2, learned=learned, **quiet)
    >>> learned.variables, learned.disagreement
    ({'x': (2,)}, '')
    >>> learned.scales["sd"].round().tolist()
    [1.0, 10.0]
    """

    variables: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any]
    chains: Sequence[LearnedChain]
    digest: str = field(init=False)
    """A hash of all of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", {str(name): tuple(shape) for name, shape in self.variables.items()})
        object.__setattr__(self, "chains", tuple(self.chains))
        if lacking := [name for name in PARTS if name not in self.options]:
            raise ValueError(f"learned: of the run that has learned, options are missing: {', '.join(lacking)}")
        if not self.chains:
            raise ValueError("learned: there is no chain that has learned anything")
        for number, chain in enumerate(self.chains):
            try:
                chain.check(self.dim)
            except (AttributeError, TypeError, ValueError) as error:
                raise ValueError(f"learned: of chain {number}, {error}") from error
        object.__setattr__(self, "digest", _digest(self))

    @property
    def dim(self) -> int:
        """The number of unconstrained parameters, d."""
        return sum(math.prod(shape) for shape in self.variables.values())

    @property
    def labels(self) -> list[str]:
        """A name for each unconstrained parameter, ``"x"`` or ``"x[0, 1]"``."""
        return [
            name + (f"[{', '.join(map(str, place))}]" if place else "")
            for name, shape in self.variables.items()
            for place in product(*map(range, shape))
        ]

    @cached_property
    def disagreement(self) -> str:
        """In what chains differ so much that nothing is pooled, in words; empty where they agree."""
        return differ(self.chains)

    @cached_property
    def pooled(self) -> LearnedChain | None:
        """What chains have learned together, with the position of the first; None where they do not agree."""
        return None if self.disagreement else together(self.chains)

    def start(self, chain: int) -> np.ndarray:
        """Where a new chain of this number begins (d,): at the last draw of one; those there are take turns."""
        return self.chains[chain % len(self.chains)].position.copy()

    def of(self, position: np.ndarray) -> LearnedChain:
        """What a chain goes by that begins at a position (d,)."""
        if self.pooled is not None:
            return self.pooled

        def distance(chain: LearnedChain) -> float:
            return float(np.linalg.norm((position - chain.position) / chain.scale))

        return min(self.chains, key=distance)

    @property
    def scales(self) -> pd.DataFrame:
        """A row for each unconstrained parameter: mean and standard deviation, pooled or by chain, and its weight.

        Mean and standard deviation are those of the metric, in the coordinates that chains move in; `weight` says
        which: 1 centered, 0 non-centered.
        """
        if self.pooled is not None:
            return _scales(self.pooled, self.labels)
        parts = {number: _scales(chain, self.labels) for number, chain in enumerate(self.chains)}
        return pd.concat(parts, axis=1, names=["chain"])

    @property
    def correlations(self) -> pd.DataFrame:
        """Correlations of the unconstrained parameters (d, d), by the pooled metric.

        Raises
        ------
        ValueError
            When chains do not agree: of one of them, ``chains[i].metric`` has them.
        """
        if self.pooled is None:
            raise ValueError(f"learned: there are no common correlations, as {self.disagreement}")
        metric, labels = self.pooled.metric, self.labels
        covariance = metric.apply(metric.adjoint(np.eye(self.dim)))
        scale = np.sqrt(np.diag(covariance))
        return pd.DataFrame(covariance / np.outer(scale, scale), index=labels, columns=labels)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each chain, and one for all where they agree: step size, path, momenta, metric and weights."""
        rows: dict[Any, dict[str, Any]] = dict(enumerate(map(self._row, self.chains)))
        if self.pooled is not None and len(rows) > 1:
            rows["pooled"] = self._row(self.pooled)
        return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="chain"))

    def _row(self, chain: LearnedChain) -> dict[str, Any]:
        return {
            "step_size": chain.step_size,
            "integrator": chain.integrator,
            "trajectory": chain.trajectory,
            "momenta": chain.momenta or _name(self.options["kinetic"]),
            "metric": chain.choice.get("metric", ""),
            "centered": "" if chain.weights is None else str(chain.choice.get("centered", {})),
        }

    def __repr__(self) -> str:
        table = self.table
        table = table.loc[:, [name for name in table if (table[name] != "").any()]]
        agreement = "which agree" if self.pooled is not None else f"which do not agree: {self.disagreement}"
        head = f"Learned by {len(self.chains)} chains of {self.dim} unconstrained parameters, {agreement}"
        if len(self.chains) == 1:
            head = f"Learned by 1 chain of {self.dim} unconstrained parameters"
        with np.printoptions(threshold=8):
            parts = [
                table.to_string(max_rows=_SHOWN, float_format="{:.3g}".format),
                self.scales.to_string(max_rows=_SHOWN, max_cols=12, float_format="{:.3g}".format),
            ]
        return "\n\n".join([head, *parts])

    def to_dataset(self, numbers: Sequence[int] | None = None) -> xr.Dataset:
        """Arrays of all chains, and the rest as JSON in the attributes: the group ``learned`` of a result.

        `numbers` are those of the chains in it, by default from 0 on.
        """
        numbers = range(len(self.chains)) if numbers is None else numbers
        return to_dataset(self.variables, self.options, self.chains, self.labels, list(numbers))

    @classmethod
    def from_dataset(cls, data: xr.Dataset) -> Self:
        """The inverse of `to_dataset`.

        Raises
        ------
        ValueError
            When it is not what `to_dataset` makes.
        """
        return cls(*from_dataset(data))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file of arrays and JSON, with a digest of its content; a file that is there is replaced.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        write(Path(path), self.variables, self.options, self.chains)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` has written.  Nothing in the file is run.

        Raises
        ------
        FileNotFoundError
            When there is nothing at `path`.
        ValueError
            When it is not what was written.
        """
        return cls(*read(Path(path)))


def _scales(chain: LearnedChain, labels: Sequence[str]) -> pd.DataFrame:
    columns = {"mean": chain.mean, "sd": chain.scale, "weight": chain.weights}
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None}, index=list(labels))


def _name(spec: Any) -> str:
    return str(spec.get("name", spec.get("own", "")))


def _own(array: np.ndarray | None) -> list[np.ndarray]:
    return [] if array is None else [array]


def _digest(learned: Learned) -> str:
    """A hash of the numbers, and of what is said of them."""
    found = hashlib.sha256(repr((dict(learned.variables), dict(learned.options))).encode())
    for chain in learned.chains:
        for array in (chain.position, chain.mean, chain.kinetic, chain.weights, *chain.metric, *_own(chain.density)):
            found.update(str(np.shape(array)).encode())
            found.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        found.update(repr((chain.step_size, chain.choice, chain.state)).encode())
    return found.hexdigest()[:16]
