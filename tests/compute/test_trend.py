import numpy as np
import pytest

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
