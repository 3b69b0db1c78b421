"""The held-out posteriors: what they are, that they stay as they are, and how the suite is told to take them."""

from types import SimpleNamespace

import numpy as np
import pytest

# dimensions, and the log-density of the initial point, which changes when the data do
POSTERIORS = {
    "breast_cancer-logistic_horseshoe": (63, -460.983905),
    "diabetes-student_t": (13, -651.646930),
    "wine-softmax": (28, -248.325702),
    "simulated-spline_counts": (23, -837.304557),
    "simulated-ordered_ratings": (73, -456.873557),
    "simulated-weibull_frailty": (37, -821.349780),
    "simulated-varying_slopes": (85, -467.884912),
    "simulated-two_factors": (145, -1608.279541),
    "simulated-stochastic_volatility": (153, -311.092629),
    "simulated-gp_regression": (5, -60.683900),
    "simulated-beta_binomial": (72, -269.886617),
    "simulated-growth_curves": (43, -401.935916),
    "simulated-michaelis_menten": (2, -11.176514),
    "simulated-disease_map": (204, -454.981353),
}


@pytest.fixture(scope="module")
def rooms(folder):
    import held_out
    import posteriors
    import samplers
    import suite

    return SimpleNamespace(held_out=held_out, posteriors=posteriors, samplers=samplers, suite=suite)


def test_names_lists_all(rooms):
    assert rooms.held_out.names() == list(POSTERIORS)
    assert not set(POSTERIORS) & set(rooms.posteriors.names())


def test_unknown_name_lists_the_names(rooms):
    with pytest.raises(ValueError, match=r"No model of 'wine-tasting'; there are .*wine-softmax"):
        rooms.held_out.load("wine-tasting")


@pytest.mark.parametrize("name", POSTERIORS)
def test_every_posterior_is_what_it_was_and_can_be_started(rooms, name):
    posterior = rooms.held_out.load(name)
    assert (posterior.name, posterior.reference, posterior.index) == (name, None, {})
    model, (dim, density) = posterior.model, POSTERIORS[name]
    assert not model.discrete_value_vars
    point = model.initial_point()
    logp, dlogp = model.compile_logp(mode="FAST_COMPILE"), model.compile_dlogp(mode="FAST_COMPILE")
    assert sum(np.size(value) for value in point.values()) == dim
    np.testing.assert_allclose(logp(point), density, rtol=1e-6)
    rng = np.random.default_rng(1)
    for scale in (0, 1, 1, 1):
        jittered = {key: value + scale * rng.uniform(-1, 1, size=np.shape(value)) for key, value in point.items()}
        assert np.isfinite(logp(jittered))
        gradient = dlogp(jittered)
        assert gradient.shape == (dim,)
        assert np.isfinite(gradient).all()


def test_sets_are_chosen_by_name(rooms, tmp_path, monkeypatch):
    """By default the suite takes the posteriors that choices are made on."""
    calls = []

    def run_all(names, samplers, seeds, folder, *, load, **options):
        calls.append((names, load, folder))
        return 0

    monkeypatch.setattr(rooms.suite, "run_all", run_all)
    rooms.suite.main([])
    rooms.suite.main(["--set", "held_out"])
    rooms.suite.main(["--set", "held_out", "--posteriors", "wine-softmax", "--results", str(tmp_path)])
    assert [names for names, *_ in calls] == [rooms.posteriors.names(), rooms.held_out.names(), ["wine-softmax"]]
    assert [folder for *_, folder in calls] == [rooms.suite.RESULTS, rooms.suite.RESULTS / "held_out", tmp_path]
    assert calls[0][1].func is rooms.posteriors.load
    assert calls[1][1] is calls[2][1] is rooms.held_out.load
