"""The choice of integrator, step size and path length in warm-up."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest

from pymc_symplectic import FixedTime, NoUTurn, Policy
from pymc_symplectic.adaptation import efficiency
from pymc_symplectic.adaptation.beyond import Beyond
from pymc_symplectic.adaptation.search import Candidate, Demands, Search, Tuning
from pymc_symplectic.adaptation.tuner import Stage, Tuner
from pymc_symplectic.adaptation.words import in_words
from pymc_symplectic.chain import Chain
from pymc_symplectic.integrators import CATALOGUE, HARMONIC
from pymc_symplectic.kernels import scores
from pymc_symplectic.kernels import statistics as column
from pymc_symplectic.kernels.linear import DenseMap
from pymc_symplectic.kernels.refine import Refinement
from pymc_symplectic.kernels.scores import Costs, TestPaths, mean_steps
from pymc_symplectic.kinetic import Relativistic
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import LogDensity
from pymc_symplectic.window import Window


@pytest.fixture(scope="module")
def normal():
    """Six correlated normals."""
    rng = np.random.default_rng(5)
    factor = rng.standard_normal((6, 6)) / 3 + np.diag(np.geomspace(0.5, 5, 6))
    with pm.Model() as model:
        pm.MvNormal("x", np.arange(6.0), cov=factor @ factor.T)
    return LogDensity(model=model)


@pytest.fixture(scope="module")
def funnel():
    with pm.Model() as model:
        scale = pm.Normal("scale", 0, 3)
        pm.Normal("x", 0, pm.math.exp(scale / 2), shape=9)
    return LogDensity(model=model)


@pytest.fixture(scope="module")
def heavy():
    with pm.Model() as model:
        pm.StudentT("x", nu=2, mu=0, sigma=1, shape=5)
    return LogDensity(model=model)


@pytest.fixture(scope="module")
def modes():
    """Two modes of different width, with a way from one to the other."""
    with pm.Model() as model:
        pm.NormalMixture("x", w=[0.3, 0.7], mu=[-2, 2], sigma=[1, 0.5])
    return LogDensity(model=model)


@pytest.fixture(scope="module")
def turned_modes():
    """The same along no axis of twenty coordinates, all others normal."""
    axes = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    with pm.Model() as model:
        x = pm.Flat("x", shape=20, initval=2 * axes[:, 0])
        u = x @ axes
        left, right = (pm.logp(pm.Normal.dist(*mode), u[0]) for mode in ((-2.0, 1.0), (2.0, 0.5)))
        density = pm.math.logaddexp(np.log(0.3) + left, np.log(0.7) + right) - 0.5 * (u[1:] ** 2).sum()
        pm.Potential("density", density)
    return LogDensity(model=model), axes


@pytest.fixture(scope="module")
def student():
    with pm.Model() as model:
        pm.StudentT("x", nu=3, mu=0, sigma=1)
    return LogDensity(model=model)


def chain_on(target, tune=1000, seed=1, **options):
    chain = Chain(target, Settings.choose(**options), np.random.default_rng(seed), tune=tune)
    chain.start(np.zeros(target.dim))
    return chain


def window_of(draws, steps=3.0, step_size=1.0):
    count = len(draws)
    ones = np.ones(count)
    density, moments = -0.5 * (draws**2).sum(axis=1), (np.zeros((2, draws.shape[1])), np.ones((2, draws.shape[1])))
    return Window(draws, -draws, density, steps * ones, ones, 0 * ones, ones, count, *moments, step_size=step_size)


def costs(step_size, wanted=0.0):
    return Costs(step_size, 1.0, wanted, Policy().per_draw, Policy().most_repeats)


def gaussian_paths(rng, count, dim, step_size, steps):
    """Exact trajectories of a standard normal, and the momenta that began them."""
    starts, momenta = rng.standard_normal((2, count, dim))
    sizes = step_size * (1 - 0.5 * rng.random(count) ** 2)
    angle = (sizes[:, None] * np.arange(1, steps + 1))[..., None]
    positions = np.cos(angle) * starts[:, None] + np.sin(angle) * momenta[:, None]
    densities = -0.5 * (starts**2).sum(axis=-1), -0.5 * (positions**2).sum(axis=-1)
    errors = np.zeros((count, steps))
    return TestPaths(starts, densities[0], positions, densities[1], errors, sizes, np.full(count, steps)), momenta


# Efficiency.


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_effective_draws_of_an_autoregression(rho):
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((20000, 2))
    for i in range(1, len(draws)):
        draws[i] = rho * draws[i - 1] + np.sqrt(1 - rho**2) * draws[i]
    known = scores.effective_fraction(np.array([(1 + rho) / (1 - rho)] * 2 + [(1 + rho**2) / (1 - rho**2)] * 3))
    assert efficiency.ess_per_draw(window_of(draws), np.arange(2)) == pytest.approx(known, rel=0.15)


def test_the_worst_function_counts_most():
    assert scores.effective_fraction(np.array([1.0, 1.0, 1.0, 100.0])) == pytest.approx(4**0.25 / 100, rel=0.01)
    assert scores.effective_fraction(np.array([1.0, np.inf])) == 0.0
    antithetic = np.full(5, 0.01), np.full(5, 0.5)  # draws that are not more effective than others
    assert scores.effective_fraction(antithetic[0]) == scores.effective_fraction(antithetic[1])


def test_a_coordinate_that_never_moves_is_left_out():
    draws = np.random.default_rng(1).standard_normal((500, 3))
    still = np.column_stack([draws, np.full(500, 7.0)])
    density = window_of(draws).log_density
    with np.errstate(all="raise"):
        value = efficiency.ess_per_draw(replace(window_of(still), log_density=density), np.arange(4))
    assert value == efficiency.ess_per_draw(window_of(draws), np.arange(3))


@pytest.mark.parametrize("time", [0.8, 1.4, 2.0])
@pytest.mark.parametrize("controlled", [False, True])
def test_squared_jumps_of_a_normal_are_known(time, controlled):
    rng = np.random.default_rng(2)
    paths, momenta = gaussian_paths(rng, 300, 4, 0.3, 12)
    window, columns = window_of(rng.standard_normal((4000, 4))), np.arange(4)
    jumps = efficiency.squared_jumps(paths, efficiency.moments(window, columns))
    variates = None
    if controlled:
        known = efficiency.moments(window, columns, np.zeros(4))
        variates = efficiency.control_variates(paths, known, momenta, np.ones(4))
    (score,) = efficiency.path_scores(paths, jumps, variates, costs(0.3), [time], [0.3])
    t = time * (1 + 0.3 * np.linspace(-1, 1, 2001))
    rho = np.array([np.cos(t).mean()] * 4 + [(np.cos(t) ** 2).mean()] * 5)
    known = scores.effective_fraction((1 + rho) / (1 - rho)) / (mean_steps(time, 0.3, 0.3) + 0.7)
    assert score.efficiency == pytest.approx(known, rel=0.08 if controlled else 0.2)
    assert score.accept == pytest.approx(1) and score.lost == 0


def test_control_variates_reduce_variance():
    values = {False: [], True: []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        paths, momenta = gaussian_paths(rng, 28, 4, 0.5, 6)
        window, columns = window_of(rng.standard_normal((400, 4))), np.arange(4)
        jumps = efficiency.squared_jumps(paths, efficiency.moments(window, columns))
        variates = efficiency.control_variates(
            paths, efficiency.moments(window, columns, np.zeros(4)), momenta, np.ones(4)
        )
        for taken in (False, True):
            (score,) = efficiency.path_scores(paths, jumps, variates if taken else None, costs(0.5), [1.4], [0.3])
            values[taken].append(score.efficiency)
    assert np.std(values[True]) < 0.4 * np.std(values[False])


def test_control_variates_are_nothing_on_average():
    """Over momenta and over draws from a normal of another mean and scale than the fitted one, which are all known."""
    rng = np.random.default_rng(3)
    paths, momenta = gaussian_paths(rng, 20_000, 2, 0.5, 4)
    draws, centre, scale = paths.starts * [1.0, 2.0] + [0.5, -1.0], np.array([0.2, 0.0]), np.array([1.0, 1.5])
    paths = paths._replace(starts=draws)
    known = efficiency.moments(window_of(draws), np.arange(2), centre)
    variates = efficiency.control_variates(paths, known, momenta * scale, scale**2)
    error = variates.std(axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(variates.mean(axis=0)) <= 4 * error)
    assert np.all(error[:, :4] > 0) and not variates[..., 4].any()


def test_paths_that_diverge_are_not_scored():
    paths, _ = gaussian_paths(np.random.default_rng(3), 100, 2, 0.5, 6)
    window, columns = window_of(paths.starts), np.arange(2)
    paths.errors[:30, 3:] = np.inf  # after three steps of 0.25 to 0.5 each
    found = efficiency.path_scores(
        paths, efficiency.squared_jumps(paths, efficiency.moments(window, columns)), None, costs(0.5), [0.7, 1.7], [0.3]
    )
    assert [score.time for score in found] == [0.7]


def test_several_paths_of_a_draw_are_named():
    choice = {"integrator": "leapfrog", "trajectory": "fixed_time", "time": 1.2, "repeats": 2}
    assert in_words(choice) == "leapfrog, fixed_time of 1.20, 2 to a draw"
    assert in_words({**choice, "repeats": 1}) == "leapfrog, fixed_time of 1.20"


@pytest.mark.parametrize(("wanted", "repeats"), [(0.0, 1), (5.0, 1), (9.0, 2), (14.0, 3), (1000.0, 4)])
def test_short_paths_are_repeated(wanted, repeats):
    """As many make a draw as cost what is wanted, and together they forget what each forgets."""
    paths, _ = gaussian_paths(np.random.default_rng(3), 100, 2, 0.3, 12)
    window, columns = window_of(np.random.default_rng(4).standard_normal((400, 2))), np.arange(2)
    jumps = efficiency.squared_jumps(paths, efficiency.moments(window, columns))
    (single,) = efficiency.path_scores(paths, jumps, None, costs(0.3), [1.2], [0.3])
    (score,) = efficiency.path_scores(paths, jumps, None, costs(0.3, wanted), [1.2], [0.3])
    steps = mean_steps(1.2, 0.3, 0.3)
    assert 4 < steps < 5
    assert score.repeats == repeats
    assert score._replace(repeats=1, efficiency=0) == single._replace(efficiency=0)
    slow = 4 * single.efficiency  # of the same paths if all functions were alike
    stays = (1 - slow * (steps + 0.7) / 4) / (1 + slow * (steps + 0.7) / 4)
    known = (1 - stays**repeats) / (1 + stays**repeats) / (repeats * steps + 0.7)
    assert score.efficiency == pytest.approx(known, rel=0.1)


def test_lost_trajectories_of_a_draw_are_counted_by_its_mean_acceptance():
    rng = np.random.default_rng(5)
    accept = np.where(rng.random((4000, 3)) < 0.1, 0.02, rng.uniform(0.8, 1.0, (4000, 3)))
    single = replace(window_of(np.zeros((12000, 1))), accept=accept.ravel())
    several = replace(window_of(np.zeros((4000, 1))), accept=accept.mean(axis=1))
    assert efficiency.fraction_lost(single) == pytest.approx(0.1, abs=0.01)
    assert efficiency.fraction_lost(several, 3) == pytest.approx((1 - 0.9**3) / 3, abs=0.01)


def test_refusals_are_counted():
    paths, _ = gaussian_paths(np.random.default_rng(3), 40, 2, 0.5, 6)
    paths.errors[:10] = 5.0
    jumps = efficiency.squared_jumps(paths, efficiency.moments(window_of(paths.starts), np.arange(2)))
    (score,) = efficiency.path_scores(paths, jumps, None, costs(0.5), [1.4], [0.6])
    assert score.lost == pytest.approx(0.25, abs=0.1)
    assert score.accept == pytest.approx(0.75, abs=0.1)


def test_gaussianity_tells_normals_from_others():
    rng = np.random.default_rng(4)
    z = rng.standard_normal((400, 10))
    found = efficiency.gaussianity(z, -z)
    assert found.distance < 1e-12 and found.radial_correlation == pytest.approx(1)
    assert found.tail == pytest.approx(1, abs=0.15) and found.kurtosis == pytest.approx(3, abs=1)
    t = rng.standard_t(2, (400, 10))
    heavy = efficiency.gaussianity(t, -3 * t / (2 + t**2))
    assert heavy.distance > 0.4 and heavy.tail > 1.5 and heavy.kurtosis > 14
    neck = np.exp(z[:, :1])  # the scale of all others
    assert efficiency.gaussianity(z[:, 1:] * neck, -z[:, 1:] / neck).radial_correlation < 0
    bent = -z.copy()
    bent[:, 0] = -np.sinh(z[:, 0])  # one direction of ten
    assert efficiency.gaussianity(z, bent).distance > 0.4
    assert efficiency.gaussianity(np.zeros((5, 2)), np.zeros((5, 2))).distance == np.inf


def test_longest_stay():
    draws = np.array([0, 1, 1, 1, 2, 2, 3.0])[:, None]
    assert efficiency.longest_stay(draws) == 2
    assert efficiency.longest_stay(draws[:2]) == 0
    assert efficiency.longest_stay(np.zeros((5, 2))) == 4


# What a chain makes of it.


def test_a_normal_gets_the_harmonic_drift(normal):
    chain = chain_on(normal)
    _, warmup = chain.advance(1000)
    choice = chain.choice
    assert choice["trajectory"] == "fixed_time" and choice["integrator"].startswith("harmonic")
    assert json.loads(json.dumps(choice)) == choice
    assert "reason" not in choice and "because" not in in_words(choice)
    assert [event.get("verdict") for event in choice["history"]] == ["nearly normal", None, "kept", "kept", "kept"]
    draws, rows = chain.advance(1000)
    assert rows[:, column.N_GRADIENTS].mean() < 3
    assert rows[:, column.MEAN_TREE_ACCEPT].mean() > 0.75
    _, floor = chain_on(normal, trajectory="no_u_turn").advance(1000)
    assert warmup[:, column.N_GRADIENTS].sum() < floor[:, column.N_GRADIENTS].sum()
    assert np.abs(draws.mean(axis=0) - np.arange(6)).max() < 0.6


@pytest.mark.parametrize("metric", ["dense", "low_rank"])
def test_scores_are_compiled_in_advance(normal, metric):
    efficiency.compile_scores()
    kernels = scores.squared_jumps, scores.control_variates, scores.score, scores.effective_fraction
    before = [len(kernel.signatures) for kernel in kernels]
    chain = chain_on(normal, metric=metric, integrator="bcss2")
    chain.advance(1000)
    assert any(event.get("tried") for event in chain.choice["history"])
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_test_trajectories_are_counted_and_bounded(normal):
    chain = chain_on(normal, integrator="bcss2")
    _, rows = chain.advance(1000)
    costs = [event["cost"] for event in chain.choice["history"] if "cost" in event]
    assert 0 < costs[0] < 1500
    assert rows[:, column.N_GRADIENTS].max() > costs[0]


@pytest.mark.parametrize("name", ["funnel", "heavy"])
def test_where_nothing_else_is_safe_no_u_turn_stays(name, request):
    target = request.getfixturevalue(name)
    assert chain_on(target).choice["target_accept"] == 0.8
    chain = chain_on(target, policy=replace(Policy(), divisions=0, far_accept=0.8))
    floor = chain_on(target, integrator="leapfrog", trajectory="no_u_turn")
    chain.advance(1000)
    assert chain.choice["trajectory"] == "no_u_turn" and chain.choice["integrator"] == "leapfrog"
    assert in_words(chain.choice) == "leapfrog, no_u_turn, because the target is not Gaussian enough"
    floor.advance(1000)
    if name == "funnel":  # not even the random numbers are others
        np.testing.assert_array_equal(chain.advance(50)[0], floor.advance(50)[0])
    cautious = chain_on(target)
    cautious.advance(1000)
    assert cautious.choice["target_accept"] == Policy().far_accept
    given = chain_on(target, target_accept=0.7)
    given.advance(1000)
    assert given.choice["target_accept"] == 0.7


@pytest.mark.parametrize("tune", [0, 20, 100])
def test_a_short_warm_up_chooses_nothing(normal, tune):
    chain, floor = chain_on(normal, tune), chain_on(normal, tune, integrator="leapfrog", trajectory="no_u_turn")
    np.testing.assert_array_equal(chain.advance(tune + 20)[0], floor.advance(tune + 20)[0])
    assert chain.choice["trajectory"] == "no_u_turn"
    assert chain.choice["reason"] == "no window of warm-up was long enough to choose by"
    assert "reason" not in floor.choice


def test_far_from_the_typical_set_nothing_is_chosen():
    tuner = Tuner(Settings.choose(), 3)
    assert tuner.consider(window_of(np.zeros((80, 3))), None, None, Stage(2, transient=True)) is None
    assert in_words(tuner.choice) == "leapfrog, no_u_turn, because the chain was far from its typical set"


def test_short_paths_are_not_tried_before_the_metric_is_known():
    """As where draws by far longer paths still tell nothing of a direction."""
    tuner, draws = Tuner(Settings.choose(), 2), np.random.default_rng(0).standard_normal((200, 2))
    plan = SimpleNamespace(metric=DenseMap(np.eye(2)))
    assert tuner.consider(window_of(draws, steps=100.0, step_size=0.5), plan, None, Stage(1)) is None
    assert tuner.choice["reason"] == "paths have to be longer than those that are tried"


@pytest.mark.parametrize("pinned", [{"trajectory": NoUTurn()}, {"trajectory": FixedTime()}])
def test_a_trajectory_that_is_given_is_kept(normal, pinned):
    chain = chain_on(normal, 500, **pinned)
    other = chain_on(normal, 500, **pinned, integrator="leapfrog")
    np.testing.assert_array_equal(chain.advance(520)[0], other.advance(520)[0])
    assert chain.choice["trajectory"] == pinned["trajectory"].name
    assert "reason" not in chain.choice


@pytest.mark.parametrize("name", ["bcss3", "harmonic_leapfrog", "yoshida4"])
def test_an_integrator_that_is_given_is_kept(normal, name):
    chain = chain_on(normal, integrator=name)
    chain.advance(1000)
    assert chain.choice["integrator"] == name
    tried = {found[0] for event in chain.choice["history"] for found in event.get("tried", [])}
    assert tried == (set() if name.startswith("harmonic") else {name})  # a harmonic drift turns, without a search


def test_the_implicit_midpoint_rule_is_not_tuned(normal):
    chain = chain_on(normal, 200, integrator="implicit_midpoint")
    chain.advance(200)
    assert chain.choice["trajectory"] == "no_u_turn" and not chain.choice["history"]
    assert chain.choice["reason"] == "no other is tried with implicit_midpoint"


def test_a_step_size_that_is_given_is_kept(normal):
    chain = chain_on(normal, step_size=0.5)
    _, rows = chain.advance(1000)
    assert np.all(rows[:, column.STEP_SIZE] == 0.5)
    assert {found[1] for event in chain.choice["history"] for found in event.get("tried", [])} == {0.5}


@pytest.mark.parametrize("accept", [0.8, 0.9])  # the first is the default too, where none is given
def test_an_acceptance_that_is_given_is_held(normal, accept):
    chain, free = chain_on(normal, target_accept=accept), chain_on(normal)
    chain.advance(1000)
    free.advance(1000)
    assert chain.choice["trajectory"] == free.choice["trajectory"] == "fixed_time"
    assert chain.choice["target_accept"] == accept != free.choice["target_accept"]


def test_other_kinetic_energies_have_no_harmonic_drift(normal):
    chain = chain_on(normal, kinetic=Relativistic(3.0))
    chain.advance(1000)
    names = {found[0] for event in chain.choice["history"] for found in event.get("tried", [])}
    assert names and not any(name.startswith("harmonic") for name in names)


def test_nothing_to_sample():
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=0)
    try:
        target = LogDensity(model=model)
    except ValueError:
        pytest.skip("a model without parameters is refused")
    chain = chain_on(target, 200)
    chain.advance(220)
    assert chain.choice["trajectory"] == "no_u_turn"


@pytest.mark.parametrize("metric", ["dense", "low_rank", "diagonal", "identity"])
def test_every_metric_can_be_tuned_with(normal, metric):
    chain = chain_on(normal, metric=metric)
    _, rows = chain.advance(1300)
    assert rows[1000:, column.MEAN_TREE_ACCEPT].mean() > 0.6


# Beyond the draws.


def beyond_window(target, draws, scale, mean):
    """The search beyond exact draws (n, d), with the Gaussian of this scale and mean (d,)."""
    chain = chain_on(target, metric=np.diag(scale**2))
    values = [target(draw) for draw in draws]
    window = replace(
        window_of(draws),
        gradients=np.array([gradient for _, gradient in values]),
        log_density=np.array([float(value) for value, _ in values]),
    )
    before = chain.position, chain._lab.gradients
    beyond = Beyond(chain._lab, replace(chain.plan, mean=mean), window, Policy(), 0.8)
    np.testing.assert_array_equal(chain.position, before[0])
    assert 16 <= chain._lab.gradients - before[1] <= 16 * 6
    return beyond


@pytest.mark.parametrize("side", [-1, 1])
def test_the_other_mode_is_found_beyond_draws_of_one(modes, side):
    mean, scale = (np.array([-2.0]), np.array([1.0])) if side < 0 else (np.array([2.0]), np.array([0.5]))
    for seed in range(5):
        draws = mean + scale * np.clip(np.random.default_rng(seed).standard_normal((80, 1)), -2, 2)
        beyond = beyond_window(modes, draws, scale, mean)
        assert beyond.excess.max() > 8
        assert beyond.errors(HARMONIC["harmonic_leapfrog"], 2.2, 1.7).max() > 6


def test_beyond_draws_of_a_normal_there_is_nothing():
    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=6)
    target = LogDensity(model=model)  # held, as its machine code is freed with it
    draws = np.random.default_rng(1).standard_normal((80, 6))
    beyond = beyond_window(target, draws, np.ones(6), np.zeros(6))
    np.testing.assert_allclose(beyond.excess, 0.0, atol=1e-9)
    np.testing.assert_allclose(beyond.errors(HARMONIC["harmonic_leapfrog"], 2.2, 1.7), 0.0, atol=1e-9)


@pytest.mark.parametrize("name", ["modes", "student", "turned_modes"])
def test_the_harmonic_drift_is_not_chosen_where_there_is_more_than_its_gaussian_says(name, request):
    """As often as not the chains have seen one mode alone, or no tail, when they choose."""
    target = request.getfixturevalue(name)
    target, start = (target[0], 2 * target[1][:, 0]) if isinstance(target, tuple) else (target, np.array([1.5]))
    reasons = []
    for seed in range(12):
        chain = Chain(target, Settings.choose(), np.random.default_rng(seed), tune=1000)
        chain.start(start)
        chain.advance(1000)
        assert not chain.choice["integrator"].startswith("harmonic")
        reasons.append(chain.choice.get("reason"))
    assert reasons.count("there is more where no draw has been") >= 3


def test_chains_cross_between_modes_as_often_as_by_no_u_turn(modes):
    crossings = {}
    for kind, options in {"default": {}, "floor": {"integrator": "leapfrog", "trajectory": "no_u_turn"}}.items():
        crossings[kind] = []
        for seed in range(24):
            chain = Chain(modes, Settings.choose(**options), np.random.default_rng(seed), tune=1000)
            chain.start(np.array([1.5]))
            chain.advance(1000)
            crossings[kind].append(int(np.diff(chain.advance(2000)[0][:, 0] > 0).sum()))
    default, floor = np.array(crossings["default"]), np.array(crossings["floor"])
    assert default.mean() > 0.75 * floor.mean()
    assert np.sort(default)[:6].mean() > 0.5 * np.sort(floor)[:6].mean()  # the chains that cross least


class Places(Beyond):
    """Places beyond the draws that no trajectory has come to."""

    def __init__(self, excess, errors):
        self.excess, self._policy, self._errors = excess, Policy(), errors

    def errors(self, scheme, step_size, time):
        return self._errors


@pytest.mark.parametrize(
    ("excess", "places", "error", "holds", "proved"),
    [
        (3.0, 5, 99.0, True, np.inf),  # nothing there, whatever the error
        (9.0, 5, 1.0, True, 1.1),  # remarkable, and harmless with such steps
        (9.0, 1, 7.0, False, 1.1),
        (9.0, 1, np.inf, False, 1.1),
        (25.0, 2, 0.1, True, 1.1),
        (25.0, 3, 0.1, False, 1.1),
    ],
)
def test_what_rules_a_harmonic_drift_out(excess, places, error, holds, proved):
    beyond = Places(np.array([0.0] + places * [excess]), np.array([99.0] + places * [error]))
    tuner = Tuner(Settings.choose(), 2)
    found = Tuning("harmonic_leapfrog", 1.0, 0.5, 1.5, 0.3, 0.9)
    assert tuner._holds(beyond, found, {}) is holds
    assert tuner.active is holds and tuner._proved == pytest.approx(proved)
    restored = Tuner(Settings.choose(), 2)
    snapshot = json.loads(json.dumps(tuner.snapshot()))
    restored.restore(snapshot, [])
    assert restored._proved == tuner._proved and restored.active is holds
    del snapshot["proved"]  # as runs have it that were stored before there was one
    restored.restore(snapshot, [])
    assert restored._proved == np.inf


def test_free_drifts_and_an_integrator_that_is_given_are_not_ruled_out():
    found = Tuning("leapfrog", 1.0, 0.5, 1.5, 0.3, 0.9)
    assert Tuner(Settings.choose(), 2)._holds(None, found, {})
    given = Tuner(Settings.choose(integrator="harmonic_leapfrog"), 2)
    assert given._holds(None, found._replace(integrator="harmonic_leapfrog"), {})


# What is interrupted goes on alike.


def test_advance_in_parts_is_advance_at_once(normal):
    whole, parts = chain_on(normal), chain_on(normal)
    draws, rows = whole.advance(1100)
    pieces = [parts.advance(count) for count in (100, 70, 1, 159, 7, 563, 100, 100)]
    np.testing.assert_array_equal(draws, np.concatenate([piece[0] for piece in pieces]))
    np.testing.assert_array_equal(rows, np.concatenate([piece[1] for piece in pieces]))
    assert whole.choice == parts.choice


@pytest.mark.parametrize("count", [160, 170, 200, 330, 331, 600, 900, 950, 1000, 1010])
def test_a_restored_chain_goes_on_alike(normal, count):
    chain, other = chain_on(normal, seed=1), chain_on(normal, seed=2)
    chain.advance(count)
    other.advance(340)
    snapshot = json.loads(json.dumps(chain.snapshot()["tuner"]))
    assert snapshot == chain.snapshot()["tuner"]
    other.restore({**chain.snapshot(), "tuner": snapshot})
    for one, same in zip(chain.advance(1050 - count), other.advance(1050 - count), strict=True):
        np.testing.assert_array_equal(one, same)
    assert chain.choice == other.choice


def test_a_restored_chain_knows_why_nothing_was_chosen(heavy):
    chain, other = (chain_on(heavy, 1000, seed) for seed in (1, 2))
    chain.advance(1000)
    other.restore(chain.snapshot())
    assert other.choice == chain.choice
    assert "Gaussian" in other.choice["reason"]
    snapshot = {name: value for name, value in chain.snapshot().items() if name != "choice"}
    earlier = {name: value for name, value in chain.snapshot()["tuner"].items() if name != "reason"}
    snapshot["tuner"] = {**earlier, "history": chain.choice["history"]}  # as earlier versions have stored them
    other.restore(snapshot)
    assert other.choice["trajectory"] == "no_u_turn" and other.choice["history"] == chain.choice["history"]


def test_a_divergence_divides_steps():
    """The first one; where a trajectory is not given, and a divided step is no divergence."""
    diverged, divided = np.zeros(60), NoUTurn(refine=6, refine_above=5.0)
    tuner = Tuner(Settings.choose(), 2)
    tuner.beware(diverged)
    assert tuner.trajectory == Settings.choose().trajectory and "divides" not in tuner.choice
    diverged[7] = 1.0
    tuner.beware(diverged, (1, 0.0))
    tuner.beware(diverged, (0, 0.1))
    tuner.beware(diverged[:39])  # too early to tell
    assert tuner.trajectory == Settings.choose().trajectory
    tuner.beware(diverged)
    assert tuner.trajectory == divided and tuner.target_accept == 0.8
    words = "leapfrog, no_u_turn, of steps that are divided where they are too long, because "
    assert in_words(tuner.choice).startswith(words)
    restored = Tuner(Settings.choose(), 2)
    restored.restore(tuner.snapshot(), [])
    assert restored.trajectory == divided and restored.choice == tuner.choice
    off = replace(Policy(), divisions=0)
    for options, divides in [
        ({"target_accept": 0.95}, True), ({"step_size": 0.5}, True), ({"integrator": "bcss2"}, True),
        ({"trajectory": "no_u_turn"}, False), ({"integrator": "harmonic_leapfrog"}, False),
        ({"max_energy_error": 5.0}, False), ({"policy": off}, False),
    ]:  # fmt: skip
        settings = Settings.choose(**options)
        one = Tuner(settings, 2)
        one.beware(diverged)
        assert one.trajectory == (divided if divides else settings.trajectory)


def test_a_chain_that_diverges_divides_steps_from_then_on(funnel):
    chain = chain_on(funnel, seed=2)
    _, warmup = chain.advance(1000)
    _, rows = chain.advance(500)
    assert warmup[:, column.DIVERGING].any()
    assert chain.choice["divides"] and type(chain.plan.rule.stepping) is Refinement
    assert (rows[:, column.N_GRADIENTS] > rows[:, column.TREE_SIZE]).any()
    again = chain_on(funnel)
    again.restore(chain.snapshot())
    np.testing.assert_array_equal(again.advance(50)[0], chain.advance(50)[0])


def test_a_search_leaves_the_chain_where_it_is(normal):
    chain = chain_on(normal, 1000)
    chain.advance(160)
    before = chain.position
    search = Search(chain._lab, chain.plan, Window.of(chain._learning), Demands(Policy()))
    found = search.best({"leapfrog": Candidate(CATALOGUE["leapfrog"], 0.7)}, 500.0, again=False)
    assert found[0].efficiency > 0 and search.cost > 0
    assert [one.efficiency for one in found] == sorted((one.efficiency for one in found), reverse=True)
    np.testing.assert_array_equal(before, chain.position)
    assert HARMONIC["harmonic_leapfrog"].name in chain.snapshot()["tuner"]["schemes"]
