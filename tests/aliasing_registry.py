"""The table of aliasing programs, and the points at which they are differentiated.

The programs themselves stand in ``aliasing_views``, ``aliasing_indices`` and ``aliasing_buffers``.
"""

import numpy as np

# No entry lies within 0.05 of a threshold that a program compares with, nor of another entry.
VECTOR = np.array([0.7, -1.3, 0.4, 1.1, -0.6])
SHORT = np.array([0.7, -1.3, 0.4])
POSITIVE = np.array([0.8, 1.7, 0.5, 1.2])
WIDE = np.array([[0.3, -0.8, 1.2], [0.9, 0.5, -1.1]])
SQUARE = np.array([[0.9, -0.4, 0.3], [0.2, 1.1, -0.7], [-0.5, 0.6, 1.3]])

PROGRAMS = {}


def program(point):
    """Register a function under its own name, with the point at which it is differentiated."""

    def register(function):
        assert function.__name__ not in PROGRAMS
        PROGRAMS[function.__name__] = (function, point)
        return function

    return register
