"""Kinetic energies that are compared, as a warm-up leaves them, and one run of chains with each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from arviz_stats.base import array_stats

from benchmarks.models.posterior import Place
from benchmarks.models.stationary import WARMUP, Case
from pymc_symplectic import Policy
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kinetic import Adaptive, Gaussian, KineticEnergy, Power, Relativistic
from pymc_symplectic.settings import Settings
from pymc_symplectic.trajectories import TrajectoryRule

__all__ = ["ENERGIES", "Frozen", "Oracle", "Run", "fall", "learn", "oracles", "run"]

CHAINS = 4
BLOCK = 20  # draws after which a chain is checked for arrival


@dataclass(frozen=True)
class Frozen(KineticEnergy):
    """The energy that a warm-up has left behind."""

    kept: Any
    name = "frozen"

    def record(self, dim: int) -> Any:
        """The record that was kept."""
        return self.kept


class Oracle(NamedTuple):
    """An energy of a scan, and how it is called in tables."""

    family: str
    title: str
    kinetic: KineticEnergy


ENERGIES: dict[str, KineticEnergy] = {
    "gaussian": Gaussian(),
    "relativistic": Relativistic(),
    "separable": Relativistic(shape="separable"),
    "adaptive": Adaptive(),
    "power": Power(4 / 3, 2.0),
}
"""The energies that are compared; `separable` is relativistic."""


def oracles(dim: int) -> Iterator[Oracle]:
    """The energies that the best is looked for among, given a target in `dim` dimensions of unit spread."""
    for factor in (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0):
        yield Oracle("relativistic", f"c={factor:g}√d", Relativistic(factor * float(np.sqrt(dim))))
    for c in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0):
        yield Oracle("separable", f"c={c:g}", Relativistic(c, "separable"))
    for beta in (1.1, 4 / 3, 1.6):
        for c in (0.7, 1.4, 2.8):
            yield Oracle("power", f"β={beta:.2g} c={c:g}", Power(beta, c))


def learn(case: Case, kinetic: KineticEnergy, seed: int) -> KineticEnergy:
    """The energy as a warm-up with this metric leaves it; one with nothing to learn as it is."""
    if not kinetic.adapts:
        return kinetic
    rng = np.random.default_rng([seed, 17])
    policy = replace(Policy(), energy_trial=False)  # whatever it is worth
    chain = Chain(case.target, Settings.choose(kinetic=kinetic, metric=case.metric, policy=policy), rng, WARMUP)
    chain.start(case.starts(rng))
    chain.advance(WARMUP)
    return Frozen(chain.kinetic)


class Run(NamedTuple):
    """The result of one seed.

    Attributes
    ----------
    efficiency : float
        Least effective sample size, of bulk, tail and squares over all coordinates, per 1000 gradients.
    acceptance : float
    divergences : float
        Per 1000 draws.
    """

    efficiency: float
    acceptance: float
    divergences: float


def _chain(case: Case, kinetic: KineticEnergy, step: float, rule: TrajectoryRule, rng: Any) -> Chain:
    settings = Settings.choose(kinetic=kinetic, metric=case.metric, step_size=step, trajectory=rule)
    return Chain(case.target, settings, rng)


def run(case: Case, kinetic: KineticEnergy, step: float, rule: TrajectoryRule, seed: int, draws: int) -> Run:
    """Chains at a fixed step size, from draws of the target on."""
    positions, rows = [], []
    for i in range(CHAINS):
        rng = np.random.default_rng([seed, i])
        chain = _chain(case, kinetic, step, rule, rng)
        chain.start(case.starts(rng))
        drawn, statistics = chain.advance(max(50, int(draws * case.draws)))
        positions.append(drawn)
        rows.append(statistics)
    statistics = np.concatenate(rows)
    return Run(
        1000 * ess(np.array(positions)) / float(statistics[:, column.N_GRADIENTS].sum()),
        float(statistics[:, column.MEAN_TREE_ACCEPT].mean()),
        1000 * float(statistics[:, column.DIVERGING].mean()),
    )


def ess(draws: np.ndarray) -> float:
    """The least effective sample size of draws (chains, draws, d): bulk, tail, squares, coordinates; at least 1."""
    kinds = [
        ("bulk", draws, {}),
        ("tail", draws, {"prob": (0.05, 0.95)}),
        ("bulk", (draws - draws.mean((0, 1))) ** 2, {}),
    ]
    found = [
        array_stats.ess(x[:, :, j], method=method, chain_axis=0, draw_axis=1, **more)
        for method, x, more in kinds
        for j in range(x.shape[2])
    ]
    return max(1.0, float(np.min(np.nan_to_num(found))))


def fall(
    case: Case,
    kinetic: KineticEnergy,
    step: float,
    rule: TrajectoryRule,
    place: Place,
    seed: int,
    most: int,
) -> tuple[int, int, bool]:
    """Gradients until the first draw in the typical set, divergences before it, and whether `most` have sufficed."""
    rng = np.random.default_rng([seed, 5])
    chain = _chain(case, kinetic, step, rule, rng)
    chain.start(place(rng))
    spent = diverged = 0
    while spent < most:
        _, rows = chain.advance(BLOCK)
        inside = np.flatnonzero(-rows[:, column.MODEL_LOGP] <= case.typical)
        end = inside[0] + 1 if inside.size else BLOCK
        spent += int(rows[:end, column.N_GRADIENTS].sum())
        diverged += int(rows[:end, column.DIVERGING].sum())
        if inside.size:
            return min(spent, most), diverged, True
    return most, diverged, False
