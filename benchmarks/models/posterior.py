"""A posterior, and tables of models by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
from arviz_stats.base import array_stats

__all__ = ["Place", "Posterior", "Registry"]

Place = Callable[[np.random.Generator], np.ndarray]
"""A position in unconstrained space, from a generator."""

Builder = Callable[..., pm.Model]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A model conditioned on data, and what is known of its posterior.

    Attributes
    ----------
    name : str
        Data before model, as in posteriordb.
    model : pm.Model
        The model.
    reference : dict of str to np.ndarray or None
        Reference draws, shape (chains, draws), on the constrained scale, by posteriordb's parameter name, such as
        ``"theta[1]"``. None where there are none.
    index : dict of str to tuple
        For each name in `reference`, the model's variable and the index into it: ``("theta", (0,))``. Empty where there
        are no reference draws.
    place : callable, optional
        Where a chain starts; by default near the model's initial point.
    """

    name: str
    model: pm.Model
    reference: Mapping[str, np.ndarray] | None = None
    index: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    place: Place | None = None

    def draws(self, samples: Any) -> dict[str, np.ndarray]:
        """Select the quantities that have reference draws.

        Parameters
        ----------
        samples : xarray.DataTree or mapping of str to array_like
            The result of sampling, or its posterior group: variables of shape (chains, draws, ...).

        Returns
        -------
        dict of str to np.ndarray
            Draws of shape (chains, draws), by the names in `reference`.
        """
        group = samples.get("posterior", samples)
        return {name: np.asarray(group[variable])[:, :, *index] for name, (variable, index) in self.index.items()}

    def z_scores(self, samples: Any) -> dict[str, tuple[float, float]]:
        """Compare draws with the reference draws.

        Parameters
        ----------
        samples : xarray.DataTree or mapping of str to array_like
            As for `draws`.

        Returns
        -------
        dict of str to tuple of float
            For each name in `reference`, the difference of the means, and that of the mean squared deviations from the
            reference mean, each divided by its Monte Carlo standard error (both sides' errors combined).
        """
        if self.reference is None:
            raise ValueError(f"There are no reference draws of {self.name!r}.")
        result = {}
        for name, draws in self.draws(samples).items():
            reference = self.reference[name]
            center = reference.mean()
            deviations = draws - center, reference - center
            result[name] = (_z_score(*deviations), _z_score(*(deviation**2 for deviation in deviations)))
        return result


def _z_score(draws: np.ndarray, reference: np.ndarray) -> float:
    """Difference of two means in units of its Monte Carlo standard error."""
    error = np.hypot(float(array_stats.mcse(draws)), float(array_stats.mcse(reference)))
    return float((draws.mean() - reference.mean()) / error)


class Registry:
    """Functions that build models, by names of the form of posteriordb's, data before model."""

    def __init__(self) -> None:
        self._builders: dict[str, Builder] = {}

    def names(self) -> list[str]:
        """Return the names of all posteriors, as `load` takes them."""
        return list(self._builders)

    def builder(self, name: str) -> Builder:
        """Look a model function up.

        Raises
        ------
        ValueError
            When there is no such model; the message lists those there are.
        """
        if name not in self._builders:
            raise ValueError(f"No model of {name!r}; there are {', '.join(self._builders)}.")
        return self._builders[name]

    def load(self, name: str) -> Posterior:
        """Build a posterior whose model brings its own data.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        Posterior
            The model with its data; there are no reference draws.
        """
        return Posterior(name, self.builder(name)())

    def register(self, name: str) -> Callable[[Builder], Builder]:
        """Enter a model function into the table under a name."""

        def decorate(function: Builder) -> Builder:
            self._builders[name] = function
            return function

        return decorate
