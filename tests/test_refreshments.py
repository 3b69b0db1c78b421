"""Refreshments as values, what they go with, and chains that keep a part of their momentum."""

import math
import pickle

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.run.fingerprint import describe_settings
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

PARTIAL = ps.Partial(0.4)


@pytest.fixture(scope="module")
def target():
    with pm.Model() as model:
        pm.Normal("x", [0.0, 1.0, 2.0], [0.5, 1.0, 2.0])
    return LogDensity(model=model)


@pytest.mark.parametrize("angle", [0, -0.1, 1.6, math.pi, np.nan, np.inf])
def test_angles_out_of_range(angle):
    with pytest.raises(ValueError, match=r"angle must lie in \(0, π/2\], got"):
        ps.Partial(angle)


def test_an_angle_is_a_number():
    with pytest.raises(TypeError, match=r"^angle must be a number, got '0\.4'"):
        ps.Partial("0.4")


def test_values():
    assert ps.Partial(0.4) == PARTIAL != ps.Partial(0.5)
    assert pickle.loads(pickle.dumps(PARTIAL)) == PARTIAL
    assert Settings.choose().refreshment == ps.Full() == Settings.choose(refreshment=None).refreshment


@pytest.mark.parametrize("given", ["partial", 0.4, ps.Partial])
def test_what_is_no_refreshment(given):
    with pytest.raises(TypeError, match=r"refreshment must be ps.Full\(\) or ps.Partial\(angle\), got"):
        Settings.choose(refreshment=given)


@pytest.mark.parametrize("name", [name for name in ps.kinetic.CATALOGUE if name != "gaussian"])
def test_only_gaussian_momenta_are_kept_in_part(name):
    with pytest.raises(ValueError, match=rf"kinetic='{name}'; choose kinetic='gaussian'"):
        Settings.choose(refreshment=PARTIAL, kinetic=name)
    assert Settings.choose(refreshment=ps.Full(), kinetic=name)


def test_no_u_turn_keeps_no_momentum():
    with pytest.raises(ValueError, match=r"'no_u_turn' has no use for; choose trajectory=ps.FixedSteps\(1\)"):
        Settings.choose(refreshment=PARTIAL, trajectory="no_u_turn")


def test_the_automatic_trajectory_is_a_single_step():
    assert Settings.choose(refreshment=PARTIAL).trajectory == ps.FixedSteps(1)
    given = ps.FixedTime(2.0)
    assert Settings.choose(refreshment=PARTIAL, trajectory=given).trajectory is given


def test_full_refreshment_goes_without_saying():
    assert "refreshment" not in describe_settings(Settings.choose())
    assert describe_settings(Settings.choose(refreshment=PARTIAL))["refreshment"] == "Partial(angle=0.4)"


def chain_of(target, seed=1, tune=60, **options):
    chain = Chain(target, Settings.choose(refreshment=PARTIAL, **options), np.random.default_rng(seed), tune)
    chain.start(np.zeros(target.dim))
    return chain


def test_momentum_goes_on_where_ends_are_accepted_and_turns_round_where_not(target):
    chain = chain_of(target, tune=0, step_size=0.9, metric="identity")
    cosine, turned = math.cos(PARTIAL.angle), 0
    for _ in range(60):
        before, position = chain.snapshot()["momentum"], chain.position
        row = chain.advance(1)[1][0]
        after = chain.snapshot()["momentum"]
        if row[column.INDEX_IN_TRAJECTORY] == 0:
            np.testing.assert_array_equal(chain.position, position)
            # all that is new is the refreshment: -r' = -(cos r + sin ξ)
            assert np.abs(after + cosine * before).max() < 4.5 * math.sin(PARTIAL.angle)
            turned += 1
        else:
            assert not np.array_equal(chain.position, position)
    assert 3 < turned < 57


@pytest.mark.parametrize("count", [0, 25, 60, 75])
def test_a_restored_chain_goes_on_alike(target, count):
    chain, other = chain_of(target), chain_of(target, seed=2)
    chain.advance(count)
    snapshot = pickle.loads(pickle.dumps(chain.snapshot()))
    expected = chain.advance(50)
    other.restore(snapshot)
    for a, b in zip(expected, other.advance(50), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", [{"momentum": None}, {"momentum": np.zeros(2)}, {"momentum": np.full(3, np.nan)}])
def test_a_snapshot_without_a_momentum_is_refused(target, damage):
    chain = chain_of(target)
    with pytest.raises(ValueError, match="momentum"):
        chain.check(chain.snapshot() | damage)


def test_other_chains_have_no_momentum_in_their_state(target):
    chain = Chain(target, Settings.choose(), np.random.default_rng(1))
    chain.start(np.zeros(3))
    snapshot = chain.snapshot()
    assert snapshot.pop("momentum") is None
    chain.check(snapshot)  # as earlier versions made it


def test_both_drivers_make_the_same_draws(target):
    options = {"draws": 40, "tune": 60, "chains": 2, "random_seed": 3, "progressbar": False, "quiet": True}
    options["initvals"] = [{"x": np.zeros(3)}, {"x": np.ones(3)}]
    with target.model:
        step = ps.HMC(refreshment=PARTIAL)
        one = pm.sample(step=step, cores=1, compute_convergence_checks=False, **options)
        other = ps.sample(refreshment=PARTIAL, compute_convergence_checks=False, **options)
    np.testing.assert_array_equal(one["posterior"]["x"], other["posterior"]["x"])


def test_a_stored_run_goes_on_to_the_same_draws(target, tmp_path):
    pytest.importorskip("zarr")
    options = {"tune": 60, "chains": 1, "random_seed": 3, "progressbar": False, "quiet": True, "model": target.model}
    options |= {"refreshment": PARTIAL, "compute_convergence_checks": False}
    whole = ps.sample(draws=40, **options)
    ps.sample(draws=15, store=tmp_path / "run.zarr", **options)
    resumed = ps.sample(draws=40, store=tmp_path / "run.zarr", **options)
    np.testing.assert_array_equal(resumed["posterior"]["x"], whole["posterior"]["x"])
    with pytest.raises(ps.StoreError, match="refreshment"):
        ps.sample(draws=50, store=tmp_path / "run.zarr", **(options | {"refreshment": ps.Partial(0.5)}))


def test_draws_are_of_the_target(target):
    chain = chain_of(target, tune=200)
    draws = chain.advance(20_200)[0][200:]
    np.testing.assert_allclose(draws.mean(axis=0), [0, 1, 2], atol=0.2)
    np.testing.assert_allclose(draws.std(axis=0), [0.5, 1, 2], rtol=0.07)
