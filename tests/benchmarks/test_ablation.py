"""The ablation: what is off is off, and only while it runs."""

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="module")
def rooms(folder):
    import ablation
    import posteriors
    import report
    import samplers
    import suite

    return SimpleNamespace(ablation=ablation, posteriors=posteriors, report=report, samplers=samplers, suite=suite)


@pytest.fixture(scope="module")
def results(rooms, normal_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    names = ["ours", "ours without the harmonic drift", "ours-auto"]

    def load(name):
        return rooms.posteriors.Posterior(name, normal_model, None, {})

    rooms.suite.run_all(["toy-toy"], names, [0, 1], folder, draws=200, tune=400, chains=1, load=load, tell=len)
    return rooms.report.load(folder)


def test_what_is_off_is_not_chosen(rooms, results):
    chosen = {name: set(rows.explode("chosen")["chosen"]) for name, rows in results.groupby("sampler")}
    assert any("harmonic" in words for words in chosen["ours"])
    assert not any("harmonic" in words for words in chosen["ours without the harmonic drift"])
    assert chosen["ours-auto"] == {"leapfrog, no_u_turn"}
    assert "harmonic_leapfrog" in rooms.ablation.tuner._SCHEMES


def test_every_switch_is_there_to_be_switched(rooms):
    for switches in rooms.ablation._SWITCHES.values():
        for room, name, value in switches:
            assert getattr(room, name) != value


def test_the_table_has_what_was_run(rooms, results):
    text = rooms.ablation.table(results)
    assert "without the harmonic drift" in text and "without the tuner" in text and "without proof" not in text
    assert "| the whole" in text and "R-hat ≤ 1.01" in text and text.count(" of 2 |") == 3
