"""Messages about arguments that cannot be meant: before anything is drawn, by name, and with what to do about it."""

import inspect
import re

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.run import conversion
from pymc_symplectic.run.conversion import Conversion
from pymc_symplectic.run.runner import Runner
from pymc_symplectic.starts import positions
from pymc_symplectic.target import LogDensity

from . import pymc_run, run


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"draws": 0}, ValueError, "draws must be a positive integer, got 0"),
        ({"draws": -1}, ValueError, "draws must be a positive integer, got -1"),
        ({"draws": 1.5}, ValueError, "draws must be a positive integer, got 1.5"),
        ({"draws": float("nan")}, ValueError, "draws must be a positive integer, got nan"),
        ({"draws": "10"}, TypeError, "draws must be a number, got '10'"),
        ({"draws": None}, TypeError, "draws must be a number, got None"),
        ({"draws": True}, TypeError, "draws must be a number, got True"),
        ({"draws": np.inf}, ValueError, "draws must be at most 1000000000000, got inf"),
        ({"chains": 10**7}, ValueError, "chains must be at most 100000, got 10000000"),
        ({"thin": 10**12}, ValueError, "thin must be at most 1000000, got 1000000000000"),
        ({"tune": -1}, ValueError, "tune must be an integer of at least 0, got -1"),
        ({"chains": 0}, ValueError, "chains must be a positive integer, got 0"),
        ({"chains": 2.5}, ValueError, "chains must be a positive integer, got 2.5"),
        ({"cores": 0}, ValueError, "cores must be a positive integer, got 0"),
        ({"random_seed": -1}, ValueError, "random_seed must not be negative, got -1"),
        ({"random_seed": np.random.RandomState(1)}, TypeError, "Random"),
        ({"random_seed": 1.5}, TypeError, ""),
        (
            {"initvals": {"nix": 1.0}},
            ValueError,
            r"initvals: the model has no free variable 'nix'; it has slope, sigma",
        ),
        ({"initvals": {"y": np.ones(3)}}, ValueError, "initvals: the model has no free variable 'y'"),
        ({"initvals": {"slope": [1.0, 2.0]}}, (ValueError, TypeError), ""),
        ({"initvals": {"slope": np.nan}}, ValueError, "initvals: slope must be finite, got nan"),
        ({"initvals": {"sigma": np.inf}}, ValueError, "initvals: sigma must be finite, got inf"),
        (
            {"initvals": {"sigma": -1.0}},
            ValueError,
            r"initvals: sigma = -1 is outside the support of its prior HalfNormal\(0, 1\): it must be positive",
        ),
        ({"initvals": {"slope": "nonsense"}}, ValueError, "nonsense.*support_point"),
        ({"initvals": [{}, {}, {}]}, ValueError, "initvals: there are 3 entries for 4 chains; give one for each"),
        ({"initvals": []}, ValueError, "initvals: there are 0 entries for 4 chains"),
        ({"initvals": 5}, TypeError, "initvals must be a dictionary of names and values, or one for each chain, got 5"),
        ({"initvals": [{}, {}, {}, 3]}, TypeError, "initvals must be a dictionary .* got 3"),
        ({"integratr": "leapfrog"}, TypeError, r"unknown option 'integratr'; .*Did you mean 'integrator'\?"),
        ({"step": "hmc"}, TypeError, r"no option 'step' here; .*ps\.sample\(integrator=.*pm\.sample\(step=ps\.HMC"),
        ({"stpe_size": 0.1}, TypeError, r"unknown option 'stpe_size'; .*Did you mean 'step_size'\?"),
        ({"chain": 4}, TypeError, r"unknown option 'chain'; .*Did you mean 'chains'\?"),
        ({"integrator": "leapfrg"}, ValueError, "leapfrog"),
        ({"metric": np.ones(7)}, ValueError, "metric"),
        ({"executor": 4}, TypeError, r"executor must be a concurrent\.futures\.Executor, got 4"),
        ({"var_names": ["nix"]}, ValueError, "var_names: the model has no variable 'nix'; it has .*slope.*mean"),
        ({"var_names": ["y"]}, ValueError, "var_names: the model has no variable 'y'"),
        ({"var_names": []}, ValueError, "var_names"),
        ({"progressbar": "nonsense", "quiet": False}, ValueError, "progressbar"),
        ({"compile_kwargs": {"nix": 1}}, TypeError, "nix"),
        ({"compile_kwargs": "JAX"}, TypeError, "compile_kwargs must be a dictionary, .* got 'JAX'"),
        ({"compile_kwargs": {"mode": "nix"}}, ValueError, "compile_kwargs: mode must be one of PyTensor's, .*'nix'"),
        ({"idata_kwargs": {"nix": 1}}, TypeError, "nix"),
        ({"quiet": "no"}, TypeError, "quiet must be True or False, got 'no'"),
        ({"discard_tuned_samples": "no"}, TypeError, "discard_tuned_samples must be True or False, got 'no'"),
        ({"compute_convergence_checks": None}, TypeError, "compute_convergence_checks must be True or False, got None"),
        ({"callback": 3}, TypeError, "callback must be a function of one argument, the run, got 3"),
        (
            {"callback": divmod},
            TypeError,
            r"of one argument, .*this takes \(x, y, /\)",
        ),
        ({"initvals": np.zeros(4)}, TypeError, r"initvals must be a dictionary .* got np\.float64\(0\.0\)"),
        ({"initvals": [{}, {}, {}, False]}, TypeError, "initvals must be a dictionary .* got False"),
        ({"initvals": {"slope": ...}}, ValueError, "initvals: slope cannot be what the model begins at"),
    ],
    ids=lambda value: re.sub(" at 0x[0-9A-Fa-f]+", "", str(value)) if isinstance(value, dict) else "",
)
def test_named_in_the_message(arguments, error, words, rich_model):
    with pytest.raises(error, match=words):
        run(rich_model, **arguments)


