"""What is compiled for a model is kept while the model is the same, and no longer."""

import gc
import threading
import weakref

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.tensor.blockwise import Blockwise

import pymc_symplectic as ps
from pymc_symplectic.target import LogDensity, kept_log_density

SEEN = np.array([1.0, 2.0, 4.0])


class Times(Op):
    """A product with a number that is no part of the graph."""

    def __init__(self, factor):
        self.factor = factor

    def make_node(self, x):
        return Apply(self, [pt.as_tensor_variable(x)], [pt.dscalar()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(np.ravel(self.factor)[0] * inputs[0])

    def pullback(self, inputs, outputs, cotangents):
        return [cotangents[0] * float(np.ravel(self.factor)[0])]


def new_model(op=None):
    seen, index, start, weights = SEEN.copy(), np.array([0, 1, 1]), np.zeros(2), np.array([1.0, 2.0])
    with pm.Model() as model:
        x = pm.Data("x", [0.0, 1.0, 2.0])
        a = pm.Normal("a", shape=2, initval=start)
        pm.Potential("within", summed(weights)(a))
        b = pm.HalfNormal("b", initval=1.5)
        mean = a[index] + (b if op is None else op(b)) * x
        pm.Normal("y", mean, observed=seen)
        pm.Deterministic("mean", mean)
    model.seen, model.start = seen, start
    return model


def summed(weights):
    """An operation with an array within its own graph."""
    inner = pt.dvector()
    return OpFromGraph([inner], [-0.01 * (pt.constant(weights) * inner**2).sum()])


@pytest.fixture
def model():
    return new_model()


def is_same(a, b):
    return a._full is b._full


def numbers(target):
    return target(np.array([0.3, -0.2, 0.4]))[0]


def test_a_model_that_has_not_changed_is_compiled_once(model):
    first, again = kept_log_density(model), kept_log_density(model)
    assert first is not again and is_same(first, again)
    assert is_same(ps.HMC(model=model).target, first)
    assert numbers(first) == numbers(again)


def test_nothing_is_compiled_by_a_second_call(model, monkeypatch):
    def run():
        starts = ps.initial_points(model, 2, random_seed=1)
        quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
        idata = ps.sample(20, tune=100, chains=2, cores=1, random_seed=1, model=model, **quiet)
        ps.HMC(model=model)
        return starts, idata

    def refuse(*_, **__):
        raise AssertionError("something is compiled")

    (starts, idata) = run()
    monkeypatch.setattr("pytensor.compile.maker.FunctionMaker.__init__", refuse)
    monkeypatch.setattr("numba.core.dispatcher._FunctionCompiler.compile", refuse)
    same_starts, same = run()
    np.testing.assert_array_equal(same["posterior"]["mean"], idata["posterior"]["mean"])
    np.testing.assert_array_equal(same_starts[1]["a"], starts[1]["a"])


def add_variable(model):
    with model:
        pm.Normal("c")


def add_potential(model):
    with model:
        pm.Potential("p", -(model["b"] ** 2))


def add_deterministic(model):
    with model:
        pm.Deterministic("twice", 2 * model["b"])


def add_data(model):
    with model:
        pm.Normal("z", model["b"], observed=0.5)


def exchange_transform(model):
    other = transforms.LogExpM1()
    other.name = "log"  # value variables have the name in theirs
    model.rvs_to_transforms[model["b"]] = other


def exchange_initial_value(model):
    model.rvs_to_initial_values[model["b"]] = 0.5


def write_to_initial_value(model):
    model.start[0] = 0.7


def write_within_an_operation(model):
    inside = ancestors(model["within"].owner.op.inner_outputs)
    [weights] = [v for v in inside if isinstance(v, Constant) and np.shape(v.data) == (2,)]
    weights.data[0] += 4.0


def write_to_data(model):
    model.seen[0] = -3.0
    model.rvs_to_values[model["y"]].data[0] = -3.0


def write_to_index(model):
    for variable in ancestors([model["mean"]]):
        if getattr(variable, "data", None) is not None and np.shape(variable.data) == (3,):
            variable.data[1] = 0


@pytest.mark.parametrize(
    "change",
    [
        add_variable, add_potential, add_deterministic, add_data, exchange_transform,
        exchange_initial_value, write_to_initial_value, write_within_an_operation, write_to_data, write_to_index,
    ],
)  # fmt: skip
def test_a_model_that_has_changed_is_compiled_anew(model, change):
    before = kept_log_density(model)
    change(model)
    after = kept_log_density(model)
    assert not is_same(before, after)
    point = model.initial_point()
    assert after(after.to_vector(point))[0] == pytest.approx(float(model.compile_logp()(point)))
    np.testing.assert_array_equal(after.default_start, after.to_vector(point))


def test_a_model_that_is_again_as_it_was_is_not(model):
    before = kept_log_density(model)
    add_potential(model)
    assert not is_same(kept_log_density(model), before)
    model.potentials.pop()
    assert is_same(kept_log_density(model), before)


def test_so_it_is_with_another_mode_or_precision(model):
    plain = kept_log_density(model)
    quick = kept_log_density(model, {"mode": "FAST_COMPILE"})
    assert not is_same(plain, quick)
    assert is_same(quick, kept_log_density(model, {"mode": "FAST_COMPILE"}))
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        assert not is_same(kept_log_density(model), plain)
    assert is_same(kept_log_density(model), plain)


def test_so_it_is_with_an_operation_that_has_changed():
    op = Times(2.0)
    model = new_model(op)
    before = numbers(kept_log_density(model))
    op.factor = 3.0
    assert numbers(kept_log_density(model)) == pytest.approx(numbers(kept_log_density(new_model(Times(3.0)))))
    assert numbers(kept_log_density(model)) != before


class Shifted(transforms.LogTransform):
    """A transform with a number that is no part of the graph."""

    by = 0.0

    def backward(self, value, *inputs):
        return super().backward(value, *inputs) + self.by


def in_blocks(op):
    return lambda x: Blockwise(op, signature="()->()")(x[None])[0]


def with_a_closure(array):
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.CustomDist("y", x, logp=lambda value, mu: -0.5 * (array * (value - mu) ** 2).sum(), observed=SEEN)
    return model


def with_a_transform(transform):
    with pm.Model() as model:
        pm.HalfNormal("x", default_transform=transform)
    return model


def with_an_operation(op, place):
    with pm.Model() as model:
        pm.Potential("p", -(place(pm.Normal("x")) ** 2))
    return model


def set_item(thing):
    thing[0] = 3.0


def set_factor(thing):
    thing.factor = 3.0


def set_in_list(thing):
    thing.factor[0] = 3.0


@pytest.mark.parametrize(
    ("make", "thing", "change"),
    [
        (with_a_closure, lambda: np.ones(3), set_item),
        (with_a_transform, Shifted, lambda transform: setattr(transform, "by", 0.5)),
        (lambda op: with_an_operation(op, in_blocks(op)), lambda: Times(2.0), set_factor),
        (lambda op: with_an_operation(op, op), lambda: Times(np.array([2.0])[0:1]), lambda op: set_item(op.factor)),
        (lambda op: with_an_operation(op, op), lambda: Times([2.0]), set_in_list),
    ],
    ids=["closure", "transform", "in blocks", "array", "list"],
)
def test_so_it_is_with_what_a_users_own_objects_hold(make, thing, change):
    thing = thing()
    model = make(thing)
    before = kept_log_density(model)
    assert is_same(before, kept_log_density(model))
    change(thing)
    after, fresh = kept_log_density(model), LogDensity(model=model)
    at = np.array([0.3])
    assert not is_same(before, after)
    assert after(at)[0] == pytest.approx(fresh(at)[0])
    np.testing.assert_allclose(after(at)[1], fresh(at)[1])


def test_indices_that_are_written_to_are_checked_again():
    with pm.Model() as model:
        index = pm.Data("index", [0, 1, 0])
        pm.Normal("y", pm.Normal("a", shape=2)[index], observed=SEEN)
    kept_log_density(model)
    index.get_value(borrow=True)[1] = 7
    with pytest.raises(IndexError, match="7 is out of range"):
        kept_log_density(model)


def test_other_data_are_no_change_and_are_seen(model):
    before = kept_log_density(model)
    at = numbers(before)
    pm.set_data({"x": [0.0, 1.0, -2.0]}, model=model)
    after = kept_log_density(model)
    assert is_same(before, after) and numbers(after) != at


def test_variables_of_another_shape_are_compiled_for_it():
    with pm.Model(coords={"i": range(2)}) as model:
        x = pm.Data("x", [0.0, 1.0], dims="i")
        pm.Normal("a", x, dims="i")
    two = kept_log_density(model)
    pm.set_data({"x": [0.0, 1.0, 2.0]}, model=model, coords={"i": range(3)})
    three = kept_log_density(model)
    assert (two.dim, three.dim) == (2, 3)
    pm.set_data({"x": [1.0, 1.0]}, model=model, coords={"i": range(2)})
    assert is_same(kept_log_density(model), two)


@pytest.mark.parametrize("op", [None, Times(2.0)], ids=["native", "through Python"])
def test_what_is_kept_goes_with_the_model(op):
    model = new_model(op)
    quiet = {"progressbar": False, "quiet": True, "compute_convergence_checks": False}
    ps.sample(5, tune=10, chains=1, cores=1, random_seed=1, model=model, step_size=0.1, metric="identity", **quiet)
    ps.initial_points(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_each_has_errors_of_its_own(model):
    one, other = kept_log_density(model), kept_log_density(model)
    one.error = ValueError("of one")
    assert other.error is None


def test_threads_share_what_one_of_them_compiles(model):
    found = []
    threads = [threading.Thread(target=lambda: found.append(kept_log_density(model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(is_same(found[0], target) for target in found)


def test_some_of_the_variables_are_not_kept(model):
    assert not is_same(ps.HMC(["b"], model=model).target, ps.HMC(["b"], model=model).target)
