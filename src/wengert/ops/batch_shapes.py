"""Batch rules of changes of shape: the batch axis stays first, the others are changed behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.paths import resolved_shape
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, shape_of, to_user
from .batch_rules import Axis, BatchRule, front, in_shape, padded


def broadcast_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``broadcast_to``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x = padded(values[0], axes[0], len(params["shape"]))
        return bind(primitive, x, shape=(shape_of(x)[0], *params["shape"])), 0

    return batch


def reshape_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``reshape``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x = front(values[0], axes[0])
        size, *shape = shape_of(x)
        new = resolved_shape(tuple(shape), params["shape"])
        if params["order"] != "F":
            return bind(primitive, x, shape=(size, *new), order="C"), 0
        # In Fortran's order: the axes turned round, reshaped in C's order, and turned back.
        x = raw_of(np.transpose(to_user(x), (0, *range(len(shape), 0, -1))))
        x = bind(primitive, x, shape=(size, *new[::-1]), order="C")
        return raw_of(np.transpose(to_user(x), (0, *range(len(new), 0, -1)))), 0

    return batch


def transpose_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``transpose``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        order = (0, *(axis + 1 for axis in params["axes"]))
        return bind(primitive, front(values[0], axes[0]), axes=order), 0

    return batch


def roll_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``roll``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x = front(values[0], axes[0])
        shape = shape_of(x)
        shift, axis, ndim = params["shift"], params["axis"], len(shape) - 1
        if axis is None:
            flat = in_shape(x, (shape[0], -1))
            return in_shape(bind(primitive, flat, shift=shift, axis=1), shape), 0
        several = axis if isinstance(axis, tuple) else (axis,)
        chosen = tuple(entry % ndim + 1 for entry in several)
        chosen_axis = chosen if isinstance(axis, tuple) else chosen[0]
        return bind(primitive, x, shift=shift, axis=chosen_axis), 0

    return batch
