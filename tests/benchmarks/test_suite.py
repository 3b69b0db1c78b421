"""The suite: what draws are worth, resuming, names of samplers, and the report's ratios and marks."""

import json
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest


@pytest.fixture(scope="module")
def rooms(folder):
    import posteriors
    import report
    import samplers
    import suite

    return SimpleNamespace(posteriors=posteriors, report=report, samplers=samplers, suite=suite)


@pytest.fixture(scope="module")
def posterior(rooms):
    rng = np.random.default_rng(0)
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1, shape=2)
        s = pm.HalfNormal("s", 1)
        pm.Deterministic("both", x[0] + s)
        pm.Deterministic("other", x[1])
    reference = {
        "x[1]": rng.normal(size=(10, 1000)),
        "both": rng.normal(size=(10, 1000)) + abs(rng.normal(size=(10, 1000))),
    }
    return rooms.posteriors.Posterior("toy-toy", model, reference, {"x[1]": ("x", (0,)), "both": ("both", ())})


def test_score(rooms, posterior):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 500, 2))
    x[..., 1] = np.repeat(x[:, ::5, 1], 5, axis=1)  # as if every draw but the fifth were refused
    s = abs(rng.normal(size=(4, 500)))
    run = rooms.samplers.Run(
        {"x": x, "s": s, "both": x[..., 0] + s}, np.arange(2000).reshape(4, 500) < 3, (700, 5000), (0.5, 2.0),
        np.full(4, 0.3), 9.0,
    )  # fmt: skip
    scores = rooms.suite.score(run, posterior)
    assert scores["least"] == dict.fromkeys(("bulk", "tail", "squares"), "x[1]")
    assert all(250 < ess < 600 for ess in scores["ess"].values())
    assert scores["gradients"] == {"warmup": 700, "sampling": 5000}
    assert scores["seconds"] == {"warmup": 0.5, "sampling": 2.0, "compile": 9.0}
    assert scores["divergences"] == 3
    assert scores["parameters"] == 4
    assert 0.99 < scores["r_hat"] < 1.05
    assert set(scores["z"]) == {"x[1]", "both"}
    assert all(abs(z) < 5 for pair in scores["z"].values() for z in pair)
    biased = rooms.samplers.Run(
        {**run.draws, "both": run.draws["both"] + 1}, run.diverging, (1, 1), (1, 1), run.step_size, 0
    )
    assert rooms.suite.score(biased, posterior)["z"]["both"][0] > 10


def test_a_stuck_chain_has_no_score(rooms, posterior, tmp_path):
    draws = {"x": np.zeros((4, 100, 2)), "s": np.full((4, 100), np.nan), "both": np.zeros((4, 100))}
    run = rooms.samplers.Run(draws, np.zeros((4, 100)), (1, 1), (1, 1), np.ones(4), 0)
    with np.errstate(all="ignore"):
        rooms.suite._write(tmp_path / "file.json", rooms.suite.score(run, posterior))
    assert json.loads((tmp_path / "file.json").read_text())["ess"] == {"bulk": None, "tail": None, "squares": None}


def test_runs_are_made_once_and_go_on(rooms, posterior, tmp_path, monkeypatch):
    lines = []

    def run(seeds, samplers=("ours-diagonal",), **plan):
        plan = {"draws": 60, "tune": 100, "chains": 2, **plan}
        return rooms.suite.run_all(
            ["toy-toy"], samplers, seeds, tmp_path, load=lambda name: posterior, tell=lines.append, **plan
        )

    assert run([0, 1]) == 2
    files = {seed: rooms.suite.file_of(tmp_path, "toy-toy", "ours-diagonal", seed) for seed in (0, 1, 2)}
    first = json.loads(files[0].read_text())
    assert first["gradients"]["sampling"] >= 120
    assert first["dim"] == 3
    assert "error" not in first
    assert set(first["z"]) == {"x[1]", "both"}

    files[1].unlink()
    stamp = files[0].stat().st_mtime_ns
    assert run([0, 1, 2]) == 2
    assert files[0].stat().st_mtime_ns == stamp
    assert files[2].exists()
    assert run([0, 1, 2]) == 0
    with pytest.raises(ValueError, match="another folder"):
        run([0], draws=61)

    def broken(problem):
        raise RuntimeError("out of order")

    monkeypatch.setitem(rooms.samplers.SAMPLERS, "broken", broken)
    assert run([0, 1], ["broken", "ours-diagonal"]) == 2
    assert (
        json.loads(rooms.suite.file_of(tmp_path, "toy-toy", "broken", 1).read_text())["error"]
        == "RuntimeError: out of order"
    )
    assert "out of order" in lines[-1]

    results = rooms.report.load(tmp_path)
    assert results["sampler"].value_counts().to_dict() == {"ours-diagonal": 3, "broken": 2}
    text = rooms.report.tables(results, "ours-diagonal")
    assert "error !" in text
    assert "toy-toy, broken, seed 0: RuntimeError: out of order" in text


