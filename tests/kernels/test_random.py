"""NumPy's own stream in compiled code, from a generator's addresses."""

import numpy as np
import pytest

from pymc_symplectic.kernels.compile import kernel
from pymc_symplectic.kernels.random import generator_at, generator_record

BIT_GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


@kernel
def some_of_each(random, out):
    rng = generator_at(random)
    for i in range(out.size):
        kind = i % 8
        if kind == 0:
            out[i] = rng.random()
        elif kind == 1:
            out[i] = rng.standard_normal()
        elif kind == 2:
            out[i] = rng.standard_exponential()
        elif kind == 3:
            out[i] = rng.standard_gamma(2.5)
        elif kind == 4:
            out[i] = rng.standard_gamma(0.3)
        elif kind == 5:
            out[i] = rng.normal(1.0, 2.0)
        elif kind == 6:
            out[i] = rng.uniform(-1.0, 3.0)
        else:
            out[i] = rng.exponential(0.5)


@pytest.mark.parametrize("bits", BIT_GENERATORS, ids=lambda bits: bits.__name__)
def test_draws_are_those_of_numpy(bits):
    compiled, python = np.random.Generator(bits(1)), np.random.Generator(bits(1))
    a, b = np.empty(8_000), np.empty(8_000)
    some_of_each(generator_record(compiled), a)
    some_of_each.py_func(python, b)
    np.testing.assert_allclose(a, b, rtol=1e-15)
    # and both go on from the same place
    np.testing.assert_equal(compiled.bit_generator.state, python.bit_generator.state)
    assert compiled.standard_normal() == python.standard_normal()


def test_a_record_follows_the_state_of_its_generator():
    rng = np.random.default_rng(2)
    record, before = generator_record(rng), rng.bit_generator.state
    first, second, third = np.empty((3, 40))
    some_of_each(record, first)
    some_of_each(record, second)
    rng.bit_generator.state = before
    some_of_each(record, third)
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)


def test_records_of_two_generators_are_apart():
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    a, b = np.empty((2, 40))
    some_of_each(generator_record(one), a)
    some_of_each(generator_record(other), b)
    np.testing.assert_array_equal(a, b)


def test_a_generator_stands_for_its_own_record_in_python():
    rng = np.random.default_rng(4)
    assert generator_at(rng) is rng
