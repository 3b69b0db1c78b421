"""What the gradient of a loop costs, in evaluations of its value: by reverse mode, forward mode and differences.

Of each posterior of `benchmarks.models.expensive` whose likelihood is a loop (`pytensor.scan`), at draws of a short
run:

- reverse: value and gradient as samplers get them, one pass back through the loop;
- forward: the derivative along one direction at a time, d of them, each beside the value; by two passes back,
  marked by an asterisk, where an operation knows no other way;
- forward differences: d + 1 values; central ones: 2 d.  Steps in unconstrained space are the same for all parameters.

PyMC's checks of parameters are left out.  Costs are medians of processor time in turns.  The error is the largest that
any component has at any of the draws against reverse mode's, times the standard deviation of its parameter: a force
that is off by 0.01 moves a momentum of size 1 by as much in a unit of time.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.pytensorf import compile as pm_compile
from pymc.pytensorf import join_nonshared_inputs
from pytensor.graph.rewriting.utils import rewrite_graph

from benchmarks import report, study
from benchmarks.models import expensive
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem
from benchmarks.samplers.ours import advance
from benchmarks.timing import interleaved, seconds
from pymc_symplectic.settings import Settings

STEPS = {"forward differences": 1e-6, "central differences": 1e-4}
"""Of differences, in unconstrained space."""
WAYS = ("reverse", "forward", *STEPS)
DRAWS, POINTS = 100, 10  # of the run, and those of them where gradients are compared

type _Gradient = Callable[[np.ndarray], np.ndarray]


class Derivatives(NamedTuple):
    """The log-density as a function of a vector (d,), its gradient in several ways, and whether forward is two back."""

    value: Callable[[np.ndarray], Any]
    gradients: dict[str, _Gradient]
    twice_back: bool


def _along(logp: Any, q: Any, direction: Any) -> tuple[Any, bool]:
    """The derivative of a number along a direction, and whether it takes two passes back."""
    try:
        return pytensor.gradient.pushforward(logp, q, direction, use_op_pushforward=True), False
    except NotImplementedError:
        return pytensor.gradient.pushforward(logp, q, direction), True


def derivatives(posterior: Posterior) -> Derivatives:
    """Compile the log-density of a posterior."""
    model = posterior.model
    unchecked = rewrite_graph(model.logp(), include=("canonicalize", "local_remove_check_parameter"))
    (logp,), q = join_nonshared_inputs(model.initial_point(), [unchecked], model.value_vars)
    direction = pt.dvector("direction")
    value = pm_compile([q], logp)
    reverse = pm_compile([q], [logp, pytensor.grad(logp, q)])
    derivative, twice_back = _along(logp, q, direction)
    forward = pm_compile([q, direction], [logp, derivative])

    def one_sided(at: np.ndarray) -> np.ndarray:
        step, here = STEPS["forward differences"], value(at)
        return np.array([(value(at + step * axis) - here) / step for axis in np.eye(at.size)])

    def central(at: np.ndarray) -> np.ndarray:
        step = STEPS["central differences"]
        return np.array([(value(at + step * axis) - value(at - step * axis)) / (2 * step) for axis in np.eye(at.size)])

    ways: tuple[_Gradient, ...] = (
        lambda at: np.asarray(reverse(at)[1]),
        lambda at: np.array([forward(at, axis)[1] for axis in np.eye(at.size)]),
        one_sided,
        central,
    )
    return Derivatives(value, dict(zip(WAYS, ways, strict=True)), twice_back)


def row(posterior: Posterior, rounds: int, draws: int = DRAWS) -> list[str]:
    """Costs in values, and errors, of one posterior."""
    problem, made = Problem.of(posterior), derivatives(posterior)
    ((_, _, sampling),) = advance(problem, Settings.choose(), draws, draws, 1, 0)
    sd = sampling.positions.std(axis=0)
    points = sampling.positions[:: max(1, draws // POINTS)]
    found = {way: np.array([gradient(at) for at in points]) for way, gradient in made.gradients.items()}
    errors = [float(np.abs((found[way] - found["reverse"]) * sd).max()) for way in WAYS[1:]]
    calls = {"value": made.value, **made.gradients}
    timed = interleaved(
        {way: partial(seconds, partial(call, points[-1])) for way, call in calls.items()}, rounds, "value"
    )
    costs = [f"{timed[way].ratio:.1f}{'*' * (made.twice_back and way == 'forward')}" for way in WAYS]
    micro = f"{timed['value'].nanoseconds / 1000:.0f}"
    return [posterior.name, str(problem.target.dim), micro, *costs, *(f"{error:.0e}" for error in errors)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, and print the table."""
    parser = study.parser("scan_gradients", __doc__, posteriordb=None)
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", default=list(expensive.LOOPS), help="default: all")
    parser.add_argument("--rounds", type=int, default=30, help="of timing; default: %(default)s")
    chosen = parser.parse_args(arguments)
    rows = []
    for name in chosen.posteriors:
        rows.append(row(expensive.load(name, chosen.posteriordb), chosen.rounds))
        study.say("  ".join(rows[-1]))
    head = ["posterior", "d", "value, µs", *(f"{way} / value" for way in WAYS), *(f"error, {way}" for way in WAYS[1:])]
    print("\n" + report.markdown(head, rows))
