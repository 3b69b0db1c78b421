"""A change of variables, with its Jacobian: the density that chains sample is the model's, in other coordinates."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors

import pymc_symplectic as ps
from pymc_symplectic.chain import Chain
from pymc_symplectic.settings import Settings
from pymc_symplectic.target import kept_log_density
from pymc_symplectic.target.parametrization import Parametrization

from .test_families import FAMILIES, ROTATED, model_of


def nested():
    """Three deep; with a level in two dimensions, a scale with a scale, data, and what is no part of it."""
    with pm.Model() as model:
        offset = pm.Data("offset", np.array([0.5, -0.5]))
        top = pm.Normal("top")
        scale = pm.HalfNormal("scale", pt.exp(top / 4))
        other = pm.Normal("other", 1.0, 2.0)
        middle = pm.StudentT("middle", nu=5, mu=top + offset, sigma=scale, shape=2)
        bottom = pm.Normal("bottom", middle + other, 0.3 + scale, shape=(3, 2))
        pm.Normal("seen", bottom, 1.0, observed=np.linspace(-1, 1, 6).reshape(3, 2))
    return model


def chain_of(model, parametrization, target=None, **options):
    settings = Settings.choose(parametrization=parametrization, **options)
    target = target or kept_log_density(model, reparametrized=settings.reparametrizes)
    return Chain(target, settings, np.random.default_rng(1))


def inside(chain, coordinates):
    """The density and its gradient that kernels find at coordinates."""
    position = chain._coordinates.outward(coordinates[None])[0][0]
    chain._move_in(coordinates, position)
    current = chain._state.current
    return float(current.value[0]), current.gradient.copy(), position


def check_density(chain, model, q):
    """By finite differences of the map, and of the density, from those of the model itself."""
    plain = model.compile_fn(model.logp(), inputs=model.value_vars, mode="FAST_COMPILE")
    coordinates = chain._coordinates
    y = coordinates.inward(q)
    np.testing.assert_allclose(coordinates.outward(y[None])[0][0], q, rtol=1e-12, atol=1e-12)
    value, gradient, position = inside(chain, y)
    steps = 1e-5 * np.eye(len(q))
    jacobian = np.array([
        (coordinates.outward((y + step)[None])[0][0] - coordinates.outward((y - step)[None])[0][0]) / 2e-5
        for step in steps
    ])  # fmt: skip
    expected = float(plain(chain.target.to_point(position))) + np.linalg.slogdet(jacobian)[1]
    assert value == pytest.approx(expected, rel=1e-7, abs=1e-7)
    slopes = [(inside(chain, y + step)[0] - inside(chain, y - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-6)


WEIGHTS = {"noncentered": 0.0, "between": 0.3, "centered": 1.0, "each": np.array([0.0, 0.45, 1.0])}


@pytest.mark.parametrize("family", [*FAMILIES, *ROTATED])
def test_density_of_each_family(family):
    model = model_of(family)
    target = kept_log_density(model, {"mode": "FAST_COMPILE"}, reparametrized=True)
    for weights in WEIGHTS.values():
        check_density(chain_of(model, {"x": weights}, target), model, np.array([0.4, -0.6, 0.3, -0.2, 1.1]))


def random_weights(parametrization):
    rng = np.random.default_rng(5)
    return {name: rng.uniform(size=parametrization.shapes[value]) for name, value in parametrization.names.items()}


def test_density_of_levels_that_nest():
    model = nested()
    target = kept_log_density(model, reparametrized=True)
    assert target.native
    assert list(target.parametrization.names) == ["scale", "middle", "bottom"]
    q = np.random.default_rng(2).normal(size=target.dim) / 2
    for parametrization in ("noncentered", random_weights(target.parametrization)):
        check_density(chain_of(model, parametrization, target), model, q)


def test_density_of_vectors_under_a_factor():
    """Of which all that depends on it sees what it is in the model, whatever chains move in."""
    with pm.Model() as model:
        factor, *_ = pm.LKJCholeskyCov("factor", n=2, eta=2, sd_dist=pm.HalfNormal.dist(shape=2))
        pm.MvNormal("x", [0.3, -0.2], chol=factor, shape=(2, 2))
    target = kept_log_density(model, {"mode": "FAST_COMPILE"}, reparametrized=True)
    assert list(target.parametrization.names) == ["factor", "x"]
    q = np.array([0.4, -0.6, 0.3, -0.2, 1.1, 0.5, -0.9])
    for weights in ({"factor": 0.0, "x": 0.0}, {"factor": 0.4, "x": 0.3}, {"factor": [0.0, 0.7, 0.5], "x": 1.0}):
        check_density(chain_of(model, weights, target), model, q)


def test_a_wrong_jacobian_would_be_seen(monkeypatch):
    """Of a hundredth less, as by another temperature."""
    right = Parametrization.weights_of
    monkeypatch.setattr(Parametrization, "weights_of", lambda self, wanted, _: right(self, wanted, 0.99))
    with pytest.raises(AssertionError):
        test_density_of_levels_that_nest()


def test_with_weights_of_one_it_is_the_models_own():
    model = nested()
    target = kept_log_density(model, reparametrized=True)
    chain = chain_of(model, {"bottom": 1.0}, target)
    q = np.random.default_rng(2).normal(size=target.dim)
    np.testing.assert_allclose(chain._coordinates.inward(q), q, rtol=1e-13)
    value, gradient, _ = inside(chain, q)
    expected, slope = kept_log_density(model)(q)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)
    np.testing.assert_allclose(target(q)[1], slope, rtol=1e-10)  # of the model, whatever chains move in


@pytest.mark.parametrize("family", ["by hand", "by hand, indexed", "vector", "walk"])
def test_by_itself_it_is_the_density_of_the_model(family):
    """As starts are looked at, and errors are blamed: whatever chains move in, also of what is non-centered by hand."""
    model = model_of(family)
    q = np.array([0.4, -0.6, 0.3, -0.2, 1.1])
    options = {"mode": "FAST_COMPILE"}
    (value, slope), (expected, slopes) = (
        kept_log_density(model, options, reparametrized=reparametrized)(q) for reparametrized in (True, False)
    )
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slope, slopes, rtol=1e-10)


def test_chains_have_weights_of_their_own():
    """Side by side, on one compiled density."""
    model = model_of("normal")
    target = kept_log_density(model, reparametrized=True)
    y = np.array([0.4, -0.6, 0.3, -0.2, 1.1])
    chains = [chain_of(model, {"x": w}, target) for w in (0.0, 0.5, 1.0)]
    together = [inside(chain, y)[0] for chain in chains]
    assert [inside(chain, y)[0] for chain in chains] == together
    assert len(set(together)) == 3
    alone = [inside(chain_of(model, {"x": w}), y)[0] for w in (0.0, 0.5, 1.0)]
    assert together == alone


def test_data_may_be_replaced():
    model = nested()
    target = kept_log_density(model, reparametrized=True)
    chain = chain_of(model, "noncentered", target)
    q = np.random.default_rng(2).normal(size=target.dim) / 2
    pm.set_data({"offset": np.array([3.0, 7.0])}, model=model)
    target.refresh()
    check_density(chain, model, q)


def test_through_python():
    """Each chain by its weights, where kernels call back into the interpreter."""
    model = model_of("normal")
    options = {"mode": "FAST_COMPILE"}
    target = kept_log_density(model, options, reparametrized=True)
    y = np.array([0.4, -0.6, 0.3, -0.2, 1.1])
    native = kept_log_density(model, reparametrized=True)
    for weights in (0.0, 0.5):
        ours, theirs = (chain_of(model, {"x": weights}, of) for of in (target, native))
        assert inside(ours, y)[0] == pytest.approx(inside(theirs, y)[0], rel=1e-12)
        check_density(ours, model, y)
    assert not target.native
    np.testing.assert_allclose(target(y)[0], native(y)[0], rtol=1e-12)  # and afterwards all is as it was


def test_temperature():
    """π^{1/T} of the model: the Jacobian is not tempered."""
    model = model_of("normal")
    chain = chain_of(model, "noncentered", temperature=2.5)
    y = np.array([0.4, -0.6, 0.3, -0.2, 1.1])
    value, _, position = inside(chain, y)
    _, (log_jacobian,) = chain._coordinates.outward(y[None])
    assert value == pytest.approx(kept_log_density(model)(position)[0] / 2.5 + log_jacobian, rel=1e-12)


def difficult(name):
    """Graphs that overflow unless PyTensor rewrites them before it takes gradients."""
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1000)
        if name == "softplus":
            pm.Normal("x", 0, pt.log(1 + pt.exp(a)), shape=2)
        else:
            pm.Normal("x", pt.log(pt.exp(a) + pt.exp(a / 2)), 1.0, shape=2)
    return model


@pytest.mark.parametrize("name", ["softplus", "log-sum-exp"])
@pytest.mark.parametrize("a", [800.0, -0.3])
def test_graphs_are_rewritten_as_those_of_the_model_are(name, a):
    model = difficult(name)
    target, plain = (kept_log_density(model, reparametrized=r) for r in (True, False))
    q = np.array([a, 0.7, -0.4])
    assert np.isfinite(plain(q)[1]).all()
    for ours, theirs in zip(target(q), plain(q), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12)
    chain = chain_of(model, "noncentered", target)
    value, gradient, _ = inside(chain, chain._coordinates.inward(q))
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_with_weights_of_one_locations_far_away_do_no_harm():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1e18)
        pm.Normal("x", a, 1e17)
    target, plain = (kept_log_density(model, reparametrized=r) for r in (True, False))
    q = np.array([1e17, 1e-4])
    np.testing.assert_array_equal(chain_of(model, {"x": 1.0}, target)._coordinates.inward(q), q)
    np.testing.assert_allclose(target(q)[1], plain(q)[1], rtol=1e-12)


def test_of_a_scale_of_0_the_density_is_what_it_is_in_the_model():
    with pm.Model() as model:
        t = pm.Normal("t")
        pm.Normal("x", 0, pt.exp(t))
    target, plain = (kept_log_density(model, reparametrized=r) for r in (True, False))
    q = np.array([-800.0, 0.5])
    assert target(q)[0] == plain(q)[0] == -np.inf


def test_a_factor_of_0_leaves_gradients_finite():
    """Of what is non-centered by hand: chains may start there."""
    with pm.Model() as model:
        t = pm.Normal("t")
        pm.Normal("seen", t * pm.Normal("z", shape=2), 1.0, observed=np.ones(2))
    target = kept_log_density(model, {"mode": "FAST_COMPILE"}, reparametrized=True)
    q = np.array([0.0, 0.3, -0.2])
    for weight in (0.0, 0.6):
        value, gradient, _ = inside(chain_of(model, {"z": weight}, target), q)
        assert value == pytest.approx(target(q)[0], rel=1e-12)
        np.testing.assert_allclose(gradient, target(q)[1], rtol=1e-12)
    assert np.isfinite(gradient).all()


def test_variables_without_elements_are_left_alone():
    with pm.Model() as model:
        t = pm.HalfNormal("t")
        pm.Normal("x", 0, t, shape=0)
        pm.Normal("z", 0, t, shape=2)
    assert list(kept_log_density(model, reparametrized=True).parametrization.names) == ["z"]


def test_graphs_are_shared():
    """Of levels that each depend on all above."""
    with pm.Model() as model:
        levels = [pm.Normal("x0")]
        for i in range(1, 6):
            levels.append(pm.Normal(f"x{i}", sum(levels), pt.exp(levels[-1])))
    layout = {value.name: ((), value.dtype) for value in model.value_vars}
    with model:
        found = Parametrization(model, model.value_vars, layout)
        assert len(found.names) == 5
        graph = found.density(model.logp())
    assert sum(variable.owner is not None for variable in ancestors([graph])) < 600


def test_graphs_of_vectors_under_vectors_are_shared():
    """Each of a vector's sweeps leaves what is above it as it is."""
    with pm.Model() as model:
        scale, above = pm.HalfNormal("scale"), np.zeros(6)
        for i in range(4):
            above = pm.MvNormal(f"x{i}", above, cov=scale * np.eye(6), shape=6)
        layout = {value.name: (value.type.shape, value.dtype) for value in model.value_vars}
        graph = Parametrization(model, model.value_vars, layout).density(model.logp())
    assert sum(variable.owner is not None for variable in ancestors([graph])) < 1500


