"""The neutral suite: Stan programs as posteriors, gates and tables; mostly by a program that is none of Stan's."""

import importlib.util
import json
import os
import shutil
import zipfile

import numba
import numpy as np
import pytest

from benchmarks import samplers, study
from benchmarks.models import posteriordb, stan_programs
from benchmarks.samplers import Problem, Run
from benchmarks.studies import neutral

PLAN = {"draws": 60, "tune": 60, "chains": 2}


class Program:
    """What a Stan program of x ~ N(0, 1), log s ~ N(0, 1) offers, with a transformed 2 x, and a constant."""

    dim = 2
    parameters = ("x", "s", "one[1]")
    names = (*parameters, "twice")
    start = stan_programs.StanProgram.start

    @staticmethod
    @numba.njit
    def log_density(position):
        return -0.5 * (position**2).sum(), -position

    @staticmethod
    def constrain(positions, names):
        x, log_s = np.moveaxis(positions, -1, 0)
        known = {"x": x, "s": np.exp(log_s), "one[1]": np.ones(x.shape), "twice": 2 * x}
        return {name: known[name] for name in names}


@pytest.fixture(scope="module")
def posterior():
    rng = np.random.default_rng(0)
    reference = {"x": rng.normal(size=(10, 1000)), "twice": rng.normal(0, 2, (10, 1000)), "one[1]": np.ones((10, 1000))}
    return stan_programs.posterior_of("toy-toy", Program(), reference)


# Programs


def test_what_varies_is_compared(posterior):
    assert posterior.quantities == ["x", "s", "twice"]
    assert set(posterior.reference) == {"x", "twice"}
    bare = stan_programs.posterior_of("toy-toy", Program(), None)
    assert bare.reference is None and bare.quantities == ["x", "s"]


def test_starts_are_within_one_of_zero_and_finite(posterior):
    starts = Problem.of(posterior).starts(50, 0)
    assert starts.shape == (50, 2) and 0.9 < np.abs(starts).max() < 1

    class Half(Program):
        @staticmethod
        def log_density(position):
            return (0.0 if position[0] > 0 else -np.inf), -position

    class Nowhere(Program):
        @staticmethod
        def log_density(position):
            return 0.0, position * np.nan

    assert min(Half().start(np.random.default_rng(seed))[0] for seed in range(20)) > 0
    with pytest.raises(RuntimeError, match="no start"):
        Nowhere().start(np.random.default_rng(0))


def test_runs_are_scored_by_the_parameters_of_the_program(posterior, tmp_path):
    cases = study.runs(
        ["toy-toy"], {"ours": samplers.get("ours-diagonal")}, [0], lambda _: posterior, PLAN, measure=neutral.measure
    )
    assert study.run_all(cases, tmp_path, lambda line: None) == 1
    (record,) = study.load(tmp_path)
    assert (record["dim"], record["parameters"]) == (2, 3)
    assert set(record["z"]) == {"x", "twice"}
    assert record["z"]["x"] == pytest.approx(record["z"]["twice"], abs=0.3)  # the references are not the same draws


