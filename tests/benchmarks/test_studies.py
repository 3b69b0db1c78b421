"""Studies of hard starts, many parameters, growth, hard targets and reference draws: small, as far as they go."""

import json
import math
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

from benchmarks import report, study
from benchmarks.models import families, gaussians, known_laws
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem, Run
from benchmarks.studies import (
    answers,
    cold_start,
    growth,
    hard_starts,
    hierarchies,
    large,
    metric_error,
    narrow,
    references,
    robustness,
)

PLAN = {"draws": 60, "tune": 100, "chains": 2}


@pytest.fixture(scope="module")
def posterior():
    rng = np.random.default_rng(0)
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=2)
    reference = {f"x[{i}]": rng.normal(size=(10, 1000)) for i in (1, 2)}
    return Posterior("toy-toy", model, reference, {f"x[{i}]": ("x", (i - 1,)) for i in (1, 2)})


def test_starts_are_as_far_as_they_are_said_to_be():
    rng = np.random.default_rng(0)
    by_name = {name: gaussians.load(name) for name in gaussians.STARTS}
    np.testing.assert_allclose(np.abs(by_name["a-far"].place(rng)), 1e3)
    np.testing.assert_allclose(np.abs(by_name["b-far"].place(rng)), 1e3 * np.geomspace(1e-3, 1e3, 20))
    assert np.abs(by_name["b-near"].place(rng)).max() < 1

    problem = Problem.of(by_name["c-far"])
    assert problem.starts(2, 0).shape == (2, 100)
    np.testing.assert_array_equal(problem.starts(2, 0), Problem.of(by_name["c-far"]).starts(2, 0))
    precision = -np.stack([problem.target(unit)[1] for unit in np.eye(100)])
    np.testing.assert_allclose(np.linalg.cond(precision), 1e6, rtol=1e-6)
    value = problem.target(problem.starts(1, 0)[0])[0]  # of 100 axes, each 10³ off
    np.testing.assert_allclose(value, -0.5 * 100 * 1e6, rtol=1e-6)
    marginal = np.sqrt(np.diag(np.linalg.inv(precision)))
    np.testing.assert_allclose(np.abs(by_name["c-farther"].place(rng)), 1e3 * marginal, rtol=1e-6)


def test_hard_starts(tmp_path, capsys):
    options = "--cases b-near --samplers ours-diagonal --seeds 0 1 --draws 100 --tune 200 --chains 2 --results"
    hard_starts.main([*options.split(), str(tmp_path)])
    first = capsys.readouterr().out
    title, words = gaussians.STARTS["b-near"], first.splitlines()[1]
    assert words.startswith(f"{title:27s} ours-diagonal ")
    r_hat, passed, ess, warmup = words[len(title) :].split()[1:5]
    assert 0.99 < float(r_hat) < 1.2 and passed.endswith("/2")
    assert float(ess) > 10 and float(warmup) > 400
    hard_starts.main([*options.split(), str(tmp_path)])  # from what is on file
    assert capsys.readouterr().out == first


def test_what_is_hopeless_is_run_once_and_errors_are_shown():
    assert hard_starts.seeds_of("c-far", "ours-diagonal", [0, 1]) == [0]
    assert hard_starts.seeds_of("c-far", "ours-dense", [0, 1]) == [0, 1]
    assert hard_starts.seeds_of("b-far", "ours-diagonal", [0, 1]) == [0, 1]
    assert hard_starts.row("toy", "theirs", [{"error": "ValueError: no\nand more"}]).endswith(" ValueError: no")


def run_of(draws, warmup=1000):
    """A run of four chains, each draw of which has cost two gradients."""
    count = draws.shape[1]
    return Run(
        {"x": draws}, np.zeros((4, count), bool), (warmup, 8 * count), (1.0, 2.0), np.ones(4), 0.0, ("harmonic",)
    )


