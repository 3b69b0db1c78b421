"""
Linear regression, from gradient descent to Hamiltonian Monte Carlo
===================================================================

One gradient serves two worlds.  Machine learning follows it downhill, to the one best set of coefficients; Bayesian
inference lets a particle move under it, and so finds all sets that are plausible, each as often as it deserves.  Here
both are done to the same three regressions:

- the line y = 2 x + noise, for x in [-10, 10],
- the line y = 3 + 4 x + noise, for x in [0, 2],
- the diabetes data of scikit-learn: how the disease progresses over a year, given ten measurements of a patient.
  Measurements of the same blood are strongly correlated, which makes the loss a long and narrow valley.

Each is fitted by gradient descent, with a gradient derived by hand and with PyTensor's, by its relatives Adam, RMSProp
and L-BFGS, by scikit-learn, and by sampling, with PyMC's NUTS and with several samplers of this package.

This regression is also one of the few whose posterior is known in closed form, so that every result can be checked.
Printed are for each data set

- whether the gradient by hand is that of PyTensor, and how far each descent came,
- all estimates side by side, with their uncertainty where there is one,
- what each sampler cost, its effective draws, and whether it agrees with NUTS and with the closed form, in units
  of the Monte Carlo standard error (MCSE): the script ends with exit status 1 if one of them does not;

and for the diabetes data, how well new patients are predicted by a best fit and by a posterior.  The pictures show the
lines, the descents, the landscape that descent and Hamiltonian motion share, and the efficiency of samplers.
"""

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import _regression_report as report
import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
from scipy import stats
from scipy.special import gammaln, logsumexp
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.model_selection import train_test_split

import pymc_symplectic as ps

REFERENCE = "PyMC NUTS, diagonal"
AGREEMENT = 4.0  # Monte Carlo standard errors
SHAPE, SCALE = 1.0, 1.0  # of the inverse gamma prior of the noise variance: weak
FEW = 30  # patients, where a posterior has more to say than a best fit

# %%
# Data
# ----


class Data(NamedTuple):
    """n responses, d features of each, and how strongly the coefficients are held back."""

    title: str
    names: list[str]  # of the features
    features: np.ndarray  # (n, d)
    response: np.ndarray  # (n,)
    ridge: float  # scikit-learn's alpha of Ridge
    lasso: float  # and of Lasso
    truth: tuple[float, ...] = ()  # intercept and slope, where they are known

    @property
    def design(self) -> np.ndarray:
        """X (n, 1 + d): a column of ones, for the intercept, beside the features."""
        return np.column_stack([np.ones(len(self.response)), self.features])

    @property
    def penalty(self) -> np.ndarray:
        """The ridge, which is added to the diagonal of XᵀX (1 + d,): zero for the intercept."""
        return np.array([0.0, *[self.ridge] * len(self.names)])