def test_a_posterior_that_cannot_be_made_is_an_error_of_each_run(tmp_path):
    def load(name):
        raise RuntimeError("stanc fails: no")

    cases = study.runs(["a-a"], {"ours": None, "theirs": None}, [0], load, PLAN, measure=neutral.measure)
    assert study.run_all(cases, tmp_path, lambda line: None) == 2
    records = study.load(tmp_path)
    assert all(record["error"] == "RuntimeError: stanc fails: no" for record in records)
    row = next(line for line in neutral.tables(records).splitlines() if line.startswith("| a-a"))
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["a-a", "", "error", "error"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder like httpstan's, and a C++ compiler that notes what it is asked for; neither compiles anything."""
    folder, bin = tmp_path / "httpstan", tmp_path / "bin"
    for made in (folder / "include", folder / "lib", bin):
        made.mkdir(parents=True)
    (folder / "stanc").write_text('#!/bin/sh\necho "#include <stan/model/model_header.hpp>"; echo "// $2"\n')
    compiler = bin / "compiler"
    compiler.write_text(
        '#!/bin/sh\necho "$@" >> calls\n'
        'for word in "$@"; do case $last in -o) touch $word;; esac; last=$word; done\n'
        'case "$*" in *bad*) echo "no matching function" >&2; exit 1;; esac\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("CXXFLAGS", "-O1 -DOTHER")
    monkeypatch.setenv(stan_programs.HTTPSTAN, str(folder))
    return folder


def test_a_program_is_compiled_once(home, tmp_path):
    compiler = stan_programs.Compiler(tmp_path / "cache")
    library = compiler.library("good", "parameters { real x; }")
    calls = (compiler.folder / "calls").read_text().splitlines()
    assert library.exists() and len(calls) == 3  # the header, the interface, the program
    assert all("-O1 -DOTHER" in call and f"-I{home / 'include'}" in call for call in calls)
    code = library.with_suffix(".cpp").read_text()
    assert code.startswith('#include "header.hpp"\n') and "model_header" not in code and "// model_good" in code

    again = stan_programs.Compiler(tmp_path / "cache", home)
    assert again.library("good", "parameters { real x; }") == library
    assert again.library("good", "parameters { real y; }") != library
    assert len((compiler.folder / "calls").read_text().splitlines()) == 4


def test_what_does_not_compile_is_tried_once(home, tmp_path):
    compiler = stan_programs.Compiler(tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="compiler fails: no matching function"):
            compiler.library("bad", "")
    assert len((compiler.folder / "calls").read_text().splitlines()) == 3


def test_other_flags_make_another_library(home, tmp_path, monkeypatch):
    first = stan_programs.Compiler(tmp_path / "cache").folder
    monkeypatch.setenv("CXXFLAGS", "-O0")
    assert stan_programs.Compiler(tmp_path / "cache").folder != first


def test_what_is_missing_is_said(home, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"does not hold `stanc` and `include` and `lib`.*HTTPSTAN"):
        stan_programs.Compiler(tmp_path, tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(FileNotFoundError, match="no C\\+\\+ compiler 'no-such-compiler'"):
        stan_programs.Compiler(tmp_path)
    monkeypatch.delenv(stan_programs.HTTPSTAN)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="`pip download --no-deps httpstan`"):
        stan_programs.Compiler(tmp_path)


def database(folder, name="toy-toy", program="parameters { real x; } model { x ~ normal(0, 1); }", data="{}"):
    """A posteriordb of one posterior, without reference draws."""
    for part in ("data/data", "posteriors", "reference_posteriors", "models/stan"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    entry = {"model_name": "toy", "data_name": "toy", "reference_posterior_name": None}
    (folder / "posteriors" / f"{name}.json").write_text(json.dumps(entry))
    (folder / "models/stan/toy.stan").write_text(program)
    with zipfile.ZipFile(folder / "data/data/toy.json.zip", "w") as archive:
        archive.writestr("toy.json", data)
    return folder


def test_all_posteriors_that_have_a_program(tmp_path):
    folder = database(tmp_path)
    other = {"model_name": "other", "data_name": "toy"}
    (folder / "posteriors" / "toy-other.json").write_text(json.dumps(other))
    assert stan_programs.names(folder) == ["toy-toy"]
    entry = posteriordb.Entry("toy-toy", folder)
    assert (entry.model, entry.data(), entry.reference()) == ("toy", "{}", None)


# Samplers


def test_stan_samples_programs_alone(posterior):
    class Sampled(Program):
        @staticmethod
        def sample(start, draws, tune, seed, chain):
            positions = np.random.default_rng([seed, chain]).normal(size=(draws, 2))
            statistics = np.tile([3.0, 0.0, 0.5], (tune + draws, 1))
            statistics[0, 1] = statistics[-1, 1] = 1
            return positions, statistics, np.array([1.0, 2.0])

    made = stan_programs.posterior_of("toy-toy", Sampled(), None)
    run = samplers.get("stan")(Problem.of(made))(draws=5, tune=None, chains=2, seed=0)
    assert run.draws["position"].shape == (2, 5, 2)
    assert run.gradients == (2 * 1000 * 3, 2 * 5 * 3) and run.seconds == (2.0, 4.0)
    np.testing.assert_array_equal(run.diverging, [[False] * 4 + [True]] * 2)
    np.testing.assert_array_equal(run.step_size, [0.5, 0.5])
    with pytest.raises(RuntimeError, match="Stan samples Stan programs alone"):
        samplers.get("stan")(Problem(posterior.model))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["owalnuts", "walnutpie", "numpyro", "blackjax", "blackjax-low_rank", "blackjax-auto"])
def test_samplers_of_others_sample_it(name, posterior):
    pytest.importorskip(name.partition("-")[0])
    run = samplers.get(name)(Problem.of(posterior))(draws=400, tune=300, chains=2, seed=0)
    assert run.draws["position"].shape == (2, 400, 2) and run.diverging.shape == (2, 400)
    np.testing.assert_allclose(run.draws["position"].mean(axis=(0, 1)), 0, atol=0.25)
    np.testing.assert_allclose(run.draws["position"].std(axis=(0, 1)), 1, atol=0.2)
    assert run.gradients[0] > 2 * 300 and run.gradients[1] > 2 * 400 and min(run.seconds) > 0


# Gates and tables


def record(sampler, posterior="a-a", seed=0, **changes):
    made = {
        "posterior": posterior, "sampler": sampler, "seed": seed, "dim": 3, "r_hat": 1.0, "divergences": 0,
        "ess": {"bulk": 500.0, "tail": 500.0, "squares": 400.0}, "gradients": {"warmup": 1000, "sampling": 1000},
        "z": {"x": [1.0, -3.9]},
    }  # fmt: skip
    return {**made, **changes}


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"r_hat": 1.011}, "R-hat"),
        ({"r_hat": None}, "R-hat"),
        ({"ess": {"bulk": 399.0, "tail": 500.0, "squares": 500.0}}, "bulk"),
        ({"ess": {"bulk": 500.0, "tail": None, "squares": 500.0}}, "tail"),
        ({"z": {"x": [0.0, -4.1]}}, "z"),
        ({"z": {"x": [None, 0.0]}}, "z"),
        ({"divergences": 3}, "divergences"),
    ],
)
def test_gates(changes, gate):
    others = [record("theirs", divergences=2), record("nutpie-diagonal")]
    failed = neutral.failures([record("ours", **changes), *others])
    assert failed["a-a", "ours"] == {gate} and not failed["a-a", "theirs"] - {"divergences"}
    assert "theirs" in neutral.missed(failed)["a-a"][gate]


