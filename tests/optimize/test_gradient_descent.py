"""Gradient descent: the same optima as closed forms and scikit-learn have, and a word when something is wrong."""

import functools
import warnings

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from sklearn.linear_model import Lasso, LinearRegression, Ridge

import pymc_symplectic as ps
from pymc_symplectic.optimize import OPTIMIZERS, SCHEDULES, Descent
from pymc_symplectic.optimize import gradient_descent as descend

N, D, SIGMA = 120, 6, 0.7
ALPHA_RIDGE, ALPHA_LASSO = 20.0, 0.1
LINE_SEARCHES = ("lbfgs", "proximal")

gradient_descent = functools.partial(descend, progressbar=False)
FAST = {"mode": "FAST_COMPILE"}  # where few evaluations are made


@pytest.fixture(scope="module")
def data():
    """Correlated features, a response with two coefficients that matter, and an offset."""
    rng = np.random.default_rng(20260725)
    features = rng.normal(size=(N, D)) @ (np.eye(D) + 0.3)
    response = 3.0 + features @ np.array([1.0, -0.5, 0.05, 0, 0, 0]) + SIGMA * rng.normal(size=N)
    return features, response


def regression(data, prior):
    features, response = data
    with pm.Model(coords={"feature": list("abcdef")}) as model:
        intercept = pm.Flat("intercept")
        beta = prior("beta", dims="feature")
        pm.Deterministic("twice", 2 * beta, dims="feature")
        pm.Normal("y", intercept + features @ beta, SIGMA, observed=response)
    return model


@pytest.fixture(scope="module")
def ridge(data):
    return regression(data, lambda name, **kw: pm.Normal(name, 0, SIGMA / ALPHA_RIDGE**0.5, **kw))


@pytest.fixture(scope="module")
def ridge_exact(data):
    return Ridge(ALPHA_RIDGE, solver="cholesky").fit(*data)


@pytest.fixture(scope="module")
def lasso(data):
    return regression(data, lambda name, **kw: pm.Laplace(name, 0, SIGMA**2 / (N * ALPHA_LASSO), **kw))


@pytest.fixture(scope="module")
def lasso_exact(data):
    return Lasso(ALPHA_LASSO, tol=1e-14, max_iter=100_000).fit(*data)


@pytest.fixture(scope="module")
def scales():
    """A positive, a simplex and a bounded variable, which is all that transforms are about."""
    with pm.Model(coords={"part": list("abc")}) as model:
        s = pm.HalfNormal("s", 100.0)
        p = pm.Dirichlet("p", np.array([2.0, 3.0, 4.0]), dims="part")
        pm.Beta("u", 3.0, 2.0)
        pm.Normal("y", 0, s, observed=np.array([1.0, 2.0, 3.0, -1.0]))
        pm.Multinomial("counts", 10, p, observed=[2, 3, 5])
    return model


def distance(fit, exact):
    """The largest error of a coefficient, relative to the largest of them; and the same of the intercept."""
    coefficients = abs(fit.optimum["beta"].to_numpy() - exact.coef_).max() / abs(exact.coef_).max()
    return max(coefficients, abs(float(fit.optimum["intercept"]) / exact.intercept_ - 1))


# The right optimum.


@pytest.mark.parametrize("optimizer", ["nesterov_momentum", "adam", "lbfgs", "proximal"])
def test_flat_priors_give_least_squares(optimizer, data):
    fit = gradient_descent(regression(data, pm.Flat), optimizer, compile_kwargs=FAST)
    assert fit.converged
    assert distance(fit, LinearRegression().fit(*data)) < 1e-6


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov_momentum", "adam", "lbfgs", "proximal"])
def test_normal_priors_give_ridge(optimizer, ridge, ridge_exact):
    fit = gradient_descent(ridge, optimizer)
    assert fit.converged
    assert distance(fit, ridge_exact) < 1e-6


