"""Runs whose draws go by a surrogate of the log-density."""

import json
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.state import KEPT
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

from . import assert_same_draws, pymc_run, run

TUNE = 400
ARGUMENTS = {"trajectory": "surrogate", "tune": TUNE, "draws": 60, "discard_tuned_samples": False}
POLICY = replace(ps.Policy(), surrogate_rounds=(50, 50), surrogate_most=200)  # enough in so few dimensions


def chosen(idata):
    return json.loads(idata.posterior.attrs["sampler"])["chains"]


@pytest.fixture(scope="module")
def first(rich_model):
    return run(rich_model, **ARGUMENTS, policy=POLICY)


@pytest.fixture(scope="module")
def target(rich_model):
    return LogDensity(model=rich_model)


def chain_on(target, tune=TUNE, open_ended=False, seed=5, trajectory="surrogate", **policy):
    settings = Settings.choose(trajectory=trajectory, policy=replace(POLICY, **policy))
    return Chain(target, settings, np.random.default_rng(seed), tune, open_ended)


def started(target, **options):
    chain = chain_on(target, **options)
    chain.start(target.default_start)
    return chain


# What a run is.


def test_draws_after_warm_up_cost_values_alone(first):
    stats, warmup = first.sample_stats, first.warmup_sample_stats
    assert (stats["n_gradients"] == 0).all()
    assert set(np.unique(stats["n_values"])) <= {0, 1, 2}
    assert (stats["n_values"].mean() > 0.9) and (stats["acceptance_rate"].mean() > 0.8)
    assert (warmup["n_gradients"].sum("draw") > 100).all()
    assert not stats["diverging"].any()
    assert np.isfinite(stats["energy"]).all()


