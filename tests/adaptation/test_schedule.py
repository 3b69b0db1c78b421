"""The windows of warm-up, for every length of it."""

import numpy as np
import pytest

from pymc_symplectic import Policy
from pymc_symplectic.adaptation.schedule import window_ends

LENGTHS = [*range(400), 500, 777, 1000, 1001, 1500, 2000, 5000, 12345, 100_000]


@pytest.fixture(scope="module", params=["short", "long"])
def schedules(request):
    lengths = LENGTHS[:400] if request.param == "short" else LENGTHS[400:]
    return {tune: window_ends(tune, Policy()) for tune in lengths}


def test_ends_are_plain_numbers_in_order_within_warm_up(schedules):
    for tune, ends in schedules.items():
        assert all(type(end) is int for end in ends), tune
        assert all(0 < a < b for a, b in zip([0.5, *ends], ends, strict=False)), tune
        assert not ends or ends[-1] < tune, tune


def test_windows_never_shrink(schedules):
    for tune, ends in schedules.items():
        lengths = np.diff([0, *ends])
        assert np.all(np.diff(lengths) >= 0), tune
        assert np.all(lengths >= 3), tune  # or there is no variance


def test_windows_are_few(schedules):
    # Each costs a search for a step size, and forgets what came before.
    for tune, ends in schedules.items():
        assert len(ends) <= np.log2(tune + 1), tune


def test_something_is_left_to_the_step_size(schedules):
    for tune, ends in schedules.items():
        if ends:
            assert tune - ends[-1] >= 0.1 * tune - 1, tune


def test_no_warm_up_has_no_windows():
    assert window_ends(0, Policy()) == []
    assert window_ends(1, Policy()) == []


def test_long_warm_up_has_windows():
    assert len(window_ends(1000, Policy())) >= 3
    assert window_ends(1000, Policy())[-1] > 500
