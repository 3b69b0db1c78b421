"""Chains that wait for each other at the end of warm-up: those that are stranded begin anew, and all know more then."""

import dataclasses
import json
import math

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_symplectic as ps
from pymc_symplectic.adaptation.gathering import Verdict
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.metrics import Dense
from pymc_symplectic.run.task import Setup
from pymc_symplectic.settings import Settings
from pymc_symplectic.store import Store
from pymc_symplectic.target import kept_log_density

from . import SHORT, assert_same_draws, run

AWAY = 20.0


def two_places(below, sd=1.0, dim=4):
    """A standard normal, and a normal elsewhere, so many nats below it at their tops."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=dim, initval=np.zeros(dim))
        other = -below - 0.5 * (((x - AWAY) / sd) ** 2).sum()
        pm.Potential("p", pt.logaddexp(-0.5 * (x**2).sum(), other))
    return model


def begun(dim=4):
    """From the first place two chains, and two from the other one."""
    return [{"x": np.full(dim, place)} for place in (0.0, AWAY, AWAY, 0.0)]


def moved(idata):
    return [chain.get("moved", 0) for chain in json.loads(idata.posterior.attrs["sampler"])["chains"]]


@pytest.fixture(scope="module")
def model():
    return two_places(30.0)


ARGUMENTS = {"tune": None, "initvals": begun(), "discard_tuned_samples": False}


@pytest.fixture(scope="module")
def expected(model):
    return run(model, **ARGUMENTS)


def test_all_draws_are_from_where_the_posterior_is(expected):
    assert abs(expected.posterior["x"]).max() < 10
    assert moved(expected) == [0, 1, 1, 0]
    assert (ps.diagnose(expected)["elsewhere"] == "").all()


def test_what_it_takes_is_counted(expected):
    """Both warm-ups of a chain that was moved are there, and their gradients are."""
    place = expected["warmup_posterior"]["x"].mean("x_dim_0").to_numpy()
    gradients = expected["warmup_sample_stats"]["n_gradients"].to_numpy()
    for chain in (1, 2):
        away = place[chain] > AWAY / 2
        first = int(away.sum())
        assert away[:first].all() and 40 < first < np.isfinite(place[chain]).sum() - 40
        assert (gradients[chain, : first + 40] > 0).all()


def test_it_is_told(model, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        idata = run(model, **ARGUMENTS, quiet=False)
    assert (
        "Chains 1, 2 came to where next to nothing of the posterior is, and began anew where another was."
        in caplog.messages
    )
    assert ps.diagnose(idata)["chosen"].str.contains("begun anew where another chain was").tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_the_same_wherever_chains_run(model, expected, pool, tmp_path):
    for how in (
        {"cores": 3},
        {"executor": pool},
        {"store": tmp_path / "a"},
        {"executor": pool, "store": tmp_path / "b"},
    ):
        assert_same_draws(run(model, **ARGUMENTS, **how), expected)


@pytest.mark.parametrize("count", [60, 130, 200, 1000, 1010])
def test_the_same_after_a_stop_at_any_instant(model, expected, tmp_path, count, monkeypatch):
    """One chain may have heard what is said of it then, and gone on, while others still wait."""
    store = tmp_path / "run.zarr"
    monkeypatch.setattr(Setup, "total", count)
    run(model, **ARGUMENTS, store=store)
    monkeypatch.undo()
    assert min(Store.open(store).counts()) >= min(count, 100)
    assert_same_draws(run(model, **ARGUMENTS, store=store), expected)


def test_in_the_background_and_paused(model, expected):
    held = ps.start(model=model, **{**SHORT, "chains": 4, "cores": 2, **ARGUMENTS})
    held.pause()
    held.resume()
    assert_same_draws(held.result(), expected)


def test_goals_are_of_draws_after_it(model):
    idata = run(model, **ARGUMENTS | {"draws": 2000, "until": ps.Until(ess=300)})
    assert moved(idata) == [0, 1, 1, 0] and ps.min_ess(idata)["ess"].min() > 270


@pytest.mark.parametrize(
    "other", [two_places(1.0), two_places(40.0, sd=10.0, dim=20)], ids=["as high", "lower, and as large as it is low"]
)
def test_other_modes_are_left_alone(other):
    idata = run(other, **ARGUMENTS | {"initvals": begun(other.initial_point()["x"].size)})
    assert moved(idata) == [0] * 4


def test_correlations_that_the_metric_does_not_hold_make_no_place_larger():
    """Two normals that weigh the same, the higher one correlated from each parameter to the next."""
    dim, correlation = 40, 0.95
    inside = np.full(dim, 1 + correlation**2)
    inside[[0, -1]] = 1
    spread = 1 - correlation**2
    with pm.Model() as model:
        x = pm.Flat("x", shape=dim, initval=np.zeros(dim))
        squares = (inside * x**2).sum() - 2 * correlation * (x[1:] * x[:-1]).sum()
        higher = -0.5 * squares / spread - 0.5 * (dim - 1) * np.log(spread)
        pm.Potential("p", pt.logaddexp(higher, -0.5 * ((x - AWAY) ** 2).sum()))
    idata = run(model, **ARGUMENTS | {"initvals": begun(dim), "metric": "diagonal"})
    assert moved(idata) == [0] * 4


@pytest.fixture(scope="module")
def correlated():
    factor = np.linalg.cholesky(0.5 * np.eye(8) + 0.5)
    with pm.Model() as model:
        pm.MvStudentT("x", nu=5, mu=np.zeros(8), chol=factor)
    return model


def chosen_by(idata):
    """Step size, integrator and trajectory of each chain."""
    chains = json.loads(idata.posterior.attrs["sampler"])["chains"]
    return {(chain["step_size"], chain["integrator"], chain["trajectory"]) for chain in chains}


def test_chains_go_on_by_what_they_have_learned_together(correlated):
    alone = dataclasses.replace(ps.Policy().sharing(), shares=False)
    together, apart = (
        run(correlated, tune=None, trajectory="no_u_turn", policy=policy) for policy in (ps.Policy(), alone)
    )
    assert len(chosen_by(together)) == 1 and len(chosen_by(apart)) == 4
    first, *others = ps.learned(together).chains
    for chain in others:
        assert_same_metric(chain.metric, first.metric)
    covariances = [chain.metric.apply(chain.metric.adjoint(np.eye(8))) for chain in ps.learned(apart).chains]
    own = first.metric.apply(first.metric.adjoint(np.eye(8)))
    np.testing.assert_allclose(own, np.mean(covariances, axis=0), rtol=1e-9)
    assert len(np.unique(together.sample_stats["step_size"])) == 1


def test_each_tells_what_it_has_measured_by_itself(correlated):
    idata = run(correlated, tune=None)
    assert len(chosen_by(idata)) < 4  # they have agreed
    histories = [chain["history"] for chain in json.loads(idata.posterior.attrs["sampler"])["chains"]]
    begun = [history[0]["step_size"] for history in histories if history]  # of those that began to turn
    assert 1 < len(begun) == len(set(begun))


def assert_same_metric(one, other):
    for name, array in one._asdict().items():
        np.testing.assert_array_equal(array, getattr(other, name))


@pytest.mark.parametrize("count", [200, 1003])
def test_the_same_wherever_chains_that_agree_run(correlated, pool, tmp_path, count, monkeypatch):
    """Also if some of them have gone on before a stop, and the others had not heard of it."""
    arguments = {"tune": None, "discard_tuned_samples": False}
    expected = run(correlated, **arguments)
    assert_same_draws(run(correlated, **arguments, executor=pool), expected)
    store = tmp_path / "run.zarr"
    monkeypatch.setattr(Setup, "total", count)
    run(correlated, **arguments, store=store)
    monkeypatch.undo()
    assert_same_draws(run(correlated, **arguments, store=store), expected)


def stop_after(monkeypatch, count):
    """Interrupt a run when so many chains have heard what is said of them; what each was told."""
    told, hear = [], Chain.hear

    def counted(self, verdict):
        if self.waiting:
            if len(told) == count:
                raise KeyboardInterrupt
            told.append(verdict)
        hear(self, verdict)

    monkeypatch.setattr(Chain, "hear", counted)
    return told


def test_a_stop_while_one_chain_has_gone_on(correlated, tmp_path, monkeypatch):
    arguments = {"tune": None, "cores": 1}
    expected = run(correlated, **arguments)
    store = tmp_path / "run.zarr"
    told = stop_after(monkeypatch, 1)
    run(correlated, **arguments, store=store)
    monkeypatch.undo()
    counts = Store.open(store).counts()
    assert told[0].known is not None and max(counts) > min(counts)
    assert_same_draws(run(correlated, **arguments, store=store), expected)


def test_the_same_where_no_draws_are_left_to_begin_anew(model, tmp_path, monkeypatch):
    """Chains that are told to, and cannot, stay, and keep nobody from what the others know together."""
    arguments = {**ARGUMENTS, "metric": Dense(fit_to="draws")}  # by which warm-up takes all draws that it may
    told = stop_after(monkeypatch, None)
    expected = run(model, **arguments)
    assert [(one.position is None, one.known is None) for one in told] == [(False, True)] * 2 + [(True, False)] * 2
    store = tmp_path / "run.zarr"
    monkeypatch.undo()
    stop_after(monkeypatch, 3)
    run(model, **arguments, store=store)
    monkeypatch.undo()
    assert max(Store.open(store).counts()) > min(Store.open(store).counts())
    assert_same_draws(run(model, **arguments, store=store), expected)


def test_a_chain_that_draws_by_a_surrogate_is_moved(model):
    settings = Settings.choose(trajectory="surrogate")
    chain = Chain(kept_log_density(model), settings, np.random.default_rng(1), 1000, True, waits=True)
    chain.start(np.full(4, AWAY))
    chain.advance(1000)
    assert chain.waiting and "surrogate" in chain.choice
    chain.hear(Verdict(0, np.full(4, 0.5)))
    draws, rows = chain.advance(500)
    made = np.isfinite(draws).all(axis=1)
    assert chain.waiting and 50 < made.sum() < 500 and np.isfinite(rows[made]).any()
    assert abs(draws[made]).max() < 10 and not rows[made][:, column.DIVERGING].any() and "surrogate" in chain.choice


def test_a_chain_that_is_moved_learns_coordinates_anew():
    """And is warned of nothing that was left."""
    with pm.Model() as model:
        place = pm.Flat("place", initval=0.0)
        tau = pm.HalfNormal("tau")
        theta = pm.Normal("theta", 0, tau, shape=6)
        pm.Normal("y", theta, 0.1, observed=np.linspace(-1, 1, 6))
        pm.Potential("p", pt.logaddexp(-0.5 * place**2, -40 - 0.5 * (place - AWAY) ** 2))
    starts = [{"place": at} for at in (0.0, AWAY, 0.0, AWAY)]
    idata = run(model, **ARGUMENTS | {"initvals": starts})
    assert moved(idata) == [0, 1, 0, 1]
    chosen = [chain["centered"]["theta"] for chain in json.loads(idata.posterior.attrs["sampler"])["chains"]]
    assert min(np.mean(weights) for weights in chosen) > 0.5


def test_so_are_chains_at_a_high_temperature(model):
    """Thirty nats are three then."""
    assert moved(run(model, **ARGUMENTS, temperature=10.0)) == [0] * 4


def test_so_are_chains_that_do_not_tune_themselves(model):
    for options in ({"policy": dataclasses.replace(ps.Policy(), stranded_gap=math.inf)}, {"tune": 300}):
        idata = run(model, **ARGUMENTS | options)
        assert moved(idata) == [0] * 4
        np.testing.assert_allclose(idata.posterior["x"].mean(("draw", "x_dim_0")), [0, AWAY, AWAY, 0], atol=2)


def test_a_chain_that_fails_is_not_waited_for(model, out_of_order):
    out_of_order(3)
    with pytest.warns(UserWarning, match="Chain 3 failed"):
        idata = run(model, **ARGUMENTS)
    assert moved(idata) == [0, 1, 1]
