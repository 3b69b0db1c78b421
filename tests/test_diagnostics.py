"""Comparing samplers: true counts of gradients, effective sample sizes that are known, and what is said of the rest."""

import itertools

import arviz_base
import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pymc_symplectic.diagnostics import GradientCount, compare, gradients, min_ess

CHAINS, DRAWS, TUNE = 4, 500, 100
# Statistics by which runs of libraries are distinguished when no attribute names them.
PYMC = {"process_time_diff": np.ones((CHAINS, DRAWS))}


def autoregressive(correlation, chains=CHAINS, draws=DRAWS, seed=0):
    """A stationary Gaussian sequence of unit variance, (chains, draws)."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws))
    x = noise.copy()
    for i in range(1, draws):
        x[:, i] = correlation * x[:, i - 1] + np.sqrt(1 - correlation**2) * noise[:, i]
    return x


def tree(posterior=None, stats=None, warmup=None, library=None, **attrs):
    """A DataTree as samplers return it; `stats` and `warmup` may hold scalars, which stand for all draws."""
    if library is not None:
        attrs["inference_library"] = library
    groups = {"posterior": {"x": autoregressive(0.0)} if posterior is None else posterior}
    for name, values, draws in (("sample_stats", stats, DRAWS), ("warmup_sample_stats", warmup, TUNE)):
        if values is not None:
            groups[name] = {k: np.full((CHAINS, draws), v) if np.ndim(v) == 0 else v for k, v in values.items()}
    return arviz_base.from_dict(groups, attrs={"posterior": attrs}, save_warmup=True)


def row(idata, **kwargs):
    return compare({"run": idata}, **kwargs).loc["run"]


# Effective sample sizes -----------------------------------------------------------------------------------------------


def test_ess_is_arviz_stats_ess():
    posterior = {"a": autoregressive(0.9), "b": np.stack([autoregressive(0.5, seed=s) for s in (1, 2)], axis=-1)}
    found = min_ess(tree(posterior))
    data = tree(posterior).posterior.to_dataset()
    squares = (data - data.mean(("chain", "draw"))) ** 2
    expected = {
        "bulk": arviz_stats.ess(data, method="bulk"),
        "tail": arviz_stats.ess(data, method="tail", prob=(0.05, 0.95)),
        "squares": arviz_stats.ess(squares, method="bulk"),
    }
    for kind, ess in expected.items():
        assert found.loc[kind, "ess"] == pytest.approx(min(float(ess[v].min()) for v in ess))
    assert list(found["variable"]) == ["a"] * 3
    assert found.attrs["notes"] == []


@pytest.mark.parametrize("correlation", [-0.7, 0.0, 0.6])
def test_ess_of_an_autoregressive_process(correlation):
    # Successive draws correlate by r: a relative ESS of (1 - r) / (1 + r), which ArviZ caps at log10 N.  Functions of
    # the square correlate by r² at most, so that (1 - r²) / (1 + r²) is the least that their relative ESS can be.
    found = min_ess(tree({"x": autoregressive(correlation, draws=5000, seed=3)}))["ess"] / 20_000
    assert found["bulk"] == pytest.approx(min((1 - correlation) / (1 + correlation), np.log10(20_000)), rel=0.1)
    assert 0.9 < found["squares"] / ((1 - correlation**2) / (1 + correlation**2)) < 1.4


def test_antithetic_draws_are_scored_by_their_squares():
    found = row(tree({"x": autoregressive(-0.7)}))
    assert found["min_ess_bulk"] > CHAINS * DRAWS > 2 * found["min_ess_squares"]
    assert found["min_ess"] == min(found["min_ess_bulk"], found["min_ess_tail"], found["min_ess_squares"])


def test_the_variable_with_the_least_ess_is_named():
    b = np.stack([autoregressive(0.0, seed=1), autoregressive(0.95, seed=2)], axis=-1)
    posterior = {"a": autoregressive(0.0), "b": b}
    idata = arviz_base.from_dict({"posterior": posterior}, coords={"school": ["Eton", "Rugby"]}, dims={"b": ["school"]})
    assert list(min_ess(idata)["variable"]) == ["b[Rugby]"] * 3
    assert list(min_ess(idata, var_names="a")["variable"]) == ["a"] * 3
    assert min_ess(idata, var_names=["a", "b"]).equals(min_ess(idata))


@pytest.mark.parametrize(("scale", "shift"), [(1e-12, 0.0), (1e-160, 0.0), (1e160, 0.0), (1.0, 1e6)])
def test_ess_depends_on_neither_scale_nor_location(scale, shift):
    x = autoregressive(0.3)
    assert list(min_ess(tree({"x": shift + scale * x}))["ess"]) == pytest.approx(list(min_ess(tree({"x": x}))["ess"]))


def test_tail_ess_does_not_follow_arviz_settings():
    idata = tree({"x": autoregressive(0.5)})
    with arviz_base.rc_context({"stats.ci_prob": 0.5}):
        inside = min_ess(idata)
    assert inside.equals(min_ess(idata))


def test_constant_elements_are_left_out():
    rho = np.tanh(autoregressive(0.2))
    correlation = np.ones((CHAINS, DRAWS, 2, 2))
    correlation[..., 0, 1] = correlation[..., 1, 0] = rho
    correlation[..., 1, 1] += np.random.default_rng(0).integers(-1, 2, size=(CHAINS, DRAWS)) * 2.0**-53  # rounding
    padded = np.stack([rho, np.full_like(rho, np.nan)], axis=-1)
    found = row(tree({"C": correlation, "padded": padded, "nothing": np.empty((CHAINS, DRAWS, 0))}))
    assert found["min_ess_bulk"] == pytest.approx(row(tree({"rho": rho}))["min_ess_bulk"])
    assert found["notes"].startswith("left out, constant: C[0, 0], C[1, 1], padded[1];")
    assert "nothing" not in found["notes"]


def test_rounding_is_judged_in_the_precision_of_the_draws():
    ones = 1 + np.random.default_rng(0).integers(-1, 2, size=(CHAINS, DRAWS)) * np.float32(2.0**-24)
    found = row(tree({"x": autoregressive(0.0).astype(np.float32), "ones": ones.astype(np.float32)}))
    assert "left out, constant: ones;" in found["notes"]


def test_only_constants_leave_no_ess():
    found = min_ess(tree({"x": np.ones((CHAINS, DRAWS))}))
    assert found["ess"].isna().all()
    assert list(found["variable"]) == [None] * 3
    assert np.isnan(row(tree({"x": np.ones((CHAINS, DRAWS))}))["max_r_hat"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_minimum_is_made_up_when_some_draws_are_not_finite(bad):
    broken = autoregressive(0.0)
    broken[1, 7] = bad
    idata = tree({"good": autoregressive(0.0), "broken": broken})
    found = row(idata)
    assert found[["min_ess_bulk", "min_ess_tail", "min_ess_squares", "min_ess", "max_r_hat"]].isna().all()
    assert "not finite: broken" in found["notes"]
    assert row(idata, var_names="good")["min_ess"] > 0


def test_whole_numbers_and_truth_values_are_scored():
    rng = np.random.default_rng(0)
    counts, flags = rng.poisson(3.0, size=(CHAINS, DRAWS)), rng.random((CHAINS, DRAWS)) < 0.3
    assert (min_ess(tree({"counts": counts, "flags": flags}))["ess"] > 0.5 * CHAINS * DRAWS).all()


def test_squares_that_do_not_vary_have_no_ess():
    coin = np.tile([0.0, 1.0], (CHAINS, DRAWS // 2))  # always half a unit from its mean
    assert np.isnan(min_ess(tree({"coin": coin})).loc["squares", "ess"])


def test_chains_that_are_stuck_have_a_huge_r_hat_and_few_effective_draws():
    found = row(tree({"x": np.repeat(np.arange(4.0)[:, None], DRAWS, axis=1)}))
    assert found["max_r_hat"] > 1e6
    assert found["min_ess"] < 10


def test_r_hat_is_rank_normalized():
    x = np.stack([autoregressive(0.5), autoregressive(0.99)], axis=-1)
    expected = arviz_stats.rhat(tree({"x": x}).posterior.to_dataset(), method="rank")["x"].max()
    assert row(tree({"x": x}))["max_r_hat"] == pytest.approx(float(expected))


def test_a_single_chain_has_no_r_hat():
    found = row(tree({"x": autoregressive(0.0, chains=1)}))
    assert np.isnan(found["max_r_hat"])
    assert found["min_ess"] > 0
    assert "single chain" in found["notes"]


def test_a_few_draws_have_no_ess():
    found = row(tree({"x": autoregressive(0.0, chains=2, draws=3)}))
    assert np.isnan(found["min_ess"])
    assert "fewer than 4 draws" in found["notes"]


# Gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "name", "beside"),
    [
        ("pymc", "n_steps", 1),
        ("pymc", "tree_size", 1),
        ("nutpie", "n_steps", 0),
        ("numpyro", "n_steps", 0),
        ("numpyro", "num_steps", 0),
        ("blackjax", "n_steps", 0),
        ("blackjax", "num_integration_steps", 0),
        ("pymc", "n_gradients", 0),
        (None, "n_gradients", 0),
    ],
)
def test_gradients_of_each_library(library, name, beside):
    found = gradients(tree(stats={name: 7}, warmup={name: 15}, library=library))
    assert found[:2] == (CHAINS * DRAWS * (7 + beside), CHAINS * TUNE * (15 + beside))
    assert len(found.notes) == (library == "nutpie")


@pytest.mark.parametrize(
    ("sign", "beside"), [("process_time_diff", 1), ("mean_tree_accept_sym", 0), ("num_integration_steps", 0)]
)
def test_libraries_are_known_by_their_statistics(sign, beside):
    assert gradients(tree(stats={"n_steps": 7, sign: 7.0})).sampling == CHAINS * DRAWS * (7 + beside)


def test_our_count_is_taken_where_there_are_steps_too():
    assert gradients(tree(stats={"n_steps": 7, "n_gradients": 21}, library="pymc")).sampling == CHAINS * DRAWS * 21


def test_several_step_methods_of_pymc_are_added_up():
    steps = np.full((CHAINS, DRAWS, 2), [3, 5])
    assert gradients(tree(stats={"n_steps": steps, **PYMC})).sampling == CHAINS * DRAWS * (3 + 1 + 5 + 1)


@pytest.mark.parametrize(
    ("stats", "library", "note"),
    [
        (None, "pymc", "neither they nor leapfrog steps are recorded"),
        ({"accept": 1.0}, "pymc", "neither they nor leapfrog steps are recorded"),
        ({"n_steps": 3}, "other", "nor what n_steps counts in other"),
        ({"n_steps": 3}, None, "nor what n_steps counts in this library"),
        ({"n_gradients": 3, "n_steps": 3, "largest_eigval": 1.0}, "pymc", "this package and PyMC's are mixed"),
        ({"n_steps": np.full((CHAINS, DRAWS), np.nan)}, "pymc", "n_steps lacks draws (thinned?) or values"),
    ],
)
def test_gradients_that_cannot_be_known(stats, library, note):
    found = gradients(tree(stats=stats, warmup=stats and {"n_steps": 3}, library=library))
    assert np.isnan(found.sampling)
    assert np.isnan(found.warmup)
    assert len(found.notes) == 1
    assert note in found.notes[0]


def test_gradients_of_thinned_draws_are_not_known():
    idata = tree(stats={"n_steps": 3}, warmup={"n_steps": 3}, library="pymc")
    assert np.isnan(gradients(idata.isel(draw=slice(None, None, 5))).sampling)
    assert gradients(idata.isel(draw=slice(50, None))).sampling == CHAINS * (DRAWS - 50) * 4


def test_warmup_that_was_not_kept():
    found = gradients(tree(stats={"n_steps": 3}, library="pymc", tuning_steps=1000))
    assert found.sampling == CHAINS * DRAWS * 4
    assert np.isnan(found.warmup)
    assert "not kept" in found.notes[0]


def test_without_warmup_its_gradients_are_none():
    idata = tree(stats={"n_steps": 3}, library="pymc", tuning_steps=0)
    assert gradients(idata) == GradientCount(CHAINS * DRAWS * 4, 0)


# The table ------------------------------------------------------------------------------------------------------------


def full_run(**kwargs):
    """A run of which everything is known."""
    energy = autoregressive(0.5, seed=9)
    start = np.arange(CHAINS)[:, None] * 100 + np.arange(DRAWS) * 0.1  # chains one after the other
    stats = {"n_gradients": 10, "diverging": np.arange(CHAINS * DRAWS).reshape(CHAINS, DRAWS) < 3, "energy": energy}
    stats |= {"perf_counter_start": start, "perf_counter_diff": 0.1}
    return tree(stats=stats, warmup={"n_gradients": 50}, sampling_time=400.0, tuning_steps=TUNE, **kwargs)


def test_values_have_columns_where_there_are_any():
    plain = full_run()
    counted = tree(stats={"n_gradients": 10, "n_values": 2}, warmup={"n_gradients": 50, "n_values": 1})
    assert not {"values", "warmup_values"} & set(compare({"plain": plain}))
    table = compare({"plain": plain, "counted": counted})
    assert table["values"].tolist() == [0, CHAINS * DRAWS * 2]
    assert table["warmup_values"].tolist() == [0, CHAINS * TUNE]


def test_a_full_row():
    found = row(full_run())
    worst = found["min_ess"]
    assert dict(found[["chains", "draws", "gradients", "warmup_gradients", "divergences"]]) == {
        "chains": CHAINS,
        "draws": DRAWS,
        "gradients": CHAINS * DRAWS * 10,
        "warmup_gradients": CHAINS * TUNE * 50,
        "divergences": 3,
    }
    assert found["min_ess_per_1000_gradients"] == pytest.approx(worst / 20)
    assert found["min_ess_per_1000_gradients_with_warmup"] == pytest.approx(worst / 40)
    assert found["time"] == 400
    assert found["min_ess_per_second"] == pytest.approx(worst / (CHAINS * DRAWS * 0.1))
    assert found["min_ess_per_second_with_warmup"] == pytest.approx(worst / 400)
    assert found["min_bfmi"] == pytest.approx(arviz_stats.bfmi(full_run().sample_stats["energy"].values).min())
    assert found["notes"] == ""


def test_a_row_for_each_sampler():
    short = tree({"x": autoregressive(0.0, chains=2, draws=50)})
    table = compare({"ours": full_run(), "short": short, 3: tree()})
    assert list(table.index) == ["ours", "short", 3]
    assert table.index.name == "sampler"
    assert table["chains"].tolist() == [CHAINS, 2, CHAINS]
    assert table["draws"].tolist() == [DRAWS, 50, DRAWS]
    assert table["divergences"].isna().tolist() == [False, True, True]
    numbers = table.drop(columns="notes")
    assert all(pd.api.types.is_numeric_dtype(dtype) for dtype in numbers.dtypes)


def test_what_is_missing_is_nan_and_noted():
    found = row(tree())
    unknown = ["gradients", "warmup_gradients", "divergences", "min_bfmi", "time"]
    assert found[unknown].isna().all()
    assert found[[name for name in found.index if "per" in name]].isna().all()
    assert found["min_ess"] > 0
    for word in ("gradients", "divergences", "E-BFMI", "sampling_time"):
        assert word in found["notes"]


@pytest.mark.parametrize(
    ("groups", "draws"),
    [
        ({}, 0),
        ({"sample_stats": {"n_gradients": np.ones((2, 5), int)}}, 0),
        ({"posterior": {"x": np.empty((2, 0))}, "sample_stats": {"energy": np.empty((2, 0))}}, 0),
        ({"posterior": {"x": np.full((2, 9), "text")}}, 9),
    ],
)
@pytest.mark.parametrize("var_names", [None, "x"])
@pytest.mark.filterwarnings("ignore:Found chain dimension to be longer")
def test_runs_without_draws_keep_their_row(groups, draws, var_names):
    empty = arviz_base.from_dict(groups) if groups else xr.DataTree()
    table = compare({"run": full_run(), "empty": empty}, var_names=var_names)
    assert table.loc["empty", "draws"] == draws
    assert table.loc["empty", ["min_ess", "max_r_hat"]].isna().all()
    assert "no draws to score" in table.loc["empty", "notes"]
    assert table.loc["run", "notes"] == ""


def test_draws_that_are_not_of_chains_are_not_scored():
    found = row(arviz_base.from_dict({"posterior": {"x": np.ones(9)}}, sample_dims=["sample"]))
    assert found["notes"].startswith("no draws to score;")


def test_posteriors_with_different_variables():
    x, y = autoregressive(0.0, seed=1), autoregressive(0.9, seed=2)
    runs = {"one": tree({"x": x}), "two": tree({"x": x, "y": y})}
    table = compare(runs)
    assert "not every posterior has y: give var_names" in table.loc["two", "notes"]
    assert "var_names" not in table.loc["one", "notes"]
    table = compare(runs, var_names=["x"])
    assert table.loc["one", "min_ess"] == table.loc["two", "min_ess"]
    assert "var_names" not in table.loc["two", "notes"]


@pytest.mark.filterwarnings("ignore:Found chain dimension to be longer")
def test_time_past_warmup_of_chains_that_overlap():
    start = np.array([[0.0, 1.0], [1.0, 2.5], [10.0, 11.0], [10.2, 10.4]])  # [0, 3], of which 1 to 2 twice; [10, 12]
    stats = {"perf_counter_start": start, "perf_counter_diff": np.array([[1.0, 1.0], [1.0, 0.5], [1, 1], [0.1, 0.1]])}
    x = {"x": autoregressive(0.0, draws=DRAWS)}
    found = row(tree(x, stats=stats, sampling_time=30.0))
    assert found["min_ess_per_second"] == pytest.approx(found["min_ess"] / 5)
    assert found["min_ess_per_second_with_warmup"] == pytest.approx(found["min_ess"] / 30)


def test_time_that_cannot_be_distinguished():
    found = row(tree(library="numpyro", sampling_time=8.0, tuning_steps=100))
    assert np.isnan(found["min_ess_per_second"])
    assert found["min_ess_per_second_with_warmup"] == pytest.approx(found["min_ess"] / 8)
    assert "compilation and warm-up" in found["notes"]
    without = row(tree(sampling_time=8.0, tuning_steps=0))
    assert without["min_ess_per_second"] == without["min_ess_per_second_with_warmup"] > 0


def test_energies_that_tell_nothing():
    assert np.isnan(row(tree(stats={"energy": 3.0}))["min_bfmi"])
    refused = row(tree(stats={"energy": autoregressive(0.5), "path_length": 2.0, "largest_eigval": 1.0, **PYMC}))
    assert np.isnan(refused["min_bfmi"])
    assert "energies of refused proposals" in refused["notes"]


@pytest.mark.parametrize("wrong", [[], "run", None, tree()])
def test_samplers_must_be_a_mapping(wrong):
    with pytest.raises(
        TypeError, match=f"samplers must be a mapping of names to DataTrees, got a {type(wrong).__name__}"
    ):
        compare(wrong)


def test_there_must_be_something_to_compare():
    with pytest.raises(ValueError, match="samplers is empty"):
        compare({})


@pytest.mark.parametrize("wrong", [None, {"posterior": {}}, np.zeros((4, 100)), xr.Dataset()])
def test_each_run_must_be_a_tree(wrong):
    with pytest.raises(TypeError, match=rf"samplers\['bad'\] must be an xarray.DataTree.*got a {type(wrong).__name__}"):
        compare({"good": tree(), "bad": wrong})
    for function in (min_ess, gradients):
        with pytest.raises(TypeError, match=r"idata must be an xarray\.DataTree"):
            function(wrong)


def test_variables_that_there_are_not_are_named():
    with pytest.raises(ValueError, match=r"the posterior of samplers\['run'\] has no y; it has x"):
        row(tree(), var_names=["x", "y"])
    with pytest.raises(ValueError, match="the posterior of idata has no y"):
        min_ess(tree(), var_names="y")


# Real runs, against gradients that were counted as they were evaluated ------------------------------------------------


@pytest.fixture
def evaluations(monkeypatch):
    """How often PyMC's own integrator has evaluated its gradient."""
    from pymc.step_methods.hmc.integration import CpuLeapfrogIntegrator

    count, build = itertools.count(), CpuLeapfrogIntegrator.__init__

    def init(self, *args):
        build(self, *args)
        evaluate = self._logp_dlogp_func

        def counted(*arguments):
            next(count)
            return evaluate(*arguments)

        self._logp_dlogp_func = counted

    monkeypatch.setattr(CpuLeapfrogIntegrator, "__init__", init)
    return lambda: next(count)


