"""Functions and arrays by their addresses."""

import gc

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from pymc_symplectic.kernels.address import (
    DRAW,
    ENERGY,
    LOGP,
    VELOCITY,
    AddressedFunction,
    array_at,
    draw_at,
    energy_at,
    logp_at,
    velocity_at,
)
from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.random import generator_at, generator_record


def _logp(data, position, gradient, value):
    value[0] = -0.5 * data[0] * position[0] ** 2
    gradient[0] = -data[0] * position[0]
    data[1] += 1
    return data[1] % 3


def _energy(params, momentum):
    return params[0] * abs(momentum[0])


def _velocity(params, momentum, out):
    out[0] = params[0] * np.sign(momentum[0])


def _draw(params, rng, out):
    out[0] = rng.standard_exponential() / params[0]


FUNCTIONS = [
    AddressedFunction(function, signature)
    for function, signature in ((_logp, LOGP), (_energy, ENERGY), (_velocity, VELOCITY), (_draw, DRAW))
]
ADDRESSES = tuple(function.address for function in FUNCTIONS)


@kernel
def call_all(addresses, random, data, vector, out):
    out[0] = logp_at(addresses[0])(data, vector, out[3:4], out[4:5])
    out[1] = energy_at(addresses[1])(vector, vector)
    velocity_at(addresses[2])(vector, vector, out[2:3])
    draw_at(addresses[3])(vector, generator_at(random), out[5:6])


def test_called_by_address_and_from_python():
    compiled, python = np.zeros(6), np.zeros(6)
    for random, call, out in (
        (generator_record(rng := np.random.default_rng(1)), call_all, compiled),
        (np.random.default_rng(1), call_all.py_func, python),
    ):
        data = np.array([2, 4])
        call(ADDRESSES, random, data, np.array([-1.5]), out)
        assert data[1] == 5  # what is shared is written in place
    np.testing.assert_array_equal(compiled, python)
    np.testing.assert_array_equal(compiled[:5], [2, -2.25, 1.5, 3.0, -2.25])
    assert rng.bit_generator.state != np.random.default_rng(1).bit_generator.state


def test_kernels_are_compiled_once_for_all_functions():
    other = AddressedFunction(lambda params, momentum: 7.0, ENERGY)
    out = np.zeros(6)
    call_all(ADDRESSES, generator_record(rng := np.random.default_rng(1)), np.array([2, 4]), np.array([1.0]), out)
    compiled = len(call_all.signatures)
    addresses = (ADDRESSES[0], other.address, *ADDRESSES[2:])
    call_all(addresses, generator_record(rng), np.array([2, 4]), np.array([1.0]), out)
    assert out[1] == 7.0
    assert len(call_all.signatures) == compiled


def test_an_address_is_good_for_as_long_as_its_function_lives():
    function = AddressedFunction(lambda params, momentum: 1.0, ENERGY)
    address, python = function.address, function.python
    assert AddressedFunction.at(address) is python
    del function
    gc.collect()
    with pytest.raises(KeyError):
        AddressedFunction.at(address)


def test_what_is_not_of_the_signature_is_refused():
    with pytest.raises(TypingError):
        AddressedFunction(lambda params, momentum: "much", ENERGY)


@numba.njit
def read(addresses, out):
    scalar = array_at(addresses[0], (), np.float64)
    vector = array_at(addresses[1], (3,), np.int32)
    matrix = array_at(addresses[2], (2, 3), np.float32)
    out[0] = scalar[()]
    out[1] = vector[2]
    out[2] = matrix[1, 0]
    out[3] = matrix.size


def test_arrays_at_addresses():
    arrays = np.array(1.5), np.arange(3, dtype=np.int32), np.arange(6, dtype=np.float32).reshape(2, 3)
    out = np.zeros(4)
    read(tuple(array.ctypes.data for array in arrays), out)
    np.testing.assert_array_equal(out, [1.5, 2, 3, 6])


def test_arrays_at_addresses_are_for_compiled_code():
    with pytest.raises(NotImplementedError, match="compiled code"):
        array_at(0, (1,), np.float64)
