"""Costs of kinetic energies: nanoseconds a step, nanoseconds a draw of momentum, and compiled code.

Processor time of the one thread that works, in interleaved rounds, as medians of ratios to the Gaussian energy.  The
log-density is a standard normal that also counts to a number, chosen so that all of it takes `DENSITY` nanoseconds.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache

import numba
import numpy as np

import pymc_symplectic as ps
from benchmarks import study
from benchmarks.energies import ENERGIES, Frozen
from benchmarks.models.gaussians import normals
from benchmarks.timing import Timing, interleaved, seconds
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import chain as kernels
from pymc_symplectic.kernels import kinetic as momenta
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.address import LOGP, AddressedFunction, logp_at
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kernels.state import Target
from pymc_symplectic.kinetic import Adaptive, KineticEnergy, Power, Relativistic
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

DENSITY = 1000.0  # nanoseconds
STEPS = 20  # of a trajectory
CALLS = 2000


def _busy(data, position, gradient, value):
    total = 0.0
    for j in range(position.size):
        gradient[j] = -position[j]
        total += position[j] * position[j]
    # each needs the one before; what they come to is lost by rounding
    held = 1e-300
    for _ in range(data[0]):
        held = held * 0.5 + 1e-300
    value[0] = -0.5 * total + held
    return 0


_BUSY = AddressedFunction(_busy, LOGP)


@numba.njit(nogil=True, _nrt=False)
def _calls(address, data, position, gradient, value, count):
    logp = logp_at(address)
    for _ in range(count):
        logp(data, position, gradient, value)


@cache
def normal(dim: int, turns: int) -> LogDensity:
    """A standard normal that counts to `turns`."""
    made = LogDensity(model=normals(1, dim))
    made.target = Target(_BUSY.address, np.array([turns], np.int64))
    return made


def density_cost(dim: int, turns: int, rounds: int = 9) -> float:
    """Nanoseconds a call of the log-density."""
    target = normal(dim, turns).target
    arguments = (target.address, target.data, np.ones(dim), np.zeros(dim), np.zeros(1))
    _calls(*arguments, 1)
    return 1e9 * float(np.median([seconds(lambda: _calls(*arguments, CALLS)) / CALLS for _ in range(rounds)]))


def calibrated(dim: int) -> int:
    """How far to count for `DENSITY` nanoseconds in all."""
    bare, counting = density_cost(dim, 0), density_cost(dim, 1000)
    return max(0, int(1000 * (DENSITY - bare) / (counting - bare)))


def _learned(dim: int) -> KineticEnergy:
    """An adaptive energy with a network of its own, as warm-up would give it: one that levels out."""
    kinetic = Adaptive()
    slopes = np.linspace(1.0, 0.2, kinetic.units)
    return Frozen(kinetic.made_from(kinetic._network(slopes, 4.0 / (kinetic.units - 1), 1.1), dim))


def _energies(dim: int) -> dict[str, KineticEnergy]:
    return ENERGIES | {"adaptive": _learned(dim)}


def step_costs(dim: int, rounds: int = 25, draws: int = 100) -> dict[str, Timing]:
    """Nanoseconds a gradient of trajectories of `STEPS` steps, momentum and test included, and ratios."""
    target = normal(dim, calibrated(dim))
    ways: dict[str, Callable[[], float]] = {}
    for name, kinetic in _energies(dim).items():
        settings = Settings.choose(
            kinetic=kinetic, metric="identity", trajectory=ps.FixedSteps(STEPS), step_size=0.2 / dim**0.25
        )
        chain = Chain(target, settings, np.random.default_rng(1))
        chain.start(np.random.default_rng(0).standard_normal(dim))
        chain.advance(20)

        def way(chain: Chain = chain) -> float:
            began = time.thread_time()
            _, rows = chain.advance(draws)
            return (time.thread_time() - began) / rows[:, column.N_GRADIENTS].sum()

        ways[name] = way
    density = Timing(density_cost(dim, int(target.target.data[0])), np.nan)
    return {"density": density, **interleaved(ways, rounds, "gaussian")}


def draw_costs(dim: int = 100, rounds: int = 25, draws: int = 500) -> dict[str, Timing]:
    """Nanoseconds of one momentum, and ratios."""
    rng = np.random.default_rng(0)  # has to outlive its record
    random, out = generator_record(rng), np.empty((draws, dim))
    ways: dict[str, Callable[[], float]] = {}
    for name, kinetic in _energies(dim).items():
        record = kinetic.record(dim)
        momenta.draws(record, random, out)
        ways[name] = lambda record=record: seconds(lambda: momenta.draws(record, random, out)) / draws
    return interleaved(ways, rounds, "gaussian")


def compiled() -> dict[str, int]:
    """Signatures of the kernel that draws, before and after chains whose energies are learned or have other numbers."""

    def sample(kinetic: KineticEnergy) -> int:
        rng = np.random.default_rng(2)
        chain = Chain(normal(5, 1), Settings.choose(kinetic=kinetic, metric="diagonal"), rng, 400)
        chain.start(rng.standard_normal(5))
        chain.advance(450)
        return len(kernels.advance.signatures)

    counts = {"one fixed c": sample(Relativistic(2.0))}
    for name, kinetic in (("another c", Relativistic(3.0)), ("learned c", Relativistic()),
                          ("learned c, separable", Relativistic(shape="separable")), ("network", Adaptive()),
                          ("larger network", Adaptive(units=20)), ("power", Power(1.5))):  # fmt: skip
        counts[name] = sample(kinetic)
    return counts


def table() -> str:
    """Times of steps and of momenta, and counts of compiled code."""
    parts = [(f"step, d = {dim}, density of 1 us", step_costs(dim)) for dim in (10, 100, 1000)]
    parts.append(("momentum, d = 100", draw_costs()))
    lines = [f"{'':34s}{'energy':14s}{'ns':>10s}{'ratio':>8s}"]
    lines += [
        f"{title:34s}{name:14s}{one.nanoseconds:10.0f}{one.ratio:8.2f}"
        for title, found in parts
        for name, one in found.items()
    ]
    lines += ["", "compiled signatures of kernels.chain.advance after each of: " + ", ".join(
        f"{name} {count}" for name, count in compiled().items())]  # fmt: skip
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, and print the table."""
    study.parser("kinetic_costs", __doc__).parse_args(arguments)
    print(table())
