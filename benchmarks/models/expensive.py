"""PyMC models whose log-density takes long: equations solved in a loop, Gaussian processes, and many rows.

A gradient of theirs takes a tenth of a millisecond to several, where most models take microseconds.  `names` are
those on which choices are made, and `apart` six others, of other kinds, on which none is.  Data are made from fixed
seeds, but for those of hares and lynxes, which are posteriordb's.  Each function says how many observations n and
parameters d there are.

Curves that come back, of hares and of nerves, fit data with another period too, in modes of no weight that hold chains.
Chains of these two start near the initial point: this set is about costs, and not about modes.

Differential equations are solved by the classical Runge-Kutta method with fixed steps, by the same function for data
and model, so that what is fitted is what the data were made with.

Examples
--------
>>> posterior = load("simulated-epidemic")
>>> size("simulated-epidemic")
60
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions import transforms

from benchmarks.models import posteriordb
from benchmarks.models.posterior import Place, Posterior

__all__ = ["LOOPS", "apart", "load", "names", "size"]

_PREDATORS = "hudson_lynx_hare-lotka_volterra"


class _Entry(NamedTuple):
    """What builds a model, of how many observations, whether it is kept apart, and how far away chains may start.

    A distance is in unconstrained space; without one, chains start where those of all posteriors do.
    """

    builder: Callable[[int], pm.Model] | None
    size: int
    apart: bool = False
    near: float | None = None


_ENTRIES: dict[str, _Entry] = {}


def _register(name: str, n: int, *, kept_apart: bool = False, near: float | None = None) -> Callable[[Any], Any]:
    def add(builder: Callable[[int], pm.Model]) -> Callable[[int], pm.Model]:
        _ENTRIES[name] = _Entry(builder, n, kept_apart, near)
        return builder

    return add


def names() -> list[str]:
    """Those on which choices are made."""
    return [name for name, entry in _ENTRIES.items() if not entry.apart]


def apart() -> list[str]:
    """The others."""
    return [name for name, entry in _ENTRIES.items() if entry.apart]


def size(name: str) -> int:
    """How many observations there are."""
    return _ENTRIES[name].size


def load(name: str, path: Path | None = None) -> Posterior:
    """A posterior by its name; `path` is posteriordb's."""
    entry = _ENTRIES[name]
    posterior = posteriordb.load(name, path) if entry.builder is None else Posterior(name, entry.builder(entry.size))
    return posterior if entry.near is None else replace(posterior, place=_near(posterior.model, entry.near))


def _near(model: pm.Model, distance: float) -> Place:
    """Within a distance of the initial point, in each coordinate."""
    point = model.initial_point()
    center = np.concatenate([np.ravel(point[value.name]) for value in model.continuous_value_vars])
    return lambda rng: center + rng.uniform(-distance, distance, center.size)


# Equations

type _Derivatives = Callable[..., tuple[Any, ...]]


def _runge_kutta(derivatives: _Derivatives, state: tuple[Any, ...], rates: tuple[Any, ...], step: float) -> Any:
    """One step of the classical method, of numbers and of expressions alike."""

    def moved(by: float, slope: tuple[Any, ...]) -> list[Any]:
        return [x + by * dx for x, dx in zip(state, slope, strict=True)]

    first = derivatives(*state, *rates)
    second = derivatives(*moved(step / 2, first), *rates)
    third = derivatives(*moved(step / 2, second), *rates)
    last = derivatives(*moved(step, third), *rates)
    slopes = zip(first, second, third, last, strict=True)
    return tuple(moved(step / 6, tuple(a + 2 * b + 2 * c + d for a, b, c, d in slopes)))


class _Equation(NamedTuple):
    """A differential equation that is solved at n times, `apart` one after another, by so many steps for each."""

    derivatives: _Derivatives
    apart: float
    steps: int

    def _next(self, state: tuple[Any, ...], rates: tuple[Any, ...]) -> tuple[Any, ...]:
        return _runge_kutta(self.derivatives, state, rates, self.apart / self.steps)

    def numbers(self, start: tuple[Any, ...], rates: tuple[float, ...], n: int) -> list[np.ndarray]:
        """Each part of the state at all times, of numbers; the start is not among them."""
        states = [start]
        for _ in range(n * self.steps):
            states.append(self._next(states[-1], rates))
        return [np.array(part)[self.steps :: self.steps] for part in zip(*states, strict=True)]

    def path(self, start: tuple[Any, ...], rates: tuple[Any, ...], n: int) -> list[Any]:
        """The same of expressions, by a loop."""
        parts = pytensor.scan(
            lambda *parts: self._next(parts[: len(start)], parts[len(start) :]),
            outputs_info=[pt.as_tensor(part) for part in start],
            non_sequences=list(rates),
            n_steps=n * self.steps,
            return_updates=False,
        )
        return [part[self.steps - 1 :: self.steps] for part in parts]


