"""Products that sum over axes: matmul (the operator @), dot, vdot, tensordot and what they make up.

Every transpose of a product is a product again. `einsum` has a module of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, aval_of, kind_of_result, result_dtype
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, to_user
from ..tracing.operators import install_binary, install_method
from ..tracing.protocols import implement_ufunc, implements, store_results
from .core_family import Signature, column, core, operand, promoted, transposed
from .families import bilinear, structural
from .indexing import indexed_add
from .samples import Fail, Sample, array


def _conjugate(x: Any) -> Any:
    return np.conj(x) if aval_of(raw_of(x)).is_complex else x


def _leading(count: int) -> list[int]:
    return list(range(count))


# ------------------------------------------------------------------ matmul


def _matmul_first(g: Any, y: Any, x_aval: Aval) -> Any:
    """Return the cotangent of x in x @ y: g @ yᵀ, without an outer product larger than x."""
    y_ndim = np.ndim(y)
    if y_ndim == 1:
        return g * y if x_aval.ndim == 1 else column(g) * y
    if x_aval.ndim == 1:
        if y_ndim == 2:
            return np.matmul(y, g)
        kept = [i for i in range(y_ndim) if i != y_ndim - 2]
        return np.tensordot(y, g, (kept, _leading(y_ndim - 1)))
    if x_aval.ndim == 2 and y_ndim > 2:
        summed = [*range(y_ndim - 2), y_ndim - 1]
        return np.tensordot(g, y, (summed, summed))
    return np.matmul(g, transposed(y))


def _matmul_second(g: Any, x: Any, y_aval: Aval) -> Any:
    """Return the cotangent of y in x @ y: xᵀ @ g, without an outer product larger than y."""
    x_ndim = np.ndim(x)
    if x_ndim == 1:
        return g * x if y_aval.ndim == 1 else column(x) * g[..., None, :]
    if y_aval.ndim == 1:
        if x_ndim == 2:
            return np.matmul(g, x)
        return np.tensordot(g, x, (_leading(x_ndim - 1), _leading(x_ndim - 1)))
    if y_aval.ndim == 2 and x_ndim > 2:
        return np.tensordot(x, g, (_leading(x_ndim - 1), _leading(x_ndim - 1)))
    return np.matmul(transposed(x), g)


def _product_samples() -> list[Sample]:
    single = array(4, dtype=np.float32)
    z = array(4, 2, dtype=np.complex128)
    return [
        Sample(array(3, 4), array(4, 2)),
        Sample(array(3, 4), array(4)),
        Sample(array(4), array(4, 2)),
        Sample(array(4), array(4, seed=1)),
        Sample(array(5, 3, 4), array(4)),
        Sample(array(5, 3, 4), array(4, 2)),
        Sample(array(4), array(5, 4, 2)),
        Sample(array(3, 4), array(5, 4, 2)),
        Sample(array(4, 3).T, array(2, 4).T),
        Sample(array(3, 4, dtype=np.float32), single),
        Sample(array(3, 4, dtype=np.float32), array(4, 2)),
        Sample(array(3, 4, dtype=np.complex128), z),
        Sample(array(3, 4), z),
        Sample(array(0, 4), array(4, 2)),
        Sample(array(3, 0), array(0, 2)),
    ]


def _matmul_fails() -> list[Fail]:
    return [
        Fail(ValueError, "mismatch in its core dimension", array(3, 4), array(3, 2)),
        Fail(ValueError, "enough dimensions", 2.0, array(3, 2)),
        Fail(ValueError, "broadcast", array(5, 3, 4), array(2, 4, 3)),
    ]


matmul = core(
    "matmul",
    "(m?,n),(n,p?)->(m?,p?)",
    arguments=("x", "y"),
    evaluate=np.matmul,
    transposes=(_matmul_first, _matmul_second),
    dtypes=promoted,
    samples=lambda: [
        *_product_samples(),
        Sample(array(5, 3, 4), array(5, 4, 2)),
        Sample(array(6, 1, 3, 4), array(5, 4, 2)),
        Sample(array(0, 3, 4), array(4, 2)),
    ],
    fails=_matmul_fails,
    numpy=np.matmul,
)


# Vectors and matrices of one real dtype are the common operands: their pullbacks are chosen once,
# need no projection, and keep only the other operand.
def _outer_with_row(g: Any, residuals: Any) -> Any:
    return g[:, None] * residuals


def _outer_with_column(g: Any, residuals: Any) -> Any:
    return residuals[:, None] * g


def _times_kept(g: Any, residuals: Any) -> Any:
    return g * residuals


def _kept_matmul(g: Any, residuals: Any) -> Any:
    return residuals @ g


def _matmul_kept(g: Any, residuals: Any) -> Any:
    return g @ residuals


def _matmul_kept_transposed(g: Any, residuals: Any) -> Any:
    return g @ residuals.T


def _kept_transposed_matmul(g: Any, residuals: Any) -> Any:
    return residuals.T @ g


_SMALL_PULLS = {
    (1, 1): (_times_kept, _times_kept),
    (1, 2): (_kept_matmul, _outer_with_column),
    (2, 1): (_outer_with_row, _matmul_kept),
    (2, 2): (_matmul_kept_transposed, _kept_transposed_matmul),
}


def _pull_both(g: Any, residuals: Any) -> Any:
    first, second, x, y = residuals
    return first(g, y), second(g, x)


def _with_fast_pulls(primitive: Primitive) -> None:
    """Put the pullbacks of plain vectors and matrices in front of the general ones."""
    general = primitive.reverse
    assert general is not None

    def reverse(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        x, y = values
        if type(x) is np.ndarray and type(y) is np.ndarray and x.dtype == y.dtype:
            pulls = _SMALL_PULLS.get((x.ndim, y.ndim))
            if pulls is not None and x.dtype.kind in "fc":
                if len(which) == 2:
                    return _pull_both, (*pulls, x, y)
                return pulls[which[0]], (y if which[0] == 0 else x)
        return general(which, values, ans, params)

    primitive.reverse = reverse


_with_fast_pulls(matmul)
install_binary("__matmul__", matmul, "__rmatmul__")


# ------------------------------------------------------------------ gufuncs with axes


def _gufunc(primitive: Primitive, signature: str) -> Callable[..., Any]:
    """Return the implementation of a gufunc: ``axes=``, ``axis=`` and ``keepdims=`` move axes."""
    parts = Signature(signature)

    def call(*inputs: Any, axes: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        operands = [operand(value) for value in inputs]
        if axes is None and axis is None and not keepdims:
            return bind(primitive, *operands)
        given = [_as_tuple(entry) for entry in axes or ()]
        if axis is not None:
            given = [(axis,)] * len(operands)
        for names in parts.inputs[len(given) :]:
            given.append(tuple(range(-len(names), 0)))
        moved = [
            np.moveaxis(value, entry, tuple(range(-len(entry), 0)))
            for value, entry in zip(operands, given, strict=False)
        ]
        result = to_user(bind(primitive, *moved))
        if keepdims:
            return np.expand_dims(result, given[-1] if len(given) > len(operands) else given[0])
        if len(given) > len(operands) and given[-1]:
            places = tuple(range(-len(given[-1]), 0))
            return np.moveaxis(result, places, given[-1])
        return result

    call.keywords = ("axes", "axis", "keepdims")  # type: ignore[attr-defined]
    return call


def _as_tuple(entry: Any) -> tuple[int, ...]:
    return tuple(entry) if isinstance(entry, Iterable) else (entry,)


implement_ufunc(np.matmul, _gufunc(matmul, "(m?,n),(n,p?)->(m?,p?)"))


def _vector_samples() -> list[Sample]:
    z = array(4, dtype=np.complex128)
    return [
        Sample(array(4), array(4, seed=1)),
        Sample(z, array(4, dtype=np.complex128, seed=1)),
        Sample(z, array(4)),
        Sample(array(4), z),
        Sample(array(4, dtype=np.float32), array(4, dtype=np.float32, seed=1)),
        Sample(array(0), array(0)),
    ]


def _batched_vector_samples() -> list[Sample]:
    return [
        *_vector_samples(),
        Sample(array(5, 4), array(4)),
        Sample(array(3, 1, 4), array(5, 4)),
    ]


def _mismatch(message: str = "mismatch in its core dimension") -> list[Fail]:
    return [Fail(ValueError, message, array(4), array(3))]


vecdot = core(
    "vecdot",
    "(n),(n)->()",
    arguments=("x", "y"),
    evaluate=np.vecdot,
    transposes=(lambda g, y: _conjugate(column(g) * y), lambda g, x: column(g) * _conjugate(x)),
    dtypes=promoted,
    samples=_batched_vector_samples,
    fails=_mismatch,
    numpy=np.vecdot,
)
implement_ufunc(np.vecdot, _gufunc(vecdot, "(n),(n)->()"))

if hasattr(np, "matvec"):  # NumPy 2.2 and later
    matvec = core(
        "matvec",
        "(m,n),(n)->(m)",
        arguments=("x", "y"),
        evaluate=np.matvec,
        transposes=(
            lambda g, y: column(g) * y[..., None, :],
            lambda g, x: np.matvec(transposed(x), g),
        ),
        dtypes=promoted,
        samples=lambda: [
            Sample(array(3, 4), array(4)),
            Sample(array(3, 4), array(5, 4)),
            Sample(array(2, 1, 3, 4), array(5, 4)),
            Sample(array(3, 4, dtype=np.complex128), array(4, dtype=np.complex128)),
            Sample(array(3, 4, dtype=np.float32), array(4, dtype=np.float32)),
            Sample(array(3, 0), array(0)),
        ],
        fails=lambda: [Fail(ValueError, "core dimension", array(3, 4), array(3))],
        numpy=np.matvec,
    )
    vecmat = core(
        "vecmat",
        "(n),(n,p)->(p)",
        arguments=("x", "y"),
        evaluate=np.vecmat,
        transposes=(
            lambda g, y: _conjugate(np.matvec(y, g)),
            lambda g, x: column(_conjugate(x)) * g[..., None, :],
        ),
        dtypes=promoted,
        samples=lambda: [
            Sample(array(4), array(4, 3)),
            Sample(array(5, 4), array(4, 3)),
            Sample(array(5, 4), array(2, 1, 4, 3)),
            Sample(array(4, dtype=np.complex128), array(4, 3, dtype=np.complex128)),
            Sample(array(4, dtype=np.complex128), array(4, 3)),
            Sample(array(0), array(0, 3)),
        ],
        fails=lambda: [Fail(ValueError, "core dimension", array(3), array(4, 3))],
        numpy=np.vecmat,
    )
    implement_ufunc(np.matvec, _gufunc(matvec, "(m,n),(n)->(m)"))
    implement_ufunc(np.vecmat, _gufunc(vecmat, "(n),(n,p)->(p)"))


# ------------------------------------------------------------------ dot and vdot


def _dot_shape(x: Aval, y: Aval) -> tuple[int, ...]:
    if not x.shape or not y.shape:
        return x.shape + y.shape
    axis = max(y.ndim - 2, 0)
    if x.shape[-1] != y.shape[axis]:
        raise ValueError(
            f"shapes {x.shape} and {y.shape} not aligned: {x.shape[-1]} (dim {x.ndim - 1}) != "
            f"{y.shape[axis]} (dim {axis})"
        )
    return x.shape[:-1] + y.shape[:axis] + y.shape[axis + 1 :]


def _infer_dot(x: Aval, y: Aval) -> Aval:
    shape = _dot_shape(x, y)
    # np.dot is no ufunc: a Python number counts with its own dtype, float64.
    return Aval(shape, np.result_type(x.dtype, y.dtype), kind_of_result(shape))


def _dot_first(g: Any, y: Any, x_aval: Aval) -> Any:
    y_ndim = np.ndim(y)
    if not x_aval.shape or not y_ndim:
        return g * y
    if x_aval.ndim == 1 or y_ndim <= 2:
        return _matmul_first(g, y, x_aval)
    kept = [i for i in range(y_ndim) if i != y_ndim - 2]
    return np.tensordot(g, y, (list(range(1 - y_ndim, 0)), kept))


def _dot_second(g: Any, x: Any, y_aval: Aval) -> Any:
    x_ndim = np.ndim(x)
    if not x_ndim or not y_aval.shape:
        return g * x
    if x_ndim == 1 or y_aval.ndim <= 2:
        return _matmul_second(g, x, y_aval)
    free = _leading(x_ndim - 1)
    return np.moveaxis(np.tensordot(x, g, (free, free)), 0, -2)


dot_primitive = bilinear(
    "dot",
    evaluate=np.dot,
    infer=_infer_dot,
    transposes=(_dot_first, _dot_second),
    samples=lambda: [
        *_product_samples(),
        Sample(array(6, 3, 4), array(5, 4, 2)),
        Sample(1.5, array(3, 4)),
        Sample(array(3, 4), np.float64(0.5)),
        Sample(1.5, 2.5),
        Sample(2.5, array(3, dtype=np.float32)),
    ],
    fails=lambda: [Fail(ValueError, "not aligned", array(3, 4), array(3, 2))],
    numpy=np.dot,
)
_with_fast_pulls(dot_primitive)


def _stored(out: Any, result: Any) -> Any:
    return result if out is None else store_results((out,), (result,), "no")


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    return _stored(out, to_user(bind(dot_primitive, operand(a), operand(b))))


def _infer_vdot(x: Aval, y: Aval) -> Aval:
    if x.size != y.size:
        raise ValueError("cannot reshape array: vdot takes operands of one size")
    return Aval((), np.result_type(x.dtype, y.dtype), "scalar")


vdot_primitive = bilinear(
    "vdot",
    evaluate=np.vdot,
    infer=_infer_vdot,
    transposes=(
        lambda g, y, x_aval: _conjugate(g * np.reshape(y, x_aval.shape)),
        lambda g, x, y_aval: g * np.reshape(_conjugate(x), y_aval.shape),
    ),
    samples=lambda: [
        *_vector_samples(),
        Sample(array(3, 4), array(3, 4, seed=1)),
        Sample(array(3, 4, dtype=np.complex128), array(12)),
        Sample(1.5, 2.5),
    ],
    fails=lambda: [Fail(ValueError, "", array(4), array(3))],
    numpy=np.vdot,
)


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return to_user(bind(vdot_primitive, operand(a), operand(b)))


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    first, second = operand(a), operand(b)
    if np.ndim(first) and np.ndim(second) > 1:
        second = transposed(second)  # what NumPy's own C function does
    return to_user(bind(dot_primitive, first, second))


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.vecdot(operand(x1), operand(x2), axis=axis)


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return to_user(bind(matmul, operand(x1), operand(x2)))


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
    found = np.tensordot(x, g, (free_of_x, _leading(len(free_of_x))))
    rank = {axis: i for i, axis in enumerate(sorted(others))}
    place = {axis: rank[other] for axis, other in zip(own, others, strict=True)}
    place |= {axis: len(others) + i for i, axis in enumerate(_free(y_aval.ndim, own))}
    return _permuted(found, [place[i] for i in range(y_aval.ndim)])


def _permuted(x: Any, order: list[int]) -> Any:
    return x if order == list(range(len(order))) else np.transpose(x, order)


tensordot_primitive = bilinear(
    "tensordot",
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
    first, second = (_as_tuple(entry) for entry in axes)
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
    product = np.reshape(operand(a), (-1, 1)) * np.reshape(operand(b), (1, -1))
    return _stored(out, product)


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
        return np.multiply(first, second)
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
        raise ValueError(
            "incompatible dimensions for cross product\n(dimension must be 2 or 3)"
        )
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


trace_primitive = structural(
    "trace",
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
    if dtype is not None:
        x = x.astype(dtype)
    return _stored(
        out, to_user(bind(trace_primitive, x, offset=int(offset), axis1=first, axis2=second))
    )


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


install_method("dot", dot)
install_method("trace", trace)
