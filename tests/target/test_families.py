"""Variables whose location or scale depends on others are found, and those are what they are said to be."""

import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.random.op import RandomVariable

from pymc_symplectic.native.pymc import distribution_of
from pymc_symplectic.target.families import LARGEST, LEVELS, location_scales

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


def factor_of(m, s):
    """A Cholesky factor whose correlations depend on m."""
    return pt.stacklists([[s, 0.0, 0.0], [m * s, 2 * s, 0.0], [0.3, -m, 1.0]])


def standardised_by_hand(m, s):
    x = pm.Normal("x", shape=3)
    pm.Normal("seen", m + s * x, 1.0, observed=np.zeros(3))


def standardised_and_masked(m, s):
    x = pm.Normal("x", shape=3)
    pm.Normal("seen", m + np.array([1.0, 0.0, 1.0]) * s * x, 1.0, observed=np.zeros(3))


def standardised_and_indexed(m, s):
    x = pm.StudentT("x", nu=4, shape=3)
    pm.Normal(
        "seen", pm.Deterministic("made", pm.math.exp(m) + x[np.array([2, 0, 0, 1])] / s), 1.0, observed=np.zeros(4)
    )


ROTATED = {
    "zero sum": lambda m, s: pm.ZeroSumNormal("x", sigma=s, shape=4),
    "vector": lambda m, s: pm.MvNormal("x", m, chol=factor_of(m, s), shape=3),
    "vectors": lambda m, s: pm.MvNormal("x", m, chol=factor_of(m, s)[:1, :1] * np.eye(3), shape=(1, 3)),
    "vector by covariance": lambda m, s: pm.MvNormal("x", m, cov=s * (np.eye(3) + 0.5 * pm.math.sigmoid(m))),
    "student's vector": lambda m, s: pm.MvStudentT("x", nu=5, mu=m, scale=factor_of(m, s) @ factor_of(m, s).T, shape=3),
    "walk": lambda m, s: pm.GaussianRandomWalk("x", mu=m, sigma=s, init_dist=pm.Normal.dist(0, 2), shape=3),
    "walk of heavy steps": lambda m, s: pm.RandomWalk(
        "x", pm.Normal.dist(0, 2), innovation_dist=pm.StudentT.dist(nu=4, mu=0.0, sigma=s), steps=2
    ),
    "autoregression": lambda m, s: pm.AR("x", [m], s, init_dist=pm.Normal.dist(0, 2), shape=3),
    "autoregression of two": lambda m, s: pm.AR("x", [m, 0.2], s, init_dist=pm.Normal.dist(0, 2), shape=3),
    "autoregression with a constant": lambda m, s: pm.AR(
        "x", [0.5, m], s, constant=True, init_dist=pm.Normal.dist(0, 2), shape=3
    ),
    "factor of a covariance": lambda m, s: pm.LKJCholeskyCov(
        "x", n=2, eta=2, sd_dist=pm.LogNormal.dist(m, s, shape=2), compute_corr=False
    ),
    "by hand": standardised_by_hand,
    "by hand, indexed": standardised_and_indexed,
    "by hand, masked": standardised_and_masked,
}
"""Those of which elements have to do with one another, or with more than their distribution."""


def model_of(family):
    with pm.Model() as model:
        m = pm.Normal("m")
        s = pm.LogNormal("s")
        {**FAMILIES, **ROTATED}[family](m, s)
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


@pytest.mark.parametrize("family", ["vector", "vectors", "vector by covariance", "student's vector", "zero sum"])
def test_vectors_standardised_depend_on_nothing(family):
    """With all elements standardised, each by those before it, the density of the vector is the same."""
    model = model_of(family)
    (found,) = location_scales(model, model.value_vars)
    values, x = model.value_vars, found.value
    (density,) = model.logp(vars=[model["x"]], sum=False)
    parts = [pt.broadcast_to(part, x.shape) for part in (found.location, found.log_scale)]
    function = pytensor.function(values, [density, *parts], on_unused_input="ignore", mode="FAST_COMPILE")
    z = np.array([-1.3, 0.2, 0.9]).reshape((1, 3) if family == "vectors" else 3)
    made = []
    for m, log_s in [(0.0, 0.0), (2.0, -0.7), (-1.0, 1.1)]:
        at = z
        for _ in range(found.sweeps):
            _, location, log_scale = function(m, log_s, at)
            at = location + np.exp(log_scale) * z
        made.append(np.sum(function(m, log_s, at)[0]) + log_scale.sum())
    np.testing.assert_allclose(made[1:], [made[0]] * 2, rtol=1e-10)


