"""Gradient descent on the log-density that is sampled, so that a point fit and a posterior stand side by side."""

from __future__ import annotations

import difflib
import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pymc.initial_point import make_initial_point_fn
from pymc.progress_bar import CustomProgress, default_progress_theme
from pymc.pytensorf import compile as pm_compile
from pymc.pytensorf import join_nonshared_inputs, rewrite_pregrad
from pymc.variational import updates
from pytensor.graph.traversal import ancestors
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from .checks import at_least, positive, whole
from .names import choose
from .target import LogDensity

__all__ = ["OPTIMIZERS", "SCHEDULES", "Descent", "gradient_descent"]

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
    "inverse_time": lambda share: 1 / (1 + 100 * share),
}
"""What the learning rate is multiplied by, when a share (from 0 to 1) of ``max_iterations`` is done."""

_WINDOW = 100  # iterations over which losses and positions of mini-batches are averaged
_BLOWN_UP = 1e6  # a loss this many times further up than the way down so far will not come back
_FLAT = 1e-6  # a relative gradient below which a line search that finds nothing lower has met the rounding errors
_REFRESH = 0.1  # seconds between two updates of the progress bar
_WHAT = {"max iterations": "did not converge", "interrupted": "was interrupted"}  # the others are verbs already
_ADVICE = {
    "max iterations": "Raise max_iterations, or try schedule='cosine', 'lbfgs', or for Laplace priors 'proximal'.",
    "diverged": "The learning rate was {rate:.2g}; try a tenth of that, or optimizer='lbfgs', which needs none.",
    "stalled": "Kinks (of Laplace priors) need optimizer='proximal'; a density without bound has no optimum.",
    "interrupted": "To go on from there, call again with initvals=result.initvals.",
}


@dataclass(frozen=True, eq=False)
class Descent:
    """What gradient descent has found: the best point of the way, and how the way was.

    Attributes
    ----------
    optimum : xarray.Dataset
        Free variables and deterministics at the best point, in their own (constrained) space, with the model's coords.
    initvals : dict
        The free variables there, to hand to ``pymc.sample(initvals=...)``, or to `gradient_descent` again.
    loss : float
        Negative log-density there, in nats, with every constant; of mini-batches the running mean.
    losses, gradient_norms : ndarray, shape (iterations + 1,)
        Loss, and Euclidean norm of its gradient in unconstrained space, at each point of the way, the start included.
    reason : str
        Why it stopped: ``"converged"``, ``"max iterations"``, ``"diverged"`` (the loss blew up), ``"stalled"`` (no step
        leads lower, though the gradient is not zero) or ``"interrupted"``.
    iterations, gradients : int
        Steps, and evaluations of loss and gradient, those of line searches too.
    optimizer : str
        Its name.
    """

    optimum: xr.Dataset
    initvals: dict[str, np.ndarray]
    loss: float
    losses: np.ndarray
    gradient_norms: np.ndarray
    reason: str
    iterations: int
    gradients: int
    optimizer: str

    @property
    def converged(self) -> bool:
        """Whether it stopped because loss and gradient passed the test."""
        return self.reason == "converged"

    def _headline(self) -> str:
        return (
            f"Descent by {self.optimizer}: {self.reason} after {self.iterations} iterations "
            f"({self.gradients} gradients), loss {self.loss:.6g}"
        )

    def __repr__(self) -> str:
        return f"{self._headline()}\n{self.optimum}"

    def _repr_html_(self) -> str:
        return f"<p>{self._headline()}</p>{self.optimum._repr_html_()}"


