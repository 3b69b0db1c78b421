"""Chains side by side: which one is elsewhere or stuck, where, and what is said of it."""

import json

import arviz_base
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pymc_symplectic as ps
from pymc_symplectic.diagnosis import diagnose, odd_chains

CHAINS, DRAWS = 4, 300


def tree(posterior=None, chosen=None, **stats):
    rng = np.random.default_rng(1)
    posterior = {"x": rng.normal(size=(CHAINS, DRAWS))} if posterior is None else posterior
    found = arviz_base.from_dict({"posterior": posterior, "sample_stats": stats or {"lp": np.zeros((CHAINS, DRAWS))}})
    if chosen:
        told = {"inference_library": "pymc_symplectic", "sampler": json.dumps({"chains": [chosen] * CHAINS})}
        found["posterior"].attrs |= told
    return found


def normal(seed=0, *shape):
    return np.random.default_rng(seed).normal(size=(CHAINS, DRAWS, *shape))


def test_chains_that_agree():
    lp, energy = normal(1) - 5, normal(2) + 7
    table = diagnose(tree(lp=lp, energy=energy, step_size=np.full((CHAINS, DRAWS), 0.3), acceptance_rate=abs(lp) * 0))
    assert table.index.tolist() == [0, 1, 2, 3] and table.index.name == "chain"
    np.testing.assert_allclose(table["log_density"], lp.mean(axis=1))
    np.testing.assert_allclose(table["below"], lp.mean(axis=1).max() - lp.mean(axis=1))
    np.testing.assert_allclose(table["energy"], energy.mean(axis=1))
    expected = ((np.diff(energy) ** 2).mean(axis=1) * (DRAWS - 1) / DRAWS) / energy.var(axis=1)
    np.testing.assert_allclose(table["bfmi"], expected, rtol=0.02)
    assert (table["step_size"] == 0.3).all() and (table["accept"] == 0).all()
    assert (table["longest_rest"] == 1).all() and (table["elsewhere"] == "").all()
    assert table["divergences"].isna().all() and (table["diverges_at"] == "").all()
    assert odd_chains(tree(lp=lp)) == []


def test_the_odd_chain_is_named():
    c, k, lp = normal(1) * 0.01 + 0.3, normal(2, 2), normal(3) - 100
    c[1] += 1.1
    k[1, :, 1] -= 20
    lp[1] -= 170
    idata = tree(
        {"c": c, "k": k}, {"integrator": "leapfrog", "trajectory": "no_u_turn"}, lp=lp, step_size=lp * 0 + 0.02
    )
    (sentence,) = odd_chains(idata)
    assert sentence.startswith(
        "Chain 1 of 4 stays 170 nats below the others, at c = 1.4 (others 0.3 ± 0.01), k[1] = -20"
    )
    assert sentence.endswith(". It drew by leapfrog, no_u_turn, with a step size of 0.02.")
    assert diagnose(idata)["elsewhere"].astype(bool).tolist() == [False, True, False, False]
    assert diagnose(idata, "k").loc[1, "elsewhere"].startswith("k[1] = -20")


def test_the_larger_group_is_where_most_are():
    x = normal(1)
    x[[0, 2, 3]] += 50
    table = diagnose(tree({"x": x}, lp=normal(2)))
    assert [bool(words) for words in table["elsewhere"]] == [False, True, False, False]


def test_of_two_groups_the_denser_one_is():
    x, lp = normal(1), normal(2)
    x[:2] += 50
    lp[2:] += 9
    assert [bool(words) for words in diagnose(tree({"x": x}, lp=lp))["elsewhere"]] == [True, True, False, False]


def test_a_chain_of_chains_is_one_group():
    """Each is near the next one, as where mixing is slow; none is elsewhere."""
    x = normal(1) + 1.5 * np.arange(4.0)[:, None]
    assert not diagnose(tree({"x": x}))["elsewhere"].any()


def test_a_chain_that_rests():
    x = normal(1)
    x[2, 100:180] = x[2, 100]
    table = diagnose(tree({"x": x, "k": normal(2, 3)}))
    assert (table["longest_rest"] == 1).all()  # the other variable moves
    table = diagnose(tree({"x": x}))
    assert table["longest_rest"].tolist() == [1, 1, 80, 1]
    assert odd_chains(tree({"x": x})) == ["Chain 2 of 4 rests for 80 of 300 draws at one place."]
    x[2] = 0.4
    (sentence,) = odd_chains(tree({"x": x}))
    assert "rests for 300 of 300 draws" in sentence


