"""Systems on which the laws are tested: log-densities, populations with exact samplers, kinetic energies, metrics."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba.extending import register_jitable
from scipy.special import log_ndtr, ndtri, stdtr, stdtrit

from pymc_symplectic import integrators, kinetic, metrics
from pymc_symplectic.kernels.adapt import new_learning, store_draw
from pymc_symplectic.kernels.address import DRAW, ENERGY, LOGP, VELOCITY, AddressedFunction
from pymc_symplectic.kernels.kinetic import Addressed
from pymc_symplectic.kernels.linear import drift
from pymc_symplectic.kernels.state import HamiltonianSystem, Point, Target
from pymc_symplectic.window import Window

DIM = 3
DATA = np.zeros(1, np.int64)


# An anharmonic system: three masses between two walls, held by springs of energy s²/2 + s³/6 + s⁴/8 (Fermi, Pasta,
# Ulam, Tsingou).  In Python it takes complex numbers as well.


@register_jitable
def springs(data, position, gradient, value):
    value[0] = 0.0
    left = 0.0 * position[0]
    for j in range(position.size + 1):
        right = position[j] if j < position.size else 0.0 * position[0]
        stretch = right - left
        pull = stretch + stretch**2 / 2 + stretch**3 / 2
        value[0] -= stretch**2 / 2 + stretch**3 / 6 + stretch**4 / 8
        if j > 0:
            gradient[j - 1] += pull
        if j < position.size:
            gradient[j] = -pull
        left = right
    return 0


SPRINGS = AddressedFunction(springs, LOGP)


# Populations: q = A x, with three coordinates x that are made from standard normal scores, and can be taken back to
# them.  So "the draws are exact" is "their scores are independent and standard normal", for every population.

_A = np.array([[1.0, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.8, 1.0, 1.2]])
_A_INVERSE = np.linalg.inv(_A)


@dataclass(frozen=True)
class Population:
    """A distribution: its log-density, and the map from standard normal scores to its draws, both ways."""

    logp: AddressedFunction
    from_scores: Callable[[np.ndarray], np.ndarray]
    to_scores: Callable[[np.ndarray], np.ndarray]

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return self.from_scores(rng.standard_normal((count, DIM))) @ _A.T

    def scores(self, draws: np.ndarray) -> np.ndarray:
        return self.to_scores(draws @ _A_INVERSE.T)


def mixed(latent: Callable[[np.ndarray], float]) -> AddressedFunction:
    """The log-density of A x, where `latent` is that of x and turns the x that it is given into its gradient."""

    def logp(data, position, gradient, value):
        for i in range(3):
            x = 0.0
            for j in range(i + 1):
                x += _A_INVERSE[i, j] * position[j]
            gradient[i] = x
        value[0] = latent(gradient)
        for j in range(3):
            pulled = 0.0
            for i in range(j, 3):
                pulled += _A_INVERSE[i, j] * gradient[i]
            gradient[j] = pulled
        return 0

    return AddressedFunction(logp, LOGP)


@register_jitable
def gaussian(x):
    total = 0.0
    for j in range(3):
        total -= 0.5 * x[j] * x[j]
        x[j] = -x[j]
    return total


@register_jitable
def gumbel(x):
    total = 0.0
    for j in range(3):
        grown = np.exp(x[j])
        total += x[j] - grown
        x[j] = 1.0 - grown
    return total


@register_jitable
def student(x):
    total = 5.0
    for j in range(3):
        total += x[j] * x[j]
    for j in range(3):
        x[j] *= -8.0 / total
    return -4.0 * np.log(total)


@register_jitable
def gaussian_with_another_force(x):
    value = gaussian(x)
    x[0] = 0.7 * x[0] - 0.3 * x[1] + 0.1
    return value


def _gumbel_from_scores(z):
    return np.log(-log_ndtr(-z))


def _gumbel_to_scores(x):
    return np.where(x < 0, ndtri(-np.expm1(-np.exp(x))), -ndtri(np.exp(-np.exp(x))))


def _student_from_scores(z):
    # given those before it, each coordinate is a scaled Student t with one more degree of freedom
    x, total = np.empty_like(z), np.full(len(z), 5.0)
    for j in range(3):
        x[:, j] = np.sqrt(total / (5 + j)) * -np.sign(z[:, j]) * stdtrit(5 + j, np.exp(log_ndtr(-np.abs(z[:, j]))))
        total += x[:, j] ** 2
    return x


def _student_to_scores(x):
    z, total = np.empty_like(x), np.full(len(x), 5.0)
    for j in range(3):
        z[:, j] = -np.sign(x[:, j]) * ndtri(stdtr(5 + j, -np.abs(x[:, j]) / np.sqrt(total / (5 + j))))
        total += x[:, j] ** 2
    return z


POPULATIONS = {
    "gaussian": Population(mixed(gaussian), lambda z: z, lambda x: x),
    "gumbel": Population(mixed(gumbel), _gumbel_from_scores, _gumbel_to_scores),
    "student": Population(mixed(student), _student_from_scores, _student_to_scores),
}

WITH_ANOTHER_FORCE = mixed(gaussian_with_another_force)


# Kinetic energies, beside those of the catalogue.


def _relativistic_energy(params, momentum):
    total = params[0] ** 2
    for j in range(momentum.size):
        total += momentum[j] ** 2
    return params[0] * np.sqrt(total)


def _relativistic_velocity(params, momentum, out):
    total = params[0] ** 2
    for j in range(momentum.size):
        total += momentum[j] ** 2
    for j in range(momentum.size):
        out[j] = params[0] * momentum[j] / np.sqrt(total)


def _relativistic_draw(params, rng, out):
    # In three dimensions t = √(|r|² + c²) - c has density (c + t) √(t² + 2ct) exp(-ct).  It lies below
    # (c + t)² exp(-ct), a mixture of gammas of shapes 1 to 3.
    c = params[0]
    while True:
        u = rng.random() * (c**4 + 2 * c**2 + 2)
        t = rng.standard_exponential()
        if u < 2 * c**2 + 2:
            t += rng.standard_exponential()
        if u < 2:
            t += rng.standard_exponential()
        t /= c
        if rng.random() * (c + t) < np.sqrt(t * t + 2 * c * t):
            break
    norm = 0.0
    for j in range(out.size):
        out[j] = rng.standard_normal()
        norm += out[j] ** 2
    for j in range(out.size):
        out[j] *= np.sqrt((t * t + 2 * c * t) / norm)


def _log_cosh_energy(params, momentum):
    total = 0.0
    for j in range(momentum.size):
        total += np.log(np.cosh(momentum[j]))
    return total


def _log_cosh_velocity(params, momentum, out):
    for j in range(momentum.size):
        out[j] = np.tanh(momentum[j])


def _log_cosh_draw(params, rng, out):
    for j in range(out.size):  # exp(-K) is the density of a hyperbolic secant
        out[j] = np.log(np.tan(0.5 * math.pi * rng.random()))


def _normal_draw(params, rng, out):
    for j in range(out.size):
        out[j] = rng.standard_normal()


def _addressed(energy: Callable, velocity: Callable, draw: Callable, *params: float) -> Addressed:
    functions = AddressedFunction(energy, ENERGY), AddressedFunction(velocity, VELOCITY), AddressedFunction(draw, DRAW)
    _kept.append(functions)
    return Addressed(*(function.address for function in functions), np.array(params))


_kept: list[tuple[AddressedFunction, ...]] = []  # an address is good for as long as its function lives


def _learned_energy() -> Addressed:
    """The adaptive energy, as fitted to a heavy-tailed target."""
    draws = np.random.default_rng(5).standard_t(4, (400, DIM))
    chosen = kinetic.Adaptive()
    record = chosen.fit(chosen.record(DIM), draws, -5 * draws / (4 + draws**2))
    assert chosen.learned(record).gain > 1.05
    return record


KINETIC = {name: chosen().record(DIM) for name, chosen in kinetic.CATALOGUE.items()} | {
    "adaptive": _learned_energy(),
    "relativistic_separable": kinetic.Relativistic(1.5, "separable").record(DIM),
    "power_radial": kinetic.Power(1.3, 1.0, "radial").record(DIM),
    "light_power": kinetic.Power(4.0, 1.5).record(DIM),
    "own_relativistic": _addressed(_relativistic_energy, _relativistic_velocity, _relativistic_draw, 2.0),
    "own_log_cosh": _addressed(_log_cosh_energy, _log_cosh_velocity, _log_cosh_draw),
}
# Wrong: the energy is relativistic, and the momenta are not.
GAUSSIAN_MOMENTA = _addressed(_relativistic_energy, _relativistic_velocity, _normal_draw, 2.0)


# Metrics, each as it would be learned.


# Those that are themselves, and not a choice among others.
METRICS = [name for name, chosen in metrics.CATALOGUE.items() if isinstance(chosen().resolve(DIM), chosen)]


def learned(name: str, draws: np.ndarray, gradients: np.ndarray):
    """The linear map of the metric `name` of the catalogue, after warm-up has seen `draws` and `gradients` (n, d)."""
    metric = metrics.CATALOGUE[name]().resolve(draws.shape[1])
    learning = new_learning(draws.shape[1], len(draws), 1.0, 0.8)
    for draw, gradient in zip(draws, gradients, strict=True):
        store_draw(learning, Point(draw, gradient, np.zeros(1), np.zeros(1)))
    return metric.fit(metric.start(gradients[0]), Window.of(learning))


@cache
def some_map(name: str):
    """A map L of the metric `name` with everything in it that such a map can have."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, DIM))
    return learned(name, 0.8 * x @ _A.T, -1.25 * x @ _A_INVERSE)


