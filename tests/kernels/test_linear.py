"""Linear maps in NumPy are those of the kernels."""

import numpy as np
import pytest

from pymc_symplectic.kernels import linear

DIM = 5
RNG = np.random.default_rng(1)
DIRECTIONS = np.linalg.qr(RNG.standard_normal((DIM, 2)))[0].T.copy()
MAPS = {
    "diagonal": linear.DiagonalMap(np.geomspace(0.1, 10, DIM)),
    "dense": linear.DenseMap(np.tril(RNG.standard_normal((DIM, DIM))) + 3 * np.eye(DIM)),
    "low_rank": linear.LowRankMap(np.geomspace(0.1, 10, DIM), DIRECTIONS, np.array([5.0, 0.2])),
}


@pytest.fixture(params=MAPS)
def own(request):
    return MAPS[request.param]


def by_kernel(function, own, vector):
    """``0 + 1 · L v`` or ``Lᵀ v``, as kernels do it."""
    out = np.zeros(DIM)
    function(own, 1.0, vector, out)
    return out


def test_methods_are_the_kernels(own):
    rows = RNG.standard_normal((3, DIM))
    np.testing.assert_allclose(own.apply(rows), [by_kernel(linear.drift, own, row) for row in rows])
    np.testing.assert_allclose(own.adjoint(rows), [by_kernel(linear.kick, own, row) for row in rows])
    np.testing.assert_allclose(own.apply(rows[0]), by_kernel(linear.drift, own, rows[0]))
    np.testing.assert_allclose(own.solve(own.apply(rows)), rows)
    np.testing.assert_allclose(own.covariance_times(rows[0]), own.apply(own.adjoint(rows[0])))
    np.testing.assert_allclose(own.variance(DIM), np.diag(own.apply(own.adjoint(np.eye(DIM)))))
    np.testing.assert_allclose(own.log_volume(), np.linalg.slogdet(own.apply(np.eye(DIM)))[1], atol=1e-12)


def test_a_map_from_outside_gets_the_methods_that_it_lacks(own):
    class Other(type(own)):
        pass

    bare = type("Bare", (tuple,), {"_fields": own._fields, "_asdict": own._asdict})
    linear.complete(bare)
    assert {"apply", "adjoint", "solve", "covariance_times", "variance", "check"} <= set(dir(bare))
    before = Other.apply
    linear.complete(Other)
    assert Other.apply is before  # its own


@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.0, -1.0])
def test_check_finds_what_is_no_map(own, fault):
    own.check(DIM)
    with pytest.raises(ValueError, match="of the metric is"):
        own.check(DIM + 1)
    name = own._fields[0]
    array = getattr(own, name).copy()
    array[(0,) * array.ndim] = fault
    with pytest.raises(ValueError, match=r"of the metric is not (positive and )?finite"):
        own._replace(**{name: array}).check(DIM)
    with pytest.raises(ValueError, match="of the metric is float32"):
        own._replace(**{name: getattr(own, name).astype("float32")}).check(DIM)
