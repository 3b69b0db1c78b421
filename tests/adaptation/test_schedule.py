"""The parts of warm-up, for every length of it."""

import numpy as np
import pytest

from pymc_symplectic import Policy
from pymc_symplectic.adaptation.schedule import Schedule

LENGTHS = [*range(400), 500, 777, 1000, 1001, 1500, 2000, 5000, 12345, 100_000]


@pytest.fixture(scope="module")
def schedules():
    return {tune: Schedule.of(tune, Policy()) for tune in LENGTHS}


def test_parts_follow_each_other(schedules):
    for tune, schedule in schedules.items():
        assert all(type(end) is int for end in schedule), tune
        assert 0 <= schedule.approach <= schedule.last <= schedule.tune == tune, tune


def test_something_is_left_to_the_step_size(schedules):
    for tune, schedule in schedules.items():
        assert tune - schedule.last >= 0.1 * tune - 1, tune
        assert schedule.last >= tune // 2, tune


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_windows_are_in_order_within_warm_up(schedules, share):
    for tune, schedule in schedules.items():
        begun = int(share * schedule.approach)
        ends = schedule.windows(begun, Policy())
        assert all(type(end) is int for end in ends), tune
        lengths = np.diff([begun, *ends])
        assert np.all(lengths >= Policy().windows[0]), tune
        assert np.all(lengths[1:] >= 2 * lengths[:-1]), tune
        assert not ends or ends[-1] == schedule.last or schedule.last - ends[-1] < 2 * lengths[-1], tune


def test_no_warm_up_has_no_parts():
    assert Schedule.of(0, Policy()) == Schedule.of(0, Policy())._replace(approach=0, last=0)
    assert Schedule.of(1, Policy()).windows(0, Policy()) == []


def test_long_warm_up_has_windows_even_after_the_longest_approach():
    schedule = Schedule.of(1000, Policy())
    assert len(schedule.windows(schedule.approach, Policy())) >= 2
