"""Chains side by side: what each of them did, and which one is elsewhere, or stuck."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from .adaptation.efficiency import longest_stay
from .adaptation.words import in_words

__all__ = ["diagnose", "odd_chains"]

_SAMPLE = ("chain", "draw")
_APART = 2.0  # standard deviations, within chains, between the means of chains that are not at the same place
_RESTS = 0.2, 50  # of all draws, and so many at least, that a chain has to stay at one place for to be called stuck
_PLACES = 2  # variables by which it is said where a chain is
_FEW = 5  # divergences, of which it cannot be said where they are
_FAR = 1.0  # standard deviations that their mean has to be from that of all draws
_LOG_DENSITY = ("lp", "model_logp", "logp")
_STATISTICS = (*_LOG_DENSITY, "energy", "step_size", "acceptance_rate", "diverging")


class _Chains(NamedTuple):
    """Draws (chain, draw, label) with their labels, statistics (chain, draw) by name, and words on what was chosen."""

    numbers: list[Any]
    labels: np.ndarray
    draws: np.ndarray
    stats: Mapping[str, np.ndarray]
    chosen: Sequence[str]

    @property
    def log_density(self) -> np.ndarray:
        """Mean of each chain; NaN where it is not recorded."""
        name = next((name for name in _LOG_DENSITY if name in self.stats), "")
        return self.mean(name)

    @property
    def below(self) -> np.ndarray:
        """How far that is below the highest of all chains."""
        return np.nanmax(self.log_density, initial=-np.inf) - self.log_density

    def mean(self, name: str) -> np.ndarray:
        """Mean of a statistic over each chain; NaN where it is not recorded."""
        return self.stats[name].mean(axis=1) if name in self.stats else np.full(len(self.numbers), np.nan)

    def last(self, name: str) -> np.ndarray:
        """A statistic at the last draw of each chain; NaN where it is not recorded."""
        return self.stats[name][:, -1] if name in self.stats else np.full(len(self.numbers), np.nan)


def diagnose(idata: xr.DataTree, var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    """What each chain did, and where it is: a table with a row for each.

    Parameters
    ----------
    idata : DataTree
        What `sample` or `pymc.sample` has returned, of this sampler or another.
    var_names : str or sequence of str, optional
        Variables of the posterior by which it is said where chains are; by default all.

    Returns
    -------
    pandas.DataFrame
        What is not recorded is NaN, or empty.

        - ``log_density``: its mean over the draws, in nats; ``below``: how far that is below the highest of all chains.
        - ``energy``: the mean of the Hamiltonian; ``bfmi``: the energy's Bayesian fraction of missing information [1]_.
        - ``step_size``, ``accept``: the last step size, and the mean acceptance.
        - ``longest_rest``: the most successive draws at one and the same place.
        - ``divergences``: how many; ``diverges_at``: the variables whose means there differ most from those of all
          draws, where they clearly do.
        - ``elsewhere``: where the chain is, if that is not where most of the others are, and where those are.
        - ``chosen``: integrator, trajectory and momenta, and why no others, of this sampler.

    Raises
    ------
    TypeError
        When `idata` is not a DataTree.
    ValueError
        When it has no posterior with dimensions chain and draw, or lacks one of `var_names`.

    Notes
    -----
    Two chains are at different places where the means of a variable are more than 2 standard deviations apart, by the
    variance within them.  Chains that are linked so are together, and the largest group, or, among groups of one size,
    the one of the highest log-density, is where the others are compared with.

    References
    ----------
    .. [1] M. Betancourt (2016). Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo.
       arXiv:1604.00695.

    Examples
    --------
    >>> import arviz_base, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, lp = rng.normal(size=(4, 200)), rng.normal(-3, 1, size=(4, 200))
    >>> x[2], lp[2] = 9.0 + 0.1 * x[2], lp[2] - 40
    >>> table = diagnose(arviz_base.from_dict({"posterior": {"x": x}, "sample_stats": {"lp": lp}}))
    >>> table["elsewhere"].tolist()
    ['', '', 'x = 9 (others -0.1 ± 0.97)', '']
    """
    chains = _read(idata, var_names)
    away, every = _elsewhere(chains), range(len(chains.numbers))
    rows = {
        "log_density": chains.log_density,
        "below": chains.below,
        "energy": chains.mean("energy"),
        "bfmi": _bfmi(chains),
        "step_size": chains.last("step_size"),
        "accept": chains.mean("acceptance_rate"),
        "longest_rest": [_longest_rest(draws) for draws in chains.draws],
        "divergences": _divergences(chains),
        "diverges_at": [_diverges_at(chains, i) for i in every],
        "elsewhere": [away.get(i, "") for i in every],
        "chosen": list(chains.chosen),
    }
    return pd.DataFrame(rows, index=pd.Index(chains.numbers, name="chain"))


def odd_chains(idata: xr.DataTree, var_names: str | Sequence[str] | None = None) -> list[str]:
    """A sentence on each chain that is elsewhere, or stuck, in plain words; empty where there is none."""
    chains = _read(idata, var_names)
    away, below, sizes, count = _elsewhere(chains), chains.below, chains.last("step_size"), len(chains.numbers)
    sentences, total = [], chains.draws.shape[1]
    for i, number in enumerate(chains.numbers):
        did, rest = [], _longest_rest(chains.draws[i])
        if i in away:
            low = f"stays {below[i]:.3g} nats below the others" if below[i] > 1 else "stays elsewhere"
            did.append(f"{low}, at {away[i]}")
        if rest > max(_RESTS[0] * total, _RESTS[1]):
            did.append(f"rests for {rest} of {total} draws at one place")
        if not did:
            continue
        by = f", with a step size of {sizes[i]:.2g}" if math.isfinite(sizes[i]) else ""
        chose = f". It drew by {chains.chosen[i]}{by}" if chains.chosen[i] else ""
        sentences.append(f"Chain {number} of {count} {', and '.join(did)}{chose}.")
    return sentences


def _read(idata: Any, var_names: str | Sequence[str] | None) -> _Chains:
    if not isinstance(idata, xr.DataTree):
        raise TypeError(f"idata must be an xarray.DataTree, as pymc.sample returns, got a {type(idata).__name__}")
    posterior, stats = (
        idata[name].to_dataset() if name in idata.children else xr.Dataset() for name in ("posterior", "sample_stats")
    )
    if not set(_SAMPLE) <= set(posterior.dims):
        raise ValueError("idata has no posterior with the dimensions chain and draw, so there are no chains to look at")
    if not posterior.sizes["draw"]:
        raise ValueError("idata has no draws in its posterior")
    known = [str(name) for name in posterior]
    asked = [var_names] if isinstance(var_names, str) else list(known if var_names is None else var_names)
    if strangers := [name for name in asked if name not in known]:
        raise ValueError(f"the posterior of idata has no {', '.join(strangers)}; it has {', '.join(known)}")
    labels, draws = _stacked([posterior[name] for name in asked], posterior.sizes["chain"], posterior.sizes["draw"])
    numbers = posterior["chain"].values.tolist()
    recorded = {name: stats[name] for name in _STATISTICS if name in stats and set(stats[name].dims) == set(_SAMPLE)}
    arrays = {name: values.transpose(*_SAMPLE).values.astype(float) for name, values in recorded.items()}
    ours = posterior.attrs.get("inference_library") == "pymc_symplectic"
    told = json.loads(posterior.attrs.get("sampler", "{}")).get("chains", []) if ours else []
    chosen = [in_words(one) for one in told] if len(told) == len(numbers) else [""] * len(numbers)
    return _Chains(numbers, labels, draws, arrays, chosen)


def _stacked(variables: Sequence[xr.DataArray], chains: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and draws (chain, draw, label), of all elements of variables that are finite numbers."""
    labels, parts = [np.empty(0, dtype=object)], [np.empty((chains, draws, 0))]
    for variable in variables:
        if not set(_SAMPLE) <= set(variable.dims) or variable.dtype.kind not in "biuf":
            continue
        values = variable.transpose(*_SAMPLE, ...).values
        event = [dim for dim in variable.dims if dim not in _SAMPLE]
        places = product(*(variable[dim].values.tolist() for dim in event))
        names = [str(variable.name) + (f"[{', '.join(map(str, place))}]" if place else "") for place in places]
        flat = values.reshape(chains, draws, -1).astype(float)
        finite = np.isfinite(flat).all(axis=(0, 1))
        labels.append(np.array(names, dtype=object)[finite])
        parts.append(flat[:, :, finite])
    return np.concatenate(labels), np.concatenate(parts, axis=2)


