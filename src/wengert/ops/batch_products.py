"""Batch rules of products: one matrix product for all examples, wherever it can be one.

An operand that is the same for all examples is not repeated: the batch axis of the other one counts
as one of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, ndim_of, raw_of, shape_of, to_user
from .batch_rules import (
    Axis,
    BatchRule,
    by_signature,
    front,
    in_shape,
    logical_ndim,
    moved,
    padded,
    shifted,
)
from .projection import as_numpy_scalar


def matmul_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``matmul``."""
    general = by_signature(primitive, (("m", "n"), ("n", "p")), (("m", "p"),), {"m", "p"})

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x, y = values
        ndims = tuple(map(logical_ndim, values, axes))
        if axes[1] is None and ndims in ((1, 1), (1, 2), (2, 1), (2, 2)):
            return bind(primitive, front(x, axes[0]), y), 0
        if axes[0] is None and ndims == (1, 1):
            return bind(primitive, front(y, axes[1]), x), 0
        if axes[0] is None and ndims == (2, 1):  # (x yᵀ)ᵀ = y xᵀ: the examples are rows
            return bind(primitive, front(y, axes[1]), moved(x, 0, 1)), 0
        return general(values, axes, params)

    return batch


def dot_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``dot``: over the last axis and the last but one."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x, y = values
        x_ndim, y_ndim = map(logical_ndim, values, axes)
        if not x_ndim or not y_ndim:
            ndim = max(x_ndim, y_ndim)
            # A Python number counts as the array that NumPy makes of it.
            x, y = (as_numpy_scalar(v) if aval_of(v).kind == "python" else v for v in (x, y))
            x, y = padded(x, axes[0], ndim), padded(y, axes[1], ndim)
            return raw_of(np.multiply(to_user(x), to_user(y))), 0
        pairs = ((x_ndim - 1,), (max(y_ndim - 2, 0),))
        return _contracted(values, axes, pairs)

    return batch


def tensordot_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``tensordot``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        return _contracted(values, axes, params["axes"])

    return batch


def vdot_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``vdot``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x, y = (
            in_shape(value, (-1,))
            if axis is None
            else in_shape(front(value, axis), (shape_of(value)[axis], -1))
            for value, axis in zip(values, axes, strict=True)
        )
        return raw_of(np.vecdot(to_user(x), to_user(y))), 0

    return batch


def _contracted(
    values: Sequence[Any], places: Sequence[Axis], pairs: Sequence[Sequence[int]]
) -> tuple[Any, int]:
    """Return Σ x y over pairs of logical axes, and the batch axis of the result."""
    x, y = (front(value, place) for value, place in zip(values, places, strict=True))
    first, second = (
        tuple(axis % logical_ndim(value, place) for axis in axes)
        for value, place, axes in zip((x, y), places, pairs, strict=True)
    )
    if places[1] is None:
        return raw_of(np.tensordot(to_user(x), to_user(y), (shifted(first, 0), second))), 0
    if places[0] is None:
        found = raw_of(np.tensordot(to_user(x), to_user(y), (first, shifted(second, 0))))
        return found, ndim_of(x) - len(first)
    size, *x_shape = shape_of(x)
    _, *y_shape = shape_of(y)
    x_free = [axis for axis in range(len(x_shape)) if axis not in first]
    y_free = [axis for axis in range(len(y_shape)) if axis not in second]
    count = math.prod(x_shape[axis] for axis in first)
    left = in_shape(
        raw_of(np.transpose(to_user(x), (0, *shifted((*x_free, *first), 0)))),
        (size, math.prod(x_shape[axis] for axis in x_free), count),
    )
    right = in_shape(
        raw_of(np.transpose(to_user(y), (0, *shifted((*second, *y_free), 0)))),
        (size, count, math.prod(y_shape[axis] for axis in y_free)),
    )
    free = (*(x_shape[axis] for axis in x_free), *(y_shape[axis] for axis in y_free))
    return in_shape(raw_of(np.matmul(to_user(left), to_user(right))), (size, *free)), 0
