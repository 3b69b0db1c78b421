"""Overhead of the sampler on top of the log-density: nanoseconds a gradient, microseconds a draw.

Everything is measured in one process, in processor time of the one thread that works, in interleaved rounds, and
reported as the median of ratios, because machines are noisy.  ``--quick`` is for a look.

1. A gradient of the raw compiled log-density (called from compiled code, as cheaply as can be, at places that a chain
   has been to) against a gradient of a transition, by metric and trajectory: momentum, integration, energies, the test,
   all of it.
2. The floor: a leapfrog loop written by hand for this one case, with nothing but the arithmetic that cannot be left
   out.  Where the log-density costs next to nothing, memory traffic alone makes the ratio large.
3. A draw of `pymc.sample` with this package's step, above a step that does nothing.
4. Gradients a second of `pymc.HamiltonianMC`, and of this package's step, at the same step size and path length.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import numba
import numpy as np
import pymc as pm
from pymc.step_methods.compound import BlockedStep

import pymc_symplectic as ps
from benchmarks import study
from benchmarks.models.gaussians import normals
from benchmarks.timing import Timing, interleaved, seconds
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.address import logp_at
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

ONE_CHAIN = {
    "tune": 0,
    "chains": 1,
    "cores": 1,
    "progressbar": False,
    "compute_convergence_checks": False,
    "random_seed": 1,
}
STEPS = 20  # of a trajectory: long enough for the momentum draw not to dominate


def eight_schools() -> pm.Model:
    """Effects of coaching, non-centered."""
    effects = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", 0, 1, shape=8)
        pm.Normal("y", mu + tau * theta, errors, observed=effects)
    return model


def logistic(rows: int = 500, dim: int = 100) -> pm.Model:
    """Logistic regression on noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, dim))
    y = rng.random(rows) < 0.5
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=dim)
        pm.Bernoulli("y", logit_p=X @ beta, observed=y)
    return model


# As the kernels are compiled: without numba's reference counts, which would make the raw call look dearer than it is.
@numba.njit(nogil=True, _nrt=False)
def _raw_loop(address, data, positions, gradient, value, count):
    # Not always the same position: branches that go the same way every time cost less than a chain can hope for.
    logp = logp_at(address)
    for i in range(count):
        logp(data, positions[i % len(positions)], gradient, value)


@numba.njit(nogil=True, fastmath=True, error_model="numpy", _nrt=False)
def _floor_loop(address, data, position, momentum, gradient, value, eps, count):
    """Leapfrog with merged kicks and no energies: the least that a trajectory does."""
    logp = logp_at(address)
    for _ in range(count):
        for j in range(position.size):
            momentum[j] += eps * gradient[j]
            position[j] += eps * momentum[j]
        logp(data, position, gradient, value)


