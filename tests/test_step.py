"""The step method inside `pymc.sample`: every way of running it, every kind of model, every statistic."""

import inspect
import itertools
import multiprocessing
import pickle
from types import SimpleNamespace

import arviz as az
import cloudpickle
import matplotlib.pyplot
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.exceptions import SamplingError
from pymc.progress_bar import MCMCProgressBarManager
from pymc.stats.convergence import run_convergence_checks
from pymc.step_methods.compound import CompoundStep
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy.stats import chi2, kstest, truncnorm

import pymc_symplectic as ps
from pymc_symplectic.kernels import chain as kernels
from pymc_symplectic.settings import DEFAULTS
from pymc_symplectic.target import LogDensity
from pymc_symplectic.target.addressed import CompiledGraph


def assert_agrees(idata, exact, tolerance=4.5):
    """Means and standard deviations agree with exact ones, within what the run itself says of its precision.

    Of two values, the mean says all: near 1/2 the standard deviation hardly depends on it, and has no error of its own.
    """
    for name, (mean, sd) in exact.items():
        draws = idata.posterior[name]
        both = [("mean", draws.mean(), mean), ("sd", draws.std(), sd)]
        for kind, value, truth in both if len(np.unique(draws)) > 2 else both[:1]:
            error = float(az.mcse(draws, method=kind))
            assert abs(float(value) - truth) < tolerance * error, (name, kind, float(value), truth, error)


def draws_of(idata, name="x"):
    return idata.posterior[name].to_numpy()


def test_signature_is_that_of_the_options():
    parameters = inspect.signature(ps.HMC).parameters
    of_the_step = ["vars", "model", "rng", "initial_point", "compile_kwargs", "blocked"]
    assert list(parameters) == [*of_the_step, *DEFAULTS]
    assert inspect.signature(ps.HMC.__init__).parameters.keys() == {"self", *parameters}


# In one process and in many.


@pytest.fixture(scope="module")
def custom():
    """A model that, unpickled in another process, has lost its log-density: what is sent must be the graph."""
    with pm.Model() as model:
        pm.CustomDist("x", 1.0, logp=lambda value, mu: -0.5 * (value - mu) ** 2, initval=0.3)
    return ps.HMC(model=model), model


@pytest.fixture(scope="module")
def reference(sample, custom):
    return draws_of(sample(*custom))


START_METHODS = multiprocessing.get_all_start_methods()


@pytest.mark.parametrize("method", START_METHODS)
def test_processes_make_the_same_draws(method, reference, sample, custom):
    parallel = sample(*custom, cores=2, mp_ctx=method)
    np.testing.assert_array_equal(draws_of(parallel), reference)


def test_chains_differ(reference):
    assert not np.any(reference[0] == reference[1])


def test_a_step_may_be_used_again(reference, sample, custom):
    sample(*custom, random_seed=1, tune=7, draws=11, chains=1)
    np.testing.assert_array_equal(draws_of(sample(*custom)), reference)


def test_used_step_may_be_sent_to_other_processes(sample, normal_model):
    # A dense metric remembers draws, as many as the warm-up of the first run had use for.
    step = ps.HMC(model=normal_model, metric="dense")
    before = draws_of(sample(step, normal_model, tune=150, draws=10))
    copy = cloudpickle.loads(cloudpickle.dumps(step))
    np.testing.assert_array_equal(draws_of(sample(copy, copy.target.model, tune=150, draws=10)), before)


def test_own_seed_is_for_use_outside_of_sample(normal_model):
    point = normal_model.initial_point()
    first, second, other = (ps.HMC(model=normal_model, rng=seed, step_size=0.5) for seed in (5, 5, 6))
    draws = [step.step(point)[0]["x"] for step in (first, second, other)]
    assert draws[0] == draws[1] != draws[2]


@pytest.fixture(scope="module")
def blocked(mixed_model):
    return ps.HMC(model=mixed_model)


@pytest.fixture(scope="module")
def separate(mixed_model):
    return ps.HMC(model=mixed_model, blocked=False, rng=3)


@pytest.mark.parametrize("name", ["blocked", "separate"])
def test_pickled_without_its_discrete_neighbours(name, request):
    # By default PyMC would remember "all variables", discrete ones too, and trip over them later.
    copy = cloudpickle.loads(cloudpickle.dumps(request.getfixturevalue(name)))
    assert [v.name for v in copy.vars] == ["x", "z", "w"]


