"""A learned log-density, as a value that users read."""

import numpy as np
import pytest
from laws.surrogates import surrogate
from laws.systems import DIM

from pymc_symplectic.surrogates import LearnedDensity

DENSITY = surrogate("gumbel", "good")
PLACES = np.random.default_rng(3).normal(size=(2, 5, DIM))


def test_many_places_are_as_each_by_itself():
    values, gradients = DENSITY.at(PLACES)
    assert values.shape == PLACES.shape[:-1] and gradients.shape == PLACES.shape
    for at in np.ndindex(values.shape):
        value, gradient = DENSITY.at(PLACES[at].tolist())
        assert np.ndim(value) == 0 and value == values[at]
        np.testing.assert_array_equal(gradient, gradients[at])
    nowhere, none = DENSITY.at(np.empty((0, DIM)))
    assert nowhere.shape == (0,) and none.shape == (0, DIM)


@pytest.mark.parametrize(
    "places", [0.5, [], np.zeros(DIM + 1), np.zeros((DIM, 2)), [0.0, np.nan, 0.0], [0.0, np.inf, 0.0]], ids=str
)
def test_places_elsewhere_are_refused(places):
    with pytest.raises(ValueError, match=rf"positions must be finite numbers of shape \(\.\.\., {DIM}\)"):
        DENSITY.at(places)


def test_it_comes_back_from_its_parameters():
    again = LearnedDensity.of_params(DENSITY.params)
    np.testing.assert_array_equal(again.at(PLACES)[0], DENSITY.at(PLACES)[0])
    assert repr(again) == f"LearnedDensity: polynomial of degree 5, of {DIM} coordinates"