@cache
def map_for(population: str, name: str):
    """The map that the metric `name` learns from draws of a population."""
    draws = POPULATIONS[population].draw(np.random.default_rng(4), 400)
    gradients, value = np.empty_like(draws), np.empty(1)
    for draw, gradient in zip(draws, gradients, strict=True):
        POPULATIONS[population].logp.python(DATA, draw, gradient, value)
    return learned(name, draws, gradients)


def matrix_of(linear_map, dim: int = DIM) -> np.ndarray:
    """L as a matrix: its columns are where a drift takes the origin."""
    matrix = np.zeros((dim, dim))
    for j in range(dim):
        drift(linear_map, 1.0, np.eye(dim)[j], matrix[:, j])
    return matrix


# Flows, and all together.

INTEGRATORS = {**integrators.CATALOGUE, **integrators.IMPLICIT}
OFF = np.array([0.3, -0.4, 0.5])  # where no target has its mean


def flow_of(name: str):
    integrator = integrators.get(name)
    return integrator.record(DIM, OFF) if integrator.drift == "harmonic" else integrator.record(DIM)


def system(logp: AddressedFunction, kinetic_energy, linear_map, flow) -> HamiltonianSystem:
    return HamiltonianSystem(Target(logp.address, DATA), kinetic_energy, linear_map, flow)