def test_laplace_priors_give_lasso(lasso, lasso_exact):
    fit = gradient_descent(lasso, "proximal")
    assert fit.converged
    assert distance(fit, lasso_exact) < 1e-6
    zero = lasso_exact.coef_ == 0
    assert 0 < zero.sum() < D
    np.testing.assert_array_equal(fit.optimum["beta"].to_numpy() == 0, zero)  # exactly zero, not nearly


def test_loss_is_the_negative_log_density(lasso):
    fit = gradient_descent(lasso, "proximal")
    value = lasso.compile_logp(jacobian=False, mode="FAST_COMPILE")(fit.initvals)
    assert fit.loss == pytest.approx(-float(value), rel=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_kinks_stop_what_is_not_proximal(optimizer, lasso, lasso_exact):
    with pytest.warns(RuntimeWarning, match="returned is the best point so far"):
        fit = gradient_descent(lasso, optimizer, max_iterations=500)
    assert not fit.converged
    assert not (fit.optimum["beta"] == 0).any()


def test_laplace_priors_that_depend_on_others_stay_smooth(data):
    # Location or scale that is not constant, or a transform: no soft thresholding, and still a descent.
    with pm.Model() as model:
        mu = pm.Normal("mu")
        x = pm.Laplace("x", mu, 1.0)
        pm.Normal("y", x, 1.0, observed=4.0)
    fit = gradient_descent(model, "proximal", max_iterations=200, compile_kwargs=FAST)
    # where mu < x, the slopes are mu = 1 and x - 4 = -1
    assert float(fit.optimum["mu"]) == pytest.approx(1.0, abs=1e-6)
    assert float(fit.optimum["x"]) == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["nesterov_momentum", "lbfgs"])
def test_conjugate_regression(optimizer, data):
    features, response = data
    rng = np.random.default_rng(1)
    root = rng.normal(size=(D, D)) + 2 * np.eye(D)
    mean, covariance = rng.normal(size=D), root @ root.T
    with pm.Model() as model:
        beta = pm.MvNormal("beta", mean, covariance)
        pm.Normal("y", features @ beta, SIGMA, observed=response)
    precision = features.T @ features / SIGMA**2 + np.linalg.inv(covariance)
    mode = np.linalg.solve(precision, features.T @ response / SIGMA**2 + np.linalg.solve(covariance, mean))
    fit = gradient_descent(model, optimizer, compile_kwargs=FAST)
    assert fit.converged
    np.testing.assert_allclose(fit.optimum["beta"], mode, rtol=0, atol=1e-6 * abs(mode).max())


@pytest.mark.parametrize(("jacobian", "degrees"), [(False, 4), (True, 3)])
def test_transforms(jacobian, degrees, scales):
    # d/ds of -n log s - S/2s² - s²/2·100², with log s added by the Jacobian: (n - j) s² + s⁴/100² = S, for S = 15
    fit = gradient_descent(scales, "lbfgs", jacobian=jacobian, tolerance=1e-10, compile_kwargs=FAST)
    square = (-degrees + (degrees**2 + 4 * 15 / 100**2) ** 0.5) * 100**2 / 2
    assert float(fit.optimum["s"]) ** 2 == pytest.approx(square, rel=1e-6)
    if not jacobian:
        np.testing.assert_allclose(fit.optimum["p"], np.array([3, 5, 8]) / 16, rtol=1e-6)
        assert float(fit.optimum["u"]) == pytest.approx(2 / 3, rel=1e-6)
    else:  # mean of log-odds coordinates: Beta(a, b) with its Jacobian has the mode a / (a + b)
        assert float(fit.optimum["u"]) == pytest.approx(3 / 5, rel=1e-6)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name not in LINE_SEARCHES])
def test_every_update_rule_descends(optimizer, ridge, ridge_exact):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # adadelta takes its time
        fit = gradient_descent(ridge, optimizer, schedule="cosine", max_iterations=3000)
    assert fit.optimizer == optimizer
    assert distance(fit, ridge_exact) < (0.2 if optimizer == "adadelta" else 1e-3)