def test_the_same_seed_has_the_same_draws(rooms, posterior):
    problem = rooms.samplers.Problem(posterior.model, ["both"])
    sample = rooms.samplers.get("ours-diagonal")(problem)
    first, second = (sample(draws=20, tune=30, chains=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.draws["both"], second.draws["both"])
    np.testing.assert_allclose(first.draws["both"], first.draws["x"][..., 0] + first.draws["s"])
    assert set(first.draws) == {"x", "s", "both"}
    assert (first.draws["s"] > 0).all()
    assert first.gradients == second.gradients
    assert np.ptp(problem.starts(2, 3), axis=0).min() > 0


def test_names_of_samplers_are_options(rooms):
    chosen = rooms.samplers._options(["low_rank", "bcss2", "fixed_time", "time=2", "target_accept=0.9"])
    assert type(chosen["metric"]).__name__ == "LowRank"
    assert chosen["integrator"].name == "bcss2"
    assert (chosen["trajectory"].time, chosen["target_accept"]) == (2, 0.9)
    assert rooms.samplers._options(["dense"])["trajectory"].name == "no_u_turn"
    for words in (["nonsense"], ["dense", "time=2"]):
        with pytest.raises(ValueError, match=r"nonsense|time"):
            rooms.samplers._options(words)
    with pytest.raises(ValueError, match="No sampler 'stan'"):
        rooms.samplers.get("stan")


def record(posterior, sampler, seed, ess, **changes):
    return {
        "posterior": posterior, "sampler": sampler, "seed": seed, "dim": 3, "draws": 1000, "chains": 4, "r_hat": 1.0,
        "gradients": {"warmup": 1000, "sampling": 1000}, "seconds": {"warmup": 1.0, "sampling": 1.0, "compile": 1.0},
        "ess": {"bulk": ess, "tail": 2 * ess, "squares": 3 * ess}, "divergences": 0, "z": {"x": [0.5, -1.0]}, **changes,
    }  # fmt: skip


@pytest.fixture
def results(rooms, tmp_path):
    """Ours is twice as good on a, four times on b, and has failed on c."""
    rng = np.random.default_rng(0)
    for seed in range(5):
        for name, factor in (("a", 2), ("b", 4), ("c", 0.01)):
            noise = np.exp(0.1 * rng.normal(size=2))
            changes = {"z": {"x": [9.0, 0.0]}} if (name, seed) == ("c", 4) else {}
            records = [
                record(name, "base", seed, 100 * noise[0]),
                record(name, "ours", seed, 100 * factor * noise[1], **changes),
            ]
            for entry in records:
                rooms.suite._write(rooms.suite.file_of(tmp_path, name, entry["sampler"], seed), entry)
    return rooms.report.load(tmp_path)


def test_ratios_have_intervals_and_failures_are_marked(rooms, results):
    each, summary = rooms.report.ratios(results, "base")
    assert each.loc[("a", "ours"), "ratio"] == pytest.approx(2, rel=0.2)
    assert each.loc[("a", "ours"), "low"] < each.loc[("a", "ours"), "ratio"] < each.loc[("a", "ours"), "high"]
    assert (each.xs("base", level="sampler")[["ratio", "low", "high"]] == 1).all().all()
    trusted = summary.loc[("ours", "trusted")]
    assert trusted["posteriors"] == 2
    assert trusted["ratio"] == pytest.approx(8**0.5, rel=0.2)
    assert 1 < trusted["high"] / trusted["low"] < 1.4
    assert summary.loc[("ours", "all"), "posteriors"] == 3
    marks = rooms.report.marked(results)
    assert marks["ours"].to_dict() == {"a": False, "b": False, "c": True}
    assert not marks["base"].any()


def test_the_better_of_two_is_a_baseline(rooms, results):
    """It is chosen for each posterior anew, and nothing is above it there."""
    renamed = results.assign(sampler=results["sampler"].map({"ours": "theirs-a", "base": "theirs-b"}))
    renamed.loc[(renamed["posterior"] == "b") & (renamed["sampler"] == "theirs-b"), "gradients"] *= 1000
    each, _ = rooms.report.ratios(renamed, "theirs")
    best = each[each["ratio"] == 1].reset_index(level="sampler")
    assert (best["sampler"] == best["against"]).all()
    assert best["sampler"].loc["a"] == "theirs-a" and best["sampler"].loc["b"] == "theirs-b"
    assert (each["ratio"] <= 1).all()


def test_one_seed_has_no_interval(rooms, results):
    each, summary = rooms.report.ratios(results[results["seed"] == 0], "base", "seconds_with_warmup")
    assert np.isfinite(each["ratio"]).all()
    assert np.isnan(summary.loc[("ours", "all"), "low"])


def test_the_report_is_written(rooms, results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    rooms.report.main(["--results", str(tmp_path), "--baseline", "base", "--samplers", "ours"])
    assert "Geometric mean" in capsys.readouterr().out
    assert (tmp_path / "ratios-gradients.png").stat().st_size > 5000
