"""Options: what is understood, and what is said when it is not."""

import dataclasses
import inspect
import pickle
from fractions import Fraction

import numpy as np
import pytest
import xarray

import pymc_symplectic as ps
from pymc_symplectic.settings import DEFAULTS, Options, Settings, unadapted


def test_defaults_leave_everything_to_warm_up():
    settings = Settings.choose()
    assert settings.integrator == ps.integrators.get("auto")
    assert settings.trajectory == ps.trajectories.get("auto")
    assert settings.adapts_step_size
    assert settings.metric.adapts
    assert settings.target_accept == settings.integrator.target_accept
    assert settings.max_energy_error == 1000


def test_every_field_is_an_option():
    implied = {"accept_given"}  # by the presence of another
    assert {field.name for field in dataclasses.fields(Settings)} - implied == set(Options.__annotations__)


@pytest.mark.parametrize(
    "callable_", [ps.sample, ps.start, ps.HMC, ps.HMC.__init__, ps.CompiledModel.sample, ps.CompiledModel.start]
)
def test_signatures_show_options_with_their_defaults(callable_):
    parameters = inspect.signature(callable_).parameters
    shown = {name: parameters[name].default for name in Options.__annotations__}
    assert shown == DEFAULTS
    assert "integrator: 'str | AnyIntegrator' = 'auto'" in str(inspect.signature(callable_))
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values())
    assert Settings.choose(**shown) == Settings.choose()


def test_signatures_of_runs_are_those_of_sample():
    sample = inspect.signature(ps.sample).parameters
    assert inspect.signature(ps.start).parameters == sample
    own = [name for name in sample if name not in ("model", "compile_kwargs")]
    for method in (ps.CompiledModel.sample, ps.CompiledModel.start):
        assert list(inspect.signature(method).parameters) == ["self", *own]


def test_names_and_objects_are_the_same_thing():
    by_name = Settings.choose(
        integrator="Blanes-Moan4", metric="identity", trajectory="fixed steps", kinetic="Gaussian"
    )
    by_object = Settings.choose(
        integrator=ps.integrators.get("blanes_moan4"),
        metric=ps.Identity(),
        trajectory=ps.FixedSteps(),
        kinetic=ps.kinetic.Gaussian(),
    )
    assert by_name == by_object


def test_target_accept_suits_the_integrator():
    assert Settings.choose(integrator="bcss4").target_accept == ps.integrators.get("bcss4").target_accept
    assert Settings.choose(integrator="bcss4", target_accept=0.7).target_accept == 0.7
    assert Settings.choose(target_accept=None).target_accept == ps.integrators.get("leapfrog").target_accept


@pytest.mark.parametrize("name", ["auto", "bcss4"])
def test_an_acceptance_that_is_given_is_distinguished_from_the_same_by_default(name):
    default = Settings.choose(integrator=name)
    given = Settings.choose(integrator=name, target_accept=default.target_accept)
    assert given.target_accept == default.target_accept
    assert given.accept_given and not default.accept_given
    assert not Settings.choose(integrator=name, target_accept=None).accept_given
    assert pickle.loads(pickle.dumps(given)) == given != default


@pytest.mark.parametrize(
    "number", [1, 0.25, np.float32(0.5), np.int64(2), np.array(0.5), xarray.DataArray(0.5), Fraction(1, 4)]
)
def test_any_number_will_do(number):
    settings = Settings.choose(step_size=number, max_energy_error=number)
    assert settings.step_size == settings.max_energy_error == float(number)
    assert type(settings.step_size) is float
    assert not settings.adapts_step_size