def test_update_rule_of_pymc(ridge, ridge_exact):
    fit = gradient_descent(ridge, pm.adam(learning_rate=0.05, beta1=0.8))
    assert fit.optimizer == "adam"
    assert fit.converged
    assert distance(fit, ridge_exact) < 1e-6


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules(schedule):
    shape = SCHEDULES[schedule]
    rates = [shape(share) for share in np.linspace(0, 1, 11)]
    assert rates[0] == 1
    assert np.all(np.diff(rates) <= 0)
    assert rates[-1] == pytest.approx({"constant": 1, "cosine": 0, "inverse_time": 1 / 101}[schedule])


def test_learning_rate_as_a_function(ridge, ridge_exact):
    seen = []
    fit = gradient_descent(ridge, learning_rate=lambda done: seen.append(done) or 0.1 / (1 + done / 100))
    assert seen == list(range(fit.iterations))
    assert distance(fit, ridge_exact) < 1e-5


# Mini-batches.


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(4000, 3))
    response = 0.3 + features @ np.array([1.0, -2.0, 0.5]) + 0.5 * rng.normal(size=4000)
    some, of_them = pm.Minibatch(features, response, batch_size=100)
    with pm.Model() as model:
        intercept, beta = pm.Flat("intercept"), pm.Normal("beta", 0, 10, shape=3)
        pm.Normal("y", intercept + some @ beta, 0.5, observed=of_them, total_size=4000)
    return model, LinearRegression().fit(features, response)


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd", "learning_rate": 5e-5}], ids=["adam", "sgd"])
def test_mini_batches(options, large):
    model, exact = large
    fit = gradient_descent(model, schedule="cosine", max_iterations=2000, random_seed=1, **options)
    standard_error = 0.5 / 4000**0.5
    np.testing.assert_allclose(fit.optimum["beta"], exact.coef_, rtol=0, atol=standard_error)
    assert fit.gradients == fit.iterations + 2  # a look at the start is another


def test_mini_batches_follow_the_seed(large):
    fits = [gradient_descent(large[0], max_iterations=30, random_seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0].losses, fits[1].losses)
    assert not np.array_equal(fits[0].losses, fits[2].losses)


def test_mini_batches_converge_in_the_mean(large):
    fit = gradient_descent(large[0], tolerance=1e-3, random_seed=1)
    assert fit.converged
    assert 100 < fit.iterations < 5000


def test_loss_and_gradient_are_of_the_same_batch():
    # One datum y a step: f = N (a - y)² / 2 + constant, and its gradient is N (a - y).
    values = np.random.default_rng(3).normal(size=50)
    with pm.Model() as model:
        pm.Normal("y", pm.Flat("a"), 1.0, observed=pm.Minibatch(values, batch_size=1), total_size=50)
    fit = gradient_descent(model, max_iterations=40, random_seed=1, compile_kwargs=FAST)
    constant = fit.losses - fit.gradient_norms**2 / (2 * 50)
    np.testing.assert_allclose(constant, constant[0])
    assert np.ptp(fit.gradient_norms) > 1


@pytest.mark.parametrize("optimizer", LINE_SEARCHES)
def test_line_searches_need_all_data(optimizer, large):
    with pytest.raises(ValueError, match=rf"{optimizer}.*needs all of the data.*mini-batches.*'adam'"):
        gradient_descent(large[0], optimizer)


def test_mini_batches_have_no_curvature_to_go_by(large):
    with pytest.raises(ValueError, match="learning_rate must be given"):
        gradient_descent(large[0], "momentum")


# What comes back.


