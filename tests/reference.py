"""Derivatives of plain NumPy functions by extrapolated central differences, for comparison.

Nothing of wengert is used here, so a test that agrees with these numbers has a second, independent
witness. Points may be trees' leaves of every kind: Python float, NumPy scalar, 0-d array, array.
"""

import math
from itertools import pairwise

import numpy as np

# Four halvings of the step cancel the errors of order h², h⁴ and h⁶: what is left is about 1e-15
# times a ninth derivative, plus rounding of about 1e-16 / 0.005.
STEPS = (0.04, 0.02, 0.01, 0.005)


def central(curve, steps=STEPS):
    """Derivative at 0 of ``curve``, a function of one real number, by Richardson extrapolation."""
    column = [(np.asarray(curve(h)) - np.asarray(curve(-h))) / (2 * h) for h in steps]
    return extrapolated(column)


def extrapolated(column):
    """The limit at step 0 of formulas of even order, given at steps that are halved each time."""
    for order in range(1, len(column)):
        factor = 4**order
        column = [(factor * fine - coarse) / (factor - 1) for coarse, fine in pairwise(column)]
    return column[0]


def of_kind(values, point):
    """``values`` as a fresh object of the kind and dtype of ``point``."""
    if isinstance(point, np.ndarray):
        return np.array(values, dtype=point.dtype)
    return type(point)(values)


def directional(function, point, direction, steps=STEPS):
    """Derivative of ``function`` at ``point`` along ``direction``, of the function's own shape."""
    return central(lambda distance: function(of_kind(point + distance * direction, point)), steps)


def unit_directions(point):
    """One direction an entry of ``point``, in C order."""
    shape = np.shape(point)
    size = math.prod(shape)
    return np.eye(size).reshape((size, *shape))


def jacobian(function, point, steps=STEPS):
    """Jacobian of ``function`` at ``point``, of shape ``out.shape + in.shape``."""
    columns = [directional(function, point, unit, steps) for unit in unit_directions(point)]
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape(stacked.shape[:-1] + np.shape(point))


def hessian_product(function, point, direction, steps=STEPS):
    """Hessian of the scalar-valued ``function`` at ``point``, times ``direction``."""
    return directional(lambda moving: jacobian(function, moving, steps), point, direction, steps)


def spaced(*shape, start, step, seed):
    """Numbers in random order, further apart than the steps of the differences."""
    size = math.prod(shape)
    numbers = start + step * (np.arange(size) + 0.1 * np.cos(np.arange(size)))
    return np.random.default_rng(seed).permutation(numbers).reshape(shape)


def irregular(value):
    """Fixed numbers of the shape of ``value``, no two related, none 0: weights and directions."""
    shape = np.shape(value)
    return np.cos(1.0 + np.arange(math.prod(shape))).reshape(shape)


def scalarised(program):
    """A scalar-valued function of ``program``'s output, whose curvature weighs every entry."""

    def objective(x):
        out = program(x)
        return np.sum(irregular(out) * (out + out * out))

    return objective


def close(actual, expected, tolerance):
    """Assert shapes equal, and entries within ``tolerance`` of the larger of 1 and the scale."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert np.isfinite(actual).all(), actual
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    error = float(np.max(np.abs(actual - expected), initial=0.0))
    assert error <= tolerance * scale, f"off by {error:.3g}: {actual!r} against {expected!r}"


def fresh(point):
    """A copy that shares no memory, so that a program which writes into its input is harmless."""
    return point.copy() if isinstance(point, np.ndarray) else point


def same(actual, expected):
    """Assert the same Python type, dtype, shape and bits."""
    assert type(actual) is type(expected), (type(actual), type(expected))
    if isinstance(expected, (np.ndarray, np.generic)):
        assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype)
        assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert bits(actual) == bits(expected), (actual, expected)


def bits(value):
    """The bits of ``value``; for long doubles, whose padding means nothing, numbers and signs."""
    array = np.asarray(value)
    if array.dtype.char not in "gG":
        return array.tobytes()
    parts = [array.real, array.imag]
    return [(repr(part.tolist()), np.signbit(part).tolist()) for part in parts]