def gradient_descent(
    model: pm.Model | None = None,
    optimizer: str | Callable[..., Mapping[Any, Any]] = "adam",
    *,
    learning_rate: float | Callable[[int], float] | None = None,
    schedule: str = "constant",
    max_iterations: int = 10_000,
    tolerance: float = 1e-9,
    jacobian: bool = False,
    initvals: Mapping[Any, Any] | None = None,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
    compile_kwargs: Mapping[str, Any] | None = None,
) -> Descent:
    r"""Find the mode of a model's posterior by gradient descent, on all of the data or on mini-batches.

    Parameters
    ----------
    model : pymc.Model, optional
        By default the model of the context.
    optimizer : str or callable, optional
        A name in `OPTIMIZERS`, or an update rule in the manner of `pymc.variational.updates`, e.g.
        ``pm.adam(beta1=0.8)``.

        - ``"sgd"`` (plain gradient descent), ``"momentum"`` [1]_, ``"nesterov_momentum"`` [2]_.
        - ``"adam"``, the default [3]_, ``"adamax"`` [3]_, ``"rmsprop"``, ``"adagrad"``, ``"adagrad_window"``,
          ``"adadelta"``: a step size for each parameter, learned from its gradients.
        - ``"lbfgs"``: quasi-Newton [4]_.  The fastest by far on all of the data, for densities without kinks.
        - ``"proximal"``: accelerated proximal gradient [5]_, restarted [6]_, with backtracking.  For Laplace priors.
    learning_rate : float or callable, optional
        The size η of a step, or a function of the number of steps done (from 0) that returns it.  By default what suits
        the optimizer; for the first three that is 1/λ, where λ is the largest curvature at the start.
        ``"lbfgs"`` and ``"proximal"`` take none.
    schedule : str, optional
        Decay of a constant learning rate over `max_iterations`: a name in `SCHEDULES`, ``"constant"`` (the default),
        ``"cosine"`` (down to 0) or ``"inverse_time"`` (down to a hundredth).
    max_iterations : int, optional
        At most this many steps.
    tolerance : float, optional
        Converged is a step that changes the loss f by less than this times max(1, abs(f)), to a point where the
        relative gradient :math:`\max_i |\nabla_i f| \max(1, |q_i|) / \max(1, |f|)` is less than this, too [7]_.  With
        mini-batches: a change, over 100 steps, of the running mean of f.
    jacobian : bool, optional
        Whether the density has the Jacobian of the transforms, as it has for sampling.  Without it, the default, the
        optimum is the mode in the variables' own space, as of `pymc.find_MAP`.
    initvals : dict, optional
        Where to start: values of some of the free variables, by name, in their own space.
    random_seed : int or numpy.random.Generator, optional
        For the choice of mini-batches.
    progressbar : bool, optional
        Whether to show one.
    compile_kwargs : dict, optional
        Handed to PyTensor's compiler, e.g. ``{"mode": "JAX"}``.

    Returns
    -------
    Descent

    Raises
    ------
    TypeError
        When a free variable is discrete, a number is no number, or `initvals` no dictionary.
    ValueError
        When a name is not known (the message lists the choices), a number is out of range, the model has no free
        variable, loss or gradient is not finite at the start (the message names the variable: look for NaN in its
        data), or a mini-batch is given to an optimizer that searches along lines.

    Warns
    -----
    RuntimeWarning
        When it stopped for another reason than convergence; the best point so far is returned.  With mini-batches, to
        reach `max_iterations` is what one expects, and not warned of.

    Notes
    -----
    Parameters live in unconstrained space, as a vector q.  Minimized is

    .. math:: f(q) = -\log p(x(q), y) \; \bigl[\, - \log|\partial x / \partial q| \,\bigr],

    for instance by :math:`q \leftarrow q - \eta\nabla f(q)`.  f is a sum over data, so η falls as data grow.

    **Least squares, ridge, lasso.**  With noise of known standard deviation σ and n data, coefficients that are
    `pymc.Flat` are those of least squares; ``Normal(0, τ)`` is scikit-learn's ``Ridge(alpha)`` for τ = σ/√alpha, as it
    minimizes :math:`|y - Xw|^2 + \alpha|w|^2`; ``Laplace(0, b)`` is ``Lasso(alpha)`` for b = σ²/(n alpha), as that
    minimizes :math:`|y - Xw|^2/(2n) + \alpha|w|_1`.  An intercept is `pymc.Flat`.

    **Kinks.**  A Laplace prior puts coefficients at exactly 0, where the gradient jumps from -1/b to 1/b.  There plain
    gradient descent hops from side to side by η/b, adaptive rules do much the same, and L-BFGS stalls in its line
    search.  ``"proximal"`` descends on the other terms, h, and treats the prior exactly, by soft thresholding:

    .. math:: q \leftarrow S_{\eta/b}(q - \eta\nabla h(q)), \qquad S_t(z) = \mathrm{sign}(z)\max(|z| - t, 0).

    It does so for each free `pymc.Laplace` whose location and scale are constant and that has no transform; others stay
    in h.  Its gradient is the gradient mapping, which is zero at the optimum.

    **Mini-batches.**  Models with `pymc.Minibatch` data and ``total_size=`` draw a new batch at each step, whose loss
    is f on average (without ``total_size``, the loss is that of a batch alone).  A constant rate then ends in a cloud
    around the optimum, whose width falls with η.  What is returned is an average over some 100 steps [8]_, where the
    average loss is lowest.  Use ``schedule="cosine"`` or ``"inverse_time"``, and a tolerance near 1e-4.

    Loss and update are one compiled call each, in a loop of Python, at some 20 µs an iteration beside the density.
    A posterior without a mode has no optimum to be found: in hierarchical models the density may grow without bound as
    a scale goes to 0.  Sample it, or give the scale a prior that keeps away from 0.

    References
    ----------
    .. [1] B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods. USSR Computational
       Mathematics and Mathematical Physics 4(5), 1-17.
    .. [2] Y. Nesterov (1983). A method of solving a convex programming problem with convergence rate O(1/k²). Soviet
       Mathematics Doklady 27, 372-376.
    .. [3] D. P. Kingma, J. Ba (2015). Adam: a method for stochastic optimization. ICLR. arXiv:1412.6980.
    .. [4] R. H. Byrd, P. Lu, J. Nocedal, C. Zhu (1995). A limited memory algorithm for bound constrained optimization.
       SIAM Journal on Scientific Computing 16, 1190-1208.
    .. [5] A. Beck, M. Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear inverse problems.
       SIAM Journal on Imaging Sciences 2, 183-202.
    .. [6] B. O'Donoghue, E. Candès (2015). Adaptive restart for accelerated gradient schemes. Foundations of
       Computational Mathematics 15, 715-732.
    .. [7] J. E. Dennis, R. B. Schnabel (1983). Numerical methods for unconstrained optimization and nonlinear
       equations. Section 7.2.
    .. [8] B. T. Polyak, A. B. Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM Journal on
       Control and Optimization 30, 838-855.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model():
    ...     x = pm.Normal("x", 0, 1)
    ...     seen = pm.Normal("seen", x, 1, observed=3.0)
    ...     fit = gradient_descent(optimizer="lbfgs", progressbar=False)
    >>> fit.reason, round(float(fit.optimum["x"]), 6)
    ('converged', 1.5)
    """
    model = pm.modelcontext(model)
    limit = whole("max_iterations", max_iterations, least=1)
    tolerance = at_least("tolerance", tolerance, 0)
    method, name = _method(optimizer)
    rates = _rates(name, method, learning_rate, schedule, limit)
    seed = int(np.random.default_rng(random_seed).integers(2**30))
    objective = _Objective(
        model,
        _start(model, initvals, seed),
        jacobian=jacobian,
        proximal=method.run is _proximal,
        compile_kwargs={**(compile_kwargs or {}), "random_seed": seed},
    )
    start = objective.default_start
    objective.check_start(start)
    if objective.stochastic and method.rule is None:
        raise ValueError(
            f"optimizer {name!r} needs all of the data, and this model has mini-batches; use another, such as 'adam'"
        )
    with _progress(progressbar, limit) as show:
        monitor = _Monitor(start, limit, tolerance, objective.stochastic, show)
        try:
            method.run(objective, start, monitor, method.rule, rates)
        except _Stop as stop:
            reason = stop.reason
        except KeyboardInterrupt:
            if not monitor.losses:
                raise
            reason = "interrupted"
        show(monitor.iterations, monitor.loss, monitor.norms[-1])
    if reason != "converged" and not (reason == "max iterations" and objective.stochastic):
        warnings.warn(
            f"gradient_descent ({name}) {_WHAT.get(reason, reason)} after {monitor.iterations} iterations, at a loss "
            f"of {monitor.losses[-1]:.6g}; returned is the best point so far, with {monitor.loss:.6g}. "
            + _ADVICE[reason].format(rate=monitor.rate),
            RuntimeWarning,
            stacklevel=2,
        )
    optimum, free = _describe(model, objective.to_point(monitor.best))
    return Descent(
        optimum=optimum,
        initvals=free,
        loss=monitor.loss,
        losses=np.array(monitor.losses),
        gradient_norms=np.array(monitor.norms),
        reason=reason,
        iterations=monitor.iterations,
        gradients=objective.count,
        optimizer=name,
    )


