"""The report's ratios and marks."""

import numpy as np
import pytest

from benchmarks import report, study


def record(posterior, sampler, seed, ess, **changes):
    return {
        "posterior": posterior, "sampler": sampler, "seed": seed, "dim": 3, "draws": 1000, "chains": 4, "r_hat": 1.0,
        "gradients": {"warmup": 1000, "sampling": 1000}, "seconds": {"warmup": 1.0, "sampling": 1.0, "compile": 1.0},
        "ess": {"bulk": ess, "tail": 2 * ess, "squares": 3 * ess}, "divergences": 0, "z": {"x": [0.5, -1.0]}, **changes,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path):
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
                study.write(tmp_path / study.file_of(name, entry["sampler"], seed), entry)
    return report.load(tmp_path)


def test_ratios_have_intervals_and_failures_are_marked(results):
    each, summary = report.ratios(results, "base")
    assert each.loc[("a", "ours"), "ratio"] == pytest.approx(2, rel=0.2)
    assert each.loc[("a", "ours"), "low"] < each.loc[("a", "ours"), "ratio"] < each.loc[("a", "ours"), "high"]
    assert (each.xs("base", level="sampler")[["ratio", "low", "high"]] == 1).all().all()
    trusted = summary.loc[("ours", "trusted")]
    assert trusted["posteriors"] == 2
    assert trusted["ratio"] == pytest.approx(8**0.5, rel=0.2)
    assert 1 < trusted["high"] / trusted["low"] < 1.4
    assert summary.loc[("ours", "all"), "posteriors"] == 3
    marks = report.marked(results)
    assert marks["ours"].to_dict() == {"a": False, "b": False, "c": True}
    assert not marks["base"].any()


def test_the_better_of_two_is_a_baseline(results):
    """It is chosen for each posterior anew, and nothing is above it there."""
    renamed = results.assign(sampler=results["sampler"].map({"ours": "theirs-a", "base": "theirs-b"}))
    renamed.loc[(renamed["posterior"] == "b") & (renamed["sampler"] == "theirs-b"), "gradients"] *= 1000
    each, _ = report.ratios(renamed, "theirs")
    best = each[each["ratio"] == 1].reset_index(level="sampler")
    assert (best["sampler"] == best["against"]).all()
    assert best["sampler"].loc["a"] == "theirs-a" and best["sampler"].loc["b"] == "theirs-b"
    assert (each["ratio"] <= 1).all()


def test_one_seed_has_no_interval(results):
    each, summary = report.ratios(results[results["seed"] == 0], "base", "seconds_with_warmup")
    assert np.isfinite(each["ratio"]).all()
    assert np.isnan(summary.loc[("ours", "all"), "low"])


def test_the_report_is_written(results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    report.main(["--results", str(tmp_path), "--baseline", "base", "--samplers", "ours"])
    assert "Geometric mean" in capsys.readouterr().out
    assert (tmp_path / "ratios-gradients.png").stat().st_size > 5000
    report.main(["--results", str(tmp_path), "--baseline", "base", "--samplers", "base"])
    assert "| base " in capsys.readouterr().out


def test_what_other_studies_have_left_is_no_result(results, tmp_path):
    study.write(tmp_path / "references" / "ours@0-4x1000+1000.json", {"toy-toy": {"z": {}}})
    assert len(report.load(tmp_path)) == len(results)
    with pytest.raises(FileNotFoundError, match="no results"):
        report.load(tmp_path / "a")
