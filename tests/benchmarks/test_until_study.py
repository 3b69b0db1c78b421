"""The study of runs that end by themselves: small, as far as it goes."""

import arviz_base
import numpy as np
import pytest

from benchmarks.samplers import Run
from benchmarks.studies import until


@pytest.fixture(scope="module")
def draws():
    return np.random.default_rng(1).standard_normal((4, 2000, 2))


def run_of(draws):
    return Run({"x": draws}, np.zeros(draws.shape[:2]), (1000, 8000), (0.5, 4.0), np.ones(4), 0.0, call_seconds=0.25)


def test_the_cost_of_others_is_that_of_the_first_draws_that_meet_the_goals(draws):
    found = until.measure_nutpie(run_of(draws), until.Posterior("x", None))
    needed = found["draws_needed"]
    assert 80 < needed < 200  # independent ones, of four chains, for a goal of 400
    assert found["gradients"] == pytest.approx(1000 + 4 * needed)
    assert found["seconds"] == pytest.approx(0.75 + 0.002 * needed)
    apart = draws + np.arange(4)[:, None, None]
    assert until.measure_nutpie(run_of(apart), until.Posterior("x", None))["draws_needed"] is None


def test_what_is_reached_is_the_least_of_all_entries(draws):
    slow = draws.copy()
    slow[..., 1] = np.repeat(draws[:, ::10, 1], 10, axis=1)
    assert until.least({"x": slow}) == pytest.approx(800, rel=0.15)
    assert until.measure_ours(run_of(slow), until.Posterior("x", None))["reached"] == pytest.approx(2, rel=0.15)


def test_z_has_unit_variance_where_draws_are_right(draws):
    many = np.random.default_rng(2).standard_normal((4, 500, 100))
    right = until.squares_of_z(arviz_base.from_dict({"posterior": {"x": many}}), {"x": (0.0, 1.0)})
    assert len(right) == 200 and np.mean(right) == pytest.approx(1, abs=0.3)
    wrong = until.squares_of_z(arviz_base.from_dict({"posterior": {"x": many}}), {"x": (0.1, 1.0)})
    assert np.mean(wrong) > 5


def test_the_table_has_ratios_to_the_best():
    def record(sampler, gradients):
        needed = None if gradients is None else 100
        return {
            "posterior": "x", "sampler": sampler, "gradients": gradients, "seconds": gradients,
            "draws_needed": needed, "reached": 1.1, "spent": {"gradients": 900.0, "seconds": 700.0},
        }  # fmt: skip

    records = [record("ours", 100.0), record("nutpie-diagonal@300", 300.0), record("nutpie-low_rank@150", None)]
    text = until.table(records, ["x", "y"])
    assert "diagonal@300" in text and "3.00" in text and "at least 0.9 of the goal in 1 of 1 runs" in text
    unmet = until.table([record("ours", 100.0), record("nutpie-low_rank@150", None)], ["x"])
    assert "> 9.00" in unmet and "> 7.00" in unmet
    both = [{**record(way, cost), "warmup": cost / 2} for way, cost in (("ours", 100.0), ("ours-alone", 150.0))]
    assert "1.50 (1.50)" in until.together_and_alone(both, ["x"])
    assert until.table([], ["x"]) == "nothing was measured"
