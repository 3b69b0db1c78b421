"""Learning at every draw of warm-up: its step size, and the moments that a metric is made from."""

import math
from typing import NamedTuple

import numpy as np

from . import statistics as column
from .compile import helper
from .flow import close, longest_of, start_from, step, total_energy, work_of
from .kinetic import draw_momentum
from .state import HamiltonianSystem, Point, State
from .status import Status
from .trail import remember
from .vectors import assign

__all__ = [
    "GAMMA",
    "LEARNS",
    "LOG_MEAN_STEP",
    "TARGET_ACCEPT",
    "TUNES_STEP",
    "Learning",
    "find_step_size",
    "forget",
    "new_learning",
    "restart_step_size",
    "store_draw",
    "store_outcome",
    "update_step_size",
]

_BROKEN = int(Status.BROKEN)

# Dual averaging (Hoffman and Gelman 2014, section 3.2), with their constants.
GAMMA, _T0, _KAPPA = 0.05, 10.0, 0.75


class Learning(NamedTuple):
    """Everything that warm-up changes at a draw.

    `step` (6,) is the state of dual averaging, `tuning` (3,) what is adapted, and `counters` (2,) how many draws have
    been taken in, each by the places below.  `means` and `squares` (2, d) are running means and sums of squared
    deviations of draws (row 0) and of gradients (row 1).  `draws` and `gradients` (w, d) are the memory of the current
    window; w is 0 where nothing asks for it.  `outcomes` (w, N_OUTCOMES) is what each of these transitions did.
    """

    step: np.ndarray
    tuning: np.ndarray
    counters: np.ndarray
    means: np.ndarray
    squares: np.ndarray
    draws: np.ndarray
    gradients: np.ndarray
    outcomes: np.ndarray


# Of `Learning.step`: logarithms of the step size that explores and of its average, the mean error of acceptance, the
# number of updates, the logarithm of the step size that it shrinks towards, and how strongly it moves.
LOG_STEP, LOG_MEAN_STEP, MEAN_ERROR, UPDATES, LOG_CENTRE, GAIN = range(6)
N_STEP = 6
# Of `Learning.tuning`: the acceptance to hold; whether the step size is tuned, and draws are taken in: 1.0 or 0.0.
TARGET_ACCEPT, TUNES_STEP, LEARNS = range(3)
N_TUNING = 3
# Of `Learning.counters`: the draws taken into the moments, and into the memory.
IN_MOMENTS, IN_MEMORY = range(2)
N_COUNTERS = 2
# Columns of `Learning.outcomes`.
STEPS, ACCEPT, DIVERGED, DENSITY, SIZE = range(5)
N_OUTCOMES = 5


def new_learning(dim: int, memory: int, step_size: float, target_accept: float) -> Learning:
    """Memory for warm-up in `dim` coordinates that remembers `memory` draws."""
    learning = Learning(
        step=np.zeros(N_STEP),
        tuning=np.zeros(N_TUNING),
        counters=np.zeros(N_COUNTERS, np.int64),
        means=np.zeros((2, dim)),
        squares=np.zeros((2, dim)),
        draws=np.zeros((memory, dim)),
        gradients=np.zeros((memory, dim)),
        outcomes=np.zeros((memory, N_OUTCOMES)),
    )
    learning.tuning[TARGET_ACCEPT] = target_accept
    restart_step_size(learning.step, step_size)
    return learning


def forget(learning: Learning) -> None:
    """Begin a new window."""
    learning.counters[:] = 0
    learning.means[:] = 0.0
    learning.squares[:] = 0.0


@helper
def restart_step_size(averaging: np.ndarray, step_size: float, reach: float = 10.0, gamma: float = GAMMA) -> None:
    """Forget the past and start dual averaging from a step size; it explores up to `reach` times as much at first."""
    averaging[LOG_STEP] = math.log(step_size)
    averaging[LOG_MEAN_STEP] = math.log(step_size)
    averaging[MEAN_ERROR] = 0.0
    averaging[UPDATES] = 0.0
    averaging[LOG_CENTRE] = math.log(reach * step_size)
    averaging[GAIN] = gamma


@helper
def update_step_size(averaging: np.ndarray, accept: float, target: float, log_longest: float = np.inf) -> None:
    """One step of dual averaging, equation 6 of Hoffman and Gelman 2014, to no more than a longest step."""
    averaging[UPDATES] += 1.0
    count = averaging[UPDATES]
    weight = 1.0 / (count + _T0)
    averaging[MEAN_ERROR] = (1.0 - weight) * averaging[MEAN_ERROR] + weight * (target - accept)
    averaging[LOG_STEP] = min(
        averaging[LOG_CENTRE] - math.sqrt(count) / averaging[GAIN] * averaging[MEAN_ERROR], log_longest
    )
    forget = count**-_KAPPA
    averaging[LOG_MEAN_STEP] = forget * averaging[LOG_STEP] + (1.0 - forget) * averaging[LOG_MEAN_STEP]


@helper
def _update_moments(count: int, value: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
    for j in range(value.size):  # Welford's recurrence
        delta = value[j] - mean[j]
        mean[j] += delta / count
        square[j] += delta * (value[j] - mean[j])


@helper
def store_draw(learning: Learning, point: Point) -> None:
    """Take a draw of warm-up into the moments, and into the memory in place of the oldest one there."""
    learning.counters[IN_MOMENTS] += 1
    count = learning.counters[IN_MOMENTS]
    _update_moments(count, point.position, learning.means[0], learning.squares[0])
    _update_moments(count, point.gradient, learning.means[1], learning.squares[1])
    room = learning.draws.shape[0]
    if room > 0:
        oldest = learning.counters[IN_MEMORY] % room
        assign(learning.draws[oldest], point.position)
        assign(learning.gradients[oldest], point.gradient)
        learning.counters[IN_MEMORY] += 1


@helper
def store_outcome(learning: Learning, point: Point, row: np.ndarray) -> None:
    """Remember what the transition did that has led to the draw that was stored last."""
    room = learning.draws.shape[0]
    if room > 0:
        outcome = learning.outcomes[(learning.counters[IN_MEMORY] - 1) % room]
        outcome[STEPS] = row[column.TREE_SIZE]
        outcome[ACCEPT] = row[column.MEAN_TREE_ACCEPT]
        outcome[DIVERGED] = row[column.DIVERGING]
        outcome[DENSITY] = point.value[0]
        outcome[SIZE] = row[column.SIZE_TAKEN]


@helper
def find_step_size(system: HamiltonianSystem, state: State, eps: float, rng: np.random.Generator) -> float:
    """Double or halve a step size until the acceptance of one step crosses 0.8; NaN where the log-density broke.

    Hoffman and Gelman 2014, algorithm 4, with the threshold of Stan.
    """
    direction, longest = 0, longest_of(system.flow)
    eps = min(eps, longest)
    for _ in range(60):  # in case that nothing is ever accepted
        start_from(state.current, state.moving)
        draw_momentum(system.kinetic, rng, state.momentum)
        start = total_energy(system, state.moving, state.momentum)
        status = step(system.flow, system, state, eps)
        if status != _BROKEN and state.moving.value[0] > -np.inf:
            status = close(system.flow, system, state)
        if status == _BROKEN:
            return np.nan
        error = total_energy(system, state.moving, state.momentum) - start + work_of(system.flow, state.moving)
        remember(state.trail, state.moving, error)
        wanted = 1 if -error > math.log(0.8) else -1
        if direction == 0:
            direction = wanted
        if wanted != direction or (direction > 0 and eps >= longest):
            break
        eps = min(eps * 2.0**direction, longest)
    return eps
