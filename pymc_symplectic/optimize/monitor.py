"""The way down: what is noted on it, when it is at its end, and what is said of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from ..native.pymc import CustomProgress, default_progress_theme

__all__ = ["Monitor", "Stop", "progress"]

_WINDOW = 100  # iterations over which losses and positions of mini-batches are averaged
_BLOWN_UP = 1e6  # a loss this many times further up than the way down so far will not come back
_REFRESH = 0.1  # seconds between two updates of the progress bar
_WHAT = {"max iterations": "did not converge", "interrupted": "was interrupted"}  # the others are verbs already
_ADVICE = {
    "max iterations": "Raise max_iterations{instead}.",
    "diverged": "The learning rate was {rate:.2g}; try a tenth of that, or optimizer='lbfgs', which needs none.",
    "stalled": "Kinks (of Laplace priors) need optimizer='proximal'; a density without bound has no optimum.",
    "interrupted": "To go on from there, call again with initvals=result.initvals.",
}
_INSTEAD = {
    "schedule='cosine'": ("cosine", "lbfgs", "proximal"),
    "optimizer='lbfgs'": ("lbfgs", "proximal"),
    "for Laplace priors optimizer='proximal'": ("proximal",),
}
"""What else to try, each with the optimizers and schedules that it is no advice for."""


class Stop(Exception):  # noqa: N818 - the ordinary way out of an optimizer
    """The way is at its end."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Monitor:
    """Notes taken on the way: history, best point, and when to stop (by raising `Stop`)."""

    def __init__(
        self, start: np.ndarray, limit: int, tolerance: float, stochastic: bool, show: Callable[..., None]
    ) -> None:
        self._limit, self._tolerance, self._stochastic, self._show = limit, tolerance, stochastic, show
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.loss, self.best = math.inf, start
        self._means: list[float] = []
        self._mean_position: Any = 0.0
        self._shown = 0.0
        self.rate = math.nan

    @property
    def iterations(self) -> int:
        """Steps done."""
        return max(0, len(self.losses) - 1)

    def __call__(self, position: np.ndarray, loss: float, gradient: np.ndarray) -> None:
        """Take note of the next point of the way."""
        self.losses.append(loss)
        self.norms.append(float(np.linalg.norm(gradient)))
        if not (math.isfinite(loss) and math.isfinite(self.norms[-1])):
            raise Stop("diverged")
        value = loss
        if self._stochastic:
            weight = 1 / min(len(self.losses), _WINDOW)
            value = loss if not self._means else self._means[-1] + weight * (loss - self._means[-1])
            self._means.append(value)
            self._mean_position = self._mean_position + weight * (position - self._mean_position)
            position = self._mean_position
        if value < self.loss:
            self.loss, self.best = value, position.copy()
        if loss - self.loss > _BLOWN_UP * max(1.0, abs(self.losses[0]), self.losses[0] - self.loss):
            raise Stop("diverged")
        if self._converged(position, gradient):
            raise Stop("converged")
        if self.iterations >= self._limit:
            raise Stop("max iterations")
        if (now := time.monotonic()) - self._shown > _REFRESH:
            self._shown = now
            self._show(self.iterations, value, self.norms[-1])

    def _converged(self, position: np.ndarray, gradient: np.ndarray) -> bool:
        lag, values = (_WINDOW, self._means) if self._stochastic else (1, self.losses)
        scale = max(1.0, abs(values[-1]))
        if len(values) <= 2 * (lag - 1):  # the running mean begins with few
            return False
        change = abs(values[-1] - values[-1 - lag]) if len(values) > lag else 0.0
        if change > self._tolerance * scale:
            return False
        return self._stochastic or self.relative_gradient(position, gradient) <= self._tolerance

    def warning(self, name: str, schedule: str, reason: str) -> str:
        """A warning for the user, of a way that ended for another reason than convergence."""
        others = [other for other, not_for in _INSTEAD.items() if name not in not_for and schedule not in not_for]
        instead = f", or try {', or '.join(others)}" if others else ""
        return (
            f"gradient_descent ({name}) {_WHAT.get(reason, reason)} after {self.iterations} iterations, at a loss of "
            f"{self.losses[-1]:.6g}; returned is the best point so far, with {self.loss:.6g}. "
            + _ADVICE[reason].format(rate=self.rate, instead=instead)
        )

    def relative_gradient(self, position: np.ndarray, gradient: np.ndarray) -> float:
        """The largest relative change of loss for a relative change of a parameter."""
        return float(np.max(abs(gradient) * np.maximum(1, abs(position)))) / max(1.0, abs(self.losses[-1]))


@contextmanager
def progress(show: bool, limit: int) -> Iterator[Callable[[int, float, float], None]]:
    """A progress bar in PyMC's colours, and the function that moves it."""
    losses = TextColumn("loss {task.fields[loss]:.6g}, gradient {task.fields[norm]:.2g}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), losses, TimeElapsedColumn())
    with CustomProgress(*columns, console=Console(theme=default_progress_theme), disable=not show) as bar:
        task = bar.add_task("Descending", total=limit, loss=math.nan, norm=math.nan)
        yield lambda done, loss, norm: bar.update(task, completed=done, loss=loss, norm=norm)
