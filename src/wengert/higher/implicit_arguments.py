"""Which values that a function reads from outside become arguments of its program."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .. import tree
from ..tracing.core import Array, Traced
from .remembering import COMPARED

# A container with more leaves than this is taken as it is: reading it would cost too much a call.
_MOST_LEAVES = 1000


def is_implicit(value: Any) -> bool:
    """Return whether a value read from outside becomes an argument of the program."""
    if type(value) in (Array, Traced):
        return True
    if type(value) is np.ndarray:
        return value.dtype.kind in "biufc"
    return isinstance(value, (float, complex, np.inexact))


def is_lifted(value: Any) -> bool:
    """Return whether an attribute of an object becomes an argument of the program."""
    return is_implicit(value) or (is_container(value) and any(map(is_implicit, tree.leaves(value))))


def is_container(value: Any) -> bool:
    """Return whether a value is a tree of numbers, arrays and names, with one leaf at least."""
    kind = type(value)
    named = isinstance(value, tuple) and hasattr(value, "_fields")
    record = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if kind not in (list, tuple, dict) and not named and not record:
        return False
    own = getattr(value, "__dict__", None)
    if own and not (record and own.keys() <= value.__dataclass_fields__.keys()):
        return False  # it holds more than its leaves: a method of its own, for example
    try:
        leaves = tree.leaves(value)
    except (RecursionError, ValueError, TypeError):  # contains itself, or keys of no order
        return False
    return 0 < len(leaves) <= _MOST_LEAVES and (
        any(is_implicit(leaf) for leaf in leaves)
        or all(isinstance(leaf, (*COMPARED, np.generic)) or callable(leaf) for leaf in leaves)
    )
