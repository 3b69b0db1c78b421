"""Indices out of range are refused, or are a divergence: compiled code would read whatever stands in memory there."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import pymc_symplectic as ps
from pymc_symplectic.target import LogDensity
from pymc_symplectic.target.indices import IndexCheck, guarded, hidden

GROUP = np.array([0, 1, 2, 2])


def model_of(index, expression=lambda z, index: z[index], shape=3):
    with pm.Model(coords={"group": range(3)}) as model:
        z = pm.Normal("z", shape=shape)
        pm.Potential("seen", -0.5 * pt.sum(expression(z, index) ** 2))
    return model


def check(outputs, values, point):
    IndexCheck(outputs, values)(point)


EXPRESSIONS = {
    "vector": (3, lambda z, i: z[i]),
    "take": (3, pt.take),
    "rows": ((3, 4), lambda z, i: z[i]),
    "columns": ((4, 3), lambda z, i: z[:, i]),
    "third axis": ((2, 2, 3), lambda z, i: z[..., i]),
    "pairs": ((3, 3), lambda z, i: z[i, i]),
    "table": (3, lambda z, i: z[i[:, None] + 0 * i]),
    "function of the index": (4, lambda z, i: z[i + 1]),
    "function of the array": (3, lambda z, i: pt.exp(z)[i]),
    "set": (3, lambda z, i: pt.set_subtensor(z[i], 0.0)),
    "increment": (3, lambda z, i: pt.inc_subtensor(z[i], 1.0)),
}


@pytest.mark.parametrize("bad", [3, 7, 100_000, -6, -100_000])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_constant_and_shared_indices(name, bad):
    shape, expression = EXPRESSIONS[name]
    z = pt.tensor("z", dtype="float64", shape=(shape,) if isinstance(shape, int) else shape)
    point = [np.zeros(z.type.shape)]
    for wrap in (lambda i: i, lambda i: pytensor.shared(i, "group", shape=(None,))):
        check([expression(z, wrap(GROUP))], [z], point)
        outputs = [expression(z, wrap(np.array([0, 1, bad, 2])))]
        with pytest.raises(IndexError, match=r"z.*the index -?\d+ is out of range"):
            check(outputs, [z], point)


def test_negative_indices_count_from_the_end():
    z = pt.dvector("z")
    check([z[np.array([-3, -1, 2])]], [z], [np.zeros(3)])


def test_masks_have_the_shape_of_what_they_select_from():
    z = pt.dmatrix("z")
    mask = pytensor.shared(np.array([True, False, True]), "mask")
    check([z[:, mask]], [z], [np.zeros((2, 3))])
    with pytest.raises(IndexError, match=r"z\[, mask\]: the mask has shape \(3,\), .* has shape \(2,\)"):
        check([z[:, mask]], [z], [np.zeros((3, 2))])


def test_names_and_place_are_reported():
    z, group = pt.dvector("z"), pytensor.shared(np.array([0, 1, 7]), "group")
    with pytest.raises(IndexError) as info:
        check([z[group]], [z], [np.zeros(3)])
    for word in ("z[group]", "the index 7", "at position 2", "there are 3 entries, 0 to 2"):
        assert word in str(info.value)
    with pytest.raises(IndexError, match=r"a function of z\[a function of group\]"):
        check([pt.exp(z)[group - 1]], [z], [np.zeros(3)])


def test_what_does_not_index_costs_nothing():
    z = pt.dvector("z")
    outputs = [z[0] + z[1:].sum()]
    assert guarded(outputs, [z]) == outputs
    assert not hidden(outputs)
    assert not hidden([pt.diag(z).sum() + pt.pad(z, 1).sum()])  # which index within, and in range
    assert IndexCheck(outputs, [z])([np.zeros(3)]) is None


# From a model.


@pytest.mark.parametrize("bad", [7, 100_000])
def test_samplers_refuse_a_model(bad):
    index = np.array([0, 1, bad])
    with pytest.raises(IndexError, match=r"z\[.*the index"):
        ps.HMC(model=model_of(index))
    with model_of(pytensor.shared(index, "group")), pytest.raises(IndexError, match=r"z\[group\]"):
        ps.sample(10, tune=10)
    with pytest.raises(IndexError, match=r"z\[group\]"):
        ps.gradient_descent(model_of(pytensor.shared(index, "group")))


def test_indices_that_are_rewritten_as_slices():
    for index in ([0, 4], [0, 1, 2, 3], [2, 1, 0, -1, -2, -3, -4]):
        with pm.Model() as model:
            weights = pm.Data("weights", np.ones(3))
            pm.Potential("seen", -(weights[np.array(index)].sum() * pm.Normal("z") ** 2))
        with pytest.raises(IndexError, match=r"weights\["):
            LogDensity(model=model)


def test_dimensions_of_pymc_too():
    import pymc.dims as pmd

    with pm.Model(coords={"group": range(3), "obs": range(4)}) as model:
        a = pmd.Normal("a", 0, 1, dims="group")
        index = pmd.Data("index", np.array([0, 1, 2, 7]), dims="obs")
        pmd.Normal("y", a.isel(group=index), 1, observed=pmd.as_xtensor(np.zeros(4), dims="obs"))
    with pytest.raises(IndexError, match="the index 7"):
        LogDensity(model=model)


@pytest.fixture(scope="module")
def with_data():
    with pm.Model() as model:
        index = pm.Data("group", GROUP)
        z = pm.Normal("z", shape=3)
        pm.Normal("y", z[index], 1.0, observed=pm.Data("data", np.zeros(4)))
    return model, ps.HMC(model=model)


def test_new_data_are_checked(with_data, sample):
    model, step = with_data
    sample(step, model, draws=5)
    with model:
        pm.set_data({"group": [0, 1, 2, 3]})
        for _ in range(2):  # and once more, not only at the change
            with pytest.raises(IndexError, match=r"z\[group\]: the index 3"):
                step.target.refresh()
        with pytest.raises(IndexError, match=r"z\[group\]: the index 3"):
            sample(step, model, draws=5)
        pm.set_data({"group": [2, 2], "data": np.zeros(2)})
        sample(step, model, draws=5)
        pm.set_data({"group": GROUP, "data": np.zeros(4)})


def test_deterministic_variables_are_checked():
    with pm.Model():
        z = pm.Normal("z", shape=3)
        pm.Deterministic("later", z[pm.Data("when", np.array([0, 2]))])
        step = ps.HMC()
        pm.set_data({"when": np.array([0, 3])})  # which the log-density does not read
        for refused in (step.target.refresh, ps.HMC, lambda: ps.sample(10, tune=10)):
            with pytest.raises(IndexError, match=r"z\[when\]: the index 3"):
                refused()


# Indices that depend on what is sampled.

LEVELS = np.array([0.0, 1.0, 4.0])


def test_index_that_depends_on_the_position():
    """A step function of x, where a table has three entries: what lies beyond them has no density."""
    with pm.Model() as model:
        x = pm.Normal("x", 1.5, 2.0)
        place = pt.floor(x).astype("int64")
        pm.Potential("table", -pt.as_tensor(LEVELS)[pt.stack([place, place])].sum())
        pm.Deterministic("level", pt.as_tensor(LEVELS)[pt.stack([place])])
        target = LogDensity()
        assert target.native
        assert np.isfinite(target.try_at(np.array([2.5]))[0])
        for outside in (3.5, 9.0, -3.5, 1e6):
            assert np.isnan(target.try_at(np.array([outside]))[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            idata = ps.sample(500, tune=300, chains=2, random_seed=1, progressbar=False, quiet=True, model=model)
    draws = idata["posterior"]["x"].to_numpy()
    assert (draws >= -3).all()
    assert (draws < 3).all()
    np.testing.assert_array_equal(idata["posterior"]["level"].to_numpy()[..., 0], LEVELS[np.floor(draws).astype(int)])


def test_held_variables_are_indices_too(sample):
    with pm.Model():
        k = pm.Categorical("k", np.full(5, 0.2), shape=2)
        z = pm.Normal("z", shape=3)
        pm.Potential("seen", -0.5 * pt.sum(z[k] ** 2))
        target = LogDensity([z])
    for value, fine in ((2, True), (3, False), (4, False)):
        target.hold({"k": np.array([0, value]), "z": np.zeros(3)})
        target.refresh()
        assert np.isfinite(target.try_at(np.zeros(3))[0]) == fine


def test_index_within_a_loop(with_c):
    """Nothing of a loop can be checked from outside, so it is compiled by a backend that checks."""

    def sum_of(index):
        with pm.Model() as model:
            z = pm.Normal("z", shape=3)
            total = pytensor.scan(
                lambda t, before, z: before + t * z[index].sum(),
                sequences=[pt.arange(3)],
                outputs_info=[pt.as_tensor(np.float64(0.0))],
                non_sequences=[z],
                return_updates=False,
            )
            pm.Potential("seen", -(total[-1] ** 2))
        return LogDensity(model=model)

    fine = sum_of(GROUP)
    assert not fine.native
    assert fine(np.ones(3))[0] == pytest.approx(-(12.0**2) - 1.5 - 1.5 * np.log(2 * np.pi))
    broken = sum_of(np.array([0, 1, 7, 2]))
    assert np.isnan(broken.try_at(np.ones(3))[0])
    assert isinstance(broken.model, pm.Model)
