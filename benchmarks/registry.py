"""Tables of posteriors whose models need no data from elsewhere: what `held_out`, `fresh` and `unseen` share."""

from collections.abc import Callable

import pymc as pm
from posteriors import Posterior

__all__ = ["Registry"]

Builder = Callable[[], pm.Model]


class Registry:
    """Functions that build models, by names of the form of posteriordb's, data before model."""

    def __init__(self) -> None:
        self._models: dict[str, Builder] = {}

    def names(self) -> list[str]:
        """Return the names of all posteriors, as `load` takes them."""
        return list(self._models)

    def load(self, name: str) -> Posterior:
        """Build a posterior.

        Parameters
        ----------
        name : str
            One of `names`.

        Returns
        -------
        Posterior
            The model with its data; there are no reference draws.
        """
        if name not in self._models:
            raise ValueError(f"No model of {name!r}; there are {', '.join(self._models)}.")
        return Posterior(name, self._models[name](), None, {})

    def register(self, name: str) -> Callable[[Builder], Builder]:
        """Enter a model function into the table under a name."""

        def decorate(function: Builder) -> Builder:
            self._models[name] = function
            return function

        return decorate
