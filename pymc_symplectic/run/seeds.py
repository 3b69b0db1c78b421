"""All randomness of a run, from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..checks import seeded
from ..native.pymc import get_random_generator

__all__ = ["Seeds"]


@dataclass(frozen=True)
class Seeds:
    """All randomness of a run, chain by chain, as `pymc.sample` makes it from the same seed."""

    chains: list[np.random.Generator]
    """Generators of all that the chains draw."""
    starts: list[np.random.Generator]
    """Generators of the places where the chains begin."""
    values: list[list[int]]
    """Seeds of the deterministic variables that are random."""

    @classmethod
    def spawn(cls, random_seed: Any, chains: int) -> Self:
        """Make the generators and seeds of so many chains from one seed."""
        if isinstance(random_seed, int | np.integer) and random_seed < 0:
            raise ValueError(
                f"random_seed must not be negative, got {random_seed}; leave it out for a new seed each time"
            )
        generators = seeded("random_seed", random_seed, lambda seed: get_random_generator(seed).spawn(chains))
        # pymc.sample takes one such number from each generator, too
        starts = [np.random.default_rng(int(rng.integers(2**30))) for rng in generators]
        return cls(generators, starts, [_value_seed(rng) for rng in generators])


def _value_seed(rng: np.random.Generator) -> list[int]:
    """A seed made from a generator, whose own stream is left as it is."""
    sequence: Any = rng.bit_generator.seed_seq
    [child] = sequence.spawn(1)
    return [int(word) for word in child.generate_state(4)]