class _Stop(Exception):  # noqa: N818 - the ordinary way out of an optimizer
    """The way is at its end."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Monitor:
    """What is noted down on the way: history, best point, and when to stop (by raising `_Stop`)."""

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
            raise _Stop("diverged")
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
            raise _Stop("diverged")
        if self._converged(position, gradient):
            raise _Stop("converged")
        if self.iterations >= self._limit:
            raise _Stop("max iterations")
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

    def relative_gradient(self, position: np.ndarray, gradient: np.ndarray) -> float:
        """The largest relative change of loss for a relative change of a parameter."""
        return float(np.max(abs(gradient) * np.maximum(1, abs(position)))) / max(1.0, abs(self.losses[-1]))


class _Objective(LogDensity):
    """The negative log-density, split into a smooth part and the Laplace priors that a proximal step treats exactly."""

    def __init__(
        self, model: pm.Model, point: Mapping[str, Any], *, jacobian: bool, proximal: bool, compile_kwargs: Any
    ) -> None:
        self._jacobian = jacobian
        laplace = _laplace_priors(model) if proximal else {}
        if len(laplace) == len(model.basic_RVs) + len(model.potentials):
            laplace = {}  # nothing else to follow the gradient of
        self._terms = [v for v in (*model.basic_RVs, *model.potentials) if v.name not in laplace]
        super().__init__(model=model, initial_point=point, compile_kwargs=compile_kwargs)
        self.count = 0
        self.stochastic = any(isinstance(cell.storage[0], np.random.Generator) for cell in self._cells)
        """Whether each evaluation draws a mini-batch."""
        where = {v.name: laplace.get(model.values_to_rvs[v].name, (0.0, np.inf)) for v in self.vars}
        location = {name: np.broadcast_to(at, np.shape(point[name])) for name, (at, _) in where.items()}
        scale = {name: np.broadcast_to(b, np.shape(point[name])) for name, (_, b) in where.items()}
        self._location, self._scale = self.to_vector(location), self.to_vector(scale)
        self._constant = float(np.log(2 * self._scale[np.isfinite(self._scale)]).sum())

    def _join(self, point: Mapping[str, np.ndarray]) -> tuple[Any, list[Any]]:
        with self.model:
            cost = rewrite_pregrad(self.model.logp(self._terms, jacobian=self._jacobian))
            gradients: Any = pytensor.grad(cost, self.vars, disconnected_inputs="ignore")
            flat = [pt.as_tensor(g, allow_xtensor_conversion=True).ravel() for g in gradients]
            outputs, joined = join_nonshared_inputs(
                point=point, outputs=[cost, pt.concatenate(flat)], inputs=self.vars, shared_inputs={}
            )
        return joined, outputs

    def _make_addressed(self, *_: Any) -> tuple[Any, bool]:
        return SimpleNamespace(address=0), False  # no compiled code calls it, so none of the seconds that takes

    def smooth(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        """The smooth part and its gradient; NaN where they cannot be computed."""
        self.count += 1
        try:
            with np.errstate(all="ignore"):
                value, gradient = self(position)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            return math.nan, np.full(self.dim, np.nan)
        return -value, -gradient

    def kinks(self, position: np.ndarray) -> float:
        """What the Laplace priors add to the smooth part."""
        return float((abs(position - self._location) / self._scale).sum()) + self._constant

    def shrink(self, position: np.ndarray, rate: float) -> np.ndarray:
        """The proximal operator of ``rate * kinks``: soft thresholding."""
        away = position - self._location
        return self._location + np.sign(away) * np.maximum(abs(away) - rate / self._scale, 0)

    def check_start(self, position: np.ndarray) -> None:
        """Raise a ValueError unless loss and gradient are finite."""
        value, gradient = self.smooth(position)
        if not (np.isfinite(value) and np.all(np.isfinite(position))):
            raise ValueError(
                f"the log-density is not finite at the start: {self.blame(position)}; look for NaN in the data, or "
                "start elsewhere (initvals)"
            )
        if (bad := ~np.isfinite(gradient)).any():
            raise ValueError(
                f"the gradient with respect to {', '.join(self.names_of(bad))} is not finite at the start; start "
                "elsewhere (initvals), or look for a derivative that is 0/0 there"
            )


class _Method(NamedTuple):
    """How to descend: a loop, and for `_follow` PyMC's update rule and its usual rate (None: from the curvature)."""

    run: Callable[..., None]
    rule: Callable[..., Mapping[Any, Any]] | None = None
    rate: float | None = None


