"""Where rounding reaches the boundary of a support, whatever runs there refuses the point, and nothing else happens.

Far out, transformed variables round to their boundary: gradients become infinite or NaN there while a log-density may
still be finite.  No momentum may take such a gradient up, no number may become an index that it is not, and no draw may
be left where the density and its gradient are not finite.
"""

from itertools import product

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic import integrators, kinetic, trajectories
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.chain import evaluate_start
from pymc_symplectic.kernels.profiles import PROFILES
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

TRAJECTORIES = {
    "no_u_turn": trajectories.NoUTurn(5),
    "fixed_time": trajectories.FixedTime(1.5),
    "fixed_steps": trajectories.FixedSteps(4),
}
INTEGRATORS = [*integrators.CATALOGUE, *integrators.HARMONIC]
FINITE = [column.ENERGY, column.ENERGY_ERROR, column.MODEL_LOGP, column.MEAN_TREE_ACCEPT, column.STEP_SIZE]
TUNE, DRAWS = 8, 12


@pytest.fixture(scope="module")
def bounded():
    """Supports with an edge that rounding can reach, one of each kind."""
    with pm.Model() as model:
        pm.Beta("bell", 2.0, 5.0)
        pm.Beta("horns", 0.5, 0.5)
        pm.Dirichlet("corners", np.full(4, 0.3))
        pm.Uniform("box", 0.0, 1.0)
        pm.VonMises("circle", 0.0, 2.0)
        pm.LKJCholeskyCov("correlated", n=3, eta=0.5, sd_dist=pm.Exponential.dist(1.0))
        pm.Normal("ordered", shape=3, transform=pm.distributions.transforms.ordered, initval=[-1.0, 0.0, 1.0])
        pm.TruncatedNormal("tail", 0.0, 1.0, lower=30.0)
    return LogDensity(model=model)


def starts(target):
    """From the middle, and from where some coordinate is about to be rounded to its boundary."""
    rng = np.random.default_rng(5)
    yield target.default_start
    for size in (30.0, 36.5):
        start = target.default_start.copy()
        start[rng.integers(target.dim)] += size * rng.choice([-1.0, 1.0])
        yield start


@pytest.mark.parametrize("energy", kinetic.CATALOGUE)
def test_every_configuration_at_the_edge(energy, bounded):
    tried = 0
    for scheme, trajectory in product(INTEGRATORS, TRAJECTORIES.values()):
        if scheme in integrators.HARMONIC and energy != "gaussian":
            continue
        settings = Settings.choose(integrator=scheme, kinetic=energy, trajectory=trajectory, metric="diagonal")
        for seed, start in enumerate(starts(bounded)):
            if not all(map(np.all, map(np.isfinite, bounded.try_at(start)))):
                continue
            chain = Chain(bounded, settings, np.random.default_rng(seed), TUNE)
            chain.start(start)
            draws, rows = chain.advance(DRAWS)
            assert np.isfinite(draws).all()
            assert np.isfinite(rows[:, FINITE]).all()
            value, gradient = bounded(draws[-1])
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
            tried += 1
    assert tried > 50


def test_where_the_gradient_is_not_finite_there_is_no_density(bounded):
    """And there are such points, in which the density alone could not be distinguished from any other."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        position = bounded.default_start + rng.choice([0.0, -40.0, 40.0, 800.0], bounded.dim)
        value, gradient = bounded(position)
        chain = Chain(bounded, Settings.choose(), rng)
        chain._state.current.position[:] = position
        evaluate_start(chain._system.target, chain._state)
        seen = chain._state.current.value[0]
        if np.isfinite(value) and np.isfinite(gradient).all():
            assert seen == pytest.approx(value)
        else:
            assert seen == -np.inf
        found += bool(np.isfinite(value) and not np.isfinite(gradient).all())
    assert found


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("s", [np.nan, np.inf, 1e300, 0.0])
def test_profiles_take_any_number(name, s):
    params = {"piecewise": kinetic.Adaptive().record(1).params}.get(name, np.array([4.0, 1.5, 3.0, 1.0]))
    with np.errstate(all="ignore"):
        for function in PROFILES[name]:
            result = function(params, s)
            assert np.isnan(result) if np.isnan(s) else not np.isfinite(s) or s > 1e200 or np.isfinite(result)
