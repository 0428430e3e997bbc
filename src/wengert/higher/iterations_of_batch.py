"""Iterations of many examples at once, on plain vectors along the last axis.

Each example takes steps of its own, and stays where it has come to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[[Any], Any]

_HALVINGS = 30


def newton_of_batch(
    condition: Function,
    solve: Callable[[Any, Any, Any], tuple[Any, Any]],
    x: Any,
    tolerance: float,
    most: int,
    rounding: float,
) -> tuple[Any, Any, Any]:
    """Return the ends of Newton's method, what is left there, and which are roots; see `newton`."""
    value = condition(x)
    left = scale = np.max(np.abs(value), axis=-1)
    near = np.zeros(left.shape, bool)
    stuck = near
    for _ in range(most):
        going = (left > tolerance) & np.isfinite(left) & ~near & ~stuck
        if not np.any(going):
            break
        direction, _ = solve(x, np.where(going[..., None], value, 0.0), np.max(left[going]))
        least = 8 * rounding * np.maximum(1.0, np.max(np.abs(x), axis=-1))
        nothing = np.max(np.abs(direction), axis=-1) <= least
        searching, factor = going, np.ones(left.shape)
        start, before = x, left
        for _ in range(_HALVINGS):
            there = start + factor[..., None] * direction
            found = condition(there)
            size = np.max(np.abs(found), axis=-1)
            better = searching & (size < before)
            x = np.where(better[..., None], there, x)
            value = np.where(better[..., None], found, value)
            left = np.where(better, size, left)
            searching = searching & ~better
            if not np.any(searching):
                break
            factor = np.where(searching, 0.5 * factor, factor)
        ends = nothing | (before <= 1e-9 * np.maximum(1.0, scale))
        near = near | (searching & ends)
        stuck = stuck | (searching & ~ends)
    return x, left, (left <= tolerance) | near


def descend_of_batch(slope_at: Function, x: Any, until: Any, most: int) -> Any:
    """Go down along the gradients, see `descend`."""
    slope = slope_at(x)
    size = np.max(np.abs(slope), axis=-1, keepdims=True)
    rate = 1.0 / np.maximum(1.0, size)
    for _ in range(most):
        going = (size > until) & np.isfinite(size)
        if not np.any(going):
            break
        move = np.where(going, -rate * slope, 0.0)
        following = slope_at(x + move)
        turned = _product(move, following) <= -0.5 * _product(move, slope)
        short = np.all(np.isfinite(following), axis=-1, keepdims=True) & turned
        curvature = _product(move, following - slope)
        longer = np.where(curvature > 0.0, _product(move, move) / curvature, 2.0 * rate)
        steps = going & short
        x, slope = np.where(steps, x + move, x), np.where(steps, following, slope)
        rate = np.where(going, np.where(short, longer, 0.5 * rate), rate)
        size = np.max(np.abs(slope), axis=-1, keepdims=True)
    return x


def _product(first: Any, second: Any) -> Any:
    return np.sum(first * second, axis=-1, keepdims=True)
