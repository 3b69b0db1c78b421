"""The four sets of held-out posteriors: that they stay what they are, and how the suite takes them."""

import numpy as np
import pytest

from benchmarks import models, report, study
from benchmarks.models import posteriordb
from benchmarks.studies import suite

# dimensions, and the log-density of the initial point, which changes when the data do
HELD_OUT = {
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
FRESH = {
    "simulated-negative_binomial": (8, -649.189001),
    "simulated-hierarchical_logistic": (35, -344.579080),
    "simulated-linear_growth": (53, -1165.242200),
    "simulated-beta_regression": (7, 6.470793),
    "linnerud-correlated_outcomes": (18, -98.956432),
    "simulated-local_level": (42, -307.297762),
    "simulated-two_way_anova": (22, -1425.583368),
    "simulated-radial_basis": (18, -142.607613),
    "simulated-pharmacokinetics": (30, -355.339552),
    "simulated-dirichlet_multinomial": (5, -523.879884),
}
UNSEEN = {
    "simulated-zero_inflated": (6, -480.571681),
    "simulated-rasch": (63, -516.563414),
    "simulated-autoregression": (5, -939.342560),
    "simulated-censored_survival": (7, -205.417917),
    "simulated-meta_analysis": (22, -97.273191),
    "simulated-robust_groups": (29, -609.126919),
    "simulated-logistic_growth": (4, -72.513878),
    "simulated-outliers": (7, -236.319579),
    "simulated-cox_process": (39, -222.403314),
    "simulated-batting": (32, -129.817781),
}
APART = {
    "simulated-bioassay": (3, -28.268200),
    "simulated-survey_answers": (10, -508.316343),
    "simulated-measurement_error": (56, -702.980503),
    "simulated-votes": (9, -2230.971286),
    "simulated-claim_counts": (20, -444.966919),
    "simulated-classes_in_schools": (80, -6344.348279),
    "simulated-additive_logistic": (25, -267.037570),
    "simulated-monthly_counts": (97, -1137.303620),
    "simulated-piecewise_hazard": (35, -577.180483),
    "simulated-poll": (118, -800.809339),
}
SETS = {"held_out": HELD_OUT, "fresh": FRESH, "unseen": UNSEEN, "apart": APART}


def test_names_lists_all():
    for name, its in SETS.items():
        assert models.SETS[name].names() == list(its)
    sets = [set(posteriordb.names()), *map(set, SETS.values())]
    assert len(set().union(*sets)) == sum(map(len, sets))  # no posterior is of two sets


@pytest.mark.parametrize(
    ("of", "one"),
    [
        ("held_out", "wine-softmax"),
        ("fresh", "simulated-local_level"),
        ("unseen", "simulated-rasch"),
        ("apart", "simulated-poll"),
    ],
)
def test_unknown_name_lists_the_names(of, one):
    with pytest.raises(ValueError, match=rf"No model of 'wine-tasting'; there are .*{one}"):
        models.SETS[of].load("wine-tasting")


@pytest.mark.parametrize(("of", "name"), [(of, name) for of, its in SETS.items() for name in its])
def test_every_posterior_is_what_it_was_and_can_be_started(of, name):
    posterior = models.SETS[of].load(name)
    assert (posterior.name, posterior.reference, posterior.index) == (name, None, {})
    model, (dim, expected) = posterior.model, SETS[of][name]
    assert not model.discrete_value_vars
    point = model.initial_point()
    density = model.logp_dlogp_function(mode="FAST_COMPILE", ravel_inputs=True)  # compiled once, for both
    density.set_extra_values({})
    start = np.concatenate([np.ravel(value) for value in point.values()])
    assert start.size == dim
    np.testing.assert_allclose(density(start)[0], expected, rtol=1e-6)
    rng = np.random.default_rng(1)
    for scale in (0, 1, 1, 1):
        value, gradient = density(start + scale * rng.uniform(-1, 1, size=dim))
        assert np.isfinite(value)
        assert gradient.shape == (dim,)
        assert np.isfinite(gradient).all()


def test_sets_are_chosen_by_name(tmp_path, monkeypatch):
    """By default the suite takes the posteriors that choices are made on."""
    calls = []

    def runs(names, samplers, seeds, load, plan):
        return names, load

    def run_all(cases, folder):
        calls.append((*cases, folder))
        return 0

    monkeypatch.setattr(study, "runs", runs)
    monkeypatch.setattr(study, "run_all", run_all)
    suite.main([])
    for name in SETS:
        suite.main(["--set", name])
    suite.main(["--set", "held_out", "--posteriors", "wine-softmax", "--results", str(tmp_path)])
    assert [folder for *_, folder in calls] == [study.RESULTS, *(study.RESULTS / name for name in SETS), tmp_path]
    held_out = list(models.SETS.values())
    expected = [posteriordb.names(), *(one.names() for one in held_out), ["wine-softmax"]]
    assert [names for names, *_ in calls] == expected
    assert calls[0][1].func is posteriordb.load
    assert [load for _, load, _ in calls[1:]] == [*(one.load for one in held_out), models.held_out.load]


def test_report_has_a_title_for_every_set():
    assert set(report.TITLES) == {"results", *models.SETS}
