"""Options of the run that has learned, as JSON, and those of the next run beside them."""

import json

import numpy as np
import pytest
import xarray
from hand_made import new_chain, new_learned

import pymc_symplectic as ps
from pymc_symplectic.knowledge.options import PARTS, joined, of_settings
from pymc_symplectic.settings import Settings, unadapted

SETTINGS = [
    {},
    {"integrator": "harmonic_bcss2", "metric": "diagonal", "trajectory": ps.NoUTurn(max_depth=7)},
    {"integrator": ps.ImplicitMidpoint(), "kinetic": ps.kinetic.Relativistic(c=2.5), "metric": ps.LowRank(max_rank=2)},
    {"trajectory": ps.FixedTime(1.2, jitter=0.1), "refreshment": ps.Partial(0.4), "temperature": 2.0},
    {"kinetic": ps.kinetic.Adaptive(units=5), "metric": ps.Dense(fit_to="draws"), "parametrization": "noncentered"},
    {"parametrization": {"x": [0.5, 1.0], "y": 0.0}},
]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_options_are_made_again_from_json(options):
    settings = Settings.choose(**options)
    told = json.loads(json.dumps(of_settings(settings)))
    again = Settings.choose(**joined(told, {}))
    for name in PARTS:
        assert repr(getattr(again, name)) == repr(getattr(settings, name)), name
    assert Settings.choose(**joined(told, options)) is not None  # to say the same again is no contradiction


def test_those_of_the_last_run_are_taken_on():
    learned = new_learned(new_chain(), options=Settings.choose(metric="dense", kinetic=ps.kinetic.Relativistic(c=2.0)))
    settings = Settings.choose(learned=learned, step_size=0.1, target_accept=0.9)
    assert settings.kinetic == ps.kinetic.Relativistic(c=2.0) and isinstance(settings.metric, ps.Dense)
    assert settings.step_size == 0.1 and settings.accept_given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"metric": "diagonal"}, "a run with metric='auto', and metric='diagonal'.* is asked for; leave metric out"),
        ({"metric": np.ones(3)}, r"and metric=Diagonal\(\.\.\.\) is asked for"),
        ({"kinetic": "relativistic"}, "a run with kinetic='gaussian', and kinetic='relativistic'"),
        ({"integrator": "yoshida4"}, "a run with integrator='auto', and integrator='yoshida4'"),
        ({"trajectory": ps.FixedSteps(3)}, "trajectory='fixed_steps'.*steps=3"),
        ({"refreshment": ps.Partial(0.5)}, "refreshment='Full', and refreshment='Partial'"),
        ({"parametrization": "model"}, "parametrization='auto', and parametrization='model'"),
        ({"temperature": 2}, "temperature=1.0, and temperature=2.0"),
    ],
)
def test_another_part_is_a_contradiction(given, words):
    with pytest.raises(ValueError, match=words):
        Settings.choose(learned=new_learned(new_chain()), **given)


def test_an_option_that_is_none_is_told_of_as_ever():
    with pytest.raises(ValueError, match="unknown metric 'danse'"):
        Settings.choose(learned=new_learned(new_chain()), metric="danse")
    with pytest.raises(TypeError, match=r"learned must be a pymc_symplectic\.Learned, got a DataTree; ps\.learned"):
        Settings.choose(learned=xarray.DataTree())


def test_parts_of_ones_own_have_to_be_given_again():
    own = ps.Integrator((0.5, 0.5), (1.0,), "mine")
    learned = new_learned(new_chain(), options=Settings.choose(integrator=own))
    with pytest.raises(
        ValueError, match=r"had integrator=Integrator\(\.\.\.\), which.*give the same integrator=\.\.\. again"
    ):
        Settings.choose(learned=learned)
    assert Settings.choose(learned=learned, integrator=own).integrator == own


def test_no_draws_of_warm_up_are_enough():
    assert unadapted(Settings.choose(), 0)
    assert unadapted(Settings.choose(learned=new_learned(new_chain())), 0) is None