def test_an_integer_beyond_all_floats(rich_model):
    with pytest.raises(ValueError, match="draws must be at most 1000000000000, got 1000"):
        run(rich_model, draws=10**400)


def test_nothing_is_drawn_before_arguments_are_checked(rich_model, monkeypatch, tmp_path):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it draws"))
    for arguments in (
        {"idata_kwargs": {"nix": 1}},
        {"progressbar": "nonsense", "quiet": False},
        {"var_names": ["nix"]},
    ):
        with pytest.raises((TypeError, ValueError)):
            run(rich_model, store=tmp_path / "r", **arguments)
        assert not list(tmp_path.iterdir()), arguments
        with pytest.raises((TypeError, ValueError)):
            run(rich_model, **arguments)


@pytest.fixture(scope="module")
def one_draw(rich_model):
    target = LogDensity(model=rich_model)
    return RecordedVariables(target), target.default_start


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"coords": {"place": ["a", "b"]}}, ValueError, "coords cannot be those of its variables.*'place'"),
        ({"coords": {"place": 3}}, ValueError, "coords cannot be"),
        ({"coords": {"place": [[1, 2], [3, 4], [5, 6]]}}, ValueError, "coords cannot be"),
        ({"coords": {"place": {"a": 1}}}, TypeError, "coords cannot be"),
        ({"coords": {"draw": range(25)}}, ValueError, "coords of draw come with the draws"),
        ({"coords": ["place"]}, TypeError, r"coords must be a dictionary, got \['place'\]"),
        ({"dims": {"mean": ["a", "b"]}}, ValueError, "dims cannot be those of its variables.*mean"),
        ({"dims": {"mean": "place"}}, ValueError, "dims cannot be"),
        ({"dims": {"slope": ["place"]}, "coords": {}}, ValueError, "dims cannot be"),
        ({"dims": {"mane": ["place"]}}, ValueError, "dims names mane, which the model does not have"),
        ({"dims": "place"}, TypeError, "dims must be a dictionary"),
        ({"log_likelihood": ["nope"]}, ValueError, "log_likelihood of 'nope' cannot be computed; it can of y"),
        ({"log_likelihood": ["slope"]}, ValueError, "log_likelihood of 'slope' cannot be computed; it can of y"),
        ({"log_likelihood": "nope"}, ValueError, "log_likelihood of 'nope' cannot be computed"),
        ({"log_likelihood": 3}, TypeError, "log_likelihood must be True, False or a sequence of names, got 3"),
        ({"log_prior": ["mean"]}, ValueError, "log_prior of 'mean' cannot be computed; it can of slope, sigma"),
        ({"save_warmup": "yes"}, TypeError, "save_warmup must be True or False, got 'yes'"),
        ({"include_transformed": 1}, TypeError, "include_transformed must be True or False, got 1"),
        ({"sample_dims": ["sample"]}, ValueError, r"sample_dims can only be \['chain', 'draw'\]"),
        ({"sample_dims": 5}, ValueError, "sample_dims can only be"),
        ({"prior": 5}, TypeError, "prior cannot be"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_results_are_made_with(arguments, error, words, rich_model, one_draw):
    with pytest.raises(error, match=f"^idata_kwargs: {words}"):
        Conversion(rich_model, arguments, None).template(*one_draw)


@pytest.mark.parametrize("arguments", [{"coords": {"place": ["a"]}}, {"log_likelihood": ["nope"]}], ids=str)
@pytest.mark.parametrize("stored", [False, True])
def test_what_results_are_made_with_is_checked_before_anything_is_drawn(
    arguments, stored, rich_model, monkeypatch, tmp_path
):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it draws"))
    store = {"store": tmp_path / "r"} if stored else {}
    with pytest.raises(ValueError, match=f"^idata_kwargs: {next(iter(arguments))}"):
        run(rich_model, idata_kwargs=arguments, **store)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["log_likelihood", "log_prior"])
