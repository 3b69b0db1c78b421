"""The draws of a window, out of a memory that is a ring."""

import numpy as np
import pytest

from pymc_symplectic.kernels.adapt import ACCEPT, DENSITY, DIVERGED, STEPS, forget, new_learning, store_draw
from pymc_symplectic.kernels.state import KEPT, SEEN, STRIDE, Point, new_trail
from pymc_symplectic.kernels.trail import FARTHEST, remember
from pymc_symplectic.window import Window


def learned(count, memory, dim=2):
    """A chain that has made `count` draws, numbered from 0 in every coordinate, and remembers some."""
    learning = new_learning(dim, memory, 0.3, 0.8)
    for number in range(count):
        store_draw(learning, Point(np.full(dim, float(number)), np.full(dim, -float(number)), np.zeros(1), np.zeros(1)))
        place = (learning.counters[1] - 1) % max(memory, 1)
        if memory:
            learning.outcomes[place, [STEPS, ACCEPT, DIVERGED, DENSITY]] = number, 0.8, number % 2, -number
    return learning


@pytest.mark.parametrize("count", [0, 3, 10, 13, 27])
def test_the_oldest_draw_comes_first(count):
    window = Window.of(learned(count, 10), end=40)
    expected = np.arange(max(0, count - 10), count)
    np.testing.assert_array_equal(window.draws[:, 0], expected)
    np.testing.assert_array_equal(window.gradients[:, 1], -expected)
    np.testing.assert_array_equal(window.steps, expected)
    np.testing.assert_array_equal(window.diverged, expected % 2)
    np.testing.assert_array_equal(window.log_density, -expected)
    assert window.count == count and window.end == 40
    assert window.step_size == pytest.approx(0.3)


def test_moments_are_of_the_whole_window():
    window = Window.of(learned(27, 10))
    np.testing.assert_allclose(window.means[0], 13.0)
    np.testing.assert_allclose(window.squares[0] / 27, np.arange(27).var())


def test_a_window_is_a_copy():
    learning = learned(10, 10)
    window = Window.of(learning)
    learning.draws[:] = learning.means[:] = np.nan
    forget(learning)
    assert np.isfinite(window.draws).all() and np.isfinite(window.means).all() and window.count == 10


def test_pairs_are_those_that_can_be_squared():
    learning = learned(13, 10)
    learning.draws[4, 1], learning.gradients[7, 0] = 1e200, np.nan
    draws, gradients = Window.of(learning).pairs
    np.testing.assert_array_equal(draws[:, 0], [3, 5, 6, 8, 9, 10, 11, 12])
    np.testing.assert_array_equal(gradients, -draws)


def test_without_memory_there_are_no_pairs():
    draws, gradients = Window.of(learned(5, 0)).pairs
    assert draws.shape == gradients.shape == (0, 2)


def test_the_latest_draws_of_a_window():
    window = Window.of(learned(27, 10), end=27).last(4)
    np.testing.assert_array_equal(window.draws[:, 0], [23, 24, 25, 26])
    np.testing.assert_array_equal(window.steps, [23, 24, 25, 26])
    np.testing.assert_allclose(window.means[0], 24.5)
    assert window.count == 4 and window.end == 27 and window.step_size == pytest.approx(0.3)
    assert Window.of(learned(3, 10)).last(4).count == 3


@pytest.mark.parametrize(("stride", "kept"), [(1, [7, 8, 9, 10, 11]), (3, [3, 6, 9])])
def test_points_of_a_trail_come_oldest_first(stride, kept):
    trail = new_trail(2, 5)
    trail.counters[STRIDE] = stride
    for number in range(1, 12):
        value = float(number)
        remember(trail, Point(np.full(2, value), np.full(2, -value), np.full(1, 10 * value), np.zeros(1)), 0.0)
    remember(trail, Point(np.zeros(2), np.zeros(2), np.zeros(1), np.zeros(1)), FARTHEST)  # too far off
    window = Window.of_trail(trail, end=40, step_size=0.3)
    np.testing.assert_array_equal(window.draws[:, 0], kept)
    np.testing.assert_array_equal(window.gradients[:, 1], np.negative(kept))
    np.testing.assert_array_equal(window.log_density, np.multiply(kept, 10))
    assert trail.counters[SEEN] == 11 and trail.counters[KEPT] == 11 // stride and window.end == 40
    latest = Window.of_trail(trail, since=int(trail.counters[KEPT]) - 2)
    np.testing.assert_array_equal(latest.draws[:, 0], kept[-2:])


def test_a_trail_without_room_takes_nothing():
    trail = new_trail(2, 0)
    remember(trail, Point(np.ones(2), np.ones(2), np.ones(1), np.zeros(1)), 0.0)
    assert trail.counters[KEPT] == 0 and Window.of_trail(trail).count == 0
