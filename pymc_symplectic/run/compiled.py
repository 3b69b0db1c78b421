"""A model that has been compiled, to be sampled many times, with other data too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle
import pymc as pm
import xarray as xr

from ..differences import Differences, get
from ..precompile import ahead_of_first_start
from ..recorded import RecordedVariables
from ..starts import usual_start
from ..target import Compilation, OtherData, kept_log_density, model_of, run_with
from .arguments import check_model
from .handle import Run
from .sample import sample, start

__all__ = ["CompiledModel", "compile"]


class CompiledModel(Compilation):
    """A model with all that sampling has to compile for it: what `pymc_symplectic.compile` returns.

    It goes wherever `model=` does: to `pymc_symplectic.sample` and to `HMC`.  Threads may share it, and it can be sent
    to other processes, where it is compiled anew.  Nothing has to be kept by it: a model that has not changed is not
    compiled again by `pymc_symplectic.sample(model=model)` either.

    Attributes
    ----------
    model : pymc.Model
    compile_kwargs : dict
    """

    def __init__(
        self,
        model: pm.Model,
        compile_kwargs: Mapping[str, Any] | None = None,
        data: OtherData | None = None,
        differences: Differences | None = None,
    ) -> None:
        super().__init__(model, compile_kwargs, data, differences)
        with run_with(model, data):
            self._target = kept_log_density(model, self.compile_kwargs, differences=differences)
            self._check_data()
            RecordedVariables(self._target)
            usual_start(self._target)

    def sample(self, draws: int = 1000, **arguments: Any) -> xr.DataTree:
        """Sample the posterior; the arguments are those of `pymc_symplectic.sample` but `model` and `compile_kwargs`.

        Examples
        --------
        >>> import pymc as pm, pymc_symplectic as ps
        >>> with pm.Model() as model:
        ...     y = pm.Data("y", [1.0, 2.0])
        ...     mu = pm.Normal("mu")
        ...     _ = pm.Normal("obs", mu, observed=y)
        >>> compiled = ps.compile(model)
        >>> quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
        >>> idata = compiled.with_data(y=[3.0, 4.0, 5.0]).sample(100, chains=2, random_seed=1, **quiet)
        >>> idata["observed_data"]["obs"].values.tolist()
        [3.0, 4.0, 5.0]
        """
        _check_own(arguments)
        return sample(draws, model=self, **arguments)

    def start(self, draws: int = 1000, **arguments: Any) -> Run:
        """Begin to sample, as `pymc_symplectic.start` does; the arguments are those of `sample` here."""
        _check_own(arguments)
        return start(draws, model=self, **arguments)

    def with_data(
        self, data: Mapping[str, Any] | None = None, /, *, coords: Mapping[str, Any] | None = None, **values: Any
    ) -> CompiledModel:
        """The same compiled model with other data; the model itself, and this one, keep theirs.

        Runs on several threads go on at once where they have the same data, and wait for each other where they have
        not: the data belong to the model.

        Parameters
        ----------
        data : dict, optional
            Arrays by the names of `pymc.Data`, of those too that are no names of arguments.
        coords : dict, optional
            Coordinates of dimensions that have another length with these data.
        **values
            The same as `data`, by keywords.  Lengths may be others, unless they are fixed in the model; where free
            variables have another shape by them, it is compiled for that shape as well.

        Raises
        ------
        ValueError
            When the model has no such data, or the log-density cannot be evaluated with them.
        TypeError
            When they are not numbers of the kind that the data are.
        """
        if not isinstance(data, Mapping | None):
            raise TypeError(f"with_data: data must be a dictionary of names and arrays, got {data!r}")
        other = OtherData(self.model, {**(data or {}), **values}, coords)
        if self.data is not None:
            other = self.data.joined(other)
        return CompiledModel(self.model, self.compile_kwargs, other, self.differences)

    def _check_data(self) -> None:
        if self.data is None:
            return
        try:
            self._target(self._target.default_start)
        except Exception as error:
            names = ", ".join(self.data.values)
            raise ValueError(f"with_data: the log-density cannot be evaluated with these {names}: {error}") from error

    def __reduce__(self) -> tuple[Callable[[bytes], CompiledModel], tuple[bytes]]:
        """Everything but what is compiled; models hold functions that only `cloudpickle` can send."""
        return _unpickled, (cloudpickle.dumps((self.model, self.compile_kwargs, self.data, self.differences)),)


_HAS_ALREADY = ("model", "compile_kwargs")
"""Arguments of `sample` that a compiled model has by itself."""


def _shown(method: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Let a method be seen to take what the function does that it calls."""
    own, theirs = inspect.signature(method), inspect.signature(function)
    taken = [parameter for name, parameter in theirs.parameters.items() if name not in _HAS_ALREADY]
    shown = theirs.replace(parameters=[own.parameters["self"], *taken])
    method.__signature__ = shown  # type: ignore[attr-defined]


_shown(CompiledModel.sample, sample)
_shown(CompiledModel.start, start)


def _check_own(arguments: Mapping[str, Any]) -> None:
    """Raise a TypeError where arguments are given that a compiled model has already."""
    if wrong := [name for name in _HAS_ALREADY if name in arguments]:
        raise TypeError(f"{wrong[0]}: this is of one model, and compiled; ps.sample({wrong[0]}=...) takes others")


def _unpickled(parts: bytes) -> CompiledModel:
    return CompiledModel(*cloudpickle.loads(parts))


def compile(  # nowhere is it called without the name of the package
    model: pm.Model | None = None,
    *,
    compile_kwargs: Mapping[str, Any] | None = None,
    gradient: str | Differences = "exact",
) -> CompiledModel:
    """Compile a model once, to be sampled many times, with other data too.

    Parameters
    ----------
    model : pymc.Model, optional
        By default the model of the context.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler.
    gradient : str or Differences, optional
        As of `HMC`, where that does not say otherwise.

    Returns
    -------
    CompiledModel

    Raises
    ------
    TypeError
        When the model has discrete variables.
    ValueError
        When there is nothing to sample, the log-density is random, or there are too many parameters for differences.
    NotImplementedError
        When an operation has no gradient, and it is not taken by differences.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model():
    ...     x = pm.Normal("x")
    ...     compiled = ps.compile()
    >>> sizes = [
    ...     compiled.sample(100, chains=2, random_seed=seed, progressbar=False, quiet=True).posterior.sizes["draw"]
    ...     for seed in (1, 2)
    ... ]
    >>> sizes
    [100, 100]
    """
    model = model_of(model)
    check_model(model)
    ahead_of_first_start()
    return CompiledModel(model, compile_kwargs, differences=get(gradient))