def test_what_was_chosen_is_said(rich_model, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        idata = run(rich_model, **{**ARGUMENTS, "quiet": False, "chains": 2, "policy": POLICY, "draws": 5})
    for chain in chosen(idata):
        assert chain["trajectory"] == "surrogate"
        assert chain["surrogate"].startswith("polynomial of degree")
        assert 0.5 < chain["predicted"] <= 1
        assert len(chain["surrogate_rounds"]) >= 2
        assert "reason" not in chain
    (message,) = [message for message in caplog.messages if message.startswith("Chosen in warm-up")]
    assert "surrogate, a polynomial of degree" in message
    assert "to a value" in message


def test_the_posterior_is_that_of_quadrature(rich_model):
    idata = run(rich_model, **{**ARGUMENTS, "draws": 1500, "policy": POLICY})
    slope, log_sigma = np.meshgrid(np.linspace(-4, 5, 400), np.linspace(-6, 2.5, 400), indexing="ij")
    sigma, x, y = np.exp(log_sigma), np.array([-1.0, 0.5, 2.0]), np.array([-0.8, 0.6, 1.7])
    log_density = -0.5 * slope**2 - 0.5 * sigma**2 + log_sigma - 3 * log_sigma
    log_density -= 0.5 * ((y - slope[..., None] * x) ** 2).sum(axis=-1) / sigma**2
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    for name, values in {"slope": slope, "sigma": sigma}.items():
        draws = idata.posterior[name].to_numpy()
        mean = (weights * values).sum()
        sd = np.sqrt((weights * (values - mean) ** 2).sum())
        assert abs(draws.mean() - mean) < 0.12 * sd
        assert draws.std() == pytest.approx(sd, rel=0.15)
        below = (weights * (values < mean - sd)).sum()
        assert (draws < mean - sd).mean() == pytest.approx(below, abs=0.03)


@pytest.mark.parametrize(
    ("seconds", "options", "told"),
    [
        (0, {}, True),
        (9.0, {}, False),
        (0, {"trajectory": "no_u_turn"}, False),
        (0, {"kinetic": "adaptive"}, False),
    ],
)
def test_where_one_is_worth_a_try_a_run_says_so(rich_model, seconds, options, told, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        run(rich_model, quiet=False, chains=2, policy=replace(POLICY, surrogate_told=(12, seconds)), **options)
    hints = [message for message in caplog.messages if "trajectory='surrogate' may be" in message]
    assert len(hints) == told
    assert all("there are 2 parameters" in hint for hint in hints)


# One seed, one result.


def test_draws_are_the_same_on_threads_and_by_pymc(rich_model, first, threads):
    assert_same_draws(run(rich_model, **ARGUMENTS, policy=POLICY, cores=3), first)
    assert_same_draws(run(rich_model, **ARGUMENTS, policy=POLICY, executor=threads), first)
    options = {name: ARGUMENTS[name] for name in ("tune", "draws", "discard_tuned_samples")}
    starts = [{"slope": 0.5, "sigma": 1.0}] * 2
    step = ps.HMC(model=rich_model, trajectory="surrogate", policy=POLICY)
    expected = pymc_run(rich_model, step, **options, initvals=starts, chains=2)
    assert_same_draws(run(rich_model, **ARGUMENTS, policy=POLICY, initvals=starts, chains=2), expected)


def test_a_stored_run_goes_on_to_the_same_draws(rich_model, first, tmp_path):
    path = tmp_path / "run.zarr"
    run(rich_model, **{**ARGUMENTS, "draws": 20}, policy=POLICY, store=path)
    assert_same_draws(run(rich_model, **ARGUMENTS, policy=POLICY, store=path), first)


@pytest.mark.parametrize("tune", [TUNE, 30])
def test_a_chain_goes_on_from_wherever_it_was(target, tune):
    whole = started(target, tune=tune)
    draws, rows = whole.advance(TUNE + 40)
    states = set()
    for count in (5, 20, 60, 90, 130, 155, 190, 260, TUNE + 10):
        before = started(target, tune=tune)
        before.advance(count)
        snapshot = before.snapshot()
        states.add(snapshot["surrogate"]["state"])
        after = chain_on(target, tune=tune, seed=99)
        after.restore(snapshot)
        again, rows_again = after.advance(TUNE + 40 - count)
        np.testing.assert_array_equal(again, draws[count:])
        np.testing.assert_array_equal(rows_again, rows[count:])
        assert after.choice == whole.choice
    assert states == ({"waits", "learns", "proves", "holds"} if tune == TUNE else {"waits", "refused"})


# What another run has learned.


def test_what_was_learned_is_drawn_by_at_once(rich_model, first, tmp_path):
    learned = ps.learned(first)
    learned.save(tmp_path / "learned")
    for one in (learned, ps.Learned.load(tmp_path / "learned")):
        idata = run(rich_model, tune=0, draws=100, chains=2, learned=one)
        assert all(chain["trajectory"] == "surrogate" for chain in chosen(idata))
        assert idata.sample_stats["n_gradients"].sum() <= 2
        assert idata.sample_stats["acceptance_rate"].mean() > 0.8


def test_the_learned_force_is_there_to_be_looked_at(rich_model, first, target):
    draws = first.posterior.isel(chain=0)
    places = np.stack([draws["slope"], np.log(draws["sigma"])], axis=-1)
    values, gradients = zip(*map(target, places), strict=True)
    chain = ps.learned(first).chains[0]
    learned, slopes = chain.surrogate.at(places)
    assert np.median(abs(learned - values)) < 0.05
    assert np.median(abs(slopes - gradients)) < 0.1 * np.std(gradients)
    assert replace(chain, density=None).surrogate is None


def test_what_was_learned_proves_itself_where_there_is_a_warm_up(rich_model, first):
    idata = run(rich_model, tune=None, draws=20, chains=2, learned=ps.learned(first), discard_tuned_samples=False)
    assert all(len(chain["surrogate_rounds"]) == 1 for chain in chosen(idata))
    assert idata.warmup_sample_stats["n_gradients"].sum() < 40


def test_what_does_not_hold_any_more_is_learned_anew(first):
    with pm.Model() as other:
        slope = pm.Normal("slope", 0.0, 1.0)
        sigma = pm.HalfNormal("sigma", 1.0)
        x = np.linspace(-1, 2, 40)
        pm.Normal("y", 0.8 * x + slope * x**2, sigma, observed=0.5 * x + 0.3 * np.sin(9 * x))
    idata = run(other, tune=TUNE, draws=50, chains=2, learned=ps.learned(first))
    assert (idata.sample_stats["acceptance_rate"].mean("draw") > 0.6).all()
    assert all(len(chain["surrogate_rounds"]) > 1 or chain["trajectory"] != "surrogate" for chain in chosen(idata))


# Giving up.


@pytest.mark.parametrize("open_ended", [False, True])
@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"surrogate_begin": 1.1, "surrogate_least": 1.1}, "accepted with a probability"),
        ({"surrogate_kept": -1.0, "surrogate_good": 1.1}, "had been predicted"),
        ({"surrogate_tests": 10_000}, "too few"),
    ],
)
def test_a_surrogate_that_does_not_prove_itself_is_given_up(target, policy, reason, open_ended):
    chain = started(target, open_ended=open_ended, **policy)
    chain.advance(TUNE)
    assert reason in chain.choice["surrogate_reason"]
    assert "surrogate" not in chain.choice
    _, rows = chain.advance(200)
    assert rows[:, column.N_VALUES].sum() == 0
    assert rows[:, column.N_GRADIENTS].min() >= 1
    assert rows[:, column.MEAN_TREE_ACCEPT].mean() > 0.6
    assert np.isfinite(chain.snapshot()["trail"] is None)


