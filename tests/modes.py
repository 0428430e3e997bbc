"""The gradient in each mode, to compare with an expected one, infinities and nan included."""

import numpy as np

import wengert as wg

MODES = (wg.grad, wg.jacfwd, wg.jacrev)


def in_each_mode(function, point):
    """The gradient of a scalar-valued function, by the name of the transformation."""
    return {mode.__name__: np.asarray(mode(function)(point)) for mode in MODES}


def has_gradient(function, point, expected, tolerance=0.0):
    """Assert the gradient in each mode, to a relative tolerance."""
    for mode, gradient in in_each_mode(function, point).items():
        assert gradient.shape == np.shape(point), mode
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, equal_nan=True, err_msg=mode)
