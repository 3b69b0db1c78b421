"""Variables that are recorded at each draw, and which draws of chains of unequal lengths are kept."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.exceptions import SamplingError
from pytensor.compile.ops import as_op

from pymc_symplectic.recorded import RecordedVariables, longest
from pymc_symplectic.target import LogDensity


@pytest.mark.parametrize(
    ("counts", "tune", "expected"),
    [
        ([30, 30, 30], 10, ([0, 1, 2], 30)),
        ([1500, 1400, 1010], 1000, ([0, 1], 1400)),
        ([1010, 1500, 1400], 1000, ([1, 2], 1400)),
        ([20, 30], 1000, ([0, 1], 20)),
        ([20, 0, 30], 1000, ([0, 2], 20)),
        ([0, 0, 0], 5, ([0, 1, 2], 0)),
        ([5], 5, ([0], 5)),
        ([5, 6], 5, ([1], 6)),
        ([100, 4, 4], 0, ([0], 100)),
        ([10, 5], 0, ([0, 1], 5)),  # as many draws of more chains are better
        ([0, 7], 0, ([1], 7)),
    ],
)
def test_longest_keeps_most_draws(counts, tune, expected):
    assert longest(counts, tune) == expected


def test_longest_is_best_of_all_choices():
    import itertools

    rng = np.random.default_rng(1)
    for _ in range(200):
        tune = int(rng.integers(0, 6))
        counts = rng.integers(0, 12, rng.integers(1, 6)).tolist()
        chains, length = longest(counts, tune)
        assert chains == sorted(set(chains)) and all(counts[chain] >= length for chain in chains)
        warm = not any(count > tune for count in counts)
        value = len(chains) * (length if warm else length - tune)
        for size in range(1, len(counts) + 1):
            for some in itertools.combinations(counts, size):
                assert size * (min(some) - (0 if warm else tune)) <= value


def test_variables_by_name(recorded):
    target = recorded._target
    assert set(RecordedVariables(target, ["product", "s"]).layout) == {"product", "s"}
    assert set(RecordedVariables(target, "s").layout) == {"s"}
    with pytest.raises(ValueError, match=r"var_names: the model has no variable 'a', 'b'; it has x, s, product, sign"):
        RecordedVariables(target, ["a", "s", "b"])


def test_variables_keep_shapes_and_dtypes(recorded):
    assert {name: (shape, dtype.kind) for name, (shape, dtype) in recorded.layout.items()} == {
        "x": ((2,), "f"),
        "s_log__": ((), "f"),
        "s": ((), "f"),
        "product": ((2,), "f"),
        "sign": ((), "b"),
    }
    made = recorded.new(3, 4)
    assert made["x"].shape == (3, 4, 2) and made["sign"].dtype == bool
    at = recorded.at(np.array([1.0, 2.0, 0.0]))
    assert at["s"] == 1.0 and at["sign"] and at["product"].tolist() == [1.0, 2.0]


def test_variables_may_be_computed_on_many_threads(recorded):
    from concurrent.futures import ThreadPoolExecutor

    def fill(seed):
        draws = np.random.default_rng(seed).normal(size=(300, 3))
        made = recorded.new(300)
        recorded.fill(made, draws)
        np.testing.assert_array_equal(made["x"], draws[:, :2])
        return made["product"]

    with ThreadPoolExecutor(4) as executor:
        np.testing.assert_array_equal(list(executor.map(fill, range(12))), list(map(fill, range(12))))


def recorded_of(make):
    """The variables of a model of one normal `x`, and of what is made of it."""
    with pm.Model() as model:
        pm.Deterministic("made", make(pm.Normal("x", shape=2)))
    return RecordedVariables(LogDensity(model=model, compile_kwargs={"mode": "FAST_COMPILE"}))


def test_a_variable_whose_shape_varies():
    variables = recorded_of(lambda x: x[x >= 0])  # of two entries at the initial point
    arrays = variables.new(1)
    variables.fill(arrays, np.array([[1.0, 2.0]]))
    with pytest.raises(SamplingError, match=r"made has shape \(1,\) at one draw and \(2,\) at another"):
        variables.fill(arrays, np.array([[1.0, -2.0]]))  # which NumPy would write to both entries


def failing(error, otype, at=1.0):
    """An operation that raises an error beyond a point."""

    @as_op(itypes=[pt.dvector], otypes=[otype])
    def largest(x):
        if x.max() > at:
            raise error
        return np.asarray(x.max(), dtype=otype.dtype)

    return largest


def test_a_variable_that_cannot_be_computed_is_not_a_number_there():
    variables = recorded_of(failing(ArithmeticError("no solution."), pt.dscalar))
    arrays = variables.new(4)
    draws = np.array([[0.5, 0.0], [2.0, 0.0], [0.0, 0.75], [0.0, 3.0]])
    with pytest.warns(UserWarning, match="made raised ArithmeticError: no solution. It is NaN in such draws") as record:
        variables.fill(arrays, draws)
    assert sum("made raised" in str(warning.message) for warning in record) == 1
    np.testing.assert_array_equal(arrays["made"], [0.5, np.nan, 0.75, np.nan])
    np.testing.assert_array_equal(arrays["x"], draws)


def test_a_variable_that_cannot_be_computed_where_the_model_begins():
    with pytest.warns(UserWarning, match="made raised ValueError"):
        variables = recorded_of(failing(ValueError("not at zero"), pt.dscalar, at=-1.0))
    np.testing.assert_array_equal(variables.at(np.array([-2.0, -3.0]))["made"], -2.0)


@pytest.mark.parametrize(
    ("error", "otype"), [(NameError("a mistake"), pt.dscalar), (ValueError("no integer is NaN"), pt.lscalar)], ids=str
)
def test_a_variable_that_can_be_no_number_nor_nan(error, otype):
    variables = recorded_of(failing(error, otype))
    with pytest.raises(SamplingError, match=f"made raised {type(error).__name__}: {error}. Mend it, or leave it out"):
        variables.at(np.array([2.0, 0.0]))
