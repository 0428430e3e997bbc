"""Norms of vectors and matrices: ``np.linalg.norm``, ``vector_norm``, ``matrix_norm``, ``cond``.

At 0 the gradient of every norm is 0; entries that tie in a maximum share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ...ir.aval import Aval, aval_of, kind_of_result
from ...ir.primitive import Primitive
from ...tracing.core import bind, innermost, is_unknown, ndim_of, raw_of, shape_of, to_user
from ...tracing.decisions import possible
from ...tracing.protocols import implements
from ..batch_rules import front, in_shape
from ..core_family import conjugated, operand, real_dtype, real_part
from ..families import irregular
from ..samples import Fail, Sample, array
from ..smooth_squares import length, square_of_modulus
from ..tips import at_tip, sum_of_tips, times_slope
from .inverse import inverse_or_nan

# ------------------------------------------------------------------ vector norms


def _axes(x_aval: Aval, axis: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(range(x_aval.ndim)) if axis is None else axis


def _times_direction(change: Any, x: Any) -> Any:
    """Return change times the derivative of |x|: sign, conj(x)/|x| for complex x, and 0 at 0."""
    if not aval_of(raw_of(x)).is_complex:
        return change * np.sign(x)
    return times_slope(change, np.conj(x), np.abs(x))


def _times_slopes(
    change: Any, x: Any, ans: Any, ord: Any, axes: tuple[int, ...], keepdims: bool
) -> Any:
    """Return changes times the derivative of the norm with respect to every entry."""
    if ord == 0:
        return np.zeros(np.shape(x), aval_of(raw_of(x)).dtype)
    if ord == 1:
        return _times_direction(change, x)
    if ord in (np.inf, -np.inf):
        # Not compared with the norm: compiled code may give |x| of complex x another last digit.
        sizes = np.abs(x)
        if ord == np.inf:
            extreme = np.max(sizes, axis=axes, keepdims=True, initial=0)
        else:
            extreme = np.min(sizes, axis=axes, keepdims=True)
        largest = np.equal(sizes, extreme)
        shared = np.sum(largest, axis=axes, keepdims=True)
        return _times_direction(change * (largest / shared), x)
    norms = ans if keepdims or not np.ndim(ans) else np.expand_dims(ans, axes)
    zero, some_zero = _zeros(norms)
    safe = np.where(zero, 1.0, norms) if some_zero else norms
    if ord is None or ord == 2 or ord in ("f", "fro"):
        products = change * (conjugated(x) / safe)
    else:
        products = _times_direction(change * (np.abs(x) / safe) ** (ord - 1), x)
    if not some_zero:
        return products
    return np.where(zero, at_tip(sum_of_tips(conjugated(x), axes), change), products)


def _zeros(norms: Any) -> tuple[Any, bool]:
    """Return where norms are 0, and whether any is (or may be, while values are not known)."""
    plain = innermost(raw_of(norms))
    if is_unknown(plain):
        return np.equal(norms, 0), True
    zero = plain == 0
    return zero, bool(zero if type(zero) is not np.ndarray else zero.any())


def _jvp(tangent: Any, x: Any, ans: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    axes = _axes(aval_of(raw_of(x)), axis)
    changes = _times_slopes(tangent, x, ans, ord, axes, keepdims)
    return real_part(np.sum(changes, axis=axes, keepdims=keepdims))


def _vjp(g: Any, x: Any, ans: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    axes = _axes(aval_of(raw_of(x)), axis)
    spread = g if keepdims or not np.ndim(g) else np.expand_dims(g, axes)
    return _times_slopes(spread, x, ans, ord, axes, keepdims)


def _infer(x: Aval, *, ord: Any, axis: tuple[int, ...] | None, keepdims: bool) -> Aval:
    axes = _axes(x, axis)
    if keepdims:
        shape = tuple(1 if i in axes else length for i, length in enumerate(x.shape))
    else:
        shape = tuple(length for i, length in enumerate(x.shape) if i not in axes)
    dtype = np.dtype(np.float64) if x.dtype.kind in "biu" else real_dtype(x.dtype)
    return Aval(shape, dtype, kind_of_result(shape))


def _samples() -> list[Sample]:
    x = array(3, 4)
    z = array(3, 4, dtype=np.complex128)
    orders = [None, 1, 2, 3, 2.5, -1, -2, np.inf, -np.inf]
    return [
        Sample(x, ord=None, axis=None, keepdims=False),
        Sample(x, ord="fro", axis=None, keepdims=True),
        Sample(array(4, 3, 2), ord="fro", axis=(0, 2), keepdims=False),
        Sample(array(4, 3, 2), ord=None, axis=(2, 0), keepdims=True),
        *(Sample(x, ord=ord, axis=(1,), keepdims=False) for ord in orders),
        *(Sample(z, ord=ord, axis=(0,), keepdims=True) for ord in orders),
        Sample(x, ord=0, axis=(1,), keepdims=False),
        Sample(array(4, dtype=np.float32), ord=None, axis=None, keepdims=False),
        Sample(array(4, dtype=np.float32), ord=3, axis=(0,), keepdims=False),
        Sample(array(0), ord=None, axis=None, keepdims=False),
        Sample(array(0, 3), ord=1, axis=(0,), keepdims=False),
        Sample(np.zeros(3), ord=None, axis=None, keepdims=False, differentiable=False),
        Sample(np.zeros((2, 3)), ord=3, axis=(1,), keepdims=False, differentiable=False),
    ]


def _batch_norm(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    x = front(values[0], axes[0])
    axis, ndim = params["axis"], ndim_of(x) - 1
    if axis is not None:
        axis = tuple(entry % ndim + 1 for entry in axis)
        return bind(norm_primitive, x, **{**params, "axis": axis}), 0
    if params["ord"] is not None and ndim < 3:  # of a vector, or of a matrix
        return bind(norm_primitive, x, **{**params, "axis": tuple(range(1, ndim + 1))}), 0
    flat = in_shape(x, (shape_of(x)[0], -1))
    found = bind(norm_primitive, flat, ord=params["ord"], axis=(1,), keepdims=False)
    if params["keepdims"]:
        found = in_shape(found, (shape_of(x)[0], *(1,) * ndim))
    return found, 0


norm_primitive: Primitive = irregular(
    "norm",
    batch=_batch_norm,
    arguments=("x",),
    evaluate=lambda x, *, ord, axis, keepdims: np.linalg.norm(x, ord, axis, keepdims),
    infer=_infer,
    jvp=(_jvp,),
    vjp=(_vjp,),
    samples=_samples,
    fails=lambda: [
        Fail(ValueError, "Invalid norm order", array(3), ord="fro", axis=(0,), keepdims=False),
        Fail(
            ValueError,
            "Improper number of dimensions",
            array(2, 3, 4),
            ord=2,
            axis=None,
            keepdims=False,
        ),
    ],
    numpy=np.linalg.norm,
)


# ------------------------------------------------------------------ the functions


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    value = operand(x)
    ndim = np.ndim(value)
    keepdims = bool(keepdims)
    flat = ord is None or (ord in ("f", "fro") and ndim == 2) or (ord == 2 and ndim == 1)
    if axis is None and (flat or ndim not in (1, 2)):
        return _entrywise(value, ord, None, keepdims)
    if axis is None:
        axes = tuple(range(ndim))
    elif isinstance(axis, tuple):
        axes = tuple(normalize_axis_index(int(entry), ndim) for entry in axis)
    else:
        try:
            axes = (normalize_axis_index(int(axis), ndim),)
        except TypeError as error:
            raise TypeError("'axis' must be None, an integer or a tuple of integers") from error
    if len(axes) != 2 or ord in (None, "f", "fro"):
        return _entrywise(value, ord, axes, keepdims)
    if axes[0] == axes[1]:
        raise ValueError("Duplicate axes given.")
    result = _matrix_norm(value, ord, axes)
    if keepdims:
        shape = [1 if i in axes else length for i, length in enumerate(np.shape(value))]
        result = np.reshape(result, shape)
    return result


def _entrywise(x: Any, ord: Any, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    """Return norms of all entries along some axes; the Euclidean ones remember their squares."""
    found = to_user(bind(norm_primitive, x, ord=ord, axis=axis, keepdims=keepdims))
    if ord not in (None, 2, "f", "fro"):
        return found

    def square(x: Any) -> Any:
        return np.sum(square_of_modulus(x), axis=axis, keepdims=keepdims)

    return length(found, square, x)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int]) -> Any:
    """Return the norms of matrices other than Frobenius', from sums or singular values."""
    row, column = axes
    if ord in (2, -2, "nuc"):
        values = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        if ord == "nuc":
            return np.sum(values, axis=-1)
        return _largest(values, -1) if ord == 2 else np.min(values, axis=-1)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    summed, kept = (row, column) if abs(ord) == 1 else (column, row)
    sums = np.sum(np.abs(x), axis=summed)
    left = kept - 1 if kept > summed else kept
    return _largest(sums, left) if ord > 0 else np.min(sums, axis=left)


