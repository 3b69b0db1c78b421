"""The posteriors that samplers are measured on.

`posteriordb` are those on which choices are made, `held_out`, `fresh`, `unseen` and `apart` sets that were written to
test them.  The others are of known shape: `gaussians`, with chains that may start far away, `families` of any
dimension, `known_laws`, of which the true quantiles are known, and `stationary`, whose chains start at draws.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.models import apart, families, fresh, held_out, posteriordb, unseen
from benchmarks.models.posterior import Posterior

__all__ = ["SETS", "of_set"]

SETS = {"held_out": held_out, "fresh": fresh, "unseen": unseen, "apart": apart}
"""Sets of posteriors that were held out, by name."""


def of_set(name: str, path: Path | None) -> tuple[list[str], Callable[[str], Posterior]]:
    """Names of the posteriors of a set, and what loads them; `path` is posteriordb's, which every other name means.

    Of ``"families"``, the names are those of 300 parameters.
    """
    if name == "families":
        return [f"{family}-300" for family in families.FAMILIES], families.load
    if name in SETS:
        return SETS[name].names(), SETS[name].load
    return posteriordb.names(), partial(posteriordb.load, path=path)
