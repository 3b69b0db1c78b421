"""Linear algebra runs on one thread while any chain draws, and as before afterwards."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pymc_symplectic.threads import one_thread


def counts():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two():
    """Two threads, wherever the tests run."""
    with threadpool_limits(2, user_api="blas"):
        if counts() != {2}:
            pytest.skip("linear algebra has one thread here")
        yield


def test_inside_and_afterwards(two):
    with one_thread():
        assert counts() == {1}
        with one_thread():
            assert counts() == {1}
        assert counts() == {1}
    assert counts() == {2}


def test_of_contexts_that_overlap_the_last_one_takes_it_back(two):
    """As of two runs in the background."""
    first, second = one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert counts() == {1}
    second.__exit__(None, None, None)
    assert counts() == {2}


def test_after_an_error(two):
    with pytest.raises(ZeroDivisionError), one_thread():
        1 / 0  # noqa: B018
    assert counts() == {2}
