"""Optimizers: update rules, and two methods that search along lines."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.pytensorf import compile as pm_compile
from pymc.variational import updates

from ..checks import positive
from ..names import choose
from ..target import user_code
from .monitor import Monitor, Stop
from .objective import Objective

__all__ = ["OPTIMIZERS", "SCHEDULES", "Optimizer", "Rates", "choose_optimizer", "choose_rates"]

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
    "inverse_time": lambda share: 1 / (1 + 100 * share),
}
"""Factors of the learning rate, when a fraction (from 0 to 1) of ``max_iterations`` is done."""

_FLAT = 1e-6  # a relative gradient below which a line search that finds nothing lower has met the rounding errors


class Optimizer(NamedTuple):
    """An optimizer: a loop, and the update rule that it follows, if any.

    Attributes
    ----------
    run : callable
        The loop, ``run(objective, start, monitor, rule, rates)``, which ends by raising `Stop`.
    rule : callable, optional
        The update rule that it follows, in the manner of `pymc.variational.updates`; None searches along lines.
    rate : float, optional
        The usual learning rate of the rule; None goes by the curvature at the start.
    proximal : bool
        Whether Laplace priors are left to `Objective.shrink`.
    """

    run: Callable[..., None]
    rule: Callable[..., Mapping[Any, Any]] | None = None
    rate: float | None = None
    proximal: bool = False


class Rates(NamedTuple):
    """The learning rate, as a function of the steps done."""

    given: Any
    shape: Callable[[float], float]
    limit: int

    def __call__(self, done: int) -> float:
        """The rate of the next step."""
        if callable(self.given):
            return positive(f"learning_rate({done})", self.given(done))
        return self.given * self.shape(done / self.limit)


def _follow(objective: Objective, position: np.ndarray, monitor: Monitor, rule: Any, rates: Rates) -> None:
    """Follow an update rule, one gradient a step."""
    if rates.given is None:
        rates = rates._replace(given=_inverse_curvature(objective, position))
    with _update_by(rule, objective, position) as update:
        while True:
            loss, slope = objective.smooth(position)
            monitor(position, loss, slope)
            monitor.rate = rates(monitor.iterations)
            position = update(slope, monitor.rate)


class _Update:
    """A compiled update rule, with its position and all that it remembers."""

    def __init__(self, rule: Any, position: np.ndarray) -> None:
        self._here = pytensor.shared(position, "position", shape=position.shape)
        gradient, rate = self._here.type("gradient"), pt.scalar("rate", dtype=self._here.dtype)
        updates = rule(loss_or_grads=[gradient], params=[self._here], learning_rate=rate)
        self._first = {cell: cell.get_value() for cell in updates if cell is not self._here}
        with user_code:
            self._function = pm_compile([gradient, rate], [], updates=updates)
        self._function.trust_input = True

    def begin(self, position: np.ndarray) -> None:
        """Go to a position, and remember nothing."""
        self._here.set_value(position)
        for cell, value in self._first.items():
            cell.set_value(value)

    def __call__(self, slope: np.ndarray, rate: float) -> np.ndarray:
        """The next position."""
        self._function(slope, np.asarray(rate, dtype=self._here.dtype))
        return self._here.get_value()


@contextmanager
def _update_by(rule: Any, objective: Objective, position: np.ndarray) -> Iterator[_Update]:
    """An update rule, for one descent at a time; our own ones are kept with the objective."""
    own = any(rule is known.rule for known in OPTIMIZERS.values())
    free: list[_Update] = objective.once(("updates", rule), list) if own else []
    try:
        update = free.pop()
    except IndexError:
        with user_code:  # a rule may be a user's own
            update = _Update(rule, position)
    update.begin(position)
    try:
        yield update
    finally:
        free.append(update)


def _inverse_curvature(objective: Objective, position: np.ndarray) -> float:
    """1/λ, with λ the largest curvature at `position`, by the power method on differences of gradients."""
    if objective.stochastic:
        raise ValueError("learning_rate must be given where each gradient is that of another mini-batch")
    _, slope = objective.smooth(position)
    direction = np.random.default_rng(1).normal(size=position.size)
    direction /= np.linalg.norm(direction)
    size = 1e-5 * max(1.0, float(np.linalg.norm(position)))
    curvature = 0.0
    for _ in range(30):
        product = (objective.smooth(position + size * direction)[1] - slope) / size
        curvature = float(np.linalg.norm(product))
        if not 0 < curvature < math.inf:
            return 1e-3
        direction = product / curvature
    return 1 / curvature


def _lbfgs(objective: Objective, position: np.ndarray, monitor: Monitor, *_: Any) -> None:
    """Limited-memory BFGS, begun anew where its memory leads nowhere."""
    from scipy.optimize import minimize

    last = objective.smooth(position)
    monitor(position, *last)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        last = objective.smooth(x)
        finite = math.isfinite(last[0]) and bool(np.isfinite(last[1]).all())
        return last if finite else (1e100, np.zeros_like(x))  # a wall, from which the line search turns back

    def callback(x: np.ndarray) -> None:
        monitor(x, *last)

    options = {"maxiter": 10**9, "maxfun": 10**9, "maxls": 50, "ftol": 0.0, "gtol": 0.0}
    while True:
        before = monitor.loss
        minimize(function, monitor.best, jac=True, method="L-BFGS-B", callback=callback, options=options)
        if not monitor.loss < before:
            slope = objective.smooth(monitor.best)[1]
            raise Stop("converged" if monitor.relative_gradient(monitor.best, slope) < _FLAT else "stalled")


def _proximal(objective: Objective, position: np.ndarray, monitor: Monitor, *_: Any) -> None:
    """FISTA with backtracking, its momentum dropped whenever it points uphill."""
    curvature, momentum, ahead = 1.0, 1.0, position
    value, slope = objective.smooth(ahead)
    first = objective.shrink(ahead - slope, 1.0)
    monitor(position, value + objective.kinks(position), position - first)
    while True:
        for _doubling in range(200):
            new = objective.shrink(ahead - slope / curvature, 1 / curvature)
            move = new - ahead
            new_value, new_slope = objective.smooth(new)
            rise = new_value - value - slope @ move
            if abs(new_value - value) <= 1e-8 * max(1.0, abs(value)):
                rise = (new_slope - slope) @ move / 2  # the same to second order, and not lost in rounding
            if rise <= curvature / 2 * (move @ move):
                break
            curvature *= 2
        else:
            raise Stop("stalled")
        monitor(new, new_value + objective.kinks(new), curvature * move)
        uphill = move @ (new - position) < 0
        was = 1.0 if uphill else momentum
        momentum = (1 + math.sqrt(1 + 4 * was**2)) / 2
        ahead = new + (was - 1) / momentum * (new - position)
        position = new
        value, slope = (new_value, new_slope) if uphill else objective.smooth(ahead)
        if not (math.isfinite(value) and np.isfinite(slope).all()):
            ahead, value, slope, momentum = new, new_value, new_slope, 1.0
        curvature *= 0.95  # where the density has become flatter, longer steps


OPTIMIZERS: Mapping[str, Optimizer] = {
    "sgd": Optimizer(_follow, updates.sgd),
    "momentum": Optimizer(_follow, updates.momentum),
    "nesterov_momentum": Optimizer(_follow, updates.nesterov_momentum),
    "rmsprop": Optimizer(_follow, updates.rmsprop, 0.01),
    "adam": Optimizer(_follow, updates.adam, 0.05),
    "adamax": Optimizer(_follow, updates.adamax, 0.05),
    "adagrad": Optimizer(_follow, updates.adagrad, 0.5),
    "adagrad_window": Optimizer(_follow, updates.adagrad_window, 0.05),
    "adadelta": Optimizer(_follow, updates.adadelta, 1.0),
    "lbfgs": Optimizer(_lbfgs),
    "proximal": Optimizer(_proximal, proximal=True),
}
"""The optimizers that can be chosen by name."""

_ALIASES = {
    "gradient_descent": "sgd",
    "gd": "sgd",
    "nesterov": "nesterov_momentum",
    "l_bfgs": "lbfgs",
    "l_bfgs_b": "lbfgs",
    "fista": "proximal",
    "ista": "proximal",
}


def choose_optimizer(optimizer: Any) -> tuple[Optimizer, str]:
    """The optimizer that a name or an update rule stands for, and its name."""
    if callable(optimizer):
        rate = inspect.signature(optimizer).parameters.get("learning_rate")
        if rate is None:
            raise TypeError(
                "optimizer must be a name or an update rule of arguments loss_or_grads, params and learning_rate, as "
                f"pm.adam() is, got {optimizer!r}"
            )
        usual = rate.default if isinstance(rate.default, int | float) else None
        return Optimizer(_follow, optimizer, usual), getattr(
            getattr(optimizer, "func", optimizer), "__name__", "custom"
        )
    found = choose("optimizer", optimizer, OPTIMIZERS, _ALIASES)
    return found, next(name for name, entry in OPTIMIZERS.items() if entry is found)


def choose_rates(name: str, optimizer: Optimizer, learning_rate: Any, schedule: str, limit: int) -> Rates:
    """The learning rates that the user asked for, checked."""
    shape = choose("schedule", schedule, SCHEDULES, {"inverse_time_decay": "inverse_time"})
    plain = shape is SCHEDULES["constant"]
    if optimizer.rule is None and not (learning_rate is None and plain):
        raise ValueError(f"learning_rate and schedule: {name} finds the size of its steps itself; leave them out")
    if callable(learning_rate):
        if not plain:
            raise ValueError(f"schedule {schedule!r} is for a constant learning_rate, and a function was given")
        return Rates(learning_rate, shape, limit)
    return Rates(optimizer.rate if learning_rate is None else positive("learning_rate", learning_rate), shape, limit)
