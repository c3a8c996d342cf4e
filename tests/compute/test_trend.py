"""A local trend: R's loess, its laws, and points it was not made for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import read_labelled_matrix
from skmisc.loess import loess

from helpers.compute.normalise import gene_moments
from helpers.compute.trend import can_fit_trend, fit_trend
from helpers.errors import DataError


def test_fit_trend__goes_through_a_quadratic():
    x = np.random.default_rng(0).uniform(-2, 3, 200)
    y = 1 - 2 * x + 0.5 * x**2
    np.testing.assert_allclose(fit_trend(x, y, span=0.4), y, atol=1e-8)


def test_fit_trend__smooths_noise_and_does_not_mind_the_order():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 6, 400)
    y = np.sin(x) + rng.normal(0, 0.2, 400)
    fitted = fit_trend(x, y, span=0.3)
    assert np.abs(fitted - np.sin(x)).mean() < 0.06
    order = rng.permutation(400)
    np.testing.assert_allclose(fit_trend(x[order], y[order], span=0.3), fitted[order], atol=1e-12)


def test_fit_trend__refuses_too_few_points():
    assert not can_fit_trend(np.array([1.0, 2.0, 3.0]), span=0.3)
    with pytest.raises(
        DataError, match=r"3 points at 3 places are too few for a trend of span 0\.3"
    ):
        fit_trend(np.arange(3.0), np.arange(3.0), span=0.3)


@pytest.mark.parametrize("decimals", [1, 2, 6])
@pytest.mark.parametrize("seed", range(4))
def test_fit_trend__equals_loess_with_and_without_ties(seed, decimals):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rng.integers(100, 1500)).round(decimals)
    y = np.sin(x) + rng.normal(0, 0.1, len(x))
    original = loess(x, y, span=0.3, degree=2)
    original.fit()
    np.testing.assert_allclose(
        fit_trend(x, y, span=0.3), original.outputs.fitted_values, atol=1e-10
    )


@pytest.mark.parametrize("n_cells", [100, 200, 1000])
def test_fit_trend__equals_loess_where_most_genes_are_tied(oracles, n_cells):
    counts, _, _ = read_labelled_matrix(oracles / "inputs" / "kang_pbmc" / "ctrl")
    mean, variance = gene_moments(counts[:n_cells])
    x, y = np.log10(mean[variance > 0]), np.log10(variance[variance > 0])
    original = loess(x, y, span=0.3, degree=2)
    singular = fit_loess(original)
    np.testing.assert_allclose(
        fit_trend(x, y, span=0.3), original.outputs.fitted_values, atol=1e-10
    )
    assert singular == (n_cells < 1000)


def fit_loess(original: loess) -> bool:
    """Whether it complained; it has by then computed what R gives with a warning."""
    try:
        original.fit()
    except ValueError as complaint:
        return "singularities" in str(complaint)
    return False


@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(0.1, 10))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_fit_trend__moves_and_scales_with_the_points(seed, shift, factor):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 60))
    plain = fit_trend(x, y, span=0.4)
    np.testing.assert_allclose(
        fit_trend(factor * x + shift, 2 * y - 1, span=0.4), 2 * plain - 1, atol=1e-7
    )


def test_fit_trend__widens_a_neighbourhood_whose_points_are_all_on_its_edge():
    # 70 of 100 points lie at one place: their neighbourhood of 30 has no width
    x = np.concatenate([np.zeros(70), np.linspace(1, 2, 30)])
    np.testing.assert_allclose(fit_trend(x, 3 + 2 * x, span=0.3), 3 + 2 * x, atol=1e-8)


def test_can_fit_trend__needs_three_points_near_and_three_places():
    assert can_fit_trend(np.arange(10.0), span=0.3)
    assert not can_fit_trend(np.arange(9.0), span=0.3)
    assert not can_fit_trend(np.repeat([1.0, 2.0], 50), span=0.3)