def funnel():
    """Trajectories of many lengths, some of which diverge."""
    import pymc as pm

    with pm.Model() as model:
        v = pm.Normal("v", sigma=3)
        pm.Normal("x", sigma=pm.math.exp(v / 2), shape=2)
    return model


@pytest.mark.parametrize("method", ["NUTS", "HamiltonianMC"])
def test_gradients_of_pymc_are_true(evaluations, method):
    import pymc as pm

    with funnel():
        idata = pm.sample(
            draws=200,
            tune=100,
            chains=2,
            cores=1,
            step=getattr(pm, method)(),
            random_seed=1,
            progressbar=False,
            discard_tuned_samples=False,
            compute_convergence_checks=False,
        )
    found = gradients(idata)
    assert found.notes == ()
    assert found.sampling + found.warmup == evaluations()
    assert idata.sample_stats["diverging"].any()
    table = row(idata)
    assert table["notes"] == ("" if method == "NUTS" else table["notes"])
    assert np.isnan(table["min_bfmi"]) == (method == "HamiltonianMC")
    assert 0 < table["min_ess"] / table["min_ess_per_second"] < table["time"]


def counted_nutpie_model():
    """A funnel that counts its evaluations, and the count at each draw of a single chain."""
    from nutpie.compiled_pyfunc import from_pyfunc

    count, marks = [0], []

    def density(q):
        count[0] += 1
        precision = np.exp(-q[0])
        squares = precision * np.sum(q[1:] ** 2)
        gradient = np.concatenate([[-q[0] / 9 + (squares - 2) / 2], -precision * q[1:]])
        return -(q[0] ** 2) / 18 - squares / 2 - q[0], gradient

    def expand(q):
        marks.append(count[0])
        return {"q": q}

    model = from_pyfunc(3, lambda: density, lambda seed1, seed2, chain: expand, [np.dtype("float64")], [(3,)], ["q"])
    return model, marks


