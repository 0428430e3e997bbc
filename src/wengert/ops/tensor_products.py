"""Products and sums over pairs of axes: tensordot, outer, kron, cross, trace."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import bind, ndim_of, to_user
from ..tracing.operators import install_method
from ..tracing.protocols import implements
from .batch_products import tensordot_rule
from .batch_rules import front
from .contraction import as_tuple, leading, stored
from .core_family import column, operand
from .families import bilinear, structural
from .indexing import indexed_add
from .samples import Fail, Sample, array
from .shaping import array_raw

# ------------------------------------------------------------------ tensordot

Axes = tuple[tuple[int, ...], tuple[int, ...]]


def _free(ndim: int, axes: tuple[int, ...]) -> list[int]:
    return [i for i in range(ndim) if i not in axes]


def _infer_tensordot(x: Aval, y: Aval, *, axes: Axes) -> Aval:
    summed = [x.shape[i] for i in axes[0]], [y.shape[i] for i in axes[1]]
    if summed[0] != summed[1]:
        raise ValueError("shape-mismatch for sum")
    kept = [x.shape[i] for i in _free(x.ndim, axes[0])]
    shape = (*kept, *(y.shape[i] for i in _free(y.ndim, axes[1])))
    return Aval(shape, np.result_type(x.dtype, y.dtype), "array")


def _tensordot_first(g: Any, y: Any, x_aval: Aval, axes: Axes) -> Any:
    """Sum g with y over y's free axes, then put the axes into x's order."""
    own, others = axes
    free = _free(x_aval.ndim, own)
    free_of_y = _free(np.ndim(y), others)
    found = np.tensordot(g, y, (list(range(len(free), np.ndim(g))), free_of_y))
    rank = {axis: len(free) + i for i, axis in enumerate(sorted(others))}
    place = {axis: rank[other] for axis, other in zip(own, others, strict=True)}
    place |= {axis: i for i, axis in enumerate(free)}
    return _permuted(found, [place[i] for i in range(x_aval.ndim)])


def _tensordot_second(g: Any, x: Any, y_aval: Aval, axes: Axes) -> Any:
    """Sum x with g over x's free axes, then put the axes into y's order."""
    others, own = axes
    free_of_x = _free(np.ndim(x), others)
    found = np.tensordot(x, g, (free_of_x, leading(len(free_of_x))))
    rank = {axis: i for i, axis in enumerate(sorted(others))}
    place = {axis: rank[other] for axis, other in zip(own, others, strict=True)}
    place |= {axis: len(others) + i for i, axis in enumerate(_free(y_aval.ndim, own))}
    return _permuted(found, [place[i] for i in range(y_aval.ndim)])


def _permuted(x: Any, order: list[int]) -> Any:
    return x if order == list(range(len(order))) else np.transpose(x, order)


tensordot_primitive = bilinear(
    "tensordot",
    batching=tensordot_rule,
    evaluate=lambda x, y, *, axes: np.tensordot(x, y, axes),
    infer=_infer_tensordot,
    transposes=(_tensordot_first, _tensordot_second),
    samples=lambda: [
        Sample(array(3, 4), array(4, 2), axes=((1,), (0,))),
        Sample(array(3, 4), array(3, 4, seed=1), axes=((0, 1), (0, 1))),
        Sample(array(3, 4, 2), array(2, 5, 3), axes=((0, 2), (2, 0))),
        Sample(array(3, 4, 2), array(6, 2, 5, 3), axes=((2, 0), (1, 3))),
        Sample(array(3), array(2, 4), axes=((), ())),
        Sample(array(3, 4, dtype=np.complex128), array(5, 3), axes=((0,), (1,))),
        Sample(array(4, dtype=np.float32), array(4, dtype=np.float32), axes=((0,), (0,))),
        Sample(array(3, 0), array(0, 2), axes=((1,), (0,))),
        Sample(1.5, array(3), axes=((), ())),
    ],
    fails=lambda: [Fail(ValueError, "shape-mismatch", array(3, 4), array(3), axes=((1,), (0,)))],
    numpy=np.tensordot,
)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    first, second = operand(a), operand(b)
    pair = _axis_pair(axes, np.ndim(first), np.ndim(second))
    return to_user(bind(tensordot_primitive, first, second, axes=pair))


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return tensordot(x1, x2, axes)


def _axis_pair(axes: Any, ndim: int, other_ndim: int) -> Axes:
    if not isinstance(axes, Iterable):
        count = int(axes)
        if count > min(ndim, other_ndim):
            raise ValueError("shape-mismatch for sum")
        return tuple(range(ndim - count, ndim)), tuple(range(count))
    first, second = (as_tuple(entry) for entry in axes)
    if len(set(first)) < len(first) or len(set(second)) < len(second):
        raise ValueError("duplicate axes are not allowed in tensordot")
    if len(first) != len(second):
        raise ValueError("shape-mismatch for sum")
    return (
        tuple(axis % ndim if -ndim <= axis < ndim else axis for axis in first),
        tuple(axis % other_ndim if -other_ndim <= axis < other_ndim else axis for axis in second),
    )


# ------------------------------------------------------------------ products composed of others


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(np.reshape(operand(a), (-1, 1)), np.reshape(operand(b), (1, -1)), out=out)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    first, second = operand(x1), operand(x2)
    if np.ndim(first) != 1 or np.ndim(second) != 1:
        raise ValueError(
            "Input arrays must be one-dimensional, but they are "
            f"x1.ndim={np.ndim(first)} and x2.ndim={np.ndim(second)}."
        )
    return outer(first, second)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    first, second = operand(a), operand(b)
    ndim = max(np.ndim(first), np.ndim(second))
    if not np.ndim(first) or not np.ndim(second):
        return np.multiply(to_user(array_raw(first)), to_user(array_raw(second)))
    own = (1,) * (ndim - np.ndim(first)) + np.shape(first)
    others = (1,) * (ndim - np.ndim(second)) + np.shape(second)
    product = np.reshape(first, [n for size in own for n in (size, 1)]) * np.reshape(
        second, [n for size in others for n in (1, size)]
    )
    return np.reshape(product, tuple(m * n for m, n in zip(own, others, strict=True)))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = operand(a), operand(b)
    if not np.ndim(first) or not np.ndim(second):
        raise ValueError("At least one array has zero dimension")
    first, second = np.moveaxis(first, axisa, -1), np.moveaxis(second, axisb, -1)
    lengths = np.shape(first)[-1], np.shape(second)[-1]
    if not set(lengths) <= {2, 3}:
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if 2 in lengths:
        warnings.warn(
            "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors "
            "instead. (deprecated in NumPy 2.0)",
            DeprecationWarning,
            stacklevel=2,
        )
    x = [first[..., i] for i in range(lengths[0])]
    y = [second[..., i] for i in range(lengths[1])]
    last = x[0] * y[1] - x[1] * y[0]
    if lengths == (2, 2):
        return last
    if lengths == (2, 3):
        entries = [x[1] * y[2], -(x[0] * y[2]), last]
    elif lengths == (3, 2):
        entries = [-(x[2] * y[1]), x[2] * y[0], last]
    else:
        entries = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], last]
    return np.moveaxis(np.stack(entries, axis=-1), -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    first, second = operand(x1), operand(x2)
    lengths = np.shape(first)[axis], np.shape(second)[axis]
    if lengths != (3, 3):
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, "
            f"but they are {lengths[0]} and {lengths[1]} dimensional instead."
        )
    return cross(first, second, axis=axis)


# ------------------------------------------------------------------ trace


def _diagonal_path(shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    """Return the path to a diagonal, its entries along the last axis."""
    order = (*(i for i in range(len(shape)) if i not in (axis1, axis2)), axis1, axis2)
    rows, columns = shape[axis1], shape[axis2]
    places = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return (
        ("transpose", order),
        ("index", (Ellipsis, places - min(offset, 0), places + max(offset, 0))),
    )


def _transpose_trace(g: Any, x_aval: Aval, offset: int, axis1: int, axis2: int) -> Any:
    zeros = np.zeros(x_aval.shape, x_aval.dtype)
    path = _diagonal_path(x_aval.shape, offset, axis1, axis2)
    value = column(g) if np.ndim(g) else g
    return bind(indexed_add, zeros, value, path=path, in_place=True)


def _infer_trace(x: Aval, *, offset: int, axis1: int, axis2: int) -> Aval:
    shape = tuple(length for i, length in enumerate(x.shape) if i not in (axis1, axis2))
    return Aval(shape, x.dtype, kind_of_result(shape))


def _batch_trace(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    x = front(values[0], axes[0])
    ndim = ndim_of(x) - 1
    first, second = params["axis1"] % ndim + 1, params["axis2"] % ndim + 1
    return bind(trace_primitive, x, offset=params["offset"], axis1=first, axis2=second), 0


trace_primitive: Primitive = structural(
    "trace",
    batch=_batch_trace,
    evaluate=np.trace,
    infer=_infer_trace,
    transpose=_transpose_trace,
    samples=lambda: [
        Sample(array(3, 4), offset=0, axis1=0, axis2=1),
        Sample(array(4, 3), offset=-2, axis1=0, axis2=1),
        Sample(array(3, 4, 2), offset=1, axis1=2, axis2=0),
        Sample(array(3, 4), offset=7, axis1=0, axis2=1),
        Sample(array(0, 2), offset=0, axis1=0, axis2=1),
        Sample(array(3, 3, dtype=np.complex128), offset=0, axis1=0, axis2=1),
        Sample(array(3, 2, dtype=np.float32), offset=0, axis1=0, axis2=1),
    ],
    fails=lambda: [Fail(ValueError, "", array(3), offset=0, axis1=0, axis2=1)],
    numpy=np.trace,
)


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    x = operand(a)
    if np.ndim(x) < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = (normalize_axis_index(axis, np.ndim(x)) for axis in (axis1, axis2))
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is not None:
        x = x.astype(dtype)
    return stored(
        out, to_user(bind(trace_primitive, x, offset=int(offset), axis1=first, axis2=second))
    )


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


install_method("trace", trace)