def make_line(title: str, intercept: float, slope: float, noise: float, low: float, high: float, seed: int) -> Data:
    """50 points about a line."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, 50)
    y = intercept + slope * x + noise * rng.normal(size=x.size)
    return Data(title, ["slope"], x[:, None], y, ridge=0.01, lasso=0.1, truth=(intercept, slope))


def load_patients(seed: int) -> tuple[Data, Data, float]:
    """Patients to learn from, others to be tested on, and the unit of the response; standardised by the first."""
    bunch = load_diabetes(scaled=False)
    x, x_test, y, y_test = train_test_split(bunch.data, bunch.target, test_size=0.25, random_state=seed)

    def data(title: str, features: np.ndarray, response: np.ndarray) -> Data:
        features, response = (features - x.mean(axis=0)) / x.std(axis=0), (response - y.mean()) / y.std()
        return Data(title, list(report.FEATURES), features, response, ridge=1.0, lasso=0.02)

    return data("diabetes", x, y), data("diabetes, held out", x_test, y_test), y.std()


# %%
# The model
# ---------
# Normal noise of variance σ², and a prior that says how large the coefficients may be.  A prior and a penalty are the
# same thing: whoever minimizes the negative log-posterior minimizes
#
# - |y - Xw|² with flat priors: least squares,
# - |y - Xw|² + α|w|² with normal priors of standard deviation σ/√α: ridge regression,
# - |y - Xw|²/(2n) + α|w|₁ with Laplace priors of scale σ²/(nα): the lasso.


def build_model(data: Data, prior: str = "normal", variance: float | None = None) -> pm.Model:
    """The regression, with noise whose variance is given, or unknown as well."""
    with pm.Model(coords={"feature": data.names}) as model:
        intercept = pm.Flat("intercept")
        if variance is None:
            variance = pm.InverseGamma("variance", SHAPE, SCALE)
            pm.Deterministic("sigma", variance**0.5)
        sigma = variance**0.5
        match prior:
            case "flat":
                beta = pm.Flat("beta", dims="feature")
            case "normal":
                beta = pm.Normal("beta", 0, sigma / data.ridge**0.5, dims="feature")
            case "laplace":
                beta = pm.Laplace("beta", 0, variance / (len(data.response) * data.lasso), dims="feature")
        pm.Normal("response", intercept + data.features @ beta, sigma, observed=data.response)
    return model


class Exact(NamedTuple):
    """The posterior in closed form: variance ~ InverseGamma(a, b), and w | variance ~ N(mean, variance Λ⁻¹)."""

    mean: np.ndarray
    inverse: np.ndarray  # Λ⁻¹
    a: float
    b: float

    @classmethod
    def of(cls, data: Data) -> "Exact":
        """Complete the square: Λ = XᵀX + α, and what is left of yᵀy goes to the variance."""
        X, y = data.design, data.response
        inverse = np.linalg.inv(X.T @ X + np.diag(data.penalty))
        mean = inverse @ X.T @ y
        a = SHAPE + (len(y) - 1) / 2  # the flat intercept uses up one datum
        return cls(mean, inverse, a, SCALE + (y @ y - mean @ X.T @ y) / 2)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of intercept, coefficients and sigma."""
        variance = self.b / (self.a - 1)
        sigma = np.sqrt(self.b) * np.exp(gammaln(self.a - 0.5) - gammaln(self.a))
        sd = np.sqrt(variance * np.diag(self.inverse))
        return np.append(self.mean, sigma), np.append(sd, np.sqrt(variance - sigma**2))

    def log_predictive(self, data: Data) -> np.ndarray:
        """Log-density of each new response: Student's t, the noise and what is not known of w together."""
        X = data.design
        spread = np.sqrt(self.b / self.a * (1 + np.sum(X @ self.inverse * X, axis=1)))
        return stats.t.logpdf(data.response, 2 * self.a, X @ self.mean, spread)


# %%
# Downhill
# --------
# Which coefficients are best does not depend on the variance of the noise, so for descent it is given: s², the estimate
# of least squares.  Then the loss, the negative log-posterior of w = (intercept, coefficients), is a bowl,
#
#     f(w) = (|y - Xw|² + α|w|²) / (2 s²) + constant,
#
# and as the derivative of |y - Xw|² is -2 Xᵀ(y - Xw), its gradient is
#
#     ∇f(w) = (Xᵀ(Xw - y) + αw) / s².
#
# The curvature of the bowl is (XᵀX + α) / s².  Steps longer than two over its largest eigenvalue would end higher up on
# the other side; at one over it, descent is safe, and slow along the floor of a narrow valley.


def gradient_by_hand(w: np.ndarray, data: Data, variance: float) -> np.ndarray:
    """∇f(w)."""
    return (data.design.T @ (data.design @ w - data.response) + data.penalty * w) / variance


def descend_by_hand(
    data: Data, variance: float, start: np.ndarray | None = None, tolerance: float = 1e-6
) -> np.ndarray:
    """Gradient descent in three lines: every point of the way (steps + 1, 1 + d)."""
    curvature = np.linalg.eigvalsh(data.design.T @ data.design + np.diag(data.penalty)).max() / variance
    way = [np.zeros(1 + len(data.names)) if start is None else start]
    while np.linalg.norm(slope := gradient_by_hand(way[-1], data, variance)) > tolerance:
        way.append(way[-1] - slope / curvature)
    return np.array(way)


