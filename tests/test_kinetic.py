"""Kinetic energies: the contract, on every entry and on those that break it; what is learned; a user's own."""

import math
import pickle
from dataclasses import replace

import cloudpickle
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.kernels import chain as kernels
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.kinetic import draws, velocities
from pymc_symplectic.kernels.random import generator_record
from pymc_symplectic.kinetic import CATALOGUE, Adaptive, Custom, Gaussian, Power, Profile, Relativistic, StudentT
from pymc_symplectic.kinetic.shadow import GRID, measure, reach
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity

# The contract.

ENTRIES = [
    *(entry() for entry in CATALOGUE.values()),
    Relativistic(c=0.1),
    Relativistic(c=30.0),
    Relativistic(c=1.0, shape="separable"),
    Power(beta=1.2, c=0.5, shape="radial"),
    Power(beta=6.0, c=1.0),
    StudentT(nu=1.0),
]


@pytest.mark.parametrize("dim", [1, 2, 10, 100])
@pytest.mark.parametrize("kinetic", ENTRIES, ids=str)
def test_every_entry_keeps_the_contract(kinetic, dim):
    assert ps.check_kinetic(kinetic, dim).failures == []


def _energy(params, r):
    total = params[0] ** 2
    for j in range(r.size):
        total += r[j] ** 2
    return params[0] * math.sqrt(total)


def _velocity(params, r, out):
    total = params[0] ** 2
    for j in range(r.size):
        total += r[j] ** 2
    for j in range(r.size):
        out[j] = params[0] * r[j] / math.sqrt(total)


def _too_fast(params, r, out):
    _total = params[0] ** 2
    for j in range(r.size):
        _total += r[j] ** 2
    for j in range(r.size):
        out[j] = 1.001 * params[0] * r[j] / math.sqrt(_total)


def _normal(params, rng, out):
    for j in range(out.size):
        out[j] = rng.standard_normal()


def _half_square(params, r):
    total = 0.0
    for j in range(r.size):
        total += 0.5 * r[j] ** 2
    return total


def _odd(params, r):
    total = 0.01 * r[0]
    for j in range(r.size):
        total += 0.5 * r[j] ** 2
    return total


def _odd_velocity(params, r, out):
    for j in range(r.size):
        out[j] = r[j]
    out[0] += 0.01


def _itself(params, r, out):
    for j in range(r.size):
        out[j] = r[j]


def _nan(params, r):
    return math.nan


def _twice(params, rng, out):
    for j in range(out.size):
        out[j] = 1.02 * rng.standard_normal()


@pytest.mark.parametrize(
    ("functions", "params", "found"),
    [
        ((_energy, _velocity, _normal), (2.0,), "draws"),
        ((_energy, _too_fast, _normal), (2.0,), "gradient"),
        ((_odd, _odd_velocity, _normal), (), "even"),
        ((_nan, _itself, _normal), (), "finite"),
        ((_half_square, _itself, _twice), (), "draws"),
    ],
    ids=["gaussian momenta", "wrong gradient", "odd", "nan", "wide draws"],
)
def test_what_is_wrong_is_found_and_refused(functions, params, found):
    for dim in (1, 2, 10, 100):
        report = ps.check_kinetic(Custom(*functions, params, check=False), dim)
        assert not report
        assert any(failure.startswith(found) for failure in report.failures), report
        assert "FAIL" in str(report)
    with pytest.raises(ValueError, match=rf"kinetic: {found}.*refused|kinetic: .*{found}.*refused"):
        Custom(*functions, params)


def test_a_claim_to_be_convex_is_checked():
    assert ps.check_kinetic(StudentT(nu=1.0), 2)
    bold = Profile(lambda params, s: math.log1p(s * s), lambda params, s: 2 * s / (1 + s * s), check=False)
    assert [failure.split(":")[0] for failure in ps.check_kinetic(bold, 2).failures] == ["convex"]


# A user's own.


def test_a_profile_is_all_it_takes():
    own = Profile(
        lambda params, s: params[0] * (math.sqrt(s * s + params[0] ** 2) - params[0]),
        lambda params, s: params[0] * s / math.sqrt(s * s + params[0] ** 2),
        params=[2.0],
        shape="radial",
    )
    momenta = np.random.default_rng(0).standard_normal((20, 5))
    mine, ours = np.empty_like(momenta), np.empty_like(momenta)
    velocities(own.record(5), momenta, mine)
    velocities(Relativistic(c=2.0).record(5), momenta, ours)
    np.testing.assert_allclose(mine, ours, rtol=1e-12)


