"""Scores of test trajectories: the loops against the same formulae for whole arrays."""

import numpy as np
import pytest

from pymc_symplectic import Policy
from pymc_symplectic.adaptation import efficiency
from pymc_symplectic.kernels import scores
from pymc_symplectic.window import Window

N, K, M = 12, 7, 3  # trajectories, steps, coordinates
STILL = 1  # a coordinate that never moves
POLICY = Policy()
PATHS = [(time, jitter) for time in (0.6, 1.0, 1.6) for jitter in (0.3, 0.6)]


def costs(stages=1, wanted=0.0):
    return scores.Costs(0.3, float(stages), wanted, POLICY.per_draw, POLICY.most_repeats)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def window(rng):
    draws = rng.normal(size=(60, M)) * [1.0, 0.0, 3.0] + [0.0, 7.0, -1.0]
    ones = np.ones(60)
    return Window(draws, -draws, rng.normal(size=60), ones, ones, 0 * ones, ones, 60, None, None)


@pytest.fixture
def paths(rng, window):
    """Some trajectories diverge, and some are shorter than others."""
    errors = rng.normal(size=(N, K))
    errors[0, 6:] = errors[5, 5:] = np.inf
    positions = rng.normal(size=(N, K, M))
    positions[..., STILL] = 7.0
    sizes, counts = 0.3 * (1 - 0.5 * rng.random(N) ** 2), rng.integers(K - 2, K + 1, N)
    return scores.TestPaths(
        window.draws[:N], window.log_density[:N], positions, rng.normal(size=(N, K)), errors, sizes, counts
    )


def functions(positions, density, mean):
    return np.concatenate([positions, (positions - mean) ** 2, density[..., None]], axis=-1)


def known_jumps(paths, window):
    mean = window.draws.mean(axis=0)
    variance = functions(window.draws, window.log_density, mean).var(axis=0)
    jump = functions(paths.positions, paths.after, mean)
    jump -= functions(paths.starts, paths.before, mean)[:, None]
    accept = np.exp(-np.maximum(paths.errors, 0.0))[..., None]
    return (np.where(accept > 0, accept * jump**2, 0.0) / (2 * np.where(variance > 0, variance, 1)))[..., variance > 0]


def known_variates(paths, window, centre, reach, scale):
    """The expected square by Gauss-Hermite quadrature over the momentum, and by the mean over all draws."""
    mean = window.draws.mean(axis=0)
    variance = functions(window.draws, window.log_density, mean).var(axis=0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    time = (np.arange(1, K + 1) * paths.sizes[:, None])[..., None]

    def jumps(start, way):
        there = centre + np.cos(time) * (start - centre) + np.sin(time) * way
        return np.concatenate([there - start, (there - mean) ** 2 - (start - mean) ** 2], axis=-1) ** 2

    expected = sum(
        weight * np.mean([jumps(draw, node * scale) for draw in window.draws], axis=0)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True)
    )
    variates = (jumps(paths.starts[:, None], reach[:, None]) - expected) / (2 * np.where(variance > 0, variance, 1))[
        :-1
    ]
    return np.concatenate([variates, np.zeros((N, K, 1))], axis=-1)[..., variance > 0]


def known_scores(paths, jumps, variates, step_size, stages, wanted):
    """Efficiency, time, jitter, acceptance, fraction lost and repeats of each path that is covered."""
    found = []
    step = np.arange(1, K + 1)
    share = paths.sizes[:, None] / step_size
    stands = (step <= paths.counts[:, None]) & (share > np.minimum((step - 1) / step, 0.75))
    at, errors, jumps = (step * paths.sizes[:, None])[stands], paths.errors[stands], jumps[stands]
    accept = np.exp(-np.maximum(errors, 0.0))
    for time, jitter in PATHS:
        place = (at / time - (1 - jitter)) / (2 * jitter) * scores.BINS
        inside = (place >= 0) & (place <= scores.BINS)
        part = np.minimum(place.astype(int), scores.BINS - 1)
        counts = np.array([(inside & (part == number)).sum() for number in range(scores.BINS)])
        if counts.min() < 2 or np.isinf(errors[inside]).any():
            continue
        weight = inside / (counts[np.where(inside, part, 0)] * scores.BINS)
        mean = weight @ jumps
        if variates is not None:
            chance, excess = variates[stands], weight @ variates[stands]
            common = weight @ (jumps * chance).sum(axis=1) - mean @ excess
            mean = mean - np.clip(common / (weight @ (chance**2).sum(axis=1) - excess @ excess), 0, 1) * excess
        lengths = time * (1 + jitter * np.linspace(-1, 1, 41))
        gradients = stages * np.maximum(1, np.ceil(lengths / step_size - 1e-9)).mean()
        repeats = np.clip(np.round(wanted / gradients), 1, 4)
        stays = np.clip(1 - mean, -0.999, 1 - 1e-6) ** repeats
        times = np.maximum((1 + stays) / (1 - stays), 0.8)
        value = np.mean(times**4) ** -0.25 / (gradients * repeats + POLICY.per_draw)
        found.append((value, time, jitter, weight @ accept, weight @ (accept < 0.1), repeats))
    return found


def test_squared_jumps(paths, window):
    jumps = efficiency.squared_jumps(paths, efficiency.moments(window, np.arange(M)))
    np.testing.assert_allclose(jumps, known_jumps(paths, window), rtol=1e-10)


def test_control_variates(paths, window, rng):
    centre, scale = np.array([0.3, 7.0, -0.5]), np.array([1.1, 0.0, 2.5])
    reach = rng.normal(size=(N, M)) * scale
    variates = efficiency.control_variates(paths, efficiency.moments(window, np.arange(M), centre), reach, scale**2)
    np.testing.assert_allclose(variates, known_variates(paths, window, centre, reach, scale), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize(("stages", "wanted"), [(1, 0.0), (2, 0.0), (1, 9.0), (1, 100.0)])
def test_path_scores(paths, window, rng, controlled, stages, wanted):
    jumps = known_jumps(paths, window)
    variates = jumps * rng.normal(1.0, 0.5, size=jumps.shape) - 0.3 if controlled else None
    times, jitters = (0.6, 1.0, 1.6), (0.3, 0.6)
    found = efficiency.path_scores(paths, jumps, variates, costs(stages, wanted), times, jitters)
    known = known_scores(paths, jumps, variates, 0.3, stages, wanted)
    assert 2 < len(known) < len(PATHS)  # the longest are not covered, or have diverged
    np.testing.assert_allclose(found, known, rtol=1e-10)


def test_nothing_is_scored_of_nothing(paths, window):
    jumps = known_jumps(paths, window)
    assert efficiency.path_scores(paths, jumps, None, costs(), [], [0.3]) == []
    assert efficiency.path_scores(paths, jumps[..., :0], None, costs(), [1.0], [0.3])[0].efficiency == 0.0


def test_what_is_not_known_is_nothing():
    for times in ([1.0, np.nan], [1.0, np.inf], []):
        assert scores.effective_fraction(np.array(times)) == 0.0


def test_steps_of_a_jittered_path():
    assert scores.mean_steps(1.0, 0.3, 1.3) == 1
    assert scores.mean_steps(1.0, 0.3, 0.1) == pytest.approx(10.5, abs=0.1)
