"""Quantiles, percentiles and medians: every method and keyword, nan, weights, and the quantile.

Values are NumPy's to the bit; derivatives are compared with differences in both modes.
"""

import math

import numpy as np
import pytest

import wengert as wg
from modes import agrees, has_gradient
from reference import close, jacobian, same, spaced

NAN = math.nan


X = spaced(3, 4, start=-1.9, step=0.31, seed=1)
CUBE = spaced(2, 3, 4, start=0.3, step=0.12, seed=2)
WEIGHTS = np.random.default_rng(4).uniform(0.2, 2.0, (3, 4))


METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("method", METHODS)
def test_quantiles(method):
    for q in (0.0, 0.37, 0.5, 1.0, [0.1, 0.93]):
        agrees(lambda x, q=q: np.quantile(x, q, method=method), X)
        agrees(lambda x, q=q: np.quantile(x, q, axis=0, method=method), X)
    agrees(
        lambda x: np.percentile(x, [[30, 40.0]], axis=(0, 2), keepdims=True, method=method), CUBE
    )
    narrow = X.astype(np.float32)
    for q in (0.37, np.float64(0.37), [0.1, 0.2]):
        same(
            wg.vjp(lambda x, q=q: np.quantile(x, q, method=method), narrow)[0],
            np.quantile(narrow, q, method=method),
        )
    with_nan = X.copy()
    with_nan[1, 2] = with_nan[0, :2] = NAN
    for function in (np.quantile, np.nanquantile):
        value = wg.vjp(lambda x, f=function: f(x, [0.2, 0.7], axis=1, method=method), with_nan)[0]
        same(value, function(with_nan, [0.2, 0.7], axis=1, method=method))


def test_quantiles_by_the_quantile():
    for method in ("linear", "hazen", "median_unbiased", "weibull"):
        agrees(
            lambda q, m=method: np.quantile(X + 0 * q[0], q, axis=1, method=m),
            np.array([0.23, 0.7]),
            steps=(0.004, 0.002, 0.001, 0.0005),
        )
    has_gradient(lambda q: np.percentile(np.array([1.0, 3.0, 4.0]), q), 30.0, 0.04, 1e-13)


def test_medians_and_quantiles_without_nan():
    with_nan = X.copy()
    with_nan[1, 2] = with_nan[0, :2] = NAN
    weights = np.array([1.0, 2.0, 4.0])
    for function in (np.nanmedian, lambda x, axis: np.nanpercentile(x, 40, axis=axis)):
        gradient = wg.grad(lambda x, f=function: weights @ f(x, axis=1))(with_nan)
        expected = np.zeros((3, 4))
        for row in range(3):
            used = ~np.isnan(with_nan[row])
            slope = jacobian(lambda v, f=function: f(v, axis=0), with_nan[row, used])
            expected[row, used] = weights[row] * slope
        close(gradient, expected, 1e-10)
        value = wg.vjp(lambda x, f=function: f(x, axis=1), with_nan)[0]
        same(value, function(with_nan, axis=1))


def test_weighted_quantiles():
    agrees(lambda x: np.quantile(x, [0.2, 0.7], weights=WEIGHTS, method="inverted_cdf"), X)
    agrees(lambda x: np.quantile(x, 0.4, axis=1, weights=WEIGHTS[0], method="inverted_cdf"), X)
    with pytest.raises(ValueError, match="supports weights"):
        wg.grad(lambda x: np.quantile(x, 0.5, weights=WEIGHTS))(X)
    with pytest.raises(ValueError, match=r"range \[0, 100\]"):
        wg.grad(lambda x: np.percentile(x, 101))(X)
    with pytest.raises(ValueError, match="not a valid method"):
        wg.grad(lambda x: np.quantile(x, 0.5, method="none"))(X)