def _largest(values: Any, axis: int) -> Any:
    """Return the maximum along an axis, 0 where that is empty."""
    if np.shape(values)[axis]:
        return np.max(values, axis=axis)
    return np.sum(values, axis=axis)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    value = operand(x)
    shape = np.shape(value)
    if axis is None:
        found = norm(np.reshape(value, (-1,)), ord, 0)
        axes = tuple(range(len(shape)))
    elif isinstance(axis, tuple):
        axes = normalize_axis_tuple(axis, len(shape))
        rest = tuple(i for i in range(len(shape)) if i not in axes)
        moved = np.transpose(value, (*axes, *rest))
        length = int(np.prod([shape[i] for i in axes], dtype=int))
        found = norm(np.reshape(moved, (length, *(shape[i] for i in rest))), ord, 0)
    else:
        found = norm(value, ord, axis)
        axes = (normalize_axis_index(int(axis), len(shape)),)
    if keepdims:
        return np.reshape(found, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return found


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    value = operand(x)
    if 0 in np.shape(value)[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        values = np.linalg.svd(value, compute_uv=False)
        first, last = values[..., 0], values[..., -1]
        with np.errstate(all="ignore"):
            found = last / first if p == -2 else first / last
    else:
        found = norm(value, p, (-2, -1)) * norm(inverse_or_nan(value), p, (-2, -1))
    lost = np.isnan(found) & ~np.any(np.isnan(value), axis=(-2, -1))
    return np.where(lost, np.inf, found)[()] if possible(lost) else found
