"""The samplers that are compared, behind one interface.

A sampler is prepared for a problem once, which compiles what it can, and then run from one seed after another:

>>> prepare = get("ours-diagonal")
>>> sample = prepare(Problem(model))  # doctest: +SKIP
>>> run = sample(draws=1000, tune=1000, chains=4, seed=0)  # doctest: +SKIP

Every sampler starts its chains at the same points, runs them one after another, and is timed by the processor time that
it takes, so that neither other processes nor the number of cores matter much.

This package's samplers are named after their options, ``ours-dense-bcss2``: see `ours`.
"""

from functools import partial

from benchmarks.samplers import jax, nutpie, ours, pymc, stan, walnuts
from benchmarks.samplers.problem import Prepare, Problem, Run, Sample

__all__ = ["SAMPLERS", "Prepare", "Problem", "Run", "Sample", "get"]

SAMPLERS: dict[str, Prepare] = {
    **{
        f"ours-{metric}": partial(ours.prepare, options=ours.options_of([metric]))
        for metric in ("diagonal", "low_rank", "dense", "auto")
    },
    **{f"nutpie-{setting}": partial(nutpie.prepare, setting=setting) for setting in nutpie.SETTINGS},
    "pymc": pymc.prepare,
    "stan": stan.prepare,
    "blackjax": partial(jax.prepare_blackjax, adaptation="window"),
    **{
        f"blackjax-{adaptation}": partial(jax.prepare_blackjax, adaptation=adaptation)
        for adaptation in jax.ADAPTATIONS[1:]
    },
    "numpyro": jax.prepare_numpyro,
    "walnutpie": walnuts.prepare_walnutpie,
    "owalnuts": walnuts.prepare_owalnuts,
}
"""How each sampler is prepared for a problem, by name; `get` knows more of ours."""


def get(name: str) -> Prepare:
    """Look a sampler up by name.

    Raises
    ------
    ValueError
        When there is no such sampler; the message lists those there are.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    first, *words = name.split("-")
    if first == "ours":
        return partial(ours.prepare, options=ours.options_of(words))
    raise ValueError(f"No sampler {name!r}; there are {', '.join(SAMPLERS)}, and ours-OPTION-OPTION...")