class _Rates(NamedTuple):
    """The learning rate, as a function of the steps done."""

    given: Any
    shape: Callable[[float], float]
    limit: int

    def __call__(self, done: int) -> float:
        if callable(self.given):
            return positive(f"learning_rate({done})", self.given(done))
        return self.given * self.shape(done / self.limit)


def _follow(objective: _Objective, position: np.ndarray, monitor: _Monitor, rule: Any, rates: _Rates) -> None:
    """Follow an update rule, one gradient a step."""
    if rates.given is None:
        rates = rates._replace(given=_inverse_curvature(objective, position))
    here = pytensor.shared(position, "position", shape=position.shape)
    gradient, rate = here.type("gradient"), pt.scalar("rate", dtype=here.dtype)
    update = pm_compile([gradient, rate], [], updates=rule(loss_or_grads=[gradient], params=[here], learning_rate=rate))
    update.trust_input = True
    while True:
        loss, slope = objective.smooth(position)
        monitor(position, loss, slope)
        monitor.rate = rates(monitor.iterations)
        update(slope, np.asarray(monitor.rate, dtype=here.dtype))
        position = here.get_value()


def _inverse_curvature(objective: _Objective, position: np.ndarray) -> float:
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


def _lbfgs(objective: _Objective, position: np.ndarray, monitor: _Monitor, *_: Any) -> None:
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
            raise _Stop("converged" if monitor.relative_gradient(monitor.best, slope) < _FLAT else "stalled")


