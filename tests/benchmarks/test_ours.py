"""Chains of this package, as they are measured."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.samplers import Problem, get


def test_stranded_chains_are_moved_as_by_sample():
    with pm.Model() as model:
        x = pm.Flat("x", shape=2)
        place, other = (-0.5 * (((x - at) / 0.05) ** 2).sum() for at in (0.7, -0.7))
        pm.Potential("p", pt.logaddexp(place, other - 40))
    problem = Problem(model)
    assert len(set(np.sign(problem.starts(4, 0)[:, 0]))) == 2
    run = get("ours")(problem)(draws=100, tune=None, chains=4, seed=0)
    assert run.draws["x"].min() > 0 and run.gradients[0] > 4 * 100
    assert any("begun anew" in chosen for chosen in run.chosen)
    alone = get("ours")(problem)(draws=100, tune=400, chains=4, seed=0)
    assert alone.draws["x"].min() < 0