def gradient_costs(model: pm.Model, metrics: Iterable[str], rounds: int, budget: float) -> dict[str, Timing]:
    """Nanoseconds a gradient, and the median ratio to the raw log-density, of every way to spend one."""
    target = LogDensity(model=model)
    dim = target.dim
    rng = np.random.default_rng(0)
    position, gradient, value = 0.1 * rng.standard_normal(dim), np.zeros(dim), np.zeros(1)
    chain = Chain(target, Settings.choose(metric="identity", step_size=0.05 / dim**0.25), rng)
    chain.start(position)
    visited = chain.advance(max(2, min(64, 50_000 // dim)))[0]
    raw_args = (target.target.address, target.target.data, visited, gradient, value)
    _raw_loop(*raw_args, 1)
    count = max(20, int(budget / max(seconds(lambda: _raw_loop(*raw_args, 20)) / 20, 1e-9)))
    momentum = rng.standard_normal(dim)
    floor_args = (target.target.address, target.target.data, position.copy(), momentum, gradient, value, 1e-4)
    _floor_loop(*floor_args, 1)

    def raw() -> float:
        return seconds(lambda: _raw_loop(*raw_args, count)) / count

    def floor() -> float:
        return seconds(lambda: _floor_loop(*floor_args, count)) / count

    ways: dict[str, Callable[[], float]] = {"raw": raw, "floor": floor}
    for metric in metrics:
        for trajectory in (ps.FixedSteps(STEPS), ps.NoUTurn(5)):
            chosen = ps.Diagonal(np.full(dim, 1.0)) if metric == "diagonal" else metric
            if metric == "dense":
                chosen = ps.Dense(np.eye(dim))
            settings = Settings.choose(metric=chosen, trajectory=trajectory, step_size=0.05 / dim**0.25)
            chain = Chain(target, settings, np.random.default_rng(1))
            chain.start(position)
            chain.advance(2)
            draws = max(2, int(budget / seconds(lambda chain=chain: chain.advance(1))))

            def advance(chain: Chain = chain, draws: int = draws) -> float:
                start = time.thread_time()
                _, rows = chain.advance(draws)
                return (time.thread_time() - start) / rows[:, column.N_GRADIENTS].sum()

            ways[f"{metric}, {trajectory.name}"] = advance
    return interleaved(ways, rounds, "raw")


class Nothing(BlockedStep):
    """A step that stays where it is and reports what a step has to report."""

    name = "nothing"
    stats_dtypes_shapes = ps.HMC.stats_dtypes_shapes

    def __init__(self, vars=None, *, model=None, blocked=True, rng=None):
        self.vars = vars or pm.modelcontext(model).value_vars
        self.rng = rng
        self.stats = {name: dtype(0) for name, (dtype, _) in self.stats_dtypes_shapes.items()}

    def step(self, point):
        """Stay."""
        return point, [self.stats]


def draw_costs(rounds: int, draws: int) -> tuple[float, float]:
    """Microseconds a draw of `pymc.sample` with one gradient a draw, and with a step that does nothing."""
    with eight_schools():
        ours = ps.HMC(trajectory=ps.FixedSteps(1), step_size=0.1)
        nothing = Nothing()
        options = {**ONE_CHAIN, "draws": draws, "return_inferencedata": False}
        taken = {"ours": [], "nothing": []}
        for _ in range(rounds):
            taken["ours"].append(seconds(lambda: pm.sample(step=ours, **options)) / draws)
            taken["nothing"].append(seconds(lambda: pm.sample(step=nothing, **options)) / draws)
    ours_us, nothing_us = 1e6 * np.array(taken["ours"]), 1e6 * np.array(taken["nothing"])
    return float(np.median(ours_us - nothing_us)), float(np.median(nothing_us))


def against_pymc(rounds: int, draws: int) -> tuple[float, float]:
    """Gradients a second on eight schools: this package's step, and `pymc.HamiltonianMC`, both in `pymc.sample`."""
    eps, steps = 0.1, 20
    with eight_schools():
        ours = ps.HMC(trajectory=ps.FixedSteps(steps), step_size=eps, metric="identity")
        theirs = pm.HamiltonianMC(path_length=steps * eps, step_scale=eps * 10**0.25, adapt_step_size=False)
        options = {**ONE_CHAIN, "draws": draws}
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(rounds):
            for name, step in (("ours", ours), ("theirs", theirs)):
                start = time.thread_time()
                idata = pm.sample(step=step, **options)
                elapsed = time.thread_time() - start
                stats = idata["sample_stats"]
                per_draw = float(stats["n_gradients"].mean()) if name == "ours" else float(stats["n_steps"].mean())
                rates[name].append(per_draw * draws / elapsed)
    return float(np.median(rates["ours"])), float(np.median(rates["theirs"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, and print the tables line by line."""
    parser = study.parser("overhead", __doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--only", default="", help="cases whose title holds this text, or 'pm.sample'")
    options = parser.parse_args(arguments)
    rounds = options.rounds or (3 if options.quick else 15)
    budget = 0.02 if options.quick else 0.1
    cases = [("eight schools (10)", eight_schools(), ("identity", "diagonal", "dense"))]
    cases += [
        (f"normals ({d})", normals(1, d), ("identity", "diagonal", "dense") if d <= 1000 else ("identity", "diagonal"))
        for d in (10, 100, 1000, 10_000)
    ]
    cases.append(("logistic (100)", logistic(), ("identity", "diagonal", "dense")))
    print(f"{'model (d)':20s}{'way':28s}{'ns a gradient':>14s}{'ratio to raw':>14s}")
    for title, model, metrics in (case for case in cases if options.only in case[0]):
        for name, (nanoseconds, ratio) in gradient_costs(model, metrics, rounds, budget).items():
            print(f"{title:20s}{name:28s}{nanoseconds:14.0f}{ratio:14.2f}", flush=True)
    if options.only not in "pm.sample":
        return
    above, nothing = draw_costs(min(rounds, 7), 5000)
    print(f"\npymc.sample, eight schools, one gradient a draw: {above:.1f} us a draw above a step that does nothing "
          f"({nothing:.1f} us)")  # fmt: skip
    ours, theirs = against_pymc(min(rounds, 5), 5000)
    print(f"pymc.sample, eight schools, 20 steps a draw: {ours:,.0f} gradients/s against {theirs:,.0f} of "
          f"pymc.HamiltonianMC, {ours / theirs:.1f} x")  # fmt: skip
