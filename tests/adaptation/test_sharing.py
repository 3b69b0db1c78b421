"""What chains go on from at the end of their warm-up: what they have learned together, or by themselves."""

import dataclasses

import numpy as np
import pytest
from hand_made import COVARIANCE, new_chain, on_a_path
from numpy.testing import assert_allclose

from pymc_symplectic.adaptation.gathering import Gathering, verdicts
from pymc_symplectic.adaptation.sharing import shared
from pymc_symplectic.adaptation.tuner import ELSEWHERE
from pymc_symplectic.policy import Policy


def covariance(chain):
    return chain.metric.apply(chain.metric.adjoint(np.eye(3)))


def after(chain, **tuner):
    """A chain whose tuner has come to this, and says so."""
    told = {"divides": True} if tuner.get("divides") else {}
    state = {**chain.state, "tuner": {**chain.state["tuner"], **tuner}}
    return dataclasses.replace(chain, state=state, choice={**chain.choice, **told})


def test_chains_that_agree_go_on_by_the_average():
    found = shared([new_chain(), new_chain(2.0, step_size=0.1)])
    for known in found:
        assert_allclose(covariance(known), COVARIANCE * 2.5, rtol=1e-12)
        assert known.step_size == pytest.approx(np.sqrt(0.07))


def test_others_go_on_as_they_are():
    """And those of a second place by what is known there."""
    here, there, alone = [new_chain(), new_chain(1.5)], [new_chain(shift=50.0)] * 2, new_chain(shift=-50.0)
    found = shared([here[0], there[0], alone, here[1], there[1]])
    assert found[2] is None
    assert_allclose(found[0].mean, here[0].mean)
    assert_allclose(found[1].mean, there[0].mean)
    assert found[0] is found[3] and found[1] is found[4]


def test_the_path_of_most_is_that_of_all():
    found = shared([on_a_path(1.0), new_chain(), on_a_path(2.0)])
    assert {known.integrator for known in found} == {"harmonic_leapfrog"}


def test_where_no_path_is_that_of_more_than_half_each_keeps_its_own():
    found = shared([on_a_path(1.0, 0.5), new_chain(2.0)])
    assert [known.trajectory for known in found] == ["fixed_time of 1.00", "no_u_turn"]
    assert [known.step_size for known in found] == pytest.approx([0.5, 0.7])
    for known in found:
        assert_allclose(covariance(known), COVARIANCE * 2.5, rtol=1e-12)


def test_a_chain_that_has_seen_more_elsewhere_keeps_to_its_path():
    """By the metric of all, which it helps to know."""
    careful = after(new_chain(2.0, step_size=0.2), reason=ELSEWHERE)
    found = shared([on_a_path(1.0), careful, on_a_path(2.0)])
    assert [known.trajectory for known in found] == ["fixed_time of 1.41", "no_u_turn", "fixed_time of 1.41"]
    assert found[1].step_size == pytest.approx(0.2) and found[1].state["tuner"] == careful.state["tuner"]
    for known in found:
        assert_allclose(covariance(known), COVARIANCE * 2, rtol=1e-12)


def divide(chains):
    """Whether each has divided steps, as its state has it, and as it says."""
    assert [chain.state["tuner"]["divides"] for chain in chains] == [bool(c.choice.get("divides")) for c in chains]
    return [chain.state["tuner"]["divides"] for chain in chains]


def test_steps_that_one_chain_divides_are_divided_by_all_that_make_no_u_turn_draws():
    careful = after(new_chain(step_size=0.2), divides=True)
    found = shared([new_chain(step_size=0.8), careful, new_chain(step_size=0.4)])
    assert divide(found) == [True] * 3 and [one.step_size for one in found] == pytest.approx([0.4] * 3)
    found = shared([on_a_path(1.0), careful, on_a_path(2.0), new_chain(step_size=0.8), on_a_path(1.0)])
    assert divide(found) == [False, True, False, True, False]
    assert [one.integrator for one in found].count("harmonic_leapfrog") == 3
    assert [found[place].step_size for place in (1, 3)] == pytest.approx([0.4] * 2)
    away = new_chain(shift=50.0)
    assert divide(shared([away, careful, careful, away])) == [False, True, True, False]


def test_surrogates_are_not_averaged():
    assert shared([new_chain(), new_chain(density=np.zeros(4))]) == [None, None]


def arrived(chain, waits=True):
    """The gathering of a chain at the end of its warm-up, at a place like that of all others."""
    gathering = Gathering(3, waits)
    gathering.levels, gathering.known = np.zeros((1, 7)), chain
    return gathering


def test_it_is_heard_when_nobody_is_moved_and_is_the_same_later_on():
    gatherings = [arrived(new_chain()), arrived(new_chain(2.0))]
    policy = Policy()

    def said():
        return verdicts({number: one.snapshot() for number, one in enumerate(gatherings)}, policy)

    before = said()
    assert_allclose(covariance(before[1].known), COVARIANCE * 2.5, rtol=1e-12)
    gatherings[0].hear(before[0])
    again = said()
    assert list(again) == [1] and np.array_equal(covariance(again[1].known), covariance(before[1].known))
    gatherings[1].levels[:, 0] = -1000.0
    assert said()[1].position is not None and said()[1].known is None
    policy = dataclasses.replace(policy, shares=False, stranded_gap=np.inf)
    assert said()[1] == (0, None, None)


def test_what_a_chain_had_learned_by_itself_is_kept():
    one, other = arrived(new_chain(weights=np.array([1.0, 0.0, 0.5]))), Gathering(3, True)
    other.restore(one.snapshot())
    assert other.known.metric._asdict().keys() == one.known.metric._asdict().keys()
    for part in dataclasses.fields(one.known):
        if part.name != "metric":
            np.testing.assert_equal(getattr(other.known, part.name), getattr(one.known, part.name))
