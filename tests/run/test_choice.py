"""Choices that the chains of one run make for themselves, and how they are reported."""

import json
from dataclasses import replace

import arviz as az
import numpy as np
import pymc as pm
import pytest

from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.policy import Policy
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

from . import run


def chosen(idata):
    return json.loads(idata.posterior.attrs["sampler"])["chains"]


# What is said.


@pytest.mark.parametrize("tune", [0, 35, 100])
def test_a_warm_up_too_short_to_choose_is_reported(rich_model, tune, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        idata = run(rich_model, tune=tune, quiet=False, policy=replace(Policy(), divisions=0))
    reason = "no window of warm-up was long enough to choose by"
    assert {chain["reason"] for chain in chosen(idata)} == {reason}
    assert f"Chosen in warm-up: leapfrog, no_u_turn, because {reason} (4 of 4 chains)." in caplog.messages
    assert not [record for record in caplog.records if record.levelname == "WARNING" and "sympl" in record.name]


def test_a_choice_that_was_given_has_no_reason(rich_model, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        idata = run(rich_model, trajectory="no_u_turn", quiet=False)
    assert not any("reason" in chain for chain in chosen(idata))
    assert "Chosen in warm-up: leapfrog, no_u_turn (4 of 4 chains)." in caplog.messages


def test_a_chain_of_pymc_tells_its_choice_once(normal_step, normal_model, sample, caplog):
    with caplog.at_level("INFO", "pymc_symplectic"):
        sample(normal_step, normal_model, tune=40, chains=2)
    logged = [message for message in caplog.messages if message.startswith("Chosen in warm-up")]
    reason = "no window of warm-up was long enough to choose by"
    assert logged == [f"Chosen in warm-up: leapfrog, no_u_turn, because {reason}."] * 2


# Chains in different modes.


def test_each_chain_chooses_for_its_own_mode():
    with pm.Model() as model:
        x = pm.Flat("x", shape=3, initval=np.zeros(3))
        narrow, wide = (pm.logp(pm.Normal.dist(*mode), x).sum() for mode in [(-30.0, 0.5), (30.0, 4.0)])
        pm.Potential("density", pm.math.logaddexp(narrow, wide))
    starts = [{"x": np.full(3, start)} for start in (-29.0, -31.0, 25.0, 35.0)]
    idata = run(model, draws=1000, tune=1000, random_seed=1, initvals=starts)
    draws = idata.posterior["x"].to_numpy()
    np.testing.assert_allclose(draws.mean(axis=1), np.repeat([[-30.0], [30.0]], 2, axis=0) * np.ones(3), atol=0.6)
    np.testing.assert_allclose(draws.std(axis=1), np.repeat([[0.5], [4.0]], 2, axis=0) * np.ones(3), rtol=0.12)
    assert all(chain["trajectory"] == "fixed_time" for chain in chosen(idata))
    begun = {chain["history"][0]["step_size"] for chain in chosen(idata)}
    assert len(begun) == 4  # of no-U-turn, which each has measured by its own draws
    assert az.rhat(idata.posterior)["x"].min() > 1.1


# Directions in which a posterior hardly varies, or without end.


def tiny():
    pm.Normal("x", 0.0, 1.0, shape=3)
    pm.Normal("last", 1.0, 1e-12)


def alike():
    x = pm.Normal("x", 0.0, 1.0, shape=3)
    pm.Normal("last", x[0], 1e-8)


def twins():
    x = pm.Normal("x", 0.0, 1.0, shape=3)
    pm.Normal("last", x[0], 1e-12)


def flat():
    pm.Normal("x", 0.0, 1.0, shape=3)
    pm.Flat("last")


def lone():
    pm.Flat("last")


def unmoved():
    """The second parameter is as narrow as numbers near 1 are dense."""
    pm.Normal("x", 0.0, 1.0, shape=3)
    pm.Normal("last", 1.0, 1e-17)


def chain_on(build, seed=1, tune=1000):
    with pm.Model() as model:
        build()
    target = LogDensity(model=model)
    chain = Chain(target, Settings.choose(), np.random.default_rng(seed), tune=tune)
    chain.start(np.random.default_rng(seed).uniform(-1.0, 1.0, target.dim))
    return chain


@pytest.mark.parametrize(("build", "sd"), [(tiny, 1e-12), (alike, 1.0), (twins, 1.0)])
def test_narrow_directions_are_sampled(build, sd):
    chain = chain_on(build)
    chain.advance(1000)
    draws, rows = chain.advance(1000)
    assert np.all(np.isfinite(rows[:, [column.ENERGY, column.MEAN_TREE_ACCEPT, column.STEP_SIZE]]))
    np.testing.assert_allclose(draws.std(axis=0), [1.0, 1.0, 1.0, sd], rtol=0.2)
    assert not rows[:, column.DIVERGING].any()
    json.dumps(chain.choice, allow_nan=False)


@pytest.mark.parametrize("build", [flat, lone])
def test_a_flat_direction_is_warned_of(build):
    chain = chain_on(build)
    with pytest.warns(UserWarning, match="does not hold last back: the posterior is improper") as caught:
        draws, _ = chain.advance(1200)
    assert len(caught) == 1
    assert np.all(np.isfinite(draws))
    if build is flat:
        np.testing.assert_allclose(draws[:, :3].std(axis=0), 1.0, rtol=0.25)
    json.dumps(chain.choice, allow_nan=False)


def test_what_cannot_move_is_warned_of_and_not_called_improper():
    chain = chain_on(unmoved, seed=2, tune=400)
    chain.move_to(np.array([0.3, -0.2, 0.1, 1.0]))
    with pytest.warns(UserWarning, match="cannot move last: some posterior is too narrow") as caught:
        draws, _ = chain.advance(500)
    assert len(caught) == 1
    assert np.all(np.isfinite(draws)) and np.all(draws[400:, 3] == 1.0)