def test_what_passes_is_not_missed():
    records = [record("ours", divergences=2, ess={"bulk": 400.0, "tail": 400.0, "squares": 9.0}), record("theirs")]
    assert not neutral.failures([*records, record("third", divergences=2)])["a-a", "ours"]
    records = [record("ours", r_hat=1.2), record("theirs", r_hat=1.2), {**record("third"), "error": "no"}]
    failed = neutral.failures(records)
    assert failed["a-a", "ours"] == {"R-hat"} and failed["a-a", "third"] == {"error"}
    assert not neutral.missed(failed)
    seeds = [record("ours"), record("ours", seed=1, r_hat=1.2), record("theirs")]
    assert neutral.failures(seeds)["a-a", "ours"] == {"R-hat"}


def test_ratios_are_to_the_better_of_two():
    records = [
        record("ours", ess={"bulk": 900.0, "tail": 900.0, "squares": 800.0}),
        record("nutpie-diagonal"),
        record("nutpie-low_rank", gradients={"warmup": 4000, "sampling": 500}),
    ]
    each, with_warmup = neutral.ratios(records), neutral.ratios(records, warmup=True)
    assert each["a-a", "ours"] == pytest.approx(1.0) and each["a-a", "nutpie-diagonal"] == pytest.approx(0.5)
    assert with_warmup["a-a", "ours"] == pytest.approx(2.0)
    assert np.isnan(neutral.ratios(records[:1])["a-a", "ours"])
    shown = neutral.tables([*records, record("ours", "b-b", r_hat=1.5), record("stan", "b-b")])
    assert "1.00 / 2.00" in shown and "R-hat 1" in shown and "- b-b: R-hat (stan)" in shown