# On which choices are made


@_register("simulated-gp_large", n=300)
@_register("simulated-gp", n=150)
def gp(n: int) -> pm.Model:
    """Regression on a Gaussian process of three columns, each with a length of its own; d = 5."""
    rng = np.random.default_rng(501)
    X = rng.uniform(-2, 2, size=(n, 3))
    y = np.sin(2 * X[:, 0]) + 0.4 * X[:, 1] ** 2 + 0.1 * X[:, 2] + 0.3 * rng.normal(size=n)
    squares = (X[:, None, :] - X) ** 2
    with pm.Model() as model:
        length = pm.LogNormal("length", 0.5, 0.7, shape=3)
        eta = pm.HalfNormal("eta", 2)
        sigma = pm.HalfNormal("sigma", 1)
        covariance = eta**2 * pt.exp(-0.5 * (squares / length**2).sum(axis=2)) + (sigma**2 + 1e-8) * np.eye(n)
        pm.MvNormal("y", np.zeros(n), cov=covariance, observed=y)
    return model


@_register("simulated-epidemic", n=60)
def epidemic(n: int) -> pm.Model:
    """Daily counts of new cases in a town of a thousand, of which only some are seen; d = 5."""
    rng = np.random.default_rng(502)
    town = 1000.0

    def derivatives(susceptible: Any, infected: Any, beta: Any, gamma: Any) -> tuple[Any, Any]:
        new = beta * susceptible * infected / town
        return -new, new - gamma * infected

    daily = _Equation(derivatives, 1.0, 24)
    susceptible, _ = daily.numbers((town - 3, 3.0), (0.5, 0.2), n)
    cases = -np.diff(susceptible, prepend=town - 3)
    y = rng.negative_binomial(10, 10 / (10 + 0.5 * cases))
    with pm.Model() as model:
        beta = pm.LogNormal("beta", -0.7, 0.5)
        gamma = pm.LogNormal("gamma", -1.6, 0.3)
        seeds = pm.LogNormal("seeds", 1, 0.7)
        seen = pm.Beta("seen", 4, 4)
        alpha = pm.LogNormal("alpha", 2, 1)
        susceptible, _ = daily.path((town - seeds, seeds), (beta, gamma), n)
        before = pt.concatenate([(town - seeds)[None], susceptible[:-1]])
        pm.NegativeBinomial("y", mu=seen * (before - susceptible) + 1e-6, alpha=alpha, observed=y)
    return model


_ENTRIES[_PREDATORS] = _Entry(None, 42, near=0.3)  # d = 8


@_register("simulated-robust_regression", n=20_000)
def robust_regression(n: int) -> pm.Model:
    """Linear regression on 12 correlated columns with errors of Student's law, of unknown degrees; d = 15."""
    rng = np.random.default_rng(503)
    X = rng.normal(size=(n, 12)) @ (np.eye(12) + 0.3 * rng.normal(size=(12, 12)))
    y = 1 + X @ rng.normal(size=12) + 0.5 * rng.standard_t(4, size=n)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 5)
        beta = pm.Normal("beta", 0, 2, shape=12)
        sigma = pm.HalfNormal("sigma", 2)
        nu = pm.Gamma("nu", 2, 0.1)
        pm.StudentT("y", nu=nu, mu=alpha + X @ beta, sigma=sigma, observed=y)
    return model


@_register("simulated-many_counts", n=10_000)
def many_counts(n: int) -> pm.Model:
    """Counts of 40 groups by four columns: more parameters than a surrogate is learned of; d = 46."""
    rng = np.random.default_rng(504)
    group, X = rng.integers(40, size=n), rng.normal(size=(n, 4))
    y = rng.poisson(np.exp((-1 + 0.5 * rng.normal(size=40))[group] + X @ [0.3, -0.2, 0.1, 0.0]))
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        theta = pm.Normal("theta", mu, tau, shape=40)
        beta = pm.Normal("beta", 0, 1, shape=4)
        pm.Poisson("y", pt.exp(theta[group] + X @ beta), observed=y)
    return model


