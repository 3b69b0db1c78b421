"""Plots of what a run has learned: what is drawn is what it says."""

import numpy as np
import pytest
from hand_made import new_chain, new_learned
from numpy.testing import assert_allclose

from pymc_symplectic import plots


def lines(ax):
    """Coordinates of each line that has a label of its own."""
    return {
        each.get_label(): np.array(each.get_data(), dtype=float)
        for each in ax.get_lines()
        if not each.get_label().startswith("_")
    }


@pytest.fixture
def learned():
    return new_learned(new_chain(), new_chain(1.2, shift=0.1))


def test_scales(learned):
    left, right = plots.scales(learned)
    assert [text.get_text() for text in left.get_yticklabels()] == learned.labels
    drawn = lines(left)
    assert list(drawn) == ["chain 0", "chain 1", "pooled"]
    for number, chain in enumerate(learned.chains):
        assert_allclose(drawn[f"chain {number}"], [chain.scale, range(3)])
    assert_allclose(drawn["pooled"][0], learned.scales["sd"])
    means = [line.get_xdata() for line in right.get_lines()]
    assert_allclose(means[-1], learned.scales["mean"])
    assert left.get_xscale() == "log"


def test_scales_of_some_variables_and_of_chains_that_differ(learned, figures):
    left, _ = plots.scales(learned, "b_log__")
    assert [text.get_text() for text in left.get_yticklabels()] == ["b_log__[0]", "b_log__[1]"]
    _, given = figures.subplots(1, 2)
    left, right = plots.scales(new_learned(new_chain(mean=None), new_chain(5.0, mean=None)), ax=given)
    assert list(lines(left)) == ["chain 0", "chain 1"] and not right.get_lines()


def test_correlations(learned, figures):
    ax = plots.correlations(learned)
    (image,) = ax.get_images()
    assert_allclose(image.get_array(), learned.correlations.to_numpy())
    assert image.get_clim() == (-1, 1)
    assert [text.get_text() for text in ax.get_yticklabels()] == learned.labels
    _, given = figures.subplots()
    assert plots.correlations(learned, ["b_log__"], ax=given) is given
    assert given.get_images()[0].get_array().shape == (2, 2)


def test_what_cannot_be_drawn(learned):
    for plot in (plots.scales, plots.correlations):
        with pytest.raises(TypeError, match=r"learned must be a pymc_symplectic\.Learned, got a int; see ps\.learned"):
            plot(3)
        with pytest.raises(ValueError, match="nothing was learned of 'b'; unconstrained variables are a, b_log__"):
            plot(learned, "b")
        with pytest.raises(ValueError, match="var_names is empty"):
            plot(learned, [])
    with pytest.raises(ValueError, match="there are no common correlations, as chain 1 and chain 0 have metrics"):
        plots.correlations(new_learned(new_chain(), new_chain(5.0)))