def _elsewhere(chains: _Chains) -> dict[int, str]:
    """Of chains that are not where most are, by place in the table: where they are, and where those are."""
    if not chains.draws.size:
        return {}
    means, sds = chains.draws.mean(axis=1), chains.draws.std(axis=1)
    groups = _together(means, sds)
    log_density = np.nan_to_num(chains.log_density, nan=-np.inf)
    main = max(groups, key=lambda group: (len(group), max(log_density[group])))
    at, width = means[main].mean(axis=0), np.sqrt((sds[main] ** 2).mean(axis=0))
    found = {}
    for i in (i for group in groups if group is not main for i in group):
        order = np.argsort(-_distances(means[i], sds[i], at, width))
        told = [f"{chains.labels[j]} = {means[i, j]:.2g} (others {at[j]:.2g} ± {width[j]:.2g})" for j in order]
        found[i] = ", ".join(_by_variables(told, chains.labels[order]))
    return found


def _together(means: np.ndarray, sds: np.ndarray) -> list[list[int]]:
    """Groups of chains that are at the same place, or linked by others that are."""
    from scipy.sparse.csgraph import connected_components  # slow to import, and not needed before

    places = list(zip(means, sds, strict=True))
    links = [[_distances(*one, *other).max() <= _APART for other in places] for one in places]
    count, group_of = connected_components(np.array(links), directed=False)
    return [np.flatnonzero(group_of == group).tolist() for group in range(count)]


