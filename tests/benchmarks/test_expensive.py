"""Posteriors whose gradients take long, a simulation without any, and the studies of them: small, as far as they go."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

from benchmarks import models, study
from benchmarks.models import black_box, expensive
from benchmarks.models.known_laws import KINDS, LEVELS, Law, Target
from benchmarks.models.posterior import Posterior
from benchmarks.samplers import Problem, Run, get
from benchmarks.studies import black_box as black_box_study
from benchmarks.studies import expensive as expensive_study
from benchmarks.studies import scan_gradients
from benchmarks.studies.robustness import estimates

# dimensions, observations, and the log-density of the initial point, which changes when the data do
NAMES = {
    "simulated-gp_large": (5, 300, -349.004284),
    "simulated-gp": (5, 150, -186.976935),
    "simulated-epidemic": (5, 60, -139.788195),
    "simulated-robust_regression": (15, 20_000, -60177.174475),
    "simulated-many_counts": (46, 10_000, -10758.408986),
}
APART = {
    "simulated-two_compartments": (6, 36, -29.259557),
    "simulated-two_outputs": (6, 120, -141.260093),
    "simulated-cycle": (4, 250, -418.566740),
    "simulated-hidden_states": (6, 1000, -1477.133171),
    "simulated-fitzhugh_nagumo": (5, 80, -80.749103),
    "simulated-shares": (8, 20_000, -57586.812411),
}


@pytest.mark.parametrize("name", [*NAMES, *APART])
def test_every_posterior_is_what_it_was_and_can_be_started(name):
    dim, size, density = {**NAMES, **APART}[name]
    posterior = expensive.load(name)
    model, point = posterior.model, posterior.model.initial_point()
    assert (posterior.name, expensive.size(name)) == (name, size)
    assert sum(np.size(value) for value in point.values()) == dim
    if posterior.place is not None:
        moved = posterior.place(np.random.default_rng(0)) - np.concatenate(
            [np.ravel(value) for value in point.values()]
        )
        assert moved.shape == (dim,) and 0.1 < np.abs(moved).max() <= 0.3
    assert sum(np.size(model.rvs_to_values[rv].data) for rv in model.observed_RVs) in (0, size)  # 0: by a potential
    assert float(model.compile_logp(mode="FAST_COMPILE")(point)) == pytest.approx(density, rel=1e-6)


def test_sets():
    names, load = models.of_set("expensive", None)
    assert set(names) == {*NAMES, "hudson_lynx_hare-lotka_volterra"}
    apart, _ = models.of_set("expensive-apart", None)
    assert apart == list(APART)
    assert set(expensive.LOOPS) <= {*names, *apart}
    assert load("simulated-gp").name == "simulated-gp"


def test_equations_are_solved():
    """Numbers and the loop are the same, and near to the solution in closed form."""
    oscillator = expensive._Equation(lambda x, v, rate: (v, -(rate**2) * x), 0.5, 8)
    times = 0.5 * np.arange(1, 9)
    numbers = oscillator.numbers((1.0, 0.0), (1.3,), times.size)
    np.testing.assert_allclose(numbers, [np.cos(1.3 * times), -1.3 * np.sin(1.3 * times)], atol=1e-4)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        path = pytensor.function([], oscillator.path((np.float64(1), np.float64(0)), (1.3,), times.size))
    np.testing.assert_allclose(path(), numbers, rtol=1e-12)


@pytest.fixture
def records(normal_model, tmp_path, monkeypatch, capsys):
    """What the study leaves of one posterior, by one sampler."""
    monkeypatch.setattr(models, "of_set", lambda name, path: (["toy"], lambda name: Posterior(name, normal_model)))
    monkeypatch.setattr(expensive_study, "size", lambda name: 7)
    options = "--samplers ours@300 --seeds 0 --draws 200 --chains 2 --results"
    expensive_study.main([*options.split(), str(tmp_path)])
    shown = capsys.readouterr().out
    assert "µs a value" in shown and "| toy" in shown and "1 of 1" in shown and "ratio to others" not in shown
    return study.load(tmp_path, "toy/*.json")


def test_expensive_beside_others(records):
    costs, ours = sorted(records, key=lambda record: "sampler" in record)
    assert costs["size"] == 7 and costs["microseconds"]["value"] > 0 and ours["values"] == {"warmup": 0, "sampling": 0}
    costs["microseconds"] = {"value": 25.0, "gradient": 100.0}
    spent = sum(ours["gradients"].values())
    free = {**ours, "gradients": {"warmup": 0, "sampling": 0}, "values": {"warmup": 0, "sampling": 2 * spent}}
    assert expensive_study.per_gradient(free, costs) == pytest.approx(2 * expensive_study.per_gradient(ours, costs))

    surrogate = {**free, "sampler": expensive_study.SURROGATE, "ess": {"bulk": 0.5 * min(ours["ess"].values())}}
    seconds = {part: 4 * taken for part, taken in ours["seconds"].items()}
    theirs = {**ours, "sampler": "nutpie-diagonal@300", "seconds": seconds}
    failed = {"posterior": "toy", "sampler": "nutpie-low_rank@300", "error": "ValueError: no"}
    found = {"toy": [costs, ours, surrogate, theirs, failed]}
    text = expensive_study.tables(found, expensive_study.SAMPLERS)
    assert any("nutpie-low_rank@300" in line and "error" in line for line in text.splitlines())
    ratios = next(line for line in text.splitlines()[::-1] if line.startswith("| toy"))
    assert [float(cell) for cell in ratios.split("|")[2:-1]] == [2.0, 0.5, 1.0, 1.0, 0.5]


def test_evaluations_without_a_gradient_are_counted(normal_model):
    """By a surrogate no gradient is taken, and each draw takes a value of the truth."""
    run = get(expensive_study.SURROGATE)(Problem(normal_model))(draws=50, tune=400, chains=1, seed=0)
    assert run.chosen[0].startswith("surrogate") and run.gradients[1] == 0 and run.values[1] >= 50


def test_gradients_of_a_loop_are_the_same_in_all_ways():
    y = np.random.default_rng(0).normal(size=12)
    with pm.Model() as model:
        keep, sd = pm.Beta("keep", 2, 2), pm.HalfNormal("sd", 1)
        filtered = pytensor.scan(
            lambda seen, before, keep: keep * before + (1 - keep) * seen,
            sequences=[pt.as_tensor(y)], outputs_info=[pt.zeros(())], non_sequences=[keep], return_updates=False,
        )  # fmt: skip
        pm.Normal("y", filtered[:-1], sd, observed=y[1:])
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        row = scan_gradients.row(Posterior("toy", model), rounds=2, draws=30)
    forward, one_sided, central = map(float, row[-3:])
    assert row[:2] == ["toy", "2"] and all(float(cost.rstrip("*")) > 0 for cost in row[2:-3])
    assert forward < 1e-10 and one_sided < 1e-4 and central < 1e-6


def test_the_grid_is_that_of_the_model():
    """Up to a constant, so differences between places are the same."""
    logp = black_box.fishery().posterior.model.compile_logp(mode="FAST_COMPILE")
    places = np.log([0.4, 800, 0.01]) + 0.1 * np.random.default_rng(0).normal(size=(4, 3))
    points = [{f"{name}_log__": x for name, x in zip(black_box.PRIORS, place, strict=True)} for place in places]
    before = black_box.Biomass.calls
    seen = [float(logp(point)) for point in points]
    assert black_box.Biomass.calls - before == len(points)
    grid = [black_box._on_grid([np.array([x]) for x in place]).item() for place in places]
    np.testing.assert_allclose(np.diff(seen), np.diff(grid), rtol=1e-9)


def test_the_grid_is_fine_enough():
    coarser = black_box.laws(120)
    for name, law in black_box.fishery().laws.items():
        sd = np.sqrt(law.truth["squares"][0])
        assert coarser[name].center == pytest.approx(law.center, abs=1e-3 * sd)
        assert coarser[name].quantiles == pytest.approx(law.quantiles, abs=2e-3 * sd)
        assert set(law.truth) == set(KINDS)


def test_evaluations_of_a_black_box(tmp_path, monkeypatch, capsys):
    run, _ = black_box_study.SAMPLERS["demetropolis_z"]
    monkeypatch.setitem(black_box_study.SAMPLERS, "demetropolis_z", (run, black_box_study._Plan(300, 100)))

    def broken(plan, model, **options):
        raise RuntimeError("out of order")

    monkeypatch.setitem(black_box_study.SAMPLERS, "smc", (broken, black_box_study._Plan(1, 0)))
    options = "--samplers demetropolis_z smc --seeds 0 --chains 2 --results"
    black_box_study.main([*options.split(), str(tmp_path)])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["demetropolis_z", "smc"]
    assert "error" in rows[3]
    (record,) = study.load(tmp_path, "simulated-fishery/demetropolis_z@*.json")
    assert record["gradients"]["sampling"] == pytest.approx(3 * record["gradients"]["warmup"], abs=2)
    assert sum(record["gradients"].values()) >= 2 * 2 * 400


def test_evaluations_by_errors():
    """A thousand independent draws, one evaluation each, are worth 400 at the price of 400."""
    rng, law = np.random.default_rng(0), Law.known(*stats.norm.ppf(LEVELS), 0.0, 1.0)
    target = Target(Posterior("toy", None), dict, {"x": law})
    records = []
    for _ in range(100):
        run = Run({"x": rng.normal(size=(4, 250))}, np.zeros((4, 250)), (50, 1000), (0, 0), np.zeros(4), 0)
        records.append({"gradients": {"warmup": 50, "sampling": 1000}, "estimates": estimates(run, target)})
    assert black_box_study.by_errors(records, target) == pytest.approx(450, rel=0.2)
