"""A run that begins from what another one has learned: the same everywhere, of this model alone, and right."""

import json
import logging
import re
from dataclasses import replace
from itertools import count

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels.linear import DiagonalMap
from pymc_symplectic.run.control import Control
from pymc_symplectic.settings import Settings
from pymc_symplectic.store import Store, StoreError
from pymc_symplectic.target import kept_log_density

from . import SHORT, assert_same_draws, run

QUIET = {name: SHORT[name] for name in ("progressbar", "quiet", "compute_convergence_checks")}


def new_model(effects=(1.0, -0.5, 2.0, 0.3)):
    """A hierarchy as one writes it, with weights to learn."""
    with pm.Model() as model:
        y = pm.Data("y", np.array(effects))
        mu = pm.Normal("mu", 0.0, 2.0)
        tau = pm.HalfNormal("tau", 1.0)
        theta = pm.Normal("theta", mu, tau, shape=len(effects))
        pm.Normal("obs", theta, 1.0, observed=y)
    return model


@pytest.fixture(scope="module")
def model():
    return new_model()


@pytest.fixture(scope="module")
def first(model):
    """A run whose warm-up has ended by itself."""
    return run(model, draws=200, tune=None, chains=3)


@pytest.fixture(scope="module")
def learned(first):
    return ps.learned(first)


@pytest.fixture(scope="module")
def normal(normal_model):
    """What has been learned of a normal with mean 1.5 and variance 1/4."""
    return ps.learned(run(normal_model, tune=None, draws=100, chains=2))


def chosen(idata):
    return json.loads(idata["posterior"].attrs["sampler"])["chains"]


def changed(learned, **parts):
    return ps.Learned(learned.variables, learned.options, [replace(learned.chains[0], **parts)])


def test_what_is_learned_is_what_chains_have_come_to(first, learned, model):
    assert list(learned.variables.items()) == [("mu", ()), ("tau_log__", ()), ("theta", (4,))]
    told = chosen(first)
    for i, chain in enumerate(learned.chains):
        last = first["posterior"].isel(chain=i, draw=-1)
        expected = [last["mu"], np.log(last["tau"]), *last["theta"]]
        np.testing.assert_allclose(chain.position, np.array(expected, float), rtol=1e-12)
        assert chain.step_size == told[i]["step_size"] and chain.choice["centered"] == told[i]["centered"]
        assert chain.integrator == told[i]["integrator"]


def test_a_store_knows_it_too(model, learned, tmp_path):
    arguments = {"draws": 200, "tune": None, "chains": 3, "store": tmp_path / "run.zarr"}
    stored = run(model, **arguments)
    opened = ps.open_run(tmp_path / "run.zarr")
    assert {ps.learned(source).digest for source in (stored, opened, tmp_path / "run.zarr")} == {learned.digest}


def test_chains_begin_where_the_last_ones_ended(model, learned):
    """Trajectories of hardly any length show where a chain begins."""
    idata = run(model, draws=1, tune=0, chains=5, learned=learned, step_size=1e-9)
    ends = [learned.chains[i % 3].position[0] for i in range(5)]
    np.testing.assert_allclose(idata["posterior"]["mu"].values[:, 0], ends, atol=1e-5)
    elsewhere = run(model, draws=1, tune=0, learned=learned, step_size=1e-9, initvals={"mu": 0.25})
    np.testing.assert_allclose(elsewhere["posterior"]["mu"], 0.25, atol=1e-5)


@pytest.mark.parametrize("tune", [0, 5, 40, None])
def test_draws_are_the_same_everywhere(tune, model, learned, pool, tmp_path):
    arguments = {"draws": 30, "tune": tune, "chains": 4, "learned": learned}
    expected = run(model, **arguments)
    for way in ({"cores": 3}, {"executor": pool}, {"store": tmp_path / "r"}):
        assert_same_draws(run(model, **arguments, **way), expected)
    part = {**arguments, "draws": 12, "store": tmp_path / "s"}
    run(model, **part)
    assert_same_draws(run(model, **{**part, "draws": 30}), expected)
    with pytest.raises(StoreError, match="learned is gone"):
        run(model, **{**part, "learned": None, "draws": 30})


@pytest.mark.parametrize("tune", [0, 40])
def test_the_step_draws_the_same(tune, model, learned, sample):
    starts = ps.initial_points(model, 2, random_seed=1)
    arguments = {"tune": tune, "draws": 30, "chains": 2, "initvals": starts, "random_seed": 3}
    theirs = sample(ps.HMC(model=model, learned=learned), model, **arguments)
    assert_same_draws(run(model, learned=learned, **arguments), theirs)


