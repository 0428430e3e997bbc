"""Compare results across systems: every leaf of a tree, as NumPy arrays, against the expected one.

A system whose result differs is not timed; its cell in the table says by how much it differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to each leaf of nested tuples and lists, keeping the nesting."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(map_leaves(function, part) for part in tree)
    return function(tree)


def leaves(tree: Any) -> list[Any]:
    """Leaves of nested tuples and lists, from left to right."""
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def as_arrays(tree: Any) -> list[NDArray[Any]]:
    """Leaves of a result of any system, as NumPy arrays."""
    return [np.asarray(leaf.detach() if hasattr(leaf, "detach") else leaf) for leaf in leaves(tree)]


def mismatch(found: list[NDArray[Any]], expected: list[NDArray[Any]], tolerance: float) -> str:
    """Say how `found` differs from `expected`; empty where it does not.

    The error of a leaf is measured against the largest entry of the expected leaf, because small
    entries of a large array carry the rounding of the sums that made them.
    """
    if len(found) != len(expected):
        return f"{len(found)} results where {len(expected)} were expected"
    for position, (leaf, wanted) in enumerate(zip(found, expected, strict=True)):
        if leaf.shape != wanted.shape:
            return f"result {position} has shape {leaf.shape}, expected {wanted.shape}"
        if leaf.dtype != np.float64:
            return f"result {position} has dtype {leaf.dtype}, expected float64"
        scale = float(np.max(np.abs(wanted), initial=0.0)) or 1.0
        error = float(np.max(np.abs(leaf - wanted), initial=0.0)) / scale
        if not error <= tolerance:
            return f"result {position} is off by {error:.2g}, relative to its largest entry"
    return ""
