"""Where chains wait for each other: it depends on how many draws there are at most, and on nothing else."""

from itertools import pairwise

import pytest

from pymc_symplectic.run.blocks import blocks


@pytest.mark.parametrize("draws", [1, 99, 100, 101, 150, 5000])
def test_ends_with_all_draws_and_comes_earlier_to_what_a_longer_run_does(draws):
    ends = list(blocks(draws))
    assert ends[-1] == draws
    assert ends[:-1] == [end for end in blocks(100_000) if end < draws]


def test_no_more_than_a_fifth_of_a_long_run_is_one_block():
    ends = list(blocks(1_000_000))
    assert len(ends) < 50
    assert all(later - end <= max(50, later / 5) for end, later in pairwise(ends))