def check_gradient(system: ps.mechanics.System, data: Data, variance: float, seed: int) -> float:
    """The largest relative difference between PyTensor's gradient and the one above, at ten random places."""
    errors = []
    for w in np.random.default_rng(seed).normal(size=(10, system.dim)):
        ours = gradient_by_hand(w, data, variance)
        errors.append(abs(system.evaluate(w)[1] - ours).max() / abs(ours).max())
    return max(errors)


def descend_all(model: pm.Model) -> dict[str, ps.Descent]:
    """The same loss by gradient descent and its relatives, on PyTensor's gradient."""
    settings = {
        "sgd": {"max_iterations": 50_000},
        "adam": {},
        "rmsprop": {"schedule": "cosine", "max_iterations": 3000},  # at a constant rate it ends up hopping about
        "lbfgs": {},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # why each has stopped is in the table
        return {name: ps.gradient_descent(model, name, progressbar=False, **more) for name, more in settings.items()}


def coefficients_of(fit: ps.Descent) -> np.ndarray:
    """Intercept and coefficients at the optimum (1 + d,)."""
    return np.append(fit.optimum["intercept"], fit.optimum["beta"])


def tabulate_descents(fits: dict[str, ps.Descent], way: np.ndarray, exact: Exact) -> pd.DataFrame:
    """Iterations and gradients of each descent, and how far from the best coefficients it ended."""
    rows = {"by hand": [len(way) - 1, len(way), abs(way[-1] - exact.mean).max(), "converged"]}
    for name, fit in fits.items():
        rows[name] = [fit.iterations, fit.gradients, abs(coefficients_of(fit) - exact.mean).max(), fit.reason]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["steps", "gradients", "largest error", "stopped"])


# %%
# Around
# ------
# What distinguishes the samplers is what `pymc.sample` is given for each.

SAMPLERS = {
    "PyMC NUTS, diagonal": {"nuts_sampler": "pymc"},
    "leapfrog, fixed_time": {"trajectory": "fixed_time"},
    "yoshida4, fixed_time": {"trajectory": "fixed_time", "integrator": "yoshida4"},
    "relativistic, fixed_time": {"trajectory": "fixed_time", "kinetic": "relativistic"},
    "adaptive, fixed_time": {"trajectory": "fixed_time", "kinetic": "adaptive"},
}
MORE_SAMPLERS = {  # to tell apart what metric, trajectory and integrator contribute
    "PyMC NUTS, dense": {"nuts_sampler": "pymc", "init": "jitter+adapt_full"},
    "leapfrog, no_u_turn": {"trajectory": "no_u_turn"},
    "bcss2, fixed_time": {"trajectory": "fixed_time", "integrator": "bcss2"},
}


def sample_all(model: pm.Model, samplers: dict[str, dict], options: argparse.Namespace) -> dict:
    """One run of each sampler, with its warm-up, from the same starts."""
    starts = ps.initial_points(model, options.chains, random_seed=options.seed)
    runs = {}
    for name, choice in samplers.items():
        print(f"sampling with {name} ...", flush=True)
        ours = "nuts_sampler" not in choice
        with model, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* is an experimental feature")  # PyMC's dense metric
            runs[name] = pm.sample(
                options.draws,
                tune=options.tune,
                chains=options.chains,
                random_seed=options.seed,
                initvals=starts,
                progressbar=False,
                discard_tuned_samples=False,
                **({"step": ps.HMC(metric="dense", **choice)} if ours else choice),
            )
    return runs


def draws_of(run) -> np.ndarray:
    """Draws of intercept, coefficients and sigma (chains, draws, d + 2)."""
    found = run.posterior
    return np.concatenate([found["intercept"].values[..., None], found["beta"], found["sigma"].values[..., None]], -1)


