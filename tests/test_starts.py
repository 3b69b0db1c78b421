"""Where chains begin."""

import numpy as np
import pymc as pm

import pymc_symplectic as ps


def test_discrete_variables_stay_where_the_model_has_them():
    """Beside them `pm.sample` is the driver, which has to be told to begin apart."""
    with pm.Model():
        change = pm.DiscreteUniform("change", 1, 9)
        rate = pm.Exponential("rate", 1)
        pm.Poisson("y", rate * (change > 3), observed=1)
        starts = ps.initial_points(chains=3, random_seed=1)
    assert [list(start) for start in starts] == [["change", "rate"]] * 3
    assert {int(start["change"]) for start in starts} == {5}
    assert len(np.unique([start["rate"] for start in starts])) == 3
