"""What PyTensor has compiled: whether it goes back into the interpreter, and who waits for whom when it does."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from operations import Quadratic

from pymc_symplectic.target.compiled import interprets


@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_going_back_into_the_interpreter_is_seen():
    x = pt.dvector("x")
    for graph, expected in ((pt.exp(x).sum(), False), (Quadratic()(x), True), (pt.exp(2 * Quadratic()(x)), True)):
        function = pytensor.function([x], graph, mode="NUMBA")
        assert interprets(function.vm.jit_fn) == expected
        assert np.isfinite(function(np.zeros(2)))
