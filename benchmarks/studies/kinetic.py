"""Efficiency of kinetic energies, at the same metric and by the same rule for trajectories.

Each target leaves one file in the folder of results, and what is in it is not measured again, so that an interrupted
run goes on where it stopped.  Targets and bad starts stand in `benchmarks.models.stationary`, energies in
`benchmarks.energies`; what is measured of time, in the study `kinetic_costs`.

- *Efficiency.*  The least effective sample size (bulk, tail and squares, over coordinates) per 1000 gradients, of 4
  chains at a fixed step size.  Every energy has the step size that is best for it: of a grid with ratio `RATIO`, which
  is followed up and down while efficiency is near the best, by the mean over pilot seeds, smoothed over neighbours.
  Other seeds are then run at that step size and compared with the Gaussian's by the ratio of geometric means, with a
  95 % bootstrap interval over seeds.  Energies that learn are learned anew for every seed, in a warm-up on this target.
- *Stable.*  The largest step size of the grid with a mean acceptance above 0.5 and at most 1 % divergences.
- *Divergences.*  Per 1000 draws, at the own step size, and at that of the Gaussian energy.
- *Fall.*  Gradients until the potential energy is below the 99 % quantile of the target, and divergences on the way,
  from 50 standard deviations away in every coordinate and, of some targets, from a stiff start: at the Gaussian's step
  size, and at the own one.  Who has not arrived after `MOST` gradients counts as if then; where that befell the
  Gaussian more often than the other, the ratio is a lower bound.
- *Oracle.*  Efficiency again, for the best of a scan over c, or β and c: the most that could be gained.  It is chosen
  by pilots and compared by other seeds, so it is not flattered by its choice.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import pymc_symplectic as ps
from benchmarks import energies, study
from benchmarks.energies import Run
from benchmarks.models import stationary
from benchmarks.scores import Record
from benchmarks.studies import kinetic_costs
from pymc_symplectic.kinetic import KineticEnergy

RESULTS = study.RESULTS / "kinetic"
RATIO = 1.2  # of neighbours in the grid of step sizes
SHORTEST, LONGEST = 1e-3, 32.0
LEAST_EFFICIENCY = 0.6  # of the best so far: below, following the grid stops
PILOTS = 10_000  # seed of the first one
MOST = 20_000  # gradients of a fall
RESAMPLES = 4000
RULES: dict[str, tuple[ps.trajectories.TrajectoryRule, ...]] = {
    "no_u_turn": (ps.NoUTurn(),),
    # energies differ in how fast they move, so each has the best of several times too
    "fixed_time": tuple(ps.FixedTime(math.pi / 2 * factor) for factor in (0.7, 1.0, 1.4, 2.0)),
}
PARTS = ("efficiency", "fall", "oracle", "cost")


def best_of(efficiencies: dict[int, float]) -> int:
    """The place in the grid with the largest efficiency, smoothed over neighbours."""

    def smooth(k: int) -> float:
        near = [(weight, efficiencies[k + i]) for i, weight in ((-1, 1), (0, 2), (1, 1)) if k + i in efficiencies]
        return sum(weight * math.log(efficiency) for weight, efficiency in near) / sum(weight for weight, _ in near)

    return max(efficiencies, key=smooth)


def scan(run: Callable[[float], Run], first: float) -> tuple[float, float, float]:
    """Follow the grid of step sizes from `first` on: the best one, the largest stable one (or NaN), and the efficiency.

    Upwards for as long as steps are accepted, or efficient; downwards for as long as they are efficient.
    """
    found: dict[int, Run] = {}

    def at(k: int) -> Run:
        if k not in found:
            found[k] = run(RATIO**k)
        return found[k]

    def goes_on(k: int, up: bool) -> bool:
        if not SHORTEST <= RATIO**k <= LONGEST:
            return False
        efficient = at(k).efficiency >= LEAST_EFFICIENCY * max(one.efficiency for one in found.values())
        return efficient or (up and found[k].acceptance > 0.5)

    start = round(math.log(first) / math.log(RATIO))
    while RATIO**start > SHORTEST and at(start).acceptance <= 0.5:
        start -= 4  # where nothing is accepted, nothing tells which way to go
    for up, way in ((True, 1), (False, -1)):
        k = start
        while goes_on(k, up):
            k += way
        while not up and found and k > min(found) - 1 and min(found) == best_of(_efficiencies(found)):
            k = min(found) - 1  # pilots are noisy: the best is never the last one on this side
            if not goes_on(k, up):
                break
    best = best_of(_efficiencies(found))
    stable = [k for k, one in found.items() if one.acceptance > 0.5 and one.divergences <= 10]
    return RATIO**best, RATIO ** max(stable) if stable else math.nan, found[best].efficiency


def _efficiencies(found: dict[int, Run]) -> dict[int, float]:
    return {k: one.efficiency for k, one in found.items()}


def _mean(runs: Sequence[Run]) -> Run:
    efficiency = math.exp(np.mean([math.log(one.efficiency) for one in runs]))
    mean = Run(efficiency, *(float(np.mean([one[i] for one in runs])) for i in (1, 2)))
    # Chains that stand still cost next to nothing, and no effective sample size is below 1.
    return mean if mean.acceptance > 0.2 else mean._replace(efficiency=1e-9)


def _piloted(
    case: stationary.Case, kinetic: KineticEnergy, rules: Sequence[Any], first: float, pilots: int, draws: int
) -> Record:
    """Step size, and trajectory, of an energy."""
    learned = [energies.learn(case, kinetic, PILOTS + i) for i in range(pilots)]

    def run(step: float, rule: Any) -> Run:
        return _mean([energies.run(case, one, step, rule, PILOTS + i, draws) for i, one in enumerate(learned)])

    found = [(*scan(lambda step, rule=rule: run(step, rule), first), i) for i, rule in enumerate(rules)]
    step, _, efficiency, rule = max(found, key=lambda one: one[2])
    return {"step": step, "stable": max((one[1] for one in found), key=_nan_last), "pilot": efficiency, "rule": rule}


def _nan_last(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def measure(
    case: stationary.Case, *, rule: str = "no_u_turn", seeds: int = 12, pilots: int = 3, draws: int = 1000,
    parts: Sequence[str] = PARTS, record: Record | None = None, keep: Callable[[Record], object] = lambda record: None,
) -> Record:  # fmt: skip
    """Everything that is measured on one target and not in `record` yet; `keep` is called with what there is."""
    record = {} if record is None else record
    rules = RULES[rule]
    for name, kinetic in energies.ENERGIES.items() if {"efficiency", "fall", "oracle"} & {*parts} else ():
        if name in record:
            continue
        first = record["gaussian"]["step"] if "gaussian" in record else 0.5
        plan = _piloted(case, kinetic, rules, first, pilots, draws)
        base = record.get("gaussian", plan)
        learned = [energies.learn(case, kinetic, seed) for seed in range(seeds)]

        def runs(chosen: Record, learned: list[Any] = learned) -> list[list[float]]:
            return [
                list(energies.run(case, one, chosen["step"], rules[chosen["rule"]], seed, draws))
                for seed, one in enumerate(learned)
            ]

        own = runs(plan)
        record[name] = plan | {"own": own, "equal": own if name == "gaussian" else runs(base)}
        if kinetic.adapts:
            record[name]["numbers"] = [_numbers(kinetic, one.kept) for one in learned]
        keep(record)
    for name, kinetic in energies.ENERGIES.items() if "fall" in parts else ():
        if "falls" in record[name]:
            continue
        learned = [energies.learn(case, kinetic, seed) for seed in range(seeds)]
        places = {"far": case.far} | ({} if case.stiff is None else {"stiff": case.stiff})
        record[name]["falls"] = {
            f"{start}, {how}": [
                energies.fall(case, one, plan["step"], rules[plan["rule"]], place, seed, MOST)
                for seed, one in enumerate(learned)
            ]
            for start, place in places.items()
            for how, plan in (("equal", record["gaussian"]), ("own", record[name]))
        }
        keep(record)
    if "oracle" in parts and "oracle" not in record:
        found: dict[str, tuple[Record, energies.Oracle]] = {}
        for oracle in energies.oracles(case.target.dim):
            plan = _piloted(case, oracle.kinetic, rules, record["gaussian"]["step"], 2, draws)
            if oracle.family not in found or plan["pilot"] > found[oracle.family][0]["pilot"]:
                found[oracle.family] = plan, oracle
        record["oracle"] = {
            family: plan | {"title": oracle.title, "own": [
                list(energies.run(case, oracle.kinetic, plan["step"], rules[plan["rule"]], seed, draws))
                for seed in range(seeds)
            ]}
            for family, (plan, oracle) in found.items()
        }  # fmt: skip
        keep(record)
    return record


def _numbers(kinetic: Any, kept: Any) -> float:
    """The number that an energy has learned: the speed limit, or the gain that the network predicts."""
    return kinetic.learned(kept).gain if isinstance(kinetic, ps.kinetic.Adaptive) else kinetic.speed_limit(kept)


def compare(values: Sequence[float], base: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """The ratio of geometric means, and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    logs = [np.log(np.asarray(group, float)) for group in (values, base)]
    means = [rng.choice(one, (RESAMPLES, one.size)).mean(axis=1) for one in logs]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return tuple(float(np.exp(value)) for value in (logs[0].mean() - logs[1].mean(), low, high))


