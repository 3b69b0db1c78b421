"""The constants of warm-up: one place, and another value of one has the effect that it names."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import pymc_symplectic as ps
from pymc_symplectic.adaptation.warmup import WarmUp
from pymc_symplectic.chain import Chain
from pymc_symplectic.run.fingerprint import describe_settings
from pymc_symplectic.settings import Settings


def test_a_policy_is_a_value():
    assert ps.Policy() == ps.Policy()
    assert hash(ps.Policy()) == hash(ps.Policy())
    assert replace(ps.Policy(), keep=2.0) != ps.Policy()


@pytest.mark.parametrize(("name", "value"), [("transient_gradient", np.inf), ("final_fraction", 1.0)])
def test_what_no_warm_up_can_do_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        replace(ps.Policy(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("descent", "many"), ("descent", -1), ("descent", 2.5), ("trail", np.nan), ("keep", None), ("keep", np.nan),
        ("windows", 100), ("windows", (100, "a")), ("schemes", "leapfrog"), ("schemes", (1,)), ("energy_trial", "no"),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused(name, value):
    with pytest.raises((TypeError, ValueError), match=f"policy: {name} must be "):
        replace(ps.Policy(), **{name: value})


def test_a_policy_that_is_none():
    with pytest.raises(TypeError, match=r"policy must be a pymc_symplectic\.Policy, got 3"):
        Settings.choose(policy=3)


def test_the_schedule_is_that_of_the_policy():
    policy = replace(ps.Policy(), windows=(100, 200), final_fraction=0.2)
    assert WarmUp(Settings.choose(), 3, 1000).next_event(0) == 720
    assert WarmUp(Settings.choose(policy=policy), 3, 1000).next_event(0) == 500


def test_another_policy_makes_another_chain(normal_step):
    def draws(policy):
        chain = Chain(normal_step.target, Settings.choose(policy=policy), np.random.default_rng(1), tune=300)
        chain.start(np.zeros(1))
        return chain.advance(310)[0]

    usual = draws(ps.Policy())
    np.testing.assert_array_equal(draws(ps.Policy()), usual)
    assert not np.array_equal(draws(replace(ps.Policy(), schemes=("leapfrog",))), usual)


def test_what_is_not_usual_is_part_of_a_run():
    assert "policy" not in " ".join(describe_settings(Settings.choose()))
    described = describe_settings(Settings.choose(policy=replace(ps.Policy(), keep=2.0)))
    assert described["policy.keep"] == "2.0" and sum(name.startswith("policy") for name in described) == 1


def test_what_is_not_usual_is_shown():
    assert repr(ps.Policy()) == "Policy()"
    assert repr(replace(ps.Policy(), keep=2.0, probes=0)) == "Policy(probes=0, keep=2.0)"


def test_every_constant_says_what_it_is():
    source = Path(ps.policy.__file__).read_text(encoding="utf-8")
    for field in fields(ps.Policy):
        _, _, after = source.partition(f"    {field.name}: ")
        assert after.split("\n", 1)[1].lstrip().startswith('"""'), field.name


def test_a_chain_that_will_share_what_it_learns_needs_fewer_draws():
    policy = ps.Policy()
    assert policy.sharing() == replace(policy, settled_draws=policy.shared_draws, turns=policy.shared_turns)
    few = replace(policy, settled_draws=10, turns=20)
    assert few.sharing() == few and replace(policy, shares=False).sharing() == replace(policy, shares=False)