@pytest.mark.parametrize("adaptation", ["diag", "low_rank"])
def test_gradients_of_nutpie_are_true(adaptation):
    nutpie = pytest.importorskip("nutpie")
    model, marks = counted_nutpie_model()
    idata = nutpie.sample(
        model, draws=200, tune=100, chains=1, cores=1, seed=2, adaptation=adaptation, progress_bar=False
    )
    found = gradients(idata)
    assert found.sampling == marks[-1] - marks[99]
    assert 0 < marks[99] - found.warmup < 40  # initial points, and two searches for a step size
    assert "searches for a step size" in found.notes[0]
    assert "no attribute sampling_time" in row(idata)["notes"]


def test_nutpie_by_way_of_pymc():
    pytest.importorskip("nutpie")
    import pymc as pm

    with funnel():
        idata = pm.sample(
            draws=200,
            tune=100,
            chains=2,
            cores=1,
            nuts_sampler="nutpie",
            random_seed=1,
            progressbar=False,
            compute_convergence_checks=False,
        )
    table = row(idata)
    assert table["gradients"] == idata.sample_stats["n_steps"].sum()
    assert table["divergences"] == idata.sample_stats["diverging"].sum()
    assert table["min_bfmi"] > 0
    assert table["min_ess_per_second_with_warmup"] > 0
    assert np.isnan(table["warmup_gradients"])
    assert "warm-up was not kept" in table["notes"]
    assert "not timed apart" in table["notes"]