def test_steps_of_blocked_false(separate):
    assert isinstance(separate, CompoundStep)
    assert [[v.name for v in one.vars] for one in separate.methods] == [["x"], ["z"], ["w"]]
    states = {one.rng.bit_generator.state["state"]["state"] for one in separate.methods}
    assert len(states) == 3


# Going on from a state.


def test_sampling_state_goes_on_with_the_same_draws(schools, schools_step):
    schools_step.setup_chain(np.random.default_rng(3), 60, 0)
    point = schools.initial_point()
    for _ in range(25):
        point, _ = schools_step.step(point)
    state, there = schools_step.sampling_state, point
    expected = []
    for _ in range(50):
        point, [stats] = schools_step.step(point)
        expected.append((point["theta"], stats))

    def go_on(step):
        point = there
        for theta, stats in expected:
            point, [again] = step.step(point)
            np.testing.assert_array_equal(point["theta"], theta)
            assert again == stats

    other = cloudpickle.loads(cloudpickle.dumps(schools_step))
    schools_step.sampling_state = state
    go_on(schools_step)
    other.sampling_state = pickle.loads(pickle.dumps(state))
    go_on(other)


def test_sampling_state_counts_divergences_on(schools, schools_step):
    schools_step.setup_chain(np.random.default_rng(3), 0, 0)
    schools_step.divergences = 7
    state = schools_step.sampling_state
    schools_step.setup_chain(np.random.default_rng(3), 0, 0)
    assert schools_step.divergences == 0
    schools_step.sampling_state = state
    schools_step.tune = False
    _, [stats] = schools_step.step(schools.initial_point())
    assert stats["divergences"] == 7 + stats["diverging"]


def test_state_of_another_posterior_does_no_harm(sample):
    # Where the last run ended, the log-density of the next one is not defined.
    with pm.Model() as model:
        data = pm.Data("data", 5.0)
        x = pm.Flat("x", initval=5.5)
        pm.Potential("edge", pm.math.log(x - data) - (x - data))
        step = ps.HMC()
        sample(step, model)
        pm.set_data({"data": 50.0})
        idata = sample(step, model, initvals={"x": 50.5})
    assert draws_of(idata).min() > 50


# Beside other steps.


def test_moments_of_the_mixed_model_are_right(mixed_exact):
    # by brute force, on a grid that integrates Gaussians to many digits
    x, z, w = np.meshgrid(*[np.linspace(-9, 11, 101)] * 3, indexing="ij", sparse=True)
    moments, total = np.zeros((4, 2)), 0.0
    for k, prior in enumerate([0.6, 0.4]):
        exponent = (x - 2 * k) ** 2 + (z - x) ** 2 / 0.5**2 + (w - z) ** 2 / 0.8**2 + (1.7 - w) ** 2
        density = prior * np.exp(-exponent / 2)
        total += density.sum()
        for i, value in enumerate((x, z, w, k)):
            moments[i] += (density * value).sum(), (density * value**2).sum()
    mean, square = (moments / total).T
    for i, name in enumerate("xzwk"):
        assert mixed_exact[name] == pytest.approx((mean[i], np.sqrt(square[i] - mean[i] ** 2)), rel=1e-4)


COMPOUNDS = {
    "with BinaryGibbsMetropolis": lambda m, get: [get("blocked"), pm.BinaryGibbsMetropolis([m["k"]])],
    "with Metropolis, second": lambda m, _: [pm.Metropolis([m["k"]]), ps.HMC([m["x"], m["z"], m["w"]])],
    "with NUTS": lambda m, _: [ps.HMC(["x", "w"]), pm.NUTS([m["z"]]), pm.BinaryMetropolis([m["k"]])],
    "with itself and Metropolis": lambda m, _: [ps.HMC(["w"]), pm.Metropolis([m["z"]]), ps.HMC(m["x"])],
    "each variable by its own": lambda m, get: [get("separate"), pm.BinaryMetropolis([m["k"]])],
}


@pytest.mark.parametrize("steps", COMPOUNDS.values(), ids=COMPOUNDS)
def test_compound_steps_sample_the_joint_posterior(steps, sample, mixed_model, mixed_exact, request):
    with mixed_model:
        steps = steps(mixed_model, request.getfixturevalue)
    idata = sample(steps, mixed_model, draws=1500, tune=500)
    assert_agrees(idata, mixed_exact)


