"""Plots of kinetic energies and of runs: what is drawn is what they are."""

import arviz_base
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import pymc_symplectic as ps
from pymc_symplectic import kinetic, plots

GRID = np.linspace(0, 5, 401)


def lines(ax):
    """Coordinates of each line that has a label of its own."""
    return {
        each.get_label(): np.array(each.get_data(), dtype=float)
        for each in ax.get_lines()
        if not each.get_label().startswith("_")
    }


# Kinetic energies.


def test_curves_are_those_of_the_formulas():
    left, right = plots.kinetic_energies(["gaussian", kinetic.Relativistic(c=2.0), "student_t"])
    energies, speeds = lines(left), lines(right)
    assert list(energies) == list(speeds) == ["gaussian", "relativistic", "student_t"]
    assert_allclose(energies["gaussian"], [GRID, GRID**2 / 2])
    assert_allclose(speeds["gaussian"], [GRID, GRID])
    assert_allclose(energies["relativistic"][1], 2 * np.sqrt(GRID**2 + 4) - 4, atol=1e-12)
    assert_allclose(speeds["relativistic"][1], GRID / np.sqrt(1 + GRID**2 / 4))
    assert_allclose(energies["student_t"][1], 3 * np.log1p(GRID**2 / 5), atol=1e-12)
    assert {text.get_text() for text in right.texts} == set(speeds)
    assert "nats" in left.get_ylabel()


def test_dimensions_count_where_they_matter():
    speeds = lines(plots.kinetic_energies("relativistic", dim=9)[1])["relativistic"][1]
    assert_allclose(speeds, GRID / np.sqrt(1 + GRID**2 / 9))  # the speed limit is √d


def test_several_of_one_name_are_distinguished():
    left, _ = plots.kinetic_energies([kinetic.Relativistic(c=1.0), kinetic.Relativistic(c=2.0)])
    assert all("c=" in label for label in lines(left))
    with pytest.raises(ValueError, match="kinetic: more than one is called 'gaussian'"):
        plots.kinetic_energies(["gaussian", "gaussian"])


def test_a_record_is_drawn_as_it_is():
    record = kinetic.Relativistic(c=3.0).record(1)
    for given in (record, {"learned": record}):
        left, _ = plots.kinetic_energies(given)
        assert_allclose(next(iter(lines(left).values()))[1], 3 * np.sqrt(GRID**2 + 9) - 9, atol=1e-12)


class FakeChain:
    """A stand-in for a chain, with the attributes that show its kinetic energy."""

    class settings:
        kinetic = kinetic.Adaptive(units=3)

    own = kinetic.Adaptive._network(np.array([1.0, 0.5, 0.1]), 2.0, 1.3)
    kinetic = settings.kinetic.made_from(own, 1)


def test_what_was_learned_shows_its_knots():
    _, right = plots.kinetic_energies({"learned": FakeChain()})
    assert_allclose(np.interp([2.0, 4.0, 5.0], *lines(right)["learned"]), [2.0, 3.0, 3.1], atol=1e-12)
    (knots,) = [each for each in right.get_lines() if each.get_marker() == "o"]
    assert_allclose(knots.get_data(), [[2.0, 4.0], [2.0, 3.0]])


def test_energies_begin_at_zero():
    shifted = kinetic.Profile(lambda params, s: 3.0 + 0.5 * s * s, lambda params, s: s, check=False)
    assert_allclose(lines(plots.kinetic_energies(shifted)[0])["profile"], [GRID, GRID**2 / 2], atol=1e-12)


def test_a_step_is_taken_for_its_kinetic_energy(normal_model):
    _, right = plots.kinetic_energies(ps.HMC(model=normal_model, kinetic=kinetic.Relativistic(c=2.0)))
    assert_allclose(lines(right)["relativistic"][1], GRID / np.sqrt(1 + GRID**2 / 4))


def test_bad_kinetic_energies():
    with pytest.raises(ValueError, match=r"unknown kinetic energy 'gausian'; choose one of.*Did you mean 'gaussian'"):
        plots.kinetic_energies("gausian")
    with pytest.raises(TypeError, match=r"kinetic must be names .*got 3\.5"):
        plots.kinetic_energies([3.5])
    with pytest.raises(ValueError, match="kinetic is empty"):
        plots.kinetic_energies([])
    with pytest.raises(ValueError, match="limit must be positive"):
        plots.kinetic_energies(limit=0)


# Acceptance.


def run(accept=0.8, eps=0.5, name="acceptance_rate", **more):
    rng = np.random.default_rng(1)
    stats = {name: accept + 0.1 * rng.uniform(-1, 1, (4, 50)), "step_size": np.full((4, 50), eps), **more}
    return arviz_base.from_dict({"posterior": {"x": rng.normal(size=(4, 50))}, "sample_stats": stats})


