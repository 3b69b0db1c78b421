"""Linear algebra runs on one thread while any chain draws, and as before afterwards."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pymc_symplectic.threads import one_thread


def counts():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def elsewhere(function):
    """What a function returns in another thread, which has ended by then."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def two():
    """Two threads, wherever the tests run, of which no thread that goes on has control."""
    before = elsewhere(lambda: threadpool_limits(2, user_api="blas"))
    if counts() != {2}:
        elsewhere(before.restore_original_limits)
        pytest.skip("linear algebra has one thread here")
    yield
    elsewhere(before.restore_original_limits)


def test_inside_and_afterwards(two):
    with one_thread():
        assert counts() == {1} == elsewhere(counts)
        with one_thread():
            assert counts() == {1}
        assert counts() == {1}
    assert counts() == {2}


def test_of_contexts_that_overlap_the_last_one_takes_it_back(two):
    """As of two runs in the background, which enter and leave in threads of their own."""
    first, second = one_thread(), one_thread()
    elsewhere(first.__enter__)
    elsewhere(second.__enter__)
    elsewhere(lambda: first.__exit__(None, None, None))
    assert counts() == {1}
    second.__exit__(None, None, None)
    assert counts() == {2}


def test_whoever_was_first_before(two):
    """A thread that goes on has no claim to it."""
    with one_thread():
        pass

    def inside():
        with one_thread():
            return counts()

    assert elsewhere(inside) == {1}
    assert counts() == {2}


def test_after_an_error(two):
    with pytest.raises(ZeroDivisionError), one_thread():
        1 / 0  # noqa: B018
    assert counts() == {2}
    assert not [thread for thread in threading.enumerate() if "BLAS" in thread.name]
