"""Hierarchies as people write them: effective draws per gradient, all counted, and what goes wrong.

Ours samples the model as it is written, with the parametrization that it chooses and with ``"model"``; nutpie samples
it as written, and non-centered by hand.  Of nutpie, the better of its settings counts, of each of the two.  Least
effective draws are over bulk, tails and squares of all variables; gradients are those of warm-up, too.  A run is sound
where R-hat is at most 1.01, and no chain rests at one point for 30 draws.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import models, report, study
from benchmarks.models import hierarchies
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Run
from benchmarks.scores import Record, geometric_mean, least_ess, score
from benchmarks.studies.cold_start import prepares
from pymc_symplectic.adaptation.efficiency import longest_stay

RESULTS = study.RESULTS / "hierarchies"
SETS = ("hierarchies", "hierarchies-apart")
OURS, AS_WRITTEN = "ours", "ours-parametrization=model"
SAMPLERS = (OURS, AS_WRITTEN, "nutpie-diagonal@300", "nutpie-diagonal@1000", "nutpie-low_rank@300")
R_HAT, REST = 1.01, 30


def longest_rest(draws: Mapping[str, np.ndarray]) -> int:
    """The most draws in a row, of any chain, that are one point."""
    together = [values.reshape(*values.shape[:2], -1) for values in draws.values()]
    return 1 + max(map(longest_stay, np.concatenate(together, axis=-1)))


def measure(run: Run, posterior: Posterior) -> Record:
    """Effective draws, gradients, R-hat, divergences, and the longest rest."""
    return {**score(run, posterior), "rest": longest_rest(run.draws)}


def efficiency(record: Record) -> float:
    """Least effective draws for a thousand gradients, those of warm-up counted."""
    return 1000 * least_ess(record) / sum(record["gradients"].values())


def line(record: Record) -> str:
    """A record in a line."""
    return (
        f"{efficiency(record):.1f} effective draws for 1000 gradients, R-hat {record['r_hat']:.3f}, "
        f"{record['divergences']} divergences, longest rest {record['rest']}"
    )


def is_sound(record: Record) -> bool:
    """Whether its draws can be used."""
    return bool(record["r_hat"] is not None and record["r_hat"] <= R_HAT and record["rest"] < REST)


def table(records: Sequence[Record], names: Sequence[str]) -> str:
    """Means over seeds by posterior, ratios, and how many runs are sound, in Markdown."""
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        runs.setdefault((record["posterior"], record["sampler"]), []).append(record)

    def best(name: str) -> float:
        means = [
            geometric_mean([efficiency(record) for record in its])
            for (posterior, sampler), its in runs.items()
            if posterior == name and sampler.startswith("nutpie")
        ]
        return max(means, default=math.nan)

    rows, ratios = [], []
    for name in names:
        ours, plain = runs.get((name, OURS), []), runs.get((name, AS_WRITTEN), [])
        if not ours:
            continue
        mine, written = (geometric_mean([efficiency(record) for record in its]) for its in (ours, plain))
        nutpie, by_hand = best(name), best(f"{name}-by_hand")
        better = max((value for value in (nutpie, by_hand) if value > 0), default=math.nan)
        ratios.append([mine / written, mine / nutpie, mine / better])
        sound = " / ".join(f"{sum(map(is_sound, its))} of {len(its)}" for its in (ours, plain))
        lost = " / ".join(f"{np.mean([record['divergences'] for record in its]):.1f}" for its in (ours, plain) if its)
        cells = [f"{value:.3g}" for value in (mine, written, nutpie, by_hand)]
        rows.append([name, *cells, *(f"{ratio:.2f}" for ratio in ratios[-1]), sound, lost])
    if rows:
        means = [f"{geometric_mean(column):.2f} ({np.nanmin(column):.2f})" for column in np.array(ratios).T]
        rows.append(["geometric mean (least)", "", "", "", "", *means, "", ""])
    head = [
        "posterior", "ours", '"model"', "nutpie", "by hand", 'ours / "model"', "ours / nutpie", "ours / the better",
        'sound, ours / "model"', "divergences a run",
    ]  # fmt: skip
    return report.markdown(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run, and print the table."""
    parser = study.parser(
        "hierarchies", __doc__, samplers=list(SAMPLERS), seeds=list(range(10)), draws=1000, chains=4, results=RESULTS
    )
    parser.add_argument("--set", choices=SETS, default=SETS[0], help="default: %(default)s")
    parser.add_argument("--posteriors", nargs="+", metavar="NAME", help="of the set; default: all")
    chosen = parser.parse_args(arguments)
    names, _ = models.of_set(chosen.set, None)
    wanted = chosen.posteriors or names
    plan = {"draws": chosen.draws, "chains": chosen.chains}
    theirs = [sampler for sampler in chosen.samplers if sampler.startswith("nutpie")]
    for posteriors, samplers in ((wanted, chosen.samplers), ([f"{name}-by_hand" for name in wanted], theirs)):
        cases = study.runs(
            posteriors, prepares(samplers), chosen.seeds, hierarchies.load, plan, measure=measure, line=line
        )
        study.run_all(cases, chosen.results)
    records = [
        record for name in wanted for form in (name, f"{name}-by_hand")
        for record in study.load(chosen.results, f"{form}/*.json")
    ]  # fmt: skip
    print("\n" + table([record for record in records if record["sampler"] in chosen.samplers], wanted))
