r"""A funnel as the model has it, and as chains see it, in a figure.

Of Neal's funnel, a hierarchy without data: :math:`\log\tau` is normal with scale 1.5, and nine effects :math:`\theta`
are normal with scale :math:`\tau`.  The same draws are shown twice: as they are, and as :math:`\theta / \tau`, in
which chains have moved.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_symplectic as ps
from benchmarks import figures, study

SHOWN = 20.0
"""How far effects are shown, either way."""


def funnel() -> pm.Model:
    """Neal's funnel in ten dimensions, by half of its usual logarithm."""
    with pm.Model() as model:
        log_tau = pm.Normal("log_tau", 0, 1.5)
        pm.Normal("theta", 0, pm.math.exp(log_tau), shape=9)
    return model


def draw(log_tau: np.ndarray, theta: np.ndarray, file: Path) -> None:
    """Draw an effect and log τ, as it is and standardised, the narrow half in another colour, and save the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    sides = figure.subplots(1, 2, sharey=True)
    both = {"as the model has it": ("θ₁", theta), "as the chain sees it": ("θ₁ / τ", theta * np.exp(-log_tau))}
    for axes, (title, (label, across)) in zip(sides, both.items(), strict=True):
        parts = log_tau >= 0, log_tau < 0
        for part, (colour, _) in zip(parts, figures.looks(("wide", "narrow")).values(), strict=True):
            axes.plot(across[part], log_tau[part], ".", color=colour, markersize=3.5, alpha=0.4, markeredgewidth=0)
        axes.set(title=title, xlabel=label)
        figures.bare(axes)
    sides[0].set(xlim=(-SHOWN, SHOWN), ylabel="log τ")
    figure.savefig(file, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, sample, and draw the figure."""
    parser = study.parser("funnel", __doc__, draws=1000, chains=4)
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--figure", type=Path, default=study.RESULTS / "funnel.png", help="default: %(default)s")
    chosen = parser.parse_args(arguments)
    run = ps.sample(chosen.draws, chains=chosen.chains, random_seed=chosen.seed, model=funnel(), progressbar=False,
                    quiet=True, parametrization="noncentered")  # fmt: skip
    log_tau, theta = (run["posterior"][name].values for name in ("log_tau", "theta"))
    chosen.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(log_tau.ravel(), theta[..., 0].ravel(), chosen.figure)
    print(f"{np.mean(abs(theta[..., 0]) > SHOWN):.1%} of the draws lie beyond the figure")