def test_compound_step_in_other_processes(sample, mixed_model, blocked):
    with mixed_model:
        steps = [blocked, pm.BinaryMetropolis([mixed_model["k"]])]
    one = sample(steps, mixed_model)
    two = sample(steps, mixed_model, cores=2, mp_ctx="forkserver" if "forkserver" in START_METHODS else "spawn")
    for name in "xzwk":
        np.testing.assert_array_equal(draws_of(one, name), draws_of(two, name))


# Data that change.


def test_set_data_needs_no_compilation(sample, normal_model, normal_step, monkeypatch):
    sample(normal_step, normal_model)
    compiled = kernels.advance, kernels.evaluate_start, normal_step.target._full.function.vm.jit_fn
    signatures = [len(code.signatures) for code in compiled]

    def refuse(*_, **__):
        raise AssertionError("compiled again")

    monkeypatch.setattr(LogDensity, "_compile", refuse)
    with normal_model:
        for data in ([4.0, 5.0], np.full(50, -1.5), [1.0, 2.0, 3.0]):
            pm.set_data({"data": data})
            idata = sample(normal_step, normal_model, draws=1000, tune=200)
            n = len(data)
            assert_agrees(idata, {"x": (np.sum(data) / (n + 1), (n + 1) ** -0.5)})
    assert [len(code.signatures) for code in compiled] == signatures


def test_changed_dimension_asks_for_a_new_step(sample):
    with pm.Model(coords={"i": range(3)}) as model:
        pm.Data("data", np.zeros(3), dims="i")
        x = pm.Normal("x", dims="i")
        pm.Normal("y", x, observed=model["data"], dims="i")
        step = ps.HMC()
        sample(step, model)
        pm.set_data({"data": np.zeros(5)}, coords={"i": range(5)})
    with pytest.raises(ValueError, match=r"x has shape \(5,\), and had shape \(3,\).*make a new step"):
        sample(step, model)


@pytest.mark.parametrize("add", [lambda x: pm.Normal("y", x, observed=3.0), lambda x: pm.Potential("y", -(x**2))])
def test_model_that_has_grown_since(add, sample):
    with pm.Model() as model:
        x = pm.Normal("x")
        step = ps.HMC()
        pm.Deterministic("twice", 2 * x)  # which is no part of the log-density
        sample(step, model, draws=1)
        add(x)
        words = r"the model has changed since the step was made \(y\), .*make the step after all variables"
        with pytest.raises(ValueError, match=words):
            sample(step, model)
        with pytest.raises(ValueError, match=words):
            pickle.dumps(step)


# Kinds of models.


def _all_transforms():
    with pm.Model() as model:
        pm.HalfNormal("positive", 1.0)
        pm.Beta("share", 2.0, 3.0)
        pm.Uniform("interval", -2.0, 5.0, shape=2)
        pm.TruncatedNormal("below", 0.0, 1.0, upper=1.0)
        pm.Normal("ordered", 0.0, 1.0, shape=3, transform=pm.distributions.transforms.ordered, initval=[-1, 0, 1])
        pm.Dirichlet("simplex", np.array([1.0, 2.0, 3.0]))
        pm.VonMises("angle", 0.5, 2.0)
        pm.ZeroSumNormal("zero_sum", 1.0, shape=4)
        pm.MvNormal("multivariate", np.zeros(2), np.array([[2.0, 1.2], [1.2, 1.0]]))
        pm.LKJCholeskyCov("cholesky", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0))
        pm.LKJCorr("correlation", n=3, eta=2.0)
        pm.GaussianRandomWalk("walk", sigma=0.5, init_dist=pm.Normal.dist(), steps=3)
        pm.Mixture("mixture", [0.3, 0.7], [pm.Normal.dist(-1.0, 0.5), pm.Normal.dist(1.0, 0.5)])
        pm.Normal("matrix", shape=(2, 3))
        pm.Normal("nothing", shape=(0, 3))
        pm.Normal("data", shape=4, observed=np.array([0.3, np.nan, np.nan, 1.0]))
    return model


@pytest.fixture(scope="module")
def transforms(sample):
    model = _all_transforms()
    step = ps.HMC(model=model)
    assert step.target.native
    return sample(step, model, draws=800, tune=400)


