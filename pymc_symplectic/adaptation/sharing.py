"""What chains side by side have learned together at the end of their warm-up, and which of them keep to their own.

Each has learned a metric, a mean and a step size by the gradients of a hundred draws or so, and four know them better.
Covariances, means and the logarithms of step sizes are averaged over chains that agree, which costs no gradient, and
the path of more than half of them becomes that of all: a poor one, chosen by chance or for lack of draws, costs the
whole run most of its effective draws.  Chains that adapt together from the first draw on gain by the same (Hoffman,
Radul, Sountsov 2021; Hoffman, Sountsov 2022); here each learns by itself, and which of them agree is seen afterwards.

One that has seen what asks for care keeps to its own path: that draws diverge, or that there is more where no draw has
been.  The others may not have been there, but they will come there, so that divided steps become those of all that make
no-U-turn draws: of what is narrow, chains with other steps would see less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..knowledge import LearnedChain, agreeing, path_of, together
from .tuner import ELSEWHERE

__all__ = ["shared"]


def shared(chains: Sequence[LearnedChain]) -> list[LearnedChain | None]:
    """What each chain goes on from; None where that is what it has learned by itself.

    Parameters
    ----------
    chains : sequence of LearnedChain
        In the state that they have come to the end of their warm-up in.
    """
    found: list[LearnedChain | None] = [None] * len(chains)
    for places in agreeing(chains):
        group = [chains[place] for place in places]
        if len(group) == 1 or any(chain.density is not None for chain in group):  # surrogates cannot be averaged
            continue
        if any(chain.state["tuner"]["divides"] for chain in group):
            group = [_divided(chain) for chain in group]
        common, paths = together(group), [path_of(chain) for chain in group]
        most = 2 * paths.count(path_of(common)) > len(paths)
        for place, chain, path in zip(places, group, paths, strict=True):
            found[place] = common
            if _careful(chain) or not most:
                alike = together([other for other, its in zip(group, paths, strict=True) if its == path])
                found[place] = replace(alike, metric=common.metric, mean=common.mean)
    return found


def _divided(chain: LearnedChain) -> LearnedChain:
    """The same with divided steps, if it makes no-U-turn draws."""
    tuner = chain.state["tuner"]
    if tuner["found"] is not None:
        return chain
    state = {**chain.state, "tuner": {**tuner, "divides": True}}
    return replace(chain, choice={**chain.choice, "divides": True}, state=state)


def _careful(chain: LearnedChain) -> bool:
    """Whether the path of a chain is what it is because of something that other chains may not have seen."""
    tuner = chain.state["tuner"]
    return bool(tuner["divides"]) or tuner["reason"] == ELSEWHERE