def test_what_is_computed_of_variables_that_are_left_out(name, rich_model, monkeypatch):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it draws"))
    words = f"idata_kwargs: {name} is computed of all free variables, and var_names leaves slope, sigma out"
    with pytest.raises(ValueError, match=words):
        run(rich_model, var_names=["mean"], idata_kwargs={name: True})


def test_a_log_likelihood_that_fails_is_reported_before_anything_is_drawn(rich_model, monkeypatch):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it draws"))
    monkeypatch.setitem(conversion._COMPUTED, "log_likelihood", lambda *_, **__: 1 / 0)
    with pytest.raises(ValueError, match=r"idata_kwargs: log_likelihood cannot be computed \(ZeroDivisionError"):
        run(rich_model, idata_kwargs={"log_likelihood": True})


@pytest.mark.parametrize("stored", [False, True])
def test_coordinates_of_the_model_that_do_not_fit(stored, monkeypatch, tmp_path):
    monkeypatch.setattr(Runner, "on_threads", lambda *_: pytest.fail("it draws"))
    with pm.Model(coords={"place": ["a", "b"]}) as model:
        pm.Deterministic("d", pm.Normal("x", shape=3) + 1, dims="place")
    store = {"store": tmp_path / "r"} if stored else {}
    with pytest.raises(ValueError, match=r"the coords and dims of the model cannot be those of its variables .*place"):
        run(model, **store)
    assert not list(tmp_path.iterdir())


def test_discrete_variables_come_with_how_to_be_sampled(mixed_model):
    with pytest.raises(TypeError, match=r"k is discrete.*pm\.sample\(step=\[ps\.HMC\(vars=\[x, z, w\]\)\]\)"):
        run(mixed_model)


def test_without_free_variables():
    with pm.Model() as model:
        pm.Normal("y", observed=1.0)
    with pytest.raises(ValueError, match="no free continuous variable"):
        run(model)


def test_without_a_model():
    with pytest.raises(TypeError, match=r"[Nn]o model on context stack"):
        ps.sample(10)


@pytest.mark.parametrize(
    "initvals",
    [
        {"slope": 0.3},
        {"slope": "prior"},
        {"sigma_log__": 0.2},
        {"slope": None},
        [None] * 4,
        ({"slope": 1.0}, {}, None, {"sigma": 2.0}),
    ],
    ids=str,
)
def test_initvals_as_pymc_takes_them(initvals, rich_model):
    idata = run(rich_model, initvals=initvals, draws=1, tune=0, step_size=1e-9)
    first = idata.posterior["slope"][:, 0].to_numpy()
    if isinstance(initvals, dict) and initvals.get("slope") == 0.3:
        np.testing.assert_allclose(first, 0.3, atol=1e-6)
    if isinstance(initvals, tuple):
        assert first[0] == pytest.approx(1.0, abs=1e-6)
        assert idata.posterior["sigma"][3, 0] == pytest.approx(2.0, abs=1e-6)
        assert len(np.unique(first)) == 4


def test_initvals_by_variables_of_the_model(rich_model):
    idata = run(rich_model, initvals={rich_model["slope"]: 0.3}, draws=1, tune=0, step_size=1e-9)
    np.testing.assert_allclose(idata.posterior["slope"], 0.3, atol=1e-6)