def _column(rows: Sequence[Sequence[float]], i: int) -> list[float]:
    return [row[i] for row in rows]


def _interval(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


def tables(records: dict[str, Record]) -> str:
    """All tables, as text."""
    lines = [f"{'target':16s}{'energy':14s}{'ESS/1000 grad':>14s}  {'ratio':19s}{'step':>6s}{'stable':>7s}"
             f"{'accept':>7s}{'div own':>8s}{'div equal':>10s}  {'learned':>8s}  oracle"]  # fmt: skip
    for target, record in records.items():
        base = _column(record["gaussian"]["own"], 0)
        for name in energies.ENERGIES:
            one = record[name]
            own, equal = np.array(one["own"]), np.array(one["equal"])
            stable = math.nan if one["stable"] is None else one["stable"]  # as JSON has no NaN
            numbers = f"{np.median(one['numbers']):.3g}" if "numbers" in one else ""
            best = record.get("oracle", {}).get(name)
            had = f"{_interval(compare(_column(best['own'], 0), base))} {best['title']}" if best else ""
            lines.append(
                f"{target:16s}{name:14s}{np.exp(np.log(own[:, 0]).mean()):14.2f}  "
                f"{_interval(compare(own[:, 0], base)):19s}{one['step']:6.2f}{stable:7.2f}"
                f"{own[:, 1].mean():7.2f}{own[:, 2].mean():8.2f}{equal[:, 2].mean():10.2f}  {numbers:>8s}  {had}"
            )
    lines += ["", f"{'target':16s}{'start, step':14s}{'energy':14s}{'gradients':>10s}  {'gaussian / it':24s}"
                  f"{'arrived':>8s}{'div':>8s}{'gaussian div / it':>19s}"]  # fmt: skip
    for target, record in records.items():
        for how, base in record["gaussian"].get("falls", {}).items():
            for name in energies.ENERGIES:
                lines.append(_fall_line(target, how, name, record[name]["falls"][how], base))
    return "\n".join(line.rstrip() for line in lines)


def _fall_line(target: str, how: str, name: str, rows: Sequence[Any], base: Sequence[Any]) -> str:
    arrived, was = (np.mean(_column(group, 2)) for group in (rows, base))
    ratio = compare(_column(base, 0), _column(rows, 0))
    sign = ">" if was < arrived else "<" if was > arrived else "?" if arrived < 1 else " "
    div, base_div = (float(np.mean(_column(group, 1))) for group in (rows, base))
    fewer = f"{base_div / div:.2f}" if div > 0 else "inf" if base_div > 0 else "-"
    return (
        f"{target:16s}{how:14s}{name:14s}{np.exp(np.mean(np.log(_column(rows, 0)))):10.0f}  "
        f"{sign}{_interval(ratio):23s}{100 * arrived:7.0f}%{div:8.1f}{fewer:>19s}"
    )


def file_of(rule: str, target: str) -> Path:
    """Where the results of one target are kept, in the folder of results."""
    return Path(rule) / f"{target.replace(' ', '_')}.json"


def cases(
    names: Iterable[str], *, rule: str = "no_u_turn", seeds: int = 12, draws: int = 1000, parts: Sequence[str] = PARTS
) -> Iterator[study.Case]:
    """A case for each target; its file has in ``record`` what is measured."""
    plan = {"plan": {"seeds": seeds, "draws": draws}}
    for name in names:

        def run(on_file: Record, keep: Callable[[Record], object], name: str = name) -> Record:
            return {**plan, "record": measure(
                stationary.load(name), rule=rule, seeds=seeds, draws=draws, parts=parts,
                record=on_file.get("record", {}), keep=lambda record: keep({**plan, "record": record}),
            )}  # fmt: skip

        yield study.Case(
            file_of(rule, name), plan, run, lambda record, name=name: f"{name}: measured", partial(_whole, parts)
        )


def _whole(parts: Sequence[str], on_file: Record) -> bool:
    """Whether nothing of these parts is missing."""
    record = on_file.get("record", {})
    energies_are = (name in record and ("fall" not in parts or "falls" in record[name]) for name in energies.ENERGIES)
    return all(energies_are) and ("oracle" not in parts or "oracle" in record)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the tables."""
    every = [*stationary.MADE_UP, *stationary.POSTERIORS]
    parser = study.parser("kinetic", __doc__, results=RESULTS)
    parser.add_argument("--targets", nargs="+", choices=every, default=every, metavar="NAME", help=", ".join(every))
    parser.add_argument("--seeds", type=int, default=12, help="how many, besides three pilots; default: 12")
    parser.add_argument("--draws", type=int, default=1000, help="of each of 4 chains; default: 1000")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--trajectory", choices=RULES, default="no_u_turn", help="default: no_u_turn")
    chosen = parser.parse_args(arguments)
    if {*chosen.only} & {"efficiency", "fall", "oracle"}:
        rule = chosen.trajectory
        made = cases(chosen.targets, rule=rule, seeds=chosen.seeds, draws=chosen.draws, parts=chosen.only)
        study.run_all(made, chosen.results)
        files = {name: str(file_of(rule, name)) for name in chosen.targets}
        print(tables({name: study.load(chosen.results, file)[0]["record"] for name, file in files.items()}))
    if "cost" in chosen.only:
        print("\n" + kinetic_costs.table())
