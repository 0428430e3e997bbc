"""Points at which the surface is differentiated, and constants that its calls use."""

import numpy as np


def _numbers(*shape, seed):
    """Numbers between -2 and 2, no two near each other, none near 0."""
    size = int(np.prod(shape))
    spread = np.linspace(-1.9, 1.9, 2 * size + 1)[::2][:size] + 0.07
    return np.random.default_rng(seed).permutation(spread).reshape(shape)


POINTS = {
    "x": np.array([0.7, -1.3, 0.45, 2.25, -0.65]),
    "y": np.array([1.1, 0.3, -0.8, 0.5, 1.7]),
    "p": np.array([0.6, 1.4, 2.3, 0.9, 1.7]),
    "q": np.array([2.1, 0.8, 1.2, 0.3, 1.5]),
    "u": np.array([-0.7, 0.2, 0.5, -0.35, 0.85]),
    "v": np.array([0.3, 1.25, -0.9]),
    "a": _numbers(3, 4, seed=1),
    "b": _numbers(4, 2, seed=2),
    "m": np.array([[2.1, -0.4, 0.7], [0.3, 1.6, -0.9], [-0.8, 0.5, 2.9]]),
    "t": _numbers(2, 3, 4, seed=3),
    "batch": np.array([[2.1, -0.4], [0.3, 1.6]]) + 0.3 * _numbers(3, 2, 2, seed=4),
    "z": np.array([0.7 + 0.3j, -1.3 + 0.8j, 0.4 - 1.1j, 0.9 + 0.2j]),
    "w": _numbers(3, 3, seed=5) + 1j * _numbers(3, 3, seed=6) + 2.0 * np.eye(3),
    "gaps": np.array([1.2, np.nan, -0.4, 2.0, 0.7]),
    "gapped": np.array([[1.2, np.nan, -0.4], [0.5, 2.0, np.nan], [-1.1, 0.8, 0.3]]),
    "s": np.float64(1.37),
    "f": 0.8,
    "o": np.array(0.9),
    "single": np.array([0.5, -1.25, 0.75], np.float32),
}

CONSTANTS = {
    "mask": np.array([True, False, True, True, False]),
    "mask34": np.arange(12).reshape(3, 4) % 3 > 0,
    "order": np.array([3, 0, 4, 1]),
    "counts": np.array([0, 2, 1, 1, 3]),
    "weights": np.array([0.5, 1.0, 0.25, 2.0, 0.75]),
    "grid": np.array([-2.0, -1.0, 0.1, 1.2, 3.0]),
    "vectorised": np.vectorize(lambda e, c: e * c + np.sin(e)),
}
