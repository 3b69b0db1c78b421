"""What a run has learned: checked when it is made, read by people, saved and read again to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hand_made import COVARIANCE, new_chain, new_learned, on_a_path
from numpy.testing import assert_allclose, assert_array_equal

import pymc_symplectic as ps
from pymc_symplectic.kernels.linear import DenseMap, DiagonalMap, LowRankMap

LOW_RANK = [LowRankMap(np.array([1.0, 0.1, 3.0]), np.eye(3)[:rank].copy(), np.full(rank, 2.0)) for rank in (0, 1, 2)]
VALUES = {
    "dense": [new_chain(), new_chain(1.2)],
    "no mean": [new_chain(mean=None)],
    "a mean in one chain": [new_chain(), new_chain(mean=None)],
    "a path": [on_a_path(1.4), on_a_path(1.5)],
    "diagonal": [new_chain(metric=DiagonalMap(np.array([0.1, 1.0, 1 / 3])))],
    "low rank, of different ranks": [new_chain(metric=metric) for metric in LOW_RANK],
    "low rank, of none": [new_chain(metric=LOW_RANK[0])],
    "weights": [new_chain(weights=np.array([1.0, 0.3, 0.0]))],
    "a kinetic energy that is learned": [new_chain(kinetic=np.array([1.0, np.inf, 0.1])), new_chain()],
}


def assert_same(one, other):
    """Every number of both, to the last bit, and every word."""
    assert one.variables == other.variables and one.options == other.options
    assert len(one.chains) == len(other.chains)
    for ours, theirs in zip(one.chains, other.chains, strict=True):
        assert ours.choice == theirs.choice and ours.state == theirs.state
        assert ours.step_size == theirs.step_size and type(ours.metric) is type(theirs.metric)
        for mine, its in zip(ours.metric, theirs.metric, strict=True):
            assert_array_equal(mine, its, strict=True)
        for name in ("position", "mean", "kinetic", "weights"):
            mine, its = getattr(ours, name), getattr(theirs, name)
            assert (mine is None) == (its is None), name
            if mine is not None:
                assert_array_equal(mine, its, strict=True)
    assert one.digest == other.digest


@pytest.mark.parametrize("name", VALUES)
def test_a_file_has_all_of_it(name, tmp_path):
    learned = new_learned(*VALUES[name])
    learned.save(tmp_path / "learned.npz")
    assert_same(ps.Learned.load(tmp_path / "learned.npz"), learned)
    assert_same(ps.learned(str(tmp_path / "learned.npz")), learned)


@pytest.mark.parametrize("name", VALUES)
def test_a_group_of_a_result_has_all_of_it(name, tmp_path):
    pytest.importorskip("zarr")
    learned = new_learned(*VALUES[name])
    tree = xr.DataTree.from_dict({"/learned": learned.to_dataset()})
    assert_same(ps.learned(tree), learned)
    tree.to_zarr(tmp_path / "result.zarr", consolidated=False)
    assert_same(ps.learned(xr.open_datatree(tmp_path / "result.zarr", engine="zarr", consolidated=False)), learned)


@pytest.mark.parametrize("name", VALUES)
def test_netcdf_has_all_of_it(name, tmp_path):
    pytest.importorskip("h5py")
    learned = new_learned(*VALUES[name])
    xr.DataTree.from_dict({"/learned": learned.to_dataset()}).to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    assert_same(ps.learned(xr.open_datatree(tmp_path / "result.nc", engine="h5netcdf")), learned)


def test_some_chains_of_a_result():
    tree = xr.DataTree.from_dict({"/learned": new_learned(new_chain(), on_a_path(1.4)).to_dataset([0, 2])})
    assert_same(ps.learned(tree.isel(chain=[1])), new_learned(on_a_path(1.4)))


def test_what_is_damaged_is_not_believed(tmp_path, learned):
    file = tmp_path / "learned.npz"
    learned.save(file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"learned\.npz is not what Learned\.save has written: .*digest"):
        ps.Learned.load(file)
    file.write_text("[]")
    with pytest.raises(ValueError, match=r"is not what Learned\.save has written"):
        ps.learned(file)
    with pytest.raises(FileNotFoundError):
        ps.Learned.load(tmp_path / "nothing")
    group = learned.to_dataset()
    for broken in (group.drop_vars("position"), group.drop_attrs(), group.isel(unconstrained=[0])):
        with pytest.raises(ValueError, match="the group is not one of this package"):
            ps.learned(xr.DataTree.from_dict({"/learned": broken}))


def test_another_number_is_another_digest(learned):
    chain = learned.chains[0]
    near = np.nextafter(chain.position, np.inf)
    assert new_learned(chain, learned.chains[1]).digest == learned.digest
    assert new_learned(replace(chain, position=near), learned.chains[1]).digest != learned.digest


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"position": np.array([0.0, np.nan, 0.0])}, "of chain 0, its position is not finite"),
        ({"position": np.zeros(2)}, r"of chain 0, its position must be 3 numbers, and is float64\(2,\)"),
        ({"position": None}, "its position must be 3 numbers, and is None"),
        ({"mean": np.full(3, np.inf)}, "its mean is not finite"),
        ({"metric": DenseMap(np.zeros((3, 3)))}, "diagonal of the metric is not positive and finite"),
        ({"metric": DenseMap(-np.eye(3))}, "diagonal of the metric is not positive and finite"),
        ({"metric": DiagonalMap(np.array([1.0, np.nan, 1.0]))}, "scale of the metric is not positive and finite"),
        ({"metric": DiagonalMap(np.ones(4))}, r"scale of the metric is float64\(4,\), and must be float64\(3,\)"),
        ({"weights": np.array([1.0, 2.0, 0.0])}, "its weights are not between 0 and 1"),
        ({"step_size": 0.0}, "its step size must be positive and finite, and is 0.0"),
        ({"step_size": float("nan")}, "its step size must be positive"),
        ({"choice": {}}, "by which integrator and trajectory"),
        ({"state": {}}, "of chain 0, it does not say what a warm-up goes on from"),
        ({"state": on_a_path(float("nan")).state}, "its tuner has found .*nan"),
        ({"state": on_a_path(-1.0).state}, "a path of time -1.0 by steps of"),
    ],
)
def test_what_nothing_can_begin_from_is_refused(part, words):
    with pytest.raises(ValueError, match=words):
        new_learned(new_chain(**part))


def test_options_that_are_missing():
    with pytest.raises(ValueError, match="options are missing: integrator, kinetic, metric"):
        ps.Learned({"a": (3,)}, {"temperature": 1.0}, [new_chain()])


def test_nothing_is_learned_by_no_chain():
    with pytest.raises(ValueError, match="there is no chain that has learned anything"):
        new_learned()


def test_tables(learned):
    assert learned.labels == ["a", "b_log__[0]", "b_log__[1]"]
    assert learned.table["step_size"].tolist() == pytest.approx([0.7, 0.7, 0.7])
    assert list(learned.table.index) == [0, 1, "pooled"]
    assert_allclose(learned.scales["sd"], np.sqrt(np.diag(COVARIANCE) * (1 + 1.2**2) / 2))
    assert_allclose(learned.scales["mean"], [0.15, 0.05, -0.25])
    assert_allclose(learned.correlations.loc["a", "b_log__[0]"], 0.6 / np.sqrt(2))
    text = repr(learned)
    assert "2 chains of 3 unconstrained parameters, which agree" in text and "b_log__[1]" in text and "pooled" in text


def test_tables_by_chain_where_chains_differ():
    learned = new_learned(new_chain(), new_chain(shift=50.0))
    assert list(learned.table.index) == [0, 1]
    assert_allclose(learned.scales[1, "mean"], [50.1, 50.0, 49.7])
    assert "which do not agree: chain 1 and chain 0 have means" in repr(learned)
    with pytest.raises(ValueError, match="there are no common correlations, as chain 1 and chain 0 have means"):
        _ = learned.correlations


def test_sources_that_are_none(tmp_path):
    with pytest.raises(TypeError, match="a result or the path of a store is needed, got a int"):
        ps.learned(3)
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset({"x": 1.0}, attrs={"inference_library": "nutpie"})})
    with pytest.raises(ValueError, match=r"no group 'learned'.*it was made by nutpie"):
        ps.learned(tree)
    with pytest.raises(FileNotFoundError):
        ps.learned(tmp_path / "nowhere")