def test_result(ridge):
    fit = gradient_descent(ridge, "lbfgs")
    assert isinstance(fit.optimum, xr.Dataset)
    assert list(fit.optimum) == ["intercept", "beta", "twice"]
    assert list(fit.optimum["beta"].coords["feature"].to_numpy()) == list("abcdef")
    np.testing.assert_array_equal(fit.optimum["twice"], 2 * fit.optimum["beta"])
    assert set(fit.initvals) == {"intercept", "beta"}
    assert fit.losses.shape == fit.gradient_norms.shape == (fit.iterations + 1,)
    assert fit.loss == fit.losses.min()
    assert fit.gradients > fit.iterations
    assert repr(fit).startswith("Descent by lbfgs: converged after")
    assert "beta" in fit._repr_html_()
    with pytest.raises(AttributeError):
        fit.loss = 0.0


def test_optimum_is_a_start(scales, sample):
    fit = gradient_descent(scales, "lbfgs", compile_kwargs=FAST)
    point = pm.initial_point.make_initial_point_fn(model=scales, overrides=fit.initvals)(0)
    assert scales.compile_logp(jacobian=False, mode="FAST_COMPILE")(point) == pytest.approx(-fit.loss, rel=1e-10)
    idata = sample(ps.HMC(model=scales), scales, draws=5, tune=5, initvals=fit.initvals)
    # variable by variable, a fit and a posterior align
    gap = idata.posterior.dataset.mean(("chain", "draw")) - fit.optimum
    assert set(gap) == {"s", "p", "u"}
    again = gradient_descent(scales, "lbfgs", initvals=fit.initvals, compile_kwargs=FAST)
    assert again.converged
    assert again.iterations <= 2


def test_initvals_by_name_and_variable(ridge):
    start = {"beta": np.ones(D), ridge["intercept"]: 3.0}
    with pytest.warns(RuntimeWarning, match="did not converge"):
        fit = gradient_descent(ridge, "sgd", learning_rate=1e-12, max_iterations=1, initvals=start)
    np.testing.assert_allclose(fit.optimum["beta"], 1, atol=1e-6)
    assert float(fit.optimum["intercept"]) == pytest.approx(3, abs=1e-6)


def test_progress_bar(ridge, capsys):
    gradient_descent(ridge, "lbfgs")
    assert capsys.readouterr().out == ""
    gradient_descent(ridge, "lbfgs", progressbar=True)
    assert "Descending" in capsys.readouterr().out


def test_model_of_the_context(ridge):
    with ridge:
        assert gradient_descent(optimizer="lbfgs").converged


# What stops it.


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_divergence(optimizer, ridge):
    with pytest.warns(RuntimeWarning, match=r"diverged after \d+ iterations.*learning rate was 0.1; try a tenth"):
        fit = gradient_descent(ridge, optimizer, learning_rate=0.1)
    assert fit.reason == "diverged"
    assert fit.loss == fit.losses.min()
    assert np.isfinite(fit.loss)
    assert all(np.isfinite(value).all() for value in fit.initvals.values())


def test_density_that_ends(scales):
    # log-density -inf, or NaN, on the way: the same as divergence.
    with pytest.warns(RuntimeWarning, match="diverged"):
        fit = gradient_descent(scales, "sgd", learning_rate=1e4)
    assert fit.reason == "diverged"


def test_max_iterations(ridge):
    with pytest.warns(RuntimeWarning, match="did not converge after 3 iterations.*Raise max_iterations"):
        fit = gradient_descent(ridge, max_iterations=3)
    assert (fit.reason, fit.iterations) == ("max iterations", 3)


@pytest.mark.parametrize(
    ("optimizer", "schedule", "advice"),
    [
        ("adam", "constant", {"cosine", "lbfgs", "proximal"}),
        ("adam", "cosine", {"lbfgs", "proximal"}),
        ("lbfgs", "constant", {"proximal"}),
        ("proximal", "constant", set()),
    ],
)
def test_advice_is_something_else_than_was_tried(ridge, optimizer, schedule, advice):
    with pytest.warns(RuntimeWarning, match="did not converge") as warned:
        gradient_descent(ridge, optimizer, schedule=schedule, max_iterations=2, tolerance=0)
    _, _, advised = str(warned[0].message).partition("Raise max_iterations")
    assert {word for word in ("cosine", "lbfgs", "proximal") if f"'{word}'" in advised} == advice
    assert advised.endswith(".")