def counted_potential():
    """A funnel that counts its evaluations by JAX."""
    jax = pytest.importorskip("jax")
    count = []

    def potential(q):
        jax.debug.callback(lambda: count.append(None))
        return q[0] ** 2 / 18 + (jax.numpy.exp(-q[0]) * q[1:] ** 2).sum() / 2 + q[0]

    return potential, count


@pytest.mark.slow
def test_gradients_of_numpyro_are_true():
    numpyro = pytest.importorskip("numpyro")
    import jax

    potential, count = counted_potential()
    kernel = numpyro.infer.NUTS(potential_fn=potential)
    run = numpyro.infer.MCMC(kernel, num_warmup=50, num_samples=100, progress_bar=False)
    run.warmup(jax.random.PRNGKey(0), init_params=jax.numpy.full(3, 0.1))
    jax.effects_barrier()
    count.clear()
    run.run(jax.random.PRNGKey(1), extra_fields=("num_steps", "energy"))
    jax.effects_barrier()
    idata = arviz_base.from_numpyro(run)
    assert gradients(idata).sampling == len(count)
    assert "warm-up was not kept" in row(idata)["notes"]


@pytest.mark.slow
def test_gradients_of_blackjax_are_true():
    blackjax = pytest.importorskip("blackjax")
    import jax

    potential, count = counted_potential()
    kernel = blackjax.nuts(lambda q: -potential(q), step_size=0.5, inverse_mass_matrix=jax.numpy.ones(3))
    step, state = jax.jit(kernel.step), kernel.init(jax.numpy.full(3, 0.1))
    jax.effects_barrier()
    count.clear()
    infos = []
    for key in jax.random.split(jax.random.PRNGKey(0), 100):
        state, info = step(key, state)
        infos.append(info)
    jax.effects_barrier()
    names = ("num_integration_steps", "is_divergent", "energy")
    stats = {name: np.array([[getattr(info, name) for info in infos]]) for name in names}
    idata = arviz_base.from_dict({"posterior": {"x": stats["energy"]}, "sample_stats": stats})
    assert gradients(idata).sampling == len(count)
    assert row(idata)["divergences"] == stats["is_divergent"].sum()
