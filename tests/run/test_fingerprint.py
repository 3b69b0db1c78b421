"""Fingerprints distinguish one run from another."""

import json
from functools import cache

import numpy as np
import pymc as pm
import pytest

import pymc_symplectic as ps
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.run.fingerprint import describe_model, describe_settings, differences, digest
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity


def described(model, position=None):
    target = LogDensity(model=model)
    position = np.full(target.dim, 0.3) if position is None else position
    return json.loads(json.dumps(describe_model(target, RecordedVariables(target), position)))


def linear(order=1.0, swap=False, tiny=1.0):
    with pm.Model() as model:
        x = pm.Normal("x", shape=3)
        weights = np.array([1.0, 2.0, 3.0])[:: -1 if swap else 1]
        pm.Deterministic("d", weights * x * order)
        pm.Deterministic("small", 1e-12 * tiny * x.sum())
        pm.Normal("y", x, observed=np.zeros(3))
    return model


@cache
def described_linear(**changes):
    return described(linear(**changes))


def whole(model):
    about = {"chains": 1, "tune": 1, "keep_warmup": True, "var_names": None, "options": {}, "seeds": None}
    return {**about, "model": model}


def test_same_model_built_twice_is_the_same():
    assert differences(whole(described_linear()), whole(described(linear()))) == []


@pytest.mark.parametrize("change", [{"order": 2.0}, {"swap": True}, {"tiny": 2.0}], ids=str)
def test_deterministic_variables_that_have_changed(change):
    [found] = differences(whole(described_linear()), whole(described_linear(**change)))
    assert ("small" if "tiny" in change else " d ") in found


def test_random_variables_are_compared_by_shape_and_dtype():
    old = described_linear()
    random = json.loads(json.dumps(old))
    random["values"]["d"] = "random float64(3,)"
    assert differences(whole(random), whole(random)) == []
    for new in (old, {**random, "values": {**random["values"], "d": "random float64(4,)"}}):
        assert differences(whole(random), whole(new)) == ["the deterministic variable d is computed in another way"]
    assert differences(whole(old), whole(random)) == ["the deterministic variable d is computed in another way"]


def test_rounding_of_another_machine_is_forgiven():
    old = described_linear()
    new = json.loads(json.dumps(old))
    new["log_density"] = [value * (1 + 1e-13) for value in old["log_density"]]
    new["values"] = {name: [value * (1 - 1e-13) for value in pair] for name, pair in old["values"].items()}
    assert differences(whole(old), whole(new)) == []


def test_values_that_are_not_finite_are_compared():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Deterministic("nan", pm.math.log(-(x**2) - 1))
        pm.Deterministic("inf", pm.math.exp(x + 1000))
    assert differences(whole(described(model)), whole(described(model))) == []


def test_digest_tells_values_shapes_and_dtypes():
    arrays = [
        np.zeros(2),
        np.zeros((2, 1)),
        np.zeros(2, np.float32),
        np.zeros(2, int),
        np.array([0.0, 1.0]),
        np.array([1.0, 0.0]),
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        np.array([None, 1], object),
        "text",
        np.array([]),
    ]
    assert len({digest(array) for array in arrays}) == len(arrays)
    assert digest(np.asfortranarray(np.arange(6.0).reshape(2, 3))) == digest(np.arange(6.0).reshape(2, 3))
    assert digest(np.arange(10)[::2]) == digest(np.array([0, 2, 4, 6, 8]))


OPTIONS = [
    {},
    {"integrator": "bcss2"},
    {"integrator": ps.ImplicitMidpoint()},
    {"kinetic": "relativistic"},
    {"kinetic": "adaptive"},
    {"metric": "dense"},
    {"metric": np.array([1.0, 2.0])},
    {"metric": np.array([2.0, 1.0])},
    {"metric": np.eye(2)},
    {"trajectory": ps.FixedTime()},
    {"trajectory": ps.FixedTime(2.0)},
    {"trajectory": ps.FixedTime(2.0, repeats=2)},
    {"trajectory": ps.FixedSteps(2)},
    {"trajectory": ps.NoUTurn(5)},
    {"trajectory": ps.NoUTurn(5, refine=6)},
    {"trajectory": ps.NoUTurn(5, refine=6, refine_above=1.0)},
    {"step_size": 0.1},
    {"target_accept": 0.8},  # which is the default too
    {"target_accept": 0.91},
    {"temperature": 3.0},
    {"max_energy_error": 10.0},
]


def test_each_option_is_distinguished_from_all_others():
    texts = [json.dumps(describe_settings(Settings.choose(**options))) for options in OPTIONS]
    assert len(set(texts)) == len(texts)
    assert not any(" at 0x" in text for text in texts)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_option_is_itself_when_made_again(options):
    assert describe_settings(Settings.choose(**options)) == describe_settings(Settings.choose(**dict(options)))


@pytest.mark.parametrize("options", [{"target_accept": 0.91}, {"target_accept": 0.8, "trajectory": "no_u_turn"}])
def test_whether_an_acceptance_was_given_is_reported_only_where_it_matters(options):
    assert describe_settings(Settings.choose(**options))["target_accept"] == repr(options["target_accept"])


def test_kinetic_energies_of_ones_own_are_distinguished():
    one, two = (ps.kinetic_energy(formula) for formula in (lambda r: (1 + r**2) ** 0.5, lambda r: r**4))
    texts = [json.dumps(describe_settings(Settings.choose(kinetic=kinetic))) for kinetic in (one, two)]
    assert texts[0] != texts[1]
    again = ps.kinetic_energy(lambda r: r**4)
    assert json.dumps(describe_settings(Settings.choose(kinetic=again))) == texts[1]
    assert not any("0x" in text for text in texts)


def test_all_that_differs_is_reported():
    old = whole(described_linear())
    new = {**whole(described_linear(order=2.0)), "chains": 2, "tune": 5, "options": {"metric": "x"}, "seeds": ["a"]}
    found = "; ".join(differences(old, new))
    for words in ("chains was 1 and is 2", "tune was 1 and is 5", "metric is new", "random_seed", "variable d"):
        assert words in found
