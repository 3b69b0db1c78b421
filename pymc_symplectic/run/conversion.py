"""From draws to a DataTree: the conversion by `pymc.to_inference_data`, and what is computed of the draws."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.stats import compute_log_likelihood, compute_log_prior

from ..checks import truth
from ..native.pymc import get_default_varnames
from ..recorded import RecordedVariables
from ..statistics import DTYPES, RENAMED
from ..target import LogDensity, SeenData, user_code
from .multitrace import MultiTraceView
from .warn import attempt

__all__ = ["Conversion"]

_COMPUTED: Mapping[str, Callable[..., Any]] = {"log_likelihood": compute_log_likelihood, "log_prior": compute_log_prior}
"""Groups that idata_kwargs may ask to be computed of the draws."""
_OF_DATA = ("observed_data", "constant_data")
_SAMPLE_DIMS = ("chain", "draw")


class Conversion:
    """Makes results of draws, by the `idata_kwargs` that a user gives; these are checked as far as it can be done here.

    Parameters
    ----------
    model : pymc.Model
    idata_kwargs : dict or None
        Of `pymc.to_inference_data`.
    var_names : sequence of str or None
        Variables that are recorded; None for all.

    Raises
    ------
    TypeError, ValueError
        When one of `idata_kwargs` is not what it must be, or a variable would be lost behind a dimension that every
        result has.
    """

    def __init__(self, model: pm.Model, idata_kwargs: Any, var_names: Sequence[str] | None) -> None:
        if not isinstance(idata_kwargs, Mapping | None):
            raise TypeError(f"idata_kwargs must be a dictionary, got {idata_kwargs!r}")
        given = dict(idata_kwargs or {})
        known = inspect.signature(pm.to_inference_data).parameters.keys() - {"trace", "model"}
        if strangers := sorted(map(str, given.keys() - known)):
            raise TypeError(f"idata_kwargs: there is no {', '.join(strangers)}; there are {', '.join(sorted(known))}")
        _check_plain(model, given)
        _check_dimensions(model, given.get("dims") or {})
        self._model = model
        self._computed = {name: _variables_of(name, given.pop(name, None), model, var_names) for name in _COMPUTED}
        self._keywords = given
        self.seen = SeenData(model, own=True)
        """The data that results are of: those that the model had by itself when they were asked for, or others."""

    def replaced(self) -> list[str]:
        """Names of the data in whose place others are by now."""
        return self.seen.replaced()

    def check(self, target: LogDensity, variables: RecordedVariables, position: np.ndarray) -> None:
        """Make a result as `template` does, unless one like it has been made before of the same model.

        Raises
        ------
        TypeError, ValueError
            As `template`.
        """

        def made() -> bool:
            self.template(variables, position)
            return True

        if self._keywords:
            made()
            return
        model = self._model
        data = tuple((variable.name, variable.get_value(borrow=True).shape) for variable in model.data_vars)
        coords = tuple((name, None if values is None else len(values)) for name, values in model.coords.items())
        layout = tuple(variables.layout.items())
        target.once(("result", layout, data, coords, repr(model.named_vars_to_dims), repr(self._computed)), made)

    def template(self, variables: RecordedVariables, position: np.ndarray) -> xr.DataTree:
        """A result of one draw of warm-up and one of sampling, from which a store takes its groups and dimensions.

        Raises
        ------
        TypeError, ValueError
            When no result can be made; the message names what is to blame, the model or one of `idata_kwargs`.
        """
        values = {name: np.stack([value, value])[None] for name, value in variables.at(position).items()}
        stats = {name: np.zeros((1, 2), dtype) for name, dtype in DTYPES.items()}
        draws = MultiTraceView(values, stats, 1, 0.0)
        with warnings.catch_warnings():  # the same warnings come when the result is made in earnest
            warnings.simplefilter("ignore")
            idata = self._trial(draws)
            for name in self._wanted():
                try:
                    self._compute(name, idata)
                except Exception as error:
                    raise _named_error(f"idata_kwargs: {name} cannot be computed", error) from error
        return idata

    def tree(self, draws: MultiTraceView, chains: Sequence[int], save_warmup: bool) -> xr.DataTree:
        """The result of draws of the chains with these numbers; where the conversion fails, with less than it makes.

        Parameters
        ----------
        draws : MultiTraceView
        chains : sequence of int
        save_warmup : bool
            Whether to keep the draws of warm-up, where `idata_kwargs` does not say so.
        """
        keywords = {"save_warmup": save_warmup, **self._keywords}
        instead = "the draws are returned without what else a result has, and with dimensions by number"
        idata = attempt("The conversion by pymc.to_inference_data", instead, self._convert, draws, keywords, chains)
        return _bare(draws, chains, keywords) if idata is None else idata

    def complete(self, idata: xr.DataTree) -> xr.DataTree:
        """Add what was asked to be computed of the draws."""
        for name in self._wanted():
            instead = f"the draws are returned without it; it can be added by pm.compute_{name}(idata)"
            found = attempt(f"The computation of {name}", instead, self._compute, name, idata)
            if found is not None:
                idata[name] = found
        return idata

    def _convert(self, draws: MultiTraceView, keywords: Mapping[str, Any], chains: Sequence[int] = (0,)) -> xr.DataTree:
        idata = _relabelled(pm.to_inference_data(draws, model=self._model, **keywords), chains)
        if self.replaced():
            for name in set(_OF_DATA) & set(idata.children):
                del idata[name]
        return idata

    def _trial(self, draws: MultiTraceView) -> xr.DataTree:
        """The conversion of draws; where it fails, the error names the keywords to blame, or the model itself."""

        def made(*names: str) -> xr.DataTree:
            keywords = {name: self._keywords[name] for name in names}
            return self._convert(draws, {**keywords, "save_warmup": True})

        try:
            return made(*self._keywords)
        except Exception as error:
            blamed = "the coords and dims of the model"
            if _works(made):
                alone = [name for name in self._keywords if not _works(made, name)]
                blamed = f"idata_kwargs: {', '.join(alone or self._keywords)}"
            raise _named_error(f"{blamed} cannot be those of its variables", error) from error

    def _wanted(self) -> list[str]:
        return [name for name, variables in self._computed.items() if variables]

    def _compute(self, name: str, idata: xr.DataTree) -> xr.Dataset:
        variables = self._computed[name]
        if replaced := self.replaced():
            raise RuntimeError(f"the data {', '.join(replaced)} of the model are not those of the run any more")
        with user_code:
            return _COMPUTED[name](
                idata,
                var_names=None if variables is True else variables,
                extend_inferencedata=False,
                model=self._model,
                sample_dims=self._keywords.get("sample_dims") or _SAMPLE_DIMS,
                progressbar=False,
            )


def _check_plain(model: pm.Model, given: Mapping[str, Any]) -> None:
    """Raise an error unless the keywords for the conversion itself are of the right kinds, and name what there is."""
    for name in ("save_warmup", "include_transformed"):
        if given.get(name) is not None:
            truth(f"idata_kwargs: {name}", given[name])
    for name in ("coords", "dims"):
        if not isinstance(given.get(name), Mapping | None):
            raise TypeError(f"idata_kwargs: {name} must be a dictionary, got {given[name]!r}")
    if own := set(_SAMPLE_DIMS) & (given.get("coords") or {}).keys():
        raise ValueError(f"idata_kwargs: coords of {' and '.join(sorted(own))} come with the draws; leave them out")
    named = {*model.named_vars, *(value.name for value in model.value_vars)}
    for group in ("prior", "posterior_predictive"):
        named |= set(given[group]) if isinstance(given.get(group), Mapping) else set()
    if strangers := sorted(map(str, (given.get("dims") or {}).keys() - named)):
        raise ValueError(f"idata_kwargs: dims names {', '.join(strangers)}, which the model does not have")
    dims = given.get("sample_dims")
    if dims is not None and (not isinstance(dims, list | tuple) or sorted(map(str, dims)) != list(_SAMPLE_DIMS)):
        raise ValueError(f"idata_kwargs: sample_dims can only be ['chain', 'draw'], got {dims!r}")


def _check_dimensions(model: pm.Model, dims: Mapping[str, Any]) -> None:
    """Raise a ValueError where a variable would be lost behind a dimension that every result has."""
    for variable in (rv.name for rv in model.unobserved_RVs):
        if variable in _SAMPLE_DIMS:
            raise ValueError(
                f"the variable {variable!r} has the name of a dimension that every result has, and would be lost "
                "behind it; give it another name"
            )
    for variable, names in {**model.named_vars_to_dims, **dims}.items():
        if taken := [str(name) for name in np.atleast_1d(names) if name in _SAMPLE_DIMS]:
            raise ValueError(
                f"the variable {variable!r} has a dimension {taken[0]!r}, as every result has one; give its dimension "
                "another name"
            )


def _variables_of(name: str, value: Any, model: pm.Model, var_names: Sequence[str] | None) -> bool | list[str]:
    """Variables whose log-likelihood or log-prior is to be computed; True for all."""
    known = [rv.name for rv in (model.observed_RVs if name == "log_likelihood" else model.free_RVs)]
    if value is None or isinstance(value, bool | np.bool):
        wanted: bool | list[str] = bool(value)
    else:
        listed = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else [None]
        if not all(isinstance(one, str) for one in listed):
            raise TypeError(f"idata_kwargs: {name} must be True, False or a sequence of names, got {value!r}")
        if strangers := [one for one in listed if one not in known]:
            raise ValueError(
                f"idata_kwargs: {name} of {', '.join(map(repr, strangers))} cannot be computed; it can of "
                f"{', '.join(known) or 'nothing in this model'}"
            )
        wanted = [str(one) for one in listed]
    lacking = [rv.name for rv in model.free_RVs if var_names is not None and rv.name not in var_names]
    if wanted and lacking:
        raise ValueError(
            f"idata_kwargs: {name} is computed of all free variables, and var_names leaves {', '.join(lacking)} "
            f"out; name them too, or leave {name} out"
        )
    return wanted


def _relabelled(idata: xr.DataTree, chains: Sequence[int]) -> xr.DataTree:
    """The same, with these numbers of the chains."""
    if list(chains) == list(range(len(chains))):
        return idata
    groups = {f"/{name}": group.to_dataset() for name, group in idata.children.items()}
    return xr.DataTree.from_dict(
        {name: data.assign_coords(chain=chains) if "chain" in data.dims else data for name, data in groups.items()}
    )


def _bare(draws: MultiTraceView, chains: Sequence[int], keywords: Mapping[str, Any]) -> xr.DataTree:
    """Draws and statistics as they are, by the names that `pymc.to_inference_data` gives them."""
    names = get_default_varnames(draws.varnames, include_transformed=bool(keywords.get("include_transformed")))
    first = len(draws) - draws.report.n_draws
    parts = {"warmup_": draws[:first]} if keywords["save_warmup"] and first else {}
    parts |= {"": draws[first:]} if draws.report.n_draws else {}
    groups = {}
    for prefix, part in parts.items():
        values = {name: part.get_values(name) for name in names}
        stats = {RENAMED.get(name, name): part.get_sampler_stats(name) for name in part.stat_names}
        for group, arrays in (("posterior", values), ("sample_stats", stats)):
            groups[f"/{prefix}{group}"] = xr.Dataset(
                {
                    name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(array.ndim - 2))), array)
                    for name, array in arrays.items()
                },
                {"chain": list(chains), "draw": np.arange(len(part))},
                {"sampling_time": draws.report.t_sampling, "tuning_steps": draws.report.n_tune},
            )
    return xr.DataTree.from_dict(groups)


def _works(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        function(*arguments)
    except Exception:
        return False
    return True


def _named_error(what: str, error: Exception) -> TypeError | ValueError:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{what} ({type(error).__name__}: {error})")
