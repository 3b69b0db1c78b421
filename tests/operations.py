"""Operations of a user's own, in Python: what PyTensor calls black boxes."""

import time

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op


class Workspace:
    """Memory that operations share and that two threads must not use at once, though each lets another one run."""

    def __init__(self):
        self.memory, self.busy, self.overlaps = np.zeros(2), False, 0

    def square(self, x):
        self.overlaps += self.busy
        self.busy = True
        self.memory[:] = x
        time.sleep(2e-5)  # releases the interpreter's lock, as a solver does
        self.busy = False
        return self.memory**2


class Squares(Op):
    """x² of a vector of two, by a workspace; also its gradient."""

    __props__ = ()

    def __init__(self, workspace):
        self.workspace = workspace

    def make_node(self, x):
        return Apply(self, [pt.as_tensor_variable(x)], [pt.dvector()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = self.workspace.square(inputs[0])

    def pullback(self, inputs, outputs, cotangents):
        return [cotangents[0] * 2 * inputs[0]]


class Quadratic(Op):
    """-½|x|², by functions of the position that may raise what they like, and with the gradient that is asked for."""

    __props__ = ()

    def __init__(self, value=lambda x: -0.5 * np.sum(x**2), slope=lambda x: -x):
        self.value = value
        self.slope = Slope(slope)

    def make_node(self, x):
        return Apply(self, [pt.as_tensor_variable(x)], [pt.dscalar()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(self.value(inputs[0]))

    def pullback(self, inputs, outputs, cotangents):
        return [cotangents[0] * self.slope(inputs[0])]


class Slope(Op):
    __props__ = ()

    def __init__(self, slope):
        self.slope = slope

    def make_node(self, x):
        return Apply(self, [pt.as_tensor_variable(x)], [pt.dvector()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(self.slope(inputs[0]))