def test_a_pytensor_expression_is_all_it_takes():
    own = ps.kinetic_energy(lambda s: 2 * pt.sqrt(s**2 + 4), shape="radial")
    assert ps.check_kinetic(own, 10)
    momenta = np.random.default_rng(0).standard_normal((20, 5))
    mine, ours = np.empty_like(momenta), np.empty_like(momenta)
    velocities(own.record(5), momenta, mine)
    velocities(Relativistic(c=2.0).record(5), momenta, ours)
    np.testing.assert_allclose(mine, ours, rtol=1e-12)


def test_another_process_can_have_them():
    for kinetic in (Adaptive(), Relativistic(), Profile(lambda params, s: s * s, lambda params, s: 2 * s, check=False)):
        assert ps.check_kinetic(pickle.loads(cloudpickle.dumps(kinetic)), 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Relativistic(c=0.0), "kinetic: c must be positive"),
        (lambda: Relativistic(c=math.nan), "kinetic: c must be positive"),
        (lambda: Relativistic(c=math.inf), "kinetic: c must be positive"),
        (lambda: Relativistic(shape="radail"), "Did you mean 'radial'"),
        (lambda: Power(beta=0.0), "beta must lie between"),
        (lambda: Power(beta=math.nan), "beta must lie between"),
        (lambda: Power(c=-1.0), "kinetic: c must be positive"),
        (lambda: StudentT(nu=0.0), "kinetic: nu must be positive"),
        (lambda: Adaptive(units=1), "units must be an integer of at least 2"),
        (lambda: Adaptive(least_gain=0.5), "least_gain must be finite and at least 1"),
        (lambda: Settings.choose(kinetic="relativisitc"), "Did you mean 'relativistic'"),
        (lambda: Settings.choose(temperature=0.0), "temperature must be positive"),
        (lambda: Settings.choose(temperature=-1.0), "temperature must be positive"),
        (lambda: Profile(lambda params, s: 0.1 * s, lambda params, s: -0.1), "must grow with s"),
        (lambda: Profile(lambda params, s: math.nan, lambda params, s: s), "profile is nan"),
        (lambda: Profile(lambda params, s: s * s / 2, lambda params, s: 1.01 * s), "gradient"),
        (lambda: Profile(lambda params, s: math.log1p(s * s) / 5, lambda params, s: 0.4 * s / (1 + s * s)), "integral"),
        (lambda: ps.check_kinetic(Gaussian(), 0), "dim must be a positive integer"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_expression_must_be_one():
    with pytest.raises(TypeError, match="scalar PyTensor expression"):
        ps.kinetic_energy(lambda s: 3.0)
    with pytest.raises(TypeError, match="does not depend on it"):
        ps.kinetic_energy(lambda s: pt.as_tensor(3.0))


# Learning.


def student(count=400, dim=8, nu=4, seed=0):
    """Draws of independent Student t variables, and the gradients of their log-density."""
    x = np.random.default_rng(seed).standard_t(nu, (count, dim))
    return x, -(nu + 1) * x / (nu + x**2)


def test_the_adaptive_energy_learns_a_velocity_that_levels_out():
    adaptive = Adaptive()
    learned = adaptive.learned(adaptive.fit(adaptive.record(8), *student()))
    assert learned.gain > 1.05
    assert learned.slopes[0] > 2 * learned.slopes[-1]
    assert (np.diff(learned.velocities) > 0).all()


@pytest.mark.parametrize("dim", [1, 10, 100])
def test_what_is_learned_keeps_the_contract(dim):
    class Found(Adaptive):
        def record(self, dim):
            return self.fit(super().record(dim), *student(dim=dim))

    assert ps.check_kinetic(Found(), dim).failures == []


def test_speed_is_that_of_the_gaussian_energy():
    adaptive = Adaptive()
    record = adaptive.fit(adaptive.record(8), *student())
    momenta = np.empty((40_000, 8))
    rng = np.random.default_rng(1)  # which has to live as long as draws are made
    draws(record, generator_record(rng), momenta)
    speeds = np.empty_like(momenta)
    velocities(record, momenta, speeds)
    assert np.mean(speeds**2) == pytest.approx(1.0, abs=0.01)


def test_the_gaussian_energy_is_kept_where_nothing_is_gained():
    adaptive = Adaptive(least_gain=1.5)
    learned = adaptive.learned(adaptive.fit(adaptive.record(8), *student()))
    assert learned.gain == 1.0
    np.testing.assert_array_equal(learned.slopes, 1.0)


@pytest.mark.parametrize("gradients", [np.zeros((100, 3)), np.full((100, 3), np.nan)], ids=["constant", "nan"])
def test_nothing_is_learned_from_gradients_that_say_nothing(gradients):
    adaptive = Adaptive()
    record = adaptive.record(3)
    with pytest.warns(UserWarning, match="constant or not finite"):
        assert adaptive.fit(record, np.random.default_rng(0).standard_normal((100, 3)), gradients) is record


def test_reach_is_of_one_form_alone():
    # the reach of a profile does not depend on the units of momentum
    geometry = measure(*student())
    assert reach(GRID, geometry, "separable", 1) == pytest.approx(reach(4 * GRID, geometry, "separable", 1), rel=1e-2)


@pytest.mark.parametrize(("shape", "limit"), [("radial", 3 * math.sqrt(8)), ("separable", 6.0)])
def test_the_speed_limit_follows_the_spread(shape, limit):
    chosen = Relativistic(shape=shape)
    x = 3 * np.random.default_rng(0).standard_normal((400, 8))
    assert chosen.speed_limit(chosen.fit(chosen.record(8), x, -x / 9)) == pytest.approx(limit, rel=0.1)
    given = Relativistic(c=1.0, shape=shape)
    assert not given.adapts
    assert given.speed_limit(given.record(8)) == 1.0


UNTRIED = replace(ps.Policy(), energy_trial=False)  # in use from the first draw, whatever it is worth


@pytest.fixture(scope="module")
def heavy():
    with pm.Model() as model:
        pm.StudentT("x", nu=4, sigma=3.0, shape=5)
    return LogDensity(model=model)


@pytest.mark.parametrize("kinetic", ["relativistic", "adaptive"])
def test_learning_compiles_nothing(heavy, kinetic):
    settings = Settings.choose(kinetic=kinetic, metric="identity", policy=UNTRIED)
    chain = Chain(heavy, settings, np.random.default_rng(0), tune=300)
    chain.compile(all_foreseen=True)
    chain.start(np.ones(5))
    chain.advance(40)
    first, compiled = chain.kinetic, len(kernels.advance.signatures)
    _, rows = chain.advance(300)
    assert chain.kinetic is not first
    assert len(kernels.advance.signatures) == compiled
    assert (rows[-1, column.KINETIC_GAIN] > 1.02) == (kinetic == "adaptive")
    if kinetic == "relativistic":
        assert (rows[-1, column.VELOCITY_NORM] < rows[-1, column.SPEED_LIMIT]) & (rows[-1, column.SPEED_LIMIT] < np.inf)


def test_learning_does_not_need_a_metric_that_learns(heavy):
    settings = Settings.choose(kinetic="relativistic", metric="identity", policy=UNTRIED)
    chain = Chain(heavy, settings, np.random.default_rng(0), tune=500)
    chain.start(np.ones(5))
    _, rows = chain.advance(600)
    assert 1.5 < rows[-1, column.SPEED_LIMIT] / math.sqrt(5) < 6


@pytest.mark.parametrize("kinetic", ["relativistic", "adaptive"])
def test_a_restored_chain_goes_on_with_what_was_learned(heavy, kinetic):
    def made(seed):
        settings = Settings.choose(kinetic=kinetic, metric="diagonal", policy=UNTRIED)
        return Chain(heavy, settings, np.random.default_rng(seed), tune=300)

    chain, other = made(0), made(1)
    chain.start(np.ones(5))
    chain.advance(310)
    other.restore(chain.snapshot())
    np.testing.assert_array_equal(chain.advance(50)[0], other.advance(50)[0])


# Temperature.


@pytest.mark.parametrize("temperature", [0.25, 9.0])
def test_temperature_widens_a_normal(temperature):
    with pm.Model() as model:
        pm.Normal("x", 1.0, 2.0, shape=3)
    target = LogDensity(model=model)
    chain = Chain(target, Settings.choose(temperature=temperature), np.random.default_rng(0), tune=300)
    chain.start(np.zeros(3))
    chain.advance(300)
    positions, rows = chain.advance(4000)
    np.testing.assert_allclose(positions.std(axis=0), 2 * math.sqrt(temperature), rtol=0.1)
    assert rows[-1, column.MODEL_LOGP] == pytest.approx(target(positions[-1])[0], rel=1e-12)