def _proximal(objective: _Objective, position: np.ndarray, monitor: _Monitor, *_: Any) -> None:
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
            raise _Stop("stalled")
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


OPTIMIZERS: Mapping[str, _Method] = {
    "sgd": _Method(_follow, updates.sgd),
    "momentum": _Method(_follow, updates.momentum),
    "nesterov_momentum": _Method(_follow, updates.nesterov_momentum),
    "rmsprop": _Method(_follow, updates.rmsprop, 0.01),
    "adam": _Method(_follow, updates.adam, 0.05),
    "adamax": _Method(_follow, updates.adamax, 0.05),
    "adagrad": _Method(_follow, updates.adagrad, 0.5),
    "adagrad_window": _Method(_follow, updates.adagrad_window, 0.05),
    "adadelta": _Method(_follow, updates.adadelta, 1.0),
    "lbfgs": _Method(_lbfgs),
    "proximal": _Method(_proximal),
}
"""What can be chosen by name."""

_ALIASES = {
    "gradient_descent": "sgd",
    "gd": "sgd",
    "nesterov": "nesterov_momentum",
    "l_bfgs": "lbfgs",
    "l_bfgs_b": "lbfgs",
    "fista": "proximal",
    "ista": "proximal",
}


def _method(optimizer: Any) -> tuple[_Method, str]:
    """The method that a name or an update rule stands for, and its name."""
    if callable(optimizer):
        rate = inspect.signature(optimizer).parameters.get("learning_rate")
        if rate is None:
            raise TypeError(
                f"optimizer must be a name or an update rule of arguments loss_or_grads, params and learning_rate, as "
                f"pm.adam() is, got {optimizer!r}"
            )
        usual = rate.default if isinstance(rate.default, int | float) else None
        return _Method(_follow, optimizer, usual), getattr(getattr(optimizer, "func", optimizer), "__name__", "custom")
    method = choose("optimizer", optimizer, OPTIMIZERS, _ALIASES)
    return method, next(name for name, entry in OPTIMIZERS.items() if entry is method)


