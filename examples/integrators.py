"""
The efficiency of integrators
=============================

Which integrator takes a chain furthest for the price of a gradient?  For one target there is an exact answer, without
any sampling: the standard normal in d dimensions, which is what a perfect metric turns a normal posterior into.

There every integrator is a linear map.  One step takes (q, r) to M (q, r) in each coordinate, a trajectory of n steps
to Mⁿ (q, r).  If s is the largest singular value of Mⁿ, the acceptance probability averages

    2 F(1/s²),    F the distribution function of Fisher's F with (d, d) degrees of freedom,

because the energy error is a difference of two independent chi-squared variables, and because the mean of
min(1, exp(-ΔH)) is twice the probability that ΔH is negative [1]_.

Printed, for each explicit integrator of the catalogue, are the longest stable step, and how many trajectories of a time
about π/2 are accepted for a thousand gradients, each at its best step size.  That is what an independent draw costs: on
this target such a trajectory forgets where it began.  The picture shows the same.

Real posteriors are less kind.  They are not normal, no metric fits perfectly, and an integrator that owes its accuracy
to errors that cancel for normal targets loses part of it.  Read this as the best case, and compare on your own model.

.. [1] A. Beskos, N. Pillai, G. Roberts, J. M. Sanz-Serna, A. Stuart (2013). Optimal tuning of the hybrid Monte Carlo
   algorithm. Bernoulli 19, 1501-1534.
"""

import argparse
from functools import reduce
from itertools import chain, zip_longest
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import f as fisher

import pymc_symplectic as ps

DIMENSIONS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
TIMES = np.pi / 2 * np.linspace(0.5, 1.5, 41)  # of trajectories: π/2, and half of it more or less
STEP_SIZES = np.geomspace(0.02, TIMES.max(), 150)

# From the palette of Okabe and Ito, which stays apart for all kinds of colour vision.
COLOURS = {
    "leapfrog": "#000000",
    "minimal_error2": "#56B4E9",
    "bcss2": "#009E73",
    "bcss4": "#0072B2",
    "yoshida4": "#D55E00",
    "blanes_moan6": "#CC79A7",
}


# %%
# A step is a matrix
# ------------------


def kick(b: float, eps: float) -> np.ndarray:
    """``r += b ε ∇log π(q)``, where log π(q) = -q²/2."""
    return np.array([[1.0, 0.0], [-b * eps, 1.0]])


def drift(a: float, eps: float) -> np.ndarray:
    """``q += a ε r``."""
    return np.array([[1.0, a * eps], [0.0, 1.0]])


def step(integrator: ps.Integrator, eps: float) -> np.ndarray:
    """The matrix M of a whole step."""
    kicks = [kick(b, eps) for b in integrator.kicks]
    drifts = [drift(a, eps) for a in integrator.drifts]
    pairs = zip_longest(kicks, drifts) if integrator.kick_first else zip_longest(drifts, kicks)
    return reduce(lambda done, flow: flow @ done, (flow for flow in chain.from_iterable(pairs) if flow is not None))


def longest_stable_step(integrator: ps.Integrator) -> float:
    """The ε up to which a trajectory stays bounded, however long: where |trace M| passes 2."""
    sizes = np.arange(0.005, 3.0 * integrator.stages, 0.005)
    unstable = [abs(np.trace(step(integrator, eps))) > 2 + 1e-9 for eps in sizes]
    return sizes[np.argmax(unstable)]


# %%
# The best step size
# ------------------


def efficiency(integrator: ps.Integrator, eps: float) -> np.ndarray:
    """Efficiency: accepted trajectories per 1000 gradients with the step size ε, in each dimension."""
    counts = np.ceil(TIMES / eps).astype(int)
    maps = [np.linalg.matrix_power(step(integrator, time / n), n) for time, n in zip(TIMES, counts, strict=True)]
    stretch = np.linalg.norm(maps, ord=2, axis=(1, 2))
    accept = np.array([2 * fisher.cdf(stretch**-2.0, d, d).mean() for d in DIMENSIONS])
    return 1000 * accept / (counts.mean() * integrator.stages)


def tabulate() -> pd.DataFrame:
    """A row for each integrator of the catalogue."""
    rows = {}
    for name, integrator in ps.integrators.CATALOGUE.items():
        best = np.max([efficiency(integrator, eps) for eps in STEP_SIZES], axis=0)
        stable = longest_stable_step(integrator)
        rows[name] = [integrator.order, integrator.stages, stable, stable / integrator.stages, *best]
    columns = ["order", "gradients", "stable step", "per gradient", *(f"d={d:,}" for d in DIMENSIONS)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype({"order": int, "gradients": int})


# %%
# The picture
# -----------


def plot(table: pd.DataFrame):
    """Efficiency by dimension: accepted trajectories per 1000 gradients."""
    with plt.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
        efficiencies = table.iloc[:, 4:].sort_values(f"d={DIMENSIONS[-1]:,}")
        label_height = 0.0
        for name, row in efficiencies.iterrows():
            if name not in COLOURS:
                ax.plot(DIMENSIONS, row, color="0.85", lw=1, zorder=1)
                continue
            ax.plot(DIMENSIONS, row, color=COLOURS[name], lw=2.2, zorder=2)
            label_height = max(row.iloc[-1], 1.12 * label_height)  # clear of the label below
            ax.text(1.15 * DIMENSIONS[-1], label_height, name, color=COLOURS[name], va="center")
        ax.set(xscale="log", yscale="log", xlabel="number of parameters d", xlim=(DIMENSIONS[0], DIMENSIONS[-1]))
        ax.set_yticks([25, 50, 100, 200, 400], ["25", "50", "100", "200", "400"])
        ax.minorticks_off()
        ax.set_ylabel("accepted trajectories per 1000 gradients")
        ax.set_title("Standard normal, each integrator at its best step size", loc="left")
    return figure


def main() -> None:
    """Compute, print, draw."""
    parser = argparse.ArgumentParser(description="The efficiency of integrators, by dimension.")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("examples", "output", "integrators.png"),
        help="where to save the picture (default: %(default)s)",
    )
    arguments = parser.parse_args()
    table = tabulate()
    print("Accepted trajectories of time about π/2 for 1000 gradients, standard normal in d dimensions:\n")
    stable = dict.fromkeys(("stable step", "per gradient"), "{:.2f}".format)
    print(table.to_string(float_format="{:.1f}".format, formatters=stable))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    plot(table).savefig(arguments.output, dpi=160)
    print(f"\npicture: {arguments.output}")


if __name__ == "__main__":
    main()