def test_all_points_are_remembered_in_the_rounds(target):
    chain = started(target)
    kept = 0
    while not chain.snapshot()["surrogate"]["rounds"]:
        _, rows = chain.advance(1)
        state = chain.snapshot()
        if state["surrogate"]["state"] == "learns" and not state["surrogate"]["rounds"]:
            now = int(state["trail"]["counters"][KEPT])
            assert rows[0, column.N_GRADIENTS] == now - kept or not kept
            kept = now
    assert kept > 0


def test_other_coordinates_and_temperatures_are_served():
    effects = np.random.default_rng(3).normal(1.0, 1.5, 6)
    with pm.Model() as model:
        tau = pm.HalfNormal("tau", 1.0)
        theta = pm.Normal("theta", 0.0, tau, shape=6)
        pm.Normal("obs", theta, 0.4, observed=effects)
    for options in ({"parametrization": "noncentered"}, {"temperature": 2.0}):
        idata = run(model, **{**ARGUMENTS, "chains": 2, "draws": 200, "policy": POLICY, **options})
        values = idata.sample_stats["n_values"].sum() > 0
        assert values or all("surrogate_reason" in chain for chain in chosen(idata))
        again = idata.posterior.isel(draw=-1, chain=0)
        density = model.compile_logp()({"tau_log__": np.log(again["tau"].item()), "theta": again["theta"].to_numpy()})
        assert idata.sample_stats["lp"].to_numpy()[0, -1] == pytest.approx(float(density), rel=1e-8)


# What cannot be served is refused before anything is sampled.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinetic": "relativistic"}, "Gaussian kinetic energy alone"),
        ({"kinetic": "adaptive"}, "Gaussian kinetic energy alone"),
        ({"integrator": "implicit_midpoint"}, "explicit"),
        ({"refreshment": ps.Partial(0.5)}, "all of the momentum anew"),
        ({"step_size": 0.3}, "step_size=0.3 would mean nothing"),
        ({"target_accept": 0.9}, "target_accept=0.9 would mean nothing"),
    ],
)
def test_what_does_not_go_with_it_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Settings.choose(trajectory="surrogate", **options)


def test_without_a_warm_up_there_is_nothing_to_draw_by(rich_model):
    with pytest.raises(ValueError, match="tune=0 leaves no draws"):
        run(rich_model, trajectory="surrogate", tune=0)
    step = ps.HMC(model=rich_model, trajectory="surrogate")
    with pytest.raises(ValueError, match="tune=5 leaves no draws"):
        pymc_run(rich_model, step, tune=5, chains=1)


def test_too_many_parameters_and_too_many_features_are_refused():
    with pm.Model() as wide:
        pm.Normal("x", shape=21)
    with pytest.raises(ValueError, match="up to 20 unconstrained parameters, and there are 21"):
        run(wide, trajectory="surrogate")
    with pm.Model() as narrower:
        pm.Normal("x", shape=12)
    with pytest.raises(ValueError, match="polynomial of degree 5 in 12 parameters has 6187 terms"):
        run(narrower, trajectory=ps.Surrogate(degree=5))


@pytest.mark.parametrize(
    "wrong", [{"time": 0.0}, {"time": np.inf}, {"jitter": 1.5}, {"repeats": 0}, {"degree": 1}, {"degree": 2.5}]
)
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        ps.Surrogate(**wrong)


def test_what_is_asked_for_is_kept_to(target):
    chain = started(target, trajectory=ps.Surrogate(time=1.2, jitter=0.2, repeats=3, degree=5))
    chain.advance(TUNE)
    asked = {"time": 1.2, "jitter": 0.2, "repeats": 3, "surrogate": "polynomial of degree 5"}
    assert {name: chain.choice[name] for name in asked} == asked
