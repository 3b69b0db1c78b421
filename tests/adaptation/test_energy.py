"""A kinetic energy that is learned has to prove to be better than the Gaussian one."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.adaptation import energy
from pymc_symplectic.adaptation.words import in_words
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels.kinetic import GaussianEnergy
from pymc_symplectic.kernels.statistics import KINETIC_GAIN, SPEED_LIMIT
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

DIM = 5
MOST = 400
RULE = ps.NoUTurn(max_depth=5)  # asked for, so that nothing but the energy is chosen


@pytest.fixture(scope="module")
def quartic():
    with pm.Model():
        x = pm.Flat("x", shape=DIM, initval=np.full(DIM, 0.3))
        pm.Potential("density", -(x**4).sum())
        return LogDensity()


@pytest.fixture(scope="module")
def normal():
    with pm.Model():
        pm.Normal("x", shape=DIM)
        return LogDensity()


def chain_on(target, kinetic="relativistic", trajectory=RULE, tune=MOST, open_ended=True, seed=3, **policy):
    settings = Settings.choose(kinetic=kinetic, trajectory=trajectory, policy=replace(ps.Policy(), **policy))
    chain = Chain(target, settings, np.random.default_rng(seed), tune, open_ended)
    chain.start(np.full(DIM, 0.4))
    return chain


def measured(monkeypatch, *efficiencies):
    """Have windows be of these efficiencies, one after the other."""
    left = list(efficiencies)
    monkeypatch.setattr(energy, "typical_ess_per_draw", lambda window, columns: left.pop(0) * window.steps.mean())


@pytest.mark.parametrize("open_ended", [True, False])
@pytest.mark.parametrize("kinetic", ["relativistic", "adaptive"])
def test_what_proves_to_be_better_is_kept(kinetic, open_ended, quartic, monkeypatch):
    measured(monkeypatch, 1.0, 3.0)
    chain = chain_on(quartic, kinetic, open_ended=open_ended)
    _, rows = chain.advance(MOST + 50)
    assert chain.choice["energy"] == kinetic and "energy_reason" not in chain.choice
    assert not isinstance(chain.kinetic, GaussianEnergy)
    learned = SPEED_LIMIT if kinetic == "relativistic" else KINETIC_GAIN
    first = {SPEED_LIMIT: np.inf, KINETIC_GAIN: 1.0}[learned]
    assert rows[0, learned] == first != rows[-1, learned]


@pytest.mark.parametrize("open_ended", [True, False])
def test_what_does_not_is_given_up(open_ended, quartic, monkeypatch):
    measured(monkeypatch, 1.0, 1.05)  # by too little to be sure of
    gaussian = chain_on(quartic, "gaussian", open_ended=open_ended)
    expected = gaussian.advance(MOST)[0]
    chain = chain_on(quartic, open_ended=open_ended)
    draws, rows = chain.advance(MOST)
    tried = int(np.argmax(np.isfinite(rows[:, SPEED_LIMIT]) & (rows[:, SPEED_LIMIT] > 0)))
    assert tried > 0
    np.testing.assert_array_equal(draws[:tried], expected[:tried])  # as with the Gaussian energy until then
    assert isinstance(chain.kinetic, GaussianEnergy) and chain.choice["energy"] == "gaussian"
    assert 0.5 < chain.step_size / gaussian.step_size < 2.0
    assert "gaussian momenta, because with relativistic momenta a gradient was worth 1." in in_words(chain.choice)


def test_draws_before_and_after_are_compared_in_equal_number(quartic, monkeypatch):
    counts = []
    monkeypatch.setattr(energy, "typical_ess_per_draw", lambda window, columns: counts.append(len(window.draws)) or 1.0)
    chain_on(quartic, tune=1000, open_ended=False).advance(1000)
    assert len(counts) == 2 and counts[0] == counts[1]


@pytest.mark.parametrize("open_ended", [True, False])
def test_draws_that_are_compared_are_by_the_same_trajectories(open_ended, quartic, monkeypatch):
    steps = []
    monkeypatch.setattr(energy, "typical_ess_per_draw", lambda window, columns: steps.append(window.steps) or 1.0)
    chain_on(quartic, trajectory=ps.FixedSteps(3), tune=1000, open_ended=open_ended).advance(1000)
    assert len(steps) == 2 and all(np.median(each) == each.max() == 3 for each in steps)  # less where one diverges


def test_nothing_is_tried_beside_the_harmonic_drift(normal):
    chain = chain_on(normal, trajectory="auto")
    chain.advance(MOST)
    assert chain.choice["integrator"].startswith("harmonic") and chain.choice["energy"] == "gaussian"
    assert "energy_efficiency" not in chain.choice and "harmonic" in chain.choice["energy_reason"]


def test_a_harmonic_drift_is_not_tried_with_another_energy(normal, monkeypatch):
    measured(monkeypatch, 1.0, 3.0)
    monkeypatch.setattr("pymc_symplectic.adaptation.tuner.Tuner.may_turn", False)
    chain = chain_on(normal, trajectory="auto", tune=1000, open_ended=False, limits=((9.0, 9.0),) * 1)
    chain.advance(1000)
    assert chain.choice["energy"] == "relativistic" and not chain.choice["integrator"].startswith("harmonic")


def test_an_energy_that_is_given_is_in_use_from_the_first_draw(quartic):
    given = chain_on(quartic, ps.kinetic.Relativistic(2.0))
    asked = chain_on(quartic, energy_trial=False)
    for chain in (given, asked):
        _, rows = chain.advance(20)
        assert np.isfinite(rows[:, SPEED_LIMIT]).all()
    assert "energy" not in given.choice and asked.choice["energy"] == "relativistic"


def test_a_short_warm_up_tries_none(quartic):
    chain = chain_on(quartic, tune=30, open_ended=False)
    chain.advance(30)
    assert chain.choice["energy"] == "gaussian" and "too short" in chain.choice["energy_reason"]


@pytest.mark.parametrize("kinetic", ["relativistic", "adaptive"])
def test_it_goes_on_from_any_snapshot(kinetic, quartic):
    """To the bit, and by way of JSON for what is no array."""
    expected = chain_on(quartic, kinetic).advance(MOST)[0]
    chain, stops = chain_on(quartic, kinetic), [*range(0, 200, 13), MOST]
    for start, stop in itertools.pairwise(stops):
        np.testing.assert_array_equal(chain.advance(stop - start)[0], expected[start:stop])
        snapshot = chain.snapshot()
        plain = json.loads(json.dumps({name: snapshot[name] for name in ("energy", "choice", "tuner", "approach")}))
        chain = chain_on(quartic, kinetic, seed=99)
        chain.restore({**snapshot, **plain})


@pytest.mark.parametrize("change", [{"state": "lost"}, {"count": -1}, {"numbers": [np.nan, 0.0, 0.0]}])
def test_a_snapshot_that_cannot_be(change, quartic):
    chain = chain_on(quartic)
    chain.advance(10)
    snapshot = chain.snapshot()
    with pytest.raises(ValueError, match="kinetic energy"):
        chain.check({**snapshot, "energy": {**snapshot["energy"], **change}})


def test_a_run_of_a_version_that_tried_no_other_goes_on(quartic):
    chain = chain_on(quartic, "adaptive", energy_trial=False)
    chain.advance(MOST)
    snapshot = chain.snapshot()
    del snapshot["energy"]
    snapshot["choice"] = {name: value for name, value in snapshot["choice"].items() if name != "energy"}
    expected = chain.advance(20)[0]
    again = chain_on(quartic, "adaptive")
    again.restore(snapshot)
    np.testing.assert_array_equal(again.advance(20)[0], expected)
    assert again.choice["energy"] == "adaptive"
