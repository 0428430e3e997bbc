"""Projection of a rule's result to its argument's tangent space: shape, dtype, realness.

The one place where broadcasting is undone. Written with NumPy's functions, which dispatch on traced
values to our own and cost nothing extra on plain ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked, Part
from ..tracing.core import Traced, innermost, raw_of, shape_of
from ..tracing.decisions import truth


def fits(value: Any, ans: Any) -> bool:
    """Return whether a value has the shape and dtype of another (kinds may differ)."""
    kind = type(ans)
    if kind is float or kind is np.float64:
        return type(value) is float or type(value) is np.float64
    if kind is np.ndarray and type(value) is np.ndarray:
        return bool(value.shape == ans.shape and value.dtype == ans.dtype)
    first, second = innermost(value), innermost(ans)
    if first is second and type(first) is Aval:  # those of numbers are shared
        return True
    first, second = aval_of(first), aval_of(second)
    return first.shape == second.shape and first.dtype == second.dtype


def project(cotangent: Any, aval: Aval) -> Any:
    """Return a dense cotangent summed, cast and made real until it fits `aval`."""
    shape = shape_of(cotangent)
    if shape != aval.shape:
        cotangent = _sum_to(cotangent, shape, aval.shape)
    return cast(cotangent, aval.dtype)


def _sum_to(value: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> Any:
    if not target and shape and type(value) is np.ndarray:  # what np.sum does
        return np.add.reduce(value, tuple(range(len(shape))))
    extra = len(shape) - len(target)
    if extra < 0 and all(length == 1 for length in target[:-extra]):  # dropped by a write
        return np.reshape(_sum_to(value, shape, target[-extra:]), target)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, length in enumerate(target) if length == 1 and shape[extra + i] != 1
    )
    if axes:
        plain = type(value) is np.ndarray
        value = np.add.reduce(value, axes) if plain else np.sum(value, axis=axes, keepdims=False)
    found = shape_of(value)
    if found != target:
        if math.prod(found) != math.prod(
            target
        ):  # a rule left out axes that it was broadcast along
            return np.broadcast_to(value, target)
        value = np.reshape(value, target)
    return value


def cast(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return `value` with the given dtype; the real part where that is real."""
    found = value.dtype if type(value) is np.ndarray else aval_of(raw_of(value)).dtype
    if found is dtype or found == dtype:
        return value
    if found.kind == "c" and dtype.kind == "f":
        value = np.real(value)
        if aval_of(raw_of(value)).dtype == dtype:
            return value
    if type(value) in (float, int, complex):
        return dtype.type(value)
    return value.astype(dtype)


def project_masked(cotangent: Masked, aval: Aval) -> Any:
    """Return a masked cotangent projected; entries summed into one are selected if any was."""
    value = project(cotangent.value, aval)
    shape = shape_of(cotangent.mask)
    if shape == aval.shape:
        return selected(value, cotangent.mask)
    return selected(value, _sum_to(cotangent.mask.astype(np.float64), shape, aval.shape) != 0)


def selected(value: Any, mask: Any) -> Any:
    """Return a cotangent with its mask; of a number the value or None, where that is known."""
    flag = None if shape_of(mask) else truth(mask)
    if flag is None:
        return Masked(value, mask)
    return value if flag else None


def project_or_none(cotangent: Any, aval: Aval) -> Any:
    """Project what a rule gave: None (a zero), a mask, a part, or a dense cotangent."""
    if cotangent is None or type(cotangent) is Part:
        return cotangent
    if type(cotangent) is Masked:
        return project_masked(cotangent, aval)
    return project(cotangent, aval)


def select(mask: Any, value: Any) -> Any:
    """Return `value` where the mask holds and an exact zero elsewhere."""
    if type(value) is np.ndarray and value.shape == shape_of(mask):
        return np.where(mask, value, value.dtype.type(0))
    return np.where(mask, value, aval_of(raw_of(value)).dtype.type(0))


def expand(tangent: Any, aval: Aval) -> Any:
    """Return a tangent broadcast and cast to the space of a result."""
    if shape_of(tangent) != aval.shape:
        tangent = np.broadcast_to(tangent, aval.shape)
    found = aval_of(raw_of(tangent)).dtype
    return tangent if found == aval.dtype else cast(tangent, aval.dtype)


# From this size on, reading and writing memory is what an operation costs.
LARGE_BYTES = 64 * 1024


def is_ones(value: np.ndarray[Any, Any]) -> bool:
    """Return whether an array is known to be 1 everywhere: a view of one number, as sums give."""
    return not any(value.strides) and value.size > 0 and value.item(0) == 1


def times(cotangent: Any, factor: Any) -> Any:
    """Return the product of a cotangent and a factor; the factor itself where that is known."""
    if (
        type(cotangent) is np.ndarray
        and cotangent.nbytes > LARGE_BYTES
        and type(factor) is np.ndarray
        and factor.shape == cotangent.shape
        and factor.dtype == cotangent.dtype
        and is_ones(cotangent)
    ):
        return factor
    return cotangent * factor


def negated(cotangent: Any) -> Any:
    """Return a cotangent with the other sign; of a view of one number another one."""
    if (
        type(cotangent) is np.ndarray
        and cotangent.nbytes > LARGE_BYTES
        and not any(cotangent.strides)
    ):
        return np.broadcast_to(-cotangent[(0,) * cotangent.ndim], cotangent.shape)
    return -cotangent


def multiply_into(buffer: Any, factor: Any) -> Any:
    """Return the product, in the memory of `buffer` where that is a plain array and it fits.

    For temporaries and for cotangents that nobody else holds: fresh memory costs more than the
    arithmetic on large arrays.
    """
    if type(buffer) is np.ndarray and (
        (
            type(factor) is np.ndarray
            and factor.shape == buffer.shape
            and factor.dtype == buffer.dtype
        )
        or type(factor) in (float, int)
    ):
        return np.multiply(buffer, factor, out=buffer)
    return buffer * factor


def add(first: Any, second: Any) -> Any:
    """Return the sum of two tangents, None being zero."""
    if first is None:
        return second
    return first if second is None else first + second


def as_numpy_scalar(value: Any) -> Any:
    """Return a Python number as NumPy's scalar: what a ufunc does to its operands.

    A traced float stays at its position with another kind of value: no operation is recorded.
    """
    if type(value) is float:
        return np.float64(value)
    if type(value) is Traced:
        if type(innermost(value)) is float:
            return Traced(value._trace, as_numpy_scalar(value._below), value._payload)
        return value.astype(aval_of(value).dtype)
    return np.asarray(value)[()]
