"""
The penalty of a ridge regression, by its gradient
==================================================

How strong should the penalty of a ridge regression be?  As a Gaussian model it has an answer in closed form, the
marginal likelihood, which needs no cross-validation.  Gradient descent finds its maximum (empirical Bayes), sampling
how well the data know it.
"""

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge

import pymc_symplectic as ps
from pymc_symplectic.plots.style import PALETTE

# %%
# The marginal likelihood
# -----------------------
# With coefficients β ~ N(0, τ²) and noise of standard deviation σ, the data are y ~ N(0, σ² I + τ² X Xᵀ), and the
# penalty is σ² / τ².  In the basis of the singular vectors of X that matrix is diagonal, so the marginal likelihood is
# one of independent normals.
#
# Of the 442 patients of scikit-learn's diabetes data only twenty-five are fitted; the others are for the judgement.

features, outcome = load_diabetes(return_X_y=True)
COUNT = 25


def split(seed: int):
    """Features and outcomes of patients to fit and of all others, in units of the former."""
    order = np.random.default_rng(seed).permutation(outcome.size)
    fit, rest = order[:COUNT], order[COUNT:]
    X = (features - features[fit].mean(axis=0)) / features[fit].std(axis=0)
    y = (outcome - outcome[fit].mean()) / outcome[fit].std()
    return X[fit], y[fit], X[rest], y[rest]


def rotated(X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Squares of the singular values of X, with zeros (n,), and y in the basis of the singular vectors (n,)."""
    U, s, _ = np.linalg.svd(X)
    return {"squares": np.pad(s**2, (0, y.size - s.size)), "turned": U.T @ y}


X, y, *_ = split(0)
with pm.Model() as model:
    data = {name: pm.Data(name, values) for name, values in rotated(X, y).items()}
    sigma = pm.HalfFlat("sigma", initval=1.0)
    tau = pm.HalfFlat("tau", initval=0.3)
    pm.Normal("y", 0, pm.math.sqrt(sigma**2 + tau**2 * data["squares"]), observed=data["turned"])

# %%
# Its maximum, and all of it
# --------------------------
# Priors are flat, so that the mode of the posterior is the maximum of the marginal likelihood.  scikit-learn's
# ``BayesianRidge`` finds the same by a fixed-point iteration.

best = ps.gradient_descent(model, "adam", learning_rate=0.02, progressbar=False)
peak = {name: float(best.optimum[name]) for name in ("sigma", "tau")}
check = BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, fit_intercept=False, tol=1e-10, max_iter=10_000)
check.fit(X, y)
print(f"Adam           sigma {peak['sigma']:.4f}  tau {peak['tau']:.4f}   ({best.reason}, {best.iterations} steps)")
print(f"BayesianRidge  sigma {check.alpha_**-0.5:.4f}  tau {check.lambda_**-0.5:.4f}")
assert np.allclose(list(peak.values()), [check.alpha_**-0.5, check.lambda_**-0.5], rtol=1e-3)

quiet = {"progressbar": False, "quiet": True}
idata = ps.sample(1000, chains=4, random_seed=1, model=model, **quiet)
posterior = {name: idata["posterior"][name].values.ravel() for name in peak}
for name, values in posterior.items():
    low, high = np.quantile(values, [0.05, 0.95])
    print(f"{name}: {low:.2f} to {high:.2f} with a probability of 90 %")

# %%
# What the penalty does to the coefficients
# -----------------------------------------
# Given σ and τ they are normal, with mean and covariance in closed form.


def coefficients(X: np.ndarray, y: np.ndarray, sigma: float, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and covariance (d, d) of the coefficients."""
    covariance = np.linalg.inv(X.T @ X / sigma**2 + np.eye(X.shape[1]) / tau**2)
    return covariance @ X.T @ y / sigma**2, covariance


s, t = np.linspace(0.3, 1.4, 80), np.geomspace(0.01, 3, 80)
widths = np.sqrt(s[:, None, None] ** 2 + t[:, None] ** 2 * rotated(X, y)["squares"])
evidence = norm.logpdf(rotated(X, y)["turned"], 0, widths).sum(axis=-1)
paths = [coefficients(X, y, peak["sigma"], tau)[0] for tau in t]

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharex=True)
levels = evidence.max() + np.array([-8, -4, -2, -1, -0.3])
left.plot(posterior["tau"], posterior["sigma"], ".", ms=3, mew=0, color=PALETTE["sky"], label="posterior draws")
left.contour(t, s, evidence, levels, colors="black", linewidths=0.7, linestyles="-")
left.plot(peak["tau"], peak["sigma"], "*", color=PALETTE["vermilion"], ms=14, mec="white", label="maximum, by Adam")
left.set(title="The marginal likelihood", ylabel="σ, of noise", xscale="log", xlim=(0.01, 3), ylim=(0.3, 1.4))
right.plot(t, paths, color=PALETTE["blue"], lw=1.2)
right.axvline(peak["tau"], color=PALETTE["vermilion"], lw=2, label="maximum, by Adam")
middle = np.quantile(posterior["tau"], [0.05, 0.95])
right.axvspan(*middle, color=PALETTE["sky"], alpha=0.3, lw=0, label="90 % of the posterior")
right.set(title="Ten coefficients: to the right, those of least squares")
for ax in (left, right):
    ax.set_xlabel("τ, of coefficients")
    ax.legend(frameon=False, loc="upper left")

# %%
# What it is worth
# ----------------
# Forty such splits of the patients, as other data of the same model, which is not compiled again.  Judged is the mean
# log-density of patients that were not fitted.


def log_scores(sigma: float, tau: float) -> np.ndarray:
    """Of each patient that was not fitted."""
    mean, covariance = coefficients(X, y, sigma, tau)
    return norm.logpdf(y_rest, X_rest @ mean, np.sqrt(sigma**2 + ((X_rest @ covariance) * X_rest).sum(axis=1)))


scores = {"least squares": [], "maximum": [], "posterior": []}
for seed in range(40):
    X, y, X_rest, y_rest = split(seed)
    pm.set_data(rotated(X, y), model=model)
    fit = ps.gradient_descent(model, "lbfgs", tolerance=1e-6, progressbar=False).optimum
    idata = ps.sample(100, chains=2, random_seed=seed, model=model, compute_convergence_checks=False, **quiet)
    pairs = zip(*(idata["posterior"][name].values.ravel() for name in peak), strict=True)
    slopes, (rss,), *_ = np.linalg.lstsq(X, y)
    plain = norm.logpdf(y_rest, X_rest @ slopes, np.sqrt(rss / (COUNT - slopes.size - 1)))
    scores["least squares"].append(plain.mean())
    scores["maximum"].append(log_scores(float(fit["sigma"]), float(fit["tau"])).mean())
    scores["posterior"].append((logsumexp([log_scores(*pair) for pair in pairs], axis=0) - np.log(200)).mean())
for name, values in scores.items():
    print(f"{name:<13} mean {np.mean(values):6.3f}, worst {np.min(values):6.3f}")

# %%
# Most of it is gained by a penalty at all.  The posterior adds little on average, and most where the maximum is off.

plt.show()
