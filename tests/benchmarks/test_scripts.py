"""The scripts of hard starts, many parameters, growth, hard targets and reference draws: small, as far as they go."""

import json
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest


@pytest.fixture(scope="module")
def rooms(folder):
    import growth
    import hard_starts
    import large
    import posteriors
    import references
    import report
    import robustness
    import samplers
    import suite

    return SimpleNamespace(
        growth=growth, hard_starts=hard_starts, large=large, posteriors=posteriors, references=references,
        report=report, robustness=robustness, samplers=samplers, suite=suite,
    )  # fmt: skip


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


@pytest.mark.parametrize("family", ["independent", "correlated", "hierarchical"])
def test_families_are_of_any_dimension(rooms, family):
    for dim in (10, 40):
        posterior = rooms.growth.load(f"{family}-{dim}")
        problem = rooms.samplers.Problem(posterior.model)
        assert problem.target.dim == dim
        value, gradient = problem.target(problem.starts(1, 0)[0])
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_the_correlated_are_what_they_are_said_to_be(rooms):
    target = rooms.samplers.Problem(rooms.growth.correlated(12)).target
    precision = -np.stack([target(unit)[1] for unit in np.eye(12)])
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_allclose(np.linalg.inv(precision), rooms.growth.CORRELATION**distance, rtol=1e-6)


def test_the_same_few_elements_are_scored(rooms, posterior):
    rng = np.random.default_rng(0)
    draws = {"x": rng.normal(size=(2, 40, 450)), "s": rng.normal(size=(2, 40))}
    run = rooms.samplers.Run(draws, np.zeros((2, 40)), (1, 1), (1, 1), np.ones(2), 0)
    bare = rooms.posteriors.Posterior("bare-bare", posterior.model, None, {})
    assert rooms.growth.measure(run, bare)["parameters"] == rooms.growth.SCORED + 1
    chosen = rooms.growth._some(draws["x"])
    np.testing.assert_array_equal(chosen, rooms.growth._some(draws["x"]))


def test_growth(rooms, tmp_path):
    def run():
        return rooms.growth.run_all(
            ["independent", "hierarchical"], [6, 12], ["ours-diagonal", "ours-diagonal-bcss2"], [0], tmp_path,
            limits={"ours-diagonal-bcss2": 6}, draws=60, tune=100, chains=2, tell=str,
        )  # fmt: skip

    assert run() == 6
    assert run() == 0
    results = rooms.report.load(tmp_path)
    assert sorted(results["dim"]) == [6, 6, 6, 6, 12, 12]
    text = rooms.growth.tables(results)
    assert all(words in text for words in rooms.report.MEASURES.values())
    assert [line.split()[3] for line in text.splitlines() if line.startswith("| hierarchical")][:2] == ["6", "12"]

    pytest.importorskip("matplotlib")
    figure = rooms.growth.figure(results, "seconds")
    assert [axes.get_title() for axes in figure.axes] == ["independent", "hierarchical"]
    rooms.growth.main(["--dims", "--results", str(tmp_path)])
    assert (tmp_path / "growth-gradients.png").stat().st_size > 5000


def exact(name, rng, count):
    """Draws (chains, draws, ...) of the targets whose law is known."""
    shape = (4, count)
    if name == "funnel":
        v = rng.normal(0, 3, shape)
        return {"v": v, "x": rng.normal(size=(*shape, 9)) * np.exp(v / 2)[..., None]}
    if name == "mixture":
        first = rng.random(shape) < 0.5
        return {"x": np.where(first, rng.normal(-2, 1, shape), rng.normal(2, 0.6, shape))}
    if name == "student":
        return {"x": rng.standard_t(2, (*shape, 5))}
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((100, 100)))[0]
    return {"x": (np.geomspace(1, 100, 100) * rng.normal(size=(*shape, 100))) @ axes.T}