def test_the_cost_of_an_answer(posterior):
    rng = np.random.default_rng(0)
    record = cold_start.measure(run_of(rng.standard_normal((4, 1000))), posterior)
    needed = record["draws_needed"]
    assert 90 < needed < 300 and record["gradients"] == pytest.approx(1000 + 8 * needed)
    assert record["seconds"] == pytest.approx(1.0 + 2.0 * needed / 1000)
    apart = cold_start.measure(run_of(rng.standard_normal((4, 1000)) + np.arange(4)[:, None]), posterior)
    assert apart["draws_needed"] is None and math.isnan(apart["gradients"])
    assert "not enough" in cold_start.line(apart)


def test_costs_beside_the_best_of_another(posterior, tmp_path):
    plan = {"draws": 400, "chains": 4}
    cases = cold_start.cases(["toy-toy"], ["ours", "ours@100"], [0, 1], lambda name: posterior, plan)
    assert study.run_all(cases, tmp_path, lambda line: None) == 4
    records = study.load(tmp_path)
    own = [record for record in records if record["sampler"] == "ours"]
    assert all(record["warmup"] < 4 * 500 and record["draws_needed"] for record in own)
    other = [{**record, "sampler": "nutpie-diagonal@300", "gradients": 2 * record["gradients"]} for record in own]
    worse = [{**record, "sampler": "nutpie-diagonal@600", "gradients": None} for record in own]
    shown = cold_start.table([*own, *other, *worse])
    assert "2 of 2 |" in shown and "nutpie-diagonal@300" in shown and "2.00 (2.00)" in shown
    name = "ours without the way down"
    without = [{**record, "sampler": name, "gradients": 3 * record["gradients"]} for record in own]
    parts = cold_start.table_of_parts([*own, *without])
    assert "without the way down" in parts and "3.00 (toy)" in parts and parts.count("2 of 2 |") == 2
    assert not cold_start.table_of_parts(own)


def test_hierarchies_beside_others(tmp_path, capsys):
    options = "--posteriors schools-centered --samplers ours --seeds 0 --draws 200 --chains 2 --results"
    hierarchies.main([*options.split(), str(tmp_path)])
    words = capsys.readouterr().out
    assert "effective draws for 1000 gradients" in words and "| schools-centered" in words
    (record,) = study.load(tmp_path, "schools-centered/*.json")
    theirs = {**record, "sampler": "nutpie-diagonal@300", "gradients": {"warmup": 0, "sampling": 1}}
    by_hand = {**theirs, "posterior": "schools-centered-by_hand", "gradients": record["gradients"]}
    worse = {**record, "sampler": "ours-parametrization=model", "ess": {"bulk": 0.5 * min(record["ess"].values())}}
    shown = hierarchies.table([record, theirs, by_hand, {**worse, "rest": 30}], ["schools-centered"])
    assert "2.00 (2.00)" in shown and "/ 0 of 1" in shown
    assert hierarchies.efficiency(theirs) > 100 * hierarchies.efficiency(record)


def test_rests():
    draws = np.array([[1.0, 2, 2, 2, 3, 3], [1, 2, 3, 4, 5, 6]])
    assert hierarchies.longest_rest({"x": draws}) == 3
    assert hierarchies.longest_rest({"x": draws, "y": np.arange(12.0).reshape(2, 6, 1)}) == 1
    assert hierarchies.longest_rest({"x": np.zeros((2, 6))}) == 6


def test_parts_of_the_default_are_left_off_a_cold_start(posterior):
    name = "ours without the way down"
    (case,) = cold_start.cases(["toy-toy"], [name], [0], lambda _: posterior, {"draws": 60, "chains": 1})
    record = case.run({}, None)
    assert record["sampler"] == name and record["warmup"] > 0


