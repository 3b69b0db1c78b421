"""The posteriors that samplers are measured on.

`posteriordb` are those on which choices are made, `held_out`, `fresh`, `unseen` and `apart` sets that were written to
test them, and `hierarchies` and `expensive` have some of both kinds; `stan_programs` are posteriordb's own programs.
The others are of known shape: `gaussians`, with chains that may start far away, `families` of any dimension,
`known_laws`, of which the true quantiles are known, `black_box`, a simulation without gradients whose posterior is
known on a grid, and `stationary`, whose chains start at draws.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.models import apart, expensive, families, fresh, held_out, hierarchies, posteriordb, unseen
from benchmarks.models.posterior import Posterior

__all__ = ["EXPENSIVE", "HIERARCHIES", "SETS", "of_set"]

SETS = {"held_out": held_out, "fresh": fresh, "unseen": unseen, "apart": apart}
"""Sets of posteriors that were held out, by name."""


HIERARCHIES = tuple(f"hierarchies{apart}{by_hand}" for apart in ("", "-apart") for by_hand in ("", "-by_hand"))
"""Sets of hierarchies, by name."""

EXPENSIVE = ("expensive", "expensive-apart")
"""Sets of posteriors whose gradients take long, by name."""


def of_set(name: str, path: Path | None) -> tuple[list[str], Callable[[str], Posterior]]:
    """Names of the posteriors of a set, and what loads them; `path` is posteriordb's, which every other name means.

    Of ``"families"``, the names are those of 300 parameters.  ``"hierarchies"`` are as people write them, and
    ``"hierarchies-apart"`` those on which no choice was made; ``"-by_hand"`` after either has them non-centered.
    ``"expensive"`` are those whose gradients take long, and ``"expensive-apart"`` those on which no choice was made.
    """
    if name == "families":
        return [f"{family}-300" for family in families.FAMILIES], families.load
    if name.startswith("hierarchies"):
        wanted = hierarchies.apart() if "apart" in name else hierarchies.names()
        return [f"{one}-by_hand" for one in wanted] if name.endswith("by_hand") else wanted, hierarchies.load
    if name in EXPENSIVE:
        return expensive.apart() if "apart" in name else expensive.names(), partial(expensive.load, path=path)
    if name in SETS:
        return SETS[name].names(), SETS[name].load
    return posteriordb.names(), partial(posteriordb.load, path=path)
