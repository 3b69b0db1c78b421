"""Gradient descent on the log-density that is sampled, so that a point fit and a posterior stand side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from ..checks import at_least, seeded, truth, whole
from ..target import checked_options, model_of
from .monitor import Monitor, Stop, progress
from .objective import check_model, describe, kept_objective, start_of
from .optimizers import OPTIMIZERS, SCHEDULES, choose_optimizer, choose_rates

__all__ = ["OPTIMIZERS", "SCHEDULES", "Descent", "gradient_descent"]


@dataclass(frozen=True, eq=False)
class Descent:
    """The result of gradient descent: the best point of the way, and how the way was.

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
    model = model_of(model)
    limit = whole("max_iterations", max_iterations, least=1)
    tolerance = at_least("tolerance", tolerance, 0)
    chosen, name = choose_optimizer(optimizer)
    rates = choose_rates(name, chosen, learning_rate, schedule, limit)
    seed = int(seeded("random_seed", random_seed, np.random.default_rng).integers(2**30))
    given = check_model(model, initvals)
    jacobian, progressbar = truth("jacobian", jacobian), truth("progressbar", progressbar)
    options = checked_options(compile_kwargs)
    objective = kept_objective(model, jacobian=jacobian, proximal=chosen.proximal, seed=seed, compile_kwargs=options)
    start = start_of(objective, given, seed)
    objective.check_start(start)
    if objective.stochastic and chosen.rule is None:
        raise ValueError(
            f"optimizer {name!r} needs all of the data, and this model has mini-batches; use another, such as 'adam'"
        )
    with progress(progressbar, limit) as show:
        monitor = Monitor(start, limit, tolerance, objective.stochastic, show)
        try:
            chosen.run(objective, start, monitor, chosen.rule, rates)
        except Stop as stop:
            reason = stop.reason
        except KeyboardInterrupt:
            if not monitor.losses:
                raise
            reason = "interrupted"
        show(monitor.iterations, monitor.loss, monitor.norms[-1])
    if reason != "converged" and not (reason == "max iterations" and objective.stochastic):
        warnings.warn(monitor.warning(name, schedule, reason), RuntimeWarning, stacklevel=2)
    optimum, free = describe(objective, monitor.best)
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