def test_without_warm_up_nothing_adapts(model, learned, recwarn):
    idata = run(model, tune=0, draws=50, learned=learned)
    stats_, pooled = idata["sample_stats"], learned.pooled
    own = [pooled.step_size if pooled else learned.chains[i % 3].step_size for i in range(4)]
    np.testing.assert_allclose(stats_["step_size"], np.broadcast_to(np.array(own)[:, None], (4, 50)), rtol=1e-12)
    after = ps.learned(idata)
    for i, chain in enumerate(after.chains):
        before = pooled or learned.chains[i % 3]
        for one, other in zip(chain.metric, before.metric, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(chain.weights, before.weights)
    assert idata["posterior"].attrs["tuning_steps"] == 0
    assert not [one for one in recwarn if "nothing is adapted" in str(one.message)]


WEIGHTS = np.array([1.0, 1.0, 0.3, 1.0, 0.7, 0.4])  # of mu, tau_log__ and theta


@pytest.mark.parametrize("tune", [0, 60])
def test_weights_are_those_that_were_learned(tune, model, learned):
    idata = run(model, tune=tune, learned=changed(learned, weights=WEIGHTS))
    for chain in ps.learned(idata).chains:
        np.testing.assert_array_equal(chain.weights, WEIGHTS)
    assert chosen(idata)[0]["centered"] == {"theta": [0.3, 1.0, 0.7, 0.4]}


def test_a_warm_up_that_begins_with_it_is_short(model, learned, first):
    idata = run(model, tune=None, draws=50, learned=learned, random_seed=8)
    assert [chain["ended"] for chain in chosen(idata)] == ["what had been learned holds"] * 4
    assert max(chain["warmup"] for chain in chosen(idata)) < 60 < min(chain["warmup"] for chain in chosen(first))


def moments(model, **arguments):
    idata = ps.sample(1500, model=model, chains=4, cores=2, random_seed=5, **QUIET, **arguments)
    draws = xr.concat([idata["posterior"]["mu"], np.log(idata["posterior"]["tau"])], "what")
    errors = draws.std(("chain", "draw")) / 20  # some 400 effective draws at least
    return draws.mean(("chain", "draw")).values, draws.std(("chain", "draw")).values, errors.values


@pytest.mark.parametrize("tune", [0, 15, None])
def test_the_posterior_is_the_same(tune, model, learned):
    mean, sd, error = moments(model)
    ours, width, _ = moments(model, learned=learned, tune=tune)
    np.testing.assert_array_less(np.abs(ours - mean), 4 * error)
    np.testing.assert_allclose(width, sd, rtol=0.15)


def test_other_data_of_the_same_model(normal_model, normal):
    """Ten data far away: the old metric says that the chain is far from its typical set, and warm-up begins anew."""
    compiled = ps.compile(normal_model)
    for data, ended in (([1.0, 2.0, 3.3], {"what had been learned holds"}), (np.full(10, 80.0), None)):
        idata = compiled.with_data(data=np.array(data)).sample(600, chains=4, learned=normal, random_seed=4, **QUIET)
        exact = stats.norm(np.sum(data) / (len(data) + 1), (len(data) + 1) ** -0.5)
        x = idata["posterior"]["x"].values
        assert abs(x.mean() - exact.mean()) < 5 * exact.std() / np.sqrt(1000)
        assert abs(x.std() / exact.std() - 1) < 0.1
        if ended:
            assert {chain["ended"] for chain in chosen(idata)} == ended


def test_pm_set_data(learned):
    model = new_model()
    pm.set_data({"y": np.array([3.0, 2.5, 4.0, 2.0])}, model=model)
    idata = run(model, tune=None, draws=100, learned=learned)
    assert idata["posterior"]["mu"].mean() > 1.2
    assert idata["sample_stats"]["diverging"].mean() < 0.05


# The law: a kernel that was learned leaves the target invariant, however badly it was learned.


BAD = {
    "as it was": {},
    "a metric four times too wide": {"metric": lambda metric: type(metric)(metric.factor * 2.0)},
    "a mean that is far off": {"mean": lambda mean: mean + 1.0},
    "short steps": {"step_size": lambda size: 0.3 * size},
}


@pytest.mark.parametrize("name", BAD)
def test_a_chain_without_warm_up_leaves_the_target_invariant(name, normal, normal_step):
    parts = {part: change(getattr(normal.chains[0], part)) for part, change in BAD[name].items()}
    settings = Settings.choose(learned=changed(normal, **parts))
    rng = np.random.default_rng(1)
    exact = stats.norm(1.5, 0.5)
    starts = exact.rvs(4000, random_state=rng)
    chain = Chain(normal_step.target, settings, rng)
    chain.start(starts[:1])
    ends, moved = [], []
    for start in starts:
        chain.move_to(np.array([start]))
        draws, _ = chain.advance(2)
        ends.append(draws[1, 0])
        moved.append(draws[1, 0] != start)
    assert np.mean(moved) > 0.2  # or there is nothing to see
    assert stats.kstest(ends, exact.cdf).pvalue > 1e-3
    assert chain.step_size == pytest.approx(settings.learned.chains[0].step_size, rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*diverge, so draws mean little")
def test_by_weights_that_were_learned_it_is_invariant_too():
    """The prior of a hierarchy, whose draws are made by hand."""
    with pm.Model() as prior:
        mu = pm.Normal("mu", 0.0, 2.0)
        tau = pm.HalfNormal("tau", 1.0)
        pm.Normal("theta", mu, tau, shape=4)
    learned = ps.learned(run(prior, tune=None, draws=20, chains=1))
    settings = Settings.choose(learned=changed(learned, weights=WEIGHTS, step_size=0.2))
    rng = np.random.default_rng(2)
    means, scales = 2.0 * rng.standard_normal(3000), abs(rng.standard_normal(3000))
    theta = means[:, None] + scales[:, None] * rng.standard_normal((3000, 4))
    starts = np.column_stack([means, np.log(scales), theta])
    chain = Chain(kept_log_density(prior), settings, rng)
    chain.start(starts[0])
    ends = []
    for start in starts:
        chain.move_to(start)
        ends.append(chain.advance(1)[0][0])
    ends = np.array(ends)
    assert np.mean(ends[:, 0] != means) > 0.3
    assert stats.kstest(ends[:, 0], stats.norm(0, 2).cdf).pvalue > 1e-3
    assert stats.kstest(np.exp(ends[:, 1]), stats.halfnorm.cdf).pvalue > 1e-3
    assert stats.kstest((ends[:, 3] - ends[:, 0]) / np.exp(ends[:, 1]), stats.norm.cdf).pvalue > 1e-3


# What is not of this model.


def test_another_model_is_named(learned, normal_model):
    with pytest.raises(ValueError, match=r"of another model: mu is not in the model; tau_log__ is not.*x of the model"):
        run(normal_model, learned=learned)
    with pytest.raises(ValueError, match=r"theta has shape \(5,\) in the model, and had \(4,\)"):
        run(new_model(np.arange(5.0)), learned=learned)
    with pytest.raises(ValueError, match="of another model"):
        ps.HMC(model=normal_model, learned=learned)


def test_the_order_of_variables_counts(learned):
    with pm.Model() as turned:
        tau = pm.HalfNormal("tau", 1.0)
        mu = pm.Normal("mu", 0.0, 2.0)
        pm.Normal("theta", mu, tau, shape=4)
    with pytest.raises(ValueError, match="the variables come in the order tau_log__, mu, theta, and came in mu, tau"):
        run(turned, learned=learned)


def test_coordinates_that_the_model_does_not_have(learned):
    with pm.Model() as flat:
        pm.Normal("mu", 0.0, 2.0)
        pm.HalfNormal("tau", 1.0)
        pm.Normal("theta", 0.0, 1.0, shape=4)
    with pytest.raises(ValueError, match="chain 0 has moved theta in coordinates that this model does not have"):
        run(flat, learned=learned)


def test_a_contradiction_is_refused_before_anything_is_compiled(model, learned):
    with pytest.raises(ValueError, match="metric='auto', and metric='diagonal' is asked for; leave metric out"):
        run(model, learned=learned, metric="diagonal")


def test_choices_that_no_warm_up_can_have_made(normal_model, normal):
    chain = normal.chains[0]

    def with_tuner(**more):
        return changed(normal, state={**chain.state, "tuner": {**chain.state["tuner"], **more}})

    wrong = {
        "its choices cannot have been made: KeyError: 'leapfrag'": with_tuner(schemes=["leapfrag"]),
        "its choices cannot have been made: .*jitter": with_tuner(found=["leapfrog", 1.0, 1.0, 1.0, 7.0, 0.9, 1]),
        "its choices cannot have been made: KeyError: 'yoshida4'": with_tuner(
            found=["yoshida4", 1.0, 1.0, 1.0, 0.3, 0.9, 1]
        ),
        "the kinetic energy is float64.*and must be": changed(normal, kinetic=np.ones(3)),
        "its metric is a DiagonalMap, and must be a DenseMap": changed(normal, metric=DiagonalMap(np.ones(1))),
    }
    for words, learned in wrong.items():
        with pytest.raises(ValueError, match=f"learned: chain 0 cannot be gone on from: {words}"):
            run(normal_model, learned=learned)


@pytest.mark.parametrize(
    "options",
    [
        {"kinetic": ps.kinetic.Relativistic(c=2.0), "trajectory": ps.NoUTurn()},
        {"kinetic": "adaptive", "trajectory": "no_u_turn"},
        {"metric": np.array([0.3])},
        {"metric": "diagonal", "integrator": "harmonic_leapfrog", "trajectory": ps.FixedTime()},
        {"refreshment": ps.Partial(0.5)},
        {"metric": "low_rank", "temperature": 2.0},
    ],
    ids=str,
)
def test_any_options_are_gone_on_with(options, normal_model):
    learned = ps.learned(run(normal_model, tune=300, draws=50, chains=2, **options))
    own = {name: value for name, value in options.items() if isinstance(value, np.ndarray)}  # are not saved
    width = 0.5 * options.get("temperature", 1.0) ** 0.5
    for tune in (0, 40):
        idata = run(normal_model, tune=tune, draws=1000, learned=learned, **own)
        x = idata["posterior"]["x"].values
        assert abs(x.mean() - 1.5) < 0.2 * width and abs(x.std() / width - 1) < 0.15
        assert chosen(idata)[0]["integrator"] == learned.chains[0].integrator


def test_a_metric_of_ones_own_has_to_be_given_again(normal_model):
    learned = ps.learned(run(normal_model, tune=40, draws=10, chains=2, metric=np.array([0.3])))
    with pytest.raises(ValueError, match=r"had metric=Diagonal\(\.\.\.\), which is not saved.*give the same metric"):
        run(normal_model, learned=learned)


def test_a_store_of_an_earlier_version_is_opened_without_it(normal_model, tmp_path, monkeypatch):
    create = Store.create

    def without(path, description, *rest, **sizes):
        return create(path, {name: value for name, value in description.items() if name != "learned"}, *rest, **sizes)

    monkeypatch.setattr(Store, "create", without)
    run(normal_model, chains=2, store=tmp_path / "r")
    assert "learned" not in ps.open_run(tmp_path / "r").children
    with pytest.raises(ValueError, match="made by an earlier version, which did not say of what variables"):
        ps.learned(tmp_path / "r")


def test_a_start_that_is_outside_by_new_data():
    with pm.Model() as bounded:
        low = pm.Data("low", 0.0)
        x = pm.Normal("x", 1.0, 1.0)
        pm.Potential("bound", pm.math.switch(x > low, 0.0, -np.inf))
    learned = ps.learned(run(bounded, tune=None, draws=50, chains=2))
    pm.set_data({"low": 50.0}, model=bounded)
    with pytest.raises(pm.exceptions.SamplingError, match="not finite at the start: bound has log-density -inf"):
        run(bounded, learned=learned, tune=0, chains=2)


def test_a_run_that_ended_in_warm_up_has_learned_nothing(normal_model, tmp_path, monkeypatch):
    calls = count()

    def halted(self):
        if next(calls) > 3:
            self.stop()
        return self.stopped

    monkeypatch.setattr(Control, "halted", property(halted))
    idata = run(normal_model, tune=400, chains=2, store=tmp_path / "r", discard_tuned_samples=False)
    assert "learned" not in idata.children
    with pytest.raises(ValueError, match=r"no chain of .* has ended its warm-up yet"):
        ps.learned(tmp_path / "r")


def test_how_warm_up_ended_is_logged(model, learned, caplog):
    with caplog.at_level(logging.INFO):
        run(model, tune=None, learned=learned, quiet=False)
    (line,) = [text for record in caplog.records if (text := record.getMessage()).startswith("Warm-up ended: ")]
    ends = dict(re.findall(r"([a-z][a-z ]*) \((\d) of 4 chains\)", line))
    assert int(ends["what had been learned holds"]) >= 1 and sum(map(int, ends.values())) == 4


def test_of_a_run_that_goes_on(normal_model):
    """By a callback: of all that its chains have learned when they have come to the end of a block."""
    seen = []

    def look(going):
        seen.append(ps.learned(going))

    idata = run(normal_model, draws=150, chains=2, callback=look)
    assert len(seen) == 2 and seen[-1].digest == ps.learned(idata).digest