def test_models_without_hierarchies_are_compiled_as_ever():
    with pm.Model() as model:
        pm.Normal("x", 0, 2, shape=3)
    target = kept_log_density(model, reparametrized=True)
    assert target.parametrization is None
    assert chain_of(model, "auto", target)._coordinates.target is target.target


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("centred", ValueError, "parametrization"),
        (0.3, TypeError, "parametrization must be one of 'auto', 'model', 'noncentered', or a dictionary"),
        (
            {"midle": 0.3},
            ValueError,
            "'midle' is not a free variable.* scale, middle, bottom. Did you mean 'middle'",
        ),
        ({"top": 0.3}, ValueError, "'top' cannot be reparametrised; those that can be are scale, middle, bottom"),
        ({"middle": 1.5}, ValueError, "weights of middle must lie between 0 .* and 1 .*got 1.5"),
        ({"middle": np.nan}, ValueError, "weights of middle must lie between"),
        ({"middle": "much"}, TypeError, "weights of middle must be numbers, got 'much'"),
        ({"middle": [0.1, 0.2, 0.3]}, ValueError, r"weights of middle have shape \(3,\), and .* shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("door", ["sample", "HMC"])
def test_bad_input(given, error, words, door):
    model = nested()
    with pytest.raises(error, match=words):
        if door == "sample":
            ps.sample(10, tune=10, model=model, parametrization=given, progressbar=False, quiet=True)
        else:
            ps.HMC(model=model, parametrization=given)
