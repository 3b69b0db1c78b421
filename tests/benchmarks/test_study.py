"""How studies run: scores of draws, resuming, names of samplers, and the command line."""

import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pymc as pm
import pytest

from benchmarks import report, study
from benchmarks.__main__ import STUDIES, first_line
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import SAMPLERS, Problem, Run, get
from benchmarks.samplers.ours import options_of
from benchmarks.scores import score


@pytest.fixture(scope="module")
def posterior():
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
    return Posterior("toy-toy", model, reference, {"x[1]": ("x", (0,)), "both": ("both", ())})


def test_score(posterior):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 500, 2))
    x[..., 1] = np.repeat(x[:, ::5, 1], 5, axis=1)  # as if every draw but the fifth were refused
    s = abs(rng.normal(size=(4, 500)))
    run = Run(
        {"x": x, "s": s, "both": x[..., 0] + s}, np.arange(2000).reshape(4, 500) < 3, (700, 5000), (0.5, 2.0),
        np.full(4, 0.3), 9.0,
    )  # fmt: skip
    scores = score(run, posterior)
    assert scores["least"] == dict.fromkeys(("bulk", "tail", "squares"), "x[1]")
    assert all(250 < ess < 600 for ess in scores["ess"].values())
    assert scores["gradients"] == {"warmup": 700, "sampling": 5000}
    assert scores["seconds"] == {"warmup": 0.5, "sampling": 2.0, "compile": 9.0}
    assert scores["divergences"] == 3
    assert scores["parameters"] == 4
    assert 0.99 < scores["r_hat"] < 1.05
    assert set(scores["z"]) == {"x[1]", "both"}
    assert all(abs(z) < 5 for pair in scores["z"].values() for z in pair)
    biased = Run({**run.draws, "both": run.draws["both"] + 1}, run.diverging, (1, 1), (1, 1), run.step_size, 0)
    assert score(biased, posterior)["z"]["both"][0] > 10


def test_a_stuck_chain_has_no_score(posterior, tmp_path):
    draws = {"x": np.zeros((4, 100, 2)), "s": np.full((4, 100), np.nan), "both": np.zeros((4, 100))}
    run = Run(draws, np.zeros((4, 100)), (1, 1), (1, 1), np.ones(4), 0)
    with np.errstate(all="ignore"):
        study.write(tmp_path / "file.json", score(run, posterior))
    assert json.loads((tmp_path / "file.json").read_text())["ess"] == {"bulk": None, "tail": None, "squares": None}


def test_runs_are_made_once_and_go_on(posterior, tmp_path, monkeypatch):
    lines = []

    def run(seeds, samplers=("ours-diagonal",), **plan):
        plan = {"draws": 60, "tune": 100, "chains": 2, **plan}
        cases = study.runs(["toy-toy"], {name: get(name) for name in samplers}, seeds, lambda name: posterior, plan)
        return study.run_all(cases, tmp_path, tell=lines.append)

    assert run([0, 1]) == 2
    files = {seed: tmp_path / study.file_of("toy-toy", "ours-diagonal", seed) for seed in (0, 1, 2)}
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

    monkeypatch.setitem(SAMPLERS, "broken", broken)
    assert run([0, 1], ["broken", "ours-diagonal"]) == 2
    assert (
        json.loads((tmp_path / study.file_of("toy-toy", "broken", 1)).read_text())["error"]
        == "RuntimeError: out of order"
    )
    assert "out of order" in lines[-1]

    results = report.load(tmp_path)
    assert results["sampler"].value_counts().to_dict() == {"ours-diagonal": 3, "broken": 2}
    text = report.tables(results, "ours-diagonal")
    assert "error !" in text
    assert "toy-toy, broken, seed 0: RuntimeError: out of order" in text


def test_the_same_seed_has_the_same_draws(posterior):
    problem = Problem(posterior.model, ["both"])
    sample = get("ours-diagonal")(problem)
    first, second = (sample(draws=20, tune=30, chains=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.draws["both"], second.draws["both"])
    np.testing.assert_allclose(first.draws["both"], first.draws["x"][..., 0] + first.draws["s"])
    assert set(first.draws) == {"x", "s", "both"}
    assert (first.draws["s"] > 0).all()
    assert first.gradients == second.gradients
    assert np.ptp(problem.starts(2, 3), axis=0).min() > 0


def test_names_of_samplers_are_options():
    chosen = options_of(["low_rank", "bcss2", "fixed_time", "time=2", "target_accept=0.9"])
    assert type(chosen["metric"]).__name__ == "LowRank"
    assert chosen["integrator"].name == "bcss2"
    assert (chosen["trajectory"].time, chosen["target_accept"]) == (2, 0.9)
    assert options_of(["dense"])["trajectory"].name == "no_u_turn"
    for words in (["nonsense"], ["dense", "time=2"]):
        with pytest.raises(ValueError, match=r"nonsense|time"):
            options_of(words)
    with pytest.raises(ValueError, match="No sampler 'gibbs'"):
        get("gibbs")


def test_a_study_without_a_name_lists_them_all():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"], cwd=study.ROOT, capture_output=True, text=True, check=True
    )
    assert all(f"  {name:14s}{first_line(file)}\n" in done.stdout for name, file in STUDIES.items())
    assert {"suite", "report", "same_draws"} <= set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_what_it_takes(name, capsys):
    module = import_module(f"benchmarks.{'' if name == 'report' else 'studies.'}{name}")
    with pytest.raises(SystemExit) as done:
        module.main(["--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert first_line(STUDIES[name]) and first_line(STUDIES[name]) in text
    assert text.startswith("usage: ") and name in text.splitlines()[0]


def test_nothing_is_imported_before_threads_are_limited():
    code = "import sys, benchmarks.__main__; sys.exit(any(name in sys.modules for name in ('numpy', 'jax')))"
    subprocess.run([sys.executable, "-c", code], cwd=study.ROOT, check=True)
