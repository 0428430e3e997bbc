"""Axes of reductions: normal forms, the shapes they leave, and values spread back along them.

Used by the rules of reductions, cumulative functions and statistics; nothing here is a primitive.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.core import Array, Traced, bind, raw_of, read_handle, shape_of
from ..tracing.keys import build_array
from ..tracing.operators import as_operand
from .indexing import read
from .shaping import broadcast_primitive, evaluate_broadcast

Axes = tuple[int, ...] | None

# Up to this size a fresh array is filled; beyond it a view with strides 0 is cheaper.
_FILLED_SIZE = 1024


def normalised_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes of a reduction as sorted non-negative integers; all axes for None."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is tuple:
        found = tuple(sorted([single_axis(entry, ndim) for entry in axis]))
        if len(set(found)) != len(found):
            raise ValueError("duplicate value in 'axis'")
        return found
    position = operator.index(axis)
    if not ndim and position in (0, -1):  # as ufunc.reduce has it
        return ()
    if not -ndim <= position < ndim:
        raise np.exceptions.AxisError(position, ndim)
    return (position % ndim,)


def single_axis(axis: Any, ndim: int) -> int:
    """Return one axis as a non-negative integer."""
    position = operator.index(axis)
    if not -ndim <= position < ndim:
        raise np.exceptions.AxisError(position, ndim)
    return position % ndim


def loop_dtype(dtype: Any, x: Any, out: Any) -> Any:
    """Return the dtype in which ufunc.reduce computes for an ``out=``: the wider one."""
    if dtype is not None or out.dtype.kind not in "fc":
        return dtype
    found = aval_of(x).dtype
    wider = np.result_type(found, out.dtype)
    return None if wider == found else wider


def all_axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Return the axes that a reduction's parameter stands for."""
    return tuple(range(ndim)) if axes is None else axes


def reduced_shape(
    shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool = False
) -> tuple[int, ...]:
    """Return the shape of the result of a reduction."""
    if keepdims:
        return kept_shape(shape, axes)
    return tuple(length for i, length in enumerate(shape) if i not in axes)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with length 1 along the reduced axes."""
    return tuple(1 if i in axes else length for i, length in enumerate(shape))


def kept(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Return a reduced value in a shape that broadcasts against `shape`."""
    found = shape_of(value)
    if not found or len(found) == len(shape):
        return value
    if type(value) is np.ndarray:
        return value.reshape(kept_shape(shape, axes))
    return np.reshape(value, kept_shape(shape, axes))


def spread(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Return a reduced value repeated along the reduced axes; large ones as a read-only view."""
    if type(value) is np.float64 and shape:
        return evaluate_broadcast(value, shape=shape)
    value = kept(value, shape, axes)
    if shape_of(value) == shape:
        return value
    if type(value) is Array or type(value) is Traced:
        return bind(broadcast_primitive, value, shape=shape)
    if math.prod(shape) <= _FILLED_SIZE:
        filled = np.empty(shape, aval_of(value).dtype)
        filled[...] = value
        return filled
    return np.broadcast_to(value, shape)


def along(axis: int, key: Any) -> tuple[Any, ...]:
    """Return the index that applies `key` to one axis."""
    return (slice(None),) * axis + (key,)


def taken(x: Any, axis: int, key: Any) -> Any:
    """Return ``x[…, key, …]`` of a value of any level, as a raw value."""
    if type(x) is np.ndarray:
        return x[along(axis, key)]
    return bind(read, x, path=(("index", along(axis, key)),))


def flipped(x: Any, axis: int) -> Any:
    """Return a value of any level with one axis reversed."""
    return taken(x, axis, slice(None, None, -1))


def operand_of(a: Any) -> Any:
    """Return the raw value of what a user gave: handles, numbers, arrays, lists."""
    kind = type(a)
    if kind is Array:
        return read_handle(a)
    if kind is Traced or kind is np.ndarray or kind is float:
        return a
    if kind is list or kind is tuple:
        return raw_of(build_array(a))
    operand = as_operand(a)
    return np.asarray(a) if operand is NotImplemented else raw_of(operand)