def test_the_figure_shows_what_passes():
    good = record("ours", ess={"bulk": 900.0, "tail": 900.0, "squares": 800.0})
    base = [record(name, posterior) for posterior in ("a-a", "b-b") for name in neutral.BASELINE]
    (axes,) = neutral.strip([good, record("ours", "b-b", r_hat=1.5), *base]).axes
    shown = {one.get_label(): one for one in axes.collections}
    np.testing.assert_allclose(shown["ours, passes all gates"].get_offsets(), [[1, 2]])
    np.testing.assert_allclose(shown["ours, fails one or more"].get_offsets(), [[0, 1]])
    assert shown["ours, fails one or more"].get_facecolor()[0, :3].tolist() == [1, 1, 1]
    assert axes.get_title("left").startswith("1.4 times") and axes.get_xlabel().startswith("2 posteriors")


# With Stan itself

HOME = os.environ.get(stan_programs.HTTPSTAN) or importlib.util.find_spec("httpstan")
PROGRAM = """
data { int<lower=1> n; vector[n] y; }
parameters { real mu; real<lower=0> sigma; cholesky_factor_corr[2] L; }
transformed parameters { real twice = 2 * mu; }
model { if (mu > 5) reject("too far"); mu ~ normal(mean(y), 0.5); sigma ~ exponential(2); L ~ lkj_corr_cholesky(1); }
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not (HOME and shutil.which("g++")), reason="needs httpstan, or HTTPSTAN to name its folder, and g++"
)
def test_a_program_of_stan(tmp_path, monkeypatch):
    monkeypatch.setenv("CXXFLAGS", "-O0")
    folder = database(tmp_path, program=PROGRAM, data='{"n": 3, "y": [1, 2, 4]}')
    compiler = stan_programs.Compiler(tmp_path / "cache")
    posterior = stan_programs.load("toy-toy", compiler, folder)
    program = posterior.program
    assert program.dim == 3 and program.names[-1] == "twice"
    assert posterior.quantities == ["mu", "sigma", "L[2,1]", "L[2,2]"]

    mu, log_sigma, center = 1.5, -0.2, 7 / 3
    position, sigma = np.array([mu, log_sigma, 0.0]), np.exp(log_sigma)
    value, gradient = program.log_density(position)
    np.testing.assert_allclose(gradient, [4 * (center - mu), 1 - 2 * sigma, 0], atol=1e-12)
    moved, _ = program.log_density(np.array([mu + 1, log_sigma, 0.0]))
    assert moved - value == pytest.approx(2 * (mu - center) ** 2 - 2 * (mu + 1 - center) ** 2)
    assert program.log_density(np.array([6.0, 0.0, 0.0]))[0] == -np.inf
    values = program.constrain(position[None, None], ["sigma", "twice", "L[1,1]"])
    assert {name: float(draws[0, 0]) for name, draws in values.items()} == pytest.approx(
        {"sigma": sigma, "twice": 3, "L[1,1]": 1}
    )

    run = samplers.get("stan")(Problem.of(posterior))(draws=500, tune=300, chains=2, seed=1)
    ours = samplers.get("ours")(Problem.of(posterior))(draws=500, tune=300, chains=2, seed=1)
    assert isinstance(run, Run) and run.gradients[0] > 600
    for draws in (run.draws, ours.draws):
        assert posterior.constrain(draws["position"])["mu"].mean() == pytest.approx(center, abs=0.15)
    with pytest.raises(ValueError, match=r"Stan refuses the data.*variable name=y"):
        stan_programs.load("toy-toy", compiler, database(tmp_path / "other", program=PROGRAM, data='{"n": 3}'))