def means_of(run) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means of the same, and their Monte Carlo standard errors."""
    error = [az.mcse(values.T) for values in draws_of(run).T]  # each of shape (chains, draws)
    return draws_of(run).mean((0, 1)), np.array(error, float)


def compare(runs: dict, exact: Exact) -> pd.DataFrame:
    """Cost and effective draws of each run, and its largest distances from the means of NUTS and from the truth."""
    chosen = {
        "gradients": "gradients",
        "warmup_gradients": "in warm-up",
        "min_ess": "min-ESS",
        "min_ess_per_1000_gradients": "per 1000 gradients",
        "min_ess_per_1000_gradients_with_warmup": "with warm-up",
    }
    table = ps.compare(runs, var_names=["intercept", "beta", "sigma"])[list(chosen)].rename(columns=chosen)
    (reference, its_error), (truth, _) = means_of(runs[REFERENCE]), exact.moments()
    found = {name: means_of(run) for name, run in runs.items()}
    table["from NUTS"] = [(abs(mean - reference) / np.hypot(error, its_error)).max() for mean, error in found.values()]
    table["from exact"] = [(abs(mean - truth) / error).max() for mean, error in found.values()]
    return table


# %%
# All estimates side by side
# --------------------------


def least_squares(data: Data) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, their standard errors by the textbook, s √diag((XᵀX)⁻¹), and s²."""
    X, y = data.design, data.response
    w = np.linalg.lstsq(X, y)[0]
    variance = np.sum((y - X @ w) ** 2) / (len(y) - X.shape[1])
    return w, np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X))), variance


def fit_library(estimator, data: Data) -> np.ndarray:
    """Intercept and coefficients that scikit-learn finds (1 + d,)."""
    found = estimator.fit(data.features, data.response)
    return np.append(found.intercept_, found.coef_)


def estimate_all(data: Data, way: np.ndarray, fits: dict[str, ps.Descent], runs: dict, exact: Exact) -> dict:
    """For each method, its estimates and their uncertainty, where there is one.  Each estimator of scikit-learn is
    followed by descents on the same loss."""
    _, errors, variance = least_squares(data)
    flat, laplace = (build_model(data, prior, variance) for prior in ("flat", "laplace"))
    return {
        "LinearRegression": (np.append(fit_library(LinearRegression(), data), variance**0.5), errors),
        "- flat prior, lbfgs": (coefficients_of(ps.gradient_descent(flat, "lbfgs", progressbar=False)), []),
        f"Ridge({data.ridge:g})": (fit_library(Ridge(data.ridge), data), []),
        "- by hand": (way[-1], []),
        **{f"- normal prior, {name}": (coefficients_of(fit), []) for name, fit in fits.items()},
        f"Lasso({data.lasso:g})": (fit_library(Lasso(data.lasso, tol=1e-10, max_iter=100_000), data), []),
        "- Laplace prior, proximal": (coefficients_of(ps.gradient_descent(laplace, "proximal", progressbar=False)), []),
        "posterior, exact": exact.moments(),
        **{f"- {name}": (draws_of(run).mean((0, 1)), draws_of(run).std((0, 1))) for name, run in runs.items()},
    }


# %%
# New patients
# ------------
# A best fit predicts as if it were the truth.  A posterior predicts with each of its draws, and so allows for what it
# does not know: its predictive density is an average of densities.


def log_predictive(run, data: Data) -> np.ndarray:
    """Log of the average, over the draws, of the density of each new response."""
    draws = draws_of(run).reshape(-1, len(data.names) + 2)
    each = stats.norm.logpdf(data.response, draws[:, :-1] @ data.design.T, draws[:, -1:])
    return logsumexp(each, axis=0) - np.log(len(draws))


def score(train: Data, test: Data, runs: dict, unit: float) -> pd.DataFrame:
    """Error and predictive density of new responses; the density of a best fit has the noise of its residuals."""
    exact, scores = Exact.of(train), {}
    for estimator in (LinearRegression(), Ridge(train.ridge), Lasso(train.lasso)):
        w = fit_library(estimator, train)
        variance = np.sum((train.response - train.design @ w) ** 2) / (len(train.response) - np.count_nonzero(w))
        density = stats.norm.logpdf(test.response, test.design @ w, variance**0.5)
        scores[f"best: {type(estimator).__name__}"] = test.design @ w, density
    scores["posterior, exact"] = test.design @ exact.mean, exact.log_predictive(test)
    for name, run in runs.items():
        scores[f"- {name}"] = test.design @ draws_of(run).mean((0, 1))[:-1], log_predictive(run, test)
    ridge, rows = scores["best: Ridge"][1], {}
    for name, (expected, density) in scores.items():
        gain = density - ridge  # patient by patient, so that what is hard about one patient cancels
        error = gain.std(ddof=1) / len(gain) ** 0.5
        rows[name] = [unit * np.mean((test.response - expected) ** 2) ** 0.5, density.mean(), gain.mean(), error]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["RMSE", "log density", "gain on Ridge", "± s.e."])


