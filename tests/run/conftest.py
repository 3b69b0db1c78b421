"""Models and executors that several files share; making either costs seconds."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

import pymc_symplectic as ps
from pymc_symplectic.run import task


class PythonNormal(Op):
    """The log-density of a standard normal, which only Python can compute; `trouble` is called with each position."""

    __props__ = ("trouble",)

    def __init__(self, trouble=None):
        self.trouble = trouble

    def make_node(self, x):
        x = pt.as_tensor_variable(x)
        return Apply(self, [x], [pt.dscalar(), x.type()])

    def perform(self, node, inputs, outputs):
        (x,) = inputs
        if self.trouble is not None:
            self.trouble(x)
        outputs[0][0] = np.asarray(-0.5 * float(x @ x))
        outputs[1][0] = -x

    def L_op(self, inputs, outputs, gradients):
        return [gradients[0] * outputs[1]]


def _python_model(trouble=None):
    with pm.Model() as model:
        x = pm.Flat("x", shape=2, initval=np.zeros(2))
        pm.Potential("density", PythonNormal(trouble)(x)[0])
    return model


@pytest.fixture(scope="session")
def python_model():
    """``python_model(trouble)``: a model that goes through the interpreter at every evaluation."""
    return _python_model


def new_rich_model():
    """Vectors with string coordinates, a transform, data, and deterministic variables that depend on the data."""
    with pm.Model(coords={"place": ["a", "bb", "ccc"]}) as model:
        x = pm.Data("x", np.array([-1.0, 0.5, 2.0]), dims="place")
        slope = pm.Normal("slope", 0.0, 1.0)
        sigma = pm.HalfNormal("sigma", 1.0)
        mean = pm.Deterministic("mean", slope * x, dims="place")
        pm.Deterministic("largest", pt.max(mean))
        pm.Normal("y", mean, sigma, observed=np.array([-0.8, 0.6, 1.7]), dims="place")
    return model


@pytest.fixture(scope="session")
def rich_model():
    return new_rich_model()


@pytest.fixture(scope="session")
def rich_step(rich_model):
    return ps.HMC(model=rich_model)


@pytest.fixture(scope="session")
def starts(rich_model):
    return ps.initial_points(rich_model, 4, random_seed=1)


@pytest.fixture(scope="session")
def pool():
    """Two processes, which have compiled what they were sent before."""
    with ProcessPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="session")
def threads():
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="session")
def dask_cluster():
    """Two workers, each a process with a nanny."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def out_of_order(monkeypatch):
    """``out_of_order(n)``: chain n fails where it begins."""
    real = task.begin

    def arrange(number):
        def begin(setup, job):
            if job.index == number:
                raise RuntimeError("out of order")
            return real(setup, job)

        monkeypatch.setattr(task, "begin", begin)

    return arrange