def test_the_error_of_a_metric(tmp_path, capsys):
    covariance = np.diag([1.0, 9.0])
    assert metric_error.error(np.diag([1.0, 3.0]), covariance) == pytest.approx(0.0, abs=1e-12)
    assert metric_error.error(np.eye(2), covariance) == pytest.approx(math.log(9) / math.sqrt(2))
    figure = tmp_path / "metric.png"
    metric_error.main(["--dim", "4", "--condition", "100", "--most", "300", "--seeds", "0", "--figure", str(figure)])
    assert figure.stat().st_size > 1000
    shown = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert set(shown) == set(metric_error.VARIANTS)
    assert float(shown["the default"].split(", ")[1].split()[0]) < 0.2  # after a hundred gradients


def test_large():
    record = large.one("ours-diagonal", 50, 100, 60, 2, 0)
    assert min(record["gradients"]) >= 120
    assert min(record["cpu"]) > 0
    assert record["ess"] > 10
    json.dumps(record)
    costs = large.costs(large.spread(3), ["ours-diagonal", "ours-dense"], rounds=1, seconds=0.0, tune=40, least=20)
    assert list(costs) == ["ours-diagonal", "ours-dense"]
    assert costs["ours-dense"][1] == 1
    assert all(nanoseconds > 0 and length >= 1 for nanoseconds, _, length in costs.values())


@pytest.mark.parametrize("family", ["independent", "correlated", "hierarchical"])
def test_families_are_of_any_dimension(family):
    for dim in (10, 40):
        posterior = families.load(f"{family}-{dim}")
        problem = Problem(posterior.model)
        assert problem.target.dim == dim
        value, gradient = problem.target(problem.starts(1, 0)[0])
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_the_correlated_are_what_they_are_said_to_be():
    target = Problem(families.correlated(12)).target
    precision = -np.stack([target(unit)[1] for unit in np.eye(12)])
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_allclose(np.linalg.inv(precision), families.CORRELATION**distance, rtol=1e-6)


def test_the_same_few_elements_are_scored(posterior):
    rng = np.random.default_rng(0)
    draws = {"x": rng.normal(size=(2, 40, 450)), "s": rng.normal(size=(2, 40))}
    run = Run(draws, np.zeros((2, 40)), (1, 1), (1, 1), np.ones(2), 0)
    bare = Posterior("bare-bare", posterior.model)
    assert growth.measure(run, bare)["parameters"] == growth.SCORED + 1
    chosen = growth._some(draws["x"])
    np.testing.assert_array_equal(chosen, growth._some(draws["x"]))


def test_growth(tmp_path):
    def run():
        samplers, limits = ["ours-diagonal", "ours-diagonal-bcss2"], {"ours-diagonal-bcss2": 6}
        cases = growth.cases(["independent", "hierarchical"], [12, 6], samplers, [0], limits, PLAN)
        return study.run_all(cases, tmp_path, tell=str)

    assert run() == 6
    assert run() == 0
    results = report.load(tmp_path)
    assert sorted(results["dim"]) == [6, 6, 6, 6, 12, 12]
    text = growth.tables(results)
    assert all(words in text for words in report.MEASURES.values())
    assert [line.split()[3] for line in text.splitlines() if line.startswith("| hierarchical")][:2] == ["6", "12"]

    pytest.importorskip("matplotlib")
    figure = growth.figure(results, "seconds")
    assert [axes.get_title() for axes in figure.axes] == ["independent", "hierarchical"]
    growth.main(["--dims", "--results", str(tmp_path)])
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
def test_exact_draws_have_no_bias(name):
    target = known_laws.load(name)
    rng, records = np.random.default_rng(1), []
    for _ in range(20):
        draws = exact(name, rng, 500)
        run = Run(draws, np.zeros((4, 500)), (1, 1), (1, 1), np.ones(4), 0)
        records.append({"estimates": robustness.estimates(run, target)})
    biases = robustness.biases(json.loads(json.dumps(records)))
    assert len(biases) == {"funnel": 4 + 9 * 2, "mixture": 4, "gaussian": 400, "student": 10}[name]
    assert biases["z"].abs().max() < 5.5
    assert 0.5 < np.sqrt((biases["z"] ** 2).mean()) < 1.6
    assert {key: values.shape[2:] for key, values in draws.items()} == {
        rv.name: tuple(rv.shape.eval()) for rv in target.posterior.model.free_RVs
    }
    for record in records:
        for kinds in record["estimates"].values():
            kinds["below 5%"] = (kinds["below 5%"][0] + 0.02, *kinds["below 5%"][1:])
    assert (robustness.biases(records).xs("below 5%", level="kind")["z"] > 4).all()


