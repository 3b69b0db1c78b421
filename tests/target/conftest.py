"""A hierarchy with data, for log-densities and what is made of them."""

import numpy as np
import pymc as pm
import pytest


@pytest.fixture(scope="package")
def hierarchy():
    """A hierarchy, whose coordinates may be others than the model's."""
    with pm.Model() as model:
        y = pm.Data("y", np.array([0.3, -1.1]))
        s = pm.HalfNormal("s", 1.0)
        m = pm.Normal("m", 0.0, s, shape=2)
        pm.Normal("seen", m, 1.0, observed=y)
    return model