def _rates(name: str, method: _Method, learning_rate: Any, schedule: str, limit: int) -> _Rates:
    """What the user asked for, checked."""
    shape = choose("schedule", schedule, SCHEDULES, {"inverse_time_decay": "inverse_time"})
    plain = shape is SCHEDULES["constant"]
    if method.rule is None and not (learning_rate is None and plain):
        raise ValueError(f"learning_rate and schedule: {name} finds the size of its steps itself; leave them out")
    if callable(learning_rate):
        if not plain:
            raise ValueError(f"schedule {schedule!r} is for a constant learning_rate, and a function was given")
        return _Rates(learning_rate, shape, limit)
    return _Rates(method.rate if learning_rate is None else positive("learning_rate", learning_rate), shape, limit)


def _start(model: pm.Model, initvals: Mapping[Any, Any] | None, seed: int) -> dict[str, np.ndarray]:
    """Value variables at the start, after a look at what cannot work."""
    if not model.free_RVs:
        raise ValueError("model: it has no free variable, so there is nothing to fit")
    discrete = [rv.name for rv in model.free_RVs if rv.dtype not in pm.vartypes.float_types]
    if discrete:
        raise TypeError(
            f"model: {', '.join(discrete)} is discrete, and gradient descent needs a gradient; fix it at a value, as "
            f"pm.observe(model, {{{discrete[0]!r}: value}}) does, or sum it out"
        )
    if not isinstance(initvals or {}, Mapping):
        raise TypeError(f"initvals must be a dictionary of names and values, got a {type(initvals).__name__}")
    given = {getattr(key, "name", key): value for key, value in (initvals or {}).items()}
    known = [rv.name for rv in model.free_RVs]
    for name in given:
        if name not in [*known, *(v.name for v in model.value_vars)]:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ValueError(
                f"initvals: {name} is not a free variable of this model; its free variables are {', '.join(known)}"
                + (f". Did you mean {near[0]!r}?" if near else "")
            )
    usual = make_initial_point_fn(model=model)(seed)
    point = make_initial_point_fn(model=model, overrides=given)(seed) if given else usual
    for name, value in usual.items():
        if np.shape(point[name]) != np.shape(value):
            raise ValueError(f"initvals: {name} has shape {np.shape(point[name])}, and should have {np.shape(value)}")
    return dict(point)


def _laplace_priors(model: pm.Model) -> dict[str, tuple[Any, Any]]:
    """Location and scale of each free Laplace variable where they are constant and nothing is transformed."""
    found: dict[str, tuple[Any, Any]] = {}
    for rv in model.free_RVs:
        if not isinstance(rv.owner.op, type(pm.Laplace.rv_op)) or model.rvs_to_transforms[rv] is not None:
            continue
        parameters = rv.owner.op.dist_params(rv.owner)
        if not set(ancestors(parameters)) & set(model.basic_RVs):
            location, scale = pm_compile([], parameters, mode="FAST_COMPILE")()
            found[rv.name] = (location, scale)
    return found


def _describe(model: pm.Model, point: Mapping[str, np.ndarray]) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """All variables at a point, with coords; and the free ones."""
    variables = [*model.free_RVs, *model.deterministics]
    with model:
        graphs = model.replace_rvs_by_values(variables)
        function = model.compile_fn(graphs, inputs=model.value_vars, mode="FAST_COMPILE")
    values = {v.name: np.asarray(value) for v, value in zip(variables, function(point), strict=True)}
    data = {}
    for name, value in values.items():
        dims: Any = model.named_vars_to_dims.get(name) or [None] * value.ndim
        data[name] = ([dim or f"{name}_dim_{i}" for i, dim in enumerate(dims)], value)
    used = {dim for dims, _ in data.values() for dim in dims}
    coords = {dim: list(labels) for dim, labels in model.coords.items() if dim in used and labels is not None}
    return xr.Dataset(data, coords), {rv.name: values[rv.name] for rv in model.free_RVs}


@contextmanager
def _progress(show: bool, limit: int) -> Iterator[Callable[[int, float, float], None]]:
    """A progress bar in PyMC's colours, and the function that moves it."""
    told = TextColumn("loss {task.fields[loss]:.6g}, gradient {task.fields[norm]:.2g}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), told, TimeElapsedColumn())
    with CustomProgress(*columns, console=Console(theme=default_progress_theme), disable=not show) as bar:
        task = bar.add_task("Descending", total=limit, loss=math.nan, norm=math.nan)
        yield lambda done, loss, norm: bar.update(task, completed=done, loss=loss, norm=norm)