def test_a_constant_chain_is_elsewhere():
    x = normal(1)
    x[0] = 77.0
    assert diagnose(tree({"x": x})).loc[0, "elsewhere"].startswith("x = 77 (others ")


def test_where_divergences_are():
    x, diverging = normal(1), np.zeros((CHAINS, DRAWS), bool)
    diverging[1] = x[1] < -1.5
    diverging[2, :3] = True  # too few to say
    diverging[3, ::10] = True  # all over the place
    table = diagnose(tree({"x": x, "k": normal(2)}, diverging=diverging))
    assert table["divergences"].tolist() == diverging.sum(axis=1).tolist()
    assert table["diverges_at"].str.startswith("x = -").tolist() == [False, True, False, False]
    assert table.loc[3, "diverges_at"] == table.loc[0, "diverges_at"] == ""


def test_a_single_chain_is_nowhere_else():
    table = diagnose(arviz_base.from_dict({"posterior": {"x": normal(1)[:1]}}))
    assert table["elsewhere"].tolist() == [""] and np.isnan(table.loc[0, "log_density"])


def test_draws_that_are_not_finite_have_no_place():
    x = normal(1)
    x[0, 0] = np.nan
    table = diagnose(tree({"x": x}))
    assert (table["elsewhere"] == "").all() and (table["longest_rest"] == 0).all()


def test_what_has_no_chains():
    with pytest.raises(TypeError, match=r"idata must be an xarray\.DataTree"):
        diagnose({"x": 3})
    with pytest.raises(ValueError, match="idata has no draws"):
        ps.diagnose(xr.DataTree.from_dict({"/posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 0)))})}))
    with pytest.raises(ValueError, match="no posterior with the dimensions chain and draw"):
        diagnose(xr.DataTree.from_dict({"/prior": xr.Dataset({"x": 1.0})}))
    with pytest.raises(ValueError, match="has no y; it has x"):
        diagnose(tree(), "y")


@pytest.fixture(scope="module")
def two_wells():
    with pm.Model() as model:
        x = pm.Flat("x", initval=0.0)
        pm.Potential("wells", -5000 * (x**2 - 1) ** 2 + 40 * x)
        pm.Deterministic("twice", 2 * x)
    return model


SHORT = {"draws": 150, "chains": 4, "cores": 1, "random_seed": 1, "progressbar": False, "quiet": True}
STARTS = [{"x": 1.0}, {"x": -1.0}, {"x": 0.99}, {"x": 1.01}]


@pytest.mark.parametrize("stored", [False, True])
def test_a_run_warns_of_the_chain(stored, two_wells, tmp_path):
    store = {"store": tmp_path / "r"} if stored else {}
    words = (
        r"Chain 1 of 4 stays 8\d\.?\d* nats below the others, at x = -1 \(others 1 ± .*\)\. It drew by .*with a step"
    )
    with pytest.warns(UserWarning, match=words + r".*ps\.diagnose\(idata\) has a table") as caught:
        idata = ps.sample(model=two_wells, initvals=STARTS, tune=1000, **SHORT, **store)
    assert [one.filename for one in caught if "Chain 1 of 4" in str(one.message)] == [__file__]
    table = ps.diagnose(idata, "x")
    assert table["elsewhere"].astype(bool).tolist() == [False, True, False, False]
    assert table["chosen"].str.len().min() > 5 and table["bfmi"].notna().all()


def test_many_odd_chains_are_one_warning(two_wells):
    starts = [*STARTS, *([{"x": -1.0}] * 4), *([{"x": 1.0}] * 8)]
    with pytest.warns(
        UserWarning, match=r"Chain 1 of 16 .*Chain 4 of 16 .*Chain 5 of 16 .* So do 2 more\. ps\.diag"
    ) as found:
        ps.sample(model=two_wells, initvals=starts, tune=1000, **{**SHORT, "chains": 16, "draws": 60})
    assert len([one for one in found if "nats below" in str(one.message)]) == 1


def test_a_run_without_checks_does_not_warn(two_wells, recwarn):
    ps.sample(model=two_wells, initvals=STARTS, tune=1000, compute_convergence_checks=False, **SHORT)
    assert not [one for one in recwarn if "nats below" in str(one.message)]


def test_a_result_of_pymc_has_its_table_too(two_wells, sample):
    idata = sample(ps.HMC(model=two_wells), two_wells, chains=2, initvals=STARTS[:2], tune=100, draws=60)
    table = ps.diagnose(idata, "x")
    assert table["elsewhere"].astype(bool).tolist() == [False, True]
    assert (table["chosen"] == "").all() and table["log_density"].notna().all()
