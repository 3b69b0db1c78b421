"""The study of runs that begin from the last one: small, as far as it goes."""

import math

import pytest

from benchmarks.studies import learned


def test_all_models_have_the_same_parameters_with_fewer_data():
    for name, build in learned.MODELS.items():
        fewer, whole = build(learned.FEWER), build(1.0)
        shapes = [
            {
                value.name: shape.shape
                for value, shape in zip(model.value_vars, model.initial_point().values(), strict=True)
            }
            for model in (fewer, whole)
        ]
        assert shapes[0] == shapes[1], name
        sizes = [model.observed_RVs[0].shape.eval()[0] for model in (fewer, whole)]
        assert sizes[0] == pytest.approx(0.9 * sizes[1], abs=1), name


def test_a_row_has_costs_and_ratios():
    def run(gradients, warmup):
        needed = 100 if math.isfinite(gradients) else None
        return {"gradients": gradients, "draws_needed": needed, "warmup_draws": warmup}

    found = {
        "cold": [run(900.0, 200), run(1000.0, 210), run(1100.0, 220)],
        "learned": [run(500.0, 20), run(400.0, 22), run(math.nan, 25)],
        "learned, no warm-up": [run(250.0, 0)] * 3,
    }
    cells, ratios = learned.row("x", found)
    assert cells == ["x", "1000, 210 draws, 3 of 3", "500, 22 draws, 2 of 3", "250, 0 draws, 3 of 3", "2.00", "4.00"]
    assert ratios == {"cold": 1.0, "learned": 2.0, "learned, no warm-up": 4.0}


def test_one_model(capsys):
    learned.main(["--models", "student", "--seeds", "0", "--draws", "120", "--chains", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("student  ") and lines[1].startswith("geometric mean, learned: ")
    assert "cold over learned" in lines[-3]
