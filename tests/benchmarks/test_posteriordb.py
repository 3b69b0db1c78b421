"""Models of posteriordb's posteriors: where the data come from, and what a loaded posterior offers."""

import os
import re

import numpy as np
import pytest

from benchmarks.models import posteriordb
from benchmarks.models.posterior import Posterior

needs_database = pytest.mark.skipif(
    not os.environ.get("POSTERIORDB"),
    reason="the environment variable POSTERIORDB does not name posteriordb's folder posterior_database",
)

NAMES = {
    "GLMM_Poisson_data-GLMM_Poisson_model",
    "arK-arK",
    "diamonds-diamonds",
    "earnings-logearn_interaction",
    "eight_schools-eight_schools_centered",
    "eight_schools-eight_schools_noncentered",
    "garch-garch11",
    "gp_pois_regr-gp_pois_regr",
    "hmm_example-hmm_example",
    "hudson_lynx_hare-lotka_volterra",
    "irt_2pl-irt_2pl",
    "kidiq-kidscore_interaction",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "mesquite-mesquite",
    "nes2000-nes",
    "radon_mn-radon_hierarchical_intercept_centered",
    "radon_mn-radon_hierarchical_intercept_noncentered",
    "sblrc-blr",
    "wells_data-wells_dist100ars_model",
}


def test_names_lists_all():
    assert len(posteriordb.names()) == len(NAMES)
    assert set(posteriordb.names()) == NAMES


def test_path_not_set_says_how_to_set_it(monkeypatch):
    monkeypatch.delenv("POSTERIORDB", raising=False)
    with pytest.raises(FileNotFoundError, match=r"is not set\. Clone https://.*POSTERIORDB"):
        posteriordb.posterior_database()


def test_wrong_path_says_what_is_missing(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    message = f"{re.escape(repr(str(tmp_path)))} does not hold `posteriors/` and `reference_posteriors/`.*POSTERIORDB"
    with pytest.raises(FileNotFoundError, match=message):
        posteriordb.posterior_database(tmp_path)
    monkeypatch.setenv("POSTERIORDB", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=message):
        posteriordb.load("arK-arK")


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"No model of 'nine_schools'; there are .*arK-arK"):
        posteriordb.load("nine_schools")


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [("tau", ("tau", ())), ("theta[1]", ("theta", (0,))), ("theta1[2]", ("theta1", (1,))), ("L[2,13]", ("L", (1, 12)))],
)
def test_reference_names_are_read(parameter, expected):
    assert posteriordb._parse(parameter) == expected


def test_z_scores_see_a_shift_and_a_spread():
    rng = np.random.default_rng(1)
    reference = {
        "x[1]": rng.normal(size=(10, 1000)),
        "x[2]": rng.normal(size=(10, 1000)),
        "s": rng.normal(size=(10, 1000)),
    }
    index = {name: posteriordb._parse(name) for name in reference}
    posterior = Posterior("made up", None, reference, index)
    x = np.stack([rng.normal(size=(4, 1000)), rng.normal(1, 1, size=(4, 1000))], axis=-1)
    z = posterior.z_scores({"posterior": {"x": x, "s": rng.normal(0, 2, size=(4, 1000))}})
    assert np.abs(z["x[1]"]).max() < 4
    assert z["x[2]"][0] > 20
    assert abs(z["s"][0]) < 4
    assert z["s"][1] > 20


@needs_database
@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_posterior_loads_and_its_reference_names_exist(name):
    posterior = posteriordb.load(name)
    assert posterior.name == name
    for parameter, (variable, index) in posterior.index.items():
        shape = posterior.model[variable].shape.eval()
        assert len(index) == len(shape)
        assert all(i < n for i, n in zip(index, shape, strict=True))
        assert posterior.reference[parameter].ndim == 2


@needs_database
@pytest.mark.parametrize(
    "name", ["eight_schools-eight_schools_noncentered", "kidiq-kidscore_interaction", "garch-garch11"]
)
def test_log_density_is_finite(name):
    model = posteriordb.load(name).model
    point = model.initial_point()
    logp = model.compile_logp(mode="FAST_COMPILE")
    rng = np.random.default_rng(1)
    for scale in (0, 1):
        jittered = {key: value + scale * rng.uniform(-1, 1, size=np.shape(value)) for key, value in point.items()}
        assert np.isfinite(logp(jittered))


@needs_database
def test_reference_draws_agree_with_themselves():
    posterior = posteriordb.load("eight_schools-eight_schools_noncentered")
    reference = posterior.reference
    theta = np.stack([reference[f"theta[{j}]"] for j in range(1, 9)], axis=-1)
    samples = {"posterior": {"theta": theta, "mu": reference["mu"], "tau": reference["tau"]}}
    assert all(np.abs(z).max() == 0 for z in posterior.z_scores(samples).values())


@needs_database
def test_no_reference_draws_is_said():
    posterior = posteriordb.load("wells_data-wells_dist100ars_model")
    assert posterior.reference is None
    assert posterior.index == {}
    with pytest.raises(ValueError, match="no reference draws"):
        posterior.z_scores({})