def test_the_gaussian_has_the_condition_that_is_said():
    problem = Problem(known_laws.load("gaussian").posterior.model)
    precision = -np.stack([problem.target(unit)[1] for unit in np.eye(100)])
    np.testing.assert_allclose(np.linalg.cond(precision), 1e4, rtol=1e-6)


def test_the_law_of_reference_draws_has_their_error():
    law = known_laws.Law.drawn(np.random.default_rng(0).normal(1, 2, (10, 1000)))
    assert list(law.truth) == list(known_laws.KINDS)
    assert law.truth["mean"][1] == pytest.approx(0.02, rel=0.1)
    assert law.truth["squares"][0] == pytest.approx(4, rel=0.1)
    assert law.truth["below 95%"][0] == pytest.approx(0.95, abs=1e-3)


def test_what_all_runs_agree_on_is_infinitely_wrong():
    record = {"estimates": {"x": {"mean": [0.5, 0.0, 0.0], "squares": [None, 1.0, 0.0]}}}
    z = robustness.biases([record, record])["z"]
    assert z["x", "mean"] == np.inf
    assert np.isnan(z["x", "squares"])
    assert robustness._bias([record])[1] == "-"


def test_robustness(tmp_path):
    def run(seeds):
        return study.run_all(robustness.cases(["mixture"], ["ours"], seeds, plan=PLAN), tmp_path, tell=str)

    assert run([0]) == 1
    assert run([0, 1]) == 1
    record = json.loads((tmp_path / study.file_of("mixture", "ours", 1)).read_text())
    assert set(record["estimates"]["x"]) == set(known_laws.KINDS)
    assert robustness.choices([record, {"error": "none"}]).total() == 2
    assert robustness.tables(tmp_path).count("| target ") == 4  # with no nutpie to compare with

    # as if they were of another sampler, to be compared with
    for seed in (0, 1):
        file = tmp_path / study.file_of("mixture", "nutpie-diagonal", seed)
        own = json.loads((tmp_path / study.file_of("mixture", "ours", seed)).read_text())
        file.write_text(json.dumps({**own, "sampler": "nutpie-diagonal", "chosen": []}))
    text = robustness.tables(tmp_path)
    ratios = [line for line in text.splitlines() if line.startswith("| mixture") and "[" in line]
    assert [line.split()[3] for line in ratios] == ["ours", "nutpie-diagonal"]
    assert all(" 1.00 [" in line for line in ratios)


def compare(folder, posterior, configurations, lines=None, **options):
    cases = references.cases([posterior.name], configurations, folder, lambda name: posterior, PLAN, **options)
    study.run_all(cases, folder, tell=[].append if lines is None else lines.append)
    return references.kept(folder, [posterior.name], configurations, 0)


def test_references_are_compared_once(posterior, tmp_path):
    lines = []
    kept = compare(tmp_path, posterior, ["ours-diagonal-leapfrog"], lines, again=0)
    assert len(lines) == 1 and "|z|" in lines[0]
    record = kept["ours-diagonal-leapfrog"]["toy-toy"]
    assert set(record["z"]) == set(record["r_hat"]) == set(record["ess"]) == {"x[1]", "x[2]"}
    assert (record["draws"], record["chains"]) == (60, 2)
    kept = compare(tmp_path, posterior, ["ours-diagonal-leapfrog", "ours-diagonal-bcss2"], lines, again=0)
    assert len(lines) == 2
    text = references.tables(kept)
    assert "ours-diagonal-bcss2" in text
    assert " 8 " in next(line for line in text.splitlines() if line.startswith("all "))


