"""The table of whole programs: what an entry is, how it is registered, and seeded points.

Nothing of wengert is used here: the programs are plain NumPy and run without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# What a program does that matters to a transformation; every flag is about values of parameters.
FLAGS = frozenset(
    {
        "branches",  # `if` on a value
        "loops",  # `while` on a value: the number of iterations depends on the parameters
        "positions",  # an index or a count computed from a value
        "writes",  # writes into its own parameters
    }
)


@dataclass(frozen=True, eq=False)
class Program:
    """A function of one tree of parameters to a scalar or an array, and a point to take it at.

    ``steps`` are those of the differences: smaller ones where the point is close to a singularity,
    a kink or a branch.
    """

    name: str
    function: Callable[[Any], Any]
    point: Any
    flags: frozenset[str]
    steps: tuple[float, ...]

    def __repr__(self):
        return self.name


PROGRAMS: dict[str, Program] = {}


def program(point, *flags, step=0.04):
    """Register a function under its own name, with a point and flags."""
    assert set(flags) <= FLAGS, flags

    def register(function):
        name = function.__name__
        assert name not in PROGRAMS, name
        steps = tuple(step / 2**halving for halving in range(4))
        PROGRAMS[name] = Program(name, function, point, frozenset(flags), steps)
        return function

    return register


def normal(seed, *shape, scale=1.0):
    """Normal random numbers, the same in every run."""
    return scale * np.random.default_rng(seed).normal(size=shape)


def uniform(seed, low, high, *shape):
    """Uniform random numbers between two bounds, the same in every run."""
    return np.random.default_rng(seed).uniform(low, high, size=shape)


def dominant(seed, size):
    """A square matrix that every elimination without pivoting goes through well."""
    return normal(seed, size, size) + size * np.eye(size)


def definite(seed, size):
    """A symmetric positive definite matrix."""
    root = normal(seed, size, size)
    return root @ root.T + size * np.eye(size)