# Kept apart


@_register("simulated-two_compartments", n=36, kept_apart=True)
def two_compartments(n: int) -> pm.Model:
    """Concentrations of a drug in three patients of different dose; its elimination saturates; d = 6.

    Amounts in blood and tissue, by the law of Michaelis and Menten, seen every other hour of a day.
    """
    rng = np.random.default_rng(505)
    dose = np.array([20.0, 100.0, 400.0])
    seen = 2 * np.arange(1, n // dose.size + 1)

    def derivatives(blood: Any, tissue: Any, fastest: Any, half: Any, volume: Any, flow: Any, other: Any) -> Any:
        dense = blood / volume
        exchange = flow * (dense - tissue / other)
        return -fastest * dense / (half + dense) - exchange, exchange

    hourly = _Equation(derivatives, 1.0, 12)
    truth = (12.0, 3.0, 10.0, 3.0, 20.0)
    blood, _ = hourly.numbers((dose, 0 * dose), truth, int(seen[-1]))
    y = np.log(blood[seen - 1] / truth[2]) + 0.15 * rng.normal(size=(seen.size, dose.size))
    with pm.Model() as model:
        fastest = pm.LogNormal("fastest", np.log(10), 0.5)
        half = pm.LogNormal("half", np.log(4), 0.5)
        volume = pm.LogNormal("volume", np.log(10), 0.5)
        flow = pm.LogNormal("flow", np.log(3), 0.5)
        other = pm.LogNormal("other", np.log(15), 0.5)
        sigma = pm.HalfNormal("sigma", 0.5)
        blood, _ = hourly.path((dose, 0 * dose), (fastest, half, volume, flow, other), int(seen[-1]))
        pm.Normal("y", pt.log(blood[seen - 1] / volume), sigma, observed=y)
    return model


@_register("simulated-two_outputs", n=120, kept_apart=True)
def two_outputs(n: int) -> pm.Model:
    """Two curves that are correlated: a Gaussian process with Matern's covariance of 5/2 and coregions; d = 6."""
    rng = np.random.default_rng(506)
    x = np.sort(rng.uniform(0, 10, n // 2))
    distance = np.abs(np.subtract.outer(x, x))
    f = np.sin(x)[:, None] * [1.0, 0.6] + np.cos(0.5 * x)[:, None] * [0.0, 0.7]
    y = f + rng.normal(size=f.shape) * [0.2, 0.4]
    with pm.Model() as model:
        length = pm.InverseGamma("length", 5, 10)
        scale = pm.HalfNormal("scale", 2, shape=2)
        both = pm.Normal("both", 0, 1)
        sigma = pm.HalfNormal("sigma", 1, shape=2)
        r = np.sqrt(5) * distance / length
        matern = (1 + r + r**2 / 3) * pt.exp(-r)
        factor = pt.stacklists([[scale[0], 0.0], [both, scale[1]]])
        covariance = pt.linalg.kron(factor @ factor.T, matern) + pt.diag(pt.repeat(sigma**2, x.size) + 1e-8)
        pm.MvNormal("y", np.zeros(n), cov=covariance, observed=y.T.ravel())
    return model


@_register("simulated-cycle", n=250, kept_apart=True)
def cycle(n: int) -> pm.Model:
    """A series with a cycle that fades and is pushed anew; its two states are summed out by Kalman's filter; d = 4."""
    rng = np.random.default_rng(507)
    y, state = np.empty(n), np.zeros(2)
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    for t in range(n):
        state = 0.95 * turn @ state + 0.5 * rng.normal(size=2)
        y[t] = state[0] + 0.7 * rng.normal()

    def step(y: Any, mean: Any, cov: Any, move: Any, push: Any, error: Any) -> tuple[Any, ...]:
        mean, cov = move @ mean, move @ cov @ move.T + push**2 * np.eye(2)
        surprise, variance = y - mean[0], cov[0, 0] + error**2
        gain = cov[:, 0] / variance
        return mean + gain * surprise, cov - pt.outer(gain, cov[0]), surprise, variance

    with pm.Model() as model:
        frequency = pm.LogNormal("frequency", np.log(0.4), 0.3)
        keep = pm.Beta("keep", 9, 1)
        push = pm.HalfNormal("push", 1)
        error = pm.HalfNormal("error", 1)
        cos, sin = pt.cos(frequency), pt.sin(frequency)
        _, _, surprise, variance = pytensor.scan(
            step,
            sequences=[pt.as_tensor(y)],
            outputs_info=[pt.zeros(2), pt.as_tensor(10 * np.eye(2)), None, None],
            non_sequences=[keep * pt.stacklists([[cos, sin], [-sin, cos]]), push, error],
            return_updates=False,
        )
        pm.Potential("y", pm.logp(pm.Normal.dist(0, pt.sqrt(variance)), surprise).sum())
    return model


@_register("simulated-hidden_states", n=1000, kept_apart=True)
def hidden_states(n: int) -> pm.Model:
    """A series that goes between two states of different mean and noise, which are summed out; d = 6."""
    rng = np.random.default_rng(508)
    state = np.zeros(n, dtype=int)
    for t in range(1, n):
        state[t] = state[t - 1] if rng.random() < (0.95, 0.9)[state[t - 1]] else 1 - state[t - 1]
    y = rng.normal(np.array([0.0, 1.5])[state], np.array([0.8, 0.5])[state])

    def step(seen: Any, log_weights: Any, log_moves: Any) -> Any:
        return pt.logsumexp(log_weights[:, None] + log_moves, axis=0) + seen

    with pm.Model() as model:
        stay = pm.Beta("stay", 8, 2, shape=2)
        mu = pm.Normal("mu", 0, 2, shape=2, transform=transforms.ordered, initval=[-1, 1])
        sigma = pm.HalfNormal("sigma", 1, shape=2)
        log_moves = pt.log(pt.stacklists([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]]))
        seen = pm.logp(pm.Normal.dist(mu, sigma), y[:, None])
        log_weights = pytensor.scan(
            step, sequences=[seen[1:]], outputs_info=[np.log(0.5) + seen[0]], non_sequences=[log_moves],
            return_updates=False,
        )  # fmt: skip
        pm.Potential("y", pt.logsumexp(log_weights[-1]))
    return model


@_register("simulated-fitzhugh_nagumo", n=80, kept_apart=True, near=0.3)
def fitzhugh_nagumo(n: int) -> pm.Model:
    """Voltage and recovery of a nerve that fires, by the equations of FitzHugh and Nagumo; d = 5."""
    rng = np.random.default_rng(509)

    def derivatives(voltage: Any, recovery: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
        return c * (voltage - voltage**3 / 3 + recovery), -(voltage - a + b * recovery) / c

    nerve, start = _Equation(derivatives, 0.5, 16), (np.float64(-1), np.float64(1))
    y = np.stack(nerve.numbers(start, (0.2, 0.2, 3.0), n // 2), axis=1)
    y = y + rng.normal(size=y.shape) * [0.4, 0.25]
    with pm.Model() as model:
        a = pm.LogNormal("a", -1.5, 0.5)
        b = pm.LogNormal("b", -1.5, 0.5)
        c = pm.LogNormal("c", 1, 0.2)
        sigma = pm.HalfNormal("sigma", 1, shape=2)
        path = nerve.path(start, (a, b, c), n // 2)
        pm.Normal("y", pt.stack(path, axis=1), sigma, observed=y)
    return model


@_register("simulated-shares", n=20_000, kept_apart=True)
def shares(n: int) -> pm.Model:
    """Successes of ten tries by six columns, which vary more than their shares tell: beta-binomial; d = 8."""
    rng = np.random.default_rng(510)
    X = rng.normal(size=(n, 6)) @ (np.eye(6) + 0.3 * rng.normal(size=(6, 6)))
    share = 1 / (1 + np.exp(1 - X @ [0.5, -0.3, 0.2, 0.1, 0.0, -0.1]))
    y = rng.binomial(10, rng.beta(8 * share, 8 * (1 - share)))
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0, 2)
        beta = pm.Normal("beta", 0, 1, shape=6)
        precision = pm.LogNormal("precision", 2, 1)
        share = pm.math.sigmoid(alpha + X @ beta)
        pm.BetaBinomial("y", n=10, alpha=share * precision, beta=(1 - share) * precision, observed=y)
    return model


LOOPS = (
    "simulated-epidemic",
    _PREDATORS,
    "simulated-two_compartments",
    "simulated-cycle",
    "simulated-hidden_states",
    "simulated-fitzhugh_nagumo",
)
"""Those whose likelihood is a loop, by `pytensor.scan`."""
