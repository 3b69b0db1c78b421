"""Messages of errors by bad input: each names the variable or the argument, and what to do about it."""

import multiprocessing
import pickle
import re
import threading

import cloudpickle
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.exceptions import SamplingError
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

import pymc_symplectic as ps
from pymc_symplectic.target import LogDensity

# The start.


@pytest.fixture(scope="module")
def edges():
    """A model with a hard edge, a logarithm, and a kink where the gradient is 0/0."""
    with pm.Model() as model:
        hard = pm.Uniform("hard", 0.0, 1.0, default_transform=None)
        smooth = pm.Normal("smooth", hard, 1.0)
        pm.Potential("logarithm", pt.log(smooth))
        kink = pm.Normal("kink", shape=2, initval=np.ones(2))
        pm.Potential("length", -pt.sqrt(pt.sum(kink**2)))
        pm.Normal("seen", smooth, 1.0, observed=0.3)
    return ps.HMC(model=model), {"hard": np.array(0.5), "smooth": np.array(1.0), "kink": np.ones(2)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hard": -0.5}, ["log-density, or its gradient, is not finite at the start", "hard has log-density -inf"]),
        (
            {"smooth": -1.0},
            ["log-density, or its gradient, is not finite at the start", "logarithm has log-density nan"],
        ),
        ({"smooth": np.nan}, ["the start of smooth is not finite"]),
        ({"kink": [0.0, np.inf]}, ["the start of kink is not finite"]),
        ({"smooth": 1e200}, ["smooth has log-density -inf", "seen has log-density -inf"]),
        ({"kink": [0.0, 0.0]}, ["at the start", "gradient with respect to kink is not finite", "initvals", "0/0"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_start_without_a_density(change, words, edges):
    step, point = edges
    step.setup_chain(np.random.default_rng(1), 10, 10)
    with pytest.raises(SamplingError) as info:
        step.step(point | {name: np.array(value) for name, value in change.items()})
    for word in words:
        assert word in str(info.value)
    step.step(point)  # and no harm is done


def test_bad_start_in_another_process(edges, sample):
    # PyMC looks at the log-density before it samples, not at its gradient.
    step, point = edges
    method = multiprocessing.get_all_start_methods()[0]
    with pytest.raises(pm.sampling.parallel.ParallelSamplingError, match="with respect to kink is not finite"):
        sample(step, step.target.model, initvals=point | {"kink": np.zeros(2)}, cores=2, mp_ctx=method)


def through_python(model):
    """A step whose log-density, which is its own alone, is called back in Python."""
    quick = {"mode": "FAST_COMPILE"}
    step = ps.HMC(model=model, compile_kwargs=quick)
    step.target = LogDensity(model=model, compile_kwargs=quick)
    return step


def test_error_at_the_start_is_named(normal_model):
    step = through_python(normal_model)
    with normal_model:
        pm.set_data({"data": np.zeros((2, 3))[0]})
    step.target._full.function = lambda position: (_ for _ in ()).throw(np.linalg.LinAlgError("singular"))
    step.setup_chain(np.random.default_rng(1), 10, 10)
    with pytest.raises(SamplingError, match=r"not finite at the start.*LinAlgError: singular"):
        step.step(normal_model.initial_point())
    with normal_model:
        pm.set_data({"data": [1.0, 2.0, 3.0]})


# On the way.


def test_undefined_region_on_the_way(sample):
    # π(x) ∝ x N(x; 0, 1) for x > 0, undefined elsewhere: the Rayleigh distribution.
    with pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, initval=1.0)
        pm.Potential("logarithm", pt.log(x))
        idata = sample(ps.HMC(), model, draws=2000, tune=500)
    draws = idata.posterior["x"].to_numpy()
    assert idata.sample_stats["diverging"].sum() > 0
    assert np.all(np.isfinite(draws))
    assert np.all(draws > 0)
    assert draws.mean() == pytest.approx((np.pi / 2) ** 0.5, abs=0.06)
    assert np.all(np.isfinite(idata.sample_stats["energy"]))
    assert np.all(np.isfinite(idata.sample_stats["lp"]))


def test_error_for_all_time_ends_sampling(normal_model):
    step = through_python(normal_model)
    step.target._full.function = lambda position: (_ for _ in ()).throw(TypeError("no such thing"))
    step.setup_chain(np.random.default_rng(1), 10, 10)
    with pytest.raises(SamplingError, match="log-density raised TypeError: no such thing") as info:
        step.step(normal_model.initial_point())
    assert isinstance(info.value.__cause__, TypeError)


# Variables.


def test_discrete_variables(mixed_model):
    message = "vars: k is discrete, .* sample it with another step of pm.sample"
    for vars in (["k"], [mixed_model["x"], mixed_model["k"]], mixed_model.value_vars):
        with pytest.raises(TypeError, match=message):
            ps.HMC(vars, model=mixed_model)


def test_variables_of_another_model(mixed_model, schools):
    free = "its free variables are mu, tau, theta"
    for vars, name in ([mixed_model["x"]], "x"), (["mu", "muu"], "muu"), ("effect", "effect"):
        with pytest.raises(ValueError, match=f"vars: {name} is not a free variable of this model; {free}"):
            ps.HMC(vars, model=schools)


@pytest.mark.parametrize("vars", [3, [3], np.zeros(2), [None]], ids=str)
def test_no_variables_at_all(vars, schools):
    with pytest.raises(TypeError, match="vars must be variables of the model or their names, got "):
        ps.HMC(vars, model=schools)


def test_empty_list_of_variables(schools):
    with pytest.raises(ValueError, match=r"vars: .*empty list"):
        ps.HMC([], model=schools)


def test_model_without_continuous_variables():
    with pm.Model() as model:
        pm.Normal("seen", 0.0, 1.0, observed=1.0)
        with pytest.raises(ValueError, match=r"no free continuous variable to sample; its free variables are: none"):
            ps.HMC()
        pm.Poisson("k", 3.0)
    with pytest.raises(ValueError, match=r"no free continuous variable to sample; its free variables are: k"):
        ps.HMC(model=model)


def test_no_model():
    with pytest.raises(TypeError, match="model"):
        ps.HMC()


def test_density_without_a_gradient():
    class Flat(Op):
        itypes, otypes = [pt.dscalar], [pt.dscalar]

        def perform(self, node, inputs, outputs):
            outputs[0][0] = np.asarray(0.0)

    with pm.Model():
        pm.Potential("black_box", Flat()(pm.Normal("x")))
        with pytest.raises(NotImplementedError, match="Flat"):
            ps.HMC()


# Options, each by way of the step; test_settings.py and its neighbours have the rest.


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "integrator",
            "leapfrg",
            "unknown integrator 'leapfrg'; choose one of: auto, leapfrog, .*Did you mean 'leapfrog'",
        ),
        ("kinetic", "gauss", "unknown kinetic energy 'gauss'; choose one of: gaussian"),
        ("metric", "diagnoal", "unknown metric 'diagnoal'; choose one of: .*Did you mean 'diagonal'"),
        ("trajectory", "fixed", "unknown trajectory 'fixed'; choose one of: "),
        ("step_size", -1, "step_size must be positive and finite, got -1"),
        ("target_accept", 1, "target_accept must lie strictly between 0 and 1, got 1"),
        ("max_energy_error", 0, "max_energy_error must be positive and finite, got 0"),
        ("metric", np.ones(3), "metric: got 3 variances for 10 unconstrained parameters"),
        ("metric", np.eye(3), r"metric: got a covariance of shape \(3, 3\) for 10 unconstrained parameters"),
        ("metric", -np.ones(10), "metric: variances must be positive and finite, got -1.0 at 0"),
        ("metric", np.eye(10) - 1, "metric: covariance must be positive definite; its smallest eigenvalue is -9"),
        ("metric", np.ones((2, 3)), r"metric: covariance must be a square matrix, got an array of shape \(2, 3\)"),
    ],
)
def test_values_of_options(option, value, message, schools):
    with pytest.raises(ValueError, match=message):
        ps.HMC(model=schools, **{option: value})