def test_acceptance_and_step_size():
    counted = {"n_steps": np.full((4, 50), 7), "n_gradients": np.full((4, 50), 14)}
    runs = {"one": run(), "two": run(0.9, 1.2, **counted), "three": run(name="accept")}
    left, right = plots.acceptance(runs)
    assert [label.get_text() for label in left.get_yticklabels()] == ["one", "two", "three"]
    accept = runs["two"].sample_stats["acceptance_rate"].values
    interval, mean, chains = left.get_lines()[3:6]
    assert_allclose(interval.get_data(), [np.quantile(accept, [0.05, 0.95]), [1, 1]])
    assert_allclose(mean.get_data(), [[accept.mean()], [1]])
    assert_allclose(chains.get_xdata(), accept.mean(axis=1))
    hollow = lines(right)["for each gradient"]
    assert_allclose(hollow, [[0.6], [1]])  # of two gradients to a step, and not known of the others
    assert_allclose(right.get_lines()[1].get_xdata(), 1.2)
    assert (left.get_xlabel(), right.get_xlabel()) == ("acceptance probability", "step size ε")
    assert right.get_xscale() == "log"


def test_acceptance_of_a_real_run(normal_step, normal_model, sample):
    _, right = plots.acceptance({"HMC": sample(normal_step, normal_model)})
    assert {"chains", "for each gradient"} <= set(lines(right))


def test_acceptance_takes_two_axes(figures):
    _, given = figures.subplots(2, 1)
    assert list(plots.acceptance({"one": run()}, ax=given)) == list(given)
    with pytest.raises(ValueError, match=r"ax: this plot has 2 panels \(acceptance, step size\).* got 1; give 2"):
        plots.acceptance({"one": run()}, ax=given[0])


def test_a_statistic_that_is_not_there():
    with pytest.raises(ValueError, match=r"runs\['one'\] has no acceptance probability .*it has step_size"):
        plots.acceptance({"one": run(name="other").map_over_datasets(lambda d: d.drop_vars("other", errors="ignore"))})
    with pytest.raises(ValueError, match=r"runs\['two'\] has no acceptance probability .*it has none"):
        plots.acceptance({"one": run(), "two": xr.DataTree()})
    with pytest.raises(ValueError, match=r"runs\['one'\] has no step size .*it has acceptance_rate"):
        plots.acceptance({"one": run().map_over_datasets(lambda d: d.drop_vars("step_size", errors="ignore"))})


def test_bad_runs():
    with pytest.raises(TypeError, match="runs must be a mapping of names to DataTrees, got a DataTree"):
        plots.acceptance(run())
    with pytest.raises(TypeError, match=r"runs\['one'\] must be an xarray.DataTree.*got a str"):
        plots.acceptance({"one": "idata"})
    with pytest.raises(ValueError, match="runs is empty"):
        plots.acceptance({})


# Samplers side by side.


@pytest.fixture
def table():
    rows = {
        "slow": [100.0, 80.0, 60.0, 60.0, 6.0, 3.0, 30.0, ""],
        "fast": [500.0, 400.0, 450.0, 400.0, 80.0, 40.0, 200.0, ""],
        "unknown": [500.0, 400.0, 450.0, 400.0, np.nan, np.nan, np.nan, "gradients are not known"],
    }
    columns = ["min_ess_bulk", "min_ess_tail", "min_ess_squares", "min_ess"]
    columns += ["min_ess_per_1000_gradients", "min_ess_per_1000_gradients_with_warmup", "min_ess_per_second", "notes"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def test_compare_draws_the_table(table):
    ax = plots.compare(table)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fast", "slow", "unknown"]
    kinds = lines(ax)
    assert_allclose(kinds["bulk"], [[100, 10], [0, 1]])
    assert_allclose(kinds["tail"], [[80, 8], [0, 1]])
    assert_allclose(kinds["squares"], [[90, 6], [0, 1]])
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["not known: gradients are not known", "80", "6"]
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "smallest effective sample size per 1000 gradients"


def test_compare_by_other_costs(table):
    assert_allclose(lines(plots.compare(table, warmup=True))["tail"][0], [40, 4])
    assert_allclose(lines(plots.compare(table, per="second", sort=False))["tail"], [[40, 200], [0, 1]])


def test_compare_of_runs_is_that_of_their_table(figures):
    runs = {"one": run(n_gradients=np.full((4, 50), 3)), "two": run(n_gradients=np.full((4, 50), 9))}
    _, given = figures.subplots()
    ax = plots.compare(runs, ax=given)
    assert ax is given
    assert_allclose(lines(ax)["bulk"][0], (1000 * ps.compare(runs).eval("min_ess_bulk / gradients")).to_numpy())


def test_nothing_known_is_drawn_as_that(table, tmp_path):
    ax = plots.compare(table.loc[["unknown"]])
    ax.figure.savefig(tmp_path / "figure.png")
    assert [text.get_text() for text in ax.texts] == ["not known: gradients are not known"]


def test_bad_comparisons(table):
    with pytest.raises(ValueError, match="unknown per 'draw'; choose one of: gradients, second"):
        plots.compare(table, per="draw")
    with pytest.raises(ValueError, match=r"no column 'min_ess_bulk'; make it by pymc_symplectic\.compare"):
        plots.compare(table.drop(columns="min_ess_bulk"))
    with pytest.raises(ValueError, match="samplers is empty"):
        plots.compare(table.iloc[:0])
    with pytest.raises(TypeError, match="samplers must be a mapping"):
        plots.compare([1, 2])