def _distances(mean: np.ndarray, sd: np.ndarray, other: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Between means, of each label, in standard deviations: infinite between different constants."""
    apart, scale = np.abs(mean - other), np.sqrt((sd**2 + width**2) / 2)
    return np.divide(apart, scale, out=np.where(apart > 0, np.inf, 0.0), where=scale > 0)


def _by_variables(told: Sequence[str], labels: Any) -> list[str]:
    """The first sentences, one to each variable."""
    first: dict[str, str] = {}
    for words, label in zip(told, labels, strict=True):
        first.setdefault(str(label).partition("[")[0], words)
        if len(first) == _PLACES:
            break
    return list(first.values())


def _longest_rest(draws: np.ndarray) -> int:
    """The most successive draws (n, labels) that are the same."""
    return longest_stay(draws) + 1 if draws.size else 0


def _divergences(chains: _Chains) -> np.ndarray:
    return (
        chains.stats["diverging"].sum(axis=1) if "diverging" in chains.stats else np.full(len(chains.numbers), np.nan)
    )


def _diverges_at(chains: _Chains, chain: int) -> str:
    """Where a chain diverges, by the variables whose mean is farthest from that of all draws there."""
    if "diverging" not in chains.stats or not chains.draws.size:
        return ""
    draws, diverging = chains.draws[chain], chains.stats["diverging"][chain] > 0
    if diverging.sum() < _FEW:
        return ""
    here, mean, sd = draws[diverging].mean(axis=0), draws.mean(axis=0), draws.std(axis=0)
    far = np.divide(np.abs(here - mean), sd, out=np.zeros_like(sd), where=sd > 0)
    order = [j for j in np.argsort(-far) if far[j] > _FAR]
    told = [f"{chains.labels[j]} = {here[j]:.2g} (all draws {mean[j]:.2g} ± {sd[j]:.2g})" for j in order]
    return ", ".join(_by_variables(told, chains.labels[order]))


def _bfmi(chains: _Chains) -> np.ndarray:
    import arviz_stats

    if "energy" not in chains.stats:
        return np.full(len(chains.numbers), np.nan)
    energies = xr.DataArray(chains.stats["energy"], dims=_SAMPLE)
    with np.errstate(all="ignore"):
        return np.atleast_1d(np.asarray(arviz_stats.bfmi(energies, sample_dims=_SAMPLE)))