def test_unknown_option(schools):
    with pytest.raises(TypeError, match=r"unknown option 'step_scale'; the options are: .*Did you mean 'step_size'"):
        ps.HMC(model=schools, step_scale=0.25)


@pytest.mark.parametrize("name", ["draws", "chains", "random_seed", "initvals", "callback"])
def test_arguments_of_what_runs_the_step(name, schools):
    words = rf"there is no option '{name}' here; it goes to pm.sample, .*step=ps\.HMC\(\.\.\.\), {name}="
    with pytest.raises(TypeError, match=words):
        ps.HMC(model=schools, **{name: 1})
    with pytest.raises(TypeError, match=r"no option 'store' here; .*ps\.sample\(store="):
        ps.HMC(model=schools, store="run.zarr")


@pytest.mark.parametrize(
    ("kicks", "drifts", "message"),
    [
        ((0.2, 0.8), (1.0,), r"kicks\[0\] = 0.2.*kicks\[1\] = 0.8"),
        ((0.4, 0.4), (1.0,), "kicks.*sum to one"),
        ((0.5, 0.5), (0.9,), "drifts.*sum to one"),
    ],
)
def test_coefficients(kicks, drifts, message):
    with pytest.raises(ValueError, match=message):
        ps.HMC(integrator=ps.Integrator(kicks=kicks, drifts=drifts))


# Other processes.


class Locked(Op):
    """-x²/2, with something inside that cannot be sent to another process."""

    def __init__(self):
        self.lock = threading.Lock()

    def make_node(self, x):
        x = pt.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(-(inputs[0] ** 2) / 2)

    def pullback(self, inputs, outputs, cotangents):
        return [-inputs[0] * cotangents[0]]

    def grad(self, inputs, cotangents):
        return [-inputs[0] * cotangents[0]]


def test_model_that_cannot_be_sent_is_sampled_here(sample, caplog):
    with pm.Model() as model:
        pm.Potential("secret", Locked()(pm.Flat("x", initval=0.0)))
        step = ps.HMC(compile_kwargs={"mode": "FAST_COMPILE"})
    message = re.compile(
        r"Locked.* in variable secret cannot be pickled \(TypeError: .*lock.*\).*mp_ctx='fork', or take that object out"
    )
    with pytest.raises(pickle.PicklingError, match=message):
        cloudpickle.dumps(step)
    caplog.clear()
    idata = sample(step, model, cores=2, mp_ctx="spawn")
    assert any(message.search(record.getMessage()) for record in caplog.records)
    np.testing.assert_array_equal(idata.posterior["x"], sample(step, model).posterior["x"])


def test_argument_that_cannot_be_sent(normal_model):
    metric = ps.Identity()
    object.__setattr__(metric, "lock", threading.Lock())
    step = ps.HMC(model=normal_model, metric=metric)
    with pytest.raises(pickle.PicklingError, match=r"an argument of the step, cannot be pickled"):
        cloudpickle.dumps(step)