@pytest.mark.parametrize("family", ["walk", "walk of heavy steps", "autoregression"])
def test_series_are_standardised_from_their_first_place_on(family):
    """Without noise they go where they are said to, and the size of noise is that of their scale."""
    model = model_of(family)
    (found,) = location_scales(model, model.value_vars)
    function = pytensor.function(
        model.value_vars, [found.location, found.log_scale], on_unused_input="ignore", mode="FAST_COMPILE"
    )
    m, s, first = 0.4, 0.3, 1.5
    location, log_scale = function(m, np.log(s), np.array([first, 7.0, -9.0]))
    expected = {"walk": [first + m, first + 2 * m], "autoregression": [first * m, first * m**2]}
    np.testing.assert_allclose(location, [0.0, *expected.get(family, [first, first])])
    np.testing.assert_allclose(log_scale, [0.0, np.log(s), np.log(s)])


@pytest.mark.parametrize("size", [2, 3])
def test_rows_of_a_factor_are_standardised_by_their_diagonal(size):
    """That leaves rows of the factor of correlations alone, as the diagonal of these is made from the others."""
    with pm.Model() as model:
        pm.LKJCholeskyCov("x", n=size, eta=2, sd_dist=pm.HalfNormal.dist(shape=size))
    (found,) = location_scales(model, model.value_vars)
    q = np.array([0.4, -1.0, -2.0, 3.0, 5.0, 0.7])[: size * (size + 1) // 2]
    log_scale = found.log_scale.eval({found.value: q})
    np.testing.assert_allclose(log_scale, [0.0, -2.0, 0.0, 0.7, 0.7, 0.0][: len(q)])
    assert float(pt.sum(found.location).eval()) == 0.0


def test_a_factor_of_one_row_is_left_alone():
    with pm.Model() as model:
        pm.LKJCholeskyCov("x", n=1, eta=2, sd_dist=pm.HalfNormal.dist(shape=1))
    assert location_scales(model, model.value_vars) == []


def standardised_of(model):
    return {model.values_to_rvs[one.value].name: one for one in location_scales(model, model.value_vars)}


@pytest.mark.parametrize(
    ("written", "location", "scale"),
    [
        (lambda m, s, x: m + s * x, 0.7, 1.5),
        (lambda m, s, x: s * x + m, 0.7, 1.5),
        (lambda m, s, x: m + 1 + 2 * (s * x), 1.7, 3.0),
        (lambda m, s, x: s * x * m, 0.0, 1.05),
        (lambda m, s, x: m - s * x, 0.0, 1.5),
        (lambda m, s, x: m + 2 * x, 0.7, 2.0),
        (lambda m, s, x: m + x / s, 0.7, 1 / 1.5),
        (lambda m, s, x: m + s * x[np.array([0, 2, 2, 1])], 0.7, 1.5),
        (lambda m, s, x: pm.Deterministic("effect", m + s * x)[np.array([0, 2, 2, 1])], 0.7, 1.5),
        (lambda m, s, x: np.arange(4.0) * m + s * x[np.array([0, 2, 2, 1])], 0.0, 1.5),
        (lambda m, s, x: np.array([1.0, 2.0, 3.0]) * m + s * x, [0.7, 1.4, 2.1], 1.5),
    ],
)
def test_what_is_standardised_by_hand(written, location, scale):
    with pm.Model() as model:
        m, s = pm.Normal("m"), pm.LogNormal("s")
        x = pm.Normal("x", shape=3)
        made = written(m, s, x)
        pm.Normal("seen", made, 1.0, observed=np.zeros(4 if made.type.shape == (4,) else 3))
    (found,) = location_scales(model, model.value_vars)
    assert (found.value.name, found.weight) == ("x", 0.0)
    parts = [pt.broadcast_to(part, (3,)) for part in (found.location, found.log_scale)]
    function = pytensor.function(model.value_vars, parts, on_unused_input="ignore", mode="FAST_COMPILE")
    at = function(0.7, np.log(1.5), np.zeros(3))
    np.testing.assert_allclose(at, [np.broadcast_to(location, 3), np.full(3, np.log(scale))], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "written",
    [
        lambda m, s, x: m + x,  # no scale
        lambda m, s, x: m + s * x + x**2,  # more is made of it
        lambda m, s, x: m + s[np.array([0, 0, 0, 0])] * x[np.array([0, 2, 2, 1])],
        lambda m, s, x: pt.stack([s[0] * x[0], x[1], x[2]]),
        lambda m, s, x: pt.dot(np.ones((3, 3)), x) * s,
        lambda m, s, x: pm.math.exp(s * pm.math.exp(x)),
        lambda m, s, x: s / x,
    ],
)
def test_what_is_not(written):
    with pm.Model() as model:
        m, s = pm.Normal("m"), pm.LogNormal("s", shape=1)
        made = written(m, s, pm.Normal("x", shape=3))
        pm.Normal("seen", made, 1.0, observed=np.zeros(4 if made.type.shape == (4,) else 3))
    assert standardised_of(model) == {}


def test_of_two_in_one_sum_one_is_the_location_of_the_other():
    with pm.Model() as model:
        s, t = pm.LogNormal("s"), pm.LogNormal("t")
        pm.Normal("seen", s * pm.Normal("x", shape=3) + t * pm.Normal("z", shape=3), 1.0, observed=np.zeros(3))
    found = standardised_of(model)
    assert [(name, one.level) for name, one in found.items()] == [("z", 1), ("x", 2)]


@pytest.mark.parametrize("shape", [(), 3])
def test_of_two_in_one_product_neither_has_a_scale(shape):
    """As in a model of factors; what depends on the product is found all the same."""
    with pm.Model() as model:
        s = pm.LogNormal("s")
        loading, factor = pm.Normal("loading", shape=shape), pm.StudentT("factor", nu=4, shape=shape)
        pm.Normal("child", s * (loading * factor), s)
    assert names_found(model) == ["child"]


def test_what_is_made_in_a_circle_is_left_alone(monkeypatch):
    with pm.Model() as model:
        a, b = pm.Normal("a"), pm.Normal("b")
        pm.Normal("beside", a, pt.exp(b))
    circle = [(a, pt.zeros(()), b), (b, pt.zeros(()), a)]
    monkeypatch.setattr("pymc_symplectic.target.families.standardised", lambda _: circle)
    assert "a" not in names_found(model) and "b" not in names_found(model)


def test_levels_by_hand():
    with pm.Model() as model:
        m, s = pm.Normal("m"), pm.LogNormal("s")
        middle = m + s * pm.Normal("x", shape=2)
        pm.Normal("seen", middle[np.array([0, 0, 1])] + s * pm.Normal("z", shape=3), 1.0, observed=np.zeros(3))
    assert [(name, one.level) for name, one in standardised_of(model).items()] == [("x", 1), ("z", 2)]


@pytest.mark.parametrize("count", [3, 30])
def test_many_products_in_one_sum_are_no_series(count):
    with pm.Model() as model:
        s = pm.LogNormal("s", shape=count)
        made = sum(s[i] * pm.Normal(f"x{i}") for i in range(count))
        pm.Normal("seen", made, 1.0, observed=0.0)
    found = standardised_of(model)
    assert sorted(found) == sorted(f"x{i}" for i in range(count))
    assert max(one.level for one in found.values()) <= LEVELS


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
        lambda s: pm.MvNormal("x", np.zeros(LARGEST + 1), s * np.eye(LARGEST + 1)),
        lambda s: pm.MvNormal("x", np.zeros(2), s * np.stack([np.eye(2)] * 3)),
        lambda s: pm.RandomWalk("x", pm.Normal.dist(), innovation_dist=pm.Exponential.dist(s), steps=3),
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