def test_interrupt(ridge):
    def rate(done):
        if done == 5:
            raise KeyboardInterrupt
        return 0.01

    with pytest.warns(RuntimeWarning, match=r"interrupted after 5 iterations.*initvals=result.initvals"):
        fit = gradient_descent(ridge, learning_rate=rate)
    assert isinstance(fit, Descent)
    assert (fit.reason, fit.iterations) == ("interrupted", 5)
    assert fit.loss < fit.losses[0]


# Bad input.


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"optimizer": "adm"}, ValueError, "unknown optimizer 'adm'; choose one of: sgd, .*Did you mean 'adam'"),
        ({"optimizer": 3}, TypeError, "optimizer must be a name"),
        ({"optimizer": lambda x: x}, TypeError, "optimizer must be a name or an update rule"),
        ({"schedule": "cosin"}, ValueError, "unknown schedule.*Did you mean 'cosine'"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be positive and finite"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be positive and finite"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate must be positive and finite"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
        ({"learning_rate": lambda done: 1 - done}, ValueError, r"learning_rate\(1\) must be positive"),
        ({"learning_rate": lambda done: 1.0, "schedule": "cosine"}, ValueError, "schedule 'cosine' is for a constant"),
        ({"optimizer": "lbfgs", "learning_rate": 1.0}, ValueError, "lbfgs finds the size of its steps itself"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be a positive integer"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be finite and at least 0"),
        (
            {"initvals": [{"beta": np.ones(D)}]},
            TypeError,
            "initvals must be a dictionary .* got a list",
        ),
        ({"initvals": {"bete": 1.0}}, ValueError, "bete is not a free variable .* Did you mean 'beta'"),
        ({"initvals": {"beta": np.ones(2)}}, ValueError, r"beta has shape \(2,\), and should have \(6,\)"),
        ({"random_seed": "a"}, TypeError, "random_seed must be an integer of at least 0, .* got 'a'"),
        ({"jacobian": "no"}, TypeError, "jacobian must be True or False, got 'no'"),
        ({"compile_kwargs": {"mode": "nix"}}, ValueError, "compile_kwargs: mode must be one of PyTensor's"),
        ({"initvals": {"intercept": np.nan}}, ValueError, "the start of intercept is not finite"),
    ],
)
def test_bad_arguments(options, error, words, ridge):
    with pytest.raises(error, match=words):
        gradient_descent(ridge, **options)


def test_missing_data():
    with pm.Model() as model:
        slope = pm.Normal("slope")
        pm.Normal("y", slope * np.array([1.0, np.nan]), 1.0, observed=np.ones(2))
    with pytest.raises(ValueError, match="not finite at the start: y has log-density nan; look for NaN in the data"):
        gradient_descent(model)


def test_undefined_gradient():
    with pm.Model() as model:
        kink = pm.Normal("kink", shape=2)
        pm.Potential("length", -pm.math.sqrt(pm.math.sum(kink**2)))
    with pytest.raises(ValueError, match="gradient with respect to kink is not finite at the start"):
        gradient_descent(model)


def test_discrete_variables(mixed_model):
    with pytest.raises(TypeError, match=r"k is discrete.*pm.observe\(model, \{'k': value\}\)"):
        gradient_descent(mixed_model)
    assert gradient_descent(pm.observe(mixed_model, {"k": 1}), "lbfgs").converged


def test_nothing_to_fit():
    with pm.Model() as model:
        pm.Normal("y", 0, 1, observed=1.0)
    with pytest.raises(ValueError, match="no free variable"):
        gradient_descent(model)