@pytest.mark.parametrize("name", ["step_size", "max_energy_error"])
@pytest.mark.parametrize("value", [0, -0.1, np.nan, np.inf, -np.inf])
def test_not_positive(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be positive and finite, got {value}"):
        Settings.choose(**{name: value})


@pytest.mark.parametrize("value", [0, 1, -0.5, 1.5, 80, np.nan])
def test_not_a_share(value):
    with pytest.raises(ValueError, match=rf"target_accept must lie strictly between 0 and 1, got {value}"):
        Settings.choose(target_accept=value)


@pytest.mark.parametrize("name", ["step_size", "target_accept", "max_energy_error"])
@pytest.mark.parametrize("value", ["0.1", b"1", True, [0.1], np.array([0.1]), 1j, object], ids=repr)
def test_not_a_number(name, value):
    with pytest.raises(TypeError, match=rf"^{name} must be a number, got "):
        Settings.choose(**{name: value})


@pytest.mark.parametrize(
    ("option", "kind", "typo", "meant"),
    [
        ("integrator", "integrator", "leapforg", "leapfrog"),
        ("kinetic", "kinetic energy", "gausian", "gaussian"),
        ("metric", "metric", "dence", "dense"),
        ("trajectory", "trajectory", "fixedtime", "fixed_time"),
    ],
)
def test_unknown_names_list_the_choices(option, kind, typo, meant):
    with pytest.raises(ValueError, match=rf"unknown {kind} '{typo}'; choose one of: .*Did you mean '{meant}'\?"):
        Settings.choose(**{option: typo})
    with pytest.raises(TypeError, match=rf"{kind} must be a name \(a string\), got 3; choose one of: "):
        Settings.choose(**{option: 3})


@pytest.mark.parametrize("name", ["relativistic", "student_t", "adaptive"])
def test_harmonic_drift_goes_with_the_gaussian_kinetic_energy_alone(name):
    words = rf"integrator='harmonic_bcss2'.*kinetic='{name}'; choose kinetic='gaussian'.*or integrator='bcss2'"
    with pytest.raises(ValueError, match=words):
        Settings.choose(integrator="harmonic_bcss2", kinetic=name)
    own = ps.Integrator.symmetric(kicks=(0.2,), name="own")
    with pytest.raises(ValueError, match="or an integrator with the free drift"):
        Settings.choose(integrator=own.harmonic(), kinetic=name)
    assert Settings.choose(integrator=own, kinetic=name).integrator is own
    assert Settings.choose(integrator=own.harmonic(), kinetic="gaussian").integrator.drift == "harmonic"


@pytest.mark.parametrize(
    ("typo", "meant"), [("stepsize", "step_size"), ("Metric", "metric"), ("target_acept", "target_accept")]
)
def test_unknown_options_list_the_options(typo, meant):
    listed = ", ".join(Options.__annotations__)
    with pytest.raises(
        TypeError, match=rf"unknown option '{typo}'; the options are: {listed}. Did you mean '{meant}'\?"
    ):
        Settings.choose(**{typo: 1})


def test_nothing_is_suggested_when_nothing_is_near():
    with pytest.raises(TypeError, match=r"learned$"):
        Settings.choose(xyzzy=1)


def test_settings_are_frozen_and_can_be_sent():
    settings = Settings.choose(integrator="pefrl", step_size=0.1, metric=np.array([1.0, 2.0]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.step_size = 0.2
    copy = pickle.loads(pickle.dumps(settings))
    assert copy.integrator == settings.integrator
    np.testing.assert_array_equal(copy.metric.variance, settings.metric.variance)


@pytest.mark.parametrize(
    ("options", "tune", "words"),
    [
        ({}, 0, "With tune=0 nothing is adapted: the step size and the metric will be"),
        ({}, 9, "With tune=9 nothing"),
        ({"step_size": 0.1}, 0, "adapted: the metric will be"),
        ({"metric": "identity", "kinetic": "adaptive"}, 0, "adapted: the step size and the kinetic energy will be"),
        ({}, 10, None),
        ({"step_size": 0.1, "metric": "identity"}, 0, None),
        ({"step_size": 0.1, "metric": np.ones(3)}, 0, None),
    ],
)
def test_a_warm_up_too_short_for_what_is_to_be_learned(options, tune, words):
    warning = unadapted(Settings.choose(**options), tune)
    assert warning is None if words is None else words in warning


def test_steps_that_would_never_be_refined():
    with pytest.raises(ValueError, match=r"with refine_above=5 no step would be refined, .* max_energy_error=5; give"):
        Settings.choose(trajectory=ps.NoUTurn(refine=6), max_energy_error=5.0)
    assert Settings.choose(trajectory=ps.NoUTurn(), max_energy_error=5.0).max_energy_error == 5.0
    assert Settings.choose(trajectory=ps.NoUTurn(refine=6), max_energy_error=5.1).trajectory.refine == 6
