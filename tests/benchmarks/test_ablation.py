"""The ablation: what is off is off."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import report, study
from benchmarks.models.posterior import Posterior
from benchmarks.studies import ablation
from pymc_symplectic import Policy


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


def test_every_variant_changes_what_it_names():
    usual = Policy()
    for constants in ablation.VARIANTS.values():
        changed = replace(usual, **constants)
        assert all(getattr(changed, name) != getattr(usual, name) for name in constants)


def test_the_table_has_what_was_run(results):
    text = ablation.table(results)
    assert "without the harmonic drift" in text and "without the tuner" in text and "without proof" not in text
    assert "| the whole" in text and "R-hat ≤ 1.01" in text and text.count(" of 2 |") == 3


def test_the_documentation_names_variants_as_the_study_does():
    page = Path(__file__).parents[2] / "docs" / "choosing.md"
    shown = re.findall(r"^\| (with(?:out)? .*?) +\|", page.read_text(encoding="utf-8"), re.M)
    assert {*shown} <= {*ablation.VARIANTS, *ablation.OPTIONS}
    assert len(shown) > len({*shown}) > 8  # two tables
