r"""Tests of convergence by identities of Stein: gradients at the draws, and no second chain.

Of a density π that vanishes far away, and any constant c,

.. math:: \mathrm E[\partial_j \log\pi(q)] = 0, \qquad \mathrm E[1 + (q_j - c)\,\partial_j \log\pi(q)] = 0,

as both are integrals of a derivative: of π, and of :math:`(q_j - c)\,\pi`.  Draws of another distribution fail one of
them, for some j, unless they fail to be of π only by the weights of parts that no draw connects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from .target import Compilation, LogDensity, kept_log_density, opened, run_with, unconstraining

__all__ = ["gradient_tests"]

_SAMPLE = ("chain", "draw")


def gradient_tests(idata: xr.DataTree, model: pm.Model | Compilation | None = None) -> pd.DataFrame:
    r"""Test each chain by the gradients of the log-density at its draws.

    Parameters
    ----------
    idata : DataTree
        What `sample` or `pymc.sample` has returned, of this sampler or another, with all free variables.
    model : pymc.Model or CompiledModel, optional
        The one that was sampled, with the data that it had then; by default the model of the context.

    Returns
    -------
    pandas.DataFrame
        A row for each chain and each unconstrained parameter:

        - ``gradient``: the mean of :math:`\sigma_j \partial_j \log\pi`, with the standard deviation σ of the chain's
          draws, and ``gradient_z``, the same in standard errors;
        - ``virial``: the mean of :math:`1 + (q_j - \bar q_j)\,\partial_j \log\pi`, and ``virial_z``;
        - ``p_value``: of the larger of the two, by Student's t with as many degrees of freedom as draws are worth, for
          as many tests as the table has (Bonferroni).  A chain with one below 0.001 is not one of draws of the
          posterior; of chains of a hundred draws, such as are by chance, more than there should be have one below 0.05.

    Raises
    ------
    TypeError
        When `idata` is not a DataTree, or the model has discrete variables.
    ValueError
        When the posterior lacks a free variable of the model, a variable has another shape, or a chain has fewer than
        10 draws.

    Notes
    -----
    Standard errors are those of each chain by itself, by its effective sample size, so that a single chain can be
    tested [1]_.  One gradient is evaluated for each draw.  For a run with a `temperature` the tests are of the tempered
    density.

    *What they can tell.*  That a chain has not come to the posterior yet, or is stuck; that draws are of another
    distribution, as those of a sampler with a bias, or of another model or data; that a tail is missing, where a chain
    does not get into it: there the virial is positive, as the draws are narrower than the density says.

    *What they cannot tell.*  That there is another mode: draws of one mode alone pass, as long as the density between
    the modes is so low that no draw is there.  How large the effective sample size is; and of a density whose gradient
    has no variance, as that of a funnel may have none, the standard errors are too small.

    References
    ----------
    .. [1] J. Gorham, L. Mackey (2015). Measuring sample quality with Stein's method. Advances in Neural Information
       Processing Systems 28.

    Examples
    --------
    >>> import pymc as pm, pymc_symplectic as ps
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", 3.0, 2.0)
    ...     quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
    ...     idata = ps.sample(500, chains=1, random_seed=1, **quiet)
    >>> bool(ps.gradient_tests(idata, model)["p_value"].min() > 0.01)
    True
    >>> idata["posterior"]["x"] *= 1.2
    >>> bool(ps.gradient_tests(idata, model)["p_value"].min() > 0.01)
    False
    """
    if not isinstance(idata, xr.DataTree):
        raise TypeError(f"idata must be an xarray.DataTree, as pymc.sample returns, got a {type(idata).__name__}")
    compilation = opened(model, None)
    of = compilation.model
    if discrete := [rv.name for rv in of.free_RVs if rv.dtype in pm.vartypes.discrete_types]:
        raise TypeError(f"{', '.join(discrete)} is discrete, and there is no gradient by it")
    with run_with(of, compilation.data):
        target = kept_log_density(of, compilation.compile_kwargs, differences=compilation.differences)
        draws = _draws(idata, target)
        positions, gradients = _evaluated(draws, target)
    return _table(positions, gradients / _temperature(idata), draws["chain"].values.tolist(), _labels(target))


def _draws(idata: xr.DataTree, target: LogDensity) -> xr.Dataset:
    posterior = idata["posterior"].to_dataset() if "posterior" in idata.children else xr.Dataset()
    names = [target.model.values_to_rvs[value].name for value in target.vars]
    if lacking := [name for name in names if name not in posterior]:
        raise ValueError(f"the posterior has no {', '.join(lacking)}, and gradients are of all free variables")
    found = posterior[names]
    if not set(_SAMPLE) <= set(found.dims) or found.sizes["draw"] < 10:
        raise ValueError("the posterior must have the dimensions chain and draw, and 10 draws of each chain at least")
    return found.transpose(*_SAMPLE, ...)


def _evaluated(draws: xr.Dataset, target: LogDensity) -> tuple[np.ndarray, np.ndarray]:
    """Unconstrained positions and gradients (chains, draws, d)."""
    shape = draws.sizes["chain"], draws.sizes["draw"]
    arrays: Mapping[str, np.ndarray] = {str(name): values.values for name, values in draws.data_vars.items()}
    vector = unconstraining(target)
    positions, gradients = np.empty((*shape, target.dim)), np.empty((*shape, target.dim))
    for at in product(*map(range, shape)):
        try:
            positions[at] = vector({name: values[at] for name, values in arrays.items()})
        except (TypeError, ValueError) as error:
            raise ValueError(f"the posterior is not one of this model: {error}") from error
        _, gradients[at] = target.try_at(positions[at])
    return positions, gradients


def _temperature(idata: xr.DataTree) -> float:
    attrs = idata["posterior"].attrs
    if attrs.get("inference_library") != "pymc_symplectic":
        return 1.0
    return float(json.loads(attrs.get("sampler", "{}")).get("options", {}).get("temperature", 1.0))


def _labels(target: LogDensity) -> list[str]:
    return [
        name + (f"[{', '.join(map(str, place))}]" if place else "")
        for name, shape in target.layout.items()
        for place in product(*map(range, shape))
    ]


def _table(positions: np.ndarray, gradients: np.ndarray, chains: list[Any], labels: list[str]) -> pd.DataFrame:
    from scipy.stats import t as student_t

    with np.errstate(all="ignore"):
        centred = positions - positions.mean(axis=1, keepdims=True)
        slopes, virials = gradients * positions.std(axis=1, keepdims=True), 1 + centred * gradients
        columns: dict[str, Any] = {}
        p_values: list[np.ndarray] = []
        for name, values in (("gradient", slopes), ("virial", virials)):
            z, effective = _z(values)
            columns[name], columns[f"{name}_z"] = values.mean(axis=1).ravel(), z.ravel()
            p_values.append(2 * student_t.sf(np.abs(z), np.maximum(effective - 1, 1)).ravel())
        columns["p_value"] = np.minimum(1.0, np.minimum(*p_values) * 2 * p_values[0].size)
    index = pd.MultiIndex.from_product([chains, labels], names=["chain", "parameter"])
    return pd.DataFrame(columns, index=index)


def _z(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (chains, d) of values (chains, draws, d) in standard errors, and how many draws they are worth.

    Infinite where the values do not vary, and are not 0; NaN where one is not finite.
    """
    import arviz_stats

    draws = values.shape[1]
    found, counts = np.empty((2, len(values), values.shape[2]))
    for chain, one in enumerate(values):
        array = xr.DataArray(one[None], dims=(*_SAMPLE, "parameter"))
        effective = np.asarray(arviz_stats.ess(array, sample_dims=_SAMPLE, method="mean"))
        counts[chain] = np.minimum(np.nan_to_num(effective, nan=1.0), draws)
        deviation, mean = one.std(axis=0, ddof=1), one.mean(axis=0)
        error = deviation / np.sqrt(counts[chain])
        still = deviation <= 1e-12 * np.abs(mean)
        found[chain] = np.where(still, np.where(np.abs(mean) > 1e-12, np.inf * np.sign(mean), 0.0), mean / error)
    return found, counts