TRUNCATED = truncnorm(-np.inf, 1.0)
EXACT = {
    ("positive",): (np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    ("share",): (0.4, 0.2),
    ("interval", 1): (1.5, 7 / np.sqrt(12)),
    ("below",): (TRUNCATED.mean(), TRUNCATED.std()),
    ("ordered", 2): (1.5 / np.sqrt(np.pi), np.sqrt(1 + np.sqrt(3) / (2 * np.pi) - 2.25 / np.pi)),
    ("simplex", 2): (0.5, np.sqrt(0.25 / 7)),
    ("zero_sum", 0): (0.0, np.sqrt(0.75)),
    ("multivariate", 0): (0.0, np.sqrt(2.0)),
    ("cholesky_stds", 0): (np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    ("cholesky_corr", 0, 1): (0.0, np.sqrt(1 / 5)),
    ("correlation", 1, 0): (0.0, np.sqrt(1 / 6)),
    ("walk", 3): (0.0, np.sqrt(1.75)),
    ("mixture",): (0.4, np.sqrt(0.25 + 0.84)),
    ("matrix", 1, 2): (0.0, 1.0),
    ("data_unobserved", 0): (0.0, 1.0),
}


@pytest.mark.parametrize(("entry", "moments"), EXACT.items(), ids=lambda entry: entry[0] if entry else None)
def test_transformed_variables_follow_their_prior(entry, moments, transforms):
    name, *index = entry
    draws = transforms.posterior[name][:, :, *index].to_dataset(name="entry")
    assert_agrees(SimpleNamespace(posterior=draws), {"entry": moments})


def test_transformed_variables_keep_their_constraints(transforms):
    draws = {name: transforms.posterior[name].to_numpy() for name in transforms.posterior.data_vars}
    assert set(draws) >= {"positive", "cholesky_corr", "data_unobserved"}
    for name, values in draws.items():
        assert np.all(np.isfinite(values)), name
    assert draws["positive"].min() > 0
    assert 0 < draws["share"].min() < draws["share"].max() < 1
    assert -2 < draws["interval"].min() < draws["interval"].max() < 5
    assert draws["below"].max() < 1
    assert np.all(np.diff(draws["ordered"]) > 0)
    np.testing.assert_allclose(draws["simplex"].sum(-1), 1, rtol=1e-12)
    assert np.abs(draws["angle"]).max() <= np.pi
    np.testing.assert_allclose(draws["zero_sum"].sum(-1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(draws["correlation"], axis=-1), 1, rtol=1e-12)  # rows of a factor
    assert draws["matrix"].shape == (2, 800, 2, 3)
    assert draws["nothing"].shape == (2, 800, 0, 3)
    assert draws["data_unobserved"].shape == (2, 800, 2)


@pytest.mark.parametrize("mode", ["NUMBA", "FAST_COMPILE"])
def test_only_zero_size_variables(mode, sample):
    with pm.Model() as model:
        pm.Normal("x", shape=0)
        pm.Normal("y", shape=(2, 0, 3))
        idata = sample(ps.HMC(compile_kwargs={"mode": mode}), model)
    assert draws_of(idata).shape == (2, 30, 0)
    assert draws_of(idata, "y").shape == (2, 30, 2, 0, 3)
    assert np.all(idata.sample_stats["acceptance_rate"] == 1)


def test_single_precision(sample):
    with pytensor.config.change_flags(floatX="float32"):
        with pm.Model() as model:
            x = pm.Normal("x", 1.0, 2.0, shape=2)
            pm.HalfNormal("s", 1.0)
            pm.Normal("y", x, 1.0, observed=pm.Data("data", np.array([0.5, 1.5])))
            step = ps.HMC()
        assert step.target.native
        points = []
        idata = sample(step, model, draws=1000, tune=300, callback=lambda trace, draw: points.append(draw.point))
    assert {value.dtype for point in points for value in point.values()} == {np.dtype("float32")}
    assert_agrees(idata.isel(x_dim_0=0), {"x": (0.6, np.sqrt(0.8)), "s": EXACT["positive",]})


def test_variables_of_two_precisions(sample):
    with pm.Model() as model:
        pm.Normal("x", dtype="float32", shape=2)
        pm.Normal("z", -1.0)
        idata = sample(ps.HMC(), model, draws=1000, tune=300)
    assert idata.posterior["x"].dtype == np.float32
    assert_agrees(idata.isel(x_dim_0=0), {"x": (0.0, 1.0), "z": (-1.0, 1.0)})


def test_dims_module(sample):
    pmd = pytest.importorskip("pymc.dims")
    with pm.Model(coords={"i": range(3)}) as model:
        pmd.Normal("x", dims="i")
        pmd.Exponential("s", 2.0)
        idata = sample(ps.HMC(), model, draws=500, tune=300)
    assert_agrees(idata, {"s": (0.5, 0.5)})
    assert_agrees(idata.isel(i=1), {"x": (0.0, 1.0)})


@pytest.fixture(scope="module")
def native(sample, normal_step, normal_model):
    assert normal_step.target.native
    return draws_of(sample(normal_step, normal_model))


MODES = ["FAST_COMPILE", "CVM", "NUMBA", Mode("vm", "fast_compile")]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode if isinstance(mode, str) else "Mode")
def test_other_modes_make_the_same_draws(mode, native, sample, normal_model, with_c):
    if mode == "CVM" and not pytensor.config.cxx:
        pytest.skip("there is no compiler for C")
    step = ps.HMC(model=normal_model, compile_kwargs={"mode": mode})
    assert step.target.native == (mode == "NUMBA")
    idata = sample(step, normal_model)
    np.testing.assert_allclose(draws_of(idata), native, rtol=1e-8)
    with normal_model:
        pm.set_data({"data": [1.0, 2.0, 3.0, 4.0, 10.0]})
        other = sample(step, normal_model)
        pm.set_data({"data": [1.0, 2.0, 3.0]})
    assert draws_of(other).mean() > draws_of(idata).mean() + 0.5


class Interpreted(Op):
    """-x²/2, for which numba has no code; raises `error` where x is above `limit`."""

    def __init__(self, error=None, limit=np.inf):
        self.error, self.limit = error, limit

    def make_node(self, x):
        x = pt.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        (x,) = inputs
        if x > self.limit:
            raise self.error
        outputs[0][0] = np.asarray(-(x**2) / 2)

    def pullback(self, inputs, outputs, cotangents):
        return [-inputs[0] * cotangents[0]]

    def grad(self, inputs, cotangents):
        return [-inputs[0] * cotangents[0]]


def interpreted(**kwargs):
    """A step for a standard normal x below a limit, beyond which the log-density raises an error."""
    with pm.Model() as model, pytest.warns(UserWarning, match="object mode"):
        x = pm.Flat("x", initval=0.5)
        pm.Potential("density", Interpreted(**kwargs)(x))
        return ps.HMC(), model


def test_users_operation_without_numba(sample):
    step, model = interpreted()
    assert not step.target.native
    assert_agrees(sample(step, model, draws=1000, tune=200), {"x": (0.0, 1.0)})


def test_error_of_arithmetic_is_a_divergence(sample):
    step, model = interpreted(error=np.linalg.LinAlgError("singular"), limit=1.0)
    idata = sample(step, model, draws=1000, tune=200)
    below = truncnorm(-np.inf, 1.0)
    assert idata.sample_stats["diverging"].sum() > 0
    assert draws_of(idata).max() <= 1
    assert_agrees(idata, {"x": (below.mean(), below.std())})


def test_other_errors_end_sampling(sample):
    step, model = interpreted(error=TypeError("no such thing"), limit=1.0)
    with pytest.raises(SamplingError, match="log-density raised TypeError: no such thing") as info:
        sample(step, model, draws=1000)
    assert isinstance(info.value.__cause__, TypeError)
    assert step.target.error is None


def test_interrupt_inside_the_log_density(sample):
    step, model = interpreted(error=KeyboardInterrupt(), limit=1.0)
    idata = sample(step, model, draws=1000, tune=0, chains=1)
    assert 0 < idata.posterior.sizes["draw"] < 1000


# What `pymc.sample` offers.


def test_no_warm_up(sample, normal_step, normal_model):
    idata = sample(normal_step, normal_model, draws=1000, tune=0)
    assert len(np.unique(idata.sample_stats["step_size"][0])) == 1
    assert_agrees(idata, {"x": (1.5, 0.5)})


@pytest.mark.filterwarnings("ignore:.*return_inferencedata")
def test_multitrace(sample, schools_step, schools):
    trace = sample(schools_step, schools, return_inferencedata=False)
    idata = sample(schools_step, schools)
    np.testing.assert_array_equal(trace.get_values("theta", combine=False), draws_of(idata, "theta"))
    np.testing.assert_array_equal(
        trace.get_sampler_stats("n_gradients", combine=False), idata.sample_stats["n_gradients"]
    )


def test_warm_up_is_kept_on_request(sample, schools_step, schools):
    idata = sample(schools_step, schools, discard_tuned_samples=False, tune=25)
    assert idata["warmup_posterior"].sizes["draw"] == 25
    assert np.all(idata["warmup_sample_stats"]["n_gradients"] > 0)


@pytest.mark.parametrize("cores", [1, 2])
def test_interrupt_returns_the_draws_so_far(cores, sample, schools_step, schools):
    def interrupt(trace, draw):
        if draw.chain == 0 and draw.draw_idx == 44:
            raise KeyboardInterrupt

    idata = sample(
        schools_step, schools, chains=cores, cores=cores, mp_ctx=START_METHODS[0], tune=30, callback=interrupt
    )
    whole = sample(schools_step, schools, chains=cores, tune=30)
    made = idata.posterior.sizes["draw"]
    assert 0 < made <= 15
    np.testing.assert_array_equal(draws_of(idata, "mu"), draws_of(whole, "mu")[: idata.posterior.sizes["chain"], :made])


@pytest.mark.parametrize("progressbar", [True, "split", "combined", "combined+stats"])
def test_progress_bar(progressbar, sample, schools_step, schools, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")
    sample(schools_step, schools, progressbar=progressbar, quiet=False)
    shown = capsys.readouterr().out
    assert "Draws" in shown or "Progress" in shown, shown
    if progressbar in (True, "combined+stats"):
        for title in ("Divergences", "Step size", "Acceptance", "Grad evals"):
            assert title in shown


def test_progress_bars_of_pymc_ask_the_step(schools_step):
    bar = MCMCProgressBarManager(step_method=schools_step, chains=2, draws=5, tune=5, progressbar=True)
    assert bar.progress_stats["n_gradients"] == [0, 0]
    (update,) = bar.update_stats_functions
    stats = {"divergences": 1, "step_size": 0.5, "mean_tree_accept": 0.8, "n_gradients": 7, "energy": 1.0}
    assert update(stats) == {name: value for name, value in stats.items() if name != "energy"} | {"failing": True}


# Statistics.


def test_dtypes_and_shapes(sample, schools_step, schools):
    stats = sample(schools_step, schools).sample_stats
    kinds = {name: values.dtype.kind for name, values in stats.data_vars.items()}
    floats = ("energy", "energy_error", "max_energy_error", "lp", "acceptance_rate", "step_size", "step_size_bar")
    expected = dict.fromkeys([*floats, "n_steps"], "f") | dict.fromkeys(
        ["n_gradients", "divergences", "index_in_trajectory"], "i"
    )
    assert kinds.items() >= (expected | {"diverging": "b"}).items()
    assert all(values.dims == ("chain", "draw") for values in stats.data_vars.values())
    assert np.all(np.isfinite(stats["energy"]))


def test_plain_python_numbers(unconstrained, schools_step, schools):
    # For callbacks, and for the progress bar.
    _, stats = unconstrained(schools_step, schools)
    types = {name: type(value) for name, value in stats[-1].items()}
    assert types["diverging"] is bool
    assert types["n_gradients"] is types["divergences"] is types["index_in_trajectory"] is int
    assert types["energy"] is float


@pytest.fixture(scope="module")
def rough(schools, unconstrained):
    """Steps so long that many proposals are refused."""
    step = ps.HMC(model=schools, step_size=1.1, metric="identity", trajectory=ps.FixedTime(time=5.0))
    return unconstrained(step, schools, draws=300)


def test_log_density_is_that_of_the_stored_draw(rough, schools_step):
    points, stats = rough
    exact = [schools_step.target(schools_step.target.to_vector(point))[0] for point in points]
    np.testing.assert_allclose([s["model_logp"] for s in stats], exact, rtol=1e-10)


def test_log_density_agrees_with_the_model(rough, schools):
    points, stats = rough
    logp = schools.compile_logp()
    for point, s in zip(points[::20], stats[::20], strict=True):
        assert s["model_logp"] == pytest.approx(logp(point), rel=1e-10)


def test_refused_proposals(rough):
    points, stats = rough
    moved = np.array([True] + [bool(np.any(b["theta"] != a["theta"])) for a, b in itertools.pairwise(points)])
    chain_starts = [0, len(points) // 2]
    moved[chain_starts] = True
    error = np.array([s["energy_error"] for s in stats])
    index = np.array([s["index_in_trajectory"] for s in stats])
    assert 50 < (~moved).sum() < len(moved) - 50
    assert np.all(error[~moved] == 0)
    assert np.all(index[~moved] == 0)
    inner = np.delete(np.arange(len(points)), chain_starts)
    assert np.all(error[inner][moved[inner]] != 0)
    assert np.all(index[inner][moved[inner]] > 0)


def test_energy_is_kinetic_plus_potential(rough, schools_step):
    _, stats = rough
    energy, error, logp = (np.array([s[name] for s in stats]) for name in ("energy", "energy_error", "model_logp"))
    assert np.all(energy + logp > 0)
    # The momentum that a trajectory starts with is standard normal, wherever it starts, accepted or not.
    before = np.concatenate([[np.nan], logp[:-1]])
    kinetic = np.delete(energy - error + before, [0, len(stats) // 2])
    assert kstest(2 * kinetic, chi2(schools_step.target.dim).cdf).pvalue > 0.001


def test_acceptance_and_largest_error(rough):
    for s in rough[1]:
        assert 0 <= s["mean_tree_accept"] <= 1
        if s["energy_error"]:
            assert s["mean_tree_accept"] == pytest.approx(min(1, np.exp(-s["energy_error"])))
        if not s["diverging"]:
            assert abs(s["max_energy_error"]) >= abs(s["energy_error"])
            assert s["n_gradients"] >= s["tree_size"] > 0


@pytest.mark.parametrize("integrator", ["leapfrog", "yoshida4", "pefrl"])
def test_every_gradient_is_counted(integrator, unconstrained, normal_model, monkeypatch):
    step = ps.HMC(
        model=normal_model, integrator=integrator, trajectory=ps.FixedTime(), compile_kwargs={"mode": "FAST_COMPILE"}
    )
    calls, evaluate = [], CompiledGraph.__call__
    monkeypatch.setattr(CompiledGraph, "__call__", lambda self, q: calls.append(q) or evaluate(self, q))
    _, stats = unconstrained(step, normal_model, chains=1, tune=100)
    assert sum(s["n_gradients"] for s in stats) == len(calls)
    after = stats[105:]
    # a scheme that begins with a drift needs a gradient of its own at the end
    extra = 0 if step.settings.integrator.kick_first else 1
    for s in after:
        assert s["n_gradients"] == s["tree_size"] * step.settings.integrator.stages + extra


def test_divergences_are_counted_after_warm_up(unconstrained, schools):
    step = ps.HMC(model=schools, step_size=3.0, metric="identity", max_energy_error=5.0)
    with pytest.warns(UserWarning, match="first 20 draws after warm-up diverge"):
        _, stats = unconstrained(step, schools, chains=1, tune=40)
    diverging = np.array([s["diverging"] for s in stats])
    assert diverging[:40].any()
    np.testing.assert_array_equal([s["divergences"] for s in stats], np.cumsum(diverging & (np.arange(70) >= 40)))


@pytest.fixture(scope="module")
def funnel(sample):
    with pm.Model() as model:
        scale = pm.Normal("scale", 0.0, 3.0)
        pm.Normal("x", 0.0, pm.math.exp(scale / 2), shape=9)
    step = ps.HMC(model=model, step_size=0.5, metric="identity", max_energy_error=10.0)
    return sample(step, model, draws=200, chains=4, random_seed=2), model


def test_arviz_reads_the_statistics(funnel):
    idata, _ = funnel
    energies = idata.sample_stats["energy"].to_numpy()
    expected = np.square(np.diff(energies)).mean(axis=1) / energies.var(axis=1)
    np.testing.assert_allclose(az.bfmi(idata)["energy"], expected, rtol=0.02)
    with matplotlib.rc_context({"backend": "Agg"}):
        az.plot_energy(idata, backend="matplotlib")
        matplotlib.pyplot.close("all")


def test_convergence_checks_read_the_statistics(funnel):
    idata, model = funnel
    messages = [warning.message for warning in run_convergence_checks(idata, model)]
    assert idata.sample_stats["diverging"].sum() > 1
    assert any("divergences after tuning" in message for message in messages)
    assert any("rhat" in message for message in messages)
