"""Splits of H as values: what they go with, and what kernels run of them."""

import math
import pickle
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pytest

import pymc_symplectic as ps
from pymc_symplectic import splits
from pymc_symplectic.kernels import splits as kernels
from pymc_symplectic.run.fingerprint import describe_settings
from pymc_symplectic.settings import Settings
from pymc_symplectic.splits import FREE, HARMONIC, Split


class PushedRecord(NamedTuple):
    push: float


def _kick(split, system, state, c):
    kernels.kick(kernels.FreeSplit(), system, state, c)


def _drift(split, system, state, c):
    kernels.drift(kernels.FreeSplit(), system, state, c)


splits.register(PushedRecord, kick=_kick, drift=_drift)


@dataclass(frozen=True)
class Pushed(Split):
    """The free drift by another name."""

    push: float = 1.0
    name: ClassVar[str] = "pushed"
    needs: ClassVar[str] = "takes a radial kinetic energy"

    def suits(self, kinetic):
        return kinetic.name != "power"

    def record(self, dim, fitted, drifts):
        return PushedRecord(self.push)


def test_a_drift_is_a_split_by_name_or_itself():
    leapfrog = ps.integrators.get("leapfrog")
    assert leapfrog.split is FREE
    for given in ("harmonic", HARMONIC):
        scheme = ps.Integrator((0.5, 0.5), (1.0,), drift=given)
        assert (scheme.drift, scheme.split) == ("harmonic", HARMONIC)
    own = leapfrog.with_split(Pushed())
    assert own.drift == own.split == Pushed()
    assert pickle.loads(pickle.dumps(own)) == own
    assert own.name == "pushed_leapfrog" and repr(own).endswith("kick first, pushed drift)")
    assert own.with_split(Pushed()).name == "pushed_leapfrog"
    assert own.with_split(FREE, name="leapfrog") == ps.Integrator(
        (0.5, 0.5), (1.0,), name="leapfrog", reference=own.reference
    )


def test_an_own_split_is_distinguished_from_others_in_the_description_of_a_run():
    texts = {
        describe_settings(Settings.choose(integrator=scheme))["integrator"]
        for scheme in (
            ps.integrators.get("leapfrog"),
            ps.integrators.get("leapfrog").with_split(Pushed(), name="leapfrog"),
            ps.integrators.get("leapfrog").with_split(Pushed(2.0), name="leapfrog"),
        )
    }
    assert len(texts) == 3
    assert any("drift='free'" in text for text in texts)


def test_kinetic_energies_that_a_split_does_not_suit_are_refused_everywhere():
    own = ps.integrators.get("leapfrog").with_split(Pushed())
    words = "pushed_leapfrog.* has the pushed drift, which takes a radial kinetic energy, got kinetic='power'"
    with pytest.raises(ValueError, match=words + ".*or integrator='leapfrog'"):
        Settings.choose(integrator=own, kinetic="power")
    for measure in (ps.mechanics.order, ps.mechanics.reversibility, ps.mechanics.jacobian):
        with pytest.raises(ValueError, match=words):
            measure(own, kinetic="power")
    assert Settings.choose(integrator=own, kinetic="relativistic").integrator is own


def test_catalogue():
    assert {name: split.name for name, split in splits.CATALOGUE.items()} == {"free": "free", "harmonic": "harmonic"}
    assert (FREE.adapts, HARMONIC.adapts) == (False, True)
    assert FREE.standard(3) is None and HARMONIC.standard(3).tolist() == [0, 0, 0]
    assert FREE.longest((0.5, 0.5)) == math.inf and HARMONIC.longest((1.5, -1, 0.5)) == pytest.approx(0.3 * math.pi)


def test_what_the_records_of_splits_say():
    assert isinstance(FREE.record(2, np.ones(2), (1.0,)), kernels.FreeSplit)
    assert isinstance(HARMONIC.record(2, None, (1.0,)), kernels.FreeSplit)
    assert kernels.longest(FREE.record(2, None, (1.0,))) == 2.0**30
    assert kernels.longest(HARMONIC.record(2, np.ones(2), (1.0,))) == 0.9 * math.pi
    assert kernels.longest(PushedRecord(1.0)) == 2.0**30


def test_the_free_drift_by_another_name_makes_the_same_motion():
    own = ps.integrators.get("bcss2").with_split(Pushed())
    paths = [ps.mechanics.simulate("pendulum", integrator=scheme, step_size=0.3, steps=50) for scheme in ("bcss2", own)]
    np.testing.assert_allclose(paths[0].position, paths[1].position, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_registered():
    with pytest.raises(ValueError, match="PushedRecord is registered already"):
        splits.register(PushedRecord, kick=_kick, drift=_drift)
    with pytest.raises(TypeError, match=r"must be a class made by typing.NamedTuple"):
        splits.register(Pushed, kick=_kick, drift=_drift)

    class Another(NamedTuple):
        push: float

    with pytest.raises(TypeError, match="kick must be a plain function"):
        splits.register(Another, kick=np.add, drift=_drift)