def score_few(train: Data, test: Data, unit: float, few: int, times: int, seed: int) -> pd.DataFrame:
    """The mean of such scores after learning from a few patients, chosen at random again and again."""
    rng, tables = np.random.default_rng(seed), []
    for _ in range(times):
        chosen = rng.choice(len(train.response), few, replace=False)
        known = train._replace(features=train.features[chosen], response=train.response[chosen])
        tables.append(score(known, test, {}, unit))
    groups = pd.concat(tables).groupby(level=0, sort=False)
    return groups.mean().assign(**{"± s.e.": groups["gain on Ridge"].std() / times**0.5})


# %%
# Running it
# ----------


def study(data: Data, samplers: dict[str, dict], options: argparse.Namespace) -> tuple[report.Study, bool]:
    """All of it for one data set: what the pictures need, and whether everything agrees."""
    print(f"\n{data.title}\n{'=' * len(data.title)}\n", flush=True)
    model, exact = build_model(data), Exact.of(data)
    best, _, variance = least_squares(data)
    known = build_model(data, variance=variance)
    system = ps.mechanics.system(known)  # U(q) = f(q), and its gradient

    error = check_gradient(system, data, variance, options.seed)
    print(f"Gradient by hand and by PyTensor: equal within a relative {error:.0e}\n")
    way, fits = descend_by_hand(data, variance), descend_all(known)
    report.print_descents(tabulate_descents(fits, way, exact))
    runs = sample_all(model, samplers, options)
    report.print_estimates(estimate_all(data, way, fits, runs, exact), data.names)
    table = compare(runs, exact)
    agree = report.print_samplers(table, AGREEMENT) and error < 1e-8
    return report.Study(data, system, best, fits, runs, table), agree


def parse_arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Linear regression, from gradient descent to Hamiltonian Monte Carlo.")
    parser.add_argument("--draws", type=int, default=1000, help="draws of each chain (default: %(default)s)")
    parser.add_argument("--tune", type=int, default=1000, help="warm-up draws of each chain (default: %(default)s)")
    parser.add_argument("--chains", type=int, default=4, help="chains of each sampler (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("examples", "output", "regression.png"),
        help="where to save the first picture, and the others beside it (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> int:
    """Fit, sample, compare, draw; 0 if everything agrees."""
    options = parse_arguments()
    for name in ("pymc", "pymc_symplectic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    train, test, unit = load_patients(options.seed)
    line = make_line("y = 2 x + noise", 0.0, 2.0, noise=4.0, low=-10, high=10, seed=options.seed)
    offset = make_line("y = 3 + 4 x + noise", 3.0, 4.0, noise=1.0, low=0, high=2, seed=options.seed + 1)

    line_study, line_agrees = study(line, SAMPLERS, options)
    offset_study, offset_agrees = study(offset, SAMPLERS, options)
    patients, patients_agree = study(train, SAMPLERS | MORE_SAMPLERS, options)

    print("\nNew patients: error in units of the progression score, log predictive density in nats a patient")
    known, new = len(train.response), len(test.response)
    report.print_scores(score(train, test, patients.runs, unit), f"Learned from {known}, tested on {new}")
    table = score_few(train, test, unit, FEW, times=100, seed=options.seed)
    report.print_scores(table, f"Learned from {FEW} of them, mean of 100 choices, tested on the same {new}")

    # In the picture, descent begins on the flank of the valley: from (0, 0) it happens to fall almost to the best fit.
    start = Exact.of(offset).mean + np.array([2.0, -0.5])
    way = descend_by_hand(offset, least_squares(offset)[2], start, tolerance=1e-3)
    report.save_pictures(options.output, line_study, offset_study, patients, way)
    return 0 if line_agrees and offset_agrees and patients_agree else 1


if __name__ == "__main__":
    sys.exit(main())
