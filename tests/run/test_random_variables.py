"""Deterministic variables with random numbers in them: a seed decides them, whatever else a run is cut or joined by."""

import numpy as np
import pymc as pm
import pytest
from pymc.exceptions import SamplingError

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.target import LogDensity

from . import SHORT, assert_same_draws, run
from .conftest import PythonNormal


def predicting():
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        pm.Deterministic("prediction", pm.Normal.dist(x, 0.1))
        pm.Deterministic("later", pm.Gamma.dist(2.0, 1.0) + model["prediction"].sum())
        pm.Deterministic("sum", x.sum())
    return model


@pytest.fixture(scope="module")
def model():
    return predicting()


@pytest.fixture(scope="module")
def expected(model):
    return run(model, discard_tuned_samples=False)


def test_they_are_random_and_follow_what_they_are_made_from(expected):
    noise = expected.posterior["prediction"].to_numpy() - expected.posterior["x"].to_numpy()
    assert len(np.unique(noise)) == noise.size
    assert 0.08 < noise.std() < 0.12
    assert (expected.posterior["later"] > expected.posterior["prediction"].sum("prediction_dim_0")).all()


def test_the_seed_decides_them(model, expected, pool):
    assert_same_draws(run(model, discard_tuned_samples=False, cores=3), expected)
    assert_same_draws(run(model, discard_tuned_samples=False, executor=pool), expected)
    other = run(model, random_seed=1)
    assert not np.isin(other.posterior["later"], expected.posterior["later"]).any()


def test_what_else_is_kept_makes_no_difference(model, expected):
    kept = run(model, var_names=["later"])
    np.testing.assert_array_equal(kept.posterior["later"], expected.posterior["later"])


def test_stored_interrupted_and_gone_on_with(model, expected, pool, tmp_path, monkeypatch):
    from pymc_symplectic.store import writer

    monkeypatch.setattr(writer, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(writer, "_LEAST_REST", 0.0)
    path, advance = tmp_path / "r", Chain.advance

    def killed(chain, count):
        if chain.count >= SHORT["tune"]:
            raise RuntimeError("the power is gone")
        return advance(chain, count)

    with monkeypatch.context() as patch, pytest.raises(SamplingError, match="the power is gone"):
        patch.setattr(Chain, "advance", killed)
        run(model, store=path, discard_tuned_samples=False)
    for draws, how in ((9, {"executor": pool}), (25, {"random_seed": None})):
        run(predicting(), store=path, discard_tuned_samples=False, **{"draws": draws, **how})
    assert_same_draws(ps.open_run(path), expected)


def test_another_shape_is_another_model(tmp_path):
    def build(size):
        with pm.Model() as model:
            pm.Deterministic("made", pm.Normal.dist(pm.Normal("x"), shape=size))
        return model

    run(build(2), store=tmp_path / "r", draws=3)
    with pytest.raises(ps.StoreError, match="the deterministic variable made is computed in another way"):
        run(build(3), store=tmp_path / "r", draws=3)


def test_variables_through_python_are_gone_on_with(tmp_path):
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        pm.Deterministic("density", PythonNormal()(x)[0])
        pm.Deterministic("prediction", pm.Normal.dist(x))
    run(model, store=tmp_path / "r", draws=5)
    assert_same_draws(run(model, store=tmp_path / "r"), run(model))


def test_which_variables_are_random(model):
    variables = RecordedVariables(LogDensity(model=model))
    assert variables.random == {"prediction", "later"}
    position = np.array([1.0, -1.0])
    one, two = variables.at(position), variables.at(position)
    np.testing.assert_array_equal(one["later"], two["later"])
