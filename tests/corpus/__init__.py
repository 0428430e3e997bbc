"""Whole programs, written as people write NumPy, for every test that wants real ones.

``from corpus import PROGRAMS`` gives a dictionary from names to `Program`: a function of one tree
of parameters, a seeded point, and flags that say what depends on values.
"""

from . import (
    elimination,
    everyday,
    iteration,
    learning,
    motion,
    numerics,
    probability,
    sequences,
    stencils,
    unusual,
)
from .registry import FLAGS, PROGRAMS, Program

MODULES = (
    elimination,
    everyday,
    iteration,
    learning,
    motion,
    numerics,
    probability,
    sequences,
    stencils,
    unusual,
)

assert {entry.function.__module__ for entry in PROGRAMS.values()} == {m.__name__ for m in MODULES}

__all__ = ["FLAGS", "PROGRAMS", "Program"]
