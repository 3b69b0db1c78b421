"""Hierarchies to measure on: as people write them, and standardised by hand, with one and the same posterior."""

import numpy as np
import pytest

from benchmarks import models
from benchmarks.models import hierarchies


def dims(model):
    return sum(np.size(value) for value in model.initial_point().values())


def log_density(model, values):
    """Of free variables, by their names, in their own space."""
    with model:
        point = model.initial_point()
        value_of = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
        point |= {value_of[name]: value for name, value in values.items()}
    return float(model.compile_logp(mode="FAST_COMPILE")(point))


@pytest.mark.parametrize("name", [*hierarchies.names(), *hierarchies.apart()])
def test_two_ways_to_write_one(name):
    centered, by_hand = hierarchies.load(name).model, hierarchies.load(f"{name}-by_hand").model
    assert dims(centered) == dims(by_hand)
    assert np.isfinite(log_density(centered, {})) and np.isfinite(log_density(by_hand, {}))
    standardised = [rv.name for rv in by_hand.free_RVs if rv.name.endswith("_z")]
    assert standardised and all(z.removesuffix("_z") in [rv.name for rv in centered.free_RVs] for z in standardised)


def test_of_the_schools_the_densities_are_the_same():
    """Both have scale exp(q) at the initial point, so the Jacobian is a constant."""
    centered, by_hand = (hierarchies.load(f"schools-centered{how}").model for how in ("", "-by_hand"))
    with by_hand:
        tau = float(np.exp(by_hand.initial_point()["tau_log__"]))
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(3):
        z = rng.normal(size=8)
        gaps.append(log_density(by_hand, {"theta_z": z}) - log_density(centered, {"theta": tau * z}))
    np.testing.assert_allclose(gaps, 8 * np.log(tau), rtol=1e-9)


def test_sets():
    names, load = models.of_set("hierarchies-apart-by_hand", None)
    assert len(names) == 6 and all(name.endswith("-by_hand") for name in names)
    assert load(names[0]).name == names[0]
    assert not set(models.of_set("hierarchies", None)[0]) & {name.removesuffix("-by_hand") for name in names}
