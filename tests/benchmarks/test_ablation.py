"""The ablation: what is off is off, and only while it runs."""

import pytest

from benchmarks import report, study
from benchmarks.models.posterior import Posterior
from benchmarks.studies import ablation


@pytest.fixture(scope="module")
def results(normal_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    names = ["ours", "ours without the harmonic drift", "ours-auto"]

    def load(name):
        return Posterior(name, normal_model)

    samplers = {name: ablation.sampler(name) for name in names}
    plan = {"draws": 200, "tune": 400, "chains": 1}
    study.run_all(study.runs(["toy-toy"], samplers, [0, 1], load, plan), folder, tell=len)
    return report.load(folder)


def test_what_is_off_is_not_chosen(results):
    chosen = {name: set(rows.explode("chosen")["chosen"]) for name, rows in results.groupby("sampler")}
    assert any("harmonic" in words for words in chosen["ours"])
    assert not any("harmonic" in words for words in chosen["ours without the harmonic drift"])
    assert chosen["ours-auto"] == {"leapfrog, no_u_turn"}
    assert "harmonic_leapfrog" in ablation.tuner._SCHEMES


def test_every_switch_is_there_to_be_switched():
    for switches in ablation.VARIANTS.values():
        for module, name, value in switches:
            assert getattr(module, name) != value


def test_the_table_has_what_was_run(results):
    text = ablation.table(results)
    assert "without the harmonic drift" in text and "without the tuner" in text and "without proof" not in text
    assert "| the whole" in text and "R-hat ≤ 1.01" in text and text.count(" of 2 |") == 3
