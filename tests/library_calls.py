"""The table of real NumPy and SciPy calls, and the plain data that they work on.

The calls stand in ``library_calls_solvers``, ``library_calls_analysis``, ``library_calls_numpy``:
each takes nothing and returns plain results. The data are made here, once, outside of any
transformation; the call-backs make theirs inside, by the names that users write.
"""

import numpy as np

CALLS = {}


def call(name):
    """Register the decorated function under ``name``, the library's own name for what it calls."""

    def register(function):
        assert name not in CALLS
        CALLS[name] = function
        return function

    return register


GENERATOR = np.random.default_rng(2024)
TIMES = np.linspace(0.0, 2.0, 9)
DECAYED = 2.0 * np.exp(-TIMES) + 0.3 + 0.01 * np.cos(7.0 * TIMES)
NOISE = GENERATOR.normal(size=40)
OTHER = GENERATOR.normal(0.3, 1.2, size=35)
POINTS = GENERATOR.uniform(size=(24, 2))
MATRIX = GENERATOR.normal(size=(6, 6))
SYMMETRIC = MATRIX @ MATRIX.T + 6.0 * np.eye(6)
RIGHT = GENERATOR.normal(size=6)
IMAGE = GENERATOR.uniform(size=(9, 11))
START = np.array([-0.4, 0.8])