def test_what_is_far_from_the_reference_is_made_again(posterior, tmp_path):
    wrong = replace(posterior, reference={**posterior.reference, "x[1]": posterior.reference["x[1]"] + 3})
    kept = compare(tmp_path, wrong, ["ours-diagonal"], again=3)
    assert kept["ours-diagonal"]["toy-toy again"]["draws"] == 3 * kept["ours-diagonal"]["toy-toy"]["draws"]
    listed = [line for line in references.tables(kept).splitlines() if line.startswith("toy-toy ")]
    assert next(line.split()[1:3] for line in listed if "x[" in line) == ["x[1]", "mean"]


def test_posteriors_without_a_reference_are_left_out(posterior, tmp_path):
    kept = compare(tmp_path, Posterior("bare-bare", posterior.model), ["ours-diagonal"])
    assert kept == {"ours-diagonal": {}}
    assert "bare" not in references.tables(kept)


def test_repeated_calls_and_calibration(capsys):
    answers.repeated("schools", with_nutpie=False, calls=1)
    answers.calibration(3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["repeated", "call", "schools"] and "with_data" in lines[0]
    assert lines[1].split()[-1] == "ms" and 0 < float(lines[1].split()[-2]) < 1000
    assert "3 data sets" in lines[2]


def test_times_of_processes_are_compared_in_pairs(monkeypatch, capsys):
    monkeypatch.setattr(answers.time, "sleep", lambda _: None)
    monkeypatch.setattr(answers, "process", lambda name, sampler, cache: {"ours": 2.0, "nutpie": 4.0}[sampler])
    answers.processes("houses", ["ours", "nutpie"], 2)
    first, later = capsys.readouterr().out.splitlines()
    assert first.startswith("first start") and later.startswith("later process")
    assert first.split()[-1] == later.split()[-1] == "0.50"


def test_what_a_process_runs_is_whole(tmp_path, monkeypatch):
    monkeypatch.setitem(answers.PROCESSES, "ours", "{}()")  # the model alone
    assert answers.process("regression", "ours", tmp_path) > 0


def test_narrow_places(tmp_path, capsys):
    options = "--posteriors banana --samplers no_u_turn divided --seeds 0 1 --draws 100 --tune 100 --chains 2"
    narrow.main([*options.split(), "--results", str(tmp_path)])
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| banana")]
    assert [row[2].strip() for row in rows] == ["divided", "no_u_turn"]
    assert all(float(row[column]) > 0 for row in rows for column in (3, 4))
    assert all(int(row[8]) >= 0 and row[9].strip() == "" for row in rows)


def test_what_is_true_of_a_banana():
    rng = np.random.default_rng(1)
    made, target = narrow.stationary.MADE_UP["banana"]().sample(rng, 200_000), narrow.target("banana")
    for law, draws in zip(target.laws.values(), target.quantities({"x": made[None]}).values(), strict=True):
        for kind, part in law.parts(draws).items():
            assert part.mean() == pytest.approx(law.truth[kind][0], abs=3e-3)


def test_errors_of_probabilities_count_as_draws():
    """Of a probability of 0.05 that is off by 0.05 either way, 0.05 0.95 / 0.05² = 19 draws would be as good."""
    records = [{"estimates": {"tau": {"mean": [0.0, 1.0, 0.0], "below 5%": [seen, 0.05, 0.0]}}} for seen in (0.0, 0.1)]
    assert float(narrow._by_truth(records, 1000.0)) == pytest.approx(19)
    assert narrow._below(records, "schools") == "0.050 ± 0.050 of 0.050"
    assert narrow._below(records, "poisson") == "" == narrow._by_truth([{}], 1.0)
