"""Derivatives in each mode, compared with expected ones (infinities, nan) or with differences."""

import warnings

import numpy as np

import wengert as wg
from reference import STEPS, close, jacobian, same

MODES = (wg.grad, wg.jacfwd, wg.jacrev)


def in_each_mode(function, point):
    """The gradient of a scalar-valued function, by the name of the transformation."""
    return {mode.__name__: np.asarray(mode(function)(point)) for mode in MODES}


def has_gradient(function, point, expected, tolerance=0.0):
    """Assert the gradient in each mode, to a relative tolerance."""
    for mode, gradient in in_each_mode(function, point).items():
        assert gradient.shape == np.shape(point), mode
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, equal_nan=True, err_msg=mode)


def agrees(function, point, steps=STEPS):
    """Value as NumPy's to the bit, Jacobian in both modes as differences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = function(point.copy())
        value, _ = wg.vjp(function, point)
        same(value, expected)
        reference = jacobian(function, point, steps)
        for mode in (wg.jacfwd, wg.jacrev):
            close(mode(function)(point), reference, 1e-9)