@pytest.fixture(scope="module")
def supports():
    """A log-density with a variable of each kind of support, and what is derived from one."""
    with pm.Model() as model:
        u = pm.Uniform("u", 0, 1)
        pm.Deterministic("twice", 2 * u)
        pm.HalfNormal("scale", 2.0)
        pm.Dirichlet("shares", np.ones(3))
        pm.Normal("cuts", 0, 1, shape=3, transform=pm.distributions.transforms.ordered, initval=[-1, 0, 1])
        pm.ZeroSumNormal("contrast", shape=3)
        pm.TruncatedNormal("above", mu=u, sigma=1, lower=0)
        pm.VonMises("angle", 0, 1)
        pm.Uniform("hard", 0, 1, shape=2, default_transform=None)
    return LogDensity(model=model, compile_kwargs={"mode": "FAST_COMPILE"})  # where nothing is drawn


def start_at(target, initvals):
    (start,) = positions(target, initvals, [np.random.default_rng(1)])
    return target.to_point(start)


@pytest.mark.parametrize(
    ("initvals", "words"),
    [
        ({"u": 5}, r"u = 5 is outside the support of its prior Uniform\(0, 1\): .*strictly between the bounds"),
        ({"u": 0.0}, "u = 0 is outside"),
        ({"scale": -2}, "scale = -2 is outside .*: it must be positive"),
        ({"shares": [1, 1, 1]}, r"shares = \[1, 1, 1\] is outside .*: its entries must be positive and sum to 1"),
        ({"cuts": [0.0, 2.0, 1.0]}, r"cuts.* is outside .*: its entries must increase"),
        ({"contrast": [1, 2, 3]}, r"contrast = \[1, 2, 3\] is outside .*: its entries must sum to 0"),
        ({"above": -1}, "above = -1 is outside"),
        ({"angle": 4}, "angle = 4 is outside .*: it must lie between -π and π"),
        ({"hard": [0.5, 3.0]}, r"hard\[1\] = 3 is outside the support of its prior Uniform\(0, 1\)"),
        ({"scale_log__": 800.0}, "scale_log__ = 800 makes inf of scale"),
        ({"u": 0.3, "u_interval__": 2.0}, "u = 0.3 and u_interval__ = 2 are different starts of one variable"),
        ({"twice": 1.0, "thrice": 1.0}, "the model has no free variable 'thrice'; it has u, scale"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_start_outside_of_a_support(initvals, words, supports):
    with pytest.raises(ValueError, match=f"^initvals: {words}"):
        start_at(supports, initvals)


def test_start_as_find_map_returns_it(supports):
    """In both spaces, with what is derived, and where it is too near to a bound for numbers in its own space."""
    point = {
        "u": np.array(1.0),
        "u_interval__": np.array(40.0),
        "twice": np.array(2.0),
        "cuts": np.array([-1.0, -1.0, 0.0]),
        "cuts_ordered__": np.array([-1.0, -60.0, 0.0]),
        "shares": np.array([0.2, 0.3, 0.5]),
        "contrast": [1.0, -1.0, 0.0],
        "hard": [0.2, 0.9],
    }
    start = start_at(supports, point)
    assert start["u_interval__"] == 40.0
    np.testing.assert_array_equal(start["cuts_ordered__"], point["cuts_ordered__"])
    np.testing.assert_array_equal(start["hard"], point["hard"])
    np.testing.assert_allclose(start["shares_simplex__"], np.log([0.2, 0.3]) - np.log([0.2, 0.3, 0.5]).mean())


def test_start_in_unconstrained_space_of_variables_whose_bounds_move():
    """What PyMC refuses: the numbers are the start, and others begin by what they are in their variables' own space."""
    with pm.Model() as model:
        low = pm.Uniform("low", 0, 1)
        middle = pm.Uniform("middle", low, 1)
        pm.Uniform("high", middle, 1)
        pm.Normal("scaled", 1000 * middle)
    target = LogDensity(model=model, compile_kwargs={"mode": "FAST_COMPILE"})
    given = {"middle_interval__": 0.0, "high_interval__": -3.0}
    start = start_at(target, given)
    assert {name: start[name] for name in given} == given
    assert start["scaled"] == pytest.approx(750, abs=1)
    start = start_at(target, {"low": 0.6, "middle": 0.7, "middle_interval__": np.log(0.1 / 0.3)})  # as by find_MAP
    assert start["low_interval__"] == pytest.approx(np.log(0.6 / 0.4))
    with pytest.raises(ValueError, match=r"middle = 0.7 and middle_interval__ = 0 are different starts"):
        start_at(target, {"low": 0.6, "middle": 0.7, "middle_interval__": 0.0})


def test_starts_at_other_numbers_of_unconstrained_space_compile_nothing(supports, monkeypatch):
    start_at(supports, {"u_interval__": 0.2, "scale_log__": 0.0, "cuts": "prior"})
    monkeypatch.setattr("pytensor.function", lambda *_, **__: pytest.fail("something was compiled"))
    monkeypatch.setattr(
        "pymc_symplectic.target.given.make_initial_point_fn", lambda **_: pytest.fail("it was compiled")
    )
    several = [{"u_interval__": u, "scale_log__": 10 * u, "cuts": "prior"} for u in (0.3, 0.4)]
    rngs = [np.random.default_rng(1), np.random.default_rng(1)]
    for given, start in zip(several, positions(supports, several, rngs), strict=True):
        found = supports.to_point(start)
        assert {name: found[name] for name in ("u_interval__", "scale_log__")} == {
            name: given[name] for name in ("u_interval__", "scale_log__")
        }
    with pytest.raises(ValueError, match=r"^initvals: scale_log__ = 800 makes inf"):
        start_at(supports, {"u_interval__": 0.2, "scale_log__": 800.0, "cuts": "prior"})


def test_initvals_by_find_map(rich_model):
    point = pm.find_MAP(model=rich_model, progressbar=False)
    assert {"mean", "largest", "sigma", "sigma_log__"} <= point.keys()
    idata = run(rich_model, initvals=point, draws=1, tune=0, step_size=1e-9)
    np.testing.assert_allclose(idata.posterior["sigma"], point["sigma"], rtol=1e-6)


def test_the_models_own_start_outside_of_a_support():
    with pm.Model() as model:
        pm.Uniform("u", 0, 1, initval=3)
    for call in (run, ps.initial_points):
        with pytest.raises(ValueError, match=r"^initval: u = 3 is outside the support of its prior Uniform\(0, 1\)"):
            call(model)


def test_arguments_of_pymc_that_are_none_of_ours(rich_model):
    """Each is distinguished from a mistyped option, and where it can be used."""
    theirs = {name for name in inspect.signature(pm.sample).parameters if name != "kwargs"} | {"nuts"}
    missing = theirs - inspect.signature(ps.sample).parameters.keys()
    assert {"step", "mp_ctx", "init", "nuts_sampler", "trace", "n_init"} <= missing
    for name in missing - {"step"}:
        words = rf"there is no option '{name}' here; .* pm\.sample\(step=ps\.HMC\(\.\.\.\), {name}=\.\.\.\)$"
        with pytest.raises(TypeError, match=words):
            ps.sample(model=rich_model, **{name: None})
    for name in ("vars", "rng", "initial_point", "blocked"):
        with pytest.raises(TypeError, match=rf"there is no option '{name}' here; .*step=ps\.HMC\({name}=\.\.\.\)"):
            ps.sample(model=rich_model, **{name: None})


def test_a_warm_up_too_short_to_learn_anything(rich_model):
    with pytest.warns(UserWarning, match="With tune=0 nothing is adapted: the step size and the metric") as caught:
        run(rich_model, tune=0, draws=2, chains=1)
    assert caught[0].filename == run.__code__.co_filename  # where it was called
    step = ps.HMC(model=rich_model)
    with pytest.warns(UserWarning, match="With tune=5 nothing is adapted"):
        pymc_run(rich_model, step, tune=5, draws=2, chains=1)


def test_defaults_are_those_of_pymc():
    ours, theirs = (inspect.signature(function).parameters for function in (ps.sample, pm.sample))
    for name in ours.keys() & theirs.keys() - {"tune", "kwargs"}:  # its None is 1000
        assert ours[name].default == theirs[name].default, name


def test_chains_by_default_are_as_many_as_cores_but_at_least_two(rich_model):
    for cores, chains in ((1, 2), (2, 2), (3, 3)):
        assert run(rich_model, cores=cores, chains=None).posterior.sizes["chain"] == chains