@pytest.mark.parametrize("name", ["funnel", "mixture", "gaussian", "student"])
def test_exact_draws_have_no_bias(rooms, name):
    target = rooms.robustness.target(name)
    rng, records = np.random.default_rng(1), []
    for _ in range(20):
        draws = exact(name, rng, 500)
        run = rooms.samplers.Run(draws, np.zeros((4, 500)), (1, 1), (1, 1), np.ones(4), 0)
        records.append({"estimates": rooms.robustness.estimates(run, target)})
    biases = rooms.robustness.biases(json.loads(json.dumps(records)))
    assert len(biases) == {"funnel": 4 + 9 * 2, "mixture": 4, "gaussian": 400, "student": 10}[name]
    assert biases["z"].abs().max() < 5.5
    assert 0.5 < np.sqrt((biases["z"] ** 2).mean()) < 1.6
    assert {key: values.shape[2:] for key, values in draws.items()} == {
        rv.name: tuple(rv.shape.eval()) for rv in target.posterior.model.free_RVs
    }
    for record in records:
        for kinds in record["estimates"].values():
            kinds["below 5%"] = (kinds["below 5%"][0] + 0.02, *kinds["below 5%"][1:])
    assert (rooms.robustness.biases(records).xs("below 5%", level="kind")["z"] > 4).all()


def test_the_gaussian_has_the_condition_that_is_said(rooms):
    problem = rooms.samplers.Problem(rooms.robustness.target("gaussian").posterior.model)
    precision = -np.stack([problem.target(unit)[1] for unit in np.eye(100)])
    np.testing.assert_allclose(np.linalg.cond(precision), 1e4, rtol=1e-6)


def test_the_law_of_reference_draws_has_their_error(rooms):
    law = rooms.robustness.Law.drawn(np.random.default_rng(0).normal(1, 2, (10, 1000)))
    assert list(law.truth) == list(rooms.robustness.KINDS)
    assert law.truth["mean"][1] == pytest.approx(0.02, rel=0.1)
    assert law.truth["squares"][0] == pytest.approx(4, rel=0.1)
    assert law.truth["below 95%"][0] == pytest.approx(0.95, abs=1e-3)


def test_what_all_runs_agree_on_is_infinitely_wrong(rooms):
    record = {"estimates": {"x": {"mean": [0.5, 0.0, 0.0], "squares": [None, 1.0, 0.0]}}}
    z = rooms.robustness.biases([record, record])["z"]
    assert z["x", "mean"] == np.inf
    assert np.isnan(z["x", "squares"])
    assert rooms.robustness._bias([record])[1] == "-"


def test_robustness(rooms, tmp_path):
    def run(seeds):
        options = {"draws": 60, "tune": 100, "chains": 2, "tell": str}
        return rooms.robustness.run_all(["mixture"], ["ours"], seeds, tmp_path, **options)

    assert run([0]) == 1
    assert run([0, 1]) == 1
    record = json.loads(rooms.suite.file_of(tmp_path, "mixture", "ours", 1).read_text())
    assert set(record["estimates"]["x"]) == set(rooms.robustness.KINDS)
    assert rooms.robustness.choices([record, {"error": "none"}]).total() == 2
    assert rooms.robustness.tables(tmp_path).count("| target ") == 4  # with no nutpie to compare with

    # as if they were of another sampler, to be compared with
    for seed in (0, 1):
        file = rooms.suite.file_of(tmp_path, "mixture", "nutpie-diagonal", seed)
        own = json.loads(rooms.suite.file_of(tmp_path, "mixture", "ours", seed).read_text())
        file.write_text(json.dumps({**own, "sampler": "nutpie-diagonal", "chosen": []}))
    text = rooms.robustness.tables(tmp_path)
    ratios = [line for line in text.splitlines() if line.startswith("| mixture") and "[" in line]
    assert [line.split()[3] for line in ratios] == ["ours", "nutpie-diagonal"]
    assert all(" 1.00 [" in line for line in ratios)


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
