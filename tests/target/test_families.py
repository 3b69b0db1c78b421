"""Variables whose location or scale depends on others are found, and those are what they are said to be."""

import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.random.op import RandomVariable

from pymc_symplectic.native.pymc import distribution_of
from pymc_symplectic.target.families import LEVELS, location_scales

FAMILIES = {
    "normal": lambda m, s: pm.Normal("x", m, s, shape=3),
    "student": lambda m, s: pm.StudentT("x", nu=4, mu=m, sigma=s, shape=3),
    "laplace": lambda m, s: pm.Laplace("x", m, s, shape=3),
    "logistic": lambda m, s: pm.Logistic("x", m, s, shape=3),
    "cauchy": lambda m, s: pm.Cauchy("x", m, s, shape=3),
    "gumbel": lambda m, s: pm.Gumbel("x", m, s, shape=3),
    "moyal": lambda m, s: pm.Moyal("x", m, s, shape=3),
    "skew normal": lambda m, s: pm.SkewNormal("x", mu=m, sigma=s, alpha=2.0, shape=3),
    "log-normal": lambda m, s: pm.LogNormal("x", m, s, shape=3),
    "half-normal": lambda m, s: pm.HalfNormal("x", s, shape=3),
    "half-Cauchy": lambda m, s: pm.HalfCauchy("x", s, shape=3),
    "half-student": lambda m, s: pm.HalfStudentT("x", nu=4, sigma=s, shape=3),
    "exponential": lambda m, s: pm.Exponential("x", scale=s, shape=3),
    "exponential by rate": lambda m, s: pm.Exponential("x", 1 / s, shape=3),
    "gamma": lambda m, s: pm.Gamma("x", alpha=2.0, beta=1 / s, shape=3),
    "gamma by mean": lambda m, s: pm.Gamma("x", mu=s, sigma=s, shape=3),
    "inverse gamma": lambda m, s: pm.InverseGamma("x", alpha=2.0, beta=s, shape=3),
    "Weibull": lambda m, s: pm.Weibull("x", alpha=2.0, beta=s, shape=3),
    "location alone": lambda m, s: pm.Normal("x", m, 2.0, shape=3),
    "scale alone": lambda m, s: pm.Normal("x", 1.0, s, shape=3),
    "an array of scales": lambda m, s: pm.Normal("x", m, s * np.array([1.0, 2.0, 3.0])),
    "by precision": lambda m, s: pm.Normal("x", m, tau=s, shape=3),
}


def model_of(family):
    with pm.Model() as model:
        m = pm.Normal("m")
        s = pm.LogNormal("s")
        FAMILIES[family](m, s)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_standardised_it_depends_on_nothing(family):
    """log π(location + scale z) + log scale is the same, whatever location and scale are."""
    model = model_of(family)
    (found,) = location_scales(model, model.value_vars)
    assert found.value is model.rvs_to_values[model["x"]]
    values = model.value_vars
    (density,) = model.logp(vars=[model["x"]], sum=False)
    function = pytensor.function(
        values, [density, found.location + pt.zeros(3), found.log_scale + pt.zeros(3)], on_unused_input="ignore",
        mode="FAST_COMPILE",
    )  # fmt: skip
    z = np.array([-1.3, 0.2, 0.9])
    made = []
    for m, log_s in [(0.0, 0.0), (2.0, -0.7), (-1.0, 1.1)]:
        _, location, log_scale = function(m, log_s, z)
        made.append(function(m, log_s, location + np.exp(log_scale) * z)[0] + log_scale)
    np.testing.assert_allclose(made[1:], [made[0]] * 2, rtol=1e-10)


def names_found(model):
    return [model.values_to_rvs[one.value].name for one in location_scales(model, model.value_vars)]


def test_parents_come_first():
    with pm.Model() as model:
        top = pm.Normal("top")
        scale = pm.HalfNormal("scale", pt.exp(top))
        middle = pm.Normal("middle", top, scale, shape=2)
        pm.Normal("bottom", middle, scale, shape=(3, 2))
    assert names_found(model) == ["scale", "middle", "bottom"]


def test_parents_come_first_in_whatever_order_they_are_made():
    with pm.Model() as model:
        v = pm.Normal("v")
        parent = pm.Normal.dist(0.0, pt.exp(v))
        model.register_rv(pm.Normal.dist(parent, pt.exp(v)), "child")
        model.register_rv(parent, "parent")
    assert names_found(model) == ["parent", "child"]


@pytest.mark.parametrize("steps", [4, 5, 40])
def test_series_are_left_as_they_are(steps):
    """Of a random walk that is written step by step, every step is a level."""
    with pm.Model() as model:
        scale = pm.HalfNormal("scale")
        walk = [pm.Normal("x0", 0, scale)]
        for i in range(1, steps):
            walk.append(pm.Normal(f"x{i}", walk[-1], scale))
        pm.Normal("beside", 0, scale)
    assert names_found(model) == ([one.name for one in walk] if steps <= LEVELS else []) + ["beside"]


def test_operations_of_a_users_own_are_not_known_by_their_names():
    class NormalRV(RandomVariable):
        name, signature, dtype, _print_name = "mine", "()->()", "floatX", ("Mine", "mine")

        @classmethod
        def rng_fn(cls, rng, a, size):
            return rng.normal(a, size=size)

    with pm.Model() as model:
        pm.CustomDist("x", pm.Normal("a"), logp=lambda value, a: -((value - a) ** 2), class_name="Normal")
        drawn = NormalRV()(pm.Normal("b"))
    assert names_found(model) == [] and distribution_of(drawn) == ("", ())


def test_what_depends_on_data_alone_is_left_alone():
    with pm.Model() as model:
        sigma = pm.Data("sigma", 2.0)
        pm.Normal("x", 0, sigma)
    assert names_found(model) == []


def unnamed():
    return pm.Normal("x", 0, pm.HalfNormal.dist(1.0))


def of_another_transform(s):
    return pm.Normal("x", 0, s, transform=pm.distributions.transforms.Interval(-1.0, 1.0))


@pytest.mark.parametrize(
    "variable",
    [
        lambda s: pm.Normal("x", 0, s, transform=pm.distributions.transforms.ordered, shape=2, initval=[0.0, 1.0]),
        of_another_transform,
        lambda s: pm.TruncatedNormal("x", 0, s, lower=0),
        lambda s: pm.MvNormal("x", np.zeros(2), s * np.eye(2)),
        lambda s: pm.Uniform("x", 0, s),
        lambda s: unnamed(),
        lambda s: pm.Normal("x", s, 1, observed=0.3),
        lambda s: pm.Poisson("x", s),
    ],
)
def test_others_are_left_alone(variable):
    with pm.Model() as model:
        variable(pm.HalfNormal("s"))
    assert names_found(model) == []


def test_what_is_made_by_dims_is_left_alone():
    with pm.Model(coords={"g": range(2)}) as model:
        t = pmd.HalfNormal("t", 1)
        pm.Normal("x", pmd.Normal("mu", 0, t, dims="g").values, t.values, shape=2)
    assert names_found(model) == []


def test_of_those_that_are_sampled_alone():
    model = model_of("normal")
    assert location_scales(model, model.value_vars[:1]) == []
    assert len(location_scales(model, model.value_vars[2:])) == 1
