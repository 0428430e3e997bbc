"""Reductions: sum and its kin. (thin slice)"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, kind_of_result
from ..tracing.core import bind, to_user
from ..tracing.operators import install_method
from ..tracing.protocols import implements
from .families import structural
from .samples import Fail, Sample, array
from .shaping import broadcast_primitive


def normalised_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes of a reduction as sorted non-negative integers; all axes for None."""
    if axis is None:
        return tuple(range(ndim))
    entries = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(entries, ndim)))


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for i, length in enumerate(shape) if i not in axes)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else length for i, length in enumerate(shape))


def spread(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Return a reduced value repeated along the reduced axes."""
    if np.shape(value) != ():
        value = np.reshape(value, kept_shape(shape, axes))
    return bind(broadcast_primitive, value, shape=shape)


def _infer_sum(x: Aval, *, axes: tuple[int, ...]) -> Aval:
    shape = reduced_shape(x.shape, axes)
    return Aval(shape, x.dtype, kind_of_result(shape))


reduce_sum = structural(
    "sum",
    evaluate=lambda x, *, axes: np.add.reduce(x, axis=axes),
    infer=_infer_sum,
    transpose=lambda g, x_aval, axes: spread(g, x_aval.shape, axes),
    samples=lambda: [Sample(array(3, 4), axes=(0,)), Sample(array(2, 3, 4), axes=(0, 2))],
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), axes=(1,))],
)


@implements(np.sum)
def sum(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    axes = normalised_axes(axis, np.ndim(a))
    return to_user(bind(reduce_sum, a, axes=axes))


install_method("sum", sum)
