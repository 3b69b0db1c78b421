"""The scripts of hard starts, of many parameters, and of comparisons with reference draws: small, as far as they go."""

import json
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest


@pytest.fixture(scope="module")
def rooms(folder):
    import hard_starts
    import large
    import posteriors
    import references
    import samplers

    return SimpleNamespace(
        hard_starts=hard_starts, large=large, posteriors=posteriors, references=references, samplers=samplers
    )


@pytest.fixture(scope="module")
def posterior(rooms):
    rng = np.random.default_rng(0)
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=2)
    reference = {f"x[{i}]": rng.normal(size=(10, 1000)) for i in (1, 2)}
    return rooms.posteriors.Posterior("toy-toy", model, reference, {f"x[{i}]": ("x", (i - 1,)) for i in (1, 2)})


def test_starts_are_as_far_as_they_are_said_to_be(rooms):
    rng = np.random.default_rng(0)
    by_name = dict(zip(rooms.hard_starts.CASES, rooms.hard_starts.cases(), strict=True))
    np.testing.assert_allclose(np.abs(by_name["a-far"].place(rng)), 1e3)
    np.testing.assert_allclose(np.abs(by_name["b-far"].place(rng)), 1e3 * np.geomspace(1e-3, 1e3, 20))
    assert np.abs(by_name["b-near"].place(rng)).max() < 1

    problem = rooms.hard_starts.Placed(by_name["c-far"].model, by_name["c-far"].place)
    assert problem.starts(2, 0).shape == (2, 100)
    np.testing.assert_array_equal(problem.starts(2, 0), problem.starts(2, 0))
    precision = -np.stack([problem.target(unit)[1] for unit in np.eye(100)])
    np.testing.assert_allclose(np.linalg.cond(precision), 1e6, rtol=1e-6)
    value = problem.target(problem.starts(1, 0)[0])[0]  # of 100 axes, each 10³ off
    np.testing.assert_allclose(value, -0.5 * 100 * 1e6, rtol=1e-6)
    marginal = np.sqrt(np.diag(np.linalg.inv(precision)))
    np.testing.assert_allclose(np.abs(by_name["c-farther"].place(rng)), 1e3 * marginal, rtol=1e-6)


def test_a_row_of_hard_starts(rooms):
    ones = np.ones(2)
    case = rooms.hard_starts.Case(
        "toy", rooms.hard_starts.independent(ones), rooms.hard_starts.far(ones), ("ours-dense",)
    )
    words = rooms.hard_starts.row(case, "ours-diagonal", [0, 1], draws=100, tune=200, chains=2).split()
    assert words[:2] == ["toy", "ours-diagonal"]
    assert 0.99 < float(words[2]) < 1.2
    assert words[3].endswith("/2")
    assert float(words[5]) > 400
    assert rooms.hard_starts.row(case, "ours-dense", [0, 1], draws=50, tune=50, chains=2).split()[3].endswith("/1")
    assert "ValueError" in rooms.hard_starts.row(case, "theirs", [0])


def test_large(rooms):
    record = rooms.large.one("ours-diagonal", 50, 60, 60, 2, 0)
    assert min(record["gradients"]) >= 120
    assert min(record["cpu"]) > 0
    assert record["ess"] > 10
    json.dumps(record)
    costs = rooms.large.costs(
        rooms.large.normals(3), ["ours-diagonal", "ours-dense"], rounds=1, seconds=0.0, tune=40, least=20
    )
    assert list(costs) == ["ours-diagonal", "ours-dense"]
    assert costs["ours-dense"][1] == 1
    assert all(nanoseconds > 0 and length >= 1 for nanoseconds, _, length in costs.values())


def test_references_are_compared_once(rooms, posterior, tmp_path):
    lines = []

    def run(names, configurations, **options):
        options = {"draws": 60, "tune": 100, "chains": 2, "load": lambda name: posterior, **options}
        return rooms.references.run_all(names, configurations, tmp_path, tell=lines.append, **options)

    kept = run(["toy-toy"], ["ours-diagonal-leapfrog"], again=0)
    assert len(lines) == 1
    record = kept["ours-diagonal-leapfrog"]["toy-toy"]
    assert set(record["z"]) == set(record["r_hat"]) == set(record["ess"]) == {"x[1]", "x[2]"}
    assert record["draws"] == 120
    kept = run(["toy-toy"], ["ours-diagonal-leapfrog", "ours-diagonal-bcss2"], again=0)
    assert len(lines) == 2
    text = rooms.references.report(kept)
    assert "ours-diagonal-bcss2" in text
    assert " 8 " in next(line for line in text.splitlines() if line.startswith("all "))


def test_what_is_far_from_the_reference_is_made_again(rooms, posterior, tmp_path):
    wrong = rooms.posteriors.Posterior(
        "toy-toy", posterior.model, {**posterior.reference, "x[1]": posterior.reference["x[1]"] + 3}, posterior.index
    )
    lines = []
    kept = rooms.references.run_all(
        ["toy-toy"], ["ours-diagonal"], tmp_path, draws=60, tune=100, chains=2, again=3, load=lambda name: wrong,
        tell=lines.append,
    )  # fmt: skip
    assert kept["ours-diagonal"]["toy-toy again"]["draws"] == 3 * kept["ours-diagonal"]["toy-toy"]["draws"]
    listed = [line for line in rooms.references.report(kept).splitlines() if line.startswith("toy-toy ")]
    assert next(line.split()[1:3] for line in listed if "x[" in line) == ["x[1]", "mean"]


def test_posteriors_without_a_reference_are_left_out(rooms, posterior, tmp_path):
    bare = rooms.posteriors.Posterior("bare-bare", posterior.model, None, {})
    kept = rooms.references.run_all(["bare-bare"], ["ours-diagonal"], tmp_path, load=lambda name: bare, tell=print)
    assert kept == {"ours-diagonal": {"bare-bare": {"z": {}}}}
    assert "bare" not in rooms.references.report(kept)
